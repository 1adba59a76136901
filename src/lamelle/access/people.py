"""Persons and service accounts with their roles: made, changed, switched off, and read as actors."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from lamelle.access import places
from lamelle.access.model import Actor, Membership, Role
from lamelle.access.tables import actor, membership
from lamelle.base.errors import Conflict, Invalid, NotFound

LOGIN = re.compile(r"[a-z0-9][a-z0-9._@-]{0,63}")
RPPS = re.compile(r"\d{11}")


@dataclass(frozen=True, slots=True)
class Named:
    """Somebody, and no more of them than a name."""

    id: int
    login: str
    name: str


def add(
    conn: sa.Connection,
    login: str,
    now: datetime,
    *,
    name: str = "",
    email: str = "",
    rpps: str = "",
    kind: Literal["person", "service"] = "person",
) -> int:
    """Make an account without a role; its number.

    Raises: Invalid("bad_login" | "bad_rpps"), Conflict("login_taken").
    """
    if not LOGIN.fullmatch(login):
        raise Invalid("bad_login", "a login is 1 to 64 of a-z, 0-9, dot, dash, underscore and @")
    check_rpps(rpps)
    if conn.execute(sa.select(actor.c.id).where(actor.c.login == login)).first() is not None:
        raise Conflict("login_taken", "there is an account of that login")
    row = {"login": login, "name": name, "email": email, "rpps": rpps, "kind": kind, "created_at": now}
    return int(conn.execute(sa.insert(actor).values(row).returning(actor.c.id)).scalar_one())


def number(conn: sa.Connection, login: str) -> int:
    """The account of that login. Raises: NotFound("no_such_user")."""
    found = conn.execute(sa.select(actor.c.id).where(actor.c.login == login)).scalar()
    if found is None:
        raise NotFound("no_such_user", "there is no account of that login")
    return int(found)


def row(conn: sa.Connection, actor_id: int) -> sa.Row[Any]:
    """The account as it is kept. Raises: NotFound("no_such_user")."""
    found = conn.execute(sa.select(actor).where(actor.c.id == actor_id)).first()
    if found is None:
        raise NotFound("no_such_user", f"there is no account {actor_id}")
    return found


def login(conn: sa.Connection, actor_id: int) -> str:
    """The login of an account, switched off or not. Raises: NotFound("no_such_user")."""
    return str(row(conn, actor_id).login)


def named(conn: sa.Connection, word: str, limit: int) -> list[Named]:
    """People who may sign in, of whose name or login a word begins so."""
    word = word.strip().lower().replace("\\", "").replace("%", "").replace("_", "\\_")
    if not word:
        return []
    texts = sa.func.lower(actor.c.name), actor.c.login
    begins = (text.like(pattern, escape="\\") for text in texts for pattern in (f"{word}%", f"% {word}%", f"%.{word}%"))
    query = sa.select(actor.c.id, actor.c.login, actor.c.name).where(
        actor.c.kind == "person", actor.c.disabled_at.is_(None), sa.or_(*begins)
    )
    return [Named(*row) for row in conn.execute(query.order_by(actor.c.name, actor.c.login).limit(limit))]


def appoint(conn: sa.Connection, actor_id: int, role: Role, place_id: int | None, until: datetime | None = None) -> int:
    """Give a role in a place, or in all (None); the number of the membership."""
    row = {"actor_id": actor_id, "role": role.value, "place_id": place_id, "until": until}
    return int(conn.execute(sa.insert(membership).values(row).returning(membership.c.id)).scalar_one())


def members(conn: sa.Connection, place_ids: Iterable[int]) -> frozenset[int]:
    """Who holds a role in one of these places."""
    asked = sa.select(membership.c.actor_id).where(membership.c.place_id.in_(sorted(place_ids)))
    return frozenset(conn.execute(asked).scalars())


def dismiss(conn: sa.Connection, membership_id: int) -> None:
    """Take a role back. Raises: NotFound("no_such_membership")."""
    if not conn.execute(sa.delete(membership).where(membership.c.id == membership_id)).rowcount:
        raise NotFound("no_such_membership", f"there is no membership {membership_id}")


def change(conn: sa.Connection, actor_id: int, **values: str) -> None:
    """Set `name`, `email` or `rpps`. Raises: Invalid("bad_rpps")."""
    check_rpps(values.get("rpps", ""))
    if values:
        conn.execute(sa.update(actor).where(actor.c.id == actor_id).values(values))


def check_rpps(text: str) -> None:
    """Empty, or eleven digits of which the last is right. Raises: Invalid("bad_rpps")."""
    if text and not (RPPS.fullmatch(text) and places.luhn(text)):
        raise Invalid("bad_rpps", "an RPPS number has eleven digits, the last a check digit")


def switch(conn: sa.Connection, actor_id: int, now: datetime | None) -> None:
    """Switch an account off (`now`), or on again (None)."""
    conn.execute(sa.update(actor).where(actor.c.id == actor_id).values(disabled_at=now))


def load(conn: sa.Connection, actor_id: int, now: datetime) -> Actor:
    """The account with the roles it holds now. Raises: NotFound("no_such_user"), also for one switched off."""
    row = conn.execute(sa.select(actor).where(actor.c.id == actor_id, actor.c.disabled_at.is_(None))).first()
    if row is None:
        raise NotFound("no_such_user", "there is no such account, or it is switched off")
    tree = places.tree(conn)
    held = sa.select(membership).where(
        membership.c.actor_id == actor_id, sa.or_(membership.c.until.is_(None), membership.c.until > now)
    )
    return Actor(
        row.id,
        row.login,
        row.name,
        row.kind,
        tuple(_membership(tree, Role(found.role), found.place_id) for found in conn.execute(held)),
    )


def _membership(tree: places.Tree, role: Role, place_id: int | None) -> Membership:
    if place_id is None:
        return Membership(role, everywhere=True)
    return Membership(role, tree.below(place_id), tree.establishment(place_id))
