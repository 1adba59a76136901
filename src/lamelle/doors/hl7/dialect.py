"""How one laboratory system speaks: a table, read from TOML; those of the package lie in dialects/.

A table of a site says `extends = "standard"` and then only what differs. What a path is, paths tells; what is done
with what is read, reading and writing.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import tzinfo
from functools import lru_cache
from importlib.resources import files
from pathlib import Path as File
from types import MappingProxyType
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

from lamelle.base.errors import Invalid
from lamelle.doors.hl7.paths import Path, path
from lamelle.lab.orders import BlockSaid, Identity, Order, ReportSaid, SlideSaid, SpecimenSaid

K = TypeVar("K")
V = TypeVar("V")

READS: Final = ("order", "patient", "merge", "report", "document", "technique", "nothing")
"""What a message may be read as."""
NEWS: Final = ("image", "rescan", "technique", "report")
"""What we tell, each with its template."""


def _of(kind: type[Any], *more: str) -> frozenset[str]:
    return frozenset(field.name for field in fields(kind)) | frozenset(more)


IDENTIFIED: Final = ("issuer", "parent_issuer")
SECTIONS: Final[Mapping[str, frozenset[str]]] = {
    "order": _of(Order, "accession", "issuer"),
    "asset": frozenset({"kind"}),
    "patient": _of(Identity, "identifier", "more", "issuer"),
    "merge": frozenset({"identifier", "issuer"}),
    "specimen": _of(SpecimenSaid, *IDENTIFIED),
    "block": _of(BlockSaid, *IDENTIFIED),
    "slide": _of(SlideSaid, *IDENTIFIED),
    "report": _of(ReportSaid, "accession", "issuer", "title"),
    "document": frozenset({"data", "type", "kind", "title"}),
    "technique": frozenset({"identifier", "filler", "state", "reason"}),
}
"""Sections of paths, and what each may name."""


@dataclass(frozen=True, slots=True)
class Template:
    """A message of ours: its type (MSH-9), its profile (MSH-21), and its segments as field number to text."""

    kind: str
    profile: str
    segments: tuple[tuple[str, Mapping[int, str], str], ...]
    """Name, fields, and the value without which the segment is left out."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One table, read and checked."""

    name: str
    charset: str
    version: str
    zone: tzinfo
    accept: str
    """MSH-15 of what we send: "" asks in the original mode."""
    answer: str
    """MSH-16, too."""
    messages: Mapping[str, tuple[str, ...]]
    """Message type or profile (MSH-21) to what it is read as."""
    levels: Mapping[str, tuple[str, ...]]
    """Message type to the segments that open its groups."""
    paths: Mapping[str, Mapping[str, Path]]
    values: Mapping[str, Mapping[str, str]]
    """Translations by the field's name: what they say to what we say."""
    out: Mapping[str, Template]

    def path(self, section: str, name: str) -> Path:
        return self.paths.get(section, {}).get(name, ())

    def said(self, name: str, value: str, default: str = "") -> str:
        """What `value` of theirs is in our words; "" and words unknown are `default`."""
        return self.values.get(name, {}).get(value, default)


@lru_cache(maxsize=64)
def load(name: str) -> Dialect:
    """The dialect of that name, or of a TOML file. Raises: Invalid("bad_dialect")."""
    return _built(name, _tree(name, 0))


def names() -> list[str]:
    """Those of the package."""
    folder = files("lamelle.doors.hl7") / "dialects"
    return sorted(one.name.removesuffix(".toml") for one in folder.iterdir() if one.name.endswith(".toml"))


def _tree(name: str, depth: int) -> dict[str, Any]:
    if depth > 4:
        raise Invalid("bad_dialect", f"{name} extends itself")
    try:
        if name.endswith(".toml"):
            text = File(name).expanduser().read_text(encoding="utf-8")
        else:
            text = (files("lamelle.doors.hl7") / "dialects" / f"{name}.toml").read_text(encoding="utf-8")
        tree = tomllib.loads(text)
    except OSError as error:
        known = ", ".join(names())
        raise Invalid("bad_dialect", f"the dialect {name} cannot be read; there are {known}, or a file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid("bad_dialect", f"the dialect {name} is not TOML: {error}") from error
    base = tree.pop("extends", "")
    return _over(_tree(base, depth + 1), tree) if base else tree


def _over(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Tables are joined, all else replaced."""
    joined = dict(below)
    for key, value in above.items():
        held = joined.get(key)
        joined[key] = _over(held, value) if isinstance(held, dict) and isinstance(value, dict) else value
    return joined


def _built(name: str, tree: Mapping[str, Any]) -> Dialect:
    try:
        unknown = set(tree) - {*SECTIONS, *(field.name for field in fields(Dialect))}
        if unknown:
            raise Invalid("bad_dialect", f"{name}: {', '.join(sorted(unknown))} is no section of a dialect")
        return Dialect(
            name=name,
            charset=str(tree.get("charset", "UNICODE UTF-8")),
            version=str(tree.get("version", "2.5.1")),
            zone=ZoneInfo(str(tree.get("zone", "Europe/Paris"))),
            accept=str(tree.get("accept", "")),
            answer=str(tree.get("answer", "")),
            messages=_frozen({key: _reads(name, value) for key, value in tree.get("messages", {}).items()}),
            levels=_frozen({key: tuple(map(str, value)) for key, value in tree.get("levels", {}).items()}),
            paths=_frozen({key: _paths(name, key, tree.get(key, {})) for key in SECTIONS}),
            values=_frozen({key: _frozen(dict(value)) for key, value in tree.get("values", {}).items()}),
            out=_frozen({key: _template(name, key, value) for key, value in tree.get("out", {}).items()}),
        )
    except (AttributeError, KeyError, TypeError, ValueError, OSError) as error:
        raise Invalid("bad_dialect", f"the dialect {name} cannot be used ({type(error).__name__}: {error})") from error


def _frozen(table: dict[K, V]) -> Mapping[K, V]:
    return MappingProxyType(table)


def _reads(name: str, value: Any) -> tuple[str, ...]:
    words = (value,) if isinstance(value, str) else tuple(value)
    if wrong := [word for word in words if word not in READS]:
        raise Invalid("bad_dialect", f"{name}: a message is read as {', '.join(READS)}, not as {wrong[0]}")
    return words


def _paths(name: str, section: str, table: Mapping[str, str]) -> Mapping[str, Path]:
    if wrong := sorted(set(table) - SECTIONS[section]):
        raise Invalid("bad_dialect", f"{name}: {section}.{wrong[0]} is nothing that is read")
    return _frozen({key: path(text) for key, text in table.items()})


def _template(name: str, news: str, table: Mapping[str, Any]) -> Template:
    if news not in NEWS:
        raise Invalid("bad_dialect", f"{name}: out.{news} is none of {', '.join(NEWS)}")
    segments = []
    for one in table.get("segments", ()):
        needs = str(one.get("if", ""))
        ((segment, given),) = ((key, value) for key, value in one.items() if key != "if")
        segments.append((segment, _frozen({int(number): str(text) for number, text in given.items()}), needs))
    return Template(str(table["kind"]), str(table.get("profile", "")), tuple(segments))
