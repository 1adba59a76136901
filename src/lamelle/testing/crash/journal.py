"""What a disk may hold after the power is cut: the shim's journal, replayed with all that was not synced in doubt.

The rules are POSIX's, no kinder: bytes last once their file is synced, a name lasts once its folder is synced, and
a file that is synced has no name by that. Renaming is atomic. Bytes whose sync failed never reach the disk.
"""

import fcntl
import os
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path, PurePosixPath

RECORD = struct.Struct("<IIQqII")
BLOCK = 4096
SHARED_MEMORY = "-shm"
"""SQLite's memory shared by processes: mapped, not written, and made anew after a crash."""


class Op(IntEnum):
    """What was done. The same numbers as `enum op` in shim.c; NOTE is written by a test."""

    CREATE = 1
    WRITTEN = 2
    TRUNCATED = 3
    SYNCED = 4
    SYNC_FAILED = 5
    FOLDER_SYNCED = 6
    LINKED = 7
    UNLINKED = 8
    RENAMED = 9
    MADE = 10
    REMOVED = 11
    ALL_SYNCED = 12
    NOTE = 13


@dataclass(frozen=True, slots=True)
class Record:
    """One call, in the order in which they happened; paths begin with a slash, from the watched folder on."""

    op: Op
    inode: int
    at: int
    first: str
    second: bytes


class Notebook:
    """Writes what was acknowledged between the calls that made it durable, at the place in time where it was."""

    def __init__(self, journal: Path) -> None:
        self._fd = os.open(journal, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def note(self, text: str) -> None:
        data = text.encode()
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        try:
            os.write(self._fd, RECORD.pack(RECORD.size + len(data), Op.NOTE, 0, 0, 0, len(data)) + data)
        finally:
            fcntl.flock(self._fd, fcntl.LOCK_UN)

    def close(self) -> None:
        os.close(self._fd)


def read(path: Path) -> Iterator[Record]:
    """The records of a journal; one that was cut off is the end."""
    data = path.read_bytes()
    at = 0
    while at + RECORD.size <= len(data):
        length, op, inode, place, first, _ = RECORD.unpack_from(data, at)
        if at + length > len(data):
            return
        start = at + RECORD.size
        yield Record(Op(op), inode, place, data[start : start + first].decode(), data[start + first : at + length])
        at += length


@dataclass(slots=True)
class File:
    """One file: what is on the disk for sure, and what was written since."""

    kept: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)
    """(offset, bytes), or (size, None) for a truncation."""

    def settle(self) -> None:
        for at, data in self.pending:
            _apply(self.kept, at, data)
        self.pending.clear()

    def after(self, choice: random.Random | None, share: float) -> bytearray:
        """The bytes after a cut: each pending block reached the disk with this chance."""
        content = bytearray(self.kept)
        for at, data in self.pending:
            if data is None:
                if _reaches(choice, share):
                    _apply(content, at, None)
                continue
            start = 0
            while start < len(data):
                stop = min(len(data), start + BLOCK - (at + start) % BLOCK)
                if _reaches(choice, share):
                    _apply(content, at + start, data[start:stop])
                start = stop
        return content


def _reaches(choice: random.Random | None, share: float) -> bool:
    return share >= 1.0 or (choice is not None and choice.random() < share)


def _apply(content: bytearray, at: int, data: bytes | None) -> None:
    if data is None:
        del content[at:]
        content.extend(bytes(at - len(content)))
        return
    content.extend(bytes(max(0, at - len(content))))
    content[at : at + len(data)] = data


Names = dict[str, File | None]
"""Path to its file; None for a folder."""


@dataclass(frozen=True, slots=True)
class Naming:
    """One change of names: what goes and what comes, in one step."""

    gone: str | None
    path: str | None
    file: File | None

    def touches(self, folder: str) -> bool:
        return any(path is not None and _parent(path) == folder for path in (self.gone, self.path))

    def apply(self, names: Names) -> None:
        if self.gone is not None:
            names.pop(self.gone, None)
        if self.path is not None:
            names[self.path] = self.file


def _parent(path: str) -> str:
    return "" if path.count("/") == 1 else path.rpartition("/")[0]


class Disk:
    """A disk that is told of every call and may lose its power after any."""

    def __init__(self) -> None:
        self._files: dict[int, File] = {}
        self._now: Names = {"": None}
        self._kept: Names = {"": None}
        self._pending: list[Naming] = []

    def take(self, record: Record) -> None:
        """The next call."""
        op = record.op
        if op is Op.WRITTEN:
            self._file(record.inode).pending.append((record.at, record.second))
        elif op is Op.TRUNCATED:
            self._file(record.inode).pending.append((record.at, None))
        elif op is Op.SYNCED:
            self._file(record.inode).settle()
        elif op is Op.SYNC_FAILED:
            self._file(record.inode).pending.clear()
        elif op is Op.FOLDER_SYNCED:
            self._sync_folder(record.first)
        elif op is Op.ALL_SYNCED:
            self._sync_all()
        elif op is Op.CREATE:
            self._files[record.inode] = File()
            self._name(Naming(None, record.first, self._files[record.inode]))
        elif op is Op.LINKED:
            self._name(Naming(None, record.first, self._file(record.inode)))
        elif op is Op.RENAMED:
            self._name(Naming(record.first, record.second.decode(), self._now.get(record.first)))
        elif op is Op.MADE:
            self._name(Naming(None, record.first, None))
        elif op in (Op.UNLINKED, Op.REMOVED):
            self._name(Naming(record.first, None, None))

    def cut(self, choice: random.Random | None = None, share: float = 0.0) -> dict[str, bytes | None]:
        """What is left: path to bytes, None for a folder.

        Without `choice` nothing survives that was not synced (`share` 0), or all of it (1); with it each block and
        each name survives by chance, names in their order or regardless of it.
        """
        names = dict(self._kept)
        if choice is not None and choice.random() < 0.5:
            pending = self._pending[: choice.randint(0, len(self._pending))]
        else:
            pending = [one for one in self._pending if _reaches(choice, share)]
        for naming in pending:
            naming.apply(names)
        left: dict[str, bytes | None] = {"": None}
        for path in sorted(names, key=lambda path: path.count("/")):
            below = path and left.get(_parent(path), b"") is None  # else its folder is lost
            if below and not path.endswith(SHARED_MEMORY):
                file = names[path]
                left[path] = None if file is None else bytes(file.after(choice, share))
        return left

    def _file(self, inode: int) -> File:
        return self._files.setdefault(inode, File())

    def _name(self, naming: Naming) -> None:
        naming.apply(self._now)
        self._pending.append(naming)

    def _sync_folder(self, folder: str) -> None:
        left = []
        for naming in self._pending:
            if naming.touches(folder):
                naming.apply(self._kept)
            else:
                left.append(naming)
        self._pending = left

    def _sync_all(self) -> None:
        for file in self._files.values():
            file.settle()
        for naming in self._pending:
            naming.apply(self._kept)
        self._pending.clear()


def lay_out(left: dict[str, bytes | None], folder: Path) -> None:
    """Write what a cut left into an empty folder."""
    for path, data in left.items():
        target = folder / PurePosixPath(path.lstrip("/"))
        if data is None:
            target.mkdir(exist_ok=True, parents=True)
        else:
            target.write_bytes(data)
