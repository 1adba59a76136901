"""One matching language for QIDO-RS, C-FIND and the pages. Source: PS3.4 C.2.2.2.

No protocol here: doors turn their requests into a Query and a Page into their answers.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from lamelle.base.db import Database


class Level(StrEnum):
    """What one result is."""

    STUDY = "study"
    SERIES = "series"
    INSTANCE = "instance"


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
    """What matches, newest study first. Raises: Invalid("bad_value" ...), TooLarge("query_too_broad")."""
    raise NotImplementedError
