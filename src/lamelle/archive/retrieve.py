"""The only way out of the archive: instances, frames, metadata and bulk values as they are stored.

No decoding and no rendering here.
"""

from collections.abc import Iterator

import pydicom

from lamelle.archive.blobs import BlobStore
from lamelle.archive.model import BulkRef, InstanceRef
from lamelle.archive.settings import ArchiveSettings
from lamelle.base.db import Database

__all__ = ["BulkRef", "InstanceRef", "OpenInstance", "Retrieve"]


class OpenInstance:
    """One instance held open for its frames; any number of threads may read."""

    __slots__ = ("count", "ref", "transfer_syntax")

    def __init__(self, ref: InstanceRef) -> None:
        self.ref = ref
        self.count = ref.frames
        self.transfer_syntax = ref.transfer_syntax

    def frame(self, number: int) -> bytes:
        """Frame `number`, from 1, as stored and without fragment delimiters. Raises: NotFound("no_such_frame")."""
        raise NotImplementedError


class Retrieve:
    """The archive's outlet; share it between threads."""

    def __init__(self, db: Database, blobs: BlobStore, settings: ArchiveSettings) -> None:
        self._db, self._blobs, self._settings = db, blobs, settings

    def instances(self, study_uid: str, series_uid: str | None = None, sop_uid: str | None = None) -> list[InstanceRef]:
        """What a study, series or instance holds, by series and instance number. Raises: NotFound, Gone."""
        raise NotImplementedError

    def opened(self, study_uid: str, series_uid: str, sop_uid: str) -> OpenInstance:
        """An instance ready for its frames, from memory when it was asked for lately. Raises: NotFound, Gone."""
        raise NotImplementedError

    def stream(self, ref: InstanceRef, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The bytes of the Part 10 file from `start`, in chunks of at most 1 MiB."""
        raise NotImplementedError

    def metadata(
        self, study_uid: str, series_uid: str | None = None, sop_uid: str | None = None
    ) -> Iterator[tuple[InstanceRef, bytes]]:
        """A DICOM JSON object for each instance, whose bulk URIs start with `@`. Raises: NotFound, Gone."""
        raise NotImplementedError

    def bulk(self, ref: InstanceRef, path: str) -> BulkRef:
        """Where a bulk value lies; stream it from there. Raises: NotFound("no_such_bulk")."""
        raise NotImplementedError

    def header(self, ref: InstanceRef) -> pydicom.Dataset:
        """The dataset without its pixel data."""
        raise NotImplementedError
