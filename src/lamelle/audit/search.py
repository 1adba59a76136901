"""The ledger as the data-protection officer reads it: who saw this patient, what did this person see; newest first."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from lamelle.audit import model
from lamelle.audit.model import Entry, Outcome
from lamelle.audit.tables import ledger
from lamelle.base.db import Database

PAGE: Final = 1000
# Written out, so that a database sees that a partial index will do.
_EMPTY: Final[sa.ColumnElement[str]] = sa.literal_column("''")
_SUCCESS: Final[sa.ColumnElement[str]] = sa.literal_column("'success'")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What an entry must be like; what is empty may be anything.

    `since` belongs to the span of time, `until` no longer.
    """

    patient_id: str = ""
    issuer: str = ""
    study_uid: str = ""
    actor: str = ""
    actions: frozenset[str] = frozenset()
    outcomes: frozenset[Outcome] = frozenset()
    since: datetime | None = None
    until: datetime | None = None
    places: frozenset[int] | None = None
    """Only what concerns these places; None: whatever it concerns."""
    members: frozenset[int] = frozenset()
    """With `places`: what these people did that concerns no place, too."""


def confined(wanted: Wanted, places: frozenset[int], members: frozenset[int]) -> Wanted:
    """Of what is wanted, what concerns these places, and what these people did that concerns none."""
    return replace(wanted, places=places, members=members)


@dataclass(frozen=True, slots=True)
class Found:
    """One entry, with its number and hash in the chain."""

    number: int
    entry: Entry
    hash: str


def search(conn: sa.Connection, wanted: Wanted, *, limit: int, before: int | None = None) -> list[Found]:
    """The newest entries, or those that come after the entry `before` on the way to the oldest."""
    query = _such(wanted)
    if before is not None:
        at = sa.select(ledger.c.at).where(ledger.c.number == before).scalar_subquery()
        query = query.where(sa.tuple_(ledger.c.at, ledger.c.number) < sa.tuple_(at, sa.literal(before)))
    query = query.order_by(ledger.c.at.desc(), ledger.c.number.desc()).limit(limit)
    return [_found(row) for row in conn.execute(query)]


def count(conn: sa.Connection, wanted: Wanted, *, most: int) -> int:
    """How many there are, counted up to `most`."""
    return int(conn.execute(sa.select(sa.func.count()).select_from(_such(wanted).limit(most).subquery())).scalar_one())


def walk(db: Database, wanted: Wanted) -> Iterator[Found]:
    """All of them as they were entered, in memory of one size; each page is a view of its own."""
    number = 0
    while found := next_after(db, wanted, number, PAGE):
        yield from found
        number = found[-1].number


def next_after(db: Database, wanted: Wanted, number: int, limit: int) -> list[Found]:
    """The next ones after the entry `number`, as they were entered."""
    query = _such(wanted).where(ledger.c.number > number).order_by(ledger.c.number).limit(limit)
    with db.read() as conn:
        return [_found(row) for row in conn.execute(query)]


def _such(wanted: Wanted) -> sa.Select[tuple[int, str, str]]:
    query = sa.select(ledger.c.number, ledger.c.entry, ledger.c.hash)
    if wanted.patient_id:
        query = query.where(ledger.c.patient_id == wanted.patient_id, ledger.c.patient_id != _EMPTY)
    if wanted.issuer:
        query = query.where(ledger.c.issuer == wanted.issuer)
    if wanted.study_uid:
        query = query.where(ledger.c.study_uid == wanted.study_uid, ledger.c.study_uid != _EMPTY)
    if wanted.actor:
        query = query.where(ledger.c.actor == wanted.actor)
    if len(wanted.actions) == 1:
        query = query.where(ledger.c.action == next(iter(wanted.actions)))
    elif wanted.actions:
        query = query.where(ledger.c.action.in_(sorted(wanted.actions)))
    if wanted.outcomes:
        query = query.where(ledger.c.outcome.in_(sorted(wanted.outcomes)))
        if "success" not in wanted.outcomes:
            query = query.where(ledger.c.outcome != _SUCCESS)
    if wanted.places is not None:
        own = sa.and_(ledger.c.place == 0, ledger.c.actor_id.in_(sorted(wanted.members)))
        query = query.where(sa.or_(ledger.c.place.in_(sorted(wanted.places)), own))
    if wanted.since is not None:
        query = query.where(ledger.c.at >= wanted.since)
    if wanted.until is not None:
        query = query.where(ledger.c.at < wanted.until)
    return query


def _found(row: sa.Row[tuple[int, str, str]]) -> Found:
    return Found(row.number, model.read(row.entry), row.hash)
