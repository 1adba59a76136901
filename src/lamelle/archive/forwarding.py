"""What goes on to other archives: rules fill a queue in the transaction that keeps an instance, a job empties it.

No protocol here: sending is the door's. A row leaves the queue when its instance arrived, or was deleted here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from lamelle.access.model import Reach
from lamelle.archive import within
from lamelle.archive.catalogue import instance, study
from lamelle.archive.filing import Record
from lamelle.archive.model import Origin
from lamelle.archive.settings import ForwardRule
from lamelle.base import jobs
from lamelle.base.clock import Clock
from lamelle.base.db import Database, Instant, Key, Word, insert, schema

JOB = "forward"
"""Kind of the job that sends what waits for one destination."""
DELAY = timedelta(seconds=2)
"""The other instances of a series follow within this time, and one association takes them all."""
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=5), timedelta(minutes=30)
ATTEMPTS = 10
"""Refusals by a destination that answers, after which an instance waits for a person; silence is never counted."""

outgoing = sa.Table(
    "outgoing",
    schema,
    sa.Column("id", Key, primary_key=True),
    sa.Column("destination", Word, nullable=False),
    sa.Column("sop_uid", Word, nullable=False),
    sa.Column("state", Word, nullable=False, server_default="todo"),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("reason", sa.Text),
    sa.Column("run_at", Instant, nullable=False),
    sa.Column("created_at", Instant, nullable=False),
    sa.UniqueConstraint("destination", "sop_uid"),
)
_TODO = outgoing.c.state == "todo"
sa.Index("ix_outgoing_todo", outgoing.c.destination, outgoing.c.id, sqlite_where=_TODO, postgresql_where=_TODO)


@dataclass(frozen=True, slots=True)
class Waiting:
    """One instance to be sent; `instance_id` None: it was deleted, or is none of the destination's."""

    id: int
    sop_uid: str
    instance_id: int | None


@dataclass(frozen=True, slots=True)
class Line:
    """The queue of one destination."""

    destination: str
    waiting: int
    dead: int
    oldest: datetime | None
    reason: str
    """Why the last one that failed did."""


def note(
    conn: sa.Connection, rules: Sequence[ForwardRule], stored: Iterable[tuple[Record, Origin]], now: datetime
) -> None:
    """Queue what was just filed for each destination that wants it, in the same transaction."""
    rows: list[dict[str, Any]] = [
        {"destination": destination, "sop_uid": record.uid, "run_at": now, "created_at": now}
        for record, origin in stored
        for destination in destinations(rules, record, origin)
    ]
    if not rows:
        return
    again = {"state": "todo", "attempts": 0, "run_at": now}
    adding = insert(conn, outgoing)
    conn.execute(adding.on_conflict_do_update(index_elements=["destination", "sop_uid"], set_=again), rows)
    for destination in sorted({row["destination"] for row in rows}):
        ask(conn, destination, now + DELAY)


def destinations(rules: Sequence[ForwardRule], record: Record, origin: Origin) -> set[str]:
    """Where an instance goes: once to each, however many rules say so, and never back to who sent it."""
    sop_class, modality = record.facts.instance["sop_class"], record.facts.series["modality"]
    return {
        rule.to
        for rule in rules
        if (not rule.modalities or modality in rule.modalities)
        and (not rule.sop_classes or sop_class in rule.sop_classes)
        and (not rule.doors or origin.door in rule.doors)
        and not (origin.door == "dimse" and origin.detail == rule.to)
    }


def ask(conn: sa.Connection, destination: str, run_at: datetime, failures: int = 0) -> None:
    """One job for a destination, however many instances ask; `failures`: times it could not be reached."""
    payload: dict[str, str | int] = {"to": destination, "failures": failures}
    jobs.enqueue(conn, JOB, payload, key=f"{JOB}:{destination}", run_at=run_at)


def due(db: Database, clock: Clock, reach: Reach, destination: str, limit: int, after: int = 0) -> list[Waiting]:
    """What waits for a destination of that `reach`, the oldest first, from the row after `after` on."""
    here = (*within.one(reach, clock.now()), *within.shown(reach))
    kept = sa.select(instance.c.id).join(study, study.c.id == instance.c.study_id).where(*here)
    kept = kept.where(instance.c.uid == outgoing.c.sop_uid).correlate(outgoing)
    query = (
        sa.select(outgoing.c.id, outgoing.c.sop_uid, kept.scalar_subquery().label("instance_id"))
        .where(outgoing.c.destination == destination, _TODO, outgoing.c.id > after, outgoing.c.run_at <= clock.now())
        .order_by(outgoing.c.id)
        .limit(limit)
    )
    with db.read() as conn:
        return [Waiting(row.id, row.sop_uid, row.instance_id) for row in conn.execute(query)]


def settle(db: Database, clock: Clock, done: Sequence[int], failed: Mapping[int, str]) -> None:
    """Take out what arrived; what was refused waits longer each time, at last for a person."""
    now = clock.now()
    with db.write() as conn:
        if done:
            conn.execute(sa.delete(outgoing).where(outgoing.c.id.in_(done)))
        for number, reason in failed.items():
            row = conn.execute(sa.select(outgoing.c.attempts).where(outgoing.c.id == number)).first()
            if row is None:
                continue
            attempts = row.attempts + 1
            values = {"attempts": attempts, "reason": reason, "run_at": now + wait(attempts)}
            values |= {"state": "dead" if attempts >= ATTEMPTS else "todo"}
            conn.execute(sa.update(outgoing).where(outgoing.c.id == number).values(**values))


def wait(failures: int) -> timedelta:
    """How long after so many failures in a row."""
    return jobs.wait(failures, FIRST_WAIT, LONGEST_WAIT)


def go_on(db: Database, clock: Clock, destination: str, failures: int, reason: str = "") -> None:
    """After a run: a job for what still waits, at the time it is due; after a failure not before a growing wait."""
    now = clock.now()
    with db.write() as conn:
        here = outgoing.c.destination == destination, _TODO
        first = conn.execute(sa.select(sa.func.min(outgoing.c.run_at)).where(*here)).scalar()
        if first is None:
            return
        if reason:
            conn.execute(sa.update(outgoing).where(*here).values(reason=reason))
        ask(conn, destination, max(first, now + wait(failures)) if failures else max(first, now), failures)


def wake(db: Database, clock: Clock) -> None:
    """See that each queue has a job: for the start of a node."""
    with db.write() as conn:
        for destination in conn.execute(sa.select(outgoing.c.destination).where(_TODO).distinct()).scalars().all():
            ask(conn, destination, clock.now())


def retry(db: Database, clock: Clock, destination: str | None = None) -> int:
    """Try again at once what waits for a destination (None: for any), for a person too; how many."""
    here = [] if destination is None else [outgoing.c.destination == destination]
    now = clock.now()
    with db.write() as conn:
        again = sa.update(outgoing).where(*here).values(state="todo", attempts=0, run_at=now)
        rows = conn.execute(again.returning(outgoing.c.destination)).scalars().all()
        for name in sorted(set(rows)):
            key = f"{JOB}:{name}"
            conn.execute(
                sa.update(jobs.job).where(jobs.job.c.key == key, jobs.job.c.state == "todo").values(run_at=now)
            )
            ask(conn, name, now)
    return len(rows)


def queue(db: Database) -> list[Line]:
    """The queues, by destination."""
    dead = sa.func.sum(sa.case((_TODO, 0), else_=1))
    columns = (outgoing.c.destination, sa.func.count(), dead, sa.func.min(outgoing.c.created_at))
    last = (
        sa.select(outgoing.c.reason).where(outgoing.c.reason.is_not(None)).order_by(outgoing.c.run_at.desc()).limit(1)
    )
    lines = []
    with db.read() as conn:
        for name, count, lost, oldest in conn.execute(sa.select(*columns).group_by(outgoing.c.destination)).all():
            reason = conn.execute(last.where(outgoing.c.destination == name)).scalar()
            lines.append(Line(name, int(count - lost), int(lost), oldest, reason or ""))
    return sorted(lines, key=lambda line: line.destination)
