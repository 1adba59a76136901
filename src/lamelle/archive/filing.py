"""The catalogue transaction of instances: their rows, their studies' and series' counts, the tally; all or nothing.

Ingest and rebuild file through here; nothing here touches a blob.
"""

import json
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from operator import attrgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from lamelle.access.model import FIRST_PLACE
from lamelle.archive import catalogue, facts, names, statements
from lamelle.archive.catalogue import MONTH, instance, name_word, series, study, tally, tally_month
from lamelle.archive.facts import NAMES, Facts
from lamelle.archive.merge import Merged
from lamelle.archive.model import instance_key


@dataclass(frozen=True, slots=True)
class Record:
    """One instance ready to be filed."""

    study_uid: str
    series_uid: str
    uid: str
    digest: str
    facts: Facts
    row: dict[str, Any]
    """Columns of `instance` besides those in `facts`."""
    json: bytes
    """Compressed metadata."""
    bulk: bytes | None
    frames: bytes | None

    @property
    def key(self) -> str:
        return instance_key(self.digest)


@dataclass(slots=True)
class _Group:
    """A study or series as it is and as it becomes."""

    id: int
    merged: Merged
    instances: int
    modalities: str = ""
    series: int = 0
    place: int = FIRST_PLACE
    before: "Counted | None" = None
    """As the tally counts it; None for a new study."""
    changed: bool = False
    named: bool = False
    renamed: bool = False
    """A series changed its modality: the study's set can't grow to the right one."""
    added: list[Record] = field(default_factory=list)


def known(conn: sa.Connection, uids: Sequence[str]) -> dict[str, str]:
    """The dataset digests of those instances that are in the catalogue, by SOP Instance UID."""
    return {row.uid: row.digest for row in statements.KNOWN.rows(conn, uids)}


def buried(conn: sa.Connection, uids: Sequence[str]) -> dict[str, str]:
    """The blobs of those instances that were deleted; the rows stay locked until the transaction ends."""
    return {row.uid: row.key for row in statements.BURIED.rows(conn, uids)}


def hold(conn: sa.Connection, uids: Sequence[str]) -> set[str]:
    """Which of those instances are there; none of them can be deleted until the transaction ends."""
    return {uid for (uid,) in statements.HELD.rows(conn, sorted(uids))}


def lock(conn: sa.Connection, records: Iterable[Record], now: datetime, places: Mapping[str, int]) -> None:
    """Make the missing studies of these records and lock them all, in one order everywhere so that no two wait.

    `places`: where studies that are made belong; one that was deleted comes back to its own. SQLite's write
    transactions are alone anyway.
    """
    firsts = {record.study_uid: record for record in reversed(list(records))}
    blank = {"modalities": "", "lead": "", "created_at": now, "updated_at": now}
    uids = sorted(firsts)
    there = {uid for (uid,) in statements.STUDY_THERE.rows(conn, uids)}
    missing = [uid for uid in uids if uid not in there]
    if missing:
        own = {row.study_uid: row.place for row in statements.BURIED_STUDY.rows(conn, missing)}
        rows = [{"uid": uid, "place": own.get(uid, places[uid]), **blank} for uid in missing]
        conn.execute(statements.insert_study(conn.dialect.name), rows)
    if conn.dialect.name == "postgresql":
        list(statements.STUDY_LOCKED.rows(conn, uids))


def sweep(conn: sa.Connection, uids: Iterable[str]) -> None:
    """Remove those of the studies that were made for instances which were then not filed."""
    for uid in sorted(set(uids)):
        conn.execute(sa.delete(study).where(study.c.uid == uid, study.c.instance_count == 0))


def file(conn: sa.Connection, records: Sequence[Record], now: datetime) -> list[Record]:
    """Write new instances, whose studies are locked; returns those another transaction filed first."""
    if not records:
        return []
    studies = _load_studies(conn, {record.study_uid for record in records})
    serieses = _load_series(conn, studies, records, now)
    rows = [
        {
            "received_at": now,
            **record.row,
            **record.facts.instance,
            "uid": record.uid,
            "digest": record.digest,
            "study_id": studies[record.study_uid].id,
            "series_id": serieses[record.study_uid, record.series_uid].id,
        }
        for record in records
    ]
    ids = _insert_new(conn, rows)
    filed = [record for record in records if record.uid in ids]
    _insert_satellites(conn, filed, ids)
    for record in filed:
        owner = studies[record.study_uid]
        part = serieses[record.study_uid, record.series_uid]
        owner.added.append(record)
        part.added.append(record)
    _save_series(conn, serieses, studies, now)
    _save_studies(conn, studies, now)
    return [record for record in records if record.uid not in ids]


def _insert_new(conn: sa.Connection, rows: list[dict[str, Any]]) -> dict[str, int]:
    """Insert instance rows, and return the ids of those that were not there, by UID."""
    return {uid: number for number, uid in conn.execute(statements.insert_instance(conn.dialect.name), rows)}


def _insert_satellites(conn: sa.Connection, records: Sequence[Record], ids: dict[str, int]) -> None:
    if not records:
        return
    metadata = [{"instance_id": ids[r.uid], "json": r.json, "bulk": r.bulk} for r in records]
    conn.execute(statements.INSERT_METADATA, metadata)
    frames = [{"instance_id": ids[r.uid], "packed": r.frames} for r in records if r.frames is not None]
    if frames:
        conn.execute(statements.INSERT_FRAMES, frames)


# -- studies and series ----------------------------------------------------------------------------


def _load_studies(conn: sa.Connection, uids: set[str]) -> dict[str, _Group]:
    found: dict[str, _Group] = {}
    for row in statements.STUDY.rows(conn, sorted(uids)):
        merged = Merged(row.lead, dict(zip(_STUDY_VALUES, _study_values(row), strict=True)), _fills(row))
        group = _Group(row.id, merged, row.instance_count, row.modalities, row.series_count, row.place)
        if row.instance_count:
            group.before = (row.study_date, row.modalities, row.place, row.series_count, row.instance_count)
        found[row.uid] = group
    return found


def _load_series(
    conn: sa.Connection, studies: dict[str, _Group], records: Sequence[Record], now: datetime
) -> dict[tuple[str, str], _Group]:
    wanted = {(record.study_uid, record.series_uid): None for record in records}
    uid_of = {group.id: uid for uid, group in studies.items()}
    found: dict[tuple[str, str], _Group] = {}
    for row in statements.SERIES.rows(conn, sorted({series_uid for _, series_uid in wanted})):
        if row.study_id in uid_of:  # of another study that uses the same UID none of this is asked
            merged = Merged(row.lead, dict(zip(_SERIES_VALUES, _series_values(row), strict=True)), _fills(row))
            found[uid_of[row.study_id], row.uid] = _Group(row.id, merged, row.instance_count)
    missing = [pair for pair in wanted if pair not in found]
    if missing:
        blank = {"lead": "", "created_at": now, "updated_at": now}
        rows = [{"study_id": studies[s].id, "uid": uid, **blank} for s, uid in missing]
        for made in conn.execute(statements.INSERT_SERIES, rows):
            found[uid_of[made.study_id], made.uid] = _Group(made.id, Merged("", {}), 0)
            studies[uid_of[made.study_id]].series += 1
    return found


def _take(group: _Group, values: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """Merge what added instances say into the group's row."""
    for uid, said in values:
        if not group.merged.lead:
            group.merged = Merged(uid, dict(said))
            group.changed = group.named = True
        else:
            names_before = [group.merged.values[name] for name in NAMES if name in group.merged.values]
            group.changed |= group.merged.add(uid, said)
            group.named |= names_before != [group.merged.values[n] for n in NAMES if n in group.merged.values]
    group.instances += len(values)


def _save_series(
    conn: sa.Connection, groups: dict[tuple[str, str], _Group], studies: dict[str, _Group], now: datetime
) -> None:
    for (study_uid, _), group in groups.items():
        if not group.added:
            if not group.instances:  # made for an instance that was filed elsewhere meanwhile
                conn.execute(sa.delete(series).where(series.c.id == group.id))
                studies[study_uid].series -= 1
            continue
        before = group.merged.values.get("modality")
        _take(group, [(record.uid, record.facts.series) for record in group.added])
        values: dict[str, Any] = {"instance_count": group.instances, "updated_at": now}
        if group.changed:
            values |= group.merged.values | {"lead": group.merged.lead, "fills": group.merged.packed_fills()}
            owner, modality = studies[study_uid], group.merged.values["modality"]
            owner.renamed |= bool(before) and modality != before
            owner.modalities = facts.many(sorted({*facts.split(owner.modalities), modality}))
        conn.execute(statements.UPDATE_SERIES, values | {"this": group.id})


def _save_studies(conn: sa.Connection, groups: dict[str, _Group], now: datetime) -> None:
    changes = no_changes()
    known = known_patients(conn, sorted(groups))
    for uid, group in groups.items():
        if not group.added:
            if not group.instances:
                conn.execute(sa.delete(study).where(study.c.id == group.id))
            continue
        _take(group, [(record.uid, record.facts.study) for record in group.added])
        values: dict[str, Any] = {"instance_count": group.instances, "series_count": group.series, "updated_at": now}
        if group.renamed:
            there = conn.execute(sa.select(series.c.modality).where(series.c.study_id == group.id).distinct())
            group.modalities = facts.many(sorted(there.scalars()))
        values["modalities"] = group.modalities
        if group.changed:
            group.merged.values |= known.get(uid, {})
            values |= group.merged.values | {"lead": group.merged.lead, "fills": group.merged.packed_fills()}
        conn.execute(statements.UPDATE_STUDY, values | {"this": group.id})
        if group.named:
            save_words(conn, group.id, group.merged.values)
        after = (group.merged.values["study_date"], group.modalities, group.place, group.series, group.instances)
        count_change(changes, group.before, after)
    add_to_tally(conn, changes)


def refresh(conn: sa.Connection, study_id: int, now: datetime) -> None:
    """Make a study and its series say what their remaining instances say; without any, they go."""
    before = conn.execute(sa.select(study).where(study.c.id == study_id)).one()
    owner: Merged | None = None
    parts: dict[int, tuple[Merged, list[int]]] = {}
    query = sa.select(instance.c.uid, instance.c.series_id, catalogue.metadata.c.json).join(catalogue.metadata)
    for uid, series_id, packed in conn.execute(query.where(instance.c.study_id == study_id)):
        said = facts.read(facts.head(zlib.decompress(packed)))
        if owner is None:
            owner = Merged(uid, dict(said.study))
        else:
            owner.add(uid, said.study)
        if series_id not in parts:
            parts[series_id] = (Merged(uid, dict(said.series)), [1])
        else:
            parts[series_id][0].add(uid, said.series)
            parts[series_id][1][0] += 1
    conn.execute(sa.delete(series).where(series.c.study_id == study_id, series.c.id.not_in(parts)))
    for series_id, (part, [count]) in parts.items():
        _update(conn, series, series_id, part, {"instance_count": count, "updated_at": now})
    changes = no_changes()
    counted = (before.study_date, before.modalities, before.place, before.series_count, before.instance_count)
    if owner is None:
        conn.execute(sa.delete(study).where(study.c.id == study_id))
        count_change(changes, counted, None)
    else:
        modalities = facts.many(sorted({part.values["modality"] for part, _ in parts.values()}))
        instances = sum(count for _, [count] in parts.values())
        values = {"modalities": modalities, "series_count": len(parts), "instance_count": instances}
        owner.values |= known_patients(conn, [before.uid]).get(before.uid, {})
        _update(conn, study, study_id, owner, values | {"updated_at": now})
        save_words(conn, study_id, owner.values)
        count_change(changes, counted, (owner.values["study_date"], modalities, before.place, len(parts), instances))
    add_to_tally(conn, changes)


def known_patients(conn: sa.Connection, uids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Columns that hold over what the files of these studies say, by study."""
    return {row.study_uid: json.loads(row.columns) for row in statements.KNOWN_PATIENT.rows(conn, uids)}


def _update(conn: sa.Connection, table: sa.Table, number: int, merged: Merged, values: dict[str, Any]) -> None:
    values = merged.values | values | {"lead": merged.lead, "fills": merged.packed_fills()}
    conn.execute(sa.update(table).where(table.c.id == number).values(**values))


def save_words(conn: sa.Connection, study_id: int, values: dict[str, Any]) -> None:
    """Make the words of a study's names findable, instead of those it had."""
    conn.execute(sa.delete(name_word).where(name_word.c.study_id == study_id))
    rows = [{"word": word, "role": role, "study_id": study_id} for role in NAMES for word in names.words(values[role])]
    if rows:
        conn.execute(sa.insert(name_word), rows)


Changes = defaultdict[tuple[str, str, int], list[int]]
Counted = tuple[str, str, int, int, int]
"""Study date, modalities, place; series, instances."""


def no_changes() -> Changes:
    """Changes of the tally, none yet."""
    return defaultdict(lambda: [0, 0, 0])


def count_change(changes: Changes, before: Counted | None, after: Counted | None) -> None:
    """Note that a study moves from one cell of the tally to another."""
    for counted, sign in ((before, -1), (after, 1)):
        if counted is not None:
            cell = changes[counted[:3]]
            for at, amount in enumerate((1, *counted[3:])):
                cell[at] += sign * amount


COUNTED = ("studies", "series", "instances")


def add_to_tally(conn: sa.Connection, changes: Changes) -> None:
    """Write noted changes, in one order everywhere so that no two transactions wait for each other."""
    months = no_changes()
    for (day, modalities, place), amounts in changes.items():
        cell = months[day[:MONTH], modalities, place]
        for at, amount in enumerate(amounts):
            cell[at] += amount
    _add(conn, tally, changes)
    _add(conn, tally_month, months)


def _add(conn: sa.Connection, table: sa.Table, changes: Changes) -> None:
    period, *_ = table.primary_key.columns
    rows = [
        {period.name: cell, "modalities": modalities, "place": place, **dict(zip(COUNTED, amounts, strict=True))}
        for (cell, modalities, place), amounts in sorted(changes.items())
        if any(amounts)
    ]
    if rows:
        conn.execute(statements.add_to_cells(table, conn.dialect.name, COUNTED), rows)


def note_aside(conn: sa.Connection, key: str, note: Mapping[str, Any]) -> None:
    """Write down what was put aside; a second copy of the same bytes adds nothing."""
    dialect = postgresql.insert if conn.dialect.name == "postgresql" else sqlite.insert
    values = {"place": FIRST_PLACE, **note, "key": key, "received_at": datetime.fromisoformat(note["received_at"])}
    conn.execute(dialect(catalogue.aside).values(**values).on_conflict_do_nothing())


# -- making records --------------------------------------------------------------------------------


def compress(data: bytes) -> bytes:
    """Metadata as the catalogue holds it."""
    return zlib.compress(data, 1)


def _fills(row: sa.Row[Any]) -> dict[str, str]:
    return json.loads(row.fills) if row.fills else {}


_STUDY_VALUES = tuple(facts.read({}).study)
_SERIES_VALUES = tuple(facts.read({}).series)
_study_values, _series_values = attrgetter(*_STUDY_VALUES), attrgetter(*_SERIES_VALUES)
