"""Reports: drafts, what is given out before it is sure, what is signed; ours and the laboratory information system's.

What is signed never changes: a correction is a new version. Versions are numbered as they came and read by when they
were written, so that the other system's messages end alike in any order. What follows for the case is `cases.touch`'s.
"""

from typing import Any, Final, Literal

import sqlalchemy as sa

from lamelle.access.decide import decide
from lamelle.access.model import Action, Caller, Reach, Resource
from lamelle.base import events
from lamelle.base.errors import Conflict, Denied, Invalid, NotFound
from lamelle.lab import cases, states
from lamelle.lab.orders import ReportSaid
from lamelle.lab.records import report
from lamelle.lab.room import Lab, in_write

Row = sa.Row[Any]

OURS: Final = "lamelle"
CODE: Final = "60568-3"
"""LOINC: pathology synoptic report, the code of France's CR-ACP since 2024."""


def of(conn: sa.Connection, case_id: int) -> list[Row]:
    """The versions of a case's report, in the order they were written."""
    mine = sa.select(report).where(report.c.case_id == case_id)
    return list(conn.execute(mine.order_by(report.c.written_at, report.c.version)))


# -- ours ------------------------------------------------------------------------------------------------------------


def write(lab: Lab, reach: Reach, caller: Caller, case_id: int, text: str, seen: int | None = None) -> int:
    """Keep a draft, in the place of its writer's last one; its version. Another's draft is kept as cancelled.

    `seen` is the newest version its writer knows, 0 where there was none; None asks for no check.
    Raises: NotFound("no_such_case"); Conflict("stale_report" | "wrong_state").
    """

    def work(conn: sa.Connection) -> int:
        row = cases.locked(conn, reach, case_id)
        if row.state == "cancelled":
            raise Conflict("wrong_state", "the case is cancelled")
        versions = of(conn, case_id)
        newest = max((known.version for known in versions), default=0)
        if seen is not None and seen != newest:
            raise Conflict("stale_report", "somebody wrote a version of this report meanwhile")
        draft = next((known for known in versions if known.source == OURS and known.state == "draft"), None)
        now = lab.clock.now()
        if draft is not None and draft.author_id == caller.actor.id:
            version = int(draft.version)
            _set(conn, draft.id, text=text, written_at=now)
        else:
            if draft is not None:
                _set(conn, draft.id, state="cancelled")
            who = {"author_id": caller.actor.id, "author": caller.actor.name or caller.actor.login}
            version = newest + 1
            _add(conn, case_id, version, state="draft", source=OURS, code=CODE, text=text, written_at=now, **who)
        cases.enter(conn, lab, caller, "report", row, detail={"version": version})
        cases.touch(conn, lab, case_id)
        return version

    return in_write(lab, work)


def finish(
    lab: Lab, reach: Reach, caller: Caller, case_id: int, version: int, state: Literal["preliminary", "final"]
) -> None:
    """Give the newest version out, or sign it.

    Raises: NotFound("no_such_case" | "no_such_report"); Invalid("bad_report_state" | "empty_report");
    Denied("may_not_validate"); Conflict("stale_report" | "wrong_state").
    """
    if state not in ("preliminary", "final"):
        raise Invalid("bad_report_state", "a report is finished as preliminary or final")

    def work(conn: sa.Connection) -> None:
        row = cases.locked(conn, reach, case_id)
        versions = {known.version: known for known in of(conn, case_id)}
        mine = versions.get(version)
        if mine is None or mine.source != OURS:
            raise NotFound("no_such_report", "there is no such version of the report")
        if state == "final" and not decide(caller.actor, Action.VALIDATE, Resource(row.place), caller.purpose):
            raise Denied("may_not_validate", "this role may write reports and not sign them")
        if version != max(versions):
            raise Conflict("stale_report", "somebody wrote a version of this report meanwhile")
        if mine.state == "final" or row.state == "cancelled":
            raise Conflict("wrong_state", "what is signed does not change, and a cancelled case is not reported")
        if not mine.text.strip():
            raise Invalid("empty_report", "a report without text is not given out")
        states.check(states.REPORT, mine.state, state)
        signed: dict[str, Any] = {}
        if state == "final":
            signed = {"validated_by": caller.actor.id, "validator": caller.actor.name or caller.actor.login}
            signed["validated_at"] = lab.clock.now()
        _set(conn, mine.id, state=state, **signed)
        action = "validate" if state == "final" else "report"
        cases.enter(conn, lab, caller, action, row, detail={"version": version, "state": state})
        _told(conn, lab, case_id, mine.id if state == "final" else None)

    in_write(lab, work)


# -- the laboratory information system's ------------------------------------------------------------------------------


def take(lab: Lab, said: ReportSaid) -> int:
    """Keep what another system says of a report; the case's number. Said again, or late, it says nothing new.

    Of what it has not signed the newest word holds, until it signs; all it signed is kept, each a version.
    A case nobody ordered yet is made. Raises: Invalid("no_accession"); Conflict("case_elsewhere").
    """
    if not said.case.value:
        raise Invalid("no_accession", "a report names its case, and this one does not")

    def work(conn: sa.Connection) -> int:
        row, new = cases.held(conn, lab, said.case, said.place)
        changed, signed = _take(conn, row.id, said)
        if changed or new:
            _told(conn, lab, row.id, signed)
        return int(row.id)

    return in_write(lab, work)


def _take(conn: sa.Connection, case_id: int, said: ReportSaid) -> tuple[bool, int | None]:
    """Whether anything changed, and the version that is signed now, if one is."""
    versions = of(conn, case_id)
    theirs = [row for row in versions if row.source == said.source]
    finals = [row for row in theirs if row.state == "final"]
    open_ = next((row for row in theirs if row.state != "final"), None)
    state = "final" if said.state == "corrected" else said.state
    values: dict[str, Any] = {"state": state, "code": said.code, "author": said.author, "written_at": said.said_at}
    if state == "final":
        if any(row.written_at == said.said_at and said.text in ("", row.text) for row in finals):
            return False, None
        values |= {"validator": said.author, "validated_at": said.said_at}
        later = open_ is not None and open_.written_at > said.said_at
    else:
        if any(row.written_at >= said.said_at for row in finals) or (open_ is not None and not _newer(said, open_)):
            return False, None
        later = False
    if open_ is None or later:
        version = max((row.version for row in versions), default=0) + 1
        number = _add(conn, case_id, version, source=said.source, text=said.text, **values)
    else:
        number = open_.id
        states.check(states.REPORT, open_.state, state)
        _set(conn, number, text=said.text or open_.text, **values)
    return True, number if state == "final" else None


def _newer(said: ReportSaid, row: Row) -> bool:
    """Of two words at the same time the first in alphabetical order holds."""
    if said.said_at != row.written_at:
        return bool(said.said_at > row.written_at)
    return (said.state, said.text) < (row.state, row.text)


def _told(conn: sa.Connection, lab: Lab, case_id: int, signed: int | None) -> None:
    if signed is not None:
        events.record(conn, "ReportValidated", {"case": case_id, "report": signed}, clock=lab.clock)
    cases.touch(conn, lab, case_id)


def _add(conn: sa.Connection, case_id: int, version: int, **values: Any) -> int:
    adding = sa.insert(report).values(case_id=case_id, version=version, **values).returning(report.c.id)
    return int(conn.execute(adding).scalar_one())


def _set(conn: sa.Connection, number: int, **values: Any) -> None:
    conn.execute(sa.update(report).where(report.c.id == number).values(**values))
