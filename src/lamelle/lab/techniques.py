"""Complementary techniques: asked for of the laboratory by who reads a case, and what it answers.

Nothing is done here: the laboratory is told (HL7), makes the slides and says so; see states.TECHNIQUE.
"""

from typing import Any

import sqlalchemy as sa

from lamelle.access.model import WHOLE, Caller, Reach
from lamelle.base import events, ids
from lamelle.base.errors import Conflict, Invalid, NotFound
from lamelle.lab import cases, states
from lamelle.lab.records import block, slide, technique
from lamelle.lab.room import Lab, in_write

Row = sa.Row[Any]


def ask(
    lab: Lab,
    reach: Reach,
    caller: Caller,
    case_id: int,
    code: str,
    text: str,
    block_id: int | None = None,
    slide_id: int | None = None,
    comment: str = "",
) -> int:
    """Ask for a technique, on a block or slide of the case or on nothing named; its number.

    Raises: NotFound("no_such_case" | "no_such_block" | "no_such_slide"); Invalid("bad_technique");
    Conflict("wrong_state") of a cancelled case.
    """
    if not code.strip() and not text.strip():
        raise Invalid("bad_technique", "a technique has a code or a name")

    def work(conn: sa.Connection) -> int:
        row = cases.locked(conn, reach, case_id)
        if row.state == "cancelled":
            raise Conflict("wrong_state", "the case is cancelled")
        _check_part(conn, block, case_id, block_id)
        _check_part(conn, slide, case_id, slide_id)
        now = lab.clock.now()
        values = {"case_id": case_id, "block_id": block_id, "slide_id": slide_id, "identifier": ids.new_uid()}
        values |= {"code": code.strip(), "text": text.strip(), "comment": comment}
        values |= {"requested_by": caller.actor.id, "requester": caller.actor.name or caller.actor.login}
        asking = sa.insert(technique).values(**values, requested_at=now, updated_at=now).returning(technique.c.id)
        number = int(conn.execute(asking).scalar_one())
        conn.execute(sa.update(technique).where(technique.c.id == number).values(identifier=f"T{number}"))
        cases.enter(conn, lab, caller, "report", row, detail={"technique": number})
        _tell(conn, lab, case_id, number)
        return number

    return in_write(lab, work)


def cancel(lab: Lab, reach: Reach, caller: Caller, technique_id: int) -> None:
    """Take a request back before it is done. Raises: NotFound("no_such_technique"); Conflict("wrong_state")."""

    def work(conn: sa.Connection) -> None:
        asked = conn.execute(sa.select(technique).where(technique.c.id == technique_id)).one_or_none()
        if asked is None:
            raise NotFound("no_such_technique", "there is no such request for a technique")
        row = cases.locked(conn, reach, asked.case_id)
        asked = conn.execute(sa.select(technique).where(technique.c.id == technique_id)).one()
        states.check(states.TECHNIQUE, asked.state, "cancelled")
        _set(conn, lab, technique_id, state="cancelled")
        cases.enter(conn, lab, caller, "report", row, detail={"technique": technique_id, "cancelled": True})
        _tell(conn, lab, row.id, technique_id)

    in_write(lab, work)


def answered(lab: Lab, identifier: str, state: str, filler: str = "", reason: str = "") -> None:
    """Keep what the laboratory says of a request: accepted, refused, done, cancelled, with its own number.

    An answer that comes after a later one, or again, says nothing new and is no error.
    Raises: NotFound("no_such_technique"); Invalid("bad_technique").
    """
    if state not in states.TECHNIQUE:
        raise Invalid("bad_technique", f"{state!r:.40} is no state of a technique")

    def work(conn: sa.Connection) -> None:
        named = sa.select(technique).where(technique.c.identifier == identifier)
        asked = conn.execute(named).one_or_none()
        if asked is None:
            raise NotFound("no_such_technique", "there is no such request for a technique")
        cases.locked(conn, WHOLE, asked.case_id)
        asked = conn.execute(named).one()
        known = asked.state, asked.filler, asked.reason
        follows = state in states.TECHNIQUE[asked.state]
        after = (
            state if follows else asked.state,
            filler or asked.filler,
            reason if follows and reason else asked.reason,
        )
        if after != known:
            _set(conn, lab, asked.id, state=after[0], filler=after[1], reason=after[2])
            cases.touch(conn, lab, asked.case_id)

    in_write(lab, work)


def of(conn: sa.Connection, case_id: int) -> list[Row]:
    """The requests of a case, in the order they were made."""
    mine = sa.select(technique).where(technique.c.case_id == case_id)
    return list(conn.execute(mine.order_by(technique.c.requested_at, technique.c.id)))


def _check_part(conn: sa.Connection, table: sa.Table, case_id: int, number: int | None) -> None:
    here = sa.select(table.c.id).where(table.c.id == number, table.c.case_id == case_id)
    if number is not None and conn.execute(here).first() is None:
        raise NotFound(f"no_such_{table.name}", f"the case has no such {table.name}")


def _set(conn: sa.Connection, lab: Lab, number: int, **values: str) -> None:
    conn.execute(sa.update(technique).where(technique.c.id == number).values(**values, updated_at=lab.clock.now()))


def _tell(conn: sa.Connection, lab: Lab, case_id: int, number: int) -> None:
    events.record(conn, "TechniqueAsked", {"technique": number}, clock=lab.clock)
    cases.touch(conn, lab, case_id)
