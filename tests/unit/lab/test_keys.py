"""Keys ask of kept objects what PS3.4 C.2.2.2 and K.6.1.2.2 say."""

from typing import Any

import pytest

from lamelle.base.errors import Invalid
from lamelle.lab import keys
from lamelle.testing.worklists import said, scheduled

ITEM = scheduled(container=["26P1-A-1", "26P1-A-2"], station=["SCANNER1", "SCANNER2"])


def matches(kept: dict[str, Any] = ITEM, **asked: Any) -> bool:
    return keys.matches(keys.parse(said(**asked)), kept)


def step(**asked: Any) -> bool:
    return matches(ScheduledProcedureStepSequence=[said(**asked)])


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, True),
        ({"PatientID": None}, True),
        ({"PatientID": "*"}, True),
        ({"PatientID": "PAT1"}, True),
        ({"PatientID": "PAT"}, False),
        ({"PatientID": "PA?1"}, True),
        ({"PatientID": "P*2"}, False),
        ({"PatientName": "dupont^helene"}, True),
        ({"PatientName": "DUP*"}, True),
        ({"PatientName": "Durand*"}, False),
        ({"StudyInstanceUID": ["2.25.1", "2.25.100"]}, True),
        ({"StudyInstanceUID": ["2.25.1", "2.25.2"]}, False),
        ({"ScheduledProcedureStepSequence": None}, True),
        ({"ScheduledProcedureStepSequence": [{}]}, True),
        ({"SpecificCharacterSet": "ISO_IR 192"}, True),
    ],
)
def test_values(asked: dict[str, Any], found: bool) -> None:
    assert matches(**asked) is found


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"ScheduledStationAETitle": "SCANNER2"}, True),
        ({"ScheduledStationAETitle": "SCANNER"}, False),
        ({"ScheduledProcedureStepStartDate": "20260102"}, True),
        ({"ScheduledProcedureStepStartDate": "20260101-20260103"}, True),
        ({"ScheduledProcedureStepStartDate": "20260103-"}, False),
        ({"ScheduledProcedureStepStartDate": "-20260102"}, True),
        ({"ScheduledProcedureStepStartTime": "09-10"}, True),
        ({"ScheduledProcedureStepStartTime": "10-11"}, False),
        ({"Modality": "SM", "ScheduledStationAETitle": "SCANNER1"}, True),
        ({"Modality": "CT", "ScheduledStationAETitle": "SCANNER1"}, False),
    ],
)
def test_values_of_the_step(asked: dict[str, Any], found: bool) -> None:
    assert step(**asked) is found


@pytest.mark.parametrize(
    ("container", "found"), [("26P1-A-1", True), ("26P1-A-2", True), ("26P1-A-3", False), ("26P1*", True)]
)
def test_containers_in_a_sequence_of_a_sequence(container: str, found: bool) -> None:
    assert step(ScheduledSpecimenSequence=[said(ContainerIdentifier=container)]) is found


def test_all_keys_of_a_sequence_are_asked_of_one_item() -> None:
    kept = said(
        ScheduledSpecimenSequence=[
            said(ContainerIdentifier="A", SpecimenDescriptionSequence=[said(SpecimenIdentifier="A1")]),
            said(ContainerIdentifier="B", SpecimenDescriptionSequence=[said(SpecimenIdentifier="B1")]),
        ]
    )

    def both(container: str, specimen: str) -> bool:
        specimens = [said(SpecimenIdentifier=specimen)]
        asked = said(ContainerIdentifier=container, SpecimenDescriptionSequence=specimens)
        return matches(kept, ScheduledSpecimenSequence=[asked])

    assert both("A", "A1")
    assert not both("A", "B1")


@pytest.mark.parametrize(
    ("days", "times", "found"),
    [
        ("20260102-20260104", "10-08", False),  # from the 2nd at 10 to the 4th at 8, the step is the 2nd at 9:30
        ("20260101-20260102", "10-0931", True),
        ("20260101-20260102", "10-0929", False),
        ("20260101-20260104", "10-18", True),  # no hours of each day, one period
        ("20260101-", "10-", True),
        ("-20260102", "-0930", True),
        ("-20260102", "-0929", False),
        ("20260102", "09-10", True),
        ("20260102", "10-18", False),
        ("20260102-20260102", "10-18", False),
    ],
)
def test_dates_and_times_together_are_one_period(days: str, times: str, found: bool) -> None:
    assert step(ScheduledProcedureStepStartDate=days, ScheduledProcedureStepStartTime=times) is found


def test_answers_have_what_was_asked_for_and_nothing_else() -> None:
    asked = said(
        PatientName=None,
        PatientID="PAT1",
        PerformedProcedureStepID=None,
        ScheduledProcedureStepSequence=[said(Modality="SM", ScheduledProcedureStepID=None)],
    )
    assert keys.answer(keys.parse(asked), ITEM) == said(
        PatientName="Dupont^Hélène",
        PatientID="PAT1",
        ScheduledProcedureStepSequence=[said(Modality="SM", ScheduledProcedureStepID="SPS1")],
        PerformedProcedureStepID=None,
    )


def test_a_sequence_without_keys_is_answered_whole() -> None:
    forms: tuple[Any, ...] = (None, [{}])
    for empty in forms:
        asked = said(ScheduledProcedureStepSequence=empty)
        assert keys.answer(keys.parse(asked), ITEM) == {"00400100": ITEM["00400100"]}


def test_a_key_of_no_dictionary_is_unknown() -> None:
    assert not keys.unknown(keys.parse(said(PatientName=None, ScheduledProcedureStepSequence=[said(Modality=None)])))
    assert keys.unknown(keys.parse({"00400100": {"vr": "SQ", "Value": [{"00431001": {"vr": "LO"}}]}}))


def test_a_query_sequence_has_one_item() -> None:
    with pytest.raises(Invalid, match="may have one item") as caught:
        keys.parse(said(ScheduledProcedureStepSequence=[said(Modality="SM"), said(Modality="CT")]))
    assert caught.value.code == "key_of_several_items"


def test_a_date_that_is_none_is_refused() -> None:
    with pytest.raises(Invalid) as caught:
        keys.parse(said(ScheduledProcedureStepSequence=[said(ScheduledProcedureStepStartDate="2026-01-02")]))
    assert caught.value.code == "bad_value"


def test_keys_are_found_by_path() -> None:
    asked = keys.parse(said(ScheduledProcedureStepSequence=[said(Modality="SM", ScheduledProcedureStepID=None)]))
    assert keys.find(asked, "00400100", "00080060") is not None
    assert keys.find(asked, "00400100", "00400009") is None
    assert keys.find(asked, "00100020") is None
