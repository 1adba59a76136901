"""Studies in the archive are shown as the patient's whose case their scans belong to, whatever a scanner wrote.

A job after every change of a case; a study whose scans belong to several patients is left as its files say.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa

from lamelle.access.model import WHOLE
from lamelle.archive import identities
from lamelle.archive.identities import Patient
from lamelle.lab import cases, patients
from lamelle.lab.records import attachment, case, scan, slide
from lamelle.lab.room import Lab, in_write

IDENTIFY: Final = "identify"
"""The job's kind; its payload names the case."""
DAY: Final = re.compile(r"\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
"""A date that DICOM takes: parts that nobody knows are none."""


def identify(lab: Lab, payload: Mapping[str, Any]) -> None:
    """Show the studies of a case as its patient's, and those that are its no more as their files say."""
    number = int(payload["case"])

    def work(conn: sa.Connection) -> None:
        cases.locked(conn, WHOLE, number)
        source = f"case {number}"
        for study_uid in sorted({*_studies(conn, number), *identities.known_by(conn, source)}):
            owners = _owners(conn, study_uid)
            one = owners.pop() if len(owners) == 1 else None
            patient = None if one is None else as_dicom(patients.one(conn, one))
            identities.put(conn, study_uid, patient, source, lab.clock.now())

    in_write(lab, work)


def as_dicom(row: sa.Row[Any]) -> Patient:
    """A row of `patient` in DICOM's words."""
    name = f"{row.family}^{row.given}".rstrip("^").replace("\\", " ").replace("=", " ")
    birth_date = row.birth_date if DAY.fullmatch(row.birth_date) else ""
    return Patient(row.identifier, row.issuer, name, birth_date, row.sex)


def _studies(conn: sa.Connection, case_id: int) -> set[str]:
    theirs = sa.select(scan.c.study_uid).join(slide, scan.c.slide_id == slide.c.id).where(slide.c.case_id == case_id)
    papers = sa.select(attachment.c.study_uid).where(attachment.c.case_id == case_id)
    return set(conn.execute(sa.union(theirs, papers)).scalars())


def _owners(conn: sa.Connection, study_uid: str) -> set[int]:
    """The patients of all cases that have something in a study."""
    by_scan = sa.select(slide.c.case_id).join(scan, scan.c.slide_id == slide.c.id).where(scan.c.study_uid == study_uid)
    by_paper = sa.select(attachment.c.case_id).where(attachment.c.study_uid == study_uid)
    owners = sa.select(case.c.patient_id).where(case.c.id.in_(sa.union(by_scan, by_paper)))
    return {number for number in conn.execute(owners).scalars() if number is not None}
