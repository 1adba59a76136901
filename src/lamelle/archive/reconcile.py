"""Catalogue against blobs: verify says where they differ, rebuild makes the catalogue from the blobs alone."""

from collections.abc import Callable
from dataclasses import dataclass, field

from lamelle.archive.blobs import BlobStore
from lamelle.base.db import Database

Progress = Callable[[int, int], None]
"""Called with how many are done and how many there are."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was found; each list holds blob keys."""

    instances: int
    size: int
    missing: list[str] = field(default_factory=list)
    """In the catalogue, without a blob."""
    altered: list[str] = field(default_factory=list)
    """The bytes are not those that were acknowledged."""
    orphaned: list[str] = field(default_factory=list)
    """A blob the catalogue does not know."""
    unreadable: list[str] = field(default_factory=list)
    """A blob that is not the DICOM it should be (rebuild)."""

    @property
    def sound(self) -> bool:
        """Nothing is missing or altered."""
        return not (self.missing or self.altered or self.unreadable)


def verify(db: Database, blobs: BlobStore, progress: Progress = lambda done, total: None) -> Report:
    """Read every byte and compare its digest with the catalogue's."""
    raise NotImplementedError


def rebuild(db: Database, blobs: BlobStore, progress: Progress = lambda done, total: None) -> Report:
    """Empty the catalogue and fill it from the blobs; the report says what could not be read."""
    raise NotImplementedError
