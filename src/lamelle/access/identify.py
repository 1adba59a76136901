"""Who asks: from what a request shows (a session's cookie, a bearer token) to the caller. Every door asks here.

Synchronous: some reads of the database, and for a provider's token now and then its keys.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import sqlalchemy as sa

from lamelle.access import oidc, people, scopes, sessions, tokens
from lamelle.access.model import Actor, Caller
from lamelle.access.room import Access
from lamelle.base.errors import NotFound, Unauthenticated, Unavailable


def caller(access: Access, *, cookie: str = "", bearer: str = "", address: str = "") -> Caller:
    """Who shows this; a bearer token wins over a cookie.

    Somebody who has not finished signing in (a second factor, a new password) has no role yet.

    Raises: Unauthenticated("sign_in_required" | "session_ended" | "bad_token").
    """
    if bearer.startswith(tokens.PREFIX):
        return _by_token(access, bearer, address)
    if bearer:
        return _by_provider(access, bearer, address)
    if cookie:
        return _by_session(access, cookie, address)
    raise Unauthenticated("sign_in_required", "sign in, or send a bearer token")


def session(access: Access, cookie: str) -> sessions.Session:
    """The session of a cookie, finished or not. Raises: Unauthenticated("session_ended")."""
    with access.db.read() as conn:
        found = sessions.find(conn, cookie, access.clock.now(), access.settings)
    if found is None:
        raise Unauthenticated("session_ended", "this session has ended; sign in again")
    return found


def _by_session(access: Access, cookie: str, address: str) -> Caller:
    now = access.clock.now()
    with access.db.read() as conn:
        found = sessions.find(conn, cookie, now, access.settings)
        actor = None if found is None else _actor(conn, found.actor_id, now)
    if found is None or actor is None:
        raise Unauthenticated("session_ended", "this session has ended; sign in again")
    _write_down(access, found.last_at, now, lambda conn: sessions.seen(conn, found.id, now, address or found.address))
    if found.step:
        actor = replace(actor, memberships=())
    return Caller(actor, found.purpose, address, f"session:{found.id}")


def _by_token(access: Access, bearer: str, address: str) -> Caller:
    now = access.clock.now()
    with access.db.read() as conn:
        found = tokens.find(conn, bearer, now)
        actor = None if found is None else _actor(conn, found.actor_id, now)
    if found is None or actor is None:
        raise _bad_token()
    _write_down(access, found.last_at, now, lambda conn: tokens.seen(conn, found.id, now))
    return Caller(_within(actor, found.scope), found.purpose, address, f"token:{found.id}")


def _by_provider(access: Access, bearer: str, address: str) -> Caller:
    now = access.clock.now()
    shown = access.providers.access_token(bearer, now)
    with access.db.read() as conn:
        known = oidc.account(conn, shown)
        actor = _actor(conn, known, now) if known else None
    if actor is None:
        raise _bad_token()
    return Caller(_within(actor, shown.scope), oidc.purpose(shown, actor), address, f"jwt:{shown.provider.name}")


def _within(actor: Actor, scope: str) -> Actor:
    """The actor with what a scope leaves of its rights."""
    return replace(actor, actions=scopes.actions(scope), scope=scope)


def _actor(conn: sa.Connection, actor_id: int, now: datetime) -> Actor | None:
    try:
        return people.load(conn, actor_id, now)
    except NotFound:
        return None


def _write_down(
    access: Access, last_at: datetime | None, now: datetime, write: Callable[[sa.Connection], None]
) -> None:
    """Now and then, and never in the way: a full disk keeps nobody from reading."""
    if last_at is not None and now - last_at < timedelta(seconds=sessions.SEEN_S):
        return
    try:
        with access.db.write() as conn:
            write(conn)
    except Unavailable:
        return


def _bad_token() -> Unauthenticated:
    return Unauthenticated("bad_token", "this token is not known, revoked or past its time")
