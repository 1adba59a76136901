"""Performed procedure steps (MPPS): what a modality says it does, in progress, then completed or discontinued.

Kept for ever, as the trace of who scanned what; the worklist follows (`schedule`). Source: PS3.4 F.7.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from lamelle.access.model import Reach
from lamelle.archive import facts, within
from lamelle.base import events, ids
from lamelle.base.db import insert
from lamelle.base.errors import Conflict, Invalid, NotFound
from lamelle.dicom import uids
from lamelle.lab import keys, schedule
from lamelle.lab.keys import Dataset
from lamelle.lab.room import Lab
from lamelle.lab.tables import performed_scheduled, performed_step

IN_PROGRESS, COMPLETED, DISCONTINUED = "IN PROGRESS", "COMPLETED", "DISCONTINUED"
NEXT = {IN_PROGRESS: (IN_PROGRESS, COMPLETED, DISCONTINUED), COMPLETED: (), DISCONTINUED: ()}
"""What may follow each status."""

SCHEDULED, SERIES, STATUS = "00400270", "00400340", "00400252"
CREATED = ("00080060", "00400241", "00400244", "00400245", "00400253", STATUS, SCHEDULED)
"""What a new step must say. Source: PS3.4 Table F.7.2-1, type 1."""
ENDED = ("00400250", "00400251")
"""What it must say in the end."""
OF_SERIES = ("0020000E", "00181030")
FIXED = frozenset(
    {
        "00080060",
        "00081120",
        "00100010",
        "00100020",
        "00100021",
        "00100030",
        "00100040",
        "00200010",
        "00380010",
        "00380060",
        "00400241",
        "00400242",
        "00400243",
        "00400244",
        "00400245",
        "00400253",
        "00400270",
    }
)
"""What is said once: an N-SET is not allowed to change it."""


@dataclass(frozen=True, slots=True)
class Step:
    """One performed procedure step."""

    uid: str
    status: str
    dataset: Dataset


def create(lab: Lab, place: int, uid: str, dataset: Dataset) -> Step:
    """Keep a new step of a place, durably; without a `uid` it gets one.

    Raises: Invalid("bad_step" | "bad_step_status" | "missing_attribute" | "missing_value"); Conflict("step_exists").
    """
    uid = uid or ids.new_uid()
    if not uids.is_usable(uid):
        raise Invalid("bad_step", "the SOP Instance UID is no UID")
    keys.require(dataset, CREATED)
    for item in keys.items(dataset, SCHEDULED):
        keys.require(item, ("0020000D",))
    if keys.first(dataset, STATUS) != IN_PROGRESS:
        raise Invalid("bad_step_status", f"a performed procedure step begins as {IN_PROGRESS}")
    step = Step(uid, IN_PROGRESS, _kept(dataset))
    with lab.db.write() as conn:
        now = lab.clock.now()
        adding = insert(conn, performed_step).values(
            uid=uid,
            status=step.status,
            station=keys.first(dataset, "00400241"),
            place=place,
            json=_text(step.dataset),
            created_at=now,
            updated_at=now,
        )
        adding = adding.on_conflict_do_nothing()
        number = conn.execute(adding.returning(performed_step.c.id)).scalar_one_or_none()
        if number is None:
            raise Conflict("step_exists", f"the performed procedure step {uid} is known already")
        linked = [{"performed_id": number, "study_uid": study, "step_id": name} for study, name in _links(dataset)]
        if linked:
            conn.execute(sa.insert(performed_scheduled), linked)
        _tell(lab, conn, step)
    return step


def update(lab: Lab, reach: Reach, uid: str, changes: Dataset) -> tuple[Step, tuple[str, ...]]:
    """Apply what a modality says later, durably; the step, and the tags that may not change and did not.

    Raises: NotFound("no_such_performed_step"), also of what is out of reach; Conflict("step_ended");
    Invalid("bad_step_status" | "missing_attribute" | "missing_value").
    """
    with lab.db.write() as conn:
        here = within.placed(reach, performed_step.c.place)
        this = sa.select(performed_step).where(performed_step.c.uid == uid, *here)
        row = conn.execute(this.with_for_update()).first()
        if row is None:
            raise NotFound("no_such_performed_step", f"there is no performed procedure step {uid}")
        if not NEXT[row.status]:
            raise Conflict("step_ended", f"it may no longer be updated, being {row.status}")
        kept: Dataset = json.loads(row.json)
        left = tuple(tag for tag in changes if tag in FIXED and changes[tag].get("Value") != _value(kept, tag))
        dataset = {**kept, **{tag: element for tag, element in _kept(changes).items() if tag not in FIXED}}
        status = keys.first(dataset, STATUS)
        if status not in NEXT[row.status]:
            raise Invalid("bad_step_status", f"a step {row.status} becomes {COMPLETED} or {DISCONTINUED}, nothing else")
        if status != IN_PROGRESS:
            _require_end(dataset, status)
        step = Step(uid, status, dict(sorted(dataset.items())))
        values = {"status": status, "json": _text(step.dataset), "updated_at": lab.clock.now()}
        conn.execute(sa.update(performed_step).where(performed_step.c.id == row.id).values(**values))
        _tell(lab, conn, step)
    return step, left


def get(lab: Lab, uid: str) -> Step:
    """A step as it is. Raises: NotFound("no_such_performed_step")."""
    with lab.db.read() as conn:
        row = conn.execute(sa.select(performed_step).where(performed_step.c.uid == uid)).first()
    if row is None:
        raise NotFound("no_such_performed_step", f"there is no performed procedure step {uid}")
    return Step(row.uid, row.status, json.loads(row.json))


def _tell(lab: Lab, conn: sa.Connection, step: Step) -> None:
    """Let the worklist follow, and note the news."""
    answered = list(_links(step.dataset))
    for study_uid, step_id in answered:
        schedule.follow(conn, study_uid, step_id)
    payload = {
        "uid": step.uid,
        "status": step.status,
        "steps": [list(names) for names in answered],
        "study_uids": sorted(set(facts.texts(step.dataset, (SCHEDULED, "0020000D")))),
        "series_uids": sorted(facts.texts(step.dataset, (SERIES, "0020000E"))),
    }
    events.record(conn, "StepPerformed", payload, clock=lab.clock)


def _links(dataset: Dataset) -> Iterator[tuple[str, str]]:
    """(study, scheduled step) of each scheduled step it answers; of an unscheduled one there are none."""
    seen = set()
    for item in keys.items(dataset, SCHEDULED):
        names = keys.first(item, "0020000D"), keys.first(item, "00400009")
        if all(names) and names not in seen:
            seen.add(names)
            yield names


def _require_end(dataset: Dataset, status: str) -> None:
    """What must be said in the end; a step without images can only be discontinued."""
    keys.require(dataset, ENDED)
    series = list(keys.items(dataset, SERIES))
    if status == COMPLETED and not series:
        raise Invalid("missing_value", f"without a value: {keys.named(SERIES)}")
    for item in series:
        keys.require(item, OF_SERIES)


def _value(dataset: Dataset, tag: str) -> Any:
    return dataset.get(tag, {}).get("Value")


def _kept(dataset: Dataset) -> Dataset:
    return {tag: element for tag, element in dataset.items() if tag != keys.CHARSETS}


def _text(dataset: Dataset) -> str:
    return json.dumps(dataset, ensure_ascii=False)
