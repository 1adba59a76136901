"""The nouns of the archive: what an instance is, where it came from, what became of it."""

from dataclasses import dataclass
from typing import Literal

from lamelle.access.model import FIRST_PLACE, WHOLE, Reach


@dataclass(frozen=True, slots=True)
class Origin:
    """Through which door bytes came; `detail` holds no patient data."""

    door: str
    detail: str = ""
    place: int = FIRST_PLACE
    """Where a study it begins belongs to."""
    reach: Reach = WHOLE
    """The studies its sender may add to."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one received instance."""

    status: Literal["stored", "duplicate", "conflict", "refused"]
    sop_class_uid: str | None
    sop_instance_uid: str | None
    study_uid: str | None
    series_uid: str | None
    code: str | None
    """Why it was put aside; None when it is in the archive."""
    message: str
    size: int
    digest: str
    """SHA-256 of the dataset; empty when there is none to speak of."""


@dataclass(frozen=True, slots=True)
class InstanceRef:
    """One kept instance: its names, its place, and what a tile server must know of its pixels."""

    study_uid: str
    series_uid: str
    sop_uid: str
    sop_class_uid: str
    transfer_syntax: str
    size: int
    """Bytes of the whole Part 10 file."""
    key: str
    digest: str
    dataset_offset: int
    """Where the dataset starts, after preamble and file meta."""
    number: int | None
    rows: int
    columns: int
    frames: int
    """0 without pixel data."""
    samples: int
    bits_allocated: int
    photometric: str
    image_type: tuple[str, ...]
    pixel_vr: str = ""
    """OB, OW, OF or OD; empty without pixel data."""
    pixel_offset: int = 0
    """Of the pixel data's value in the file (in the inflated dataset for a deflated file)."""
    pixel_length: int = 0
    """-1 for an undefined length."""
    place: int = FIRST_PLACE
    """The place its study belongs to."""
    patient_id: str = ""
    issuer: str = ""
    """Who issued the patient's identifier."""


@dataclass(frozen=True, slots=True)
class BulkRef:
    """Where one bulk value lies in its file."""

    vr: str
    offset: int
    length: int


def instance_key(dataset_sha256: str) -> str:
    """The blob key of an instance."""
    return f"instances/{dataset_sha256[:2]}/{dataset_sha256[2:4]}/{dataset_sha256}.dcm"
