"""From an instance's DICOM JSON to its catalogue columns. No database here."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lamelle.archive import names
from lamelle.archive.catalogue import ATTRIBUTES, Attribute, Kind, Level

Dataset = Mapping[str, Any]

NAMES = tuple(a.column for a in ATTRIBUTES[Level.STUDY] if a.kind is Kind.NAME)
PER_FRAME = "52009230"
LONGEST = 512
"""Characters of one value in a column: beyond what any searched VR allows, within what an index entry holds."""
STAINING = frozenset({"424361007", "G-C350"})
"""Concept `using substance` of a preparation step, in SNOMED CT and in its older code. Source: PS3.16 TID 8003."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The columns one instance gives to its study, its series and itself."""

    study: dict[str, Any]
    series: dict[str, Any]
    instance: dict[str, Any]


def head(data: bytes) -> dict[str, Any]:
    """The top level of a dataset up to its per-frame groups, which alone may be a hundred times the rest."""
    return cut(data)[0]


def cut(data: bytes) -> tuple[dict[str, Any], bytes]:
    """The same, and the bytes from the per-frame groups to the end, the last brace included."""
    mark = b'"' + PER_FRAME.encode() + b'":{'
    at = data.find(mark)
    if at > 0:
        try:
            found: dict[str, Any] = json.loads(data[:at].rstrip(b", \n") + b"}")
        except ValueError:  # inside a sequence: read all of it
            pass
        else:
            return found, data[at:]
    return whole(data), b"}"


def whole(data: bytes) -> dict[str, Any]:
    """All of a dataset."""
    found: dict[str, Any] = json.loads(data)
    return found


def read(dataset: Dataset) -> Facts:
    """The facts of one instance."""
    study, series, instance = (
        {attribute.column: column(attribute, dataset) for attribute in ATTRIBUTES[level]} for level in Level
    )
    for name in NAMES:
        study[name + "_key"], study[name + "_other"] = names.keys(study[name])
    stains = many(_stains(dataset))
    requests = dataset.get("00400275", {}).get("Value")
    series["request_attributes"] = json.dumps(requests, ensure_ascii=False) if requests else None
    series["container_id"] = instance["container_id"]
    series["stains"] = instance["stains"] = stains
    return Facts(study, series, instance)


def column(attribute: Attribute, dataset: Dataset) -> Any:
    """The value of an attribute as its column holds it."""
    values = list(texts(dataset, attribute.path))
    match attribute.kind:
        case Kind.NUMBER:
            return _integer(values[0]) if values else None
        case Kind.MANY:
            return many(values)
        case Kind.DATE:
            return "\\".join(values).replace(".", "")
        case Kind.TIME:
            return "\\".join(values).replace(":", "")
        case _:
            return "\\".join(values)


def texts(dataset: Dataset, path: Sequence[str]) -> Iterator[str]:
    """Every value at a path as text; a person name as `alphabetic=ideographic=phonetic`."""
    element = dataset.get(path[0])
    if not isinstance(element, Mapping):
        return
    for value in element.get("Value", ()):
        if len(path) > 1:
            if isinstance(value, Mapping):
                yield from texts(value, path[1:])
        elif value is not None and (text := value_text(value)):
            yield text


def many(values: Sequence[str] | Iterator[str]) -> str:
    """Several values in one column, each once."""
    kept = list(dict.fromkeys(value for value in values if value))
    return "\\" + "\\".join(kept) + "\\" if kept else ""


def split(column_value: str) -> list[str]:
    """The values of a column of several."""
    return column_value.strip("\\").split("\\") if column_value else []


def value_text(value: Any) -> str:
    """One value as it is compared: a person name as `alphabetic=ideographic=phonetic`, None as nothing."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        groups = (str(value.get(group, "")).strip() for group in ("Alphabetic", "Ideographic", "Phonetic"))
        text = "=".join(groups).rstrip("=")
    else:
        text = as_text(value)
    if not text.isascii():  # a lone surrogate is no text to a database
        text = text.encode("utf-8", "replace").decode()
    return text.replace("\0", "").strip()[:LONGEST]


def as_text(value: Any) -> str:
    """A JSON value as text; a number without a fraction as an integer."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _integer(text: str) -> int | None:
    try:
        number = int(text)
    except ValueError:
        return None
    return number if abs(number) < 1 << 63 else None


def _stains(dataset: Dataset) -> Iterator[str]:
    """The substances of the staining steps. Source: PS3.3 C.7.6.22.1.3."""
    for specimen in _items(dataset, "00400560"):
        for preparation in _items(specimen, "00400610"):
            for content in _items(preparation, "00400612"):
                concept = next(_items(content, "0040A043"), {})
                if not STAINING.isdisjoint(texts(concept, ("00080100",))):
                    yield from texts(content, ("0040A168", "00080104"))


def _items(dataset: Dataset, tag: str) -> Iterator[Dataset]:
    for item in dataset.get(tag, {}).get("Value", ()):
        if isinstance(item, Mapping):
            yield item
