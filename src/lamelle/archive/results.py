"""From catalogue rows to the DICOM JSON objects a search answers. Source: PS3.18 10.6.3.3, Annex F."""

import json
import zlib
from bisect import insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any

import sqlalchemy as sa

from lamelle.access.model import Reach
from lamelle.archive import catalogue, facts, within
from lamelle.archive.catalogue import ATTRIBUTES, TABLES, Kind, Level, instance, series, study

_Write = Callable[[Any], str]
_Make = Callable[[Any], str]

CHUNK = 500
RETRIEVE_URL = "00081190"
"""Said by a door, which knows where results are retrieved; what an instance says of it is never right."""


def _tags(text: str) -> frozenset[str]:
    return frozenset(text.split())


STUDY_TAGS = _tags("""
    00080020 00080030 00080050 00080051 00080090 00080096 0008009C 0008009D 00080201 00081030 00081032 00081048 00081049
    00081060 00081062 00081080 00081084 00081110 00081120 0020000D 00200010 00321033 00324000 00380010 00380014 00380060
    00380062 00380064 00380500
""")
"""Of the Patient, General Study and Patient Study modules, besides groups 0010 and 0012. Source: PS3.3 C.7.1, C.7.2."""
SERIES_TAGS = _tags("""
    00080021 00080031 00080060 00080064 00080068 00080070 00080080 00080081 00080082 00081010 0008103E 0008103F 00081040
    00081041 00081050 00081052 00081070 00081072 00081090 00081111 00081250 00120071 00120072 00180015 00180050 00181000
    00181008 00181020 00181030 00181200 00181201 00185100 0020000E 00200011 00200052 00200060 00201040 00280108 00280109
    00400244 00400245 00400250 00400251 00400253 00400254 00400260 00400275 00400280 00400512
""")
"""Of the General Series, Frame of Reference and General Equipment modules. Source: PS3.3 C.7.3 to C.7.5."""


def level_of(tag: str) -> int:
    """0 for an attribute of the patient or study, 1 of the series, 2 of the instance."""
    if tag in SERIES_TAGS:
        return 1
    return 0 if tag in STUDY_TAGS or tag[:4] in ("0010", "0012") else 2


@dataclass(frozen=True, slots=True)
class Item:
    """One result, as the texts its JSON object is made of: a search answers with text, and text is quick to make."""

    uids: tuple[str, ...]
    """Of its study, its series and itself, as far as the level goes."""
    elements: list[str]
    """Each as `"00100020":{"vr":"LO","Value":["..."]}`, in the order of tags."""

    @property
    def json(self) -> str:
        """The DICOM JSON object."""
        return f"{{{','.join(self.elements)}}}"


def load(
    conn: sa.Connection,
    reach: Reach,
    level: Level,
    ids: Sequence[int],
    include: frozenset[str] | None,
    *,
    parents: bool,
) -> list[Item]:
    """The results of these rows, which were found within reach, in the order of `ids`.

    `include`: tags wanted besides the level's own, None for all there are; `parents`: with the attributes of the levels
    above.
    """
    shape = _shape(level, include or frozenset(), parents=parents, labels=reach.labels)
    items: dict[int, Item] = {}
    leads: dict[int, str] = {}
    depth = list(Level).index(level) + 1
    for at in range(0, len(ids), CHUNK):
        numbers = list(ids[at : at + CHUNK])
        for number, lead, *values in conn.execute(shape.query, {"ids": numbers}).all():
            made = [make(value) for make, value in zip(shape.makers, values[depth:], strict=True)]
            items[number] = Item(tuple(values[:depth]), list(filter(None, made)))
            leads[number] = lead
    wanted = None if include is None else {tag for tag in include if tag not in _COLUMN_TAGS}
    if wanted is None or wanted:
        _add_metadata(conn, level, items, leads, wanted, parents=parents)
    if level is Level.STUDY and (include is None or "00080062" in include):
        _add_classes(conn, items)
    return [items[number] for number in ids if number in items]


@dataclass(frozen=True, slots=True)
class _Shape:
    """How the results of one kind of search are read: a query of their values, and what each becomes."""

    query: sa.Select[Any]
    """Of the rows `ids`: row number, instance that leads, UIDs down to the level, then a column for each maker."""
    makers: tuple[_Make, ...]
    """Makers of the elements, in the order of tags."""


@lru_cache(256)
def _shape(level: Level, include: frozenset[str], *, parents: bool, labels: bool) -> _Shape:
    reach = Reach(everything=True, labels=labels)
    there = list(Level)[: list(Level).index(level) + 1]
    here = there if parents else [level]
    found: dict[str, tuple[sa.ColumnElement[Any], str, _Write]] = {
        "0020000D": (study.c.uid, "UI", _several),
        "00080056": (sa.literal_column("'ONLINE'"), "CS", _several),
    }
    for each in there:
        for attribute in ATTRIBUTES[each]:
            tag = attribute.path[0]
            if len(attribute.path) == 1 and (tag in include or (attribute.always and each in here)):
                found[tag] = (TABLES[each].c[attribute.column], attribute.vr, _WRITE[attribute.kind])
    if Level.STUDY in here:
        found["00080061"] = (study.c.modalities, "CS", _many)
        found["00201206"] = (study.c.series_count, "IS", str)
        found["00201208"] = (within.counted(reach, study), "IS", str)
    if level is not Level.STUDY:
        found["0020000E"] = (series.c.uid, "UI", _several)
    if Level.SERIES in here:
        found["00201209"] = (within.counted(reach, series), "IS", str)
        found["00400275"] = (series.c.request_attributes, "SQ", _inside)
    if level is Level.INSTANCE:
        found["00080018"] = (instance.c.uid, "UI", _several)
        found["00083002"] = (instance.c.transfer_syntax, "UI", _several)
    table = TABLES[level]
    lead = instance.c.uid if level is Level.INSTANCE else table.c.lead
    uids = [TABLES[each].c.uid.label(f"{each}_uid") for each in there]
    columns = [column.label(f"v{tag}") for tag, (column, _, _) in sorted(found.items())]
    source: Any = study
    if level is not Level.STUDY:
        source = source.join(series, series.c.study_id == study.c.id)
    if level is Level.INSTANCE:
        source = source.join(instance, instance.c.series_id == series.c.id)
    query = sa.select(table.c.id, lead.label("lead"), *uids, *columns).select_from(source)
    query = query.where(table.c.id.in_(sa.bindparam("ids", expanding=True)))
    return _Shape(query, tuple(_maker(tag, vr, write) for tag, (_, vr, write) in sorted(found.items())))


def _maker(tag: str, vr: str, write: _Write) -> _Make:
    """What a column's value becomes; without one, an element without a value, or none where it is optional."""
    begin = f'"{tag}":{{"vr":"{vr}"'
    none = "" if tag in _OPTIONAL else begin + "}"
    begin += ',"Value":['
    if write is _several:  # most values, without a call for each; a backslash is two in JSON and none of another escape
        return lambda value: f"{begin}{_quoted(value).replace(_BACKSLASH, _COMMA)}]}}" if value else none
    return lambda value: f"{begin}{write(value)}]}}" if value or value == 0 else none


def _several(value: str) -> str:
    return _quoted(value).replace(_BACKSLASH, _COMMA)


def _many(value: str) -> str:
    return ",".join(map(_quoted, facts.split(value)))


def _person(value: str) -> str:
    if "=" not in value:
        return f'{{"Alphabetic":{_quoted(value)}}}'
    groups = zip(("Alphabetic", "Ideographic", "Phonetic"), value.split("="), strict=False)
    return _dumped({name: group for name, group in groups if group})


def _inside(value: str) -> str:
    return value[1:-1]  # of a JSON list


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


_quoted: _Write = encode_basestring
_BACKSLASH, _COMMA = r"\\", '","'
_WRITE: dict[Kind, _Write] = dict.fromkeys(Kind, _several) | {
    Kind.NUMBER: str,
    Kind.MANY: _many,
    Kind.NAME: _person,
}


_COMPUTED = _tags("0020000D 0020000E 00080018 00080056 00080061 00080062 00083002 00201206 00201208 00201209 00400275")
_COLUMN_TAGS = _COMPUTED | {a.path[0] for level in Level for a in ATTRIBUTES[level] if len(a.path) == 1}
_OPTIONAL = frozenset({"00080201", "00280002", "00280008", "00280010", "00280011", "00280100", "0008103E"})
"""Returned if known, left out if not."""


def _add_metadata(
    conn: sa.Connection,
    level: Level,
    items: Mapping[int, Item],
    leads: Mapping[int, str],
    wanted: Iterable[str] | None,
    *,
    parents: bool,
) -> None:
    """Add attributes without a column, from the metadata of the instance that leads each result."""
    rank = {Level.STUDY: 0, Level.SERIES: 1, Level.INSTANCE: 2}[level]
    ranks = set(range(rank + 1)) if parents or level is Level.INSTANCE else {rank}
    fitting = None if wanted is None else {tag for tag in wanted if level_of(tag) in ranks}
    if fitting is not None and not fitting:
        return
    owners = {uid: number for number, uid in leads.items()}
    table, uids = catalogue.metadata, list(owners)
    query = sa.select(instance.c.uid, table.c.json).join(instance, instance.c.id == table.c.instance_id)
    for at in range(0, len(uids), CHUNK):
        for uid, packed in conn.execute(query.where(instance.c.uid.in_(uids[at : at + CHUNK]))):
            dataset = facts.head(zlib.decompress(packed))
            elements = items[owners[uid]].elements
            there = {RETRIEVE_URL, *(element[1:9] for element in elements)}
            for tag, element in dataset.items():
                if tag not in there and level_of(tag) in ranks and (fitting is None or tag in fitting):
                    elements.append(f'"{tag}":{_dumped(element)}')
            elements.sort()


def _add_classes(conn: sa.Connection, items: Mapping[int, Item]) -> None:
    found: dict[int, set[str]] = {number: set() for number in items}
    numbers = list(items)
    for at in range(0, len(numbers), CHUNK):
        query = sa.select(instance.c.study_id, instance.c.sop_class).distinct()
        for number, uid in conn.execute(query.where(instance.c.study_id.in_(numbers[at : at + CHUNK]))):
            found[number].add(uid)
    make = _maker("00080062", "UI", lambda uids: ",".join(map(_quoted, sorted(uids))))
    for number, uids in found.items():
        insort(items[number].elements, make(uids or None))
