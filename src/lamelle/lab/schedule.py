"""The worklist: items are put, found, removed and forgotten; what an item is, `items` says.

An item is its Scheduled Procedure Step ID in its study: putting it again replaces it. Its status follows what
modalities say of it (`steps`).
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import sqlalchemy as sa

from lamelle.access import places
from lamelle.access.model import Reach
from lamelle.archive import facts, within
from lamelle.archive.matching import Between, Criterion, Equal, Pattern
from lamelle.base import events
from lamelle.base.db import insert
from lamelle.base.errors import Invalid, NotFound, TooLarge
from lamelle.lab import keys
from lamelle.lab.items import CONTAINER, SPECIMENS, START_DATE, START_TIME, STATUS, STEPS, STUDY_UID, Item
from lamelle.lab.keys import Dataset, Key
from lamelle.lab.room import Lab
from lamelle.lab.tables import performed_scheduled, performed_step, scheduled_container, scheduled_step

Outcome = Literal["new", "changed", "same"]

STARTED, COMPLETED = "STARTED", "COMPLETED"
BATCH = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the list: what tells an item from others, without its patient."""

    study_uid: str
    step_id: str
    status: str
    start: str
    stations: tuple[str, ...]
    modality: str
    accession_number: str
    containers: tuple[str, ...]


def put(lab: Lab, place: int, items: Sequence[Item]) -> list[Outcome]:
    """Keep these items of a place, all or none; what became of each. Those past their time go.

    Raises: Invalid("worklist_item_past").
    """
    oldest = _oldest(lab)
    for item in items:
        if keys.first(item.step, START_DATE) < oldest:
            days = lab.settings.keep_days
            raise Invalid("worklist_item_past", f"the step's start is more than {days} days ago (lab.keep_days)")
    with lab.db.write() as conn:
        conn.execute(sa.delete(scheduled_step).where(scheduled_step.c.start_date < oldest))
        return [_put(lab, conn, place, item) for item in items]


def _put(lab: Lab, conn: sa.Connection, place: int, item: Item) -> Outcome:
    now = lab.clock.now()
    this = sa.select(scheduled_step.c.json, scheduled_step.c.place).where(_is(item.study_uid, item.step_id))
    known = conn.execute(this).one_or_none()
    text = json.dumps(item.dataset, ensure_ascii=False, sort_keys=True)
    if known is not None and tuple(known) == (text, place):
        return "same"
    values = _columns(item) | {"json": text, "place": place, "updated_at": now}
    adding = insert(conn, scheduled_step).values(**values, status=item.status, created_at=now)
    adding = adding.on_conflict_do_update(index_elements=["study_uid", "step_id"], set_=values)
    number = conn.execute(adding.returning(scheduled_step.c.id)).scalar_one()
    conn.execute(sa.delete(scheduled_container).where(scheduled_container.c.scheduled_id == number))
    containers = [{"container_id": container, "scheduled_id": number} for container in item.containers]
    if containers:
        conn.execute(sa.insert(scheduled_container), containers)
    follow(conn, item.study_uid, item.step_id)
    events.record(conn, "StepScheduled", {"study_uid": item.study_uid, "step_id": item.step_id}, clock=lab.clock)
    return "changed" if known is not None else "new"


def _columns(item: Item) -> dict[str, str]:
    return {
        "study_uid": item.study_uid,
        "step_id": item.step_id,
        "accession_number": keys.first(item.dataset, "00080050"),
        "patient_id": keys.first(item.dataset, "00100020"),
        "start_date": keys.first(item.step, START_DATE),
        "start_time": keys.first(item.step, START_TIME),
        "stations": facts.many(facts.texts(item.step, ("00400001",))),
        "modality": keys.first(item.step, "00080060"),
    }


def remove(lab: Lab, step_id: str, study_uid: str | None = None) -> int:
    """Take a step off the worklist, in one study or in all that have it; how many. Raises: NotFound no_such_step."""
    with lab.db.write() as conn:
        named = sa.delete(scheduled_step).where(scheduled_step.c.step_id == step_id)
        if study_uid is not None:
            named = named.where(scheduled_step.c.study_uid == study_uid)
        count = conn.execute(named).rowcount
    if not count:
        raise NotFound("no_such_step", "no such scheduled procedure step is on the worklist")
    return count


def entries(lab: Lab) -> Iterator[Entry]:
    """What is on the worklist, by its start, done or not."""
    contained = scheduled_container.c
    lasting = sa.select(scheduled_step).where(scheduled_step.c.start_date >= _oldest(lab))
    with lab.db.read() as conn:
        slides: dict[int, list[str]] = {}
        for container, number in conn.execute(sa.select(contained.container_id, contained.scheduled_id)):
            slides.setdefault(number, []).append(container)
        for row in conn.execute(lasting.order_by(*ORDER)):
            yield Entry(
                row.study_uid,
                row.step_id,
                row.status,
                f"{row.start_date} {row.start_time}",
                tuple(facts.split(row.stations)),
                row.modality,
                row.accession_number,
                tuple(sorted(slides.get(row.id, ()))),
            )


# -- finding ---------------------------------------------------------------------------------------------------------

ORDER = (scheduled_step.c.start_date, scheduled_step.c.start_time, scheduled_step.c.id)


def find(lab: Lab, reach: Reach, asked: Sequence[Key]) -> list[Dataset]:
    """Items within reach that match, whole, by their start; completed ones only when their status is asked for.

    Raises: TooLarge("worklist_too_long") beyond `worklist_limit`.
    """
    where = [scheduled_step.c.start_date >= _oldest(lab), *within.placed(reach, scheduled_step.c.place)]
    where += _narrowed(asked)
    if keys.find(asked, STEPS, STATUS) is None:
        where.append(scheduled_step.c.status != COMPLETED)
    found: list[Dataset] = []
    query = sa.select(scheduled_step.c.json, scheduled_step.c.status).where(*where).order_by(*ORDER)
    with lab.db.read() as conn:
        rows = conn.execution_options(stream_results=True, max_row_buffer=BATCH).execute(query)
        for row in rows:
            dataset = Item(json.loads(row.json)).with_status(row.status)
            if keys.matches(asked, dataset):
                found.append(dataset)
            if len(found) > lab.settings.worklist_limit:
                rows.close()
                limit = lab.settings.worklist_limit
                raise TooLarge("worklist_too_long", f"more than {limit} items match: ask for a station or a day")
    return found


INDEXED = {
    (STUDY_UID,): scheduled_step.c.study_uid,
    ("00080050",): scheduled_step.c.accession_number,
    ("00100020",): scheduled_step.c.patient_id,
    (STEPS, "00080060"): scheduled_step.c.modality,
    (STEPS, "00400009"): scheduled_step.c.step_id,
    (STEPS, START_DATE): scheduled_step.c.start_date,
    (STEPS, STATUS): scheduled_step.c.status,
    (STEPS, SPECIMENS, CONTAINER): scheduled_container.c.container_id,
    (SPECIMENS, CONTAINER): scheduled_container.c.container_id,
}
"""Keys that a column answers."""


def _narrowed(asked: Sequence[Key]) -> Iterator[sa.ColumnElement[bool]]:
    """Conditions that leave out what can't match; the rest is asked of each item."""
    for path, column in INDEXED.items():
        for condition in _condition(column, keys.find(asked, *path)):
            if column.table is scheduled_step:
                yield condition
            else:
                yield scheduled_step.c.id.in_(sa.select(scheduled_container.c.scheduled_id).where(condition))


def _condition(column: sa.ColumnElement[str], criterion: Criterion | None) -> Iterator[sa.ColumnElement[bool]]:
    match criterion:
        case Equal(texts=texts):
            yield column.in_(texts)
        case Pattern() if criterion.prefix:
            yield column >= criterion.prefix
            yield column < criterion.prefix + "\U0010ffff"
        case Between(low=low, high=high):
            if low is not None:
                yield column >= low[:8]  # of a period: its day
            if high is not None:
                yield column <= high[:8]


def _oldest(lab: Lab) -> str:
    """The first day whose items are still of interest; "" for all."""
    days = lab.settings.keep_days
    return (lab.clock.now() - timedelta(days=days)).strftime("%Y%m%d") if days else ""


# -- what modalities say ---------------------------------------------------------------------------------------------


def follow(conn: sa.Connection, study_uid: str, step_id: str) -> None:
    """Set an item's status by what is performed of it: started while one goes on, completed once one is.

    A step that was only discontinued is as it was scheduled: the slide is still to be scanned. What another
    establishment says of it counts for nothing.
    """
    row = conn.execute(sa.select(scheduled_step).where(_is(study_uid, step_id)).with_for_update()).first()
    if row is None:
        return
    linked = performed_scheduled.c
    said = sa.select(performed_step.c.status).join(performed_scheduled, linked.performed_id == performed_step.c.id)
    ours = performed_step.c.place.in_(sorted(places.tree(conn).establishment(row.place)))
    states = set(conn.execute(said.where(linked.study_uid == study_uid, linked.step_id == step_id, ours)).scalars())
    status = Item(json.loads(row.json)).status
    if "IN PROGRESS" in states:
        status = STARTED
    elif COMPLETED in states:
        status = COMPLETED
    conn.execute(sa.update(scheduled_step).where(scheduled_step.c.id == row.id).values(status=status))


def _is(study_uid: str, step_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(scheduled_step.c.study_uid == study_uid, scheduled_step.c.step_id == step_id)
