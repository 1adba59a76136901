"""Deletion: rejected at once (410 afterwards), purged after a grace period; storing again brings back."""

import json
from collections.abc import Sequence
from datetime import timedelta

import sqlalchemy as sa

from lamelle.archive import filing
from lamelle.archive.blobs import BlobStore, Spool
from lamelle.archive.catalogue import instance, study, tombstone
from lamelle.archive.model import InstanceRef
from lamelle.archive.retrieve import find
from lamelle.base import events, jobs
from lamelle.base.clock import Clock
from lamelle.base.db import Database

PURGE = "purge"
"""Kind of the job that calls `purge`."""
GRACE_S = 7 * 86400.0
BATCH = 200


def delete(
    db: Database,
    blobs: BlobStore,
    clock: Clock,
    study_uid: str,
    series_uid: str | None = None,
    sop_uid: str | None = None,
    *,
    grace_s: float = GRACE_S,
) -> int:
    """Reject a study, a series or an instance, durably; how many instances. Raises: NotFound, Gone.

    Their bytes stay for `grace_s`; storing them again meanwhile or later brings them back.
    """
    now = clock.now()
    with db.write() as conn:
        locked = sa.select(study.c.id).where(study.c.uid == study_uid).with_for_update()
        numbers = list(conn.execute(locked).scalars())
        found = find(conn, study_uid, series_uid, sop_uid)
        refs = [ref for _, ref in found]
        notes = [tombstone_note(ref, now.isoformat()) for ref in refs]
        # Written before the catalogue changes and under its lock: a rebuild must know of every deletion that counts.
        for at in range(0, len(notes), BATCH):
            bury(blobs, notes[at : at + BATCH])
        conn.execute(sa.insert(tombstone), [_row(ref) | {"rejected_at": now} for ref in refs])
        for at in range(0, len(found), BATCH):
            ids = [number for number, _ in found[at : at + BATCH]]
            conn.execute(sa.delete(instance).where(instance.c.id.in_(ids)))
        for number in numbers:
            filing.refresh(conn, number, now)
        payload = {"study_uid": study_uid, "series_uid": series_uid, "sop_uid": sop_uid, "instances": len(refs)}
        events.record(conn, "InstancesRejected", payload, clock=clock)
        jobs.enqueue(conn, PURGE, {"grace_s": grace_s}, run_at=now + timedelta(seconds=grace_s), clock=clock)
    return len(refs)


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
                note = {"study_uid": row.study_uid, "series_uid": row.series_uid, "sop_uid": row.uid, "key": row.key}
                note |= {"size": row.size, "rejected_at": row.rejected_at.isoformat(), "purged_at": now.isoformat()}
                blobs.put(f"tombstones/{row.uid}.json", json.dumps(note).encode(), overwrite=True)
                blobs.delete(row.key)
            uids = [row.uid for row in rows]
            conn.execute(sa.update(tombstone).where(tombstone.c.uid.in_(uids)).values(purged_at=now))
        count += len(rows)
        if not rows:
            return count


def tombstone_note(ref: InstanceRef, rejected_at: str) -> dict[str, str | int | None]:
    """What the blob store remembers of a deleted instance; no patient data."""
    return {
        "study_uid": ref.study_uid,
        "series_uid": ref.series_uid,
        "sop_uid": ref.sop_uid,
        "key": ref.key,
        "size": ref.size,
        "rejected_at": rejected_at,
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
            if not placed:  # left by a deletion that was not acknowledged
                blobs.replace(spool, key)
    finally:
        for spool, _ in spools:
            spool.drop()


def _row(ref: InstanceRef) -> dict[str, str | int]:
    return {
        "uid": ref.sop_uid,
        "study_uid": ref.study_uid,
        "series_uid": ref.series_uid,
        "key": ref.key,
        "size": ref.size,
    }
