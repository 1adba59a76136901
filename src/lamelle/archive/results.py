"""From catalogue rows to the DICOM JSON objects a search answers. Source: PS3.18 10.6.3.3, Annex F."""

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from lamelle.archive import catalogue, facts
from lamelle.archive.catalogue import ATTRIBUTES, TABLES, Attribute, Kind, Level, instance, series, study

Item = dict[str, Any]

CHUNK = 500


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


def load(
    conn: sa.Connection, level: Level, ids: Sequence[int], include: frozenset[str] | None, *, parents: bool
) -> list[Item]:
    """The objects of these rows in the order of `ids`.

    `include`: tags wanted besides the level's own, None for all there are; `parents`: with the attributes of the levels
    above.
    """
    items: dict[int, Item] = {}
    leads: dict[int, str] = {}
    for at in range(0, len(ids), CHUNK):
        for row in conn.execute(_rows(level, ids[at : at + CHUNK])).mappings():
            number, item = _item(level, dict(row), include or frozenset(), parents=parents)
            items[number], leads[number] = item, row["lead"]
    wanted = None if include is None else {tag for tag in include if tag not in _COLUMN_TAGS}
    if wanted is None or wanted:
        _add_metadata(conn, level, items, leads, wanted, parents=parents)
    if include is None or "00080062" in include:
        _add_classes(conn, level, items)
    return [dict(sorted(items[number].items())) for number in ids if number in items]


def _rows(level: Level, ids: Sequence[int]) -> sa.Select[Any]:
    table = TABLES[level]
    columns: list[Any] = [*study.c]
    source: Any = study
    if level is not Level.STUDY:
        columns += series.c
        source = source.join(series, series.c.study_id == study.c.id)
    if level is Level.INSTANCE:
        columns += instance.c
        source = source.join(instance, instance.c.series_id == series.c.id)
    labelled = [column.label(f"{column.table.name}_{column.name}") for column in columns]
    lead = (instance.c.uid if level is Level.INSTANCE else table.c.lead).label("lead")
    return sa.select(*labelled, lead).select_from(source).where(table.c.id.in_(ids))


def _item(level: Level, row: Mapping[str, Any], include: frozenset[str], *, parents: bool) -> tuple[int, Item]:
    item: Item = {"0020000D": _element("UI", [row["study_uid"]]), "00080056": _element("CS", ["ONLINE"])}
    there = list(Level)[: list(Level).index(level) + 1]
    here = there if parents else [level]
    for each in there:
        for attribute in ATTRIBUTES[each]:
            tag = attribute.path[0]
            if len(attribute.path) == 1 and (tag in include or (attribute.always and each in here)):
                _add(item, attribute, row[f"{each}_{attribute.column}"])
    if Level.STUDY in here:
        item["00080061"] = _element("CS", facts.split(row["study_modalities"]))
        item["00201206"] = _element("IS", [row["study_series_count"]])
        item["00201208"] = _element("IS", [row["study_instance_count"]])
    if level is not Level.STUDY:
        item["0020000E"] = _element("UI", [row["series_uid"]])
    if Level.SERIES in here:
        item["00201209"] = _element("IS", [row["series_instance_count"]])
        requests = row["series_request_attributes"]
        if requests:
            item["00400275"] = _element("SQ", json.loads(requests))
    if level is Level.INSTANCE:
        item["00080018"] = _element("UI", [row["instance_uid"]])
        item["00083002"] = _element("UI", [row["instance_transfer_syntax"]])
    return row[f"{level}_id"], item


_COMPUTED = _tags("0020000D 0020000E 00080018 00080056 00080061 00080062 00083002 00201206 00201208 00201209 00400275")
_COLUMN_TAGS = _COMPUTED | {a.path[0] for level in Level for a in ATTRIBUTES[level] if len(a.path) == 1}
_OPTIONAL = frozenset({"00080201", "00280002", "00280008", "00280010", "00280011", "00280100", "0008103E"})
"""Returned if known, left out if not."""


def _add(item: Item, attribute: Attribute, value: Any) -> None:
    tag = attribute.path[0]
    if value in (None, "") and tag in _OPTIONAL:
        return
    match attribute.kind:
        case Kind.NUMBER:
            values = [] if value is None else [value]
        case Kind.MANY:
            values = facts.split(value)
        case Kind.NAME:
            groups = zip(("Alphabetic", "Ideographic", "Phonetic"), value.split("="), strict=False)
            values = [{name: group for name, group in groups if group}] if value else []
        case _:
            values = value.split("\\") if value else []
    item[tag] = _element(attribute.vr, values)


def _element(vr: str, values: Sequence[Any]) -> dict[str, Any]:
    return {"vr": vr, "Value": list(values)} if values else {"vr": vr}


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
            item = items[owners[uid]]
            for tag, element in dataset.items():
                if tag not in item and level_of(tag) in ranks and (fitting is None or tag in fitting):
                    item[tag] = element


def _add_classes(conn: sa.Connection, level: Level, items: Mapping[int, Item]) -> None:
    if level is not Level.STUDY:
        return
    found: dict[int, set[str]] = {number: set() for number in items}
    numbers = list(items)
    for at in range(0, len(numbers), CHUNK):
        query = sa.select(instance.c.study_id, instance.c.sop_class).distinct()
        for number, uid in conn.execute(query.where(instance.c.study_id.in_(numbers[at : at + CHUNK]))):
            found[number].add(uid)
    for number, uids in found.items():
        items[number]["00080062"] = _element("UI", sorted(uids))
