"""News of what happened, written in the same transaction as what happened, then turned into jobs for who asked.

Who asked stands in one place, ops/wiring.subscriptions; nothing here knows it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa

from lamelle.base import jobs
from lamelle.base.clock import Clock, SystemClock
from lamelle.base.db import Database, Instant, Key, schema
from lamelle.base.jobs import JsonValue

event = sa.Table(
    "event",
    schema,
    sa.Column("id", Key, primary_key=True),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("recorded_at", Instant, nullable=False),
)

_INSERT = sa.insert(event)
RELAY_BATCH = 500


@dataclass(frozen=True, slots=True)
class Follow:
    """A kind of job that follows an event once for all that happened to one thing.

    `of` names the payload's fields that tell things apart, and are all the job is given; it is due `delay_s` after the
    first event, and while it waits no other is added.
    """

    kind: str
    of: tuple[str, ...]
    delay_s: float = 0.0


Subscriptions = Mapping[str, Sequence[str | Follow]]
"""Event to what follows it: a kind of job, one for each event, or one for many."""


def record(conn: sa.Connection, name: str, payload: Mapping[str, JsonValue], *, clock: Clock | None = None) -> None:
    """Note one event; it is told to its subscribers once the transaction has committed."""
    record_many(conn, name, [payload], clock=clock)


def record_many(
    conn: sa.Connection, name: str, payloads: Sequence[Mapping[str, JsonValue]], *, clock: Clock | None = None
) -> None:
    """Note several events of one name."""
    now = (clock or SystemClock()).now()
    rows = [{"name": name, "payload": json.dumps(payload), "recorded_at": now} for payload in payloads]
    if rows:
        conn.execute(_INSERT, rows)


def relay(db: Database, subscriptions: Subscriptions, clock: Clock) -> int:
    """Turn recorded events into the jobs that follow them, in one transaction; how many events."""
    with db.read() as conn:
        if conn.execute(sa.select(event.c.id).limit(1)).first() is None:
            return 0
    with db.write() as conn:
        query = sa.select(event).order_by(event.c.id).limit(RELAY_BATCH).with_for_update(skip_locked=True)
        rows = conn.execute(query).all()
        asked: set[str] = set()
        for row in rows:
            payload = json.loads(row.payload)
            for subscribed in subscriptions.get(row.name, ()):
                if isinstance(subscribed, str):
                    jobs.enqueue(conn, subscribed, payload, clock=clock)
                else:
                    _follow(conn, subscribed, payload, asked, clock)
        conn.execute(sa.delete(event).where(event.c.id.in_([row.id for row in rows])))
        return len(rows)


def _follow(
    conn: sa.Connection, subscribed: Follow, payload: Mapping[str, JsonValue], asked: set[str], clock: Clock
) -> None:
    given = {name: payload[name] for name in subscribed.of}
    key = ":".join([subscribed.kind, *map(str, given.values())])
    if key not in asked:
        asked.add(key)
        run_at = clock.now() + timedelta(seconds=subscribed.delay_s)
        jobs.enqueue(conn, subscribed.kind, given, key=key, run_at=run_at, clock=clock)
