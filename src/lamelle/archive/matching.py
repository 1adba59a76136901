"""What a query value means for its VR, as values that can be asked or turned into SQL. Source: PS3.4 C.2.2.2.

Here is the meaning; `search` finds by index what can be, with the same criteria.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from lamelle.archive import names
from lamelle.base.errors import Invalid

WILDCARD_VRS = frozenset({"AE", "AS", "CS", "LO", "LT", "SH", "ST", "UC", "UR", "UT", "UN", ""})
WHOLE_VRS = frozenset({"IS", "SL", "SS", "SV", "UL", "US", "UV"})
REAL_VRS = frozenset({"DS", "FD", "FL"})
EMPTY = '""'

_DATE = re.compile(r"\d{8}|\d{4}\.\d{2}\.\d{2}")
_TIME = re.compile(r"\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?")
_MOMENT = re.compile(r"(\d{4}(?:\d{2}){0,5}(?:\.\d{1,6})?)([+-]\d{4})?")


class Criterion(Protocol):
    """One thing a value must be."""

    def matches(self, values: Sequence[str]) -> bool:
        """Whether an attribute with these values (none when it is absent or empty) matches."""


@dataclass(frozen=True, slots=True)
class Empty:
    """Absent, or without a value. Source: PS3.4 C.2.2.2.7."""

    def matches(self, values: Sequence[str]) -> bool:
        return not any(values)


@dataclass(frozen=True, slots=True)
class Equal:
    """One of these texts, to the letter."""

    texts: tuple[str, ...]

    def matches(self, values: Sequence[str]) -> bool:
        return any(value in self.texts for value in values)


@dataclass(frozen=True, slots=True)
class Pattern:
    """Text with `*` for any characters and `?` for one."""

    pattern: str

    @property
    def prefix(self) -> str:
        """What stands before the first wildcard."""
        return re.split(r"[*?]", self.pattern, maxsplit=1)[0]

    def matches(self, values: Sequence[str]) -> bool:
        return any(_wild(self.pattern, value) for value in values)


@dataclass(frozen=True, slots=True)
class Between:
    """Dates or times from `low` to `high` inclusive, None for open; compared as texts, which any precision allows."""

    low: str | None
    high: str | None

    def matches(self, values: Sequence[str]) -> bool:
        return any(
            value != "" and (self.low is None or self.low <= value) and (self.high is None or value <= self.high)
            for value in (value.replace(".", "", 2) if value.count(".") == 2 else value for value in _plain(values))
        )


@dataclass(frozen=True, slots=True)
class Spanning:
    """Times of the days of a range: the hours bound its first and its last day, not each. Source: PS3.4 C.2.2.2.5.2."""

    days: Between
    hours: Between

    def matches(self, values: Sequence[str]) -> bool:
        """Without the day at hand, only whether there is a time."""
        return any(values)


@dataclass(frozen=True, slots=True)
class Moments:
    """Date-times between two moments, each as the first and last microsecond its precision allows."""

    low: str | None
    high: str | None

    def matches(self, values: Sequence[str]) -> bool:
        for value in values:
            found = _MOMENT.fullmatch(value)
            if found is not None:
                first, last = _first(found[1]), _last(found[1])
                if (self.low is None or self.low <= last) and (self.high is None or first <= self.high):
                    return True
        return False


@dataclass(frozen=True, slots=True)
class Whole:
    """An integer."""

    number: int

    def matches(self, values: Sequence[str]) -> bool:
        return any(_number(value) == self.number for value in values)


@dataclass(frozen=True, slots=True)
class Real:
    """A number."""

    number: float

    def matches(self, values: Sequence[str]) -> bool:
        return any(_number(value) == self.number for value in values)


@dataclass(frozen=True, slots=True)
class Name:
    """A person name, whatever its case and accents; each pattern is for the search key of a component group.

    With one pattern any group may match it, with several each group its own. Source: PS3.4 C.2.2.2.1, PS3.5 6.2.1.
    """

    patterns: tuple[str, ...]

    def matches(self, values: Sequence[str]) -> bool:
        for value in values:
            first, other = names.keys(value)
            if len(self.patterns) > 1:
                if _wild(self.patterns[0], first) and _wild(self.others, other or "=="):
                    return True
            elif (first and _wild(self.patterns[0], first)) or _wild(f"*={self.patterns[0]}=*", other):
                return True
        return False

    @property
    def others(self) -> str:
        """The pattern for the keys of the ideographic and phonetic groups."""
        return "=" + "=".join(pattern or "*" for pattern in self.patterns[1:]) + "=*"


@dataclass(frozen=True, slots=True)
class Words:
    """A person name of which some word begins with each of these."""

    beginnings: tuple[str, ...]

    def matches(self, values: Sequence[str]) -> bool:
        for value in values:
            there = names.words(value)
            if all(any(word.startswith(beginning) for word in there) for beginning in self.beginnings):
                return True
        return False


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of several criteria. Source: PS3.4 C.2.2.2.8."""

    criteria: tuple[Criterion, ...]

    def matches(self, values: Sequence[str]) -> bool:
        return any(criterion.matches(values) for criterion in self.criteria)


def parse(
    vr: str, value: str, *, fuzzy: bool = False, empty_values: bool = False, multiple_values: bool = False
) -> Criterion | None:
    """The criterion of a query value, None when it matches all.

    Raises: Invalid("bad_value") for a date, time, number or UID that is none.
    """
    value = value.strip(" \0")
    if "\0" in value:
        raise Invalid("bad_value", "a value holds a NUL, which no text of DICOM does")
    if empty_values and value == EMPTY:
        return Empty()
    if value == "" or (value.strip("*") == "" and vr != "UI"):
        return None
    if vr == "UI":
        return _uids(value)
    if multiple_values and "\\" in value:
        parts = [_single(vr, part.strip(" "), fuzzy=fuzzy) for part in value.split("\\") if part.strip(" ")]
        known = tuple(part for part in parts if part is not None)
        return AnyOf(known) if len(known) == len(parts) else None
    return _single(vr, value, fuzzy=fuzzy)


def _single(vr: str, value: str, *, fuzzy: bool) -> Criterion | None:
    if value.strip("*") == "":
        return None
    if vr in ("DA", "TM", "DT"):
        return _range(vr, value)
    if vr == "PN":
        return _name(value, fuzzy=fuzzy)
    if vr in WHOLE_VRS or vr in REAL_VRS:
        number = _number(value)
        if number is None:
            raise Invalid("bad_value", f"a {vr} key takes a number")
        return Real(number) if vr in REAL_VRS else Whole(int(number))
    if vr in WILDCARD_VRS and ("*" in value or "?" in value):
        return Pattern(value)
    return Equal((value,))


def _uids(value: str) -> Criterion | None:
    if value == "*":
        return None
    texts = tuple(part.strip() for part in re.split(r"[,\\]", value) if part.strip())
    if not texts or not all(re.fullmatch(r"[0-9.]{1,64}", text) for text in texts):
        raise Invalid("bad_value", "a UI key takes UIDs of digits and dots")
    return Equal(texts)


def _name(value: str, *, fuzzy: bool) -> Criterion | None:
    if fuzzy:
        beginnings = tuple(sorted(names.words(re.sub(r"[*?]", " ", value))))
        return Words(beginnings) if beginnings else None
    patterns = tuple(names.key(group) for group in value.rstrip("=").split("="))
    if len(patterns) == 1 and patterns[0].endswith("^*"):  # an empty component is as good as none
        bare = patterns[0][:-2].rstrip("^")
        return AnyOf((Name((bare,)), Name(patterns))) if bare else Name(patterns)
    return Name(patterns) if any(patterns) else None


def _range(vr: str, value: str) -> Criterion:
    low: str | None
    high: str | None
    if vr == "DT":
        return _moments(value)
    value = value.replace(":", "")
    low, dash, high = value.partition("-")
    if not dash:
        high = low
    form = _DATE if vr == "DA" else _TIME
    if not (low or high) or any(bound and not form.fullmatch(bound) for bound in (low, high)):
        raise Invalid("bad_value", f"a {vr} key takes one value or a range")
    if vr == "DA":
        return Between(low.replace(".", "") or None, high.replace(".", "") or None)
    # A time of less precision stands for all it may mean; zeros at the end of the lower bound would exclude it.
    return Between(_pad(low, "0").rstrip("0.") if low else None, _pad(high, "9") if high else None)


def _pad(time: str, digit: str) -> str:
    whole, _, fraction = time.partition(".")
    rest = "000000" if digit == "0" else "235959"
    return f"{whole}{rest[len(whole) :]}.{fraction.ljust(6, digit)}"


def _moments(value: str) -> Moments:
    # A dash may begin an offset from UTC: a range's dash stands before a year or at an end.
    found = re.fullmatch(r"(\d{4}[\d.]*(?:[+-]\d{4}(?!\d))?)?(-)?(\d{4}[\d.]*(?:[+-]\d{4})?)?", value)
    if found is None or not (found[1] or found[3]) or (found[1] and found[3] and not found[2]):
        raise Invalid("bad_value", "a DT key takes one value or a range")
    low, high = (found[1], found[3]) if found[2] else (found[1], found[1])
    bounds = [_MOMENT.fullmatch(bound) if bound else None for bound in (low, high)]
    if any(bound is None and text for bound, text in zip(bounds, (low, high), strict=True)):
        raise Invalid("bad_value", "a DT key takes one value or a range")
    first, last = bounds
    return Moments(_first(first[1]) if first else None, _last(last[1]) if last else None)


def _first(moment: str) -> str:
    whole, _, fraction = moment.partition(".")
    return f"{whole}{'00000101000000'[len(whole) :]}{fraction.ljust(6, '0')}"


def _last(moment: str) -> str:
    whole, _, fraction = moment.partition(".")
    return f"{whole}{'99991231235959'[len(whole) :]}{fraction.ljust(6, '9')}"


def _plain(values: Sequence[str]) -> list[str]:
    return [value.replace(":", "") for value in values]


def _number(text: str) -> float | int | None:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _wild(pattern: str, value: str) -> bool:
    """Whether `value` is `pattern` with `*` and `?` filled in; linear in both, however many stars."""
    at = mark = 0
    star = -1
    place = 0
    while place < len(value):
        if at < len(pattern) and pattern[at] == "*":
            star, mark = at, place
            at += 1
        elif at < len(pattern) and pattern[at] in ("?", value[place]):
            at += 1
            place += 1
        elif star >= 0:
            mark += 1
            at, place = star + 1, mark
        else:
            return False
    return pattern[at:].strip("*") == ""
