"""Unique identifiers in DICOM's UUID-derived form. Source: PS3.5 B.2."""

import hashlib
import uuid


def new_uid() -> str:
    """A fresh `2.25.` UID, at most 44 characters."""
    return f"2.25.{uuid.uuid4().int}"


def uid_from(*parts: str | bytes) -> str:
    """The same UID for the same parts, for ever: running a conversion twice names the same objects."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return f"2.25.{uuid.UUID(bytes=digest.digest()[:16], version=5).int}"
