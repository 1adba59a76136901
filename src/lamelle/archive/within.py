"""What a reach lets through, as SQL: the one place where rows are kept from those who may not see them.

A reach of everything adds no condition. Who reaches what is decided in `access.decide`.
"""

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


def studies(conn: sa.Connection, reach: Reach, now: datetime, source: sa.FromClause = study) -> list[Condition]:
    """Of many studies those within reach; `source` has their ids and places."""
    if reach.everything:
        return []
    parts: list[Condition] = []
    if reach.places:
        parts.append(_unindexed(conn, source.c.place).in_(sorted(reach.places)))
    if reach.guests:
        parts.append(source.c.id.in_(shared(reach, now)))
    return [sa.or_(sa.false(), *parts)]


def shared(reach: Reach, now: datetime) -> sa.Select[Any]:
    """The ids of the studies shared with the reach's guests."""
    return sa.select(study.c.id).where(study.c.uid.in_(shares.within(reach, now))).correlate(None)


def beyond(conn: sa.Connection, reach: Reach, now: datetime) -> list[Condition]:
    """Of many studies those within reach only because they are shared."""
    return [study.c.id.in_(shared(reach, now)), _unindexed(conn, study.c.place).not_in(sorted(reach.places))]


def found_by_reach(reach: Reach, now: datetime) -> sa.Select[Any]:
    """The ids of all studies within reach, by index."""
    by_place = sa.select(study.c.id).where(study.c.place.in_(sorted(reach.places)))
    if not reach.guests:
        return by_place
    by_share = sa.select(study.c.id).where(study.c.uid.in_(shares.within(reach, now)))
    return sa.select(sa.union(by_place, by_share).subquery().c.id) if reach.places else by_share


def narrowed(conn: sa.Connection, reach: Reach, now: datetime) -> Reach:
    """The same reach without its guests when nothing is shared with them, which costs less to search with."""
    if reach.everything or not reach.guests:
        return reach
    if conn.execute(shares.within(reach, now).limit(1)).first() is not None:
        return reach
    return Reach(False, reach.places, labels=reach.labels)


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
