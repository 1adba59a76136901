"""Where blobs live: a folder or an S3 object store, behind one Protocol."""

from lamelle.archive.blobs import BlobStore
from lamelle.archive.settings import ArchiveSettings


def connect(settings: ArchiveSettings) -> BlobStore:
    """The store the settings name. Raises: Invalid("bad_blob_url")."""
    raise NotImplementedError
