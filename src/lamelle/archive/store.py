"""The archive as doors are given it: its catalogue, blobs, way in and way out, opened from settings."""

from dataclasses import dataclass, replace

from lamelle.archive.blobs import BlobStore
from lamelle.archive.blobstores import connect
from lamelle.archive.ingest import Ingest
from lamelle.archive.retrieve import Retrieve
from lamelle.archive.settings import ArchiveSettings
from lamelle.base.clock import Clock, SystemClock
from lamelle.base.db import Database
from lamelle.base.errors import Unavailable
from lamelle.base.folders import make_durably

__all__ = ["Archive", "ArchiveSettings"]


@dataclass(frozen=True, slots=True)
class Archive:
    """One open archive; share it between threads, open it anew in each process."""

    db: Database
    blobs: BlobStore
    ingest: Ingest
    retrieve: Retrieve
    clock: Clock
    settings: ArchiveSettings

    @classmethod
    def open(cls, settings: ArchiveSettings, clock: Clock | None = None) -> "Archive":
        """Connect, bring the schema up to date, remove what dead processes left half received.

        Raises: Unavailable data_dir_not_writable.
        """
        clock = clock or SystemClock()
        settings = replace(settings, data_dir=settings.data_dir.absolute())  # slide readers work in another folder
        try:
            make_durably(settings.data_dir)
        except OSError as error:
            why = f"cannot write in the data folder {settings.data_dir}: {error.strerror}"
            raise Unavailable("data_dir_not_writable", why) from error
        db = Database(settings.database)
        db.migrate()
        blobs = connect(settings)
        blobs.reap()
        retrieve = Retrieve(db, blobs, settings, clock=clock)
        return cls(db, blobs, Ingest(db, blobs, clock, settings), retrieve, clock, settings)

    def close(self) -> None:
        """Give back files and connections."""
        self.blobs.close()
        self.db.close()
