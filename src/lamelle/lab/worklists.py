"""Worklists: which cases a view shows, in which order, how many there are and which changed since one last looked.

Cases of places within reach and no others: nothing of a case is shared, and a reach of guests alone sees none. What
comes first is `priorities`', whose a case is `assignment`'s.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Literal, get_args

import sqlalchemy as sa

from lamelle.access import places
from lamelle.access.model import Caller, Reach
from lamelle.archive import within
from lamelle.base.db import insert
from lamelle.base.errors import Conflict, Invalid, NotFound
from lamelle.lab import assignment
from lamelle.lab.records import case, patient, patient_identifier, report, slide, technique
from lamelle.lab.room import Lab
from lamelle.lab.working import ASKED, DONE, OPEN, UNSIGNED, case_seen, said, saved_view

OpenView = Literal[
    "mine",
    "team",
    "urgent",
    "frozen",
    "waiting_slides",
    "waiting_techniques",
    "to_sign",
    "unassigned",
    "all",
]
"""Views that are counted; `all` is what is not done."""
View = OpenView | Literal["done"]
AnyView = View | Literal[""]
"""With "" every case, whatever its state, for who searches."""
Sort = Literal["priority", "oldest", "newest", "changed", "validated"]
Condition = sa.ColumnElement[bool]

COUNTED: Final[tuple[OpenView, ...]] = get_args(OpenView)
ENOUGH: Final = 1000
"""Counting what is done stops here: nobody reads on, and a hospital has hundreds of thousands."""
MERGED: Final = 200
"""Results taken from each way of searching; a longer word narrows them."""
MOST_VIEWS: Final = 100
LONGEST: Final = 2000

_ORDERS: Final[Mapping[str, tuple[sa.ColumnElement[Any], ...]]] = MappingProxyType(
    {
        "priority": (case.c.priority.desc(), case.c.id),
        "oldest": (case.c.created_at, case.c.id),
        "newest": (case.c.created_at.desc(), case.c.id.desc()),
        "changed": (case.c.updated_at.desc(), case.c.id.desc()),
        "validated": (case.c.validated_at.desc(), case.c.id.desc()),
    }
)
_OPEN: Final = said("pathology_case", OPEN)
_DONE: Final = said("pathology_case", DONE)
_OF_OPEN: Final = ("priority", "oldest", "newest", "changed")
_OF_DONE: Final = ("validated", "newest", "oldest")
_OF_ALL: Final = ("newest", "oldest")
"""Orders of each kind of view, its own first: those that an index has."""


@dataclass(frozen=True, slots=True)
class Looker:
    """Who looks at worklists: whose cases are theirs, and which are their team's."""

    id: int
    team: Reach
    """The departments they report or work in."""
    specialties: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a list is to show; what is "" or None narrows nothing. What cannot be sorted so is sorted its own way."""

    view: AnyView = ""
    q: str = ""
    specialty: str = ""
    department: str = ""
    urgency: str = ""
    state: str = ""
    assigned: int | None = None
    """0: nobody's."""
    sort: Sort | Literal[""] = ""
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Count:
    """How many cases a view has, and how many of them changed since they were last opened by who looks."""

    view: View
    count: int
    unread: int
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Found:
    """Cases of one page, in order; `total` is what is known to be found, and without `exact` there are more."""

    ids: list[int] = field(default_factory=list)
    total: int = 0
    exact: bool = True


def looker(conn: sa.Connection, caller: Caller) -> Looker:
    """Who looks. Of the installation itself everything is the team's."""
    if caller.actor.kind == "system":
        return Looker(caller.actor.id, Reach(everything=True))
    held = caller.actor.memberships
    everywhere = any(one.everywhere for one in held)
    team = Reach(everywhere, frozenset[int]().union(*(one.department for one in held)))
    return Looker(caller.actor.id, team, assignment.specialties(conn, [caller.actor.id]).get(caller.actor.id, ()))


# -- the list --------------------------------------------------------------------------------------------------------


def find(conn: sa.Connection, reach: Reach, who: Looker, asked: Asked) -> Found:
    """The cases of one page."""
    if asked.q.strip():
        return _searched(conn, reach, who, asked)
    if asked.view in {"", "done"}:
        return _walked(conn, reach, who, asked)
    wanted = [*_conditions(who, asked), *within.placed(reach, case.c.place)]
    order = _ORDERS[asked.sort if asked.sort in _OF_OPEN else _OF_OPEN[0]]
    page = sa.select(case.c.id).where(*wanted).order_by(*order).limit(asked.limit).offset(asked.offset)
    ids = list(conn.execute(page).scalars())
    total = conn.execute(sa.select(sa.func.count()).select_from(case).where(*wanted)).scalar_one()
    return Found(ids, total)


def _walked(conn: sa.Connection, reach: Reach, who: Looker, asked: Asked) -> Found:
    """Of a view without an end: each place's cases in the order of their index, then those of all places together."""
    offered = _OF_DONE if asked.view == "done" else _OF_ALL
    named = asked.sort if asked.sort in offered else offered[0]
    column, down = (case.c.validated_at if named == "validated" else case.c.created_at), named != "oldest"
    wanted, upto = _conditions(who, asked), asked.offset + asked.limit
    found: list[tuple[Any, int]] = []
    counted = 0
    for place in _places(conn, reach):
        here = [*wanted, case.c.place == place]
        order = (column.desc(), case.c.id.desc()) if down else (column, case.c.id)
        found += [
            (row[1], row[0])
            for row in conn.execute(sa.select(case.c.id, column).where(*here).order_by(*order).limit(upto))
        ]
        if counted <= ENOUGH:
            some = sa.select(sa.literal(1)).select_from(case).where(*here).limit(ENOUGH + 1).subquery()
            counted += conn.execute(sa.select(sa.func.count()).select_from(some)).scalar_one()
    found.sort(reverse=down)
    ids = [number for _, number in found[asked.offset : upto]]
    return Found(ids, max(min(counted, ENOUGH), asked.offset + len(ids)), counted <= ENOUGH)


def _searched(conn: sa.Connection, reach: Reach, who: Looker, asked: Asked) -> Found:
    """Cases whose accession number, slide, patient's identifier or name begins with the word."""
    wanted = [*_conditions(who, asked), *within.placed(reach, case.c.place)]
    ids: set[int] = set()
    exact = True
    for way in _ways(asked.q.strip()[:LONGEST]):
        found = list(conn.execute(way.where(*wanted).limit(MERGED)).scalars())
        ids.update(found)
        exact = exact and len(found) < MERGED
    order = _ORDERS[asked.sort or "newest"]
    page = sa.select(case.c.id).where(case.c.id.in_(ids)).order_by(*order).limit(asked.limit).offset(asked.offset)
    return Found(list(conn.execute(page).scalars()) if ids else [], len(ids), exact)


def _ways(word: str) -> Iterator[sa.Select[Any]]:
    """Each way a word can lead to cases; every one begins at an index."""
    of_patient = sa.select(case.c.id).join(patient, patient.c.id == case.c.patient_id)
    of_slide = sa.select(case.c.id).join(slide, slide.c.case_id == case.c.id)
    by_identifier = of_patient.join(patient_identifier, patient_identifier.c.patient_id == patient.c.id)
    yield by_identifier.where(patient_identifier.c.value == word)
    given = word.partition(" ")[2].strip()
    named = [patient.c.given.ilike(_like(text), escape="\\") for text in (given, given.upper())]
    for text in dict.fromkeys((word, word.upper())):  # what is kept stands mostly in capitals
        yield sa.select(case.c.id).where(_begins(case.c.accession, text))
        yield of_slide.where(_begins(slide.c.identifier, text))
        yield of_patient.where(_begins(patient.c.identifier, text))
        yield of_patient.where(_begins(patient.c.family, text.partition(" ")[0]), sa.or_(*named))


def _begins(column: sa.Column[str], word: str) -> Condition:
    """Byte order is the order of both engines: a prefix is a range."""
    return sa.and_(column >= word, column < word + "\U0010ffff")


def _like(word: str) -> str:
    escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"{escaped}%"


def _places(conn: sa.Connection, reach: Reach) -> list[int]:
    return [one.id for one in places.tree(conn)] if reach.everything else sorted(reach.places)


# -- what a view is ---------------------------------------------------------------------------------------------------


def _conditions(who: Looker, asked: Asked) -> list[Condition]:
    """The view and the filters."""
    found = [] if asked.view == "" else [_DONE if asked.view == "done" else _OPEN]
    found += _view(who, asked.view)
    found += [
        column == value
        for column, value in (
            (case.c.specialty, asked.specialty),
            (case.c.department, asked.department),
            (case.c.urgency, asked.urgency),
            (case.c.state, asked.state),
        )
        if value
    ]
    if asked.assigned is not None:
        found.append(case.c.assigned_to == asked.assigned if asked.assigned else case.c.assigned_to.is_(None))
    return found


def _view(who: Looker, view: AnyView) -> list[Condition]:
    """What makes an open case one of the view."""
    if view == "mine":
        return [case.c.assigned_to == who.id]
    if view in {"team", "to_sign"}:
        of_team = within.placed(who.team, case.c.place)
        if who.specialties:
            of_team.append(case.c.specialty.in_(["", *who.specialties]))
        return of_team if view == "team" else [*of_team, case.c.id.in_(_unsigned())]
    if view == "waiting_techniques":
        return [case.c.id.in_(_asked())]
    simple: dict[AnyView, Condition] = {
        "urgent": case.c.urgency.in_(["urgent", "stat"]),
        "frozen": case.c.frozen,
        "waiting_slides": sa.or_(case.c.waiting_count > 0, case.c.state == "registered"),
        "unassigned": case.c.assigned_to.is_(None),
    }
    return [simple[view]] if view in simple else []


def _asked() -> sa.Select[Any]:
    """Cases with a technique that the laboratory has not answered; few, and in an index of their own."""
    return sa.select(technique.c.case_id).where(said("technique", ASKED))


def _unsigned() -> sa.Select[Any]:
    """Cases with a report that nobody has signed."""
    return sa.select(report.c.case_id).where(said("report", UNSIGNED))


# -- counts ----------------------------------------------------------------------------------------------------------


def counts(conn: sa.Connection, reach: Reach, who: Looker) -> list[Count]:
    """Every view with its numbers: one walk over what is not done."""
    columns: list[sa.ColumnElement[int]] = []
    for view in COUNTED:
        shown = sa.and_(sa.true(), *_view(who, view))
        columns += [_how_many(shown), _how_many(sa.and_(shown, _changed()))]
    seen = sa.and_(case_seen.c.actor_id == who.id, case_seen.c.case_id == case.c.id)
    asked = sa.select(*columns).select_from(case.outerjoin(case_seen, seen))
    numbers = conn.execute(asked.where(_OPEN, *within.placed(reach, case.c.place))).one()
    found = [Count(view, numbers[2 * at] or 0, numbers[2 * at + 1] or 0) for at, view in enumerate(COUNTED)]
    done = 0
    for place in _places(conn, reach):
        if done <= ENOUGH:
            some = sa.select(sa.literal(1)).select_from(case).where(_DONE, case.c.place == place)
            done += conn.execute(sa.select(sa.func.count()).select_from(some.limit(ENOUGH + 1).subquery())).scalar_one()
    return [*found, Count("done", min(done, ENOUGH), 0, done <= ENOUGH)]


def choices(conn: sa.Connection, reach: Reach) -> tuple[list[str], list[str]]:
    """Specialties and departments of what is not done, to filter by."""
    here = [_OPEN, *within.placed(reach, case.c.place)]
    names = [
        sorted(filter(None, conn.execute(sa.select(column).where(*here).group_by(column)).scalars()))
        for column in (case.c.specialty, case.c.department)
    ]
    return names[0], names[1]


def _how_many(condition: Condition) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((condition, 1), else_=0))


def _changed() -> Condition:
    return sa.or_(case_seen.c.seen_at.is_(None), case_seen.c.seen_at < case.c.updated_at)


# -- what somebody has seen --------------------------------------------------------------------------------------------


def unread(conn: sa.Connection, who: Looker, ids: Sequence[int]) -> set[int]:
    """Which of these changed since they were last open; of what is done none."""
    seen = sa.and_(case_seen.c.actor_id == who.id, case_seen.c.case_id == case.c.id)
    asked = sa.select(case.c.id).select_from(case.outerjoin(case_seen, seen))
    return set(conn.execute(asked.where(case.c.id.in_(ids), _OPEN, _changed())).scalars())


def seen(lab: Lab, who: int, case_id: int) -> None:
    """Somebody has the case before them as it is now."""
    with lab.db.write() as conn:
        row = {"actor_id": who, "case_id": case_id, "seen_at": lab.clock.now()}
        putting = insert(conn, case_seen).values(row)
        conn.execute(
            putting.on_conflict_do_update(index_elements=["actor_id", "case_id"], set_={"seen_at": row["seen_at"]})
        )


# -- views somebody keeps ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Saved:
    """A view somebody keeps."""

    id: int
    name: str
    query: str


def saved(conn: sa.Connection, who: int) -> list[Saved]:
    """The views somebody keeps, by name."""
    asked = sa.select(saved_view.c.id, saved_view.c.name, saved_view.c.query).where(saved_view.c.actor_id == who)
    return [Saved(*row) for row in conn.execute(asked.order_by(saved_view.c.name))]


def save(lab: Lab, who: int, name: str, query: str) -> int:
    """Keep a view; one of the same name is replaced. Its number.

    Raises: Invalid("bad_view"), Conflict("too_many_views").
    """
    name = name.strip()
    if not name or len(name) > 100 or len(query) > LONGEST:
        raise Invalid("bad_view", f"a view has a name of 100 characters at most, and {LONGEST} of a query")
    with lab.db.write() as conn:
        others = sa.select(sa.func.count()).where(saved_view.c.actor_id == who, saved_view.c.name != name)
        if conn.execute(others).scalar_one() >= MOST_VIEWS:
            raise Conflict("too_many_views", f"somebody keeps {MOST_VIEWS} views at most")
        putting = insert(conn, saved_view).values(actor_id=who, name=name, query=query)
        putting = putting.on_conflict_do_update(index_elements=["actor_id", "name"], set_={"query": query})
        return int(conn.execute(putting.returning(saved_view.c.id)).scalar_one())


def drop(lab: Lab, who: int, number: int) -> None:
    """Keep a view no longer. Raises: NotFound("no_such_view"), also for one of somebody else."""
    with lab.db.write() as conn:
        gone = sa.delete(saved_view).where(saved_view.c.id == number, saved_view.c.actor_id == who)
        if not conn.execute(gone).rowcount:
            raise NotFound("no_such_view", f"you keep no view {number}")
