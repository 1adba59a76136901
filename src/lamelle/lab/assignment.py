"""Whose a case is: taken, given, or proposed by what people read and by how much they have to do."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from lamelle.access import decide, people, places, telling
from lamelle.access.model import WHOLE, Action, Caller, Purpose, Reach, Resource
from lamelle.access.room import SYSTEM
from lamelle.access.tables import actor, membership
from lamelle.audit import ledger
from lamelle.base.errors import Denied, Invalid, NotFound
from lamelle.lab import cases
from lamelle.lab.records import case
from lamelle.lab.room import Lab, in_write
from lamelle.lab.working import OPEN, reads

ASSIGN: Final = "assign"
"""The job that gives a case that is ready to who should read it."""
READERS: Final = tuple(role.value for role, purpose in decide.TABLE if Action.REPORT in decide.TABLE[role, purpose])
LONGEST: Final = 100
MOST: Final = 50


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who may be given cases of a place; without `specialties` they read all."""

    id: int
    login: str
    name: str
    specialties: tuple[str, ...]
    load: int
    """Open cases that are theirs."""

    def fits(self, specialty: str) -> bool:
        """Whether cases of that specialty are for them."""
        return not specialty or not self.specialties or specialty in self.specialties


def assign(lab: Lab, reach: Reach, caller: Caller, case_id: int, actor_id: int | None) -> None:
    """Give a case to somebody, oneself included, or to nobody; `reach` is that of reporting.

    Raises: NotFound("no_such_case" | "no_such_user"); Denied("cannot_report") for who may not report it.
    """

    def work(conn: sa.Connection) -> None:
        row = cases.locked(conn, reach, case_id)
        if row.assigned_to == actor_id:
            return
        now, subject = lab.clock.now(), ""
        if actor_id is not None:
            given = people.load(conn, actor_id, now)
            if not decide.decide(given, Action.REPORT, Resource(row.place), Purpose.CARE):
                raise Denied("cannot_report", "who is to have the case may not report it")
            subject = given.login
        values = {"assigned_to": actor_id, "assigned_at": None if actor_id is None else now}
        conn.execute(sa.update(case).where(case.c.id == case_id).values(**values))
        cases.enter(conn, lab, caller, "report", row, subject=subject, detail={"assigned_to": actor_id})
        cases.touch(conn, lab, case_id)

    in_write(lab, work)


def proposals(conn: sa.Connection, row: Any, now: datetime) -> list[Reader]:
    """Who could read a case, best first: those of its specialty, then who has least to do."""
    found = readers(conn, row.place, now)
    return sorted(found, key=lambda one: (not one.fits(row.specialty), not one.specialties, one.load, one.id))


def automatic(lab: Lab, payload: Mapping[str, Any]) -> None:
    """Give a case to the first of its proposals who is of its specialty, if it is ready and nobody's."""
    with lab.db.read() as conn:
        row = conn.execute(sa.select(case).where(case.c.id == int(payload["case"]))).first()
        if row is None or row.assigned_to is not None or row.state != "ready":
            return
        fit = [one for one in proposals(conn, row, lab.clock.now()) if one.fits(row.specialty)]
    if fit:
        assign(lab, WHOLE, SYSTEM, row.id, fit[0].id)


def readers(conn: sa.Connection, place: int, now: datetime) -> list[Reader]:
    """Everybody who may report cases of a place."""
    return _readers(conn, now, lambda tree, held: held is None or place in tree.below(held))


def _readers(conn: sa.Connection, now: datetime, holds: Any) -> list[Reader]:
    tree = places.tree(conn)
    asked = (
        sa.select(actor.c.id, actor.c.login, actor.c.name, membership.c.place_id)
        .join(membership, membership.c.actor_id == actor.c.id)
        .where(actor.c.kind == "person", actor.c.disabled_at.is_(None), membership.c.role.in_(READERS))
        .where(sa.or_(membership.c.until.is_(None), membership.c.until > now))
    )
    found = {row.id: row for row in conn.execute(asked) if holds(tree, row.place_id)}
    what, loads = specialties(conn, found), load(conn, found)
    return [
        Reader(row.id, row.login, row.name or row.login, what.get(row.id, ()), loads.get(row.id, 0))
        for row in found.values()
    ]


def load(conn: sa.Connection, actors: Iterable[int]) -> dict[int, int]:
    """How many open cases somebody has; of who has none nothing is said."""
    asked = sa.select(case.c.assigned_to, sa.func.count()).where(sa.text(OPEN), case.c.assigned_to.in_(sorted(actors)))
    return {row[0]: row[1] for row in conn.execute(asked.group_by(case.c.assigned_to))}


# -- what people read ------------------------------------------------------------------------------------------------


def specialties(conn: sa.Connection, actors: Iterable[int]) -> dict[int, tuple[str, ...]]:
    """What each of these reads, in order; of who said nothing, nothing."""
    found: dict[int, list[str]] = {}
    asked = sa.select(reads).where(reads.c.actor_id.in_(sorted(actors))).order_by(reads.c.specialty)
    for row in conn.execute(asked):
        found.setdefault(row.actor_id, []).append(row.specialty)
    return {who: tuple(what) for who, what in found.items()}


def colleagues(conn: sa.Connection, reach: Reach, now: datetime) -> list[Reader]:
    """Everybody who may report cases within reach, by name."""
    found = _readers(
        conn, now, lambda tree, held: reach.everything or held is None or bool(tree.below(held) & reach.places)
    )
    return sorted(found, key=lambda one: (one.name, one.login))


def put_specialties(lab: Lab, reach: Reach, caller: Caller, actor_id: int, given: Iterable[str]) -> None:
    """Say what somebody reads: oneself, or a colleague, which takes `reach` of signing where they report.

    Raises: NotFound("no_such_user"), also of who is no colleague; Invalid("bad_specialty").
    """
    wanted = sorted({text.strip() for text in given} - {""})
    if len(wanted) > MOST or any(len(text) > LONGEST for text in wanted):
        raise Invalid("bad_specialty", f"a specialty has {LONGEST} characters at most, and somebody {MOST} of them")
    with lab.db.write() as conn:
        known = {one.id: one for one in colleagues(conn, reach, lab.clock.now())}
        if actor_id not in known:
            raise NotFound("no_such_user", "there is no colleague of that number")
        conn.execute(sa.delete(reads).where(reads.c.actor_id == actor_id))
        if wanted:
            conn.execute(sa.insert(reads), [{"actor_id": actor_id, "specialty": text} for text in wanted])
        login, detail = known[actor_id].login, {"specialties": [*wanted]}
        ledger.record(conn, telling.entry(caller, "user_changed", subject=login, detail=detail), lab.clock)
