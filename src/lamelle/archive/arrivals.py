"""What came lately and what was put aside: for people who wait for a slide. Nothing is changed here."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePath

import sqlalchemy as sa

from lamelle.access.model import Reach
from lamelle.archive import imports, within
from lamelle.archive.catalogue import aside, study
from lamelle.archive.imports import State
from lamelle.base.clock import Clock
from lamelle.base.db import Database


@dataclass(frozen=True, slots=True)
class Arrival:
    """A study that grew at a time."""

    study_uid: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Aside:
    """Bytes that were kept out of the archive, and why; `name` is the file they came in, without its folder."""

    key: str
    status: str
    code: str
    reason: str
    name: str
    size: int
    door: str
    received_at: datetime


def recent(db: Database, reach: Reach, limit: int, *, clock: Clock = within.CLOCK) -> list[Arrival]:
    """The studies within reach that grew last, the latest first."""
    wanted = sa.select(study.c.uid, study.c.updated_at).order_by(study.c.updated_at.desc(), study.c.id.desc())
    with db.read() as conn:
        rows = conn.execute(wanted.where(*within.studies(conn, within.bounds(conn, reach, clock.now()))).limit(limit))
        return [Arrival(uid, at) for uid, at in rows]


def put_aside(db: Database, reach: Reach, limit: int) -> list[Aside]:
    """What was put aside by any door for the places of a reach, and files that could not be read, the latest first."""
    kept = sa.select(aside).where(*within.placed(reach, aside.c.place))
    kept = kept.order_by(aside.c.received_at.desc()).limit(limit)
    with db.read() as conn:
        found = [
            Aside(row.key, row.status, row.code, row.message, "", row.size, row.door, row.received_at)
            for row in conn.execute(kept)
        ]
    found += [
        Aside(
            record.fingerprint or record.path,
            record.state,
            record.code or "",
            record.reason or "",
            PurePath(record.path).name,
            record.size,
            "files",
            record.updated_at,
        )
        for record in imports.recent(db, reach, limit, states=(State.CONFLICT, State.REFUSED))
    ]
    return sorted(found, key=lambda item: item.received_at, reverse=True)[:limit]
