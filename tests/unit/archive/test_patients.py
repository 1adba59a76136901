"""The level above the study: who the studies found are of."""

from typing import Any

from lamelle.access.model import WHOLE
from lamelle.archive import patients
from lamelle.archive.query import Level, Match, Query
from lamelle.archive.store import Archive
from lamelle.testing.archives import stored
from lamelle.testing.instances import instance

ALL = frozenset({patients.STUDIES, patients.SERIES, patients.INSTANCES, "00100010", "00100020"})


def found(archive: Archive, *matches: Match, **options: Any) -> list[tuple[Any, ...]]:
    asked = Query(Level.STUDY, matches, **({"include": ALL} | options))
    tags = ("00100020", patients.STUDIES, patients.SERIES, patients.INSTANCES)
    return [
        tuple((item[tag].get("Value") or [None])[0] if tag in item else None for tag in tags)
        for item in patients.found(archive.db, WHOLE, asked)
    ]


def fill(archive: Archive) -> None:
    stored(
        archive,
        [
            instance("1", PatientID="A", PatientName="Ámie^Léa", StudyDate="20260101"),
            instance("2", PatientID="A", PatientName="Amie^Lea", StudyDate="20260102"),
            instance("2", "2", PatientID="A", PatientName="Amie^Lea", StudyDate="20260102"),
            instance("3", PatientID="B", StudyDate="20260103"),
            instance("4", PatientID="B", IssuerOfPatientID="Other", StudyDate="20260104"),
            instance("5", PatientID="", StudyDate="20260105"),
            instance("6", PatientID="", StudyDate="20260106"),
        ],
    )


def test_one_result_a_patient_with_all_there_is_of_him(archive: Archive) -> None:
    fill(archive)
    assert found(archive) == [
        (None, 1, 1, 1),
        (None, 1, 1, 1),
        ("B", 1, 1, 1),
        ("B", 1, 1, 1),
        ("A", 2, 3, 3),
    ]
    assert found(archive, Match(("00100010",), "amie*")) == [("A", 2, 3, 3)]
    assert found(archive, Match(("00080020",), "20260101")) == [("A", 2, 3, 3)], "counts are of the patient"
    assert found(archive, limit=3) == found(archive)[:3]
    assert found(archive, Match(("00100020",), "A"), include=frozenset()) == [("A", None, None, None)]


def test_nothing_of_a_study_is_told(archive: Archive) -> None:
    fill(archive)
    [item] = patients.found(archive.db, WHOLE, Query(Level.STUDY, (Match(("00100020",), "A"),), include="all"))
    assert {tag[:4] for tag in item} == {"0008", "0010", "0020"} and "0020000D" not in item
    assert item["00100010"]["Value"] == [{"Alphabetic": "Amie^Lea"}], "as the newest study has it"
    assert item["00080056"]["Value"] == ["ONLINE"]
