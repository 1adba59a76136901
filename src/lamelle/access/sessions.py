"""Sessions of browsers: begun, found by their cookie, listed, ended. Who may begin one is in signing."""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import sqlalchemy as sa

from lamelle.access import digest
from lamelle.access.model import Purpose
from lamelle.access.proofs import session
from lamelle.access.settings import AccessSettings
from lamelle.base.errors import NotFound

Step = Literal["", "second_factor", "new_password", "set_up_factor"]
"""What is still to be done before a session counts."""
AGENT: Final = 200
"""Characters kept of what a browser says it is."""
SEEN_S: Final = 60.0
"""A session or token that was used is written down at most this often."""


@dataclass(frozen=True, slots=True)
class Session:
    """A browser somebody signed in with."""

    id: int
    actor_id: int
    purpose: Purpose
    step: Step
    method: str
    """`password`, `password+code`, or `oidc:` and the provider's name."""
    address: str
    agent: str
    id_token: str
    created_at: datetime
    last_at: datetime
    until: datetime


def cookie_name(secure: bool) -> str:
    """`__Host-`: browsers take it by TLS only, for this host alone and all its paths. Source: RFC 6265bis 4.1.3.2."""
    return "__Host-lamelle" if secure else "lamelle"


def csrf(secret: str) -> str:
    """What a page must say with every request that changes something: it follows from the cookie, which it cannot read.

    It is told by GET /api/session, whose answer another site's page cannot read.
    """
    return hmac.new(secret.encode(), b"lamelle csrf", hashlib.sha256).hexdigest()


def begin(
    conn: sa.Connection,
    actor_id: int,
    now: datetime,
    settings: AccessSettings,
    *,
    purpose: Purpose,
    method: str,
    step: Step = "",
    address: str = "",
    agent: str = "",
    id_token: str = "",
) -> tuple[str, Session]:
    """Keep a new session; the secret of its cookie, and the session."""
    conn.execute(sa.delete(session).where(sa.not_(_open(now, settings))))
    secret = digest.fresh()
    values = {
        "digest": digest.of(secret),
        "actor_id": actor_id,
        "purpose": purpose.value,
        "method": method,
        "step": step,
        "address": address,
        "agent": agent[:AGENT],
        "id_token": id_token,
        "created_at": now,
        "last_at": now,
        "until": now + timedelta(seconds=settings.absolute_s),
    }
    return secret, _session(conn.execute(sa.insert(session).values(values).returning(*_columns())).one())


def find(conn: sa.Connection, secret: str, now: datetime, settings: AccessSettings) -> Session | None:
    """The session of a cookie, unless it has ended."""
    row = conn.execute(sa.select(*_columns()).where(session.c.digest == digest.of(secret), _open(now, settings)))
    found = row.first()
    return None if found is None else _session(found)


def by_number(conn: sa.Connection, session_id: int) -> Session:
    """A session that is there."""
    return _session(conn.execute(sa.select(*_columns()).where(session.c.id == session_id)).one())


def seen(conn: sa.Connection, session_id: int, now: datetime, address: str) -> None:
    """Write down that it was used, and from where."""
    conn.execute(sa.update(session).where(session.c.id == session_id).values(last_at=now, address=address))


def of(conn: sa.Connection, actor_id: int, now: datetime, settings: AccessSettings) -> list[Session]:
    """The open sessions of an account, the newest first."""
    mine = sa.select(*_columns()).where(session.c.actor_id == actor_id, _open(now, settings))
    return [_session(row) for row in conn.execute(mine.order_by(session.c.id.desc()))]


def change(conn: sa.Connection, session_id: int, **values: Any) -> None:
    """Set columns: purpose, step, method."""
    conn.execute(sa.update(session).where(session.c.id == session_id).values(values))


def end(conn: sa.Connection, actor_id: int, session_id: int) -> None:
    """End one session of an account. Raises: NotFound("no_such_session")."""
    mine = session.c.id == session_id, session.c.actor_id == actor_id
    if not conn.execute(sa.delete(session).where(*mine)).rowcount:
        raise NotFound("no_such_session", "there is no such session, or it has ended")


def end_all(conn: sa.Connection, actor_id: int, but: int = 0) -> int:
    """End every session of an account but one; how many."""
    return conn.execute(sa.delete(session).where(session.c.actor_id == actor_id, session.c.id != but)).rowcount


def _columns() -> list[sa.Column[Any]]:
    return [session.c[name] for name in Session.__dataclass_fields__]


def _session(row: Any) -> Session:
    values = row._asdict()
    return Session(**values | {"purpose": Purpose(values["purpose"])})


def _open(now: datetime, settings: AccessSettings) -> sa.ColumnElement[bool]:
    return sa.and_(session.c.until > now, session.c.last_at > now - timedelta(seconds=settings.idle_s))
