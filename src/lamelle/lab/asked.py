"""What is asked of `lookup`: kinds of rows, values, a query. Nouns only, of no protocol."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """What a row is."""

    PATIENT = "patient"
    CASE = "case"
    PART = "part"
    """A specimen as it was taken."""
    BLOCK = "block"
    SLIDE = "slide"
    REPORT = "report"
    """Of each case the version that counts: the newest final one, or the newest there is."""
    TECHNIQUE = "technique"
    RESCAN = "rescan"
    """A decision that a slide is to be scanned again."""
    STUDY = "study"


@dataclass(frozen=True, slots=True)
class Named:
    """An identifier: `issuer` None for whoever gave it, `value` "" for any that this issuer gave."""

    value: str
    issuer: str | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """A row by its number."""

    kind: Kind
    id: int


@dataclass(frozen=True, slots=True)
class Span:
    """From one moment until before another; None is open; `outside`: not then."""

    start: datetime | None = None
    end: datetime | None = None
    outside: bool = False


@dataclass(frozen=True, slots=True)
class Begins:
    """The beginning of a text, whatever its case; `anywhere`: any part of it."""

    text: str
    anywhere: bool = False


Value = str | Named | Key | Span | Begins


@dataclass(frozen=True, slots=True)
class Match:
    """One of the values must be so."""

    field: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class After:
    """The last row of the page before."""

    kind: Kind
    id: int
    at: datetime | None = None
    """When it was last changed, for what is sorted by that."""


@dataclass(frozen=True, slots=True)
class Query:
    """All matches must be so; kinds that do not know one of the fields have no such rows."""

    kinds: tuple[Kind, ...]
    matches: tuple[Match, ...] = ()
    limit: int = 50
    after: After | None = None
    by_change: bool = False
    """Sorted by when it was last changed, else by number."""
    newest_first: bool = False
