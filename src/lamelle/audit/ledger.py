"""The ledger's way in: entries of a transaction, and the sealing of all that waits into the chain.

Nothing is sealed twice or left out whatever dies when: one transaction adds the rows, forgets what waited and says how
far each journal was taken. How the chain is checked is in verify, how it is read in search.
"""

from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from lamelle.audit import chain, checkpoints, harvest, model
from lamelle.audit.checkpoints import Rhythm
from lamelle.audit.keys import Key
from lamelle.audit.model import Entry
from lamelle.audit.tables import ledger, pending, taken
from lamelle.base.clock import Clock
from lamelle.base.db import Database, insert
from lamelle.base.telemetry import Counter

SEALED = Counter("lamelle_audit_sealed_total", "Entries chained into the audit ledger.")

BATCH: Final = 1000
"""Recorded entries sealed in one transaction: no other writer waits long."""
SEAL_LOCK: Final = 0x1A3EA0D
"""Advisory lock on PostgreSQL: one sealer at a time."""


def record(conn: sa.Connection, entry: Entry, clock: Clock) -> None:
    """Enter what the caller's transaction does: both are there, or neither."""
    conn.execute(sa.insert(pending).values(entry=model.line(entry, clock.now())))


def seal(db: Database, folder: Path, clock: Clock, key: Key, rhythm: Rhythm | None = None) -> int:
    """Chain all that waits, recorded or in the journals of this node, sign when it is time; how many entries.

    A `rhythm` of no seconds signs the end at once.
    """
    rhythm = rhythm or Rhythm()
    count, moved = 0, True
    while moved and _is_waiting(db, folder):
        sealed, moved = _seal_some(db, folder, clock, key, rhythm)
        count += sealed
    _sign_the_rest(db, clock, key, rhythm)
    checkpoints.append(db, folder)
    _clear(db, folder)
    SEALED.add(count)
    return count


def _is_waiting(db: Database, folder: Path) -> bool:
    with db.read() as conn:
        return conn.execute(sa.select(pending.c.id).limit(1)).first() is not None or harvest.waiting(
            folder, sizes(conn)
        )


def sizes(conn: sa.Connection) -> dict[str, int]:
    return {row.name: row.size for row in conn.execute(sa.select(taken))}


def _seal_some(db: Database, folder: Path, clock: Clock, key: Key, rhythm: Rhythm) -> tuple[int, bool]:
    """One transaction: entries in, what waited out, the journals' sizes, a checkpoint if one is due.

    How many entries, and whether anything was taken at all.
    """
    with db.write() as conn:
        _alone(conn)
        waiting = conn.execute(sa.select(pending).order_by(pending.c.id).limit(BATCH)).all()
        found = list(harvest.pieces(folder, sizes(conn)))
        entries = [row.entry for row in waiting]
        for piece in found:
            entries += piece.entries(clock)
        number, link = _add(conn, entries)
        for piece in found:
            values = insert(conn, taken).values(name=piece.name, size=piece.size)
            conn.execute(values.on_conflict_do_update(index_elements=[taken.c.name], set_={"size": piece.size}))
        conn.execute(sa.delete(pending).where(pending.c.id.in_([row.id for row in waiting])))
        before, now = checkpoints.last(conn), clock.now()
        if rhythm.due(before, number, now):
            checkpoints.sign(conn, before, number, link, now, key)
    return len(entries), bool(waiting or found)


def _alone(conn: sa.Connection) -> None:
    """SQLite has one writer anyway."""
    if conn.dialect.name == "postgresql":
        conn.execute(sa.select(sa.func.pg_advisory_xact_lock(SEAL_LOCK)))


def end(conn: sa.Connection) -> tuple[int, str]:
    """Number and hash of the last entry."""
    row = conn.execute(sa.select(ledger.c.number, ledger.c.hash).order_by(ledger.c.number.desc()).limit(1)).first()
    return (0, chain.START) if row is None else (row.number, row.hash)


def _add(conn: sa.Connection, entries: list[str]) -> tuple[int, str]:
    """Chain entries by their time; number and hash of the last."""
    number, link = end(conn)
    rows = []
    read = [(columns(model.read(text)), text) for text in entries]
    for values, text in sorted(read, key=lambda pair: pair[0]["at"]):
        number, link = number + 1, chain.link(link, text)
        rows.append({"number": number, "hash": link, "entry": text, **values})
    if rows:
        conn.execute(sa.insert(ledger), rows)
    return number, link


def columns(entry: Entry) -> dict[str, Any]:
    """What of an entry is searched by."""
    names = ("at", "actor", "actor_id", "action", "outcome", "patient_id", "issuer", "study_uid", "place")
    return {name: getattr(entry, name) for name in names}


def _sign_the_rest(db: Database, clock: Clock, key: Key, rhythm: Rhythm) -> None:
    """Entries that came too early for a checkpoint get theirs when it is time, also when nothing new comes."""
    with db.read() as conn:
        if not rhythm.due(checkpoints.last(conn), end(conn)[0], clock.now()):
            return
    with db.write() as conn:
        _alone(conn)
        before, (number, link), now = checkpoints.last(conn), end(conn), clock.now()
        if rhythm.due(before, number, now):
            checkpoints.sign(conn, before, number, link, now, key)


def _clear(db: Database, folder: Path) -> None:
    """Remove journals that were taken whole; should this die in between, a line of `audit_journal` stays, unharmful."""
    with db.read() as conn:
        known = sizes(conn)
    gone = [name for name in harvest.remove(folder, known) if name in known]
    if gone:
        with db.write() as conn:
            conn.execute(sa.delete(taken).where(taken.c.name.in_(gone)))
