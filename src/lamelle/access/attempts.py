"""How often somebody may be wrong: counted by account and by address in the database, as several processes ask.

An attempt is counted before it is checked, so that many at once are no way around, and taken back when it was right.
Logins that nobody has are counted like any other.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import sqlalchemy as sa

from lamelle.access import digest
from lamelle.access.proofs import attempt
from lamelle.access.settings import AccessSettings
from lamelle.base.db import insert
from lamelle.base.errors import Denied


class TooMany(Denied):
    """Wrong too often; `first` when this attempt is the first of those refused."""

    def __init__(self, first: bool) -> None:
        super().__init__("too_many_attempts", "too many attempts failed; wait some minutes, or ask an administrator")
        self.first = first


def begin(conn: sa.Connection, login: str, address: str, now: datetime, settings: AccessSettings) -> TooMany | None:
    """Count one attempt; what refuses it, if it is one too many.

    It is returned and not raised, because the count must be committed.
    """
    limits = (settings.attempts, settings.attempts_address)
    counts = [_count(conn, key, now, settings.attempts_s) for key in _keys(login, address)]
    over = [count - limit for count, limit in zip(counts, limits, strict=False) if count > limit]
    return TooMany(first=1 in over) if over else None


def forgive(conn: sa.Connection, login: str, address: str, now: datetime, settings: AccessSettings) -> None:
    """The attempt was right: the account starts again, the address has one less; what is old is forgotten."""
    account, *places = _keys(login, address)
    old = attempt.c.since <= now - timedelta(seconds=settings.attempts_s)
    conn.execute(sa.delete(attempt).where(sa.or_(attempt.c.key == account, old)))
    conn.execute(sa.update(attempt).where(attempt.c.key.in_(places)).values(count=attempt.c.count - 1))


def _keys(login: str, address: str) -> Sequence[str]:
    return [digest.of(f"login {login}"), *([digest.of(f"address {address}")] if address else ())]


def _count(conn: sa.Connection, key: str, now: datetime, within_s: float) -> int:
    """How many there are now with this one, in a window that begins with the first."""
    is_old = attempt.c.since <= now - timedelta(seconds=within_s)
    counted = {
        "count": sa.case((is_old, 1), else_=attempt.c.count + 1),
        "since": sa.case((is_old, sa.literal(now, attempt.c.since.type)), else_=attempt.c.since),
    }
    row = insert(conn, attempt).values(key=key, count=1, since=now)
    upsert = row.on_conflict_do_update(index_elements=[attempt.c.key], set_=counted).returning(attempt.c.count)
    return int(conn.execute(upsert).scalar_one())
