"""A vendor's file kept as it came, beside the DICOM made of it: `originals/<sha256>/<name>`, verified by reading back.

Not here: whether to keep it (a setting), and the DICOM (archive.ingest).
"""

import hashlib
from contextlib import ExitStack

from lamelle.archive.blobs import BlobStore
from lamelle.base.errors import Unavailable
from lamelle.doors.files.sources import Source

CHUNK_BYTES = 1 << 20


def keep(blobs: BlobStore, source: Source) -> str:
    """Store every file of a slide durably and read each back; the prefix of their keys. Doing it twice does no harm.

    The name is the SHA-256 of the file, of the list of names and digests when the slide has several files.
    Raises: Unavailable, OSError.
    """
    with ExitStack() as stack:
        spools = []
        for member in source.members:
            digest = hashlib.sha256()
            spool = stack.enter_context(blobs.spool())
            with member.path.open("rb", buffering=0) as file:
                while chunk := file.read(CHUNK_BYTES):
                    digest.update(chunk)
                    spool.write(chunk)
            spools.append((source.relative(member), digest.hexdigest(), spool))
        prefix = f"originals/{_name([(name, digest) for name, digest, _ in spools])}"
        blobs.place([(spool, f"{prefix}/{name}") for name, _, spool in spools])
    for name, expected, _ in spools:
        if _digest(blobs, f"{prefix}/{name}") != expected:
            raise Unavailable("original_not_kept", "An original read back from the storage differs from the file.")
    return prefix


def _name(files: list[tuple[str, str]]) -> str:
    if len(files) == 1:
        return files[0][1]
    return hashlib.sha256("".join(f"{digest}  {name}\n" for name, digest in files).encode()).hexdigest()


def _digest(blobs: BlobStore, key: str) -> str:
    digest = hashlib.sha256()
    reader = blobs.open(key)
    try:
        for start in range(0, reader.size, CHUNK_BYTES):
            digest.update(reader.read_at(start, CHUNK_BYTES))
    finally:
        reader.close()
    return digest.hexdigest()
