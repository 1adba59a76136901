"""Where blobs live: a folder or an S3 object store, behind one Protocol."""

from pathlib import Path
from urllib.parse import unquote, urlsplit

from lamelle.archive.blobs import BlobStore
from lamelle.archive.settings import ArchiveSettings
from lamelle.base.errors import Invalid


def connect(settings: ArchiveSettings) -> BlobStore:
    """The store the settings name. Raises: Invalid("bad_blob_url")."""
    url = urlsplit(settings.blobs)
    if url.scheme == "file":
        from lamelle.archive.blobstores.files import FileStore

        return FileStore(Path(unquote(url.path)))
    if url.scheme == "s3" and url.netloc:
        from lamelle.archive.blobstores import s3

        return s3.connect(
            url.netloc,
            url.path.strip("/"),
            spool=settings.data_dir / "spool",
            endpoint=settings.s3_endpoint,
            region=settings.s3_region,
            access_key=settings.s3_access_key,
            secret_key=settings.s3_secret_key,
        )
    raise Invalid("bad_blob_url", "the blob store is a file: or s3: address")
