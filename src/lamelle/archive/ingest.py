"""The only way into the archive: bytes are spooled, scanned as they pass, made durable, catalogued, then acknowledged.

No protocol here, and no conversion: what arrives is DICOM Part 10.
"""

from collections.abc import Sequence
from types import TracebackType

from lamelle.archive.blobs import BlobStore, Chunk
from lamelle.archive.model import Origin, Outcome
from lamelle.archive.settings import ArchiveSettings
from lamelle.base.clock import Clock
from lamelle.base.db import Database

__all__ = ["Ingest", "Origin", "Outcome", "Reception"]


class Reception:
    """One instance being received; leaving the context without a commit drops its bytes."""

    def write(self, chunk: Chunk) -> None:
        """Take the next bytes. Bad DICOM raises nothing here: the outcome says it. Raises: Unavailable."""
        raise NotImplementedError

    def close(self) -> None:
        """The bytes are complete."""
        raise NotImplementedError

    def __enter__(self) -> "Reception":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError


class Ingest:
    """The archive's intake; share it between threads."""

    def __init__(self, db: Database, blobs: BlobStore, clock: Clock, settings: ArchiveSettings) -> None:
        self._db, self._blobs, self._clock, self._settings = db, blobs, clock, settings

    def receive(self, origin: Origin, *, study_uid: str | None = None) -> Reception:
        """Start receiving one instance; with `study_uid`, one of another study is refused."""
        raise NotImplementedError

    def commit(self, receptions: Sequence[Reception]) -> list[Outcome]:
        """Keep closed receptions; durable when it returns, one outcome each in the same order.

        Raises: Unavailable when nothing could be kept; the receptions may be committed again.
        """
        raise NotImplementedError
