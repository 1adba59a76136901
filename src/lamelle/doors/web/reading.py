"""DICOM JSON to what a page shows: names, dates, facts. Tolerant: what cannot be read is empty, never an error."""

import json
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, Final, Literal

from pydicom.datadict import tag_for_keyword

from lamelle.access.model import Reach
from lamelle.archive.query import Level, Match, Query, search
from lamelle.archive.store import Archive
from lamelle.base.errors import NotFound
from lamelle.dicom.slide import WSI_STORAGE, first, inside, values
from lamelle.doors.web.models import Fact, Patient

Json = Mapping[str, Any]

DOCUMENTS: Final = ("1.2.840.10008.5.1.4.1.1.88.", "1.2.840.10008.5.1.4.1.1.104.")
STACK_MODALITIES: Final = frozenset(
    ("CR", "CT", "DX", "ES", "GM", "IO", "MG", "MR", "NM", "OP", "OT", "PT", "PX", "RF", "RTIMAGE", "US", "XA", "XC")
)
FACTS: Final = (
    "Modality",
    "Manufacturer",
    "ManufacturerModelName",
    "SoftwareVersions",
    "AcquisitionDateTime",
    "AcquisitionDate",
    "PhotometricInterpretation",
    "BitsStored",
    "LossyImageCompression",
    "LossyImageCompressionRatio",
    "LossyImageCompressionMethod",
    "ImagedVolumeWidth",
    "ImagedVolumeHeight",
    "FocusMethod",
    "ExtendedDepthOfField",
    "StudyID",
    "BodyPartExamined",
    "SliceThickness",
    "KVP",
    "XRayTubeCurrent",
)


def text(ds: Json, tag: str) -> str:
    """All values of one element as people read them."""
    return ", ".join(name(v) if isinstance(v, dict) else str(v) for v in values(ds, tag) if v is not None)


def name(value: Any) -> str:
    """A person's name as "FAMILY Given Middle", from the first component group there is. Source: PS3.5 6.2.1."""
    if not isinstance(value, dict):
        return str(value or "")
    group = next((str(value[k]) for k in ("Alphabetic", "Ideographic", "Phonetic") if value.get(k)), "")
    return " ".join(part.strip() for part in group.split("^")[:3] if part.strip())


def day(ds: Json, tag: str) -> str | None:
    """YYYYMMDD as ISO 8601."""
    found = str(first(ds, tag) or "")[:8]
    try:
        return date(int(found[:4]), int(found[4:6]), int(found[6:8])).isoformat()
    except ValueError:
        return None


def time(ds: Json, tag: str) -> str | None:
    """HHMMSS.FFFFFF as HH:MM."""
    found = str(first(ds, tag) or "")
    return f"{found[:2]}:{found[2:4]}" if len(found) >= 4 and found[:4].isdigit() else None


def instant(moment: datetime | None) -> str | None:
    """ISO 8601."""
    return moment.isoformat() if moment else None


def iso_day(text: str | None) -> str | None:
    """YYYYMMDD as ISO 8601; None for what is no whole day."""
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}" if text and len(text) == 8 and text.isdigit() else None


def whole(ds: Json, tag: str) -> int | None:
    try:
        return int(float(first(ds, tag)))
    except (TypeError, ValueError):
        return None


def number(ds: Json, *tags: str) -> float | None:
    try:
        return float(inside(ds, *tags))
    except (TypeError, ValueError):
        return None


def patient(ds: Json) -> Patient:
    return Patient(
        id=text(ds, "00100020"),
        name=name(first(ds, "00100010")),
        birth_date=day(ds, "00100030"),
        sex=text(ds, "00100040"),
    )


def facts(ds: Json) -> list[Fact]:
    """The lines of the metadata panel, in the order of FACTS; what the DICOM leaves out is left out."""
    found = ((keyword, text(ds, f"{tag_for_keyword(keyword):08X}")) for keyword in FACTS)
    return [Fact(keyword=keyword, value=value) for keyword, value in found if value]


Kind = Literal["slide", "stack", "document", "other"]


def kind(sop_class: str, modality: str) -> Kind:
    """What a series can be shown as: slide, stack, document or other."""
    if sop_class == WSI_STORAGE or (not sop_class and modality == "SM"):
        return "slide"
    if sop_class.startswith(DOCUMENTS) or modality in {"SR", "DOC", "KO", "PR"}:
        return "document"
    return "stack" if modality in STACK_MODALITIES else "other"


def study_of(archive: Archive, reach: Reach, series_uid: str) -> str:
    """The study a series belongs to. Raises: NotFound("no_such_series")."""
    found = search(archive.db, reach, Query(Level.SERIES, (Match(("0020000E",), series_uid),), limit=1)).items
    uid = str(first(found[0], "0020000D") or "") if found else ""
    if not uid:
        raise NotFound("no_such_series", "no series by that UID")
    return uid


def objects(
    archive: Archive, reach: Reach, study_uid: str, series_uid: str, sop_uid: str | None = None
) -> Iterable[dict[str, Any]]:
    """The DICOM JSON of the instances of one series."""
    for _, data in archive.retrieve.metadata(reach, study_uid, series_uid, sop_uid):
        yield json.loads(data)
