"""Signed statements that up to an entry the ledger was this: kept in the database and in a file beside it.

A checkpoint tells what no chain can: that the end was not cut off, and that nobody without the key chained it anew.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from lamelle.audit import keys, model
from lamelle.audit.keys import Key
from lamelle.audit.tables import checkpoint
from lamelle.base.db import Database
from lamelle.base.folders import make_durably, sync_folder

FILE: Final = "checkpoints.jsonl"
PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`serial` counts checkpoints from 1; `hash` is that of entry `number`; `key` the public key."""

    serial: int
    number: int
    hash: str
    at: datetime
    key: str
    signature: str = ""

    def statement(self) -> bytes:
        """What is signed."""
        at = self.at.astimezone(UTC).isoformat(timespec="microseconds")
        return f"lamelle audit checkpoint {self.serial} {self.number} {self.hash} {at} {self.key}".encode()

    def holds(self) -> bool:
        """Whether its signature is that of its key; whose key it is, is another question."""
        return keys.signed(self.key, self.signature, self.statement())

    def line(self) -> str:
        """As a line of the file."""
        at = self.at.astimezone(UTC).isoformat(timespec="microseconds")
        fields = {name: getattr(self, name) for name in ("serial", "number", "hash", "key", "signature")}
        return model.canonical({**fields, "at": at})


def read(line: str | bytes) -> Checkpoint | None:
    """A checkpoint from its line, as it stands in the file or in an export; None for a line that is none."""
    try:
        found = json.loads(line)
        found = found.get("checkpoint", found)
        at = datetime.fromisoformat(found.pop("at"))
        made = Checkpoint(**found, at=at)
        return made if isinstance(made.serial, int) and isinstance(made.number, int) and at.tzinfo else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def last(conn: sa.Connection) -> Checkpoint | None:
    """The newest one."""
    return next(iter(newest(conn, 1)), None)


def newest(conn: sa.Connection, count: int) -> list[Checkpoint]:
    """The newest ones, the last first."""
    rows = conn.execute(sa.select(checkpoint).order_by(checkpoint.c.serial.desc()).limit(count))
    return [Checkpoint(**row._mapping) for row in rows]


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How far the end of the ledger may stand unsigned."""

    entries: int = 1000
    seconds: float = 60.0

    def due(self, before: Checkpoint | None, number: int, now: datetime) -> bool:
        """Whether entry `number`, the last, wants a checkpoint after the one before."""
        if before is None:
            return number > 0
        late = now - before.at >= timedelta(seconds=self.seconds)
        return number > before.number and (late or number - before.number >= self.entries)


def sign(conn: sa.Connection, before: Checkpoint | None, number: int, link: str, now: datetime, key: Key) -> None:
    """Add a checkpoint at the end of the ledger, in the caller's transaction."""
    serial = before.serial + 1 if before else 1
    unsigned = Checkpoint(serial, number, link, now, key.id)
    values = {name: getattr(unsigned, name) for name in ("serial", "number", "hash", "at", "key")}
    conn.execute(sa.insert(checkpoint).values(**values, signature=key.sign(unsigned.statement())))


def append(db: Database, folder: Path) -> None:
    """Bring the file beside up to the database; what a killed process left out is made good."""
    with db.read() as conn:
        newest = last(conn)
    if newest is None or _last_serial(folder / FILE) >= newest.serial:
        return
    make_durably(folder)
    fd = os.open(folder / FILE, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        with db.read() as conn:
            missing = list(_after(conn, _last_serial(folder / FILE)))
        size = os.fstat(fd).st_size
        broken = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
        text = "".join(f"{one.line()}\n" for one in missing)
        os.write(fd, (f"\n{text}" if broken else text).encode())
        os.fsync(fd)
    finally:
        os.close(fd)
    if not size:
        sync_folder(folder)


def _after(conn: sa.Connection, serial: int) -> Iterator[Checkpoint]:
    rows = conn.execute(sa.select(checkpoint).where(checkpoint.c.serial > serial).order_by(checkpoint.c.serial))
    yield from (Checkpoint(**row._mapping) for row in rows)


def _last_serial(path: Path) -> int:
    """Of the file: its last whole line."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 8192))
            found = [read(line) for line in file.read().split(b"\n")]
    except FileNotFoundError:
        return 0
    return max((one.serial for one in found if one), default=0)


def in_database(db: Database) -> Iterator[Checkpoint]:
    """All of them in order, a page at a time."""
    serial = 0
    while True:
        wanted = sa.select(checkpoint).where(checkpoint.c.serial > serial).order_by(checkpoint.c.serial).limit(PAGE)
        with db.read() as conn:
            rows = conn.execute(wanted).all()
        if not rows:
            return
        yield from (Checkpoint(**row._mapping) for row in rows)
        serial = rows[-1].serial


def in_file(path: Path) -> Iterator[Checkpoint | None]:
    """Those of a file as they stand, None for a line that is none; nothing if there is no file."""
    try:
        with path.open("rb") as file:
            yield from (read(line) for line in file if line.strip())
    except FileNotFoundError:
        return
