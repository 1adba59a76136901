"""Store CT-sized instances and one slide through Reception and commit, beside `cp + sha256 + fdatasync` of the same.

python bench/commit_rate.py /var/tmp/bench [instances] [slide megabytes]
"""

import hashlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from lamelle.archive.model import Origin
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.base.clock import SystemClock
from lamelle.testing.instances import dataset, part10, slide

CHUNK = 1 << 20
BATCH = 50
"""Instances in one commit, as a STOW request or a folder of one series gives them."""
FRAME = 20_000
"""Bytes of one tile of the slide."""


def make(folder: Path, instances: int, megabytes: int) -> None:
    """Write the files to store: slices of 512 x 512 in studies of 200, and one slide."""
    pixels = os.urandom(512 * 512 * 2)
    for n in range(instances):
        made = dataset(str(n // 200), number=n % 200, Rows=512, Columns=512, PixelData=pixels)
        (folder / f"{n:06d}.dcm").write_bytes(part10(made))
    tile = b"\xff\xd8" + os.urandom(FRAME - 4) + b"\xff\xd9"
    (folder / "slide.dcm").write_bytes(slide([tile] * (megabytes * 1_000_000 // FRAME), "slide"))


def pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            yield chunk


def keep(archive: Archive, paths: list[Path]) -> None:
    """Store files in one commit."""
    receptions = []
    for path in paths:
        reception = archive.ingest.receive(Origin("bench"))
        for chunk in pieces(path):
            reception.write(chunk)
        reception.close()
        receptions.append(reception)
    assert {outcome.status for outcome in archive.ingest.commit(receptions)} == {"stored"}


def copy(path: Path, to: Path) -> None:
    """What no archive can do less than."""
    digest = hashlib.sha256()
    with (to / path.name).open("wb") as out:
        for chunk in pieces(path):
            digest.update(chunk)
            out.write(chunk)
        out.flush()
        os.fdatasync(out.fileno())


def main(folder: Path, instances: int, megabytes: int) -> None:
    """Print both rates of both kinds of file, one after the other in one run."""
    shutil.rmtree(folder, ignore_errors=True)
    source, copies = folder / "source", folder / "copies"
    source.mkdir(parents=True)
    copies.mkdir()
    make(source, instances, megabytes)
    archive = Archive.open(ArchiveSettings(folder / "data", reserve_bytes=0), SystemClock())
    *slices, large = sorted(source.iterdir())
    print(f"load {os.getloadavg()[0]:.1f}")
    for name, paths in (("slices", slices), ("slide", [large])):
        size = sum(path.stat().st_size for path in paths) / 1e6
        start = time.perf_counter()
        for at in range(0, len(paths), BATCH):
            keep(archive, paths[at : at + BATCH])
        stored = time.perf_counter() - start
        start = time.perf_counter()
        for path in paths:
            copy(path, copies)
        copied = time.perf_counter() - start
        for what, took in (("stored", stored), ("copied", copied)):
            print(f"{name:7} {what} {len(paths) / took:8.1f} /s  {size / took:8.1f} MB/s  in {took:.2f} s")
    archive.close()
    shutil.rmtree(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *(int(text) for text in (sys.argv[2:] + ["2000", "500"][len(sys.argv) - 2 :])))
