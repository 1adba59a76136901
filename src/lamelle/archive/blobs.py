"""The BlobStore Protocol: named bytes, written once, durable when a call returns. Stores live in blobstores/.

Keys are relative POSIX paths: `instances/ab/cd/<sha256>.dcm`, `aside/<sha256>.dcm` and `.json`,
`originals/<sha256>/<name>`, `tombstones/<sop uid>.json`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from lamelle.archive.spool import Chunk, Spool

__all__ = ["BlobInfo", "BlobReader", "BlobStore", "Chunk", "Spool"]


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """What a listing says of one blob."""

    key: str
    size: int
    modified: datetime


class BlobReader(Protocol):
    """One blob held open; any number of threads may read it at once."""

    @property
    def size(self) -> int: ...

    def read_at(self, start: int, length: int) -> bytes:
        """The bytes from `start`, fewer than `length` only at the end of the blob. Raises: Unavailable."""

    def read_now(self, start: int, length: int) -> bytes | bytearray | None:
        """All these bytes if they are had without waiting for a disk or a network; None if not, or if not sure."""

    def close(self) -> None: ...


class BlobStore(Protocol):
    """A folder or an object store. Thread-safe. Raises: Unavailable("storage_full" | "storage_failed")."""

    def spool(self) -> Spool:
        """A new empty file for bytes being received, on local disk."""

    def place(self, items: Sequence[tuple[Spool, str]]) -> list[bool]:
        """Give each spool its key, durably, all or an error; the spools stay and are for the caller to drop.

        Never overwrites: False for a key that was taken, whose bytes are left as they are. After an error of the
        storage the spools are of no more use.
        """

    def holds(self, spool: Spool, key: str) -> bool:
        """Whether the bytes under `key` are those of this spool."""

    def replace(self, spool: Spool, key: str) -> None:
        """Put the spool's bytes under `key`, durably and in one step, whatever was there."""

    def put(self, key: str, data: bytes, *, overwrite: bool = False) -> bool:
        """Write a small blob durably; False, and nothing written, when the key is taken and may not be overwritten."""

    def read(self, key: str) -> bytes:
        """All bytes of a small blob. Raises: NotFound("no_such_blob")."""

    def open(self, key: str) -> BlobReader:
        """Hold a blob open for reading. Raises: NotFound("no_such_blob")."""

    def stat(self, key: str) -> BlobInfo | None:
        """Size and time of a blob, None when there is none."""

    def delete(self, key: str) -> bool:
        """Remove a blob durably; False when there was none."""

    def list(self, prefix: str = "") -> Iterator[BlobInfo]:
        """Every blob whose key starts with `prefix`, in no order."""

    def free_bytes(self) -> int | None:
        """Room left where blobs and spools are written; None when the store knows no limit."""

    def reap(self) -> int:
        """Remove the spools of processes that died; how many."""

    def close(self) -> None: ...
