"""Files being received: one folder a process, held by a lock that dies with the process, so that orphans are known.

A spool has no name outside its folder until a blob store places it; it is not durable before that.
"""

import fcntl
import itertools
import os
import shutil
import threading
import uuid
from contextlib import suppress
from errno import EDQUOT, EFBIG, ENOSPC
from pathlib import Path

from lamelle.archive import disk
from lamelle.base.errors import Unavailable

Chunk = bytes | bytearray | memoryview

WRITE_OUT = 16 << 20
"""Bytes after which writing to the disk begins, while more are received."""
_opened = itertools.count()
_FULL = {ENOSPC, EDQUOT, EFBIG}


def unavailable(error: OSError) -> Unavailable:
    """The error a full or failing disk is reported as; paths and names stay out of the message."""
    if error.errno in _FULL:
        return Unavailable("storage_full", "no room is left on the storage")
    return Unavailable("storage_failed", f"the storage failed ({os.strerror(error.errno or 5)})")


class Spool:
    """One file being received; a context that drops the file on leaving."""

    __slots__ = ("_begun", "_fd", "failed", "number", "path", "size")

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0
        self.failed = False
        """A write or a sync failed: what the disk holds is not known any more, and no later sync would tell."""
        self._begun = 0
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise unavailable(error) from error
        self.number = next(_opened)  # taken after opening and before writing: the lowest was open before any write

    def write(self, chunk: Chunk) -> None:
        """Append all of the chunk. Raises: Unavailable."""
        view = memoryview(chunk)
        try:
            while view:
                written = os.write(self._fd, view)
                self.size += written
                view = view[written:]
        except OSError as error:
            self.failed = True
            raise unavailable(error) from error
        if self.size - self._begun >= WRITE_OUT:
            self.begin_writing()

    def check(self) -> None:
        """Refuse a spool that can't be trusted: its bytes must be sent again. Raises: Unavailable("storage_failed")."""
        if self.failed:
            raise Unavailable("storage_failed", "the storage failed while this was written; send it again")

    def begin_writing(self) -> None:
        """Have what was received written out meanwhile; a hint, for the sync that comes later."""
        if self.size > self._begun:
            disk.begin_writing(self._fd, self._begun, self.size - self._begun)
            self._begun = self.size

    def read_at(self, start: int, length: int) -> bytes:
        try:
            return os.pread(self._fd, length, start)
        except OSError as error:
            raise unavailable(error) from error

    def fileno(self) -> int:
        return self._fd

    def drop(self) -> None:
        """Forget the file under its spool name; what a store placed elsewhere stays. Twice does no harm."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
            self.path.unlink(missing_ok=True)

    def __enter__(self) -> "Spool":
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()


class SpoolFolder:
    """The spools of every process under one folder; each process writes in its own sub-folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._own: Path | None = None
        self._held = -1
        self._pid = 0
        self._count = 0

    def new(self) -> Spool:
        """An empty spool of this process."""
        with self._lock:
            if self._own is None or self._pid != os.getpid():
                self._take()
            self._count += 1
            own, number = self._own, self._count
        assert own is not None
        return Spool(own / f"{number:08d}")

    def reap(self) -> int:
        """Remove what dead processes left; how many files."""
        count = 0
        for lock in list(self._folder.glob("*.lock")):
            with suppress(FileNotFoundError, BlockingIOError):
                held = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
                try:
                    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    own = lock.with_suffix("")
                    if own.is_dir():
                        count += sum(1 for _ in own.iterdir())
                        shutil.rmtree(own)
                    lock.unlink()
                finally:
                    os.close(held)
        return count

    def free_bytes(self) -> int:
        """Room left where spools are written."""
        try:
            found = os.statvfs(self._folder)
        except FileNotFoundError:
            self._folder.mkdir(parents=True, exist_ok=True)
            found = os.statvfs(self._folder)
        return found.f_bavail * found.f_frsize

    def close(self) -> None:
        """Give the sub-folder up."""
        with self._lock:
            if self._own is not None and self._pid == os.getpid():
                shutil.rmtree(self._own, ignore_errors=True)
                self._own.with_suffix(".lock").unlink(missing_ok=True)
                os.close(self._held)
            self._own = None

    def _take(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            while True:
                own = self._folder / uuid.uuid4().hex
                held = os.open(own.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
                fcntl.flock(held, fcntl.LOCK_EX)
                if os.fstat(held).st_nlink:  # else a reaper was quicker than our lock
                    break
                os.close(held)
            own.mkdir()
        except OSError as error:
            raise unavailable(error) from error
        self._own, self._held, self._pid = own, held, os.getpid()
