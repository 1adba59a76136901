"""Import of one large SVS through the sandbox, against `cp` with sync plus `sha256sum` of the same file, from one run.

python bench/import_pipe.py [megabytes] [folder]

Prints: the bare pipe (child to parent, bytes thrown away), copy + digest, our import, and the peak memory of each side.
The slide repeats a few hundred different tiles of procedural tissue, so that nothing but its size is special.
"""

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import structlog

from lamelle.archive.settings import ArchiveSettings
from lamelle.archive.store import Archive
from lamelle.doors.files import sandbox
from lamelle.doors.files.importing import import_paths
from lamelle.doors.files.request import Request
from lamelle.doors.files.settings import FilesSettings
from lamelle.testing import tiffs

TILE = 256
PIPE_BYTES = 2 << 30


class Nothing:
    def write(self, chunk: bytes | bytearray | memoryview) -> None: ...

    def close(self) -> None: ...


def send(path: Path, sink: object, facts: object, settings: object) -> None:
    """A reader that only sends, for the bare pipe."""
    block = bytes(1 << 20)
    with sink("zeros") as target:  # type: ignore[operator]
        for _ in range(PIPE_BYTES >> 20):
            target.write(block)


def make(path: Path, size: int) -> None:
    """An SVS of about `size` bytes: JPEG tiles as a scanner at quality 90 with noise writes them."""
    import numpy as np

    noise = np.random.default_rng(1)
    picture = tiffs.tissue(16 * TILE, 16 * TILE).astype(np.int16)
    grainy = np.clip(picture + noise.normal(0, 9, picture.shape), 0, 255).astype(np.uint8)
    pairs = [tiffs.abbreviated(tiffs.jpeg(tile, quality=90)) for tile in tiffs.tiles(grainy, TILE)]
    mean = sum(len(data) for _, data in pairs) / len(pairs)
    side = int((size / mean / (1 + 1 / 16 + 1 / 256)) ** 0.5) // 16 * 16
    said = tiffs.APERIO.format(w=side * TILE, h=side * TILE)

    def level(side: int) -> tiffs.Image:
        def data() -> Iterator[bytes]:
            for number in range(side * side):
                yield pairs[(number * 7 + number // side) % len(pairs)][1]

        size = side * TILE
        tags = {256: size, 257: size, 258: [8, 8, 8], 259: 7, 262: 6, 277: 3, 322: TILE, 323: TILE, 347: pairs[0][0]}
        return tiffs.Image({**tags, 270: said}, data())

    tiffs.write(path, [level(side), level(side // 4), level(side // 16)], big=size > 3 << 30)


def timed(name: str, size: int, seconds: float) -> float:
    print(f"{name:28} {size / 1e6:8.0f} MB {seconds:7.2f} s {size / 1e6 / seconds:8.0f} MB/s", flush=True)
    return seconds


def copied(path: Path, folder: Path) -> float:
    """cp, sync of the copy, sha256sum: what any archive must at least do."""
    start = time.perf_counter()
    subprocess.run(["cp", path, folder / "copy"], check=True)
    subprocess.run(["sync", folder / "copy"], check=True)
    subprocess.run(["sha256sum", path], check=True, stdout=subprocess.DEVNULL)
    spent = time.perf_counter() - start
    (folder / "copy").unlink()
    return spent


def imported(slide: Path, data: Path) -> None:
    """Import in a process of its own; prints seconds, peak MB of the importer and of its reader."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    archive = Archive.open(ArchiveSettings(data, reserve_bytes=0))
    start = time.perf_counter()
    report = import_paths(archive, FilesSettings(), [slide])
    spent = time.perf_counter() - start
    archive.close()
    assert [file.status for file in report.files] == ["stored"], report.files
    status = Path("/proc/self/status").read_text()  # ru_maxrss would include what the process before exec had
    own = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    print(spent, own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)


def main() -> None:
    if sys.argv[1:2] == ["--import"]:
        imported(Path(sys.argv[2]), Path(sys.argv[3]))
        return
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    folder = Path(tempfile.mkdtemp(dir=sys.argv[2] if len(sys.argv) > 2 else None))
    try:
        sys.path.insert(0, str(Path(__file__).parent))
        start = time.perf_counter()
        sandbox.run(Request(folder, reader="import_pipe:send"), lambda name: Nothing())
        timed("pipe alone", PIPE_BYTES, time.perf_counter() - start)
        slide = folder / "slide.svs"
        make(slide, wanted * 1_000_000)
        os.sync()
        size = slide.stat().st_size
        peer = timed("cp + sync + sha256sum", size, copied(slide, folder))
        command = [sys.executable, __file__, "--import", slide, folder / "data"]
        told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        ours, parent, reader = map(float, told.split())
        timed("lamelle import", size, ours)
        print(f"ratio to cp + sync + sha256sum: {ours / peer:.2f} (aim: 2)")
        print(f"peak memory: importer {parent:.0f} MB, its reader {reader:.0f} MB")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
