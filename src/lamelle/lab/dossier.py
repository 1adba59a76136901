"""One case as a person reads it: everything that belongs to it, read in a handful of statements, whatever its size.

Changing anything of it is `cases`', `reporting`'s, `techniques`' and `attachments`'.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import sqlalchemy as sa

from lamelle.access.model import Reach
from lamelle.access.tables import actor
from lamelle.archive import within
from lamelle.lab import cases
from lamelle.lab.records import (
    attachment,
    block,
    case,
    decision,
    patient,
    report,
    scan,
    slide,
    specimen,
    technique,
)
from lamelle.lab.working import ASKED, said

Row = sa.Row[Any]
What = Literal[
    "ordered",
    "received",
    "ready",
    "opened",
    "assigned",
    "scan_arrived",
    "technique_requested",
    "technique_answered",
    "report_written",
    "report_validated",
    "attached",
    "decided",
    "cancelled",
]
FACES: Final = 4
"""Slides a list shows of a case."""
MOST_PRIOR: Final = 100


@dataclass(frozen=True, slots=True)
class Face:
    """A scan that a slide is shown by."""

    series_uid: str
    stain: str


@dataclass(frozen=True, slots=True)
class Line:
    """What happened to a case, when and by whom; "" is the laboratory's own system."""

    at: datetime
    who: str
    what: What
    text: str = ""


@dataclass(frozen=True, slots=True)
class Listed:
    """Cases with what a list shows of them, in the order asked for."""

    cases: Sequence[Row]
    patients: dict[int, Row]
    people: dict[int, str]
    faces: dict[int, list[Face]]
    techniques: dict[int, int]
    """How many wait for an answer."""


@dataclass(frozen=True, slots=True)
class Dossier:
    """A case with all that belongs to it."""

    case: Row
    specimens: Sequence[Row]
    blocks: Sequence[Row]
    slides: Sequence[Row]
    scans: Sequence[Row]
    techniques: Sequence[Row]
    reports: Sequence[Row]
    attachments: Sequence[Row]
    prior: Sequence[Row]
    history: Sequence[Line]


def listed(conn: sa.Connection, ids: Sequence[int]) -> Listed:
    """These cases; who asks has made sure that they are within reach."""
    found = {row.id: row for row in conn.execute(sa.select(case).where(case.c.id.in_(ids)))} if ids else {}
    rows = [found[number] for number in ids if number in found]
    whose = {row.patient_id for row in rows} - {None}
    patients = conn.execute(sa.select(patient).where(patient.c.id.in_(whose))) if whose else ()
    return Listed(
        rows,
        {row.id: row for row in patients},
        names(conn, (row.assigned_to for row in rows)),
        _faces(conn, list(found)),
        _asked(conn, list(found)),
    )


def names(conn: sa.Connection, actors: Iterable[int | None]) -> dict[int, str]:
    """What people are called."""
    wanted = set(actors) - {None, 0}
    if not wanted:
        return {}
    asked = sa.select(actor.c.id, actor.c.name, actor.c.login).where(actor.c.id.in_(wanted))
    return {row.id: row.name or row.login for row in conn.execute(asked)}


def one(conn: sa.Connection, reach: Reach, case_id: int) -> Dossier:
    """A case and what belongs to it. Raises: NotFound("no_such_case")."""
    row = cases.one(conn, reach, case_id)

    def rows(table: sa.Table, *order: sa.ColumnElement[Any]) -> Sequence[Row]:
        asked = sa.select(table).where(table.c.case_id == case_id)
        return conn.execute(asked.order_by(*order, table.c.id)).all()

    slides = rows(slide, slide.c.identifier)
    of_slides = sa.select(scan).where(scan.c.slide_id.in_([one.id for one in slides]))
    scans = conn.execute(of_slides.order_by(scan.c.arrived_at.desc(), scan.c.id)).all() if slides else ()
    parts = rows(technique, technique.c.requested_at), rows(report, report.c.version), rows(attachment)
    return Dossier(
        row,
        rows(specimen, specimen.c.part, specimen.c.identifier),
        rows(block, block.c.identifier),
        slides,
        scans,
        *parts,
        prior(conn, reach, row),
        _history(conn, row, slides, scans, *parts),
    )


def prior(conn: sa.Connection, reach: Reach, row: Row) -> Sequence[Row]:
    """Other cases of the same patient within reach, the newest first; a merged patient has those of both records."""
    if row.patient_id is None:
        return ()
    others = sa.select(case).where(case.c.patient_id == row.patient_id, case.c.id != row.id)
    here = others.where(*within.placed(reach, case.c.place))
    return conn.execute(here.order_by(case.c.created_at.desc(), case.c.id.desc()).limit(MOST_PRIOR)).all()


def _faces(conn: sa.Connection, ids: list[int]) -> dict[int, list[Face]]:
    """The first slides of each case that can be looked at."""
    found: dict[int, list[Face]] = {}
    asked = (
        sa.select(slide.c.case_id, scan.c.series_uid, slide.c.stain_text, slide.c.stain_code)
        .join(scan, scan.c.slide_id == slide.c.id)
        .where(slide.c.case_id.in_(ids), slide.c.state != "cancelled", scan.c.current)
        .order_by(slide.c.case_id, slide.c.identifier)
    )
    for row in conn.execute(asked) if ids else ():
        faces = found.setdefault(row.case_id, [])
        if len(faces) < FACES:
            faces.append(Face(row.series_uid, row.stain_text or row.stain_code))
    return found


def _asked(conn: sa.Connection, ids: list[int]) -> dict[int, int]:
    counted = sa.select(technique.c.case_id, sa.func.count()).where(
        technique.c.case_id.in_(ids), said("technique", ASKED)
    )
    return {row[0]: row[1] for row in conn.execute(counted.group_by(technique.c.case_id))} if ids else {}


def _history(
    conn: sa.Connection,
    row: Row,
    slides: Sequence[Row],
    scans: Sequence[Row],
    techniques: Sequence[Row],
    reports: Sequence[Row],
    attachments: Sequence[Row],
) -> list[Line]:
    """What happened, the newest first, as the rows say."""
    named = {one.id: one.identifier for one in slides}
    whose = names(conn, [row.assigned_to]).get(row.assigned_to or 0, "")
    found: list[Line | None] = [
        _line(row.ordered_at, row.requester, "ordered"),
        _line(row.received_at, "", "received"),
        _line(row.ready_at, "", "ready"),
        _line(row.opened_at, "", "opened"),
        _line(row.assigned_at, "", "assigned", whose),
        _line(row.cancelled_at, "", "cancelled"),
        *(_line(one.arrived_at, "", "scan_arrived", named.get(one.slide_id, "")) for one in scans),
        *(_line(one.added_at, one.added_by, "attached", one.title or one.kind) for one in attachments),
    ]
    for one in techniques:
        text = one.text or one.code
        found.append(_line(one.requested_at, one.requester, "technique_requested", text))
        if one.state not in {"requested", "accepted"}:
            found.append(_line(one.updated_at, "", "technique_answered", text))
    for one in reports:
        found.append(_line(one.written_at, one.author, "report_written", str(one.version)))
        found.append(_line(one.validated_at, one.validator, "report_validated", str(one.version)))
    if slides:
        decided = sa.select(decision).where(decision.c.slide_id.in_(named), decision.c.undone_at.is_(None))
        found += [
            _line(one.decided_at, one.actor, "decided", f"{one.kind} {named[one.slide_id]}")
            for one in conn.execute(decided)
        ]
    return sorted((line for line in found if line), key=lambda line: line.at, reverse=True)


def _line(at: datetime | None, who: str, what: What, text: str = "") -> Line | None:
    return Line(at, who, what, text) if at else None
