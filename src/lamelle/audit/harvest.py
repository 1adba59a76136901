"""The journals of all processes, read for the ledger: what is new in each, and which are left by the dead."""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lamelle.audit import journal, model
from lamelle.audit.model import Entry
from lamelle.base.clock import Clock
from lamelle.base.errors import Invalid

PIECE_BYTES: Final = 1 << 18
"""Read of one journal at once; a line is far shorter."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What is new in one journal: its lines up to the byte `size`, and how many bytes of it are no entry."""

    name: str
    size: int
    lines: tuple[str, ...]
    damaged: int

    def entries(self, clock: Clock) -> list[str]:
        """The lines, and one more that tells of damage."""
        if not self.damaged:
            return list(self.lines)
        torn = Entry("system", "entries_lost", "failed", detail={"journal": self.name, "bytes": self.damaged})
        return [*self.lines, model.line(torn, clock.now())]


def waiting(folder: Path, taken: Mapping[str, int]) -> bool:
    """Whether any journal holds more than was taken."""
    return any(_size(path) > taken.get(path.name, 0) for path in _journals(folder))


def pieces(folder: Path, taken: Mapping[str, int]) -> Iterator[Piece]:
    """What is new since the `taken` bytes of each; of a long journal its next part."""
    for path in _journals(folder):
        done = taken.get(path.name, 0)
        dead = is_left(path)  # asked first: nobody writes to it after that
        data = _read(path, done)
        end = data.rfind(b"\n") + 1
        if not end and (dead or len(data) == PIECE_BYTES):
            end = len(data)  # cut off in the middle of a line: what it told of was never answered
        if end:
            yield _piece(path.name, done + end, data[:end])


def _piece(name: str, size: int, data: bytes) -> Piece:
    lines, damaged = [], 0
    for found in data.split(b"\n"):
        if not found:
            continue
        try:
            model.read(found)
            lines.append(found.decode("ascii"))
        except (Invalid, UnicodeDecodeError):
            damaged += len(found)
    return Piece(name, size, tuple(lines), damaged)


def remove(folder: Path, taken: Mapping[str, int]) -> list[str]:
    """Remove the journals of dead processes that were taken whole; their names."""
    gone = []
    for path in _journals(folder):
        if is_left(path) and _size(path) <= taken.get(path.name, 0):
            path.unlink(missing_ok=True)
            gone.append(path.name)
    return gone


def _journals(folder: Path) -> list[Path]:
    """Of processes that live or lived on this node."""
    with suppress(FileNotFoundError):
        return sorted(path for path in journal.folder_of(folder).iterdir() if path.suffix == journal.SUFFIX)
    return []


def _size(path: Path) -> int:
    with suppress(FileNotFoundError):  # another sealer removed it
        return path.stat().st_size
    return 0


def _read(path: Path, start: int) -> bytes:
    with suppress(FileNotFoundError):
        with path.open("rb") as file:
            file.seek(start)
            return file.read(PIECE_BYTES)
    return b""


def is_left(path: Path) -> bool:
    """Whether its writer is dead or went on to another file."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True
