"""News of what happened, written in the same transaction as what happened, then turned into jobs for who asked.

Who asked stands in one table, ops/wiring.SUBSCRIPTIONS; nothing here knows it.
"""

import json
from collections.abc import Mapping, Sequence

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

RELAY_BATCH = 500


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
        conn.execute(sa.insert(event), rows)


def relay(db: Database, subscriptions: Mapping[str, Sequence[str]], clock: Clock) -> int:
    """Turn recorded events into one job for each subscribed kind, in one transaction; how many events."""
    with db.read() as conn:
        if conn.execute(sa.select(event.c.id).limit(1)).first() is None:
            return 0
    with db.write() as conn:
        query = sa.select(event).order_by(event.c.id).limit(RELAY_BATCH).with_for_update(skip_locked=True)
        rows = conn.execute(query).all()
        for row in rows:
            for kind in subscriptions.get(row.name, ()):
                jobs.enqueue(conn, kind, json.loads(row.payload), clock=clock)
        conn.execute(sa.delete(event).where(event.c.id.in_([row.id for row in rows])))
        return len(rows)
