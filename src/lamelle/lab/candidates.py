"""Which slides a waiting scan may be of, the likeliest first, and why. A suggestion to a person, never a match."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from lamelle.access.model import Reach
from lamelle.archive import within
from lamelle.archive.catalogue import study
from lamelle.lab import matching
from lamelle.lab.records import block, case, patient, scan, slide, slide_alias, specimen

Row = sa.Row[Any]

MOST: Final = 5
POOL: Final = 200
"""Slides looked at for each reason."""
FAR: Final = 3
"""Characters that may differ between a code and the slide it is taken for."""
SAME_RUN: Final = timedelta(hours=2)
WEIGHTS: Final = {"code": 100, "accession": 40, "near": 30, "same_run": 15, "due": 5}
"""What speaks for a slide: its own code, the case the DICOM names, a code that is nearly its own, cases scanned just
before or after on the same scanner, the day it is due."""


class Candidate(NamedTuple):
    """A slide, why it may be the one, and whether a code of the scan is its own."""

    slide: Row
    why: tuple[str, ...]
    exact: bool


def slides() -> sa.Select[Any]:
    """Slides with what a person tells them by: case, patient, block, specimen."""
    columns = (
        case.c.accession,
        case.c.state.label("case_state"),
        patient.c.identifier.label("patient_identifier"),
        patient.c.sex.label("patient_sex"),
        patient.c.family.label("patient_family"),
        patient.c.given.label("patient_given"),
        patient.c.birth_date.label("patient_birth_date"),
        block.c.identifier.label("block"),
        specimen.c.identifier.label("specimen"),
    )
    joined = slide.join(case, case.c.id == slide.c.case_id).outerjoin(patient, patient.c.id == case.c.patient_id)
    joined = joined.outerjoin(block, block.c.id == slide.c.block_id)
    joined = joined.outerjoin(specimen, specimen.c.id == slide.c.specimen_id)
    return sa.select(slide, *columns).select_from(joined)


def of(conn: sa.Connection, reach: Reach, row: Row) -> list[Candidate]:
    """Candidates for a scan among the slides within reach."""
    here = within.placed(reach, slide.c.place)
    said = [*matching.codes(row.barcode), *matching.codes(row.said_container)]
    awaited = slide.c.state.in_(matching.WAITED_FOR)
    runs = _cases_of_the_run(row)
    why: dict[int, list[str]] = {}
    known: dict[int, Row] = {}

    def look(reason: str, *where: sa.ColumnElement[bool]) -> None:
        found = slides().where(*here, *where).order_by(slide.c.due_on.desc(), slide.c.id.desc()).limit(POOL)
        for hit in conn.execute(found):
            if reason != "near" or any(distance(hit.identifier, code) <= FAR for code in said):
                known[hit.id] = hit
                why.setdefault(hit.id, []).append(reason)

    if said:
        alias = sa.select(slide_alias.c.slide_id).where(slide_alias.c.value.in_(said))
        look("code", sa.or_(slide.c.identifier.in_(said), slide.c.id.in_(alias)))
        look("near", sa.or_(*_alike(said)))
    accession = sa.select(study.c.accession_number).where(study.c.uid == row.study_uid)
    look("accession", case.c.accession == accession.scalar_subquery(), case.c.accession != "")
    if runs is not None:
        look("same_run", awaited, slide.c.case_id.in_(runs))
    look("due", awaited, slide.c.due_on == (row.scanned_at or row.arrived_at).strftime("%Y%m%d"))
    ranked = sorted(
        known.values(), key=lambda hit: (-_weight(why[hit.id], hit), _nearest(hit.identifier, said), hit.id)
    )
    return [Candidate(hit, tuple(why[hit.id]), "code" in why[hit.id]) for hit in ranked[:MOST]]


def _weight(reasons: Iterable[str], hit: Row) -> int:
    return sum(WEIGHTS[reason] for reason in reasons) + 10 * (hit.state in matching.WAITED_FOR)


def _nearest(identifier: str, said: list[str]) -> int:
    return min((distance(identifier, code) for code in said), default=0)


def _alike(said: Iterable[str]) -> list[sa.ColumnElement[bool]]:
    """Slides that begin as a code does: what an index finds."""
    found: list[sa.ColumnElement[bool]] = []
    for code in said:
        start = code[: max(2, len(code) - FAR)]
        found.append(sa.and_(slide.c.identifier >= start, slide.c.identifier < start + "\U0010ffff"))
    return found


def _cases_of_the_run(row: Row) -> sa.Select[tuple[int]] | None:
    """Cases with slides that the same scanner scanned shortly before or after."""
    at: datetime | None = row.scanned_at
    if at is None or not row.scanner:
        return None
    near = (scan.c.scanned_at >= at - SAME_RUN, scan.c.scanned_at <= at + SAME_RUN, scan.c.scanner == row.scanner)
    return sa.select(slide.c.case_id).join(scan, scan.c.slide_id == slide.c.id).where(*near)


def distance(one: str, other: str) -> int:
    """Characters to be put in, taken out or changed to make one text of the other (Levenshtein)."""
    if len(one) > 64 or len(other) > 64:
        return 64
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]
