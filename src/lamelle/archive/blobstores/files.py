"""Blobs in a folder: synced, linked into place without overwriting, their directories synced too.

The spool lies in the same filesystem, so placing moves no byte.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from errno import EMLINK, ENOTSUP, EPERM
from pathlib import Path, PurePosixPath
from typing import TypeVar

from lamelle.archive import disk
from lamelle.archive.blobs import BlobInfo, BlobReader
from lamelle.archive.spool import Spool, SpoolFolder, unavailable
from lamelle.base.errors import Invalid, NotFound
from lamelle.base.folders import make_durably, sync_folder

T = TypeVar("T")

SPOOL = "spool"
SYNCERS = 8
"""Threads that wait for the disk: five times as many files a second as one, measured on ext4."""
TOGETHER = 3
CANNOT = 0
NO_WAIT: int = getattr(os, "RWF_NOWAIT", CANNOT)
"""Flag of `preadv`: read from memory or not at all. Linux only."""
_NO_LINKS = {EPERM, ENOTSUP, EMLINK}


class FileReader:
    """An open file read by position; closed when the last user lets go of it."""

    __slots__ = ("_fd", "size")

    def __init__(self, path: Path) -> None:
        self._fd = -1
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self._fd).st_size

    def read_at(self, start: int, length: int) -> bytes:
        try:
            data = os.pread(self._fd, length, start)
            while len(data) < length and (more := os.pread(self._fd, length - len(data), start + len(data))):
                data += more
        except OSError as error:
            raise unavailable(error) from error
        return data

    def read_now(self, start: int, length: int) -> bytearray | None:
        if NO_WAIT == CANNOT:
            return None
        data = bytearray(length)
        try:
            return data if os.preadv(self._fd, (data,), start, NO_WAIT) == length else None
        except OSError:  # not in memory; or the file system can't tell, and `read_at` says what is wrong
            return None

    def fileno(self) -> int:
        return self._fd

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        self.close()


class FileStore:
    """A BlobStore under one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        try:
            make_durably(root)
        except OSError as error:
            raise unavailable(error) from error
        self._spools = SpoolFolder(root / SPOOL)
        self._syncers = ThreadPoolExecutor(SYNCERS, thread_name_prefix="sync")
        self._whole = disk.syncs_whole(root)
        self._sure: set[Path] = {root}
        """Folders whose own entry is known to be durable; another process may have made one and not yet synced it."""

    def spool(self) -> Spool:
        return self._spools.new()

    def place(self, items: Sequence[tuple[Spool, str]]) -> list[bool]:
        spools = [spool for spool, _ in items]
        for spool in spools:
            spool.check()
        try:
            whole = self._sync_together(spools) if len(items) >= TOGETHER else None
            if whole is None:
                self._each(os.fdatasync, [spool.fileno() for spool in spools])
            placed = []
            touched: dict[Path, None] = {}
            for spool, key in items:
                path = self._path(key)
                touched |= dict.fromkeys(self._make_folders(path.parent))
                placed.append(_link(spool.path, path))
                touched[path.parent] = None
            if whole is not None and disk.sync_whole(whole):
                self._sure |= touched.keys()
            else:
                self._sync(touched)
        except OSError as error:
            self._distrust(spools)
            raise unavailable(error) from error
        return placed

    def holds(self, spool: Spool, key: str) -> bool:
        try:
            there = self._path(key).stat()
        except FileNotFoundError:
            return False
        here = os.fstat(spool.fileno())
        return (there.st_ino, there.st_dev) == (here.st_ino, here.st_dev)

    def replace(self, spool: Spool, key: str) -> None:
        path = self._path(key)
        beside = spool.path.with_suffix(".replace")
        spool.check()
        try:
            os.fdatasync(spool.fileno())
            made = self._make_folders(path.parent)
            if not self.holds(spool, key):
                _link(spool.path, beside)
                beside.replace(path)
            self._sync([*made, path.parent])
        except OSError as error:
            self._distrust([spool])
            raise unavailable(error) from error

    def put(self, key: str, data: bytes, *, overwrite: bool = False) -> bool:
        with self.spool() as spool:
            spool.write(data)
            if overwrite:
                self.replace(spool, key)
                return True
            return self.place([(spool, key)])[0]

    def read(self, key: str) -> bytes:
        reader = self.open(key)
        try:
            return reader.read_at(0, reader.size)
        finally:
            reader.close()

    def open(self, key: str) -> BlobReader:
        try:
            return FileReader(self._path(key))
        except FileNotFoundError as error:
            raise NotFound("no_such_blob", f"there is no blob {key}") from error
        except OSError as error:
            raise unavailable(error) from error

    def stat(self, key: str) -> BlobInfo | None:
        try:
            found = self._path(key).stat()
        except FileNotFoundError:
            return None
        return BlobInfo(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

    def delete(self, key: str) -> bool:
        path = self._path(key)
        try:
            path.unlink()
            sync_folder(path.parent)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise unavailable(error) from error
        return True

    def list(self, prefix: str = "") -> Iterator[BlobInfo]:
        start = self._root / prefix.rpartition("/")[0]
        for folder, _, names in os.walk(start):
            here = Path(folder)
            relative = here.relative_to(self._root)
            if relative.parts[:1] == (SPOOL,):
                continue
            for name in names:
                key = (relative / name).as_posix()
                if key.startswith(prefix):
                    with suppress(FileNotFoundError):
                        found = (here / name).stat()
                        yield BlobInfo(key, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

    def free_bytes(self) -> int | None:
        return self._spools.free_bytes()

    def reap(self) -> int:
        return self._spools.reap()

    def close(self) -> None:
        self._syncers.shutdown()
        self._spools.close()

    def _make_folders(self, folder: Path) -> Sequence[Path]:
        """Make a folder and its parents; the folders that must be synced for its entry to last."""
        unsure = []
        while folder not in self._sure:
            unsure.append(folder)
            folder = folder.parent
        for missing in reversed(unsure):
            missing.mkdir(exist_ok=True)
        return [made.parent for made in unsure]

    def _sync(self, folders: Iterable[Path]) -> None:
        """Sync folders once each; those below a synced one are then sure."""
        each = dict.fromkeys(folders)
        self._each(sync_folder, list(each))
        self._sure |= each.keys()

    def _sync_together(self, spools: Sequence[Spool]) -> int | None:
        """Sync all of several spools with one call; else None, and each is to be synced.

        Returns a descriptor to sync the file system through: the one opened first is told of every failure since.
        """
        own = sum(spool.size for spool in spools)
        if not self._whole or own > disk.FOREIGN_BYTES or disk.unwritten() - own > disk.FOREIGN_BYTES:
            return None
        first = min(spools, key=lambda spool: spool.number).fileno()
        return first if disk.sync_whole(first) else None

    def _distrust(self, spools: Sequence[Spool]) -> None:
        """After a failure: a sync tried again may say it is well though what failed was thrown away."""
        self._sure = {self._root}
        for spool in spools:
            spool.failed = True

    def _each(self, sync: Callable[[T], None], things: Sequence[T]) -> None:
        """Sync several things at once: the disk then writes its journal for many of them together."""
        if len(things) < TOGETHER:
            for thing in things:
                sync(thing)
        else:
            list(self._syncers.map(sync, things))

    def _path(self, key: str) -> Path:
        parts = PurePosixPath(key).parts
        if not parts or parts[0] in ("/", SPOOL) or ".." in parts:
            raise Invalid("bad_blob_key", "a blob key is a relative path outside the spool")
        return self._root.joinpath(*parts)


def _link(source: Path, target: Path) -> bool:
    """Give a file a second name, False when that name is taken; where there are no hard links, a rename."""
    try:
        os.link(source, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        if target.exists():
            return False
        source.rename(target)
    return True
