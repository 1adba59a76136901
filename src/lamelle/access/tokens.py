"""API tokens: what a program shows instead of a password; its scope leaves some of its account's rights."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from lamelle.access import digest, scopes
from lamelle.access.model import Purpose
from lamelle.access.proofs import token
from lamelle.access.settings import AccessSettings
from lamelle.base.errors import Invalid, NotFound

PREFIX: Final = "lml_"
"""So that whoever finds one in a file knows what it is."""


@dataclass(frozen=True, slots=True)
class Token:
    """What is kept of a token."""

    id: int
    actor_id: int
    name: str
    scope: str
    purpose: Purpose
    created_at: datetime
    until: datetime
    last_at: datetime | None = None


def make(
    conn: sa.Connection,
    actor_id: int,
    name: str,
    scope: str,
    purpose: Purpose,
    days: int,
    now: datetime,
    settings: AccessSettings,
) -> tuple[str, Token]:
    """A new token: what the program shows, told this once, and what is kept of it.

    Raises: Invalid("bad_scope" | "bad_days").
    """
    if not 1 <= days <= settings.token_days:
        raise Invalid("bad_days", f"a token lives 1 to {settings.token_days} days")
    secret = PREFIX + digest.fresh()
    values = {
        "digest": digest.of(secret),
        "actor_id": actor_id,
        "name": name[:100],
        "scope": scopes.check(scope),
        "purpose": purpose.value,
        "created_at": now,
        "until": now + timedelta(days=days),
    }
    return secret, _token(conn.execute(sa.insert(token).values(values).returning(*_columns())).one())


def find(conn: sa.Connection, secret: str, now: datetime) -> Token | None:
    """The token, unless it was revoked or its time is over."""
    row = conn.execute(sa.select(*_columns()).where(token.c.digest == digest.of(secret), _open(now))).first()
    return None if row is None else _token(row)


def seen(conn: sa.Connection, token_id: int, now: datetime) -> None:
    """Write down that it was used."""
    conn.execute(sa.update(token).where(token.c.id == token_id).values(last_at=now))


def of(conn: sa.Connection, actor_id: int | None, now: datetime) -> list[Token]:
    """The tokens of an account, or all (None), that are good now; the newest first."""
    mine = sa.select(*_columns()).where(_open(now), *([] if actor_id is None else [token.c.actor_id == actor_id]))
    return [_token(row) for row in conn.execute(mine.order_by(token.c.id.desc()))]


def revoke(conn: sa.Connection, token_id: int, now: datetime, actor_id: int | None = None) -> int:
    """Make a token (of that account) worth nothing; whose it was. Raises: NotFound("no_such_token")."""
    one = [token.c.id == token_id, _open(now), *([] if actor_id is None else [token.c.actor_id == actor_id])]
    owner = conn.execute(sa.update(token).where(*one).values(revoked_at=now).returning(token.c.actor_id)).scalar()
    if owner is None:
        raise NotFound("no_such_token", "there is no such token, or its time is over")
    return int(owner)


def revoke_all(conn: sa.Connection, actor_id: int, now: datetime) -> None:
    """Revoke every token of an account."""
    mine = token.c.actor_id == actor_id, token.c.revoked_at.is_(None)
    conn.execute(sa.update(token).where(*mine).values(revoked_at=now))


def _columns() -> list[sa.Column[Any]]:
    return [token.c[name] for name in Token.__dataclass_fields__]


def _token(row: Any) -> Token:
    values = row._asdict()
    return Token(**values | {"purpose": Purpose(values["purpose"])})


def _open(now: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(token.c.until > now, token.c.revoked_at.is_(None))
