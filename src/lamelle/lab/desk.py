"""The reconciliation desk: what waits for a person, and what people decide, each decision entered and undoable.

Which slides a scan may be of is suggested by `candidates`; what follows for the other scans of a slide is `matching`'s.
"""

import json
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final, Literal, NamedTuple, get_args

import sqlalchemy as sa

from lamelle.access import telling
from lamelle.access.model import Caller, Reach
from lamelle.archive import within
from lamelle.archive.catalogue import study
from lamelle.audit import ledger
from lamelle.base import events
from lamelle.base.db import EPOCH
from lamelle.base.errors import Conflict, Invalid, NotFound
from lamelle.lab import candidates, cases, matching
from lamelle.lab.candidates import Candidate
from lamelle.lab.matching import WAITED_FOR, Outcome
from lamelle.lab.records import case, decision, scan, slide
from lamelle.lab.room import Lab, in_write
from lamelle.lab.saying import Said

Row = sa.Row[Any]
Kind = Literal["match", "ignore", "rescan", "current", "cancel_slide"]

WAITING: Final = ("unmatched", "duplicate", "unexpected")
"""States of a scan that a person has to look at; `missing` are slides that should have been scanned by now."""
KEPT: Final = ("state", "reason", "slide_id", "current", "matched_at")
"""What a decision changes of a scan."""


class Item(NamedTuple):
    """A scan that waits, or a slide that is missing; why; which slides the scan may be of."""

    reason: str
    scan: Row | None
    slide: Row | None
    candidates: list[Candidate]


class Waiting(NamedTuple):
    """How much waits of each kind, and the items asked for."""

    counts: dict[str, int]
    items: list[Item]


# -- what waits ------------------------------------------------------------------------------------------------------


def waiting(
    conn: sa.Connection, reach: Reach, today: str, kind: str = "", q: str = "", limit: int = 50, offset: int = 0
) -> Waiting:
    """What is on the desk of the places of a reach, the oldest first; `today` is YYYYMMDD.

    `kind` is unmatched, duplicate, unexpected, missing or "" for all; `q` begins a code, an accession or an identifier.
    """
    scans = sa.select(scan).where(scan.c.state.in_(WAITING), *within.placed(reach, scan.c.place))
    missing = candidates.slides().where(*_missing(today), *within.placed(reach, slide.c.place))
    if q:
        scans = scans.where(sa.or_(*(_begins(column, q) for column in (scan.c.barcode, scan.c.said_container))))
        missing = missing.where(sa.or_(_begins(slide.c.identifier, q), _begins(case.c.accession, q)))
    named = scans.subquery()
    counts = dict.fromkeys((*WAITING, "missing"), 0)
    grouped = conn.execute(sa.select(named.c.state, sa.func.count()).group_by(named.c.state))
    counts |= {row[0]: int(row[1]) for row in grouped}
    counts["missing"] = conn.execute(sa.select(sa.func.count()).select_from(missing.subquery())).scalar_one()
    items: list[Item] = []
    if kind != "missing":
        scans = scans.where(scan.c.state == kind) if kind else scans
        for row in conn.execute(scans.order_by(scan.c.arrived_at, scan.c.id).limit(limit).offset(offset)).all():
            items.append(Item(row.reason or row.state, row, None, candidates.of(conn, reach, row)))
    if kind in ("", "missing"):
        passed = 0 if kind else sum(counts[state] for state in WAITING)
        missing = missing.order_by(slide.c.due_on, slide.c.id)
        for row in conn.execute(missing.limit(limit - len(items)).offset(max(0, offset - passed))).all():
            items.append(Item("missing", None, row, []))
    return Waiting(counts, items)


def _missing(today: str) -> list[sa.ColumnElement[bool]]:
    return [slide.c.state.in_(WAITED_FOR), slide.c.due_on != "", slide.c.due_on < today]


def _begins(column: sa.ColumnElement[str], q: str) -> sa.ColumnElement[bool]:
    return sa.and_(column >= q, column < q + "\U0010ffff")


def sought(conn: sa.Connection, reach: Reach, q: str, limit: int = 12) -> list[Row]:
    """Slides whose identifier or case begins so, for a person who reads the label."""
    q = q.strip()
    if not q:
        return []
    found = candidates.slides().where(*within.placed(reach, slide.c.place))
    found = found.where(sa.or_(_begins(slide.c.identifier, q), _begins(case.c.accession, q)))
    return list(conn.execute(found.order_by(slide.c.identifier, slide.c.id).limit(limit)).all())


def decisions(conn: sa.Connection, reach: Reach, limit: int = 50) -> list[Row]:
    """What was decided for the places of a reach, the newest first, what was undone included.

    A decision's columns with the slide's `identifier`, its case's `accession`, the scan's `series_uid`; None without.
    """
    joined = decision.outerjoin(slide, slide.c.id == decision.c.slide_id)
    joined = joined.outerjoin(case, case.c.id == slide.c.case_id).outerjoin(scan, scan.c.id == decision.c.scan_id)
    query = sa.select(decision, slide.c.identifier, case.c.accession, scan.c.series_uid).select_from(joined)
    query = query.where(*within.placed(reach, decision.c.place))
    return list(conn.execute(query.order_by(decision.c.id.desc()).limit(limit)).all())


def scans_of(conn: sa.Connection, reach: Reach, slide_ids: Iterable[int]) -> dict[int, list[Row]]:
    """The scans of these slides, the one each is shown by first."""
    here = within.placed(reach, scan.c.place)
    query = sa.select(scan).where(scan.c.slide_id.in_(sorted(set(slide_ids))), *here)
    found: dict[int, list[Row]] = {}
    for row in conn.execute(query.order_by(scan.c.current.desc(), scan.c.arrived_at.desc())):
        found.setdefault(row.slide_id, []).append(row)
    return found


def one(conn: sa.Connection, reach: Reach, scan_id: int) -> tuple[Row, Row | None]:
    """A scan, and the slide it is of if that is known. Raises: NotFound("no_such_scan"), also out of reach."""
    row = _one(conn, reach, scan, scan_id)
    if row.slide_id is None:
        return row, None
    return row, conn.execute(candidates.slides().where(slide.c.id == row.slide_id)).first()


# -- deciding --------------------------------------------------------------------------------------------------------


def decide(
    lab: Lab,
    reach: Reach,
    caller: Caller,
    kind: Kind,
    scan_id: int | None = None,
    slide_id: int | None = None,
    reason: str = "",
) -> int:
    """Decide about a scan or a slide; the number of the decision.

    match: the scan is of the slide. current: that too, and the slide is shown by it; without a slide, of the one it is
    of or its codes name. ignore: it is of none. rescan: the scan is of the slide, its own if it has one, and no good,
    or there is none: one is asked for. cancel_slide: the slide will not come.

    Raises: NotFound("no_such_scan" | "no_such_slide"); Invalid("bad_decision"); Conflict("wrong_state").
    """
    return in_write(lab, lambda conn: _decide(conn, lab, reach, caller, kind, scan_id, slide_id, reason.strip()))


def _decide(
    conn: sa.Connection,
    lab: Lab,
    reach: Reach,
    caller: Caller,
    kind: str,
    scan_id: int | None,
    slide_id: int | None,
    reason: str,
) -> int:
    matching.alone(conn)
    row = None if scan_id is None else _one(conn, reach, scan, scan_id)
    if row is not None:
        slide_id = _meant(conn, lab, kind, row, slide_id)
    glass = None if slide_id is None else _one(conn, reach, slide, slide_id)
    _check(kind, row, glass)
    before: dict[str, Any] = {"scans": {}}
    if kind == "cancel_slide" and glass is not None:
        before |= _cancel(conn, lab, glass)
    elif row is not None:
        about = (row, *_of_slide(conn, slide_id, row), *_of_slide(conn, row.slide_id, row))
        before["scans"] = {str(this.id): _kept(this) for this in about}
        _change(conn, lab, kind, row, glass)
    whose = row if row is not None else glass
    assert whose is not None
    values = {"kind": kind, "scan_id": scan_id, "slide_id": slide_id, "place": whose.place, "reason": reason}
    values |= {"actor_id": caller.actor.id, "actor": caller.actor.name or caller.actor.login}
    values |= {"before": json.dumps(before), "decided_at": lab.clock.now()}
    number = int(conn.execute(sa.insert(decision).values(**values).returning(decision.c.id)).scalar_one())
    if kind == "rescan":
        events.record(conn, "RescanAsked", {"slide": slide_id}, clock=lab.clock)
    _follow(conn, lab, before, slide_id)
    _enter(conn, lab, caller, row, glass, reason, {"decision": number, "kind": kind})
    return number


def _meant(conn: sa.Connection, lab: Lab, kind: str, row: Row, slide_id: int | None) -> int | None:
    """The slide a decision about a scan is about: its own, for `current` the one its codes name, where none is said."""
    if kind == "ignore":
        return None
    own: int | None = row.slide_id
    if kind == "rescan":
        return own or slide_id
    return slide_id or own or matching.named(conn, lab, row) if kind == "current" else slide_id


def _one(conn: sa.Connection, reach: Reach, table: sa.Table, number: int) -> Row:
    row = conn.execute(sa.select(table).where(table.c.id == number, *within.placed(reach, table.c.place))).first()
    if row is None:
        raise NotFound(f"no_such_{table.name}", f"there is no such {table.name}")
    return row


def _check(kind: str, row: Row | None, glass: Row | None) -> None:
    """Whether what the decision is about was named. Raises: Invalid("bad_decision")."""
    if kind not in get_args(Kind):
        raise Invalid("bad_decision", f"a decision is one of {', '.join(get_args(Kind))}")
    if (kind in ("match", "ignore", "current") and row is None) or (kind != "ignore" and glass is None):
        raise Invalid("bad_decision", f"{kind} names a scan, a slide, or both")


def _change(conn: sa.Connection, lab: Lab, kind: str, row: Row, glass: Row | None) -> None:
    """Put the scan where it was decided, and see by which one its slides are shown."""
    if kind == "ignore" or glass is None:
        outcome = Outcome("ignored", "", None, False)
    elif kind == "rescan":
        outcome = Outcome("rejected", "", glass.id, False)
    else:
        alone = not any(other.current for other in _of_slide(conn, glass.id, row))
        reason = cases.DECIDED if glass.state == "cancelled" else ""
        outcome = Outcome("matched", reason, glass.id, alone or kind == "current")
        if kind == "current":
            others = sa.and_(scan.c.slide_id == glass.id, scan.c.id != row.id)
            conn.execute(sa.update(scan).where(others).values(current=False))
    matching.write(conn, lab, row, outcome)
    if row.current and not (outcome.current and outcome.slide_id == row.slide_id):
        _promote(conn, row)


def _promote(conn: sa.Connection, row: Row) -> None:
    """The slide a scan was taken from is shown by the newest of its other scans."""
    others = sa.select(scan.c.id).where(scan.c.slide_id == row.slide_id, scan.c.id != row.id, scan.c.state == "matched")
    newest = conn.execute(others.order_by(scan.c.scanned_at.desc(), scan.c.id.desc()).limit(1)).scalar()
    if newest is not None:
        conn.execute(sa.update(scan).where(scan.c.id == newest).values(current=True))


def _of_slide(conn: sa.Connection, slide_id: int | None, but: Row) -> list[Row]:
    """The other scans of a slide."""
    if slide_id is None:
        return []
    return list(conn.execute(sa.select(scan).where(scan.c.slide_id == slide_id, scan.c.id != but.id)).all())


def _cancel(conn: sa.Connection, lab: Lab, glass: Row) -> dict[str, str]:
    """Take a slide off what is expected, as if the laboratory's system had said so; what was said of it before."""
    said, now = Said.read(glass.said), lab.clock.now()
    said.hear(now, {"control": "cancel"})
    values = {"said": said.text(), "said_at": said.newest, "updated_at": now}
    conn.execute(sa.update(slide).where(slide.c.id == glass.id).values(**values))
    return {"said": glass.said, "cancelled_at": Said.moment(now)}


def _follow(conn: sa.Connection, lab: Lab, before: dict[str, Any], slide_id: int | None) -> None:
    """Let the cases and the other scans of what was decided about follow."""
    touched = _slides(before, slide_id)
    matching.touch(conn, lab, touched)
    related = [row.id for number in touched for row in matching.relatives(conn, number)]
    matching.settle(conn, lab, [*related, *map(int, before["scans"])])


def _slides(before: dict[str, Any], slide_id: int | None) -> set[int]:
    """The slides a decision has to do with: that it names, and those its scans were of."""
    numbers = {slide_id, *(kept[KEPT.index("slide_id")] for kept in before["scans"].values())}
    return {number for number in numbers if number is not None}


# -- undoing ---------------------------------------------------------------------------------------------------------


def undo(lab: Lab, reach: Reach, caller: Caller, decision_id: int) -> None:
    """Take a decision back: all is as it was, but for what came in meanwhile.

    Raises: NotFound("no_such_decision"); Conflict("undone_already"); Conflict("decided_since") while a later decision
    about the same scans or slides stands.
    """
    in_write(lab, lambda conn: _undo(conn, lab, reach, caller, decision_id))


def _undo(conn: sa.Connection, lab: Lab, reach: Reach, caller: Caller, decision_id: int) -> None:
    matching.alone(conn)
    row = _one(conn, reach, decision, decision_id)
    if row.undone_at is not None:
        raise Conflict("undone_already", "this decision was undone before")
    later = sa.select(decision).where(decision.c.id > row.id, decision.c.undone_at.is_(None))
    mine = _about(row)
    if any(not mine.isdisjoint(_about(other)) for other in conn.execute(later)):
        raise Conflict("decided_since", "something was decided since about the same scan or slide: undo that first")
    now = lab.clock.now()
    gone = {"undone_at": now, "undone_by": caller.actor.name or caller.actor.login}
    conn.execute(sa.update(decision).where(decision.c.id == row.id).values(**gone))
    before = json.loads(row.before)
    for number, kept in before["scans"].items():
        values = dict(zip(KEPT, kept, strict=True))
        values["matched_at"] = _instant(values["matched_at"])
        conn.execute(sa.update(scan).where(scan.c.id == int(number)).values(**values, updated_at=now))
    if "said" in before:
        _revive(conn, lab, row, before)
    _follow(conn, lab, before, row.slide_id)
    about = (_row(conn, scan, row.scan_id), _row(conn, slide, row.slide_id))
    _enter(conn, lab, caller, *about, "", {"decision": row.id, "kind": row.kind, "undone": True})


def _about(row: Row) -> set[tuple[str, int]]:
    """The scans and slides a decision has to do with."""
    before = json.loads(row.before)
    return {("scan", int(number)) for number in before["scans"]} | {
        ("slide", number) for number in _slides(before, row.slide_id)
    }


def _revive(conn: sa.Connection, lab: Lab, row: Row, before: dict[str, str]) -> None:
    """Let a slide be as the laboratory's system says, unless that spoke of it since."""
    now = conn.execute(sa.select(slide.c.said).where(slide.c.id == row.slide_id)).scalar_one()
    said, was = Said.read(now), Said.read(before["said"])
    if said.fields["control"][0] == before["cancelled_at"]:
        said.fields.pop("control")
        said.fields |= {name: kept for name, kept in was.fields.items() if name == "control"}
    values = {"said": said.text(), "said_at": said.newest, "updated_at": lab.clock.now()}
    conn.execute(sa.update(slide).where(slide.c.id == row.slide_id).values(**values))


def _row(conn: sa.Connection, table: sa.Table, number: int | None) -> Row | None:
    return None if number is None else conn.execute(sa.select(table).where(table.c.id == number)).first()


def _kept(row: Row) -> list[Any]:
    """What a decision changes of a scan, for JSON."""
    values = [getattr(row, name) for name in KEPT]
    if row.matched_at is not None:
        values[-1] = (row.matched_at - EPOCH) // timedelta(microseconds=1)
    return values


def _instant(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else EPOCH + timedelta(microseconds=microseconds)


# -- the ledger ------------------------------------------------------------------------------------------------------


def _enter(
    conn: sa.Connection,
    lab: Lab,
    caller: Caller,
    row: Row | None,
    glass: Row | None,
    reason: str,
    detail: dict[str, Any],
) -> None:
    """Tell the ledger whose slide and which scan it was."""
    detail |= {"series": row.series_uid} if row is not None else {}
    detail |= {"slide": glass.identifier} if glass is not None else {}
    if glass is not None:
        whose = conn.execute(sa.select(case).where(case.c.id == glass.case_id)).one()
        cases.enter(conn, lab, caller, "reconcile", whose, reason=reason, detail=detail)
        return
    assert row is not None
    patient = sa.select(study.c.patient_id, study.c.issuer_of_patient_id).where(study.c.uid == row.study_uid)
    patient_id, issuer = conn.execute(patient).first() or ("", "")
    what = {"study_uid": row.study_uid, "patient_id": patient_id, "issuer": issuer, "place": row.place}
    entry = telling.entry(caller, "reconcile", **what, reason=reason, detail=detail)
    ledger.record(conn, entry, lab.clock)
