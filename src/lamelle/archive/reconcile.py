"""Catalogue against blobs: verify says where they differ, rebuild makes the catalogue from the blobs alone."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from lamelle.access.tables import place
from lamelle.archive import catalogue, filing, ingest
from lamelle.archive.blobs import BlobInfo, BlobStore
from lamelle.archive.catalogue import (
    NO_PLACE,
    aside,
    instance,
    name_word,
    remembered_place,
    series,
    study,
    tally,
    tally_month,
    tombstone,
)
from lamelle.archive.filing import Record
from lamelle.archive.model import instance_key
from lamelle.base.db import EPOCH, Database
from lamelle.base.errors import LamelleError, NotFound
from lamelle.dicom import validate
from lamelle.dicom.part10 import Scanner

Progress = Callable[[int, int], None]
"""Called with how many are done and how many there are."""

READ = 1 << 20
BATCH = 100


@dataclass(frozen=True, slots=True)
class Report:
    """What was found; each list holds blob keys."""

    instances: int = 0
    size: int = 0
    missing: list[str] = field(default_factory=list)
    """In the catalogue, without a blob."""
    altered: list[str] = field(default_factory=list)
    """The bytes are not those that were acknowledged."""
    orphaned: list[str] = field(default_factory=list)
    """A blob the catalogue does not know; never acknowledged, or left by a restore of another backup."""
    unreadable: list[str] = field(default_factory=list)
    """A blob that is not the DICOM it should be (rebuild)."""

    @property
    def sound(self) -> bool:
        """Nothing is missing or altered."""
        return not (self.missing or self.altered or self.unreadable)


def verify(db: Database, blobs: BlobStore, progress: Progress = lambda done, total: None) -> Report:
    """Read every byte and compare its digest with the catalogue's; may run beside a working archive."""
    with db.read() as conn:
        total = sum(_count(conn, table) for table in (instance, aside))
    missing: list[str] = []
    altered: list[str] = []
    count = size = 0
    for row in _instances(db):
        key = instance_key(row.digest)
        digests = _digests(blobs, key, row.dataset_offset)
        gone = digests is None or digests[2] != row.size or digests[:2] != (row.meta_digest, row.digest)
        if gone and _still(db, row.uid, row.digest):
            (missing if digests is None else altered).append(key)
        count, size = count + 1, size + row.size
        progress(count, max(total, count))
    asides = _asides(db)
    for at, key in enumerate(asides, 1):
        digests = _digests(blobs, key, 0)
        if digests is None:
            missing.append(key)
        elif digests[1] != key.rpartition("/")[2].partition(".")[0]:
            altered.append(key)
        progress(count + at, max(total, count + at))
    orphaned = list(_orphans(db, blobs))
    known = {*asides, *_asides(db)}  # some were put aside meanwhile
    orphaned += [b.key for b in blobs.list("aside/") if b.key.endswith(".dcm") and b.key not in known]
    return Report(count, size, missing, altered, orphaned)


def rebuild(db: Database, blobs: BlobStore, progress: Progress = lambda done, total: None) -> Report:
    """Empty the catalogue and fill it from the blobs; the report says what could not be read.

    No door may be open meanwhile. Thumbnails are asked for anew; records of imports stay. A blob whose commit failed
    after it was placed is filed too: it is a whole valid instance, its sender was told to send it again, and then it
    is a duplicate. Losing it would be the worse mistake: it may be one whose answer was lost on its way. Of two blobs
    under one UID the later is filed and the other told as orphaned: what came first was never acknowledged, else the
    second would have been a conflict and not lie here. A study stays in its place, which no file says; one that was not
    in the catalogue belongs to the only establishment there is, and of several to NO_PLACE, for nobody can tell.
    """
    listed = sorted(blobs.list("instances/"), key=lambda blob: (blob.modified, blob.key), reverse=True)
    report = Report()
    notes = [note for _, note in _notes(blobs, "tombstones/", report)]
    deleted = {note["sop_uid"] for note in notes}
    with db.write() as conn:
        _remember_places(conn)
        unknown = _unknown_place(conn)
        for table in (name_word, tally, tally_month, instance, series, study, aside, tombstone):
            conn.execute(sa.delete(table))
        for note in notes:
            conn.execute(sa.insert(tombstone).values(**{"place": unknown} | _tombstone(note, blobs)))
        for key, note in _notes(blobs, "aside/", report):
            filing.note_aside(conn, key.removesuffix(".json") + ".dcm", note)
    count = size = 0
    for at in range(0, len(listed), BATCH):
        batch = listed[at : at + BATCH]
        records = [(blob, _scan(blobs, blob)) for blob in batch]
        count_now, size_now = _file(db, records, deleted, unknown, report)
        count, size = count + count_now, size + size_now
        progress(at + len(batch), len(listed))
    _date(db)
    with db.write() as conn:
        conn.execute(sa.delete(remembered_place))
    return Report(count, size, report.missing, report.altered, report.orphaned, report.unreadable)


def catalogue_fingerprint(db: Database) -> str:
    """A digest of all the catalogue says of the blobs: equal for two catalogues of the same archive on any engine.

    Row numbers and the times of rows do not count.
    """
    digest = hashlib.sha256()
    with db.read() as conn:
        for query in _fingerprinted():
            for row in conn.execution_options(stream_results=True).execute(query):
                for value in row:
                    data = value if isinstance(value, bytes) else repr(value).encode()
                    digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def _fingerprinted() -> Iterator[sa.Select[Any]]:
    skipped = {"id", "series_id", "instance_id", "created_at", "updated_at", "received_at"}

    def columns(table: sa.Table) -> list[sa.Column[Any]]:
        # `study_id` of a study is DICOM's Study ID, elsewhere a row number.
        return [c for c in table.c if c.name not in skipped and (c.name != "study_id" or table is study)]

    yield sa.select(*columns(study)).order_by(study.c.uid)
    yield sa.select(study.c.uid, *columns(series)).join(study).order_by(study.c.uid, series.c.uid)
    inner = sa.select(series.c.uid, *columns(instance)).join(series, series.c.id == instance.c.series_id)
    yield inner.order_by(instance.c.uid)
    for table in (catalogue.metadata, catalogue.frame_index):
        yield sa.select(instance.c.uid, *columns(table)).join(instance).order_by(instance.c.uid)
    words = sa.select(study.c.uid, name_word.c.word, name_word.c.role).join(study)
    yield words.order_by(study.c.uid, name_word.c.word, name_word.c.role)
    yield sa.select(tally).where(tally.c.studies != 0).order_by(tally.c.study_date, tally.c.modalities)
    yield sa.select(*(c for c in aside.c if c.name != "id")).order_by(aside.c.key)
    yield sa.select(tombstone).order_by(tombstone.c.uid)


# -- verify ----------------------------------------------------------------------------------------


def _instances(db: Database) -> Iterator[sa.Row[Any]]:
    """Every instance row, in short transactions."""
    last = 0
    columns = ("id", "uid", "digest", "meta_digest", "size", "dataset_offset")
    while True:
        query = sa.select(*(instance.c[name] for name in columns)).where(instance.c.id > last)
        with db.read() as conn:
            rows = conn.execute(query.order_by(instance.c.id).limit(BATCH)).all()
        if not rows:
            return
        yield from rows
        last = rows[-1].id


def _count(conn: sa.Connection, table: sa.Table) -> int:
    return int(conn.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def _asides(db: Database) -> list[str]:
    with db.read() as conn:
        return list(conn.execute(sa.select(aside.c.key)).scalars())


def _still(db: Database, uid: str, digest: str) -> bool:
    """Whether the instance is still filed: it may have been deleted while it was read."""
    with db.read() as conn:
        return filing.known(conn, [uid]).get(uid) == digest


def _digests(blobs: BlobStore, key: str, offset: int) -> tuple[str, str, int] | None:
    """SHA-256 of the bytes before and from `offset`, and the size; None without a blob."""
    try:
        reader = blobs.open(key)
    except NotFound:
        return None
    try:
        before, after = hashlib.sha256(reader.read_at(0, offset)), hashlib.sha256()
        at = offset
        while chunk := reader.read_at(at, READ):
            after.update(chunk)
            at += len(chunk)
        return before.hexdigest(), after.hexdigest(), reader.size
    finally:
        reader.close()


def _orphans(db: Database, blobs: BlobStore) -> Iterator[str]:
    for batch in _batches(blob.key for blob in blobs.list("instances/")):
        digests = {key.rpartition("/")[2].partition(".")[0]: key for key in batch}
        with db.read() as conn:
            known = set(conn.execute(sa.select(instance.c.digest).where(instance.c.digest.in_(digests))).scalars())
            kept = set(conn.execute(sa.select(tombstone.c.key).where(tombstone.c.key.in_(batch))).scalars())
        yield from (key for digest, key in digests.items() if digest not in known and key not in kept)


def _batches(keys: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for key in keys:
        batch.append(key)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


# -- rebuild ---------------------------------------------------------------------------------------


def _notes(blobs: BlobStore, prefix: str, report: Report) -> Iterator[tuple[str, dict[str, Any]]]:
    """The notes beside blobs; one that is damaged is told, and the others count."""
    for blob in blobs.list(prefix):
        if blob.key.endswith(".json"):
            try:
                yield blob.key, json.loads(blobs.read(blob.key))
            except (ValueError, LamelleError):
                report.unreadable.append(blob.key)


def _scan(blobs: BlobStore, blob: BlobInfo) -> Record | None:
    """The record of a blob; None when it is not the DICOM its key says."""
    scanner = Scanner()
    reader = blobs.open(blob.key)
    try:
        at = 0
        while chunk := reader.read_at(at, READ):
            scanner.feed(chunk)
            at += len(chunk)
        scan = scanner.finish()
        verdict = validate.check(scan)
        if verdict.errors or instance_key(scan.dataset_sha256) != blob.key:
            return None
        return ingest.record(scan, verdict)
    except LamelleError:
        return None
    finally:
        reader.close()


def _file(
    db: Database, records: list[tuple[BlobInfo, Record | None]], deleted: set[str], unknown: int, report: Report
) -> tuple[int, int]:
    """File a batch; how many instances and bytes."""
    report.unreadable.extend(blob.key for blob, record in records if record is None)
    live = [(blob, record) for blob, record in records if record is not None and record.uid not in deleted]
    with db.write() as conn:
        known = filing.known(conn, [record.uid for _, record in live])
        fresh: dict[str, tuple[BlobInfo, Record]] = {}
        for blob, record in live:
            if record.uid in known or record.uid in fresh:  # never acknowledged: its commit failed or was cut off
                report.orphaned.append(blob.key)
            else:
                fresh[record.uid] = (blob, record)
        for blob, record in fresh.values():
            record.row["received_at"] = blob.modified
        kept = [record for _, record in fresh.values()]
        now = max((blob.modified for blob, _ in fresh.values()), default=EPOCH)
        filing.lock(conn, kept, now, _places(conn, kept, unknown))
        filing.file(conn, kept, now)
        for study_uid, series_uid in dict.fromkeys((record.study_uid, record.series_uid) for record in kept):
            ingest.ask_for_thumbnail(conn, study_uid, series_uid, now)
    return len(kept), sum(blob.size for blob, _ in fresh.values())


def _remember_places(conn: sa.Connection) -> None:
    """Note where every study belongs; a rebuild that was cut off has noted those whose rows it had not made yet."""
    known = sa.select(study.c.uid, study.c.place)
    conn.execute(sa.delete(remembered_place).where(remembered_place.c.study_uid.in_(sa.select(study.c.uid))))
    conn.execute(sa.insert(remembered_place).from_select(["study_uid", "place"], known))


def _unknown_place(conn: sa.Connection) -> int:
    """Where a study belongs of which nothing is known."""
    establishments = sa.select(place.c.id).where(place.c.kind == "establishment").limit(2)
    found = conn.execute(establishments).scalars().all()
    return int(found[0]) if len(found) == 1 else NO_PLACE


def _places(conn: sa.Connection, records: Iterable[Record], unknown: int) -> dict[str, int]:
    uids = sorted({record.study_uid for record in records})
    rows = conn.execute(sa.select(remembered_place).where(remembered_place.c.study_uid.in_(uids)))
    return dict.fromkeys(uids, unknown) | {row.study_uid: row.place for row in rows}


def _date(db: Database) -> None:
    """Give studies and series the times of their first and last instance, whatever the order of filing."""
    with db.write() as conn:
        for table, own in ((study, instance.c.study_id), (series, instance.c.series_id)):
            first = sa.select(sa.func.min(instance.c.received_at)).where(own == table.c.id).scalar_subquery()
            last = sa.select(sa.func.max(instance.c.received_at)).where(own == table.c.id).scalar_subquery()
            conn.execute(sa.update(table).values(created_at=first, updated_at=last))


def _tombstone(note: dict[str, Any], blobs: BlobStore) -> dict[str, Any]:
    purged = note["purged_at"] if blobs.stat(note["key"]) is None else None
    return {
        "uid": note["sop_uid"],
        "study_uid": note["study_uid"],
        "series_uid": note["series_uid"],
        **({"place": note["place"]} if "place" in note else {}),
        "key": note["key"],
        "size": note["size"],
        "rejected_at": datetime.fromisoformat(note["rejected_at"]),
        "purged_at": datetime.fromisoformat(purged) if purged else None,
    }
