"""From criteria to SQL conditions on the catalogue's columns, where an index or a column can answer them.

What a column can't answer, or not exactly, comes back as a rest to be asked of the metadata.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from pydicom.datadict import dictionary_VR
from sqlalchemy import ColumnElement

from lamelle.archive import facts, matching
from lamelle.archive.catalogue import (
    ATTRIBUTES,
    TABLES,
    Attribute,
    Kind,
    Level,
    instance,
    name_word,
    series,
    study,
    tally,
)
from lamelle.archive.matching import AnyOf, Between, Criterion, Empty, Equal, Name, Pattern, Real, Whole, Words
from lamelle.base.errors import Invalid

Path = tuple[str, ...]
Condition = ColumnElement[bool]

MODALITIES = ("00080061",)
MODALITY = ("00080060",)
STUDY_DATE = ("00080020",)
AVAILABILITY = ("00080056",)
NONE: ColumnElement[str] = sa.literal_column("''")
_PARTIAL = frozenset({"instance.container_id", "instance.pyramid_uid"})
IGNORED = frozenset({("00080005",), ("00081190",)})
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
class Plan:
    """A query as conditions for each level, and the rest."""

    where: dict[Level, list[Condition]] = field(default_factory=lambda: {level: [] for level in Level})
    words: list[sa.Select[Any]] = field(default_factory=list)
    """The ids of studies with each of the words asked for."""
    rest: list[tuple[Path, Criterion]] = field(default_factory=list)
    counted: list[Condition] | None = field(default_factory=list)
    """The same conditions on the tally; None when it can't count them."""
    nothing: bool = False
    """No result can match."""


@dataclass(frozen=True, slots=True)
class Options:
    """How values are read."""

    fuzzy: bool
    empty_values: bool
    multiple_values: bool


def plan(conn: sa.Connection, level: Level, matches: list[tuple[Path, str]], options: Options) -> Plan:
    """Sort the keys of a query by who can answer them. Raises: Invalid("bad_value" | "duplicate_key")."""
    made = Plan()
    if len({path for path, _ in matches}) < len(matches):
        raise Invalid("duplicate_key", "a key stands twice in the query")
    for path, value in matches:
        criterion = matching.parse(
            _vr(path),
            value,
            fuzzy=options.fuzzy,
            empty_values=options.empty_values,
            multiple_values=options.multiple_values,
        )
        if criterion is None or path in IGNORED:
            continue
        if path == AVAILABILITY:
            made.nothing |= not criterion.matches(["ONLINE"])
        elif path == MODALITIES or (path == MODALITY and level is Level.STUDY):
            _add_modalities(conn, made, criterion)
        else:
            _add(conn, made, path, criterion)
    return made


def _add(conn: sa.Connection, made: Plan, path: Path, criterion: Criterion) -> None:
    if path not in COLUMNS:
        made.rest.append((path, criterion))
        made.counted = None
        return
    level, attribute = COLUMNS[path]
    if isinstance(criterion, Words):
        made.words += _words(attribute.column, criterion.beginnings)
        made.counted = None
        return
    condition, exact = _condition(conn, TABLES[level], attribute, criterion)
    made.where[level].append(condition)
    if not exact:
        made.rest.append((path, criterion))
    if path == STUDY_DATE and exact and made.counted is not None:
        made.counted.append(_condition(conn, tally, attribute, criterion)[0])
    else:
        made.counted = None


def _add_modalities(conn: sa.Connection, made: Plan, criterion: Criterion) -> None:
    """There are few sets of modalities: the criterion is asked of each."""
    sets = conn.execute(sa.select(tally.c.modalities).distinct()).scalars()
    fitting = [text for text in sets if criterion.matches(facts.split(text))]
    made.where[Level.STUDY].append(study.c.modalities.in_(fitting))
    if made.counted is not None:
        made.counted.append(tally.c.modalities.in_(fitting))


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
    conn: sa.Connection, table: sa.Table, attribute: Attribute, criterion: Criterion
) -> tuple[Condition, bool]:
    """The condition, and whether it is exactly the criterion or only lets more through."""
    column: ColumnElement[Any] = table.c[attribute.column]
    wild = _WILD[conn.dialect.name]
    match criterion:
        case AnyOf(criteria=criteria):
            parts = [_condition(conn, table, attribute, part) for part in criteria]
            return sa.or_(*(part for part, _ in parts)), all(exact for _, exact in parts)
        case Empty():
            return column.is_(None) if attribute.kind is Kind.NUMBER else column == "", True
        case Equal(texts=texts) if attribute.kind is Kind.MANY:
            return sa.or_(*(_holds(conn, column, text) for text in texts)), True
        case Equal(texts=texts):
            # The partial indexes are used only where the query says what they leave out.
            there = [column != NONE] if f"{table.name}.{attribute.column}" in _PARTIAL else []
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
        case Whole(number=number):
            return column == number, True
        case Real(number=number):
            return _holds(conn, column, facts.as_text(number)), True
        case Name():
            return _name(conn, table, attribute.column, criterion), True
        case Words(beginnings=beginnings):
            return study.c.id.in_(sa.intersect(*_words(attribute.column, beginnings))), True
    raise AssertionError(criterion)


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


def _name(conn: sa.Connection, table: sa.Table, column: str, criterion: Name) -> Condition:
    key, other = table.c[column + "_key"], table.c[column + "_other"]
    first = like(conn, key, criterion.patterns[0]) if criterion.patterns[0] else sa.true()
    wild = _WILD[conn.dialect.name]
    if len(criterion.patterns) > 1:
        return sa.and_(first, wild(other, criterion.others))
    # Where no name has a second group, the index on the first answers alone.
    if conn.execute(sa.select(table.c.id).where(other != NONE).limit(1)).first() is None:
        return first
    return sa.or_(first, sa.and_(other != NONE, wild(other, f"*={criterion.patterns[0]}=*")))


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


def selected(level: Level, made: Plan, study_uid: str | None, series_uid: str | None) -> sa.Select[Any]:
    """The ids at a level that the conditions of every level let through; lower levels by one of their instances."""
    where = dict(made.where)
    if study_uid is not None:
        where[Level.STUDY] = [*where[Level.STUDY], study.c.uid == study_uid]
    if series_uid is not None:
        where[Level.SERIES] = [*where[Level.SERIES], series.c.uid == series_uid]
    below = where[Level.SERIES], where[Level.INSTANCE]
    if level is Level.STUDY:
        query = sa.select(study.c.id).where(*where[Level.STUDY])
        if all(below):
            both = sa.select(series.c.study_id).join(instance, instance.c.series_id == series.c.id)
            query = query.where(study.c.id.in_(both.where(*below[0], *below[1])))
        elif any(below):
            table = series if below[0] else instance
            query = query.where(study.c.id.in_(sa.select(table.c.study_id).where(*below[0], *below[1])))
    elif level is Level.SERIES:
        query = sa.select(series.c.id).join(study, study.c.id == series.c.study_id)
        query = query.where(*where[Level.STUDY], *where[Level.SERIES])
        if where[Level.INSTANCE]:
            query = query.where(series.c.id.in_(sa.select(instance.c.series_id).where(*where[Level.INSTANCE])))
    else:
        query = sa.select(instance.c.id).join(series, series.c.id == instance.c.series_id)
        query = query.join(study, study.c.id == series.c.study_id)
        query = query.where(*where[Level.STUDY], *where[Level.SERIES], *where[Level.INSTANCE])
    if made.words:  # joined, so that the words lead and not the order of results
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
