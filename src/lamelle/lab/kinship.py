"""What belongs together, for many rows at once: of cases their specimens and studies, of series their slides.

Reads only. What is asked about was found within reach, and so is what belongs to it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from lamelle.access.model import Reach
from lamelle.archive import within
from lamelle.archive.catalogue import study
from lamelle.lab.records import case, patient_identifier, scan, slide, slide_alias, specimen


def identifiers(conn: sa.Connection, patients: Iterable[int]) -> Mapping[int, list[tuple[str, str]]]:
    """Patient to (value, issuer) of every identifier."""
    known = patient_identifier.c
    asked = sa.select(known.patient_id, known.value, known.issuer).where(known.patient_id.in_(list(patients)))
    return _grouped(conn, asked.order_by(known.issuer, known.value))


def aliases(conn: sa.Connection, slides: Iterable[int]) -> Mapping[int, list[str]]:
    """Slide to its other codes."""
    known = slide_alias.c
    asked = sa.select(known.slide_id, known.value).where(known.slide_id.in_(list(slides)))
    return _first(_grouped(conn, asked.order_by(known.value)))


def specimens(conn: sa.Connection, cases: Iterable[int]) -> Mapping[int, list[int]]:
    """Case to its specimens as they were taken."""
    asked = sa.select(specimen.c.case_id, specimen.c.id).where(specimen.c.case_id.in_(list(cases)))
    return _first(_grouped(conn, asked.order_by(specimen.c.id)))


def studies(conn: sa.Connection, cases: Iterable[int]) -> Mapping[int, list[str]]:
    """Case to the UIDs of studies in the archive: its own, and those its slides were scanned into."""
    wanted = list(cases)
    by_scan = sa.select(slide.c.case_id, scan.c.study_uid).join(slide, slide.c.id == scan.c.slide_id)
    own = sa.select(case.c.id, case.c.study_uid).join(study, study.c.uid == case.c.study_uid)
    return _first(_grouped(conn, by_scan.where(slide.c.case_id.in_(wanted)).union(own.where(case.c.id.in_(wanted)))))


def cases(conn: sa.Connection, reach: Reach, study_uids: Iterable[str]) -> Mapping[str, list[Any]]:
    """Study to its cases within reach: rows of id, accession, issuer and patient_id."""
    wanted, columns = list(study_uids), (case.c.id, case.c.accession, case.c.issuer, case.c.patient_id)
    mine = within.placed(reach, case.c.place)
    by_scan = sa.select(scan.c.study_uid, *columns).join(slide, slide.c.id == scan.c.slide_id)
    by_scan = by_scan.join(case, case.c.id == slide.c.case_id).where(scan.c.study_uid.in_(wanted), *mine)
    own = sa.select(case.c.study_uid, *columns).where(case.c.study_uid.in_(wanted), *mine)
    found: dict[str, list[Any]] = defaultdict(list)
    for row in conn.execute(by_scan.union(own)):
        found[row.study_uid].append(row)
    return found


def glass(conn: sa.Connection, reach: Reach, study_uids: Iterable[str]) -> Mapping[str, int]:
    """Series to the slide it shows, of slides within reach."""
    asked = sa.select(scan.c.series_uid, scan.c.slide_id).join(slide, slide.c.id == scan.c.slide_id)
    rows = conn.execute(asked.where(scan.c.study_uid.in_(list(study_uids)), *within.placed(reach, slide.c.place)))
    return {row.series_uid: row.slide_id for row in rows}


def _grouped(conn: sa.Connection, asked: sa.Executable) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = defaultdict(list)
    for key, *rest in conn.execute(asked):
        found[key].append(tuple(rest))
    return found


def _first(grouped: Mapping[Any, list[Any]]) -> Mapping[Any, list[Any]]:
    found: dict[Any, list[Any]] = defaultdict(list)
    found.update((key, [row[0] for row in rows]) for key, rows in grouped.items())
    return found
