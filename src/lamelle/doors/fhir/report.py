"""Versions of reports as DiagnosticReport: one of each case, whose earlier versions are its history."""

import base64
from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, Final

from lamelle.doors.fhir import words
from lamelle.doors.fhir.making import Making, Resource, accession, concept, filled, instant, moment, narrative, subject
from lamelle.doors.fhir.names import LOINC, TERMS, reference
from lamelle.lab import kinship
from lamelle.lab.lookup import Kind

CODES: Final = MappingProxyType(
    {"60568-3": "Pathology Synoptic report", "11526-1": "Pathology study"},
)
"""What French value sets call a report of pathology, today and before 2024. Source: JDV_J07."""


def made(making: Making, rows: Sequence[Any]) -> list[Resource]:
    """The DiagnosticReport of each row."""
    cases = [row.case_id for row in rows]
    parts, studies = kinship.specimens(making.conn, cases), kinship.studies(making.conn, cases)
    return [_one(making, row, parts[row.case_id], studies[row.case_id]) for row in rows]


def _one(making: Making, row: Any, parts: Sequence[int], studies: Sequence[str]) -> Resource:
    drafted = row.standing == "draft"
    text = "" if drafted else row.text
    signed = row.validator or row.author
    return filled(
        {
            "resourceType": "DiagnosticReport",
            "id": str(row.case_id),
            "meta": {"versionId": str(row.version), "lastUpdated": instant(row.changed)},
        },
        text=narrative(text) if text else None,
        identifier=[accession(making.names, row.accession, row.case_issuer)],
        basedOn=[reference(Kind.CASE, row.case_id)],
        status=words.REPORT[row.standing],
        category=[concept(code="SP", system=f"{TERMS}/v2-0074", display="Surgical Pathology")],
        code=concept(code=row.code or "60568-3", system=LOINC, display=CODES.get(row.code or "60568-3", "")),
        subject=subject(making.names, row),
        effectiveDateTime=moment(row.case_received_at),
        issued=None if drafted else instant(row.changed),
        performer=[{"display": row.source}] if row.source else [],
        resultsInterpreter=[{"display": signed}] if signed and not drafted else [],
        specimen=[reference(Kind.PART, part) for part in parts],
        imagingStudy=[{"reference": f"ImagingStudy/{uid}"} for uid in studies],
        presentedForm=[_form(text)] if text else [],
    )


def _form(text: str) -> Resource:
    return {"contentType": "text/plain; charset=utf-8", "data": base64.b64encode(text.encode()).decode()}
