"""Studies are shown as the patient's whose case they belong to, and as their files say when they belong to none."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from lamelle.access.model import WHOLE
from lamelle.archive import reconcile
from lamelle.archive.catalogue import name_word, study
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.base.ids import uid_from
from lamelle.lab import cases, identifying, patients
from lamelle.lab.orders import Identifier, MergeSaid, Order, SlideSaid
from lamelle.lab.records import scan
from lamelle.lab.room import Lab
from lamelle.testing.archives import SetClock, stored
from lamelle.testing.instances import instance
from lamelle.testing.laboratory import DOCTOR, ORDER, WHO, at, scanned

STUDY = uid_from("study", "1")
BY_FILES = ("Doe^Jane", "P1", "")
BY_CASE = ("PAT-TROIS^DOMINIQUE", "000003", "CHU-X")


@pytest.fixture
def archive(lab: Lab, tmp_path: Path, catalogue_url: str, clock: SetClock) -> Iterator[Archive]:
    opened = Archive.open(ArchiveSettings(tmp_path / "data", catalogue_url, reserve_bytes=0), clock)
    yield opened
    opened.close()


def shown(lab: Lab) -> tuple[str, str, str]:
    with lab.db.read() as conn:
        row = conn.execute(sa.select(study).where(study.c.uid == STUDY)).one()
        words = set(conn.execute(sa.select(name_word.c.word).where(name_word.c.study_id == row.id)).scalars())
    assert row.patient_name_key.replace("^", " ").replace("-", " ").split()[0] in words
    return row.patient_name, row.patient_id, row.issuer_of_patient_id


def matched(lab: Lab, identifier: str = "25P01234-A-1-1") -> int:
    """A scan in the study, matched to a slide; the case's number."""
    case_id = scanned(lab, identifier, f"1.{identifier[-1]}.{len(identifier)}")
    with lab.db.write() as conn:
        conn.execute(sa.update(scan).values(study_uid=STUDY))
    identifying.identify(lab, {"case": case_id})
    return case_id


def everything(lab: Lab) -> list[dict[str, Any]]:
    with lab.db.read() as conn:
        rows = conn.execute(sa.select(study)).mappings()
        return [{k: v for k, v in row.items() if k not in ("id", "created_at", "updated_at", "fills")} for row in rows]


def test_a_matched_scan_is_shown_as_its_cases_patient(lab: Lab, archive: Archive) -> None:
    stored(archive, [instance(number=5)])
    cases.take(lab, ORDER)
    assert shown(lab) == BY_FILES
    matched(lab)
    assert shown(lab) == BY_CASE
    stored(archive, [instance(number=number) for number in range(1, 10) if number != 5])
    assert shown(lab) == BY_CASE
    texts = [json.loads(text) for _, text in archive.retrieve.metadata(WHOLE, STUDY)]
    assert len(texts) == 9
    assert all(one["00100010"]["Value"] == [{"Alphabetic": BY_CASE[0]}] for one in texts)
    assert all(one["00100020"]["Value"] == [BY_CASE[1]] for one in texts)
    before = everything(lab)
    reconcile.rebuild(archive.db, archive.blobs)
    assert everything(lab) == before


def test_a_correction_and_a_merge_reach_the_archive_and_go_back(lab: Lab, archive: Archive) -> None:
    stored(archive, [instance()])
    cases.take(lab, ORDER)
    case_id = matched(lab)
    patients.say(lab, replace(WHO, given="DOMINIQUE MARIE"), at(1))
    identifying.identify(lab, {"case": case_id})
    assert shown(lab)[0] == "PAT-TROIS^DOMINIQUE MARIE"
    kept = replace(WHO, identifiers=(Identifier("9", "CHU-X"),), family="AUTRE")
    number = patients.merge(lab, MergeSaid(kept, WHO.identifiers[0], at(2)))
    identifying.identify(lab, {"case": case_id})
    assert shown(lab) == ("AUTRE^DOMINIQUE", "9", "CHU-X")
    patients.unmerge(lab, WHOLE, DOCTOR, number)
    identifying.identify(lab, {"case": case_id})
    assert shown(lab)[1:] == BY_CASE[1:]


def test_a_match_that_is_undone_leaves_what_the_files_say(lab: Lab, archive: Archive) -> None:
    stored(archive, [instance()])
    cases.take(lab, ORDER)
    case_id = matched(lab)
    with lab.db.write() as conn:
        conn.execute(sa.update(scan).values(slide_id=None, state="unmatched"))
    identifying.identify(lab, {"case": case_id})
    assert shown(lab) == BY_FILES


def test_a_study_of_two_patients_stays_as_its_files_say(lab: Lab, archive: Archive) -> None:
    stored(archive, [instance()])
    cases.take(lab, ORDER)
    first = matched(lab)
    other = replace(WHO, identifiers=(Identifier("9", "CHU-X"),), family="AUTRE")
    glass = SlideSaid(Identifier("25P2-1", "DIAMIC"))
    cases.take(lab, Order(Identifier("25P2", "DIAMIC"), at(0), patient=other, slides=(glass,)))
    second = matched(lab, "25P2-1")
    assert shown(lab) == BY_FILES
    for case_id in (first, second, first):
        identifying.identify(lab, {"case": case_id})
        assert shown(lab) == BY_FILES
