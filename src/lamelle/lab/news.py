"""What is told of the laboratory's work to other systems: the facts of a scan, a technique or a report.

In which words and to whom is the door's. A matricule INS is among the facts only of a qualified identity.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from lamelle.lab.orders import Identifier
from lamelle.lab.records import block, case, patient, patient_identifier, report, scan, slide, specimen, technique

Row = sa.Row[Any]
Fact = str | datetime | None
QUALIFIED = "VALI"


@dataclass(frozen=True, slots=True)
class Whose:
    """The patient as others are told."""

    identifiers: tuple[Identifier, ...] = ()
    """The hospital's own first."""
    ins: str = ""
    ins_oid: str = ""
    family: str = ""
    given: str = ""
    birth_name: str = ""


@dataclass(frozen=True, slots=True)
class News:
    """One thing to tell; `key` is the same whenever the same is to be told."""

    key: str
    place: int
    case: int
    accession: str
    patient: Whose
    facts: Mapping[str, Fact]


def of_scan(conn: sa.Connection, number: int) -> News | None:
    """A scan that is matched to its slide can be looked at; None while it is not."""
    row = conn.execute(sa.select(scan).where(scan.c.id == number, scan.c.slide_id.is_not(None))).one_or_none()
    found = None if row is None else _slide(conn, row.slide_id)
    if row is None or found is None:
        return None
    facts = {
        "study_uid": row.study_uid,
        "series_uid": row.series_uid,
        "scanner": row.scanner,
        "scanned_at": row.scanned_at or row.arrived_at,
    }
    return _news(conn, f"image:{number}", found.case_id, {**_glass(found), **facts})


def of_rescan(conn: sa.Connection, slide_id: int, last_scan: int) -> News | None:
    """A slide is to come to the scanner again; once for each scan that is no good."""
    found = _slide(conn, slide_id)
    if found is None:
        return None
    scanner = conn.execute(sa.select(scan.c.scanner).where(scan.c.id == last_scan)).scalar()
    return _news(conn, f"rescan:{slide_id}:{last_scan}", found.case_id, {**_glass(found), "scanner": scanner or ""})


def last_scan(conn: sa.Connection, slide_id: int) -> int:
    """The newest scan of a slide, 0 when it has none."""
    return conn.execute(sa.select(sa.func.max(scan.c.id)).where(scan.c.slide_id == slide_id)).scalar() or 0


def of_technique(conn: sa.Connection, number: int) -> News | None:
    """A technique that is asked for of the laboratory."""
    row = conn.execute(sa.select(technique).where(technique.c.id == number)).one_or_none()
    if row is None:
        return None
    table, parent = (block, row.block_id) if row.block_id else (slide, row.slide_id)
    named = conn.execute(sa.select(table.c.identifier, table.c.issuer).where(table.c.id == parent)).one_or_none()
    facts: dict[str, Fact] = {
        "technique": row.identifier,
        "technique_code": row.code,
        "technique_text": row.text,
        "comment": row.comment,
        "requester": row.requester,
        "asked_at": row.requested_at,
        "parent": named.identifier if named else "",
        "parent_issuer": named.issuer if named else "",
    }
    return _news(conn, f"technique:{number}", row.case_id, facts)


def of_report(conn: sa.Connection, number: int) -> News | None:
    """A report that was validated here; what another system wrote is not told back."""
    row = conn.execute(sa.select(report).where(report.c.id == number)).one_or_none()
    if row is None or row.source not in ("", "lamelle"):
        return None
    received = sa.select(sa.func.min(sa.func.coalesce(specimen.c.collected_at, specimen.c.received_at)))
    facts: dict[str, Fact] = {
        "text": row.text,
        "report_code": row.code,
        "report_version": str(row.version),
        "report_status": "C" if row.version > 1 and _corrects(conn, row) else "F",
        "author": row.author,
        "validator": row.validator or row.author,
        "validated_at": row.validated_at or row.written_at,
        "collected_at": conn.execute(received.where(specimen.c.case_id == row.case_id)).scalar(),
    }
    return _news(conn, f"report:{number}", row.case_id, facts)


def _corrects(conn: sa.Connection, row: Row) -> bool:
    """Whether a version before this one was validated."""
    before = (report.c.case_id == row.case_id, report.c.version < row.version, report.c.state == "final")
    return conn.execute(sa.select(report.c.id).where(*before).limit(1)).first() is not None


def _slide(conn: sa.Connection, number: int) -> Row | None:
    return conn.execute(sa.select(slide).where(slide.c.id == number)).one_or_none()


def _glass(row: Row) -> dict[str, Fact]:
    return {
        "slide": row.identifier,
        "slide_issuer": row.issuer,
        "stain_code": row.stain_code,
        "stain": row.stain_text or row.stain_code,
        "level": row.level,
    }


def _news(conn: sa.Connection, key: str, case_id: int, facts: Mapping[str, Fact]) -> News:
    row = conn.execute(sa.select(case).where(case.c.id == case_id)).one()
    owner = None
    if row.patient_id is not None:
        owner = conn.execute(sa.select(patient).where(patient.c.id == row.patient_id)).one()
    known: dict[str, Fact] = {
        "accession": row.accession,
        "case_issuer": row.issuer,
        "study_uid": row.study_uid,
        "department": row.department,
        "birth_date": owner.birth_date if owner else "",
        "sex": owner.sex if owner else "",
    }
    whose = Whose() if owner is None else _whose(conn, owner)
    return News(key, row.place, row.id, row.accession, whose, {**known, **facts})


def _whose(conn: sa.Connection, row: Row) -> Whose:
    own = Identifier(row.identifier, row.issuer)
    named = sa.select(patient_identifier.c.value, patient_identifier.c.issuer)
    others = conn.execute(named.where(patient_identifier.c.patient_id == row.id).order_by(*named.selected_columns))
    known = dict.fromkeys([own, *(Identifier(value, issuer) for value, issuer in others)])
    ins, oid = (row.ins, row.ins_oid) if row.ins_status == QUALIFIED else ("", "")
    return Whose(tuple(known), ins, oid, row.family, row.given, row.birth_name)
