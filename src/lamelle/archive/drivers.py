"""Which keys of a search an index answers with the studies that may match, and which is asked first."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import sqlalchemy as sa

from lamelle.archive import grams
from lamelle.archive.catalogue import TABLES, Attribute, Level, study
from lamelle.archive.matching import AnyOf, Between, Criterion, Equal, Name, Pattern


class Rank(IntEnum):
    """Which key is asked first whether it finds few studies."""

    EQUAL = 0
    DAYS = 1
    RANGE = 2
    BEGINNING = 3
    REACH = 4
    MODALITIES = 5
    ALL = 6
    COSTLY = 7
    """A pattern with a wildcard inside, pieces of names: an index is read far, or several times."""


@dataclass(frozen=True, slots=True)
class Driver:
    """A key that an index answers."""

    rank: Rank
    studies: Callable[[], sa.Select[Any] | None]
    """The ids of all studies that may match, in no order; None if it can't tell."""


INDEXED = frozenset(
    {
        "study.uid",
        "study.patient_id",
        "study.accession_number",
        "study.study_id",
        "study.study_date",
        "study.patient_birth_date",
        "study.patient_name",
        "study.referring_physician",
        "series.uid",
        "series.container_id",
        "series.performed_date",
        "instance.uid",
        "instance.container_id",
        "instance.pyramid_uid",
    }
)
"""Columns an index finds by value, by beginning or by range."""


def studies(
    conn: sa.Connection,
    level: Level,
    attribute: Attribute,
    criterion: Criterion,
    condition: sa.ColumnElement[bool],
    groups: dict[str, bool],
) -> sa.Select[Any] | None:
    """The ids of all studies that may match; None if no index can tell.

    `condition`: the criterion on the attribute's table; `groups`: for each name, whether it has other groups.
    """
    names = [one for one in each(criterion) if isinstance(one, Name)]
    others = bool(names) and groups.get(attribute.column, True)
    if not others and all(_begins(one) for one in each(criterion)):
        owner = study.c.id if level is Level.STUDY else TABLES[level].c.study_id
        return sa.select(owner).where(condition)
    if attribute.column != grams.COLUMN or not names:
        return None
    choices = []
    for name in names:
        choices.append(grams.literals(name.patterns[0] if len(name.patterns) == 1 else name.others))
        if others and len(name.patterns) == 1:
            choices.append(grams.literals(f"*={name.patterns[0]}=*"))
    return grams.holding(conn, choices)


def each(criterion: Criterion) -> tuple[Criterion, ...]:
    """The criteria of which one must hold."""
    return criterion.criteria if isinstance(criterion, AnyOf) else (criterion,)


def rank(criterion: Criterion) -> Rank:
    """How early it is asked."""
    match criterion:
        case Pattern(pattern=pattern) | Name(patterns=(pattern, *_)):
            beginning = Pattern(pattern).prefix
            if beginning and beginning == pattern:
                return Rank.EQUAL
            return Rank.BEGINNING if beginning and beginning == pattern.rstrip("*") else Rank.COSTLY
    return Rank.EQUAL if isinstance(criterion, Equal) else Rank.RANGE


def _begins(criterion: Criterion) -> bool:
    """Whether an index finds what this means: it says how the value begins."""
    match criterion:
        case Pattern():
            return criterion.prefix != ""
        case Name(patterns=patterns):
            return Pattern(patterns[0]).prefix != ""
        case Between(low=low, high=high):
            return low is not None or high is not None
    return isinstance(criterion, Equal)
