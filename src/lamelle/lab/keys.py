"""What an identifier's keys ask of an object that is kept as DICOM JSON: whether it matches, and what is answered.

The meaning of one value is `archive.matching`'s. Here is how keys stand together: in sequences, as dates with times.
Source: PS3.4 C.2.2.2, K.6.1.2.2.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydicom.datadict import dictionary_description, dictionary_has_tag, dictionary_VR

from lamelle.archive import facts, matching
from lamelle.archive.matching import Between, Criterion
from lamelle.base.errors import Invalid

Dataset = Mapping[str, Any]

CHARSETS = "00080005"
TIMEZONE = "00080201"
PERIODS = {"00400002": "00400003", "00404005": "00404010"}
"""Dates whose time belongs to them: two ranges together are one period. Source: PS3.4 Table K.6-1."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key: `criterion` None matches all; a sequence has `keys`, all to be matched by one and the same item."""

    tag: str
    vr: str
    criterion: Criterion | None = None
    keys: tuple["Key", ...] = ()
    time: str = ""
    """The tag of the time that `criterion`, a period, is asked of together with the date."""


def parse(identifier: Dataset) -> tuple[Key, ...]:
    """The keys of an identifier in DICOM JSON.

    Raises: Invalid("bad_value" | "key_of_several_items").
    """
    return _joined(tuple(_key(tag, element) for tag, element in identifier.items() if tag not in (CHARSETS, TIMEZONE)))


def _key(tag: str, element: Dataset) -> Key:
    vr = _vr(tag, str(element.get("vr", "UN")))
    values = element.get("Value") or []
    if vr != "SQ":
        text = "\\".join(facts.value_text(value) for value in values)
        return Key(tag, vr, matching.parse(vr, text, multiple_values=True))
    if len(values) > 1:
        raise Invalid("key_of_several_items", f"the sequence {tag} of a query may have one item")
    return Key(tag, vr, None, parse(values[0]) if values else ())


def _vr(tag: str, said: str) -> str:
    """The dictionary's VR when the peer's transfer syntax or its encoder did not know it."""
    if said != "UN" or not dictionary_has_tag(tag):
        return said
    return dictionary_VR(tag).split(" or ")[0]


def _joined(keys: tuple[Key, ...]) -> tuple[Key, ...]:
    """The same keys, with a range of dates and a range of times made one period."""
    found = {key.tag: key for key in keys}
    for date_tag, time_tag in PERIODS.items():
        days, times = (getattr(found.get(tag), "criterion", None) for tag in (date_tag, time_tag))
        if isinstance(days, Between) and isinstance(times, Between) and days.low != days.high:
            low = days.low and days.low + (times.low or "")
            high = days.high and days.high + (times.high or "~")
            found[date_tag] = Key(date_tag, "DA", Between(low, high), time=time_tag)
            found[time_tag] = Key(time_tag, "TM")
    return tuple(found.values())


def matches(keys: Sequence[Key], kept: Dataset) -> bool:
    """Whether all keys match. Source: PS3.4 C.2.2.2.6 for sequences."""
    return all(_matches(key, kept) for key in keys)


def _matches(key: Key, kept: Dataset) -> bool:
    if key.vr == "SQ":
        return not any(map(restricts, key.keys)) or any(matches(key.keys, item) for item in items(kept, key.tag))
    if key.criterion is None:
        return True
    values = list(facts.texts(kept, (key.tag,)))
    if key.time:
        times = list(facts.texts(kept, (key.time,)))
        values = [day.replace(".", "") + (times[0].replace(":", "") if times else "") for day in values]
    return key.criterion.matches(values)


def restricts(key: Key) -> bool:
    """Whether the key asks for anything."""
    return key.criterion is not None or any(map(restricts, key.keys))


def answer(keys: Sequence[Key], kept: Dataset) -> dict[str, Any]:
    """What is kept of the keys asked for; an unknown one stands there empty, a sequence without keys is whole."""
    return {key.tag: _answer(key, kept) for key in sorted(keys, key=lambda key: key.tag)}


def _answer(key: Key, kept: Dataset) -> Dataset:
    element: Dataset | None = kept.get(key.tag)
    if element is None or key.vr != "SQ" or not key.keys:
        return element if element is not None else {"vr": key.vr}
    return {"vr": "SQ", "Value": [answer(key.keys, item) for item in items(kept, key.tag)]}


def unknown(keys: Sequence[Key]) -> bool:
    """Whether a key is of no dictionary, so that nothing can be kept of it: the answer is then FF01."""
    return any(not dictionary_has_tag(key.tag) or unknown(key.keys) for key in keys)


def items(kept: Dataset, tag: str) -> Iterator[Dataset]:
    """The items of a sequence."""
    for item in kept.get(tag, {}).get("Value") or ():
        if isinstance(item, Mapping):
            yield item


def find(keys: Sequence[Key], *path: str) -> Criterion | None:
    """The criterion of the key at a path."""
    for key in keys:
        if key.tag == path[0]:
            return key.criterion if len(path) == 1 else find(key.keys, *path[1:])
    return None


def first(dataset: Dataset, tag: str) -> str:
    """The first value of an attribute as text, "" without one."""
    return next(facts.texts(dataset, (tag,)), "")


def require(dataset: Dataset, tags: Sequence[str]) -> None:
    """See that these attributes of type 1 are there. Raises: Invalid("missing_attribute" | "missing_value")."""
    absent = [named(tag) for tag in tags if tag not in dataset]
    if absent:
        raise Invalid("missing_attribute", f"missing: {', '.join(absent)}")
    empty = [named(tag) for tag in tags if not dataset[tag].get("Value")]
    if empty:
        raise Invalid("missing_value", f"without a value: {', '.join(empty)}")


def named(tag: str) -> str:
    """A tag for a person."""
    name = dictionary_description(tag) if dictionary_has_tag(tag) else "attribute"
    return f"{name} ({tag[:4]},{tag[4:]})"
