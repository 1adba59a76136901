"""Identifiers of queries and retrievals: what is asked, and what is answered, both as DICOM JSON.

What a key means is in archive.query; the messages around identifiers are in finding and moving. Source: PS3.4 C.4.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from pydicom.datadict import tag_for_keyword

from lamelle.archive import results
from lamelle.archive.query import Level, Match, Query
from lamelle.archive.selection import Wanted
from lamelle.base.errors import Invalid
from lamelle.dicom import elements, json
from lamelle.doors.dimse import datasets

Item = Mapping[str, Any]

PATIENT_ROOT: Final = "1.2.840.10008.5.1.4.1.2.1."
STUDY_ROOT: Final = "1.2.840.10008.5.1.4.1.2.2."
"""Followed by 1 to find, 2 to move, 3 to get."""
FIND, MOVE, GET = "1", "2", "3"

CHARACTER_SET, LEVEL, RETRIEVE_AET, AVAILABILITY = "00080005", "00080052", "00080054", "00080056"
TIMEZONE = "00080201"
_NOT_KEYS = frozenset({CHARACTER_SET, LEVEL, RETRIEVE_AET})
"""Of the message, not of what is looked for."""
_NOT_MATCHED = _NOT_KEYS | {TIMEZONE}
"""A time zone says how the requester's times are meant (PS3.4 C.2.2.2.5.1), and is a key to be told only."""
_WILD = frozenset("*?\\")
KEYS_LIMIT: Final = 500


class Rank(StrEnum):
    """Query/Retrieve Level (0008,0052)."""

    PATIENT = "PATIENT"
    STUDY = "STUDY"
    SERIES = "SERIES"
    IMAGE = "IMAGE"


UNIQUE: Final = {
    Rank.PATIENT: "00100020",
    Rank.STUDY: "0020000D",
    Rank.SERIES: "0020000E",
    Rank.IMAGE: "00080018",
}
_LEVELS = {
    Rank.PATIENT: Level.STUDY,
    Rank.STUDY: Level.STUDY,
    Rank.SERIES: Level.SERIES,
    Rank.IMAGE: Level.INSTANCE,
}


@dataclass(frozen=True, slots=True)
class Options:
    """What SOP Class Extended Negotiation agreed on. Source: PS3.4 C.5.1.1."""

    relational: bool = False
    date_times: bool = False
    fuzzy: bool = False

    @classmethod
    def of(cls, information: bytes) -> "Options":
        """From the service class application information, one byte for each."""
        flags = [*(byte == 1 for byte in information[:3]), False, False, False]
        return cls(*flags[:3])


@dataclass(frozen=True, slots=True)
class Identifier:
    """A decoded identifier of a request."""

    rank: Rank
    item: Item
    utf8: bool
    """Whether the requester reads UTF-8."""

    def values(self, tag: str) -> list[str]:
        """The values of a key, none when it is universal."""
        return [text for text in json.texts(self.item, tag) if text.strip("* ")]


def read(data: bytes, transfer_syntax: str, sop_class: str) -> Identifier:
    """The identifier of a query or retrieval. Raises: Invalid bad_level, bad_identifier, too_many_keys."""
    try:
        found = datasets.decode(data, transfer_syntax)
    except Invalid as error:
        raise Invalid("bad_identifier", "the identifier is no data set") from error
    item = found.item
    if len(item) > KEYS_LIMIT:
        raise Invalid("too_many_keys", f"an identifier has {KEYS_LIMIT} keys at most")
    level = json.text(item, LEVEL).strip().upper()
    ranks = list(Rank) if sop_class.startswith(PATIENT_ROOT) else list(Rank)[1:]
    if level not in ranks:
        raise Invalid("bad_level", f"Query/Retrieve Level is none of {', '.join(ranks)}")
    return Identifier(Rank(level), item, found.utf8)


def above(rank: Rank, sop_class: str) -> list[Rank]:
    """The levels above, by the root of the class."""
    ranks = list(Rank)[: list(Rank).index(rank)]
    return [each for each in ranks if each is not Rank.PATIENT or sop_class.startswith(PATIENT_ROOT)]


def check_hierarchy(asked: Identifier, sop_class: str) -> None:
    """The unique key of each level above has one value. Raises: Invalid key_missing. Source: PS3.4 C.4.1.2.2.1."""
    for rank in above(asked.rank, sop_class):
        values = asked.values(UNIQUE[rank])
        if len(values) != 1 or not _WILD.isdisjoint(values[0]):
            raise Invalid("key_missing", f"the level {asked.rank} takes one value of ({_shown(UNIQUE[rank])})")


def query(asked: Identifier, options: Options, limit: int) -> Query:
    """What the archive is asked. Raises: Invalid bad_sequence."""
    matches = tuple(Match(path, value) for path, value in _keys(asked.item, ()))
    return Query(
        level=_LEVELS[asked.rank],
        matches=matches,
        include=frozenset(tag for tag in asked.item if tag not in _NOT_KEYS),
        limit=limit,
        fuzzy=options.fuzzy,
        multiple_values=True,
        date_times=options.date_times,
    )


def _keys(item: Item, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every key with a value; a sequence's through its item."""
    for tag, element in item.items():
        values = element.get("Value") or []
        if element["vr"] == "SQ":
            if len(values) > 1:
                raise Invalid("bad_sequence", f"a sequence to match ({_shown(tag)}) has more than one item")
            for value in values:
                yield from _keys(value, (*path, tag))
        elif (path or tag not in _NOT_MATCHED) and any(value is not None for value in values):
            yield (*path, tag), "\\".join(json.texts(item, tag))


def answer(asked: Identifier, found: Item, aet: str) -> Item:
    """One result as a response identifier: every key asked for, with or without a value. Source: PS3.4 C.4.1.1.3.2."""
    made = {tag: _answered(element, found.get(tag)) for tag, element in asked.item.items() if tag not in _NOT_KEYS}
    unique = UNIQUE[asked.rank]
    if unique in found:
        made[unique] = found[unique]
    made[LEVEL] = {"vr": "CS", "Value": [str(asked.rank)]}
    made[RETRIEVE_AET] = {"vr": "AE", "Value": [aet]}
    made[AVAILABILITY] = found.get(AVAILABILITY, {"vr": "CS"})
    return made


def _answered(key: Item, found: Item | None) -> Item:
    """The value found for a key; of a sequence's items what the key's item names, all when it names nothing."""
    if found is None:
        return {"vr": key["vr"]}
    named = next(iter(key.get("Value") or ()), None) if key["vr"] == "SQ" else None
    if not named or found["vr"] != "SQ":
        return found
    items = [{tag: _answered(named[tag], item.get(tag)) for tag in named} for item in found.get("Value") or ()]
    return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}


def unsupported(asked: Identifier) -> bool:
    """Whether a key belongs to a level below the one asked for, so that no result has a value of it."""
    depth = {Level.STUDY: 0, Level.SERIES: 1, Level.INSTANCE: 2}[_LEVELS[asked.rank]]
    keys = [tag for tag in asked.item if tag not in _NOT_KEYS and tag not in _COMPUTED]
    if asked.rank is Rank.PATIENT:
        return any(tag[:4] != "0010" for tag in keys)
    return any(results.level_of(tag) > depth for tag in keys)


_COMPUTED: Final = frozenset(
    {AVAILABILITY, "00080061", "00080062", "00201200", "00201202", "00201204", "00201206", "00201208", "00201209"}
)


def tag_of(name: str) -> str | None:
    """The tag of a keyword, or of a tag written as eight hex digits; None when it is neither."""
    if len(name) == 8 and all(digit in "0123456789abcdefABCDEF" for digit in name):
        return name.upper()
    found = tag_for_keyword(name)
    return None if found is None else f"{found:08X}"


def element(tag: str, text: str) -> dict[str, Any]:
    """A key with the value a person wrote, "" for none; a backslash separates values."""
    vr = elements.implied_vr(int(tag, 16)).decode().split(" or ", maxsplit=1)[0]
    if not text:
        return {"vr": vr}
    values = text.split("\\")
    return {"vr": vr, "Value": [{"Alphabetic": value} for value in values] if vr == "PN" else values}


def _shown(tag: str) -> str:
    return f"{tag[:4]},{tag[4:]}"


def wanted(asked: Identifier, sop_class: str, *, relational: bool) -> Wanted:
    """The instances of a retrieval; the unique key of its level takes a list, patients one at a time.

    Raises: Invalid key_missing. Source: PS3.4 C.4.2.2.1, C.4.3.2.1.
    """
    if not relational:
        check_hierarchy(asked, sop_class)
    names = {rank: tuple(asked.values(UNIQUE[rank])) for rank in (*above(asked.rank, sop_class), asked.rank)}
    here = names[asked.rank]
    if not here or any("*" in name or "?" in name for name in here) or (asked.rank is Rank.PATIENT and len(here) > 1):
        raise Invalid("key_missing", f"the level {asked.rank} takes values of ({_shown(UNIQUE[asked.rank])})")
    return Wanted(
        names.get(Rank.PATIENT, ()), names.get(Rank.STUDY, ()), names.get(Rank.SERIES, ()), names.get(Rank.IMAGE, ())
    )
