"""From criteria to SQL conditions on the catalogue's columns, where an index or a column can answer them.

What a column can't answer, or not exactly, comes back as a rest to be asked of the metadata.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import sqlalchemy as sa
from pydicom.datadict import dictionary_VR
from sqlalchemy import ColumnElement

from lamelle.archive import drivers, facts, grams, matching, results, within
from lamelle.archive.catalogue import (
    ATTRIBUTES,
    MONTH,
    TABLES,
    Attribute,
    Kind,
    Level,
    instance,
    name_word,
    series,
    study,
    tally,
    tally_month,
)
from lamelle.archive.drivers import Driver, Rank
from lamelle.archive.matching import (
    AnyOf,
    Between,
    Criterion,
    Empty,
    Equal,
    Name,
    Pattern,
    Real,
    Spanning,
    Whole,
    Words,
)
from lamelle.archive.within import Bounds
from lamelle.base.errors import Invalid

Path = tuple[str, ...]
SEPARATORS = " =^,;.'’‐-"
"""What stands between the words of a name; caret and dash where a set of characters takes them as they are."""
Condition = ColumnElement[bool]

MODALITIES = ("00080061",)
MODALITY = ("00080060",)
STUDY_DATE, STUDY_TIME = ("00080020",), ("00080030",)
NAME = ("00100010",)
AVAILABILITY = ("00080056",)
DATE_TIMES: tuple[tuple[Path, Path], ...] = (
    (STUDY_DATE, STUDY_TIME),
    (("00080021",), ("00080031",)),
    (("00080023",), ("00080033",)),
    (("00400244",), ("00400245",)),
)
"""Dates and the times of these days; each has a column of its level. Source: PS3.4 C.2.2.2.5.2."""
CARET: ColumnElement[str] = sa.literal_column("'^'", sa.Text)
NONE: ColumnElement[str] = sa.literal_column("''")
_PARTIAL = frozenset({"instance.container_id", "instance.pyramid_uid"})
IGNORED = frozenset({("00080005",), (results.RETRIEVE_URL,)})
"""The query's own character set, and what a door computes: nothing to match."""

_OTHERS: dict[Path, tuple[Level, Attribute]] = {
    ("0020000D",): (Level.STUDY, Attribute(("0020000D",), "UI", "uid")),
    ("0020000E",): (Level.SERIES, Attribute(("0020000E",), "UI", "uid")),
    ("00080018",): (Level.INSTANCE, Attribute(("00080018",), "UI", "uid")),
    ("00080062",): (Level.INSTANCE, Attribute(("00080062",), "UI", "sop_class")),
    ("00083002",): (Level.INSTANCE, Attribute(("00083002",), "UI", "transfer_syntax")),
    ("00201206",): (Level.STUDY, Attribute(("00201206",), "IS", "series_count", Kind.NUMBER)),
    ("00201208",): (Level.STUDY, Attribute(("00201208",), "IS", "instance_count", Kind.NUMBER)),
    ("00201209",): (Level.SERIES, Attribute(("00201209",), "IS", "instance_count", Kind.NUMBER)),
}
COLUMNS: dict[Path, tuple[Level, Attribute]] = {
    attribute.path: (level, attribute) for level in Level for attribute in ATTRIBUTES[level]
} | _OTHERS


@dataclass(slots=True)
class Counted:
    """What the tally is asked: a range of days, a choice of sets of modalities, places; None: all of them."""

    days: Between | None = None
    modalities: list[str] | None = None
    places: frozenset[int] | None = None

    def sums(self, name: str) -> sa.Select[Any]:
        """The sum of a column: of whole months, and of the days of the months where the range begins and ends."""
        low, high = (self.days.low, self.days.high) if self.days else (None, None)
        edges = {bound[:MONTH] for bound in (low, high) if bound is not None}
        months: list[Condition] = [tally_month.c.month.not_in(edges)] if edges else []
        months += [tally_month.c.month > low[:MONTH]] if low is not None else []
        months += [tally_month.c.month < high[:MONTH]] if high is not None else []
        months += [tally_month.c.month != ""] if self.days else []
        parts = [self._sum(tally_month, name, months)]
        for edge in sorted(edges):
            days: list[Condition] = [tally.c.study_date >= max(edge, low or ""), tally.c.study_date < after(edge)]
            days += [tally.c.study_date <= high] if high is not None else []
            parts.append(self._sum(tally, name, days))
        return sa.select(sum((part.scalar_subquery() for part in parts[1:]), parts[0].scalar_subquery()))

    def _sum(self, table: sa.Table, name: str, where: list[Condition]) -> sa.Select[Any]:
        chosen = [] if self.modalities is None else [table.c.modalities.in_(self.modalities)]
        chosen += [] if self.places is None else [table.c.place.in_(sorted(self.places))]
        return sa.select(sa.func.coalesce(sa.func.sum(table.c[name]), 0)).where(*where, *chosen)


@dataclass(slots=True)
class Plan:
    """A query as conditions for each level, and the rest."""

    source: sa.FromClause = study
    """Where study rows come from: all, or those `walk` passes."""
    others: dict[str, bool] = field(default_factory=dict)
    """For each name asked for: whether any study has an ideographic or phonetic group of it."""
    where: dict[Level, list[Condition]] = field(default_factory=lambda: {level: [] for level in Level})
    words: list[sa.Select[Any]] = field(default_factory=list)
    """The ids of studies with each of the words asked for."""
    worded: list[Condition] = field(default_factory=list)
    """The same of a study's own row, which no index answers."""
    drivers: list[Driver] = field(default_factory=list)
    days: Between | None = None
    """The range of study dates, which bounds the order of results."""
    rest: list[tuple[Path, Criterion]] = field(default_factory=list)
    counted: Counted | None = field(default_factory=Counted)
    """The same conditions as the tally counts them; None when it can't."""
    within: list[Condition] = field(default_factory=list)
    """What of all studies is within reach."""
    shown: list[Condition] = field(default_factory=list)
    """Which instances may be seen at all."""
    beyond: list[Condition] = field(default_factory=list)
    """What is within reach and no place of the reach's has, so that the tally misses it; empty: nothing."""
    nothing: bool = False
    """No result can match."""


@dataclass(frozen=True, slots=True)
class Options:
    """How values are read."""

    fuzzy: bool
    empty_values: bool
    multiple_values: bool
    date_times: bool = False


def plan(
    conn: sa.Connection,
    level: Level,
    matches: list[tuple[Path, str]],
    options: Options,
    bounds: Bounds,
    source: sa.FromClause = study,
    others: dict[str, bool] | None = None,
) -> Plan:
    """Sort the keys of a query by who can answer them. Raises: Invalid("bad_value" | "duplicate_key")."""
    made = Plan(source, others or {})
    _add_reach(conn, made, bounds, level)
    if len({path for path, _ in matches}) < len(matches):
        raise Invalid("duplicate_key", "a key stands twice in the query")
    for path, criterion in _criteria(matches, options):
        if path == AVAILABILITY:
            made.nothing |= not criterion.matches(["ONLINE"])
        elif path == MODALITIES or (path == MODALITY and level is Level.STUDY):
            _add_modalities(conn, made, criterion)
        else:
            if path == MODALITY and not isinstance(criterion, Empty):  # known of studies, newest first
                made.where[Level.STUDY].append(made.source.c.modalities.in_(_fitting(conn, criterion)))
            _add(conn, made, path, criterion)
    return made


def _add_reach(conn: sa.Connection, made: Plan, bounds: Bounds, level: Level) -> None:
    reach = bounds.reach
    made.within = within.studies(conn, bounds, made.source)
    made.shown = within.shown(reach)
    if made.counted is not None and not reach.everything:
        made.counted.places = reach.places
        made.beyond = within.beyond(conn, bounds)
        made.drivers.append(Driver(Rank.REACH, lambda: within.by_index(conn, bounds)))
    if level is Level.INSTANCE and not reach.labels:
        made.counted = None


def _criteria(matches: list[tuple[Path, str]], options: Options) -> Iterator[tuple[Path, Criterion]]:
    """What each key with a value asks for."""
    found: dict[Path, Criterion] = {}
    for path, value in matches:
        criterion = matching.parse(
            _vr(path),
            value,
            fuzzy=options.fuzzy,
            empty_values=options.empty_values,
            multiple_values=options.multiple_values,
        )
        if criterion is not None and path not in IGNORED:
            found[path] = criterion
    for date, time in DATE_TIMES if options.date_times else ():
        days, hours = found.get(date), found.get(time)
        if isinstance(days, Between) and isinstance(hours, Between):
            found[time] = Spanning(days, hours)
    yield from found.items()


def _add(conn: sa.Connection, made: Plan, path: Path, criterion: Criterion) -> None:
    if path not in COLUMNS:
        made.rest.append((path, criterion))
        made.counted = None
        return
    level, attribute = COLUMNS[path]
    if isinstance(criterion, Words):
        _add_words(conn, made, attribute.column, criterion.beginnings)
        return
    table = made.source if level is Level.STUDY else TABLES[level]
    condition, exact = _condition(conn, made, table, level, attribute, criterion)
    made.where[level].append(condition)
    if not exact:
        made.rest.append((path, criterion))
    if path == STUDY_DATE and isinstance(criterion, Between):
        made.days = criterion
        if made.counted is not None:
            made.counted.days = criterion
    else:
        made.counted = None
    if f"{level}.{attribute.column}" in drivers.INDEXED:
        rank = Rank.DAYS if path == STUDY_DATE else max(map(drivers.rank, drivers.each(criterion)))
        made.drivers.append(
            Driver(rank, lambda: drivers.studies(conn, level, attribute, criterion, condition, made.others))
        )
        _add_all(made, rank)


def _add_words(conn: sa.Connection, made: Plan, column: str, beginnings: tuple[str, ...]) -> None:
    words = _words(column, beginnings)
    made.words += words
    made.worded += [_worded(conn, made.source, column, text) for text in beginnings]
    made.counted = None
    for select in words:
        made.drivers.append(Driver(Rank.BEGINNING, lambda select=select: select))  # type: ignore[misc]
    if column == grams.COLUMN and len(beginnings) > 1:
        for texts in ([text[: grams.LENGTH] for text in beginnings], beginnings):
            made.drivers.append(Driver(Rank.COSTLY, partial(grams.holding, conn, [texts])))
        _add_all(made, Rank.COSTLY)


def _add_all(made: Plan, rank: Rank) -> None:
    """In a small archive looking at every study costs less than a costly key, and counts them exactly."""
    if rank is Rank.COSTLY:
        made.drivers.append(Driver(Rank.ALL, lambda: sa.select(study.c.id)))


def _worded(conn: sa.Connection, source: sa.FromClause, column: str, beginning: str) -> Condition:
    """A study's name has a word that begins so."""
    key, other = source.c[column + "_key"], source.c[column + "_other"]
    text = CARET.concat(key).concat(other)
    if conn.dialect.name == "postgresql":
        return text.op("~", is_comparison=True)(f"[{SEPARATORS}]{re.escape(beginning)}")
    begun = text.op("GLOB", is_comparison=True)(f"*[{SEPARATORS}]{beginning.replace('[', '[[]')}*")
    return sa.and_(sa.func.instr(key.concat(other), beginning) > 0, begun)  # GLOB is slow to see that there is none


def _add_modalities(conn: sa.Connection, made: Plan, criterion: Criterion) -> None:
    fitting = _fitting(conn, criterion)
    made.where[Level.STUDY].append(made.source.c.modalities.in_(fitting))
    drive = sa.select(study.c.id).where(study.c.modalities.in_(fitting))
    made.drivers.append(Driver(Rank.MODALITIES, lambda: drive))
    if made.counted is None:
        return
    earlier = made.counted.modalities
    made.counted.modalities = fitting if earlier is None else [text for text in fitting if text in earlier]


def _fitting(conn: sa.Connection, criterion: Criterion) -> list[str]:
    """There are few sets of modalities: the criterion is asked of each."""
    sets = conn.execute(sa.select(tally_month.c.modalities).distinct()).scalars()
    return [text for text in sets if criterion.matches(facts.split(text))]


def _vr(path: Path) -> str:
    if path in COLUMNS:
        return COLUMNS[path][1].vr
    if path in (MODALITIES, AVAILABILITY):
        return "CS"
    try:
        vr = dictionary_VR(path[-1])
    except KeyError:
        return "UN"
    return vr.split(" or ", maxsplit=1)[0]


def _condition(
    conn: sa.Connection, made: Plan, table: sa.FromClause, level: Level, attribute: Attribute, criterion: Criterion
) -> tuple[Condition, bool]:
    """The condition, and whether it is exactly the criterion or only lets more through."""
    name = attribute.column + ("_key" if attribute.kind is Kind.NAME and not isinstance(criterion, Empty) else "")
    column: ColumnElement[Any] = table.c[name]
    wild = _WILD[conn.dialect.name]
    match criterion:
        case AnyOf(criteria=criteria):
            parts = [_condition(conn, made, table, level, attribute, part) for part in criteria]
            return sa.or_(*(part for part, _ in parts)), all(exact for _, exact in parts)
        case Empty():
            return column.is_(None) if attribute.kind is Kind.NUMBER else column == "", True
        case Equal(texts=texts) if attribute.kind is Kind.MANY:
            return sa.or_(*(_holds(conn, column, text) for text in texts)), True
        case Equal(texts=texts):
            # The partial indexes are used only where the query says what they leave out.
            there = [column != NONE] if f"{level}.{attribute.column}" in _PARTIAL else []
            return sa.and_(*there, column.in_(texts) if len(texts) > 1 else column == texts[0]), True
        case Pattern(pattern=pattern) if attribute.kind is Kind.MANY:
            return wild(column, f"*\\{pattern}\\*"), False
        case Pattern(pattern=pattern):
            return like(conn, column, pattern), True
        case Between(low=low, high=high):
            bounds = [column != ""]
            bounds += [column >= low] if low is not None else []
            bounds += [column <= high] if high is not None else []
            return sa.and_(*bounds), True
        case Spanning(days=days, hours=hours):
            return _spanning(table.c[attribute.column.replace("time", "date")], column, days, hours), True
        case Whole(number=number):
            return column == number if abs(number) < 1 << 63 else sa.false(), True
        case Real(number=number):
            return _holds(conn, column, facts.as_text(number)), True
        case Name():
            return _name(conn, made, table, attribute.column, criterion), True
        case Words(beginnings=beginnings):
            return sa.and_(*(_worded(conn, table, attribute.column, text) for text in beginnings)), True
    raise AssertionError(criterion)


def _spanning(date: ColumnElement[Any], time: ColumnElement[Any], days: Between, hours: Between) -> Condition:
    """Of the first day the later hours, of the last day the earlier ones; the days are asked for besides."""
    bounds: list[Condition] = [sa.true()]
    if hours.low is not None and days.low is not None:
        bounds.append(sa.or_(date > days.low, time >= hours.low))
    if hours.high is not None and days.high is not None:
        bounds.append(sa.or_(date < days.high, sa.and_(time != "", time <= hours.high)))
    return sa.and_(*bounds)


def like(conn: sa.Connection, column: ColumnElement[Any], pattern: str) -> Condition:
    """A wildcard pattern, by index as far as its literal beginning reaches."""
    prefix = Pattern(pattern).prefix
    if pattern == prefix:
        return column == pattern
    parts = [column >= prefix, column < after(prefix)] if prefix else [column != ""]
    if pattern.rstrip("*") != prefix:
        parts.append(_WILD[conn.dialect.name](column, pattern))
    return sa.and_(*parts)


def after(prefix: str) -> str:
    """The first text, in the order of bytes, that does not begin with `prefix`."""
    code = ord(prefix[-1]) + 1
    if code == 0xD800:
        code = 0xE000  # the code points between are no characters
    return prefix[:-1] + chr(code) if code <= 0x10FFFF else after(prefix[:-1])


def _holds(conn: sa.Connection, column: ColumnElement[Any], text: str) -> Condition:
    """A column of several values holds this one."""
    found = sa.func.strpos if conn.dialect.name == "postgresql" else sa.func.instr
    return sa.and_(column != "", found(column, f"\\{text}\\") > 0)


def _name(conn: sa.Connection, made: Plan, table: sa.FromClause, column: str, criterion: Name) -> Condition:
    key, other = table.c[column + "_key"], table.c[column + "_other"]
    first = like(conn, key, criterion.patterns[0]) if criterion.patterns[0] else sa.true()
    wild = _WILD[conn.dialect.name]
    if len(criterion.patterns) > 1:
        return sa.and_(first, wild(other, criterion.others))
    # Where no name has a second group, the index on the first answers alone.
    if column not in made.others:
        made.others[column] = _others(conn, column)
    if not made.others[column]:
        return first
    return sa.or_(first, sa.and_(other != NONE, wild(other, f"*={criterion.patterns[0]}=*")))


def _others(conn: sa.Connection, column: str) -> bool:
    """Whether any name has an ideographic or phonetic group."""
    return conn.execute(sa.select(study.c.id).where(study.c[column + "_other"] != NONE).limit(1)).first() is not None


def _words(role: str, beginnings: tuple[str, ...]) -> list[sa.Select[Any]]:
    there = sa.select(name_word.c.study_id).where(name_word.c.role == role)
    return [there.where(name_word.c.word >= text, name_word.c.word < after(text)) for text in beginnings]


def _glob(column: ColumnElement[Any], pattern: str) -> Condition:
    return column.op("GLOB", is_comparison=True)(pattern.replace("[", "[[]"))


def _like(column: ColumnElement[Any], pattern: str) -> Condition:
    for special in "\\%_":
        pattern = pattern.replace(special, "\\" + special)
    return column.like(pattern.replace("*", "%").replace("?", "_"), escape="\\")


_WILD: dict[str, Callable[[ColumnElement[Any], str], Condition]] = {"sqlite": _glob, "postgresql": _like}


def selected(
    level: Level, made: Plan, study_uid: str | None, series_uid: str | None, *, by_row: bool = False
) -> sa.Select[Any]:
    """The ids at a level that the conditions of every level let through; lower levels by one of their instances.

    `by_row`: the studies are few or walked, so that words are asked of their rows and not of the index of words.
    """
    where = dict(made.where)
    where[Level.STUDY] = [*where[Level.STUDY], *made.within]
    if by_row:
        where[Level.STUDY] = [*where[Level.STUDY], *made.worded]
    if where[Level.INSTANCE] or level is Level.INSTANCE:
        where[Level.INSTANCE] = [*where[Level.INSTANCE], *made.shown]
    if study_uid is not None:
        where[Level.STUDY] = [*where[Level.STUDY], study.c.uid == study_uid]
    if series_uid is not None:
        where[Level.SERIES] = [*where[Level.SERIES], series.c.uid == series_uid]
    below = where[Level.SERIES], where[Level.INSTANCE]
    if level is Level.STUDY:
        query = sa.select(made.source.c.id).where(*where[Level.STUDY])
        if all(below):
            both = sa.select(series.c.study_id).join(instance, instance.c.series_id == series.c.id)
            query = query.where(made.source.c.id.in_(both.where(*below[0], *below[1])))
        elif any(below):
            table = series if below[0] else instance
            query = query.where(made.source.c.id.in_(sa.select(table.c.study_id).where(*below[0], *below[1])))
    elif level is Level.SERIES:
        query = sa.select(series.c.id).join(study, study.c.id == series.c.study_id)
        query = query.where(*where[Level.STUDY], *where[Level.SERIES])
        if where[Level.INSTANCE]:
            query = query.where(series.c.id.in_(sa.select(instance.c.series_id).where(*where[Level.INSTANCE])))
    else:
        query = sa.select(instance.c.id).join(series, series.c.id == instance.c.series_id)
        query = query.join(study, study.c.id == series.c.study_id)
        query = query.where(*where[Level.STUDY], *where[Level.SERIES], *where[Level.INSTANCE])
    if made.words and not by_row:  # joined, so that the words lead and not the order of results
        words = sa.intersect(*made.words).subquery() if len(made.words) > 1 else made.words[0].distinct().subquery()
        query = query.join(words, words.c.study_id == study.c.id)
    return query


_LAST = 1 << 62
_NEWEST = (study.c.study_date.desc(), study.c.study_time.desc(), study.c.id.desc())
_SERIES = (sa.func.coalesce(series.c.number, _LAST), series.c.id)
ORDER: dict[Level, tuple[ColumnElement[Any], ...]] = {
    Level.STUDY: _NEWEST,
    Level.SERIES: (*_NEWEST, *_SERIES),
    Level.INSTANCE: (*_NEWEST, *_SERIES, sa.func.coalesce(instance.c.number, _LAST), instance.c.id),
}
"""Newest study first, then by number; total, so that pages neither repeat nor miss a result."""

_BEFORE, _BEYOND = "", chr(0x10FFFF)


def _walk(columns: Iterable[ColumnElement[Any]]) -> sa.Subquery:
    low, high = study.c.study_date >= sa.bindparam("low"), study.c.study_date <= sa.bindparam("high")
    return sa.select(*columns).where(low, high).order_by(*_NEWEST).limit(sa.bindparam("steps")).subquery("newest")


_WALKED = ("id", "place", "study_date", "study_time", "modalities", "patient_name_key", "patient_name_other")
_SHORT, _WIDE = _walk(study.c[name] for name in _WALKED), _walk(study.c)


def walk(
    conn: sa.Connection, matches: list[tuple[Path, str]], options: Options, bounds: Bounds, asked: Plan
) -> tuple[sa.Select[Any], dict[str, Any]]:
    """The matching of the newest studies of these days, in order; `steps` of them are looked at.

    Where the walk's index holds all the keys ask for, nothing else is read.
    """
    short = all(
        path in (STUDY_DATE, STUDY_TIME, MODALITIES, MODALITY, NAME) and value.strip() != matching.EMPTY
        for path, value in matches
    )
    source = _SHORT if short else _WIDE
    made = plan(conn, Level.STUDY, matches, options, bounds, source, asked.others)
    days = asked.days
    newest = (source.c.study_date.desc(), source.c.study_time.desc(), source.c.id.desc())
    low, high = (days.low, days.high) if days else (None, None)
    ends = {"low": low or ("0" if days else _BEFORE), "high": high or _BEYOND}
    return selected(Level.STUDY, made, None, None, by_row=True).order_by(*newest), ends
