"""Which slide a scan is of: what its codes name, and what becomes of it where several scans name one slide.

Everything is derived from facts that are kept (codes of scans, slides, decisions of people), so that the end is the
same whether an order comes before its scans or after. Decisions are `desk`'s; where codes come from is `scanning`'s.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from lamelle.access import places
from lamelle.archive import facts
from lamelle.base import events
from lamelle.lab import cases, states
from lamelle.lab.records import decision, scan, slide, slide_alias
from lamelle.lab.room import Lab
from lamelle.lab.settings import CodeRule

Row = sa.Row[Any]

LOCK: Final = 0x1A3E5CA
"""Advisory lock on PostgreSQL: a scan and the order it waits for may come in the same moment."""
ONE_RUN: Final = timedelta(hours=24)
"""Two scans of one code within it may be two slides with one label; later ones are a second scan nobody asked for."""
ORDER: Final = ("arrives", "leaves", "stays")
"""Of what happens in one moment."""
WAITED_FOR: Final = ("ordered", "cut", "stained", "coverslipped", "to_scan", "rejected")
"""States of a slide whose scan is still to come."""
GONE: Final = "deleted"
"""Reason of a scan whose images were deleted."""
ASIDE: Final = frozenset({("rejected", "quality"), ("ignored", GONE)})
"""States with reasons of scans that no slide has any more though no person said so."""
SEVERAL: Final = "\\"
"""What the column of several codes begins with."""


class Verdict(NamedTuple):
    """The slide a scan's codes name, or why they name none."""

    slide: Row | None
    reason: str = ""


class Outcome(NamedTuple):
    """The columns of a scan that follow from everything known."""

    state: str
    reason: str
    slide_id: int | None
    current: bool


def codes(column: str) -> list[str]:
    """One code, or several as `\\a\\b\\`."""
    return facts.split(column) if column.startswith(SEVERAL) else [column] * bool(column)


def alone(conn: sa.Connection) -> None:
    """From here to the end of the transaction nobody else matches; SQLite has one writer anyway."""
    if conn.dialect.name == "postgresql":
        conn.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))


def settle(conn: sa.Connection, lab: Lab, scan_ids: Iterable[int]) -> None:
    """Derive these scans anew, with all that name the same slides; cases that change are touched."""
    alone(conn)
    tree = places.tree(conn)
    rows, verdicts = _related(conn, lab, tree, scan_ids)
    fixed = _decided(conn, rows)
    outcomes = _outcomes(lab, tree, rows, verdicts, fixed)
    touched = set()
    for number, outcome in outcomes.items():
        row = rows[number]
        if outcome != Outcome(row.state, row.reason, row.slide_id, row.current):
            touched |= {row.slide_id, outcome.slide_id} - {None}
            write(conn, lab, row, outcome)
    touch(conn, lab, touched)


def touch(conn: sa.Connection, lab: Lab, slide_ids: Collection[int]) -> None:
    """Let the cases of these slides follow."""
    found = sa.select(slide.c.case_id).where(slide.c.id.in_(sorted(slide_ids))).distinct().order_by(slide.c.case_id)
    for case_id in conn.execute(found).scalars().all():
        cases.touch(conn, lab, case_id)


def write(conn: sa.Connection, lab: Lab, row: Row, outcome: Outcome) -> None:
    """Bring a scan to where it belongs, along its table of states. Raises: Conflict("wrong_state")."""
    states.check(states.SCAN, row.state, outcome.state)
    now = lab.clock.now()
    values = outcome._asdict() | {"updated_at": now}
    if outcome.state == "matched" and (row.state, row.slide_id) != ("matched", outcome.slide_id):
        values["matched_at"] = now
        events.record(conn, "ScanMatched", {"scan": row.id}, clock=lab.clock)
    conn.execute(sa.update(scan).where(scan.c.id == row.id).values(**values))


def relatives(conn: sa.Connection, slide_id: int) -> list[Row]:
    """Every scan that is of a slide, or whose codes name it."""
    alias = sa.select(slide_alias.c.value).where(slide_alias.c.slide_id == slide_id)
    names = sa.select(slide.c.identifier).where(slide.c.id == slide_id).union_all(alias)
    known = list(conn.execute(names).scalars())
    several = sa.and_(scan.c.barcode >= SEVERAL, scan.c.barcode < "]")
    either = sa.or_(scan.c.slide_id == slide_id, scan.c.barcode.in_(known), scan.c.said_container.in_(known), several)
    return list(conn.execute(sa.select(scan).where(either)).all())


def rule(lab: Lab, tree: places.Tree, place: int) -> CodeRule:
    """The rule of a place: its own or that of a place it is in, else the one for all, else the usual one."""
    own = [found for found in lab.settings.codes if found.place and place in tree.below(found.place)]
    return min(own, key=lambda found: len(tree.below(found.place)), default=None) or next(
        (found for found in lab.settings.codes if not found.place), CodeRule()
    )


# -- what codes name -------------------------------------------------------------------------------------------------


def _related(
    conn: sa.Connection, lab: Lab, tree: places.Tree, scan_ids: Iterable[int]
) -> tuple[dict[int, Row], dict[int, Verdict]]:
    """These scans and all that compete with them, each with its verdict."""
    waiting = list(conn.execute(sa.select(scan).where(scan.c.id.in_(sorted(set(scan_ids))))).all())
    rows: dict[int, Row] = {}
    verdicts: dict[int, Verdict] = {}
    seen: set[int] = set()
    while waiting:
        row = waiting.pop()
        if row.id in rows:
            continue
        verdict = _judged(conn, lab, tree, row)
        rows[row.id], verdicts[row.id] = row, verdict
        for number in {row.slide_id, verdict.slide.id if verdict.slide else None} - {None} - seen:
            seen.add(number)
            waiting += relatives(conn, number)
    return rows, verdicts


def named(conn: sa.Connection, lab: Lab, row: Row) -> int | None:
    """The slide that a scan's codes name, whatever else is known."""
    verdict = _judged(conn, lab, places.tree(conn), row)
    return None if verdict.slide is None else int(verdict.slide.id)


def _judged(conn: sa.Connection, lab: Lab, tree: places.Tree, row: Row) -> Verdict:
    return judge(row, _hits(conn, row), rule(lab, tree, row.place), tree.establishment(row.place))


def _hits(conn: sa.Connection, row: Row) -> dict[str, list[Row]]:
    """Each code of a scan with the slides that have it as identifier or alias."""
    wanted = {*codes(row.barcode), row.said_container} - {""}
    by_alias = sa.select(slide_alias.c.value, slide).join(slide, slide.c.id == slide_alias.c.slide_id)
    by_name = sa.select(slide.c.identifier.label("value"), slide)
    found: dict[str, list[Row]] = {code: [] for code in wanted}
    for query, column in ((by_name, slide.c.identifier), (by_alias, slide_alias.c.value)):
        for hit in conn.execute(query.where(column.in_(sorted(wanted)))):
            if hit.id not in {known.id for known in found[hit.value]}:
                found[hit.value].append(hit)
    return found


def judge(row: Row, found: Mapping[str, list[Row]], by: CodeRule, here: frozenset[int]) -> Verdict:
    """What a scan's codes say by the rule of its place; `here` are the places whose slides it may be of.

    Raises nothing: whatever is unclear is for a person.
    """
    sources = {"label": codes(row.barcode), "container": codes(row.said_container)}
    trusted = [sources[name] for name in by.trust if sources[name]]
    if not trusted:
        return Verdict(None, "unreadable")
    hits = [{hit.id: hit for code in said for hit in found[code]} for said in trusted]
    near = [{number: hit for number, hit in named.items() if hit.place in here} for named in hits]
    every = {number: hit for named in near for number, hit in named.items()}
    if not every:
        return Verdict(None, "other_place" if any(hits) else "unknown")
    if any(len(named) > 1 for named in near):
        return Verdict(None, "several_codes" if len(sources["label"]) > 1 else "ambiguous")
    if len(every) > 1 or not near[0] or (by.strict and not all(near)):
        return Verdict(None, "contradiction")
    return Verdict(next(iter(every.values())))


# -- where several name one ------------------------------------------------------------------------------------------


def _decided(conn: sa.Connection, rows: Mapping[int, Row]) -> dict[int, list[datetime]]:
    """The scans that a person decided about, and when: they stay where they were put."""
    standing = sa.select(decision.c.scan_id, decision.c.decided_at).where(decision.c.undone_at.is_(None))
    found: dict[int, list[datetime]] = defaultdict(list)
    for number, at in conn.execute(standing.where(decision.c.scan_id.in_(sorted(rows))).order_by(decision.c.id)):
        found[number].append(at)
    return found


def _outcomes(
    lab: Lab,
    tree: places.Tree,
    rows: Mapping[int, Row],
    verdicts: Mapping[int, Verdict],
    decided: Mapping[int, list[datetime]],
) -> dict[int, Outcome]:
    found: dict[int, Outcome] = {}
    claimed: dict[int, Row] = {}
    aside = {number for number, row in rows.items() if number not in decided and (row.state, row.reason) in ASIDE}
    for number, verdict in verdicts.items():
        if number in aside:
            found[number] = Outcome(rows[number].state, rows[number].reason, rows[number].slide_id, False)
        elif verdict.slide is not None:
            claimed[verdict.slide.id] = verdict.slide
        elif number not in decided:
            found[number] = Outcome("unmatched", verdict.reason, None, False)
    for glass in claimed.values():
        named = (number for number, verdict in verdicts.items() if verdict.slide and verdict.slide.id == glass.id)
        claims = [rows[number] for number in named if number not in aside]
        holding = [row for row in rows.values() if row.id in decided and _holds(row, glass)]
        free = sorted((row for row in claims if row.id not in decided), key=_scanned)
        if rule(lab, tree, glass.place).rescans == "newest":
            found |= {row.id: _matched(glass, row is free[-1] and not _current(holding)) for row in free}
        else:
            found |= _shared(glass, claims, holding, decided)
    return found


def _holds(row: Row, glass: Row) -> bool:
    return bool(row.slide_id == glass.id and row.state != "rejected")


def _current(rows: list[Row]) -> Row | None:
    return next((row for row in rows if row.current), None)


def _shared(
    glass: Row, claims: list[Row], holding: list[Row], decided: Mapping[int, list[datetime]]
) -> dict[int, Outcome]:
    """Of the scans that name one slide the first to arrive is it; a later one only once that one was put elsewhere.

    What happened is gone through in its order: scans arrive, and people's decisions take scans away or bring them.
    """
    story = [(row.arrived_at, row.id, "arrives", row) for row in claims]
    story += [(decided[row.id][0], row.id, "leaves", row) for row in claims if row.id in decided]
    story += [(decided[row.id][-1], row.id, "stays", row) for row in holding]
    held: dict[int, Row] = {}
    found: dict[int, Outcome] = {}
    for _, number, what, row in sorted(story, key=lambda step: (step[0], ORDER.index(step[2]), step[1])):
        if what == "leaves":
            held.pop(number, None)
        elif what == "stays" or not held:
            held[number] = row
        elif number not in decided:
            near = any(abs(_scanned(row)[0] - _scanned(other)[0]) <= ONE_RUN for other in held.values())
            found[number] = Outcome("duplicate" if near else "unexpected", "scanned", None, False)
    taken = [row for row in held.values() if row.id not in decided]
    return found | {row.id: _matched(glass, row is taken[-1] and not _current(holding)) for row in taken}


def _matched(glass: Row, current: bool) -> Outcome:
    """Of a cancelled slide it is kept with its slide, marked; `cases.touch` says the same."""
    if glass.state == "cancelled":
        return Outcome("unexpected", cases.CANCELLED, glass.id, current)
    return Outcome("matched", "", glass.id, current)


def _scanned(row: Row) -> tuple[datetime, int]:
    return row.scanned_at or row.arrived_at, row.id
