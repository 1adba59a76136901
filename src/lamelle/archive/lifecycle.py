"""Deletion: rejected at once (410 afterwards), purged after a grace period; storing again brings back."""

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from lamelle.access.model import Reach
from lamelle.archive import filing
from lamelle.archive.blobs import BlobStore, Spool
from lamelle.archive.catalogue import instance, study, tombstone
from lamelle.archive.model import InstanceRef
from lamelle.archive.retrieve import find
from lamelle.base import events, jobs
from lamelle.base.clock import Clock
from lamelle.base.db import Database
from lamelle.base.errors import Gone

PURGE = "purge"
"""Kind of the job that calls `purge`."""
GRACE_S = 7 * 86400.0
BATCH = 200


def delete(
    db: Database,
    blobs: BlobStore,
    clock: Clock,
    reach: Reach,
    study_uid: str,
    series_uid: str | None = None,
    sop_uid: str | None = None,
    *,
    grace_s: float = GRACE_S,
) -> int:
    """Reject a study, a series or an instance, durably; how many instances. Raises: NotFound, Gone.

    Their bytes stay for `grace_s`; storing them again meanwhile or later brings them back. Their tombstones are written
    once the catalogue has changed: one that stood before, and whose deletion then failed, would bury in a rebuild what
    is alive. When it fails between the two, deleting again completes it and says Gone.
    """
    try:
        refs = _reject(db, clock, reach, study_uid, series_uid, sop_uid, grace_s)
    except Gone:
        _bury(db, blobs, study_uid)
        raise
    _bury(db, blobs, study_uid)
    return len(refs)


def _reject(
    db: Database,
    clock: Clock,
    reach: Reach,
    study_uid: str,
    series_uid: str | None,
    sop_uid: str | None,
    grace_s: float,
) -> list[InstanceRef]:
    now = clock.now()
    with db.write() as conn:
        locked = sa.select(study.c.id).where(study.c.uid == study_uid).with_for_update()
        numbers = list(conn.execute(locked).scalars())
        found = find(conn, reach, study_uid, series_uid, sop_uid, clock=clock)
        refs = [ref for _, ref in found]
        conn.execute(sa.insert(tombstone), [_row(ref) | {"rejected_at": now} for ref in refs])
        for at in range(0, len(found), BATCH):
            ids = [number for number, _ in found[at : at + BATCH]]
            conn.execute(sa.delete(instance).where(instance.c.id.in_(ids)))
        for number in numbers:
            filing.refresh(conn, number, now)
        payload = {"study_uid": study_uid, "series_uid": series_uid, "sop_uid": sop_uid, "instances": len(refs)}
        events.record(conn, "InstancesRejected", payload, clock=clock)
        jobs.enqueue(conn, PURGE, {"grace_s": grace_s}, run_at=now + timedelta(seconds=grace_s), clock=clock)
    return refs


def _bury(db: Database, blobs: BlobStore, study_uid: str) -> None:
    """Write the tombstones of a study's deleted instances that have none, while none of them can be brought back."""
    with db.write() as conn:
        stones = sa.select(tombstone).where(tombstone.c.study_uid == study_uid, tombstone.c.purged_at.is_(None))
        rows = conn.execute(stones.order_by(tombstone.c.uid).with_for_update()).all()
        missing = [row for row in rows if blobs.stat(f"tombstones/{row.uid}.json") is None]
        for at in range(0, len(missing), BATCH):
            bury(blobs, [_note(row) for row in missing[at : at + BATCH]])


def purge(db: Database, blobs: BlobStore, clock: Clock, *, grace_s: float = GRACE_S) -> int:
    """Remove the bytes of what was rejected longer ago than `grace_s`; how many instances."""
    count = 0
    while True:
        now = clock.now()
        due = sa.and_(tombstone.c.purged_at.is_(None), tombstone.c.rejected_at <= now - timedelta(seconds=grace_s))
        with db.write() as conn:  # a store that brings one back waits for this lock, or is seen by it
            query = sa.select(tombstone).where(due).order_by(tombstone.c.uid).limit(BATCH).with_for_update()
            rows = conn.execute(query).all()
            for row in rows:
                note = _note(row) | {"purged_at": now.isoformat()}
                blobs.put(f"tombstones/{row.uid}.json", json.dumps(note).encode(), overwrite=True)
                blobs.delete(row.key)
            uids = [row.uid for row in rows]
            conn.execute(sa.update(tombstone).where(tombstone.c.uid.in_(uids)).values(purged_at=now))
        count += len(rows)
        if not rows:
            return count


def _note(row: sa.Row[Any]) -> dict[str, str | int | None]:
    """What the blob store remembers of a deleted instance; no patient data."""
    return {
        "study_uid": row.study_uid,
        "series_uid": row.series_uid,
        "sop_uid": row.uid,
        "place": row.place,
        "key": row.key,
        "size": row.size,
        "rejected_at": row.rejected_at.isoformat(),
        "purged_at": None,
    }


def bury(blobs: BlobStore, notes: Sequence[dict[str, str | int | None]]) -> None:
    """Write tombstones durably, all in one go."""
    spools: list[tuple[Spool, str]] = []
    try:
        for note in notes:
            spool = blobs.spool()
            spools.append((spool, f"tombstones/{note['sop_uid']}.json"))
            spool.write(json.dumps(note).encode())
        for (spool, key), placed in zip(spools, blobs.place(spools), strict=True):
            if not placed:  # left by another archive, or by a deletion before this one
                blobs.replace(spool, key)
    finally:
        for spool, _ in spools:
            spool.drop()


def _row(ref: InstanceRef) -> dict[str, str | int]:
    return {
        "uid": ref.sop_uid,
        "study_uid": ref.study_uid,
        "series_uid": ref.series_uid,
        "place": ref.place,
        "key": ref.key,
        "size": ref.size,
    }
