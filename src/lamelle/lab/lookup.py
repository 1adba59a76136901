"""Rows of the laboratory, and studies of the archive, by what is known of them: for doors that search. Reads only.

No protocol here: a door turns its request into a Query, and rows into its answers. Every row is within reach. What rows
are known by is in sources.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from lamelle.access.model import Reach
from lamelle.archive import within
from lamelle.lab.asked import After, Begins, Key, Kind, Match, Named, Query, Span, Value
from lamelle.lab.records import case, report
from lamelle.lab.sources import SOURCES, Condition, Source, rows_of_versions

__all__ = [
    "After",
    "Begins",
    "Found",
    "Key",
    "Kind",
    "Match",
    "Named",
    "Query",
    "Span",
    "Value",
    "count",
    "listed",
    "versions",
]

Row = Any


@dataclass(frozen=True, slots=True)
class Found:
    """A row with its kind; the columns of its own table, and of its case and patient with a word before them."""

    kind: Kind
    row: Row

    @property
    def key(self) -> Key:
        """What it is asked for by; a report has the number of its case."""
        return Key(self.kind, self.row.case_id if self.kind is Kind.REPORT else self.row.id)


# -- asking -----------------------------------------------------------------------------------------------------------


def listed(conn: sa.Connection, reach: Reach, query: Query, now: datetime) -> list[Found]:
    """The rows of one page, in order."""
    found: list[Found] = []
    for rank, kind in enumerate(query.kinds):
        wanted = _conditions(kind, reach, query.matches, now)
        if wanted is None or (not query.by_change and len(found) >= query.limit):
            continue
        source = SOURCES[kind]
        begun = _after(source, rank, query)
        if begun is None:
            continue
        asked = source.rows.where(*wanted, *begun).order_by(*_order(source, query)).limit(query.limit)
        found += [Found(kind, row) for row in conn.execute(asked)]
    if query.by_change and len(query.kinds) > 1:
        found.sort(key=lambda one: (one.row.changed, query.kinds.index(one.kind), one.row.id))
        if query.newest_first:
            found.sort(key=lambda one: one.row.changed, reverse=True)
    return found[: query.limit]


def count(conn: sa.Connection, reach: Reach, query: Query, now: datetime, most: int | None = None) -> int:
    """How many rows there are; counting ends at `most`."""
    total = 0
    for kind in query.kinds:
        wanted = _conditions(kind, reach, query.matches, now)
        if wanted is None:
            continue
        rows = SOURCES[kind].rows.with_only_columns(SOURCES[kind].id).where(*wanted)
        rows = rows if most is None else rows.limit(most - total)
        total += conn.execute(sa.select(sa.func.count()).select_from(rows.subquery())).scalar_one()
        if most is not None and total >= most:
            break
    return total


def versions(conn: sa.Connection, reach: Reach, case_id: int) -> list[Row]:
    """The versions of a case's report that others may read, the newest first: drafts are their author's."""
    mine = report.c.case_id == case_id, report.c.state != "draft"
    asked = rows_of_versions().rows.where(*mine, *within.placed(reach, case.c.place))
    return list(conn.execute(asked.order_by(report.c.written_at.desc(), report.c.version.desc())))


def _conditions(kind: Kind, reach: Reach, matches: Sequence[Match], now: datetime) -> list[Condition] | None:
    source = SOURCES[kind]
    wanted = source.within(reach, now)
    for match in matches:
        field = source.fields.get(match.field)
        if field is None:
            return None
        wanted.append(sa.or_(sa.false(), *map(field, match.values)))
    return wanted


def _order(source: Source, query: Query) -> list[Any]:
    if not query.by_change:
        return [source.id]
    return [source.changed.desc() if query.newest_first else source.changed, source.id]


def _after(source: Source, rank: int, query: Query) -> list[Condition] | None:
    """What comes after the page before; None: nothing of this kind."""
    last = query.after
    if last is None or last.kind not in query.kinds:
        return []
    met = query.kinds.index(last.kind)
    further = sa.true() if rank > met else sa.false() if rank < met else source.id > last.id
    if not query.by_change or last.at is None:
        return None if rank < met else [further]
    beyond = source.changed < last.at if query.newest_first else source.changed > last.at
    return [sa.or_(beyond, sa.and_(source.changed == last.at, further))]
