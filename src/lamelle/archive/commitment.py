"""Storage commitment: requests kept until they are answered, and what may be promised of each instance.

No protocol here: how a request comes and how its report reaches the requester is the door's. Source: PS3.4 J.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any

import sqlalchemy as sa

from lamelle.access.model import Reach
from lamelle.archive import within
from lamelle.archive.blobs import BlobStore
from lamelle.archive.catalogue import instance, study
from lamelle.archive.model import instance_key
from lamelle.base import jobs
from lamelle.base.clock import Clock
from lamelle.base.db import Database, Instant, Key, Word, schema
from lamelle.base.errors import NotFound

JOB = "commitment"
"""Kind of the job that reports on an association of its own."""
HERE = timedelta(seconds=10)
"""Time for the report on the requester's own association, before the job opens another."""
LEASE = timedelta(seconds=120)
"""How long one reporter has a request for himself."""
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=10), timedelta(hours=1)
GIVE_UP = timedelta(days=7)
"""From a request to when nobody tries to answer it any more: a scanner may be off for some days."""
KEPT = timedelta(days=30)
"""How long an answered request is remembered, so that a transaction UID used again is noticed."""
CHUNK = 500

commitment = sa.Table(
    "commitment",
    schema,
    sa.Column("id", Key, primary_key=True),
    sa.Column("transaction_uid", Word, nullable=False),
    sa.Column("requester", Word, nullable=False),
    sa.Column("state", Word, nullable=False),
    sa.Column("duplicate", sa.Boolean, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("reason", sa.Text),
    sa.Column("lease_until", Instant),
    sa.Column("asked_at", Instant, nullable=False, index=True),
)
sa.Index("ix_commitment_transaction", commitment.c.transaction_uid, commitment.c.requester)
_ASKED = commitment.c.state == "asked"

commitment_item = sa.Table(
    "commitment_item",
    schema,
    sa.Column("commitment_id", Key, sa.ForeignKey("commitment.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("sop_class", Word, nullable=False),
    sa.Column("sop_uid", Word, nullable=False),
)


class Reason(IntEnum):
    """Why an instance is not committed: Failure Reason (0008,1197). Source: PS3.3 C.14.1.1."""

    PROCESSING_FAILURE = 0x0110
    NO_SUCH_INSTANCE = 0x0112
    CLASS_INSTANCE_CONFLICT = 0x0119
    DUPLICATE_TRANSACTION = 0x0131


@dataclass(frozen=True, slots=True)
class Reference:
    """One instance of a request."""

    sop_class_uid: str
    sop_uid: str


@dataclass(frozen=True, slots=True)
class Report:
    """What is promised of a request, and what is not."""

    transaction_uid: str
    requester: str
    committed: tuple[Reference, ...]
    failed: tuple[tuple[Reference, Reason], ...]


def ask(db: Database, clock: Clock, requester: str, transaction_uid: str, references: Sequence[Reference]) -> int:
    """Keep a request durably and see that it will be answered; its number.

    The same request again is answered again; its transaction UID with other instances fails all of them.
    """
    now = clock.now()
    with db.write() as conn:
        conn.execute(sa.delete(commitment).where(~_ASKED, commitment.c.asked_at < now - KEPT))
        same = (commitment.c.transaction_uid == transaction_uid, commitment.c.requester == requester)
        earlier = conn.execute(sa.select(commitment.c.id).where(*same, ~commitment.c.duplicate)).scalar()
        if earlier is not None and list(_items(conn, earlier)) == list(references):
            again = {"state": "asked", "attempts": 0, "lease_until": None, "asked_at": now}
            conn.execute(sa.update(commitment).where(commitment.c.id == earlier).values(**again))
            _enqueue(conn, clock, earlier, now + HERE)
            return int(earlier)
        row = {"transaction_uid": transaction_uid, "requester": requester, "state": "asked", "asked_at": now}
        insert = sa.insert(commitment).values(**row, duplicate=earlier is not None).returning(commitment.c.id)
        number = int(conn.execute(insert).scalar_one())
        items = [
            {"commitment_id": number, "position": at, "sop_class": one.sop_class_uid, "sop_uid": one.sop_uid}
            for at, one in enumerate(references)
        ]
        conn.execute(sa.insert(commitment_item), items)
        _enqueue(conn, clock, number, now + HERE)
        return number


def take(db: Database, clock: Clock, number: int) -> bool:
    """Whether the request is still to be answered and now ours to answer, for the time of a lease."""
    now = clock.now()
    free = sa.or_(commitment.c.lease_until.is_(None), commitment.c.lease_until < now)
    mine = sa.update(commitment).where(commitment.c.id == number, _ASKED, free).values(lease_until=now + LEASE)
    with db.write() as conn:
        return conn.execute(mine.returning(commitment.c.id)).first() is not None


def requester(db: Database, number: int) -> str:
    """Who asks. Raises: NotFound no_such_commitment."""
    with db.read() as conn:
        return str(_row(conn, number).requester)


def check(db: Database, clock: Clock, blobs: BlobStore, reach: Reach, number: int) -> Report:
    """What holds now of a request: an instance is promised when it is catalogued and its bytes are all there.

    One of a study out of the requester's `reach` is as none. Labels are promised to whoever stored them.

    Raises: NotFound no_such_commitment; Unavailable when it cannot be told.
    """
    with db.read() as conn:
        row = _row(conn, number)
        references = list(_items(conn, number))
        kept = {} if row.duplicate else _kept(conn, within.one(reach, clock.now()), [one.sop_uid for one in references])
    if row.duplicate:
        failed = tuple((one, Reason.DUPLICATE_TRANSACTION) for one in references)
        return Report(row.transaction_uid, row.requester, (), failed)
    found = [(one, _reason(blobs, one, kept.get(one.sop_uid))) for one in references]
    return Report(
        row.transaction_uid,
        row.requester,
        tuple(one for one, reason in found if reason is None),
        tuple((one, reason) for one, reason in found if reason is not None),
    )


def delivered(db: Database, number: int) -> None:
    """The requester has the report."""
    with db.write() as conn:
        done = {"state": "delivered", "lease_until": None, "reason": None}
        conn.execute(sa.update(commitment).where(commitment.c.id == number).values(**done))


def postpone(db: Database, clock: Clock, number: int, reason: str) -> None:
    """The report did not arrive: try again after a growing wait, for some days."""
    now = clock.now()
    with db.write() as conn:
        row = conn.execute(sa.select(commitment).where(commitment.c.id == number, _ASKED)).first()
        if row is None:
            return
        over = now - row.asked_at > GIVE_UP
        values = {"attempts": row.attempts + 1, "lease_until": None, "reason": reason}
        values |= {"state": "dead" if over else "asked"}
        conn.execute(sa.update(commitment).where(commitment.c.id == number).values(**values))
        if not over:
            _enqueue(conn, clock, number, now + jobs.wait(row.attempts + 1, FIRST_WAIT, LONGEST_WAIT))


def hand_on(db: Database, number: int) -> None:
    """Give up the lease, so that the job may report."""
    with db.write() as conn:
        conn.execute(sa.update(commitment).where(commitment.c.id == number).values(lease_until=None))


def wake(db: Database, clock: Clock) -> None:
    """See that each open request has a job: for the start of a node."""
    with db.write() as conn:
        for number in conn.execute(sa.select(commitment.c.id).where(_ASKED)).scalars().all():
            _enqueue(conn, clock, number, clock.now() + HERE)


def counts(db: Database) -> dict[str, int]:
    """How many requests are asked, delivered or dead."""
    grouped = sa.select(commitment.c.state, sa.func.count()).group_by(commitment.c.state)
    with db.read() as conn:
        return {state: int(count) for state, count in conn.execute(grouped)}


def _enqueue(conn: sa.Connection, clock: Clock, number: int, run_at: datetime) -> None:
    jobs.enqueue(conn, JOB, {"id": number}, key=f"{JOB}:{number}", run_at=run_at, clock=clock)


def _items(conn: sa.Connection, number: int) -> Iterator[Reference]:
    item = commitment_item
    query = sa.select(item.c.sop_class, item.c.sop_uid).where(item.c.commitment_id == number).order_by(item.c.position)
    return (Reference(row.sop_class, row.sop_uid) for row in conn.execute(query))


def _row(conn: sa.Connection, number: int) -> sa.Row[Any]:
    row = conn.execute(sa.select(commitment).where(commitment.c.id == number)).first()
    if row is None:
        raise NotFound("no_such_commitment", f"there is no request for commitment {number}")
    return row


def _kept(
    conn: sa.Connection, reached: Sequence[sa.ColumnElement[bool]], uids: Sequence[str]
) -> dict[str, tuple[str, str, int]]:
    """(SOP class, digest, size) of those instances that the catalogue has within reach."""
    found: dict[str, tuple[str, str, int]] = {}
    query = sa.select(instance.c.uid, instance.c.sop_class, instance.c.digest, instance.c.size)
    query = query.join(study, study.c.id == instance.c.study_id).where(*reached)
    for chunk in _chunks(uids):
        for row in conn.execute(query.where(instance.c.uid.in_(chunk))):
            found[row.uid] = (row.sop_class, row.digest, row.size)
    return found


def _reason(blobs: BlobStore, one: Reference, kept: tuple[str, str, int] | None) -> Reason | None:
    """Why an instance can't be promised; None: it can."""
    if kept is None:
        return Reason.NO_SUCH_INSTANCE
    sop_class, digest, size = kept
    if sop_class != one.sop_class_uid:
        return Reason.CLASS_INSTANCE_CONFLICT
    try:
        reader = blobs.open(instance_key(digest))
    except NotFound:
        return Reason.PROCESSING_FAILURE
    try:
        return None if reader.size == size else Reason.PROCESSING_FAILURE
    finally:
        reader.close()


def _chunks(values: Sequence[str]) -> Iterable[Sequence[str]]:
    return (values[at : at + CHUNK] for at in range(0, len(values), CHUNK))
