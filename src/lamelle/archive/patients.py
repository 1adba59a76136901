"""The patients of the studies a query finds: the level above the study, which no table of its own holds.

A patient is an identifier and who issued it; a study without an identifier stands for a patient of its own.
Source: PS3.4 C.6.1.1.2.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from lamelle.access.model import Reach
from lamelle.archive import query, results, within
from lamelle.archive.catalogue import Level, study
from lamelle.archive.conditions import ORDER
from lamelle.archive.query import CHUNK, SCAN_LIMIT, Query
from lamelle.base.clock import Clock
from lamelle.base.db import Database

Item = dict[str, Any]

STUDIES, SERIES, INSTANCES = "00201200", "00201202", "00201204"
_COUNTS = (STUDIES, SERIES, INSTANCES)
"""Number of Patient Related Studies, Series and Instances."""
_OWN = sa.case((study.c.patient_id == "", study.c.uid), else_="")
"""What keeps studies without an identifier apart."""


def found(
    db: Database, reach: Reach, asked: Query, *, scan_limit: int = SCAN_LIMIT, clock: Clock = within.CLOCK
) -> Iterator[Item]:
    """The patients whose studies match within reach, as the newest of these tells them, one by one like `query.found`.

    Raises: as `query.search`, at the call.
    """
    everything = replace(asked, level=Level.STUDY, limit=None, offset=0)
    with db.read() as conn:
        ids = query.listing(conn, reach, everything, scan_limit, clock).ids
        leading = _leading(conn, ids, asked.limit)
    return _each(db, reach, asked, leading, clock)


def _leading(conn: sa.Connection, ids: list[int], limit: int | None) -> list[int]:
    """The first study of each patient."""
    seen: set[tuple[str, str, str]] = set()
    first: list[int] = []
    for at in range(0, len(ids), CHUNK):
        names = sa.select(study.c.id, study.c.patient_id, study.c.issuer_of_patient_id, _OWN)
        rows = names.where(study.c.id.in_(ids[at : at + CHUNK])).order_by(*ORDER[Level.STUDY])
        for number, *key in conn.execute(rows):
            if tuple(key) not in seen:
                seen.add((key[0], key[1], key[2]))
                first.append(number)
        if limit is not None and len(first) >= limit:
            return first[:limit]
    return first


def _each(db: Database, reach: Reach, asked: Query, ids: list[int], clock: Clock) -> Iterator[Item]:
    wanted: set[str] = {match.path[0] for match in asked.matches} | {"00100021"}
    everything = asked.include == "all"
    wanted |= set() if asked.include == "all" else asked.include
    counted = everything or not wanted.isdisjoint(_COUNTS)
    for at in range(0, len(ids), CHUNK):
        with db.read() as conn:
            batch = ids[at : at + CHUNK]
            tags = None if everything else frozenset(wanted)
            found = results.load(conn, reach, Level.STUDY, batch, tags, parents=True)
            items: list[Item] = [json.loads(item.json) for item in found]
            counts = [_counts(conn, reach, item, clock) if counted else {} for item in items]
        for item, count in zip(items, counts, strict=True):
            yield {tag: item[tag] for tag in item if tag == "00080056" or tag.startswith("0010")} | count


def _counts(conn: sa.Connection, reach: Reach, item: Item, clock: Clock) -> Item:
    """How much there is within reach of a patient, of the one study where nobody knows whose it is."""
    who, issuer = _text(item, "00100020"), _text(item, "00100021")
    mine = [study.c.patient_id == who, study.c.issuer_of_patient_id == issuer]
    if not who:
        mine = [study.c.uid == _text(item, "0020000D")]
    sums = sa.func.count(), sa.func.sum(study.c.series_count), sa.func.sum(within.counted(reach, study))
    row = conn.execute(sa.select(*sums).where(*mine, *within.one(reach, clock.now()))).one()
    return {tag: {"vr": "IS", "Value": [int(count)]} for tag, count in zip(_COUNTS, row, strict=True)}


def _text(item: Item, tag: str) -> str:
    return str(item.get(tag, {}).get("Value", [""])[0])
