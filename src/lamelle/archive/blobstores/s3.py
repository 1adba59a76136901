"""Blobs in an S3-compatible object store; what is being received is spooled on local disk first.

A store's acknowledgement is its durability: nothing here syncs. Conditional writes are not relied on, since several
stores do not enforce them: keys name their content, and `ingest` checks under the catalogue's lock whose they are.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import ObjectStore, S3Store

from lamelle.archive.blobs import BlobInfo, BlobReader
from lamelle.archive.spool import Spool, SpoolFolder
from lamelle.base.errors import NotFound, Unavailable

T = TypeVar("T")

PART = 16 << 20
"""Bytes of one part of a large upload: 10,000 parts, the protocol's limit, hold 160 GB."""
MISSING = (NotFoundError, FileNotFoundError)


class ObjectReader:
    """An object read by ranges."""

    __slots__ = ("_key", "_store", "size")

    def __init__(self, store: ObjectStore, key: str, size: int) -> None:
        self._store, self._key, self.size = store, key, size

    def read_at(self, start: int, length: int) -> bytes:
        length = min(length, self.size - start)
        if length <= 0:
            return b""
        data = _asked(lambda: obstore.get_range(self._store, self._key, start=start, length=length), self._key)
        return bytes(data)

    def read_now(self, start: int, length: int) -> None:
        return None

    def close(self) -> None:
        """Nothing is held."""


class ObjectBlobs:
    """A BlobStore over any obstore store."""

    def __init__(self, store: ObjectStore, spool: Path) -> None:
        self._store = store
        self._spools = SpoolFolder(spool)
        self._lock = threading.Lock()
        self._uploaded: dict[Path, tuple[str, str | None]] = {}

    def spool(self) -> Spool:
        return self._spools.new()

    def place(self, items: Sequence[tuple[Spool, str]]) -> list[bool]:
        placed = []
        for spool, key in items:
            new = self.stat(key) is None
            if new:
                self.replace(spool, key)
            placed.append(new)
        return placed

    def holds(self, spool: Spool, key: str) -> bool:
        with self._lock:
            uploaded = self._uploaded.get(spool.path)
        if uploaded is None or uploaded[0] != key:
            return False
        found = self._head(key)
        return found is not None and (found["e_tag"], found["size"]) == (uploaded[1], spool.size)

    def replace(self, spool: Spool, key: str) -> None:
        spool.check()
        done = _asked(lambda: obstore.put(self._store, key, spool.path, chunk_size=PART), key)
        with self._lock:
            self._uploaded = {path: tag for path, tag in self._uploaded.items() if path.exists()}
            self._uploaded[spool.path] = (key, done["e_tag"])

    def put(self, key: str, data: bytes, *, overwrite: bool = False) -> bool:
        if not overwrite and self.stat(key) is not None:
            return False
        _asked(lambda: obstore.put(self._store, key, data), key)
        return True

    def read(self, key: str) -> bytes:
        return bytes(_asked(lambda: obstore.get(self._store, key).bytes(), key))

    def open(self, key: str) -> BlobReader:
        found = self._head(key)
        if found is None:
            raise NotFound("no_such_blob", f"there is no blob {key}")
        return ObjectReader(self._store, key, found["size"])

    def stat(self, key: str) -> BlobInfo | None:
        found = self._head(key)
        return None if found is None else BlobInfo(key, found["size"], found["last_modified"])

    def delete(self, key: str) -> bool:
        if self.stat(key) is None:
            return False
        _asked(lambda: obstore.delete(self._store, key), key)
        return True

    def list(self, prefix: str = "") -> Iterator[BlobInfo]:
        folder = prefix.rpartition("/")[0]
        try:
            for batch in obstore.list(self._store, prefix=folder or None):
                for found in batch:
                    key, modified = str(found["path"]), found["last_modified"]
                    if key.startswith(prefix):
                        assert isinstance(modified, datetime)
                        yield BlobInfo(key, int(found["size"]), modified)
        except BaseError as error:
            raise _failed(error) from error

    def free_bytes(self) -> int | None:
        return self._spools.free_bytes()

    def reap(self) -> int:
        return self._spools.reap()

    def close(self) -> None:
        self._spools.close()

    def _head(self, key: str) -> Any:
        try:
            return obstore.head(self._store, key)
        except MISSING:
            return None
        except BaseError as error:
            raise _failed(error) from error


def connect(
    bucket: str, prefix: str, *, spool: Path, endpoint: str, region: str, access_key: str, secret_key: str
) -> ObjectBlobs:
    """The store of a bucket; without keys, those of the machine's role are used."""
    options: dict[str, Any] = {"region": region}
    if endpoint:
        options |= {"endpoint": endpoint, "virtual_hosted_style_request": False}
    if access_key:
        options |= {"access_key_id": access_key, "secret_access_key": secret_key}
    store = S3Store(
        bucket,
        prefix=prefix or None,
        client_options={"allow_http": endpoint.startswith("http://")},
        **options,
    )
    return ObjectBlobs(store, spool)


def _asked(ask: Callable[[], T], key: str) -> T:
    try:
        return ask()
    except MISSING as error:
        raise NotFound("no_such_blob", f"there is no blob {key}") from error
    except (BaseError, OSError) as error:
        raise _failed(error) from error


def _failed(error: Exception) -> Unavailable:
    return Unavailable("storage_failed", f"the object store does not answer ({type(error).__name__})")
