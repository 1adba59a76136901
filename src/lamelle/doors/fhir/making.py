"""Rows as resources: each type's own file says how; here is what they share, and which is whose."""

from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any

from lamelle.access.model import Reach
from lamelle.archive.store import Archive
from lamelle.doors.fhir.names import ACCESSION, Names, reference
from lamelle.lab.lookup import Kind

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Making:
    """What making resources needs besides their rows."""

    archive: Archive
    names: Names
    conn: Any
    reach: Reach
    """Of who asks, for reading cases."""
    images: Reach
    """Of who asks, for seeing images."""
    dicomweb: str
    """Address of the DICOMweb service."""


def instant(at: datetime) -> str:
    """An instant, to the microsecond."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def moment(at: datetime | None) -> str | None:
    """A dateTime, to the second."""
    return None if at is None else at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def day(text: str) -> str | None:
    """A date of YYYYMMDD; a month or day that nobody knows is 00 and left out."""
    if len(text) != 8 or not text.isdigit() or text[:4] == "0000":
        return None
    parts = [text[:4]]
    if text[4:6] != "00":
        parts.append(text[4:6])
        if text[6:] != "00":
            parts.append(text[6:])
    return "-".join(parts)


def begun(resource_type: str, ident: str, changed: datetime) -> Resource:
    """The beginning of every resource. Its version is when it was last changed."""
    version = f"{changed.astimezone(UTC):%Y%m%d%H%M%S%f}"
    return {"resourceType": resource_type, "id": ident, "meta": {"versionId": version, "lastUpdated": instant(changed)}}


def filled(resource: Resource, **elements: Any) -> Resource:
    """The resource with the elements that have a value."""
    resource.update((name, value) for name, value in elements.items() if value not in (None, "", [], {}))
    return resource


def concept(text: str = "", code: str = "", system: str = "", display: str = "") -> Resource | None:
    """A CodeableConcept; None without a word."""
    coding: Resource = filled({}, system=system, code=code, display=display) if code else {}
    made = filled({}, coding=[coding] if coding else [], text=text)
    return made or None


def narrative(text: str, status: str = "additional") -> Resource:
    """A Narrative of plain text."""
    lines = "<br/>".join(escape(line) for line in text.splitlines())
    return {"status": status, "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{lines}</div>'}


def subject(names: Names, row: Any) -> Resource | None:
    """The patient of a row that belongs to a case."""
    if row.patient_id is None:
        return None
    return {
        **reference(Kind.PATIENT, row.patient_id),
        "identifier": names.identifier(row.patient_value, row.patient_issuer),
    }


def accession(names: Names, value: str, issuer: str) -> Resource:
    """An accession number."""
    return names.identifier(value, issuer, type=ACCESSION)
