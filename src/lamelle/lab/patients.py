"""Patients: identities as they were said, the French national identifier (INS), merges that can be undone.

A record is known by the first identifier it is said with; the others are for finding it. Whose a case is follows from
whom it was ordered for and from the merges that hold: nothing is copied, so that undoing one leaves no trace.
"""

import json
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from lamelle.access import telling
from lamelle.access.model import Caller, Reach
from lamelle.archive import within
from lamelle.audit import ledger
from lamelle.audit.model import Entry
from lamelle.base import events
from lamelle.base.db import insert
from lamelle.base.errors import Conflict, Denied, Invalid, NotFound
from lamelle.lab.orders import Identifier, Identity, MergeSaid
from lamelle.lab.records import case, patient, patient_identifier, patient_merge
from lamelle.lab.room import Lab, in_write
from lamelle.lab.saying import Said

Row = sa.Row[Any]

INS_OIDS: Final = frozenset({"1.2.250.1.213.1.4.8", "1.2.250.1.213.1.4.9"})
"""Of matricules made from an NIR and from an NIA."""
TEST_OIDS: Final = frozenset({"1.2.250.1.213.1.4.10", "1.2.250.1.213.1.4.11"})
"""Of test and demonstration."""
QUALIFIED: Final = "VALI"
_MATRICULE = re.compile(r"(\d{5})(\d\d|2[AB])(\d{6})(\d\d)")
_CORSICA: Final = {"2A": "19", "2B": "18"}


# -- the INS ---------------------------------------------------------------------------------------------------------


def is_matricule(text: str) -> bool:
    """Whether its 15 characters end in their key, 97 - (N mod 97), Corsica's departments counted as 19 and 18."""
    found = _MATRICULE.fullmatch(text)
    if found is None:
        return False
    start, department, rest, key = found.groups()
    number = int(start + _CORSICA.get(department, department) + rest)
    return int(key) == 97 - number % 97


def shown(row: Row) -> str:
    """The matricule of a row of `patient`, if it may be shown or sent: only that of a qualified identity."""
    return str(row.ins) if row.ins_status == QUALIFIED else ""


def _usable(lab: Lab, matricule: str, oid: str) -> bool:
    return is_matricule(matricule) and (oid in INS_OIDS or (lab.settings.test_ins and oid in TEST_OIDS))


def _ins(lab: Lab, said: Said) -> dict[str, str]:
    """The columns: empty when the matricule cannot be one, and no status that was said of an older one."""
    status, matricule, oid = str(said.value("ins_status")), "", ""
    given, about = said.at("ins"), said.at("ins_status")
    if given is not None:
        matricule, oid = said.pair("ins")
        status = status if about is not None and about >= given else ""
        if not _usable(lab, matricule, oid):
            matricule = oid = status = ""
    return {"ins": matricule, "ins_oid": oid, "ins_status": status}


# -- identities ------------------------------------------------------------------------------------------------------


def take(conn: sa.Connection, lab: Lab, identity: Identity, said_at: datetime) -> int:
    """Keep what is said of a patient (ADT^A08, the PID of an order); the record, whom it is merged into if it is.

    Raises: Invalid("no_patient_identifier").
    """
    return current(conn, record(conn, lab, identity, said_at))


def say(lab: Lab, identity: Identity, said_at: datetime) -> int:
    """The same in a transaction of its own."""
    return in_write(lab, lambda conn: take(conn, lab, identity, said_at))


def record(conn: sa.Connection, lab: Lab, identity: Identity, said_at: datetime) -> int:
    """The same; the record itself, merged or not. It is locked until the transaction ends."""
    if not identity.identifiers or not identity.identifiers[0].value:
        raise Invalid("no_patient_identifier", "a patient is known by an identifier, and none is given")
    row = _held(conn, lab, identity.identifiers[0])
    for other in identity.identifiers[1:]:
        _also(conn, row, other)
    said = Said.read(row.said)
    if said.hear(said_at, _said(identity)):
        values = {name: said.value(name) for name in ("family", "given", "birth_name", "birth_date", "sex")}
        values |= said.columns(patient) | _ins(lab, said) | {"updated_at": lab.clock.now()}
        conn.execute(sa.update(patient).where(patient.c.id == row.id).values(**values))
        changed(conn, lab, [current(conn, row.id)])
    return int(row.id)


def _said(identity: Identity) -> dict[str, Any]:
    names = ("family", "given", "birth_name", "birth_date", "sex", "ins_status")
    return {name: getattr(identity, name) for name in names} | {
        "ins": [identity.ins, identity.ins_oid] if identity.ins else None
    }


def _held(conn: sa.Connection, lab: Lab, name: Identifier) -> Row:
    """The record of an identifier, new where nobody has it, locked."""
    key = {"identifier": name.value, "issuer": name.issuer}
    adding = insert(conn, patient).values(**key, updated_at=lab.clock.now()).on_conflict_do_nothing()
    conn.execute(adding)
    row = conn.execute(sa.select(patient).filter_by(**key).with_for_update()).one()
    own = insert(conn, patient_identifier).values(issuer=name.issuer, value=name.value, patient_id=row.id)
    conn.execute(own.on_conflict_do_update(index_elements=["issuer", "value"], set_={"patient_id": row.id}))
    return row


def _also(conn: sa.Connection, row: Row, name: Identifier) -> None:
    """Note another identifier; one that is a record's own stays its own, of two that claim it the lesser has it."""
    taken = patient_identifier.c
    here = sa.and_(taken.issuer == name.issuer, taken.value == name.value)
    holder = sa.select(patient.c.identifier, patient.c.issuer).join(
        patient_identifier, taken.patient_id == patient.c.id
    )
    known = conn.execute(holder.where(here)).one_or_none()
    if known is None:
        adding = insert(conn, patient_identifier).values(issuer=name.issuer, value=name.value, patient_id=row.id)
        conn.execute(adding.on_conflict_do_nothing())
    elif tuple(known) != (name.value, name.issuer) and (row.identifier, row.issuer) < tuple(known):
        conn.execute(sa.update(patient_identifier).where(here).values(patient_id=row.id))


def current(conn: sa.Connection, patient_id: int) -> int:
    """The record that holds of this one: itself, or the one it is merged into."""
    this = sa.select(sa.func.coalesce(patient.c.merged_into, patient.c.id)).where(patient.c.id == patient_id)
    return int(conn.execute(this).scalar_one())


def one(conn: sa.Connection, patient_id: int) -> Row:
    """A record. Raises: NotFound no_such_patient."""
    row = conn.execute(sa.select(patient).where(patient.c.id == patient_id)).one_or_none()
    if row is None:
        raise NotFound("no_such_patient", "there is no such patient")
    return row


def found(conn: sa.Connection, value: str, issuer: str = "") -> list[Row]:
    """The records that hold of an identifier, anybody's if no issuer is given."""
    names = [patient_identifier.c.value == value] + ([patient_identifier.c.issuer == issuer] if issuer else [])
    known = sa.select(patient_identifier.c.patient_id).where(*names)
    kept = sa.select(sa.func.coalesce(patient.c.merged_into, patient.c.id)).where(patient.c.id.in_(known))
    return list(conn.execute(sa.select(patient).where(patient.c.id.in_(kept)).order_by(patient.c.id)))


def identifiers(conn: sa.Connection, patient_id: int) -> list[Identifier]:
    """Every identifier of a record and of those merged into it, its own first."""
    own = sa.select(patient_identifier, patient).join(patient, patient_identifier.c.patient_id == patient.c.id)
    rows = conn.execute(own.where(sa.or_(patient.c.id == patient_id, patient.c.merged_into == patient_id)))
    names = [(row.id != patient_id, row.value != row.identifier, row.value, row.issuer) for row in rows]
    return [Identifier(value, issuer) for _, _, value, issuer in sorted(names)]


def changed(conn: sa.Connection, lab: Lab, patient_ids: Iterable[int]) -> None:
    """Tell that the cases of these patients show another identity."""
    mine = case.c.patient_id.in_(list(patient_ids))
    ids = conn.execute(sa.update(case).where(mine).values(updated_at=lab.clock.now()).returning(case.c.id)).scalars()
    events.record_many(conn, "CaseChanged", [{"case": number} for number in sorted(ids)], clock=lab.clock)


# -- merges ----------------------------------------------------------------------------------------------------------


def merge(lab: Lab, said: MergeSaid, caller: Caller | None = None) -> int:
    """Keep that two records are one patient (ADT^A40); the merge's number, the same when it is said again.

    Of merges that contradict each other, the wrong way round and back, the one said later holds.
    Raises: Invalid("no_patient_identifier" | "bad_merge").
    """
    return in_write(lab, lambda conn: _merge(conn, lab, said, caller))


def _merge(conn: sa.Connection, lab: Lab, said: MergeSaid, caller: Caller | None) -> int:
    kept = record(conn, lab, said.kept, said.said_at)
    gone = _held(conn, lab, said.gone).id
    if kept == gone:
        raise Invalid("bad_merge", "a patient is not merged into itself")
    c, now = patient_merge.c, lab.clock.now()
    same = sa.select(c.id).where(c.gone_id == gone, c.kept_id == kept, c.said_at == said.said_at)
    known = conn.execute(same).scalar_one_or_none()
    if known is not None:
        return int(known)
    values = {"gone_id": gone, "kept_id": kept, "before": "{}", "said_at": said.said_at, "merged_at": now}
    values["source"] = _name(caller) if caller else said.source
    number = int(conn.execute(sa.insert(patient_merge).values(**values).returning(c.id)).scalar_one())
    moved = _settle(conn, lab, (gone, kept))
    conn.execute(sa.update(patient_merge).where(c.id == number).values(before=json.dumps({"cases": moved})))
    _enter(conn, lab, caller, number, gone, kept, moved, undone=False)
    return number


def unmerge(lab: Lab, reach: Reach, caller: Caller, merge_id: int) -> None:
    """Undo a merge: identifiers and cases are again whose they were, those that came meanwhile included.

    Raises: NotFound("no_such_merge"), also out of reach; Conflict("already_undone"); Denied("cases_beyond").
    """

    def work(conn: sa.Connection) -> None:
        c = patient_merge.c
        conn.execute(sa.select(c.id).where(c.id == merge_id).with_for_update())
        row = conn.execute(_merged(reach).where(c.id == merge_id)).one_or_none()
        if row is None:
            raise NotFound("no_such_merge", "there is no such merge of patients")
        if row.undone_at is not None:
            raise Conflict("already_undone", "the merge was undone already")
        if row.gone_beyond or row.kept_beyond:
            raise Denied("cases_beyond", "cases of the merged patients lie out of reach")
        gone = {"undone_at": lab.clock.now(), "undone_by": _name(caller)}
        conn.execute(sa.update(patient_merge).where(c.id == merge_id).values(**gone))
        moved = _settle(conn, lab, (row.gone_id, row.kept_id))
        _enter(conn, lab, caller, merge_id, row.gone_id, row.kept_id, moved, undone=True)

    in_write(lab, work)


def merges(conn: sa.Connection, patient_id: int) -> list[Row]:
    """The merges that a record and those merged into it take part in, newest first, those undone included."""
    c = patient_merge.c
    here = sa.select(patient.c.id).where(sa.or_(patient.c.id == patient_id, patient.c.merged_into == patient_id))
    mine = sa.or_(c.gone_id.in_(here), c.kept_id.in_(here))
    return list(conn.execute(sa.select(patient_merge).where(mine).order_by(c.merged_at.desc(), c.id.desc())))


class Merged(NamedTuple):
    """A merge as it is listed; `cases` are those of the record that is gone, within reach."""

    row: Row
    gone: Row | None
    """None: all its cases lie out of reach."""
    kept: Row | None
    cases: int
    undoable: bool


def listed(conn: sa.Connection, reach: Reach, text: str, most: int) -> list[Merged]:
    """Merges of patients who have cases within reach, the newest first.

    `text` is an identifier of one of them, or how their family name begins.
    """
    c = patient_merge.c
    asked = _merged(reach).order_by(c.merged_at.desc(), c.id.desc()).limit(most)
    if text:
        meant = _meant(reach, text)
        asked = asked.where(sa.or_(c.gone_id.in_(meant), c.kept_id.in_(meant)))
    rows = conn.execute(asked).all()
    numbers = {number for row in rows for number in (row.gone_id, row.kept_id)}
    who = {row.id: row for row in conn.execute(sa.select(patient).where(patient.c.id.in_(numbers)))}
    return [
        Merged(
            row,
            who[row.gone_id] if row.gone_here or not row.gone_beyond else None,
            who[row.kept_id] if row.kept_here or not row.kept_beyond else None,
            row.cases,
            row.undone_at is None and not (row.gone_beyond or row.kept_beyond),
        )
        for row in rows
    ]


def _merged(reach: Reach) -> sa.Select[Any]:
    """Merges of patients who have cases within reach, and whether others of theirs lie beyond."""
    asked, seen = sa.select(patient_merge), list[sa.ColumnElement[bool]]()
    for name in ("gone", "kept"):
        who = patient.alias(name)
        here, beyond = _cases(reach, who)
        asked = asked.join(who, who.c.id == patient_merge.c[f"{name}_id"])
        asked = asked.add_columns(here.label(f"{name}_here"), beyond.label(f"{name}_beyond"))
        seen.append(here)
    moved = sa.select(sa.func.count()).where(
        case.c.said_patient_id == patient_merge.c.gone_id, *within.placed(reach, case.c.place)
    )
    asked = asked.add_columns(moved.scalar_subquery().label("cases"))
    return asked if reach.everything else asked.where(sa.or_(*seen))


def _cases(reach: Reach, who: sa.FromClause) -> tuple[sa.Exists, sa.Exists]:
    """Whether a patient has cases within reach, and whether beyond it."""
    mine = case.c.patient_id == sa.func.coalesce(who.c.merged_into, who.c.id)
    here = sa.and_(sa.true(), *within.placed(reach, case.c.place))
    return sa.exists().where(mine, here), sa.exists().where(mine, sa.not_(here))


def _meant(reach: Reach, text: str) -> sa.Select[Any]:
    """The patients of an identifier, or of a name that begins so; names stand mostly in capitals."""
    here, beyond = _cases(reach, patient)
    known = sa.select(patient_identifier.c.patient_id).where(patient_identifier.c.value == text)
    named = (patient.c.family.istartswith(one, autoescape=True) for one in (text, text.upper()))
    shown = sa.or_(here, sa.not_(beyond))
    return sa.select(patient.c.id).where(sa.or_(patient.c.id.in_(known), *named), shown)


def _name(caller: Caller) -> str:
    return caller.actor.name or caller.actor.login


def _settle(conn: sa.Connection, lab: Lab, start: Iterable[int]) -> list[int]:
    """Derive anew whom the records around these are merged into, and whose their cases are; the cases that moved."""
    locked, (around, edges) = set[int](), _around(conn, start)
    while around != locked:  # what somebody merged while we waited for a lock counts
        locked = around
        conn.execute(sa.select(patient.c.id).where(patient.c.id.in_(locked)).order_by(patient.c.id).with_for_update())
        around, edges = _around(conn, start)
    into = _pointers(edges)
    moved: list[int] = []
    for number in sorted(around):
        root = _root(into, number)
        values = {"merged_into": root if root != number else None}
        conn.execute(sa.update(patient).where(patient.c.id == number).values(**values))
        mine = sa.update(case).where(case.c.said_patient_id == number, case.c.patient_id != root)
        moved += conn.execute(mine.values(patient_id=root, updated_at=lab.clock.now()).returning(case.c.id)).scalars()
    events.record_many(conn, "CaseChanged", [{"case": number} for number in sorted(moved)], clock=lab.clock)
    return sorted(moved)


def _around(conn: sa.Connection, start: Iterable[int]) -> tuple[set[int], list[Row]]:
    """All records that merges that hold tie to these, and those merges, newest first."""
    c, around, new = patient_merge.c, set(start), set(start)
    edges: dict[int, Row] = {}
    while new:
        touching = sa.or_(c.gone_id.in_(new), c.kept_id.in_(new))
        found = conn.execute(sa.select(patient_merge).where(touching, c.undone_at.is_(None))).all()
        edges |= {row.id: row for row in found}
        new = {number for row in found for number in (row.gone_id, row.kept_id)} - around
        around |= new
    names = {
        row.id: (row.identifier, row.issuer) for row in conn.execute(sa.select(patient).where(patient.c.id.in_(around)))
    }
    by_content = sorted(edges.values(), key=lambda row: (names[row.gone_id], names[row.kept_id]))
    return around, sorted(by_content, key=lambda row: row.said_at or row.merged_at, reverse=True)


def _pointers(edges: list[Row]) -> dict[int, int]:
    """Who is merged into whom: the newest word on each holds, and none that would close a circle of newer ones."""
    into: dict[int, int] = {}
    for row in edges:
        if row.gone_id not in into and _root(into, row.kept_id) != row.gone_id:
            into[row.gone_id] = row.kept_id
    return into


def _root(into: dict[int, int], number: int) -> int:
    while number in into:
        number = into[number]
    return number


def _enter(
    conn: sa.Connection,
    lab: Lab,
    caller: Caller | None,
    merge_id: int,
    gone: int,
    kept: int,
    moved: list[int],
    *,
    undone: bool,
) -> None:
    kept_row, gone_row = one(conn, kept), one(conn, gone)
    what: dict[str, Any] = {"patient_id": kept_row.identifier, "issuer": kept_row.issuer}
    what |= {"subject": gone_row.identifier, "detail": {"merge": merge_id, "cases": len(moved), "undone": undone}}
    entry = telling.entry(caller, "patient_merged", **what) if caller else Entry("system", "patient_merged", **what)
    ledger.record(conn, entry, lab.clock)
