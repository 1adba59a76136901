"""Every message exchanged with other systems: kept as it came before it is answered, sent until it arrives.

What a message means, and how it travels, is the door's. Messages hold patient data: they are shown within reach alone.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from lamelle.access import telling
from lamelle.access.model import Caller, Reach
from lamelle.archive import within
from lamelle.audit import ledger
from lamelle.base import jobs
from lamelle.base.db import Instant, Key, Word, insert, schema
from lamelle.base.errors import Conflict, Invalid, NotFound
from lamelle.lab.room import Lab

Row = sa.Row[Any]

TAKE: Final = "hl7_take"
"""Kind of the job that takes up a message again: repaired, replayed, left by a process that died."""
SEND: Final = "hl7_send"
"""Kind of the job that sends what waits for one peer."""
PURGE: Final = "hl7_purge"
"""Kind of the job that removes what messages said when their time is over."""
DONE_IN: Final = ("done", "ignored")
"""States after which a message that comes again is answered as before, and does nothing."""
IN_WORK: Final = ("received", "waiting")
NEEDS_PERSON: Final = ("error", "dead")
SETTLED: Final = ("done", "ignored", "rejected", "sent")
"""States in which nobody waits for anything."""
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=5), timedelta(minutes=15)
SHOWN: Final = 500
"""Most messages one page lists."""
BATCH: Final = 200
"""Messages that one transaction purges."""

message = sa.Table(
    "message",
    schema,
    sa.Column("id", Key, primary_key=True),
    sa.Column("direction", Word, nullable=False),
    sa.Column("peer", Word, nullable=False),
    sa.Column("place", Key, nullable=False, server_default="1"),
    sa.Column("control", Word, nullable=False, server_default=""),
    sa.Column("digest", Word, nullable=False),
    sa.Column("kind", Word, nullable=False, server_default=""),
    sa.Column("accession", Word, nullable=False, server_default="", index=True),
    sa.Column("key", Word),
    sa.Column("state", Word, nullable=False),
    sa.Column("code", Word, nullable=False, server_default=""),
    sa.Column("reason", Word, nullable=False, server_default=""),
    sa.Column("raw", sa.LargeBinary, nullable=False),
    sa.Column("repaired", sa.Text),
    sa.Column("answer", sa.LargeBinary),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("run_at", Instant),
    sa.Column("received_at", Instant, nullable=False),
    sa.Column("settled_at", Instant),
    sa.Column("purged_at", Instant),
    sa.UniqueConstraint("direction", "peer", "control", "digest"),
    sa.UniqueConstraint("key"),
)
"""`direction` in | out; `control` MSH-10; `digest` SHA-256 of `raw`, which never changes; `repaired` what a person put
in its place; `answer` what we answered, or were answered; `key` tells news apart, so that each is told a peer once.
`purged_at` when `raw`, `repaired`, `answer` and `reason` were emptied; all else stays.

In: received (kept, not yet done), done, ignored, error (waits for a person), rejected (was no message for us).
Out: waiting, sent, error (the peer said no, it is tried again), dead (it waits for a person)."""
sa.Index("ix_message_peer", message.c.peer, message.c.direction, message.c.received_at)
sa.Index("ix_message_place", message.c.place, message.c.received_at)
_WHOLE = message.c.purged_at.is_(None)
sa.Index("ix_message_settled", message.c.settled_at, sqlite_where=_WHOLE, postgresql_where=_WHOLE)
_TODO = message.c.state.in_(("received", "waiting", "error", "dead"))
_OPEN: Final = sa.text("message.state IN ('received', 'waiting', 'error', 'dead')")
"""The same in the very words of its index: for others SQLite reads every message there ever was."""
sa.Index("ix_message_todo", message.c.state, message.c.peer, message.c.id, sqlite_where=_TODO, postgresql_where=_TODO)


@dataclass(frozen=True, slots=True)
class Arrived:
    """A message as it came."""

    peer: str
    place: int
    raw: bytes
    control: str
    kind: str


@dataclass(frozen=True, slots=True)
class Kept:
    """Where it is kept; `answer`: it was here before and is done, this was answered."""

    id: int
    answer: bytes | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a list of messages is asked for; "" asks for any."""

    direction: str = ""
    state: str = ""
    peer: str = ""
    kind: str = ""
    q: str = ""
    """The beginning of an accession number, or a control identifier."""
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True)
class PeerState:
    """How the exchange with one system goes."""

    peer: str
    last_in: datetime | None
    last_out: datetime | None
    counts: Mapping[str, int]
    """State to messages in it, of the last day; those that wait, or wait for a person, of all time."""
    today_in: int
    today_out: int
    oldest_waiting: datetime | None
    silent: bool
    """Nothing came for longer than its setting says."""


# -- what comes -------------------------------------------------------------------------------------------------------


def keep(lab: Lab, arrived: Arrived, state: str = "received") -> Kept:
    """Keep a message durably before anything is done with it.

    The same bytes from the same sender are one message: what is done is not done again, what failed is tried again.
    One that was purged is a new one.
    """
    digest = hashlib.sha256(arrived.raw).hexdigest()
    with lab.db.write() as conn:
        key = {"direction": "in", "peer": arrived.peer, "control": arrived.control, "digest": digest}
        values = {"place": arrived.place, "kind": arrived.kind, "raw": arrived.raw, "state": state}
        adding = insert(conn, message).values(**key, **values, received_at=lab.clock.now()).on_conflict_do_nothing()
        made = conn.execute(adding.returning(message.c.id)).scalar_one_or_none()
        if made is not None:
            return Kept(made)
        known = sa.select(message.c.id, message.c.state, message.c.answer, message.c.purged_at)
        row = conn.execute(known.filter_by(**key)).one()
        if row.purged_at is not None:
            anew = {**values, "received_at": lab.clock.now(), "settled_at": None, "purged_at": None}
            conn.execute(sa.update(message).where(message.c.id == row.id).values(**anew))
            return Kept(row.id)
        return Kept(row.id, row.answer if row.state in DONE_IN else None)


def settle(
    lab: Lab, number: int, state: str, *, code: str = "", reason: str = "", answer: bytes | None, accession: str = ""
) -> None:
    """Say what became of a message that came."""
    values: dict[str, Any] = {"state": state, "code": code, "reason": reason, "settled_at": lab.clock.now()}
    if answer is not None:
        values["answer"] = answer
    if accession:
        values["accession"] = accession
    with lab.db.write() as conn:
        taken = {"attempts": message.c.attempts + 1, **values}
        conn.execute(sa.update(message).where(message.c.id == number).values(**taken))


def left(lab: Lab) -> list[int]:
    """Messages that were kept and not done, the oldest first: a process ended between the two."""
    with lab.db.read() as conn:
        todo = sa.select(message.c.id).where(_OPEN, message.c.state == "received", message.c.direction == "in")
        return list(conn.execute(todo.order_by(message.c.id)).scalars())


# -- what goes --------------------------------------------------------------------------------------------------------


def put(conn: sa.Connection, lab: Lab, peer: str, place: int, key: str, sent: Arrived, accession: str) -> int | None:
    """Queue a message for a peer, in the caller's transaction; None when this news was queued before."""
    now = lab.clock.now()
    row = {
        "direction": "out", "peer": peer, "place": place, "control": sent.control, "kind": sent.kind, "raw": sent.raw,
        "digest": hashlib.sha256(sent.raw).hexdigest(), "state": "waiting", "key": f"{peer}:{key}",
        "accession": accession, "run_at": now, "received_at": now,
    }  # fmt: skip
    adding = insert(conn, message).values(**row).on_conflict_do_nothing()
    made = conn.execute(adding.returning(message.c.id)).scalar_one_or_none()
    if made is not None:
        ask(conn, lab, peer, now)
    return made


def ask(conn: sa.Connection, lab: Lab, peer: str, run_at: datetime, failures: int = 0) -> None:
    """One job for a peer, however many messages ask; `failures`: times it could not be reached."""
    payload: dict[str, str | int] = {"to": peer, "failures": failures}
    jobs.enqueue(conn, SEND, payload, key=f"{SEND}:{peer}", run_at=run_at, clock=lab.clock)


def next_for(lab: Lab, peer: str) -> Row | None:
    """The oldest message that waits for a peer, if its time has come: later ones wait behind it, so order is kept."""
    with lab.db.read() as conn:
        oldest = sa.select(message).where(*_queued(), message.c.peer == peer).order_by(message.c.id).limit(1)
        row = conn.execute(oldest).one_or_none()
    return row if row is not None and (row.run_at is None or row.run_at <= lab.clock.now()) else None


def _queued() -> tuple[sa.ColumnElement[bool] | sa.TextClause, ...]:
    """What waits to be sent; its direction in words that lead to no index, for there is a better one."""
    return _OPEN, message.c.state.in_(("waiting", "error")), message.c.direction + sa.literal_column("''") == "out"


def answered(lab: Lab, number: int, answer: bytes | None, reason: str, attempts: int) -> None:
    """What a peer said to a message; with a `reason` it said no, and after so many `attempts` a person is asked."""
    now = lab.clock.now()
    with lab.db.write() as conn:
        tried = conn.execute(sa.select(message.c.attempts).where(message.c.id == number)).scalar_one() + 1
        values: dict[str, Any] = {"attempts": tried, "reason": reason, "settled_at": now}
        if answer is not None:
            values["answer"] = answer
        if reason:
            values |= {"state": "dead" if tried >= attempts else "error", "code": "refused"}
            values["run_at"] = now + jobs.wait(tried, FIRST_WAIT, LONGEST_WAIT)
        else:
            values |= {"state": "sent", "code": ""}
        conn.execute(sa.update(message).where(message.c.id == number).values(**values))


def go_on(lab: Lab, peer: str, failures: int, reason: str = "") -> None:
    """After a run: a job for what still waits, when it is due; after a failure not before a growing wait."""
    now = lab.clock.now()
    with lab.db.write() as conn:
        oldest = sa.select(message.c.id, message.c.run_at).where(*_queued(), message.c.peer == peer)
        row = conn.execute(oldest.order_by(message.c.id).limit(1)).one_or_none()
        if row is None:
            return
        if reason:
            conn.execute(sa.update(message).where(message.c.id == row.id).values(reason=reason))
        due = max(row.run_at or now, now)
        ask(
            conn,
            lab,
            peer,
            max(due, now + jobs.wait(failures, FIRST_WAIT, LONGEST_WAIT)) if failures else due,
            failures,
        )


def wake(lab: Lab) -> None:
    """See that each queue has a job, and the purge: for the start of a node."""
    with lab.db.write() as conn:
        jobs.enqueue(conn, PURGE, {}, key=PURGE, clock=lab.clock)
        for peer in conn.execute(sa.select(message.c.peer).where(*_queued()).distinct()).scalars().all():
            ask(conn, lab, peer, lab.clock.now())


def purge(lab: Lab, days: int, payload: Mapping[str, Any]) -> None:
    """The job: empty what was settled more than so many days ago, a batch at a time, and again a day later.

    The rows stay and tell what came, what went, and that news were told. With 0 days everything stays.
    """
    if not days:
        return
    now = lab.clock.now()
    old = (message.c.state.in_(SETTLED), message.c.settled_at < now - timedelta(days=days), _WHOLE)
    due = sa.select(message.c.id).where(*old).order_by(message.c.settled_at).limit(BATCH).with_for_update()
    with lab.db.write() as conn:
        numbers = list(conn.execute(due).scalars())
        emptied = {"raw": b"", "repaired": None, "answer": None, "reason": "", "purged_at": now}
        conn.execute(sa.update(message).where(message.c.id.in_(numbers)).values(**emptied))
        next_at = now if len(numbers) == BATCH else now + timedelta(days=1)
        jobs.enqueue(conn, PURGE, {}, key=PURGE, run_at=next_at, clock=lab.clock)


def answer_to(lab: Lab, peer: str, control: str) -> Row | None:
    """Our message that an answer is to, which came by itself."""
    named = (message.c.direction == "out", message.c.peer == peer, message.c.control == control)
    with lab.db.read() as conn:
        return conn.execute(sa.select(message).where(*named).order_by(message.c.id.desc()).limit(1)).one_or_none()


# -- the console ------------------------------------------------------------------------------------------------------


def listed(conn: sa.Connection, reach: Reach, asked: Asked) -> tuple[Sequence[Row], int]:
    """Messages, the newest first, and how many there are in all."""
    where = [*within.placed(reach, message.c.place)]
    for name in ("direction", "state", "peer"):
        if value := getattr(asked, name):
            where.append(message.c[name] == value)
    if asked.kind:
        where.append(message.c.kind.startswith(asked.kind, autoescape=True))
    if asked.q:
        where.append(sa.or_(message.c.control == asked.q, message.c.accession.startswith(asked.q, autoescape=True)))
    total = conn.execute(sa.select(sa.func.count()).select_from(message).where(*where)).scalar_one()
    order = (message.c.received_at.desc(), message.c.id.desc())
    page = sa.select(message).where(*where).order_by(*order).limit(min(asked.limit, SHOWN)).offset(asked.offset)
    return conn.execute(page).all(), total


def one(conn: sa.Connection, reach: Reach, number: int) -> Row:
    """A message. Raises: NotFound("no_such_message"), also of what is out of reach."""
    here = (message.c.id == number, *within.placed(reach, message.c.place))
    row = conn.execute(sa.select(message).where(*here)).one_or_none()
    if row is None:
        raise NotFound("no_such_message", "there is no such message")
    return row


def repair(lab: Lab, reach: Reach, caller: Caller, number: int, text: str) -> None:
    """Put a text in a message's place, what came stays beside it, and have it done, or sent, anew.

    Raises: NotFound("no_such_message"); Conflict("message_in_work" | "message_purged"); Invalid("no_header").
    """
    if not text.lstrip().startswith("MSH"):
        raise Invalid("no_header", "a message begins with MSH and its separators")
    _anew(lab, reach, caller, number, "repair", repaired=text)


def replay(lab: Lab, reach: Reach, caller: Caller, number: int) -> None:
    """Do again what a message that came says. Raises: as repair; Conflict("not_received")."""
    _anew(lab, reach, caller, number, "replay", direction="in")


def resend(lab: Lab, reach: Reach, caller: Caller, number: int) -> None:
    """Send a message of ours again. Raises: as repair; Conflict("not_ours")."""
    _anew(lab, reach, caller, number, "resend", direction="out")


def _anew(lab: Lab, reach: Reach, caller: Caller, number: int, did: str, direction: str = "", **values: Any) -> None:
    now = lab.clock.now()
    with lab.db.write() as conn:
        row = one(conn, reach, number)
        if direction and row.direction != direction:
            code = "not_received" if direction == "in" else "not_ours"
            raise Conflict(code, "what came is replayed, what we sent is resent")
        if row.purged_at is not None:
            raise Conflict("message_purged", "what the message said was removed after hl7.keep_days")
        if row.state in IN_WORK:
            raise Conflict("message_in_work", "the message is in work: wait for its end")
        state = "received" if row.direction == "in" else "waiting"
        values |= {"state": state, "attempts": 0, "run_at": now, "code": "", "reason": ""}
        conn.execute(sa.update(message).where(message.c.id == number).values(**values))
        if row.direction == "in":
            jobs.enqueue(conn, TAKE, {"message": number}, key=f"{TAKE}:{number}", clock=lab.clock)
        else:
            _sooner(conn, row.peer, now)
            ask(conn, lab, row.peer, now)
        detail = {"message": number, "did": did, "peer": row.peer, "kind": row.kind}
        ledger.record(conn, telling.entry(caller, "schedule", place=row.place, detail=detail), lab.clock)


def _sooner(conn: sa.Connection, peer: str, now: datetime) -> None:
    """A queue that waits after a failure is tried at once when a person asks."""
    this = (jobs.job.c.key == f"{SEND}:{peer}", jobs.job.c.state == "todo")
    conn.execute(sa.update(jobs.job).where(*this).values(run_at=now))


def state(conn: sa.Connection, reach: Reach, now: datetime, silence: Mapping[str, float]) -> list[PeerState]:
    """Each peer that said or was told anything, or of which word is awaited; `silence`: seconds that are too long."""
    here, which = within.placed(reach, message.c.place), (message.c.peer, message.c.direction)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    when = message.c.received_at
    recent = sa.select(*which, message.c.state, sa.func.count().label("many"), sa.func.min(when).label("first"))
    recent = recent.where(sa.or_(when >= now - timedelta(days=1), _TODO), *here).group_by(*which, message.c.state)
    newest = sa.select(*which, sa.func.max(when)).where(*here).group_by(*which)
    counted = sa.select(*which, sa.func.count()).where(when >= today, *here).group_by(*which)
    last = {(peer, way): at for peer, way, at in conn.execute(newest)}
    days = {(peer, way): count for peer, way, count in conn.execute(counted)}
    found: dict[str, list[Row]] = {name: [] for name in (*silence, *(peer for peer, _ in last))}
    for row in conn.execute(recent):
        found[row.peer].append(row)
    return [_peer_state(name, rows, last, days, now, silence.get(name, 0.0)) for name, rows in sorted(found.items())]


def backlog(conn: sa.Connection) -> dict[tuple[str, str], int]:
    """Peer and `waiting` (to be done or sent) or `error` (for a person), to how many messages; none is left out."""
    many = sa.select(message.c.peer, message.c.direction, message.c.state, sa.func.count().label("many")).where(_OPEN)
    found: dict[tuple[str, str], int] = {}
    for row in conn.execute(many.group_by(message.c.peer, message.c.direction, message.c.state)):
        what = "waiting" if _waits(row) else "error"
        found[row.peer, what] = found.get((row.peer, what), 0) + int(row.many)
    return found


def silent(conn: sa.Connection, now: datetime, silence: Mapping[str, float]) -> dict[str, bool]:
    """Whether nothing came from a peer for longer than so many seconds, for those that have any; one look-up each."""
    newest = sa.select(sa.func.max(message.c.received_at)).where(message.c.direction == "in")
    return {
        name: _is_silent(conn.execute(newest.where(message.c.peer == name)).scalar(), now, limit_s)
        for name, limit_s in silence.items()
        if limit_s
    }


def _is_silent(heard: datetime | None, now: datetime, limit_s: float) -> bool:
    return bool(limit_s) and (heard is None or now - heard > timedelta(seconds=limit_s))


def _waits(row: Row) -> bool:
    """For its turn, and not for a person."""
    return row.state in IN_WORK or (row.state == "error" and row.direction == "out")


def _peer_state(
    name: str,
    rows: list[Row],
    last: Mapping[tuple[str, str], datetime],
    days: Mapping[tuple[str, str], int],
    now: datetime,
    silence_s: float,
) -> PeerState:
    counts: dict[str, int] = {}
    for row in rows:
        counts[row.state] = counts.get(row.state, 0) + row.many
    waiting = [row.first for row in rows if _waits(row)]
    heard = last.get((name, "in"))
    oldest = min(waiting, default=None)
    today = days.get((name, "in"), 0), days.get((name, "out"), 0)
    late = _is_silent(heard, now, silence_s)
    return PeerState(name, heard, last.get((name, "out")), counts, *today, oldest, late)
