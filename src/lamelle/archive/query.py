"""One matching language for QIDO-RS, C-FIND and the pages. Source: PS3.4 C.2.2.2.

No protocol here: doors turn their requests into a Query and a Page into their answers.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import sqlalchemy as sa

from lamelle.archive import conditions, facts, results
from lamelle.archive.catalogue import Level, instance, metadata, series, study, tally
from lamelle.archive.conditions import ORDER, Options, Path, Plan
from lamelle.archive.matching import Criterion
from lamelle.base.db import Database
from lamelle.base.errors import TooLarge

__all__ = ["Level", "Match", "Page", "Query", "search"]

SCAN_LIMIT = 200_000
"""Instances whose metadata one search may read when no column answers its keys."""
SCAN_BATCH = 200
COUNTED = {Level.STUDY: tally.c.studies, Level.SERIES: tally.c.series, Level.INSTANCE: tally.c.instances}


@dataclass(frozen=True, slots=True)
class Match:
    """One key: `path` of tags as eight upper-case hex digits, several to go through sequences; "" matches all."""

    path: tuple[str, ...]
    value: str


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked; a key may appear once in `matches`."""

    level: Level
    matches: tuple[Match, ...] = ()
    study_uid: str | None = None
    series_uid: str | None = None
    include: frozenset[str] | Literal["all"] = field(default_factory=frozenset)
    """Tags wanted besides the level's own; a path is joined by dots."""
    limit: int | None = None
    offset: int = 0
    fuzzy: bool = False
    """Person names match by the beginning of any word, accents aside."""
    empty_values: bool = False
    """A value of two quotation marks matches what is absent or empty."""
    multiple_values: bool = False
    """A backslash separates values of which one must match."""


@dataclass(frozen=True, slots=True)
class Page:
    """Results in a stable order, as DICOM JSON objects, and how many more there are after them."""

    items: list[dict[str, Any]]
    remaining: int


def search(db: Database, query: Query) -> Page:
    """What matches, newest study first.

    An attribute of a lower level is matched by the instances of the result. Names match whatever their case and
    accents, all else to the letter. Raises: Invalid("bad_value" | "duplicate_key"), TooLarge("query_too_broad").
    """
    with db.read() as conn:
        options = Options(query.fuzzy, query.empty_values, query.multiple_values)
        plan = conditions.plan(conn, query.level, [(match.path, match.value) for match in query.matches], options)
        if plan.nothing:
            return Page([], 0)
        ids, remaining = _scanned(conn, query, plan) if plan.rest else _selected(conn, query, plan)
        asked = frozenset(match.path[0] for match in query.matches)
        include: frozenset[str] | None = None
        if query.include != "all":
            include = asked | {path.partition(".")[0] for path in query.include}
        return Page(results.load(conn, query.level, ids, include, parents=query.study_uid is None), remaining)


def _selected(conn: sa.Connection, query: Query, plan: Plan) -> tuple[list[int], int]:
    """The ids of a page that the conditions give by themselves."""
    base = conditions.selected(query.level, plan, query.study_uid, query.series_uid)
    page = base.order_by(*ORDER[query.level]).offset(query.offset)
    if query.limit is not None:
        page = page.limit(query.limit + 1)
    ids = list(conn.execute(page).scalars())
    if query.limit is None or len(ids) <= query.limit:
        return ids, 0
    ids = ids[: query.limit]
    return ids, _count(conn, query, plan, base) - query.offset - len(ids)


def _count(conn: sa.Connection, query: Query, plan: Plan, base: sa.Select[Any]) -> int:
    if plan.counted is not None and query.study_uid is None and query.series_uid is None:
        total = sa.select(sa.func.coalesce(sa.func.sum(COUNTED[query.level]), 0)).where(*plan.counted)
    else:
        total = base.with_only_columns(sa.func.count())
    return int(conn.execute(total).scalar_one())


def _scanned(conn: sa.Connection, query: Query, plan: Plan) -> tuple[list[int], int]:
    """The ids of a page when metadata must be read: every candidate is, but only the page's ids are kept."""
    ids: list[int] = []
    found = 0
    for number in _matching(conn, query, plan):
        if found >= query.offset and (query.limit is None or len(ids) < query.limit):
            ids.append(number)
        found += 1
    return ids, max(0, found - query.offset - len(ids))


def _matching(conn: sa.Connection, query: Query, plan: Plan) -> Iterator[int]:
    """The ids of results one of whose instances matches all of the rest, in order."""
    level = query.level
    owner = {Level.STUDY: study.c.id, Level.SERIES: series.c.id, Level.INSTANCE: instance.c.id}[level]
    base = conditions.selected(level, plan, query.study_uid, query.series_uid).subquery()
    rows = sa.select(owner.label("owner"), metadata.c.json).join_from(study, series).join(instance).join(metadata)
    rows = rows.where(owner.in_(sa.select(base.c.id)), *_lower(level, plan))
    if all(results.level_of(path[0]) <= _RANK[level] for path, _ in plan.rest) and level is not Level.INSTANCE:
        lead = study.c.lead if level is Level.STUDY else series.c.lead
        rows = rows.where(instance.c.uid == lead)  # all instances say the same: one is enough
    rows = rows.order_by(*ORDER[level], instance.c.id)
    matched: int | None = None
    stream = conn.execution_options(stream_results=True, max_row_buffer=SCAN_BATCH).execute(rows)
    for count, (number, packed) in enumerate(stream):
        if count >= SCAN_LIMIT:
            stream.close()
            raise TooLarge(
                "query_too_broad", f"no index covers a key of this query; it reads over {SCAN_LIMIT} instances"
            )
        if number != matched and _fits(packed, plan.rest):
            matched = number
            yield number


_RANK = {Level.STUDY: 0, Level.SERIES: 1, Level.INSTANCE: 2}


def _lower(level: Level, plan: Plan) -> list[sa.ColumnElement[bool]]:
    """Conditions on lower levels hold for the same instance as the rest."""
    return [condition for below in Level if _RANK[below] > _RANK[level] for condition in plan.where[below]]


def _fits(packed: bytes, rest: list[tuple[Path, Criterion]]) -> bool:
    data = zlib.decompress(packed)
    dataset = facts.head(data) if all(path[0] < facts.PER_FRAME for path, _ in rest) else facts.whole(data)
    return all(criterion.matches(list(facts.texts(dataset, path))) for path, criterion in rest)
