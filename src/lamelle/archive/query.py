"""One matching language for QIDO-RS, C-FIND and the pages. Source: PS3.4 C.2.2.2.

No protocol here: doors turn their requests into a Query and a Page into their answers.
"""

import json
import zlib
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import sqlalchemy as sa

from lamelle.access.model import Reach
from lamelle.archive import conditions, facts, results, within
from lamelle.archive.catalogue import Level, instance, metadata, series, study
from lamelle.archive.conditions import ORDER, Counted, Options, Path, Plan
from lamelle.archive.drivers import Driver, Rank
from lamelle.archive.matching import Criterion
from lamelle.archive.results import Item
from lamelle.archive.within import Bounds
from lamelle.base.clock import Clock
from lamelle.base.db import Database
from lamelle.base.errors import TooLarge

__all__ = ["Level", "Match", "Page", "Query", "found", "search"]

SCAN_LIMIT = 200_000
"""Instances whose metadata one search may read when no column answers its keys."""
SCAN_BATCH = 200
CHUNK = 500
"""Results that `found` reads at a time."""
SUMS = {Level.STUDY: "studies", Level.SERIES: "series", Level.INSTANCE: "instances"}
COUNTED = 10_000
"""Results after the page that are counted, of few studies or in a small archive; there may be more."""
FEW = 2_000
"""Studies one key may find to be looked at one by one; more are met soon when all are walked from the newest."""
WALKS = (2_000, 20_000)
"""Studies walked before the database is left to find another way."""
FURTHER = 25
"""Results after the page looked for where counting all would cost more than the page: there are at least so many."""
ALONE = 50_000
"""Studies read in the index of the one key asked for, when the first walk does not fill the page."""
LEAST = 4
"""Steps for each result wanted, or a walk is not begun."""
SAMPLE = 8
"""Results of the first walk by which keys are known to be too frequent to look for few."""


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
    date_times: bool = False
    """A range of dates and one of times together mean from one moment to another, not these hours of each day."""


@dataclass(frozen=True, slots=True)
class Page:
    """Results in a stable order, and how many more there are after them."""

    found: list[Item]
    remaining: int
    exact: bool = True
    """Whether there are no more than `remaining`; there are never less."""

    @property
    def items(self) -> list[dict[str, Any]]:
        """The results as DICOM JSON objects."""
        return [json.loads(item.json) for item in self.found]


@dataclass(frozen=True, slots=True)
class Found:
    """The row numbers of a page, and what comes after them."""

    ids: list[int]
    remaining: int
    exact: bool = True


def search(
    db: Database, reach: Reach, query: Query, *, scan_limit: int = SCAN_LIMIT, clock: Clock = within.CLOCK
) -> Page:
    """What matches within reach, newest study first.

    An attribute of a lower level is matched by the instances of the result. Names match whatever their case and
    accents, all else to the letter. `scan_limit`: instances whose metadata may be read when no column answers a key.
    Raises: Invalid("bad_value" | "duplicate_key"), TooLarge("query_too_broad").
    """
    with db.read() as conn:
        listed = listing(conn, reach, query, scan_limit, clock)
        return Page(_loaded(conn, reach, query, listed.ids), listed.remaining, listed.exact)


def found(
    db: Database, reach: Reach, query: Query, *, scan_limit: int = SCAN_LIMIT, clock: Clock = within.CLOCK
) -> Iterator[dict[str, Any]]:
    """The items of `search` one by one, however many: eight bytes are kept of each, and no transaction between chunks.

    The results and their order are those of the call; what is deleted before its turn is left out. Raises: as `search`,
    at the call.
    """
    with db.read() as conn:
        ids = array("q", listing(conn, reach, query, scan_limit, clock).ids)
    chunks = (_chunk(db, reach, query, ids[at : at + CHUNK]) for at in range(0, len(ids), CHUNK))
    return (json.loads(item.json) for chunk in chunks for item in chunk)


def _chunk(db: Database, reach: Reach, query: Query, ids: Sequence[int]) -> list[Item]:
    with db.read() as conn:
        return _loaded(conn, reach, query, ids)


def listing(conn: sa.Connection, reach: Reach, query: Query, scan_limit: int, clock: Clock) -> Found:
    """The rows of the results, in order. Raises: as `search`."""
    bounds = within.bounds(conn, reach, clock.now())
    options = Options(query.fuzzy, query.empty_values, query.multiple_values, query.date_times)
    plan = conditions.plan(conn, query.level, [(match.path, match.value) for match in query.matches], options, bounds)
    if plan.nothing:
        return Found([], 0)
    return _scanned(conn, query, plan, scan_limit) if plan.rest else _selected(conn, query, plan, options, bounds)


def _loaded(conn: sa.Connection, reach: Reach, query: Query, ids: Sequence[int]) -> list[Item]:
    include: frozenset[str] | None = None
    if query.include != "all":
        asked = frozenset(match.path[0] for match in query.matches)
        include = asked | {path.partition(".")[0] for path in query.include}
    return results.load(conn, reach, query.level, ids, include, parents=query.study_uid is None)


def _selected(conn: sa.Connection, query: Query, plan: Plan, options: Options, bounds: Bounds) -> Found:
    """The ids of a page that the conditions give by themselves."""
    total = _total(conn, query, plan)
    if total == 0:
        return Found([], 0)
    days_only = total is not None and plan.counted == Counted(plan.counted.days if plan.counted else None)
    if query.study_uid is None and query.series_uid is None and not (days_only and query.level is Level.STUDY):
        found = _cheaper(conn, query, plan, options, bounds, total)
        if found is not None:
            return found
    base = conditions.selected(query.level, plan, query.study_uid, query.series_uid)
    page = base.order_by(*ORDER[query.level]).offset(query.offset)
    if query.limit is None:
        return Found(list(conn.execute(page).scalars()), 0)
    further = 0 if total is not None else FURTHER if _broad(conn, query) else COUNTED
    ids = list(conn.execute(page.limit(query.limit + further)).scalars())
    more = len(ids) - query.limit
    if total is not None:
        return Found(ids, max(0, total - query.offset - query.limit))
    return Found(ids[: query.limit], max(0, more), exact=more < further)


def _broad(conn: sa.Connection, query: Query) -> bool:
    """Whether counting what the database finds its own way may take long."""
    if query.study_uid is not None or query.series_uid is not None:
        return False
    return int(conn.execute(Counted().sums(SUMS[query.level])).scalar_one()) > WALKS[-1]


def _cheaper(
    conn: sa.Connection, query: Query, plan: Plan, options: Options, bounds: Bounds, total: int | None
) -> Found | None:
    """The ids of a page of few studies, or of a walk; None when neither finds them. What costs least is tried first."""
    drivers = sorted(plan.drivers, key=lambda driver: driver.rank)
    cheap = [driver for driver in drivers if driver.rank < Rank.COSTLY]
    if total is None:  # else a walk is as exact
        few = _few(conn, cheap)
        if few is not None:
            return _among(conn, query, plan, few)
    short, *long = WALKS
    walk = _Walk(conn, query, plan, options, bounds, total)
    if walk.finds(short):
        return walk.page()
    if _alone(query, plan):
        return _by_one_key(conn, query, plan)
    if len(walk.ids) < SAMPLE:
        few = _few(conn, drivers if total is not None else drivers[len(cheap) :])
        if few is not None:
            return _among(conn, query, plan, few)
    return walk.page() if any(walk.finds(steps) for steps in long) else None


def _alone(query: Query, plan: Plan) -> bool:
    """Whether the beginning of one value is all that is asked: its index holds the order of results too."""
    ranks = [driver.rank for driver in plan.drivers if driver.rank is not Rank.REACH]
    keys = ranks == [Rank.BEGINNING] and not any(plan.others.values())
    where = [len(plan.where[level]) for level in Level] == [1, 0, 0] and not plan.words
    return keys and where and query.level is Level.STUDY


def _by_one_key(conn: sa.Connection, query: Query, plan: Plan) -> Found | None:
    """The ids of a page, and all counted, from the index of a key alone; None when it finds very many."""
    rows = conditions.selected(Level.STUDY, plan, None, None)
    total = int(conn.execute(sa.select(sa.func.count()).select_from(rows.limit(ALONE + 1).subquery())).scalar_one())
    if total > ALONE:
        return None
    day = study.c.study_date.concat("")  # no column, so that the order of results is not an offer to follow
    page = rows.order_by(day.desc(), study.c.study_time.desc(), study.c.id.desc())
    ids = list(conn.execute(page.offset(query.offset).limit(query.limit)).scalars())
    return Found(ids, max(0, total - query.offset - len(ids)))


def _total(conn: sa.Connection, query: Query, plan: Plan) -> int | None:
    """How many there are by the tally; None when it can't tell."""
    if plan.counted is None or query.limit is None or query.study_uid is not None or query.series_uid is not None:
        return None
    total = int(conn.execute(plan.counted.sums(SUMS[query.level])).scalar_one())
    if plan.beyond:
        shared = conditions.selected(query.level, replace(plan, within=plan.beyond), None, None).subquery()
        total += int(conn.execute(sa.select(sa.func.count()).select_from(shared)).scalar_one())
    return total


def _few(conn: sa.Connection, drivers: Sequence[Driver]) -> str | None:
    """The studies that the first rare key lets through, as a JSON list; None when every key has many."""
    together = sa.func.json_group_array if conn.dialect.name == "sqlite" else sa.func.json_agg
    for driver in drivers:
        select = driver.studies()
        if select is None:
            continue
        found = select.limit(FEW + 1).subquery()
        listed = sa.cast(together(found.c[0]), sa.Text)  # the numbers never become Python's: there may be thousands
        count, ids = conn.execute(sa.select(sa.func.count(), listed).select_from(found)).one()
        if count <= FEW:
            return str(ids) if count else "[]"
    return None


def _among(conn: sa.Connection, query: Query, plan: Plan, few: str) -> Found:
    """The ids of a page, of few studies."""
    if few == "[]":
        return Found([], 0)
    base = conditions.selected(query.level, plan, None, None, by_row=True)
    rows = base.where(study.c.id.in_(within.listed(conn, few)))
    if query.level is Level.STUDY:  # cut off from what is sorted: no index in that order is then an offer to follow
        rows = rows.with_only_columns(study.c.id, study.c.study_date, study.c.study_time).limit(FEW + 1)
        inner = rows.subquery()
        newest = inner.c.study_date.desc(), inner.c.study_time.desc(), inner.c.id.desc()
        page = sa.select(inner.c.id, sa.func.count().over()).order_by(*newest).offset(query.offset)
        if query.limit is not None:
            page = page.limit(max(1, query.limit))
        found = conn.execute(page).all()
        ids = [number for number, _ in found][: query.limit]
        return Found(ids, found[0][1] - query.offset - len(ids) if found else 0)
    rows = rows.order_by(*ORDER[query.level])
    if query.limit is not None:
        rows = rows.limit(query.offset + query.limit + COUNTED + 1)
    ids = list(conn.execute(rows).scalars().all())
    end = len(ids) if query.limit is None else min(len(ids), query.offset + query.limit)
    more = len(ids) - end
    return Found(ids[query.offset : end], min(more, COUNTED), query.limit is None or more <= COUNTED)


@dataclass(slots=True)
class _Walk:
    """A walk over studies from the newest, as far as it goes."""

    conn: sa.Connection
    query: Query
    plan: Plan
    options: Options
    bounds: Bounds
    total: int | None
    """How many match, if the tally knows."""
    ids: list[int] = field(default_factory=list)
    """What was found."""

    def finds(self, steps: int) -> bool:
        """Whether a page is found within so many studies; not tried for a page that a walk so short hardly fills."""
        query, plan = self.query, self.plan
        if query.level is not Level.STUDY or query.limit is None or not plan.drivers or self._end * LEAST > steps:
            return False
        rows, ends = conditions.walk(
            self.conn, [(match.path, match.value) for match in query.matches], self.options, self.bounds, plan
        )
        self.ids = list(self.conn.execute(rows.limit(self._end + FURTHER), {**ends, "steps": steps}).scalars())
        return len(self.ids) > self._end or len(self.ids) == self.total

    @property
    def _end(self) -> int:
        return self.query.offset + (self.query.limit or 0)

    def page(self) -> Found:
        """The page found."""
        ids = self.ids[self.query.offset : self._end]
        if self.total is not None:
            return Found(ids, max(0, self.total - self._end))
        return Found(ids, len(self.ids) - self._end, exact=False)


def _scanned(conn: sa.Connection, query: Query, plan: Plan, scan_limit: int) -> Found:
    """The ids of a page when metadata must be read: every candidate is, but only the page's ids are kept."""
    ids: list[int] = []
    found = 0
    for number in _matching(conn, query, plan, scan_limit):
        if found >= query.offset and (query.limit is None or len(ids) < query.limit):
            ids.append(number)
        found += 1
    return Found(ids, max(0, found - query.offset - len(ids)))


def _matching(conn: sa.Connection, query: Query, plan: Plan, scan_limit: int) -> Iterator[int]:
    """The ids of results one of whose instances matches all of the rest, in order."""
    level = query.level
    owner = {Level.STUDY: study.c.id, Level.SERIES: series.c.id, Level.INSTANCE: instance.c.id}[level]
    base = conditions.selected(level, plan, query.study_uid, query.series_uid).subquery()
    rows = sa.select(owner.label("owner"), metadata.c.json).join_from(study, series).join(instance).join(metadata)
    rows = rows.where(owner.in_(sa.select(base.c.id)), *_lower(level, plan))
    if all(results.level_of(path[0]) <= _RANK[level] for path, _ in plan.rest) and level is not Level.INSTANCE:
        lead = study.c.lead if level is Level.STUDY else series.c.lead
        rows = rows.where(instance.c.uid == lead)  # all instances say the same: one is enough, seen or not
    else:
        rows = rows.where(*plan.shown)
    rows = rows.order_by(*ORDER[level], instance.c.id)
    matched: int | None = None
    stream = conn.execution_options(stream_results=True, max_row_buffer=SCAN_BATCH).execute(rows)
    for count, (number, packed) in enumerate(stream):
        if count >= scan_limit:
            stream.close()
            raise TooLarge(
                "query_too_broad", f"no index covers a key of this query; it reads over {scan_limit} instances"
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
