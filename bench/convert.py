"""Conversion of a large SVS beside `cp` + `sha256sum` of the same file, in one run.

    python bench/convert.py [--gib 2] [--folder DIR] [--peer]

`--peer` also runs wsidicomizer on the SVS. Prints seconds, MB/s, the ratio to cp + sha256sum, processor time and (ours)
peak memory; every line is a process of its own.
"""

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from lamelle.testing import tiffs

CONVERT = """
import sys
from pathlib import Path
from lamelle.dicom.vendors.conversion import convert
target = sys.argv[2]
def sink(name):
    return open("/dev/null" if target == "-" else f"{target}/{name}.dcm", "wb", buffering=0)
convert(Path(sys.argv[1]), sink)
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
"""


def noisy(side: int) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, 6, (side, side, 3))
    return np.clip(tiffs.tissue(side, side) + noise, 0, 255).astype(np.uint8)


def svs(path: Path, gib: float) -> None:
    """An SVS of 64 tiles said again and again: four levels, each 4 smaller."""
    pairs = [tiffs.abbreviated(tiffs.jpeg(tile, rgb=True)) for tile in tiffs.tiles(noisy(2048), 256)]
    data = [one for _, one in pairs]
    side = int((gib * 2**30 / (sum(map(len, data)) / len(data))) ** 0.5)
    images = []
    for factor in (1, 4, 16, 64):
        width = side * 256 // factor
        tags: dict[int, tiffs.Value] = {
            256: width, 257: width, 258: [8, 8, 8], 259: 7, 262: 2, 277: 3, 322: 256, 323: 256, 347: pairs[0][0],
            270: tiffs.APERIO.format(w=width, h=width),
        }  # fmt: skip
        images.append(tiffs.Image(tags, itertools.islice(itertools.cycle(data), (-(-width // 256)) ** 2)))
    thumbnail = tiffs.tissue(400, 400)
    strip = {**tiffs.tags(thumbnail, 7, 6), 278: 400, 270: images[0].tags[270]}
    images.insert(1, tiffs.Image(strip, [tiffs.jpeg(thumbnail)], tiled=False))
    tiffs.write(path, images, big=True)


def timed(name: str, command: list[str], size: int, baseline: float | None) -> float:
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    said = process.stdout.read().split()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{name} failed")
    ratio = f"{seconds / baseline:5.2f} x" if baseline else "       "
    cpu = usage.ru_utime + usage.ru_stime
    peak = f"peak {int(said[-1]) / 1024:.0f} MiB" if len(said) == 1 else ""
    print(f"{name:24} {seconds:7.2f} s {size / seconds / 1e6:7.0f} MB/s {ratio} cpu {cpu:6.2f} s {peak}")
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--gib", type=float, default=2.0)
    parser.add_argument("--folder", default=tempfile.gettempdir())
    parser.add_argument("--peer", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        source = Path(folder) / "slide.svs"
        svs(source, options.gib)
        size = source.stat().st_size
        print(f"SVS of {size / 1e6:.0f} MB")
        base = timed("cp", ["cp", str(source), f"{folder}/copy"], size, None)
        base += timed("sha256sum", ["sha256sum", str(source)], size, None)
        python = [sys.executable, "-c", CONVERT, str(source)]
        timed("lamelle to /dev/null", [*python, "-"], size, base)
        Path(f"{folder}/copy").unlink()
        Path(f"{folder}/out").mkdir()
        timed("lamelle to files", [*python, f"{folder}/out"], size, base)
        if options.peer:
            peer = [str(Path(sys.executable).parent / "wsidicomizer"), "-i", str(source), "-o", f"{folder}/peer"]
            timed("wsidicomizer to files", peer, size, base)


if __name__ == "__main__":
    main()
