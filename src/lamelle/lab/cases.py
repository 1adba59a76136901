"""Cases: what orders say of them is kept, and where each stands is derived from the facts.

`take` keeps words, whichever came first; `touch` says what follows from them, from scans, techniques and reports. The
nouns are in orders, the states in states; patients are `patients`', what is written of a case is `reporting`'s.
"""

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa

from lamelle.access import places, telling
from lamelle.access.decide import decide
from lamelle.access.model import Action, Caller, Reach, Resource
from lamelle.archive import within
from lamelle.audit import ledger
from lamelle.base import events, ids
from lamelle.base.db import insert
from lamelle.base.errors import Conflict, Invalid, NotFound
from lamelle.lab import patients, priorities, states
from lamelle.lab.orders import BlockSaid, Identifier, Order, SlideSaid, SpecimenSaid
from lamelle.lab.records import block, case, patient, report, scan, slide, slide_alias, specimen, technique
from lamelle.lab.room import Lab, in_write
from lamelle.lab.saying import Said

Row = sa.Row[Any]
PREPARED: Final = ("ordered", "cut", "stained", "coverslipped", "to_scan", "read", "archived", "destroyed")
"""What the laboratory may say a slide is: the furthest it said holds, in whichever order it said so."""
DIGITISED: Final = frozenset({"scanned", "available", "read"})
NOT_AWAITED: Final = DIGITISED | {"archived", "destroyed", "cancelled"}
OPEN_TECHNIQUES: Final = ("requested", "accepted")
GOOD: Final = ("pass", "warn")
"""Verdicts of quality control on a scan; until there is one the slide is `scanned`, and there."""
DECIDED: Final = "decided"
"""Reason of a scan that a person matched to a cancelled slide: it stays."""
CANCELLED: Final = "cancelled"
"""Reason of a scan that was matched before its slide was cancelled."""


# -- reading ---------------------------------------------------------------------------------------------------------


def one(conn: sa.Connection, reach: Reach, case_id: int) -> Row:
    """A case. Raises: NotFound("no_such_case"), also of what is out of reach."""
    row = conn.execute(sa.select(case).where(case.c.id == case_id, *within.placed(reach, case.c.place))).one_or_none()
    if row is None:
        raise NotFound("no_such_case", "there is no such case")
    return row


def found(conn: sa.Connection, reach: Reach, accession: str, issuer: str = "") -> Row:
    """A case by its accession number, of any issuer if none is given and one has it.

    Raises: NotFound("no_such_case"); Conflict("ambiguous_case").
    """
    named = [case.c.accession == accession] + ([case.c.issuer == issuer] if issuer else [])
    rows = conn.execute(sa.select(case).where(*named, *within.placed(reach, case.c.place)).limit(2)).all()
    if not rows:
        raise NotFound("no_such_case", "there is no such case")
    if len(rows) > 1:
        raise Conflict("ambiguous_case", "several issuers gave this accession number")
    return rows[0]


def of_series(conn: sa.Connection, reach: Reach, series_uid: str) -> int | None:
    """The case whose slide a series shows, if it is matched to one."""
    shown = sa.select(case.c.id).join(slide, slide.c.case_id == case.c.id).join(scan, scan.c.slide_id == slide.c.id)
    mine = shown.where(scan.c.series_uid == series_uid, *within.placed(reach, case.c.place))
    return conn.execute(mine).scalar_one_or_none()


def locked(conn: sa.Connection, reach: Reach, case_id: int) -> Row:
    """The same, for who writes: nobody else writes of this case until the transaction ends."""
    conn.execute(sa.select(case.c.id).where(case.c.id == case_id).with_for_update())
    return one(conn, reach, case_id)


def place_of(conn: sa.Connection, case_id: int) -> int:
    """Whose laboratory's it is. Raises: NotFound("no_such_case")."""
    place = conn.execute(sa.select(case.c.place).where(case.c.id == case_id)).scalar_one_or_none()
    if place is None:
        raise NotFound("no_such_case", "there is no such case")
    return int(place)


# -- orders ----------------------------------------------------------------------------------------------------------


def take(lab: Lab, order: Order) -> int:
    """Keep what a message says of a case; its number. Nothing is kept of an order that is refused.

    Raises: Conflict("duplicate_container" | "case_elsewhere") when a container is another case's, a case another
    establishment's; Invalid("no_accession" | "no_patient_identifier" | "bad_slide_state").
    """
    if not order.case.value:
        raise Invalid("no_accession", "an order names its case, and this one does not")
    return in_write(lab, lambda conn: _take(conn, lab, order))


def _take(conn: sa.Connection, lab: Lab, order: Order) -> int:
    whose = None if order.patient is None else patients.record(conn, lab, order.patient, order.said_at)
    row, changed = held(conn, lab, order.case, order.place)
    said = Said.read(row.said)
    if said.hear(order.said_at, _case_said(order)):
        changed = True
        values = said.columns(case)
        values["cancelled_at"] = said.at("control") if said.value("control") == "cancel" else None
        if (
            whose is not None
            and order.patient is not None
            and said.value("patient") == _name(order.patient.identifiers[0])
        ):
            values |= {"said_patient_id": whose, "patient_id": patients.current(conn, whose)}
        conn.execute(sa.update(case).where(case.c.id == row.id).values(**values))
    for part in order.specimens:
        changed |= _specimen(conn, row.id, order, part)
    for cassette in order.blocks:
        changed |= _block(conn, row.id, order, cassette)
    new = [glass for glass in order.slides if _slide(conn, lab, row.id, order, glass)]
    if changed or new:
        touch(conn, lab, row.id)
    return int(row.id)


def held(conn: sa.Connection, lab: Lab, name: Identifier, place: int) -> tuple[Row, bool]:
    """The case of an accession number, made where there is none, locked; whether it is new.

    Raises: Conflict("case_elsewhere") when it is another establishment's: no sender speaks of its cases.
    """
    now, key = lab.clock.now(), {"accession": name.value, "issuer": name.issuer}
    start = {"place": place, "study_uid": ids.new_uid(), "created_at": now, "updated_at": now}
    made = conn.execute(insert(conn, case).values(**key, **start).on_conflict_do_nothing()).rowcount
    row = conn.execute(sa.select(case).filter_by(**key).with_for_update()).one()
    if row.place != place and row.place not in places.tree(conn).establishment(place):
        raise Conflict("case_elsewhere", "the accession number is that of another establishment's case")
    return row, made > 0


def _case_said(order: Order) -> dict[str, Any]:
    names = ("urgency", "frozen", "department", "specialty", "requester", "adicap", "description", "study_uid")
    values = {name: getattr(order, name) for name in (*names, "ordered_at", "received_at")}
    values["place"] = str(order.place)
    values["patient"] = _whose(order)
    return values | {"control": order.control if _is_about_case(order) else None}


def _whose(order: Order) -> list[str] | None:
    return None if order.patient is None else _name(order.patient.identifiers[0])


def _is_about_case(order: Order) -> bool:
    """Whether it says that the case lives: one that only takes slides away does not revive it."""
    items: tuple[SpecimenSaid | BlockSaid | SlideSaid, ...] = (*order.specimens, *order.blocks, *order.slides)
    return order.control == "cancel" or not items or any(item.control == "put" for item in items)


def _name(identifier: Identifier) -> list[str]:
    return [identifier.value, identifier.issuer]


def _part(conn: sa.Connection, table: sa.Table, case_id: int, name: Identifier, **start: Any) -> tuple[Row, bool]:
    """The row of a specimen, block or slide, made where there is none, locked; whether it is new.

    Raises: Conflict("duplicate_container") when another case has it.
    """
    key = {"identifier": name.value, "issuer": name.issuer}
    made = conn.execute(insert(conn, table).values(case_id=case_id, **key, **start).on_conflict_do_nothing()).rowcount
    row = conn.execute(sa.select(table).filter_by(**key).with_for_update()).one()
    if row.case_id != case_id:
        raise Conflict("duplicate_container", f"a {table.name} of that identifier belongs to another case")
    return row, made > 0


def _specimen(conn: sa.Connection, case_id: int, order: Order, part: SpecimenSaid) -> bool:
    row, new = _part(conn, specimen, case_id, part.id)
    names = ("part", "type_code", "type_text", "site_code", "site_text", "description", "collected_at", "received_at")
    return _keep(conn, specimen, row, order, {name: getattr(part, name) for name in (*names, "control")}) or new


def _block(conn: sa.Connection, case_id: int, order: Order, cassette: BlockSaid) -> bool:
    row, new = _part(conn, block, case_id, cassette.id)
    values = {name: getattr(cassette, name) for name in ("description", "location", "destroy_on", "control")}
    values |= _parents(conn, case_id, specimen=cassette.specimen)
    return _keep(conn, block, row, order, values) or new


def _slide(conn: sa.Connection, lab: Lab, case_id: int, order: Order, glass: SlideSaid) -> bool:
    """Keep what is said of a slide; whether anything changed."""
    row, new = _part(conn, slide, case_id, glass.id, place=order.place, updated_at=lab.clock.now())
    _check_barcode(conn, row)
    new |= _aliases(conn, row, glass)
    values = {name: getattr(glass, name) for name in ("stain_code", "stain_text", "level", "due_on", "location")}
    values |= {"destroy_on": glass.destroy_on, "control": glass.control, "technique": glass.technique}
    values |= _parents(conn, case_id, specimen=glass.specimen, block=glass.block)
    values[f"is_{_prepared(glass)}"] = bool(glass.state) or None
    changed = _keep(conn, slide, row, order, values) or new
    if changed:
        now = lab.clock.now()
        conn.execute(sa.update(slide).where(slide.c.id == row.id).values(updated_at=now))
        events.record(conn, "SlideExpected", {"slide": row.id}, clock=lab.clock)
    return changed


def _prepared(glass: SlideSaid) -> str:
    """What the laboratory did with it; that it is scanned is for us to say."""
    known = "to_scan" if glass.state in ("scanned", "available", "rejected") else glass.state
    if known and known not in PREPARED:
        raise Invalid("bad_slide_state", f"{known!r:.40} is no state the laboratory can say a slide is in")
    return known


def _check_barcode(conn: sa.Connection, row: Row) -> None:
    """A barcode carries no issuer: where one of two is unknown, or an alias says the same, it is a duplicate.

    Raises: Conflict("duplicate_container").
    """
    same = sa.and_(slide.c.identifier == row.identifier, slide.c.id != row.id, slide.c.case_id != row.case_id)
    unclear = slide.c.issuer == "" if row.issuer else sa.true()
    twin = sa.select(slide.c.id).where(same, unclear)
    alias = sa.select(slide_alias.c.slide_id).where(
        slide_alias.c.value == row.identifier, slide_alias.c.slide_id != row.id
    )
    if conn.execute(sa.union_all(twin, alias).limit(1)).first() is not None:
        raise Conflict("duplicate_container", "another slide has the same barcode")


def _aliases(conn: sa.Connection, row: Row, glass: SlideSaid) -> bool:
    """Keep other codes of the same glass. Raises: Conflict("duplicate_container")."""
    new = False
    for value in sorted(set(glass.aliases) - {"", row.identifier}):
        adding = insert(conn, slide_alias).values(value=value, slide_id=row.id).on_conflict_do_nothing()
        new |= conn.execute(adding).rowcount > 0
        holder = sa.select(slide_alias.c.slide_id).where(slide_alias.c.value == value)
        named = sa.select(slide.c.id).where(slide.c.identifier == value)
        if set(conn.execute(sa.union_all(holder, named)).scalars()) != {row.id}:
            raise Conflict("duplicate_container", "another slide has the same barcode")
    return new


def _parents(conn: sa.Connection, case_id: int, **named: Identifier | None) -> dict[str, Any]:
    """By name, each there: what a message comes before is made, empty."""
    tables = {"specimen": specimen, "block": block}
    for name, identifier in named.items():
        if identifier is not None:
            _part(conn, tables[name], case_id, identifier)
    return {name: _name(identifier) for name, identifier in named.items() if identifier is not None}


def _keep(conn: sa.Connection, table: sa.Table, row: Row, order: Order, values: Mapping[str, Any]) -> bool:
    """Hear values of a part; whether anything changed."""
    said = Said.read(row.said)
    if not said.hear(order.said_at, values):
        return False
    found = said.columns(table)
    for name, parent in (("specimen", specimen), ("block", block)):
        if name in said.fields:
            found[f"{name}_id"] = conn.execute(_id_of(parent, *said.pair(name))).scalar_one()
    if "technique" in said.fields and "technique_id" in table.c:
        asked = sa.select(technique.c.id).where(technique.c.identifier == said.value("technique"))
        found["technique_id"] = conn.execute(asked).scalar_one_or_none()
    conn.execute(sa.update(table).where(table.c.id == row.id).values(**found))
    return True


def _id_of(table: sa.Table, value: str, issuer: str) -> sa.Select[tuple[int]]:
    return sa.select(table.c.id).where(table.c.identifier == value, table.c.issuer == issuer)


# -- what follows from the facts ---------------------------------------------------------------------------------------


def touch(conn: sa.Connection, lab: Lab, case_id: int) -> None:
    """Derive anew where a case and its slides stand, and tell that it changed; last in whatever changes a case."""
    row = conn.execute(sa.select(case).where(case.c.id == case_id).with_for_update()).one()
    written = _written(conn, case_id)
    dead = row.cancelled_at is not None and written not in ("validated", "reopened")
    slides = _settle_slides(conn, lab, row, dead)
    _settle_techniques(conn, lab, case_id)
    expected = [state for state in slides if state != "cancelled"]
    waiting = sum(state not in NOT_AWAITED for state in expected)
    ready = bool(expected) and not waiting
    state = "cancelled" if dead else written or _unwritten(conn, row, ready)
    states.check(states.CASE, row.state, state)
    now = lab.clock.now()
    values: dict[str, Any] = {"state": state, "slide_count": len(expected), "waiting_count": waiting, "updated_at": now}
    values["ready_at"] = (row.ready_at or now) if ready else None
    values["validated_at"] = _validated_at(conn, case_id)
    values["priority"] = priorities.of(conn, row, state)
    conn.execute(sa.update(case).where(case.c.id == case_id).values(**values))
    events.record(conn, "CaseChanged", {"case": case_id}, clock=lab.clock)


def _written(conn: sa.Connection, case_id: int) -> str:
    """What its reports make of a case; "" while none was given out."""
    c = report.c
    live = sa.select(c.state).where(c.case_id == case_id, c.state != "cancelled")
    found = list(conn.execute(live.order_by(c.written_at, c.version)).scalars())
    if "final" in found:
        return "validated" if found[-1] == "final" else "reopened"
    if "preliminary" not in found:
        return ""
    return "waiting" if _techniques(conn, case_id) else "preliminary"


def _unwritten(conn: sa.Connection, row: Row, ready: bool) -> str:
    if _techniques(conn, row.id):
        return "waiting"
    if row.opened_at is not None:
        return "reading"
    return "ready" if ready else "registered"


def _techniques(conn: sa.Connection, case_id: int) -> bool:
    """Whether one is still asked for."""
    open_ = sa.select(technique.c.id).where(technique.c.case_id == case_id, technique.c.state.in_(OPEN_TECHNIQUES))
    return conn.execute(open_.limit(1)).first() is not None


def _validated_at(conn: sa.Connection, case_id: int) -> Any:
    """Of the newest version that was signed."""
    signed = sa.select(sa.func.max(report.c.validated_at)).where(report.c.case_id == case_id, report.c.state == "final")
    return conn.execute(signed).scalar_one()


def _settle_slides(conn: sa.Connection, lab: Lab, row: Row, dead: bool) -> list[str]:
    """Derive the state of each slide and mark the scans of cancelled ones; the states."""
    cassettes, parts = (_cancelled_parts(conn, table, row.id) for table in (block, specimen))
    of_parts = sa.select(block.c.id).where(block.c.specimen_id.in_(parts))
    inherited = cassettes | set(conn.execute(of_parts).scalars())
    _settle_blocks(conn, row.id, inherited)
    scans: dict[int, list[Row]] = {}
    for found in conn.execute(
        sa.select(scan).join(slide, scan.c.slide_id == slide.c.id).where(slide.c.case_id == row.id)
    ):
        scans.setdefault(found.slide_id, []).append(found)
    after = []
    for glass in conn.execute(sa.select(slide).where(slide.c.case_id == row.id).order_by(slide.c.id)).all():
        gone = dead or glass.block_id in inherited or glass.specimen_id in parts or _is_cancelled(glass.said)
        found_scans = _settle_scans(conn, lab, scans.get(glass.id, []), gone)
        state = _slide_state(Said.read(glass.said), found_scans, gone)
        states.check(states.SLIDE, glass.state, state)
        if (state, row.place) != (glass.state, glass.place):
            values = {"state": state, "place": row.place, "updated_at": lab.clock.now()}
            conn.execute(sa.update(slide).where(slide.c.id == glass.id).values(**values))
            events.record(conn, "SlideExpected", {"slide": glass.id}, clock=lab.clock)
        after.append(state)
    return after


def _cancelled_parts(conn: sa.Connection, table: sa.Table, case_id: int) -> set[int]:
    rows = conn.execute(sa.select(table.c.id, table.c.said).where(table.c.case_id == case_id))
    return {row.id for row in rows if _is_cancelled(row.said)}


def _is_cancelled(said: str) -> bool:
    return Said.read(said).value("control") == "cancel"


def _settle_blocks(conn: sa.Connection, case_id: int, gone: set[int]) -> None:
    here = sa.update(block).where(block.c.case_id == case_id)
    conn.execute(here.where(block.c.id.in_(gone), block.c.state == "embedded").values(state="cancelled"))
    conn.execute(here.where(block.c.id.not_in(gone), block.c.state == "cancelled").values(state="embedded"))


def _settle_scans(conn: sa.Connection, lab: Lab, scans: list[Row], gone: bool) -> set[str]:
    """Mark the scans of a slide that is cancelled, unmark them when it is wanted again; what the slide has of them."""
    has = set()
    for row in scans:
        state, reason = row.state, row.reason
        if gone and state == "matched" and reason != DECIDED:
            state, reason = "unexpected", CANCELLED
        elif not gone and state == "unexpected" and reason == CANCELLED:
            state, reason = "matched", ""
        if state != row.state:
            states.check(states.SCAN, row.state, state)
            values = {"state": state, "reason": reason, "updated_at": lab.clock.now()}
            conn.execute(sa.update(scan).where(scan.c.id == row.id).values(**values))
        has |= {state} | ({DECIDED} if reason == DECIDED else set())
        has |= {"good"} if state == "matched" and row.quality in GOOD else set()
    return has


def _slide_state(said: Said, has: set[str], gone: bool) -> str:
    """From what the laboratory said and what was scanned of it."""
    prepared = next(state for state in reversed(PREPARED) if said.value(f"is_{state}") or state == "ordered")
    if prepared in ("archived", "destroyed"):
        return prepared
    if gone and not {"matched", DECIDED} <= has:
        return "cancelled"
    if "matched" in has:
        return "scanned" if "good" not in has else "read" if prepared == "read" else "available"
    if "rejected" in has:
        return "rejected"
    return "to_scan" if prepared == "read" else prepared


def _settle_techniques(conn: sa.Connection, lab: Lab, case_id: int) -> None:
    """A technique is done once the slides made for it are there."""
    asked = sa.select(technique.c.id, slide.c.state).join(slide, slide.c.technique_id == technique.c.id)
    open_ = asked.where(technique.c.case_id == case_id, technique.c.state.in_(OPEN_TECHNIQUES))
    made: dict[int, list[str]] = {}
    for number, state in conn.execute(open_):
        made.setdefault(number, []).append(state)
    done = [
        number
        for number, found in made.items()
        if DIGITISED.issuperset(set(found) - {"cancelled"}) and set(found) & DIGITISED
    ]
    if done:
        values = {"state": "done", "updated_at": lab.clock.now()}
        conn.execute(sa.update(technique).where(technique.c.id.in_(done)).values(**values))


# -- people ----------------------------------------------------------------------------------------------------------


def opened(lab: Lab, reach: Reach, caller: Caller, case_id: int) -> None:
    """It is before somebody's eyes: the first time by who may report, it is being read from then on.

    Raises: NotFound("no_such_case").
    """
    with lab.db.read() as conn:
        found = one(conn, reach, case_id)
    if found.opened_at or not decide(caller.actor, Action.REPORT, Resource(found.place), caller.purpose):
        return

    def work(conn: sa.Connection) -> None:
        row = locked(conn, reach, case_id)
        if row.opened_at is None:
            enter(conn, lab, caller, "read", row)
            conn.execute(sa.update(case).where(case.c.id == case_id).values(opened_at=lab.clock.now()))
            touch(conn, lab, case_id)

    in_write(lab, work)


def enter(conn: sa.Connection, lab: Lab, caller: Caller, action: str, row: Row, **what: Any) -> None:
    """Tell the ledger of what a person does with a case; `row` is the case's."""
    who = conn.execute(sa.select(patient.c.identifier, patient.c.issuer).where(patient.c.id == row.patient_id)).first()
    named = {} if who is None else {"patient_id": who.identifier, "issuer": who.issuer}
    detail = {"case": row.id, **what.pop("detail", {})}
    told = telling.entry(caller, action, place=row.place, study_uid=row.study_uid, detail=detail, **named, **what)
    ledger.record(conn, told, lab.clock)
