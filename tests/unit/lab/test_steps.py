"""Performed procedure steps go from in progress to an end, say what they must, and the worklist follows."""

import json
from typing import Any

import pytest
import sqlalchemy as sa

from lamelle.access import places
from lamelle.access.model import FIRST_PLACE, WHOLE, Reach
from lamelle.base.errors import Conflict, Invalid, LamelleError, NotFound
from lamelle.base.events import event
from lamelle.lab import items, schedule, steps
from lamelle.lab.room import Lab
from lamelle.testing.worklists import begun, ended, said, scheduled

UID = "2.25.777"


def states(lab: Lab) -> dict[str, str]:
    return {entry.step_id: entry.status for entry in schedule.entries(lab)}


def put(lab: Lab, dataset: dict[str, Any]) -> None:
    schedule.put(lab, FIRST_PLACE, items.check(dataset))


def listed(lab: Lab) -> list[str]:
    return [items.Item(dataset).step_id for dataset in schedule.find(lab, WHOLE, ())]


def code(call: Any, *arguments: Any) -> str:
    with pytest.raises(LamelleError) as caught:
        call(*arguments)
    assert "Dupont" not in caught.value.message
    return caught.value.code


def test_a_step_is_begun_and_completed(lab: Lab) -> None:
    put(lab, scheduled())
    steps.create(lab, FIRST_PLACE, UID, begun())
    assert states(lab) == {"SPS1": "STARTED"}
    assert listed(lab) == ["SPS1"]
    step, left = steps.update(lab, WHOLE, UID, ended("COMPLETED", "2.25.5"))
    assert (step.status, left) == ("COMPLETED", ())
    assert states(lab) == {"SPS1": "COMPLETED"}
    assert listed(lab) == [], "what is completed leaves the worklist"
    kept = steps.get(lab, UID)
    assert kept == step
    assert kept.dataset["00400250"]["Value"] == ["20260102"]
    assert kept.dataset["00100010"]["Value"] == [{"Alphabetic": "Dupont^Hélène"}]


def test_a_discontinued_step_is_to_be_done_again(lab: Lab) -> None:
    put(lab, scheduled(ScheduledProcedureStepStatus="READY"))
    steps.create(lab, FIRST_PLACE, UID, begun())
    steps.update(lab, WHOLE, UID, ended("DISCONTINUED"))
    assert states(lab) == {"SPS1": "READY"}
    assert listed(lab) == ["SPS1"]


def test_a_rescan_starts_the_step_again(lab: Lab) -> None:
    put(lab, scheduled())
    steps.create(lab, FIRST_PLACE, UID, begun())
    steps.update(lab, WHOLE, UID, ended("COMPLETED", "2.25.5"))
    steps.create(lab, FIRST_PLACE, UID + ".1", begun())
    assert states(lab) == {"SPS1": "STARTED"}
    steps.update(lab, WHOLE, UID + ".1", ended("DISCONTINUED"))
    assert states(lab) == {"SPS1": "COMPLETED"}


def test_an_item_put_late_or_again_is_as_far_as_its_steps(lab: Lab) -> None:
    steps.create(lab, FIRST_PLACE, UID, begun())
    put(lab, scheduled())
    assert states(lab) == {"SPS1": "STARTED"}
    put(lab, scheduled(container="OTHER"))
    assert states(lab) == {"SPS1": "STARTED"}


def test_one_performed_step_may_answer_several(lab: Lab) -> None:
    for name in ("S1", "S2", "S3"):
        put(lab, scheduled(name))
    both = [said(StudyInstanceUID="2.25.100", ScheduledProcedureStepID=name) for name in ("S1", "S2")]
    steps.create(lab, FIRST_PLACE, UID, begun(ScheduledStepAttributesSequence=both))
    assert states(lab) == {"S1": "STARTED", "S2": "STARTED", "S3": "SCHEDULED"}


def test_an_unscheduled_step_is_kept(lab: Lab) -> None:
    put(lab, scheduled())
    steps.create(lab, FIRST_PLACE, UID, begun(""))
    assert states(lab) == {"SPS1": "SCHEDULED"}
    assert steps.get(lab, UID).status == "IN PROGRESS"


def test_a_step_without_uid_gets_one(lab: Lab) -> None:
    made = steps.create(lab, FIRST_PLACE, "", begun())
    assert made.uid.startswith("2.25.")
    assert steps.get(lab, made.uid).status == "IN PROGRESS"


@pytest.mark.parametrize("missing", sorted(set(steps.CREATED) - {steps.STATUS}))
def test_what_a_new_step_must_say(lab: Lab, missing: str) -> None:
    dataset = begun()
    dataset[missing] = {"vr": dataset[missing]["vr"]}
    assert code(steps.create, lab, FIRST_PLACE, UID, dataset) == "missing_value"
    del dataset[missing]
    assert code(steps.create, lab, FIRST_PLACE, UID, dataset) == "missing_attribute"
    assert code(steps.get, lab, UID) == "no_such_performed_step"


def test_a_scheduled_step_is_of_a_study(lab: Lab) -> None:
    dataset = begun(ScheduledStepAttributesSequence=[said(ScheduledProcedureStepID="SPS1")])
    assert code(steps.create, lab, FIRST_PLACE, UID, dataset) == "missing_attribute"


def test_a_step_begins_in_progress(lab: Lab) -> None:
    assert (
        code(steps.create, lab, FIRST_PLACE, UID, begun(PerformedProcedureStepStatus="COMPLETED")) == "bad_step_status"
    )
    assert code(steps.create, lab, FIRST_PLACE, "1.2.x", begun()) == "bad_step"


def test_a_step_is_created_once(lab: Lab) -> None:
    steps.create(lab, FIRST_PLACE, UID, begun())
    with pytest.raises(Conflict) as caught:
        steps.create(lab, FIRST_PLACE, UID, begun())
    assert caught.value.code == "step_exists"


@pytest.mark.parametrize("end", ["COMPLETED", "DISCONTINUED"])
@pytest.mark.parametrize("then", ["IN PROGRESS", "COMPLETED", "DISCONTINUED", None])
def test_an_ended_step_does_not_change(lab: Lab, end: str, then: str | None) -> None:
    steps.create(lab, FIRST_PLACE, UID, begun())
    before, _ = steps.update(lab, WHOLE, UID, ended(end, "2.25.5"))
    changes = ended(then, "2.25.6") if then else said(PerformedProcedureStepDescription="late")
    assert code(steps.update, lab, WHOLE, UID, changes) == "step_ended"
    assert steps.get(lab, UID) == before


@pytest.mark.parametrize("status", ["SCHEDULED", "completed", ""])
def test_a_step_becomes_nothing_else(lab: Lab, status: str) -> None:
    steps.create(lab, FIRST_PLACE, UID, begun())
    assert code(steps.update, lab, WHOLE, UID, ended(status, "2.25.5")) == "bad_step_status"
    assert steps.get(lab, UID).status == "IN PROGRESS"


def test_what_an_ended_step_must_say(lab: Lab) -> None:
    steps.create(lab, FIRST_PLACE, UID, begun())
    assert code(steps.update, lab, WHOLE, UID, ended("COMPLETED")) == "missing_value"
    without = ended("COMPLETED", "2.25.5")
    del without["00400251"]
    assert code(steps.update, lab, WHOLE, UID, without) == "missing_value"
    nameless = ended("COMPLETED", "2.25.5")
    del nameless["00400340"]["Value"][0]["0020000E"]
    assert code(steps.update, lab, WHOLE, UID, nameless) == "missing_attribute"
    assert steps.get(lab, UID).status == "IN PROGRESS"


def test_changes_add_up(lab: Lab) -> None:
    steps.create(lab, FIRST_PLACE, UID, begun())
    step, left = steps.update(
        lab, WHOLE, UID, said(PerformedProcedureStepDescription="40x", PatientName="Dupont^Hélène")
    )
    assert (step.status, left) == ("IN PROGRESS", ())
    step, _ = steps.update(lab, WHOLE, UID, ended("COMPLETED", "2.25.5"))
    assert step.dataset["00400254"]["Value"] == ["40x"]


def test_what_may_not_change_stays_and_is_named(lab: Lab) -> None:
    steps.create(lab, FIRST_PLACE, UID, begun())
    step, left = steps.update(lab, WHOLE, UID, ended("COMPLETED", "2.25.5") | said(PatientID="PAT9", Modality="SM"))
    assert left == ("00100020",)
    assert step.status == "COMPLETED"
    assert step.dataset["00100020"]["Value"] == ["PAT1"]


def test_an_unknown_step_is_not_found(lab: Lab) -> None:
    with pytest.raises(NotFound):
        steps.update(lab, WHOLE, UID, ended("COMPLETED", "2.25.5"))


def test_every_change_is_news(lab: Lab) -> None:
    steps.create(lab, FIRST_PLACE, UID, begun())
    steps.update(lab, WHOLE, UID, ended("COMPLETED", "2.25.5"))
    with pytest.raises(Invalid):
        steps.create(lab, FIRST_PLACE, UID + ".1", said())
    with lab.db.read() as conn:
        told = [(row.name, json.loads(row.payload)) for row in conn.execute(sa.select(event))]
    payload = {"uid": UID, "steps": [["2.25.100", "SPS1"]], "study_uids": ["2.25.100"]}
    assert told == [
        ("StepPerformed", payload | {"status": "IN PROGRESS", "series_uids": []}),
        ("StepPerformed", payload | {"status": "COMPLETED", "series_uids": ["2.25.5"]}),
    ]


def test_another_establishment_is_as_if_it_were_not_there(lab: Lab) -> None:
    with lab.db.write() as conn:
        elsewhere = places.add(conn, "establishment", "Clinique du Port")
    here, there = Reach(places=frozenset({FIRST_PLACE})), Reach(places=frozenset({elsewhere}))
    schedule.put(lab, FIRST_PLACE, items.check(scheduled()))
    assert len(schedule.find(lab, here, ())) == 1 and schedule.find(lab, there, ()) == []
    steps.create(lab, elsewhere, UID, begun())
    assert states(lab) == {"SPS1": "SCHEDULED"}, "what others say of it counts for nothing"
    assert code(steps.update, lab, here, UID, ended("COMPLETED", "2.25.5")) == "no_such_performed_step"
    assert steps.update(lab, there, UID, ended("COMPLETED", "2.25.5"))[0].status == "COMPLETED"
    steps.create(lab, FIRST_PLACE, UID + ".1", begun())
    assert states(lab) == {"SPS1": "STARTED"}
