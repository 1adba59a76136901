"""Work to be done later: a leased table in the same database, so that a job commits with what asked for it.

At least once: a job whose worker died runs again when its lease ends. Handlers must bear that.
"""

import json
import threading
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa

from lamelle.base.clock import Clock, SystemClock
from lamelle.base.db import Database, Instant, Key, insert_in, schema
from lamelle.base.errors import LamelleError, Unavailable
from lamelle.base.settings import JobSettings
from lamelle.base.telemetry import log

JsonValue = str | int | float | bool | None | Sequence["JsonValue"] | Mapping[str, "JsonValue"]
Handler = Callable[[Mapping[str, Any]], None]

job = sa.Table(
    "job",
    schema,
    sa.Column("id", Key, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False, server_default="todo"),
    sa.Column("priority", sa.Integer, nullable=False, server_default="0"),
    sa.Column("run_at", Instant, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
    sa.Column("lease_until", Instant),
    sa.Column("worker", sa.Text),
    sa.Column("key", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("created_at", Instant, nullable=False),
)
_TODO = job.c.state == "todo"
_RUNNING = job.c.state == "running"
sa.Index("ix_job_todo", job.c.priority, job.c.run_at, job.c.id, sqlite_where=_TODO, postgresql_where=_TODO)
sa.Index("ix_job_running", job.c.lease_until, sqlite_where=_RUNNING, postgresql_where=_RUNNING)
sa.Index("uq_job_key_todo", job.c.key, unique=True, sqlite_where=_TODO, postgresql_where=_TODO)


@dataclass(frozen=True, slots=True)
class Job:
    """One claimed job."""

    id: int
    kind: str
    payload: Mapping[str, Any]
    attempts: int
    key: str | None


def enqueue(
    conn: sa.Connection,
    kind: str,
    payload: Mapping[str, JsonValue],
    *,
    key: str | None = None,
    run_at: datetime | None = None,
    priority: int = 0,
    clock: Clock | None = None,
) -> None:
    """Ask for work in the caller's transaction. Low runs first.

    With a `key` that already waits, nothing is added; of one key no two run side by side.
    """
    now = (clock or SystemClock()).now()
    row = {"kind": kind, "payload": json.dumps(payload), "key": key, "priority": priority}
    conn.execute(_insert(conn.dialect.name), row | {"run_at": run_at or now, "created_at": now})


@cache
def _insert(dialect: str) -> sa.Executable:
    return insert_in(dialect, job).on_conflict_do_nothing()


def wait(failures: int, first: timedelta, longest: timedelta) -> timedelta:
    """Before the next attempt after so many failures in a row, at least one: doubled each time."""
    return min(first * (1 << min(failures - 1, 20)), longest)


class Runner:
    """Runs what is due, one job at a time; start as many as there are workers, in any number of processes."""

    def __init__(
        self, db: Database, handlers: Mapping[str, Handler], clock: Clock, settings: JobSettings | None = None
    ) -> None:
        self._db, self._handlers, self._clock = db, handlers, clock
        self._settings = settings or JobSettings()
        self._worker = uuid.uuid4().hex

    def run_pending(self) -> int:
        """Run every job that is due, and return how many ran, well or not."""
        count = 0
        while (claimed := self._claim()) is not None:
            self._run(claimed)
            count += 1
        return count

    def run_forever(self, stop: threading.Event) -> None:
        """Run jobs as they come until `stop`; the job in hand is finished."""
        while not stop.is_set():
            try:
                ran = self._claim_and_run()
            except Unavailable as error:
                log("jobs.unavailable", code=error.code)
                ran = False
            if not ran:
                stop.wait(self._settings.poll_s)

    def _claim_and_run(self) -> bool:
        claimed = self._claim()
        if claimed is not None:
            self._run(claimed)
        return claimed is not None

    def _claim(self) -> Job | None:
        """The first due job of a kind handled here, leased; jobs of dead workers are due again."""
        now = self._clock.now()
        kinds = job.c.kind.in_(list(self._handlers))
        other = job.alias()
        busy = sa.exists().where(other.c.key == job.c.key, other.c.state == "running")
        due = sa.select(job.c.id).where(kinds, _TODO, job.c.run_at <= now, sa.or_(job.c.key.is_(None), ~busy))
        expired = sa.select(job.c.id).where(kinds, _RUNNING, job.c.lease_until < now)
        with self._db.read() as conn:  # an idle runner takes no write lock
            if conn.execute(due.limit(1)).first() is None and conn.execute(expired.limit(1)).first() is None:
                return None
        with self._db.write() as conn:
            for number in conn.execute(expired.with_for_update(skip_locked=True)).scalars().all():
                self._retry(conn, number, "lease_expired", now)
            first = due.order_by(job.c.priority, job.c.run_at, job.c.id).limit(1).with_for_update(skip_locked=True)
            row = conn.execute(
                sa.update(job)
                .where(job.c.id == first.scalar_subquery())
                .values(
                    state="running",
                    worker=self._worker,
                    attempts=job.c.attempts + 1,
                    lease_until=now + timedelta(seconds=self._settings.lease_s),
                )
                .returning(job.c.id, job.c.kind, job.c.payload, job.c.attempts, job.c.key)
            ).first()
        return None if row is None else Job(row.id, row.kind, json.loads(row.payload), row.attempts, row.key)

    def _run(self, claimed: Job) -> None:
        try:
            with self._renewing(claimed):
                self._handlers[claimed.kind](claimed.payload)
        except Exception as error:  # noqa: BLE001  a handler's failure is the job's, never the runner's
            self._failed(claimed, error)
        else:
            with self._db.write() as conn:
                conn.execute(sa.delete(job).where(job.c.id == claimed.id, job.c.worker == self._worker, _RUNNING))

    def _failed(self, claimed: Job, error: Exception) -> None:
        # An unforeseen error's text may quote a dataset: only its type and place are kept.
        if isinstance(error, LamelleError):
            reason = f"{error.code}: {error.message}"
        else:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            reason = f"{type(error).__name__} in {frame.name}:{frame.lineno}"
        log("job.failed", kind=claimed.kind, attempt=claimed.attempts, reason=reason)
        with self._db.write() as conn:
            self._retry(conn, claimed.id, reason, self._clock.now())

    def _retry(self, conn: sa.Connection, number: int, reason: str, now: datetime) -> None:
        """Put a failed job back with a growing wait, with the dead after too many, away if its key waits anew."""
        row = conn.execute(sa.select(job.c.attempts, job.c.key).where(job.c.id == number, _RUNNING)).first()
        if row is None:
            return
        this = job.c.id == number
        if row.attempts >= self._settings.attempts:
            conn.execute(sa.update(job).where(this).values(state="dead", reason=reason, lease_until=None, worker=None))
            return
        if row.key is not None and conn.execute(sa.select(job.c.id).where(job.c.key == row.key, _TODO)).first():
            conn.execute(sa.delete(job).where(this))
            return
        first, longest = timedelta(seconds=self._settings.backoff_s), timedelta(seconds=self._settings.backoff_limit_s)
        run_at = now + wait(row.attempts, first, longest)
        values = {"state": "todo", "reason": reason, "run_at": run_at, "lease_until": None, "worker": None}
        conn.execute(sa.update(job).where(this).values(**values))

    @contextmanager
    def _renewing(self, claimed: Job) -> Iterator[None]:
        """Keep the lease while the handler works."""
        done = threading.Event()

        def renew() -> None:
            while not done.wait(self._settings.lease_s / 3):
                until = self._clock.now() + timedelta(seconds=self._settings.lease_s)
                try:
                    with self._db.write() as conn:
                        this = sa.update(job).where(job.c.id == claimed.id, job.c.worker == self._worker)
                        conn.execute(this.values(lease_until=until))
                except Unavailable as error:
                    log("job.lease_not_renewed", code=error.code)

        thread = threading.Thread(target=renew, name="job-lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
