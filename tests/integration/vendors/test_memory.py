"""A slide of two gigabytes is converted in the memory of a small one."""

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

from lamelle.testing import tiffs

CONVERT = """
import sys
from pathlib import Path
from lamelle.dicom.vendors.conversion import convert
convert(Path(sys.argv[1]), lambda name: open("/dev/null", "wb", buffering=0))
# the high water mark of this program: getrusage would also count the parent's before exec
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


def large(path: Path, gigabytes: float) -> None:
    pairs = [tiffs.abbreviated(tiffs.jpeg(tile, rgb=True)) for tile in tiffs.tiles(tiffs.tissue(1024, 1024), 256)]
    data = [one.ljust(30_000, b"\0") for _, one in pairs]
    side = int((gigabytes * 1e9 / 30_000) ** 0.5)
    images = []
    for factor in (1, 4, 16, 64):
        width = side * 256 // factor
        tags: dict[int, tiffs.Value] = {
            256: width, 257: width, 258: [8, 8, 8], 259: 7, 262: 2, 277: 3, 322: 256, 323: 256, 347: pairs[0][0],
            270: tiffs.APERIO.format(w=width, h=width),
        }  # fmt: skip
        images.append(tiffs.Image(tags, itertools.islice(itertools.cycle(data), (-(-width // 256)) ** 2)))
    tiffs.write(path, images, big=True)


def peak_mib(path: Path) -> float:
    done = subprocess.run([sys.executable, "-c", CONVERT, str(path)], capture_output=True, check=True, timeout=280)
    return int(done.stdout) / 1024


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_memory_is_flat(tmp_path: Path) -> None:
    small, big = tmp_path / "small.svs", tmp_path / "big.svs"
    large(small, 0.1)
    large(big, 2.0)
    assert big.stat().st_size > 1.9e9
    assert peak_mib(big) < 200
    assert peak_mib(big) < peak_mib(small) + 60
