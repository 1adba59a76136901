"""The worklist keeps what is put, answers what is asked, and forgets in time."""

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from lamelle.access.model import FIRST_PLACE, WHOLE
from lamelle.base.errors import Invalid, NotFound, TooLarge
from lamelle.base.events import event
from lamelle.lab import items, keys, schedule
from lamelle.lab.room import Lab
from lamelle.lab.tables import scheduled_container
from lamelle.testing.archives import SetClock
from lamelle.testing.worklists import said, scheduled


def put(lab: Lab, *datasets: dict[str, Any]) -> list[str]:
    return list(schedule.put(lab, FIRST_PLACE, [item for dataset in datasets for item in items.check(dataset)]))


def found(lab: Lab, **asked: Any) -> list[str]:
    """The step IDs that match."""
    return [items.Item(dataset).step_id for dataset in schedule.find(lab, WHOLE, keys.parse(said(**asked)))]


def of_step(lab: Lab, **asked: Any) -> list[str]:
    return found(lab, ScheduledProcedureStepSequence=[said(**asked)])


def contained(lab: Lab, name: str) -> list[str]:
    return of_step(lab, ScheduledSpecimenSequence=[said(ContainerIdentifier=name)])


def test_what_is_put_is_found_in_order_of_its_start(lab: Lab) -> None:
    late, early, first = scheduled("B", time="10"), scheduled("A", time="0915"), scheduled("C", date="20260101")
    assert put(lab, late, early, first) == ["new", "new", "new"]
    assert found(lab) == ["C", "A", "B"]
    asked = said(ScheduledProcedureStepSequence=[said(ScheduledProcedureStepID="A")])
    [dataset] = schedule.find(lab, WHOLE, keys.parse(asked))
    assert dataset["00100010"]["Value"] == [{"Alphabetic": "Dupont^Hélène"}]


def test_putting_again_replaces(lab: Lab) -> None:
    assert put(lab, scheduled()) == ["new"]
    assert put(lab, scheduled()) == ["same"]
    assert put(lab, scheduled(container="OTHER", patient="Durand^Anne")) == ["changed"]
    assert contained(lab, "26P00001-A-1-1") == []
    assert contained(lab, "OTHER") == ["SPS1"]
    assert put(lab, scheduled(study_uid="2.25.200")) == ["new"], "the same step ID in another study is another step"
    assert found(lab) == ["SPS1", "SPS1"]


def test_all_or_none_are_put(lab: Lab) -> None:
    with pytest.raises(Invalid) as caught:
        put(lab, scheduled("S1"), scheduled("S2", date="20250101"))
    assert caught.value.code == "worklist_item_past"
    assert found(lab) == []


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"AccessionNumber": "26P00001"}, ["A", "B"]),
        ({"AccessionNumber": "26P0*"}, ["A", "B"]),
        ({"AccessionNumber": "26P00002"}, []),
        ({"PatientID": "PAT1"}, ["A"]),
        ({"PatientID": "PAT?"}, ["A", "B"]),
        ({"StudyInstanceUID": ["2.25.2", "2.25.9"]}, ["B"]),
        ({"PatientName": "dupont*"}, ["A"]),
        ({"ScheduledSpecimenSequence": [said(ContainerIdentifier="CB")]}, ["B"]),
    ],
)
def test_keys_of_the_request(lab: Lab, asked: dict[str, Any], expected: list[str]) -> None:
    put(lab, scheduled("A", study_uid="2.25.1", container="CA"))
    put(lab, scheduled("B", study_uid="2.25.2", container="CB", patient="Martin^Zoé", patient_id="PAT2"))
    assert found(lab, **asked) == expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"ScheduledStationAETitle": "TWO"}, ["B"]),
        ({"ScheduledProcedureStepStartDate": "20260103"}, ["B"]),
        ({"ScheduledProcedureStepStartDate": "20260101-20260102"}, ["A"]),
        ({"ScheduledProcedureStepStartDate": "20260102-20260103", "ScheduledProcedureStepStartTime": "10-09"}, ["B"]),
        ({"ScheduledProcedureStepID": "B"}, ["B"]),
        ({"Modality": "SM"}, ["A", "B"]),
        ({"Modality": "CT"}, []),
        ({"ScheduledSpecimenSequence": [said(ContainerIdentifier="CA")]}, ["A"]),
        ({"ScheduledSpecimenSequence": [said(ContainerIdentifier="C*")]}, ["A", "B"]),
        ({"ScheduledSpecimenSequence": [said(ContainerIdentifier="c*")]}, []),
        ({"ScheduledProcedureStepStatus": "READY"}, ["B"]),
    ],
)
def test_keys_of_the_step(lab: Lab, asked: dict[str, Any], expected: list[str]) -> None:
    put(lab, scheduled("A", container="CA"))
    late: dict[str, Any] = {"date": "20260103", "time": "0815", "station": ["ONE", "TWO"]}
    put(lab, scheduled("B", container="CB", ScheduledProcedureStepStatus="READY", **late))
    assert of_step(lab, **asked) == expected


def test_an_index_never_leaves_out_what_matches(lab: Lab) -> None:
    names = ["A", "A-1", "B?", "Ébène", "a", "AA"]
    put(lab, *(scheduled(f"S{number}", container=name) for number, name in enumerate(names[:5])))
    for asked in ("A", "A*", "*", "?", "A?1", "Éb*", "B?", "a*", "É*"):
        kept = [dict(dataset) for dataset in schedule.find(lab, WHOLE, ())]
        specimens = [said(ContainerIdentifier=asked)]
        want = keys.parse(said(ScheduledProcedureStepSequence=[said(ScheduledSpecimenSequence=specimens)]))
        slow = [items.Item(dataset).step_id for dataset in kept if keys.matches(want, dataset)]
        assert contained(lab, asked) == slow, asked


def test_more_than_the_limit_is_refused(lab: Lab) -> None:
    put(lab, *(scheduled(f"S{number}") for number in range(6)))
    with pytest.raises(TooLarge) as caught:
        found(lab)
    assert caught.value.code == "worklist_too_long"
    assert of_step(lab, ScheduledProcedureStepID="S3") == ["S3"]


def test_steps_are_removed(lab: Lab) -> None:
    put(lab, scheduled("S1"), scheduled("S1", study_uid="2.25.200"), scheduled("S2"))
    assert schedule.remove(lab, "S1", "2.25.200") == 1
    assert found(lab) == ["S1", "S2"]
    assert schedule.remove(lab, "S1") == 1
    assert found(lab) == ["S2"]
    with pytest.raises(NotFound) as caught:
        schedule.remove(lab, "S1")
    assert caught.value.code == "no_such_step"
    with lab.db.read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(scheduled_container)).scalar_one() == 1


def test_items_go_after_their_time(lab: Lab, clock: SetClock) -> None:
    put(lab, scheduled("OLD"))
    clock.move(30 * 86400)
    assert found(lab) == ["OLD"]
    clock.move(86400)
    assert found(lab) == []
    assert list(schedule.entries(lab)) == []
    for_ever = replace(lab, settings=replace(lab.settings, keep_days=0))
    assert found(for_ever) == ["OLD"]
    put(lab, scheduled("NEW", date="20260202"))
    assert found(for_ever) == ["NEW"], "putting cleans up"


def test_entries_tell_items_apart_without_their_patients(lab: Lab) -> None:
    put(lab, scheduled(container=["B", "A"], station=["ONE", "TWO"]))
    [entry] = schedule.entries(lab)
    assert entry == schedule.Entry(
        "2.25.100", "SPS1", "SCHEDULED", "20260102 0930", ("ONE", "TWO"), "SM", "26P00001", ("A", "B")
    )


def test_news_name_no_patient(lab: Lab) -> None:
    put(lab, scheduled())
    put(lab, scheduled())
    with lab.db.read() as conn:
        told = conn.execute(sa.select(event.c.name, event.c.payload)).all()
    assert [tuple(row) for row in told] == [("StepScheduled", '{"study_uid": "2.25.100", "step_id": "SPS1"}')]
