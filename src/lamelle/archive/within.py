"""What a reach lets through, as SQL: the one place where rows are kept from those who may not see them.

A reach of everything adds no condition. Who reaches what is decided in `access.decide`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from lamelle.access import shares
from lamelle.access.model import Reach, Resource
from lamelle.access.tables import share
from lamelle.archive.catalogue import instance, study, tombstone
from lamelle.archive.model import InstanceRef
from lamelle.base.clock import Clock, SystemClock

Condition = sa.ColumnElement[bool]

CLOCK: Final[Clock] = SystemClock()
"""By which shares end, where a caller names no other."""
LABELS: Final = frozenset({"LABEL", "OVERVIEW"})
"""Values of Image Type that show the label of a slide: an overview is a picture of the whole glass."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """A reach as a search uses it again and again; made by `bounds`."""

    reach: Reach
    now: datetime
    shared: str = ""
    """The ids of studies within reach that lie in none of its places, as a JSON list; empty: there are none."""


def bounds(conn: sa.Connection, reach: Reach, now: datetime) -> Bounds:
    """Look up what is shared with the reach's guests, once for all statements of a search."""
    if reach.everything or not reach.guests:
        return Bounds(reach, now)
    together = sa.func.json_group_array if conn.dialect.name == "sqlite" else sa.func.json_agg
    beyond = sa.select(study.c.id).where(study.c.uid.in_(shares.within(reach, now)))
    found = beyond.where(_unindexed(conn, study.c.place).not_in(sorted(reach.places))).subquery()
    shared = conn.execute(sa.select(sa.cast(together(found.c.id), sa.Text))).scalar()
    return Bounds(reach, now, "" if shared in (None, "[]") else str(shared))


def studies(conn: sa.Connection, bound: Bounds, source: sa.FromClause = study) -> list[Condition]:
    """Of many studies those within reach; `source` has their ids and places."""
    reach = bound.reach
    if reach.everything:
        return []
    parts: list[Condition] = []
    if reach.places:
        parts.append(_unindexed(conn, source.c.place).in_(sorted(reach.places)))
    if bound.shared:
        parts.append(source.c.id.in_(listed(conn, bound.shared)))
    return [sa.or_(sa.false(), *parts)]


def beyond(conn: sa.Connection, bound: Bounds) -> list[Condition]:
    """Of many studies those within reach only because they are shared; empty where there are none."""
    return [study.c.id.in_(listed(conn, bound.shared))] if bound.shared else []


def by_index(conn: sa.Connection, bound: Bounds) -> sa.Select[Any]:
    """The ids of all studies within reach."""
    by_place = sa.select(study.c.id).where(study.c.place.in_(sorted(bound.reach.places)))
    if not bound.shared:
        return by_place
    by_share = listed(conn, bound.shared)
    return sa.select(sa.union_all(by_place, by_share).subquery().c.id) if bound.reach.places else by_share


def listed(conn: sa.Connection, ids: str) -> sa.Select[Any]:
    """The numbers of a JSON list as a table of one parameter, however many."""
    text = sa.bindparam(None, ids, sa.Text)
    if conn.dialect.name == "sqlite":
        return sa.select(sa.func.json_each(text).table_valued("value").c.value.label("id"))
    numbers = sa.func.json_array_elements_text(sa.cast(text, sa.JSON)).column_valued()
    return sa.select(sa.cast(numbers, sa.BigInteger).label("id"))


def one(reach: Reach, now: datetime) -> list[Condition]:
    """Of a study asked for by name: whether it is within reach."""
    return _owned(reach, now, study.c.place, study.c.uid)


def buried(reach: Reach, now: datetime) -> list[Condition]:
    """Of deleted instances those that were within reach."""
    return _owned(reach, now, tombstone.c.place, tombstone.c.study_uid)


def _owned(reach: Reach, now: datetime, place: sa.Column[int], uid: sa.Column[str]) -> list[Condition]:
    if reach.everything:
        return []
    parts: list[Condition] = [place.in_(sorted(reach.places))] if reach.places else []
    if reach.guests:
        parts.append(shares.within(reach, now).where(share.c.study_uid == uid).exists())
    return [sa.or_(sa.false(), *parts)]


def holds(conn: sa.Connection, reach: Reach, study_uid: str, place: int, now: datetime) -> bool:
    """Whether a study of that place is within reach."""
    if reach.everything or place in reach.places:
        return True
    return bool(reach.guests) and reach.holds(Resource(place, shares.guests(conn, study_uid, now)))


def placed(reach: Reach, place: sa.Column[int]) -> list[Condition]:
    """Of what is no study, and so never shared, that of places within reach."""
    return [] if reach.everything else [place.in_(sorted(reach.places))]


def shown(reach: Reach) -> list[Condition]:
    """Of instances those that may be seen: none that shows a label, for who may not see labels."""
    return [] if reach.labels else [sa.not_(_labelled(instance))]


def counted(reach: Reach, table: sa.Table) -> sa.ColumnElement[int]:
    """How many instances a row of `study` or `series` has that may be seen."""
    if reach.labels:
        return table.c.instance_count
    hidden = instance.alias("hidden")
    here = hidden.c[f"{table.name}_id"] == table.c.id
    return table.c.instance_count - sa.select(sa.func.count()).where(here, _labelled(hidden)).scalar_subquery()


def shows(reach: Reach, ref: InstanceRef) -> bool:
    """The same of one instance."""
    return reach.labels or LABELS.isdisjoint(ref.image_type)


def lets(reach: Reach, ref: InstanceRef) -> bool:
    """Whether an instance may be seen and is within reach by its place alone; if not, the database must be asked."""
    return (reach.everything or ref.place in reach.places) and shows(reach, ref)


def _labelled(table: sa.FromClause) -> Condition:
    values = table.c.image_type
    return sa.or_(*(sa.func.replace(values, f"\\{value}\\", "") != values for value in sorted(LABELS)))


def _unindexed(conn: sa.Connection, place: sa.ColumnElement[int]) -> sa.ColumnElement[int]:
    """The place, not offered to SQLite as a way to the rows: it takes any index for good that is asked for equality."""
    return place + sa.literal_column("0") if conn.dialect.name == "sqlite" else place
