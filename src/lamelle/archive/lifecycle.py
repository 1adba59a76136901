"""Deletion: rejected at once (410 afterwards), purged after a grace period; storing again brings back."""

from lamelle.archive.blobs import BlobStore
from lamelle.base.clock import Clock
from lamelle.base.db import Database


def delete(
    db: Database,
    blobs: BlobStore,
    clock: Clock,
    study_uid: str,
    series_uid: str | None = None,
    sop_uid: str | None = None,
) -> int:
    """Reject a study, a series or an instance, durably; how many instances. Raises: NotFound, Gone."""
    raise NotImplementedError
