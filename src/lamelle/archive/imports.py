"""The register of what comes from files: which path held what, who works on it, what became of it.

Not here: walking folders and reading slides (doors.files). Paths may name patients: they stay in the register.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from lamelle.access.model import FIRST_PLACE, Reach
from lamelle.archive import within
from lamelle.archive.catalogue import import_record as table
from lamelle.base.db import Database

PATHS_AT_ONCE = 500
"""Paths in one statement; SQLite allows 32,766 parameters, older ones 999."""


class State(StrEnum):
    """What became of a file; all but the first two are final until the file changes."""

    RUNNING = "running"
    RETRY = "retry"
    STORED = "stored"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REFUSED = "refused"


FINAL = frozenset({State.STORED, State.DUPLICATE, State.CONFLICT, State.REFUSED})


@dataclass(frozen=True, slots=True)
class Seen:
    """A file, or a slide of several, as it lay on the disk."""

    path: str
    size: int
    mtime_ns: int
    fingerprint: str
    place: int = FIRST_PLACE


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of one claimed file."""

    path: str
    state: State
    code: str | None = None
    reason: str | None = None
    study_uid: str | None = None
    series_uid: str | None = None
    instances: int = 0
    again_at: datetime | None = None
    """When a file in RETRY is due."""


@dataclass(frozen=True, slots=True)
class ImportRecord:
    """One row of the register."""

    path: str
    size: int
    mtime_ns: int
    fingerprint: str
    state: State
    code: str | None
    reason: str | None
    study_uid: str | None
    series_uid: str | None
    instances: int
    attempts: int
    worker: str | None
    lease_until: datetime | None
    """Until when a RUNNING file is its worker's; from when a file in RETRY is due."""
    created_at: datetime
    updated_at: datetime

    def is_of(self, seen: Seen) -> bool:
        """Whether this row speaks of the file as it is now."""
        return (self.size, self.mtime_ns, self.fingerprint) == (seen.size, seen.mtime_ns, seen.fingerprint)


def known(db: Database, paths: Iterable[str]) -> dict[str, ImportRecord]:
    """What the register says of these paths."""
    found: dict[str, ImportRecord] = {}
    with db.read() as connection:
        for some in _batches(paths):
            rows = connection.execute(sa.select(*_COLUMNS).where(table.c.path.in_(some)))
            found |= {row.path: _record(row) for row in rows}
    return found


def recent(db: Database, reach: Reach, limit: int = 100, *, states: Sequence[State] = ()) -> list[ImportRecord]:
    """The rows of a reach's places that changed last, the newest first; only in these states, if any are named."""
    wanted = table.c.state.in_(list(states)) if states else sa.true()
    mine = within.placed(reach, table.c.place)
    newest = sa.select(*_COLUMNS).where(wanted, *mine).order_by(table.c.updated_at.desc(), table.c.id.desc())
    with db.read() as connection:
        return [_record(row) for row in connection.execute(newest.limit(limit))]


def claim(
    db: Database,
    files: Sequence[Seen],
    worker: str,
    now: datetime,
    until: datetime,
    is_dead: Callable[[str], bool] = lambda worker: False,
) -> dict[str, int]:
    """Take files for one worker: each path it got, and the how-manieth attempt at this content it is.

    A file in the hands of a worker that lives is left to it. One transaction: of several workers asking at once,
    exactly one gets a file.
    """
    wanted = {file.path: file for file in sorted(files, key=lambda file: file.path)}
    got: dict[str, int] = {}
    with db.write() as connection:
        insert = (postgresql.insert if db.dialect == "postgresql" else sqlite.insert)(table)
        for some in _batches(wanted):
            new = [_blank(wanted[path], now) for path in some]
            connection.execute(insert.on_conflict_do_nothing(), new)
            rows = connection.execute(
                sa.select(*_COLUMNS).where(table.c.path.in_(some)).order_by(table.c.path).with_for_update()
            )
            free = [record for record in (_record(row) for row in rows) if _is_free(record, now, is_dead)]
            for record in free:
                attempts = record.attempts + 1 if record.is_of(wanted[record.path]) else 1
                connection.execute(_take(wanted[record.path], attempts, worker, now, until))
                got[record.path] = attempts
    return got


def renew(db: Database, paths: Iterable[str], worker: str, until: datetime) -> None:
    """Keep claimed files for longer."""
    with db.write() as connection:
        for some in _batches(paths):
            mine = table.c.path.in_(some) & (table.c.worker == worker) & (table.c.state == State.RUNNING)
            connection.execute(sa.update(table).where(mine).values(lease_until=until))


def end(db: Database, files: Sequence[Ended], worker: str, now: datetime) -> None:
    """Note what became of claimed files; a file that another worker has taken since is left to it."""
    with db.write() as connection:
        for file in files:
            mine = (table.c.path == file.path) & (table.c.worker == worker) & (table.c.state == State.RUNNING)
            connection.execute(
                sa.update(table)
                .where(mine)
                .values(
                    state=file.state,
                    code=file.code,
                    reason=file.reason,
                    study_uid=file.study_uid,
                    series_uid=file.series_uid,
                    instances=file.instances,
                    worker=None,
                    lease_until=file.again_at,
                    updated_at=now,
                )
            )


_COLUMNS = [table.c[name] for name in ImportRecord.__dataclass_fields__]


def _batches(paths: Iterable[str]) -> Iterator[list[str]]:
    some = list(paths)
    yield from (some[start : start + PATHS_AT_ONCE] for start in range(0, len(some), PATHS_AT_ONCE))


def _record(row: sa.Row[Any]) -> ImportRecord:
    return ImportRecord(**{**row._asdict(), "state": State(row.state)})


def _blank(file: Seen, now: datetime) -> dict[str, object]:
    return {
        "path": file.path,
        "size": file.size,
        "mtime_ns": file.mtime_ns,
        "fingerprint": file.fingerprint,
        "place": file.place,
        "state": State.RETRY,
        "created_at": now,
        "updated_at": now,
    }


def _is_free(record: ImportRecord, now: datetime, is_dead: Callable[[str], bool]) -> bool:
    if record.state is not State.RUNNING or record.lease_until is None or record.lease_until <= now:
        return True
    return record.worker is not None and is_dead(record.worker)


def _take(file: Seen, attempts: int, worker: str, now: datetime, until: datetime) -> sa.Update:
    return (
        sa.update(table)
        .where(table.c.path == file.path)
        .values(
            size=file.size,
            mtime_ns=file.mtime_ns,
            fingerprint=file.fingerprint,
            place=file.place,
            state=State.RUNNING,
            code=None,
            reason=None,
            attempts=attempts,
            worker=worker,
            lease_until=until,
            updated_at=now,
        )
    )
