"""Who may change people, roles and places, and the doing of it: each change is entered in the ledger as it is made.

An administrator governs the places his role reaches. He changes an account only when all its roles lie within, and
gives no role reaching further than his own; nobody changes his own rights. The pages and the commands both come here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import sqlalchemy as sa

from lamelle.access import decide, factors, passwords, people, places, sessions, telling, tokens
from lamelle.access.model import Action, Caller, Purpose, Reach, Role
from lamelle.access.places import Kind
from lamelle.access.proofs import second_factor, session
from lamelle.access.room import SYSTEM, Access
from lamelle.access.tables import actor, membership, place
from lamelle.access.tokens import Token
from lamelle.audit import ledger
from lamelle.base.errors import Denied, Invalid, NotFound

MOST: Final = 200
"""People on one page."""


@dataclass(frozen=True, slots=True)
class Held:
    """A role somebody holds; `id` is the membership's number."""

    id: int
    role: Role
    place: int | None
    place_name: str
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Person:
    """An account as an administrator sees it."""

    id: int
    login: str
    name: str
    email: str
    rpps: str
    kind: Literal["person", "service"]
    disabled: bool
    roles: tuple[Held, ...]
    last_at: datetime | None
    totp: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """A role to be given; without a place, in all of them."""

    role: Role
    place: int | None
    until: datetime | None = None


# -- people ----------------------------------------------------------------------------------------------------------


def persons(access: Access, by: Caller, text: str = "", limit: int = 50, offset: int = 0) -> tuple[list[Person], int]:
    """The accounts that `by` governs, by login, those whose login or name holds the text; and how many there are."""
    with access.db.read() as conn:
        chosen = sa.select(actor).where(_governed(_reach(by)))
        if text:
            like = f"%{_escaped(text.lower())}%"
            found = (sa.func.lower(column).like(like, escape="\\") for column in (actor.c.login, actor.c.name))
            chosen = chosen.where(sa.or_(actor.c.rpps == text, *found))
        total = conn.execute(sa.select(sa.func.count()).select_from(chosen.subquery())).scalar_one()
        page = chosen.order_by(actor.c.login).limit(min(limit, MOST)).offset(offset)
        return _persons(conn, conn.execute(page)), int(total)


def person(access: Access, by: Caller, number: int) -> Person:
    """One account. Raises: NotFound("no_such_user"), also for one that is not governed."""
    with access.db.read() as conn:
        _check_governs(conn, by, number)
        return _persons(conn, conn.execute(sa.select(actor).where(actor.c.id == number)))[0]


def add(
    access: Access,
    by: Caller,
    login: str,
    roles: Iterable[Wanted] = (),
    *,
    name: str = "",
    email: str = "",
    rpps: str = "",
    kind: Literal["person", "service"] = "person",
    password: str = "",
) -> tuple[int, str]:
    """Make an account with its roles; its number and, for a person without a `password`, a one-time password.

    Raises: Invalid("bad_login" | "bad_rpps" | "weak_password" | "no_role"), Conflict("login_taken"),
    NotFound("no_such_place"), Denied("beyond_your_reach").
    """
    wanted = list(roles)
    if not wanted and not _reach(by).everything:
        raise Invalid("no_role", "an account needs a role in a place of yours, else you lose sight of it")
    if password:
        passwords.check(password, login, access.settings)
    given = "" if kind == "service" else password or passwords.invented()
    kept = access.hashing.make(given) if given else ""
    now = access.clock.now()
    with access.db.write() as conn:
        number = people.add(conn, login, now, name=name, email=email, rpps=rpps, kind=kind)
        if kept:
            passwords.put(conn, number, kept, now, None if password else access.settings.one_time_s)
        _record(access, conn, by, "user_changed", login, what="made", kind=kind)
        for one in wanted:
            _appoint(access, conn, by, number, login, one)
    return number, "" if password else given


def first_administrator(access: Access) -> str:
    """Where nobody has an account, make `admin`, administrator everywhere; the one-time password, else empty."""
    anybody = sa.select(actor.c.id).where(actor.c.kind == "person").limit(1)
    with access.db.read() as conn:
        if access.settings.sign_in == "none" or conn.execute(anybody).first() is not None:
            return ""
    given = passwords.invented()
    kept, now = access.hashing.make(given), access.clock.now()
    with access.db.write() as conn:
        if conn.execute(anybody).first() is not None:  # two nodes that start at once
            return ""
        number = people.add(conn, "admin", now)
        passwords.put(conn, number, kept, now, access.settings.one_time_s)
        _record(access, conn, SYSTEM, "user_changed", "admin", what="made")
        _appoint(access, conn, SYSTEM, number, "admin", Wanted(Role.ADMINISTRATOR, None))
    return given


def change(access: Access, by: Caller, number: int, **values: Any) -> None:
    """Change `name`, `email` or `rpps`, or switch an account off (`disabled`): its sessions and tokens end then.

    Raises: NotFound("no_such_user"), Invalid("bad_rpps"), Denied("own_rights").
    """
    now = access.clock.now()
    with access.db.write() as conn:
        login = _check_governs(conn, by, number)
        disabled = values.pop("disabled", None)
        if disabled is not None:
            _check_other(by, number)
            people.switch(conn, number, now if disabled else None)
        if disabled:
            sessions.end_all(conn, number)
            tokens.revoke_all(conn, number, now)
        people.change(conn, number, **values)
        told = {"what": "changed", "fields": sorted(values)} | ({} if disabled is None else {"disabled": disabled})
        _record(access, conn, by, "user_changed", login, **told)


def one_time_password(access: Access, by: Caller, number: int, password: str = "") -> str:
    """A password to be changed at the next sign-in; every session ends. With `password`, one to keep.

    Raises: NotFound("no_such_user"), Denied("own_rights"), Invalid("weak_password" | "no_person").
    """
    with access.db.read() as conn:
        login = _check_governs(conn, by, number)
    _check_other(by, number)
    if password:
        passwords.check(password, login, access.settings)
    given = password or passwords.invented()
    kept, now = access.hashing.make(given), access.clock.now()
    with access.db.write() as conn:
        _check_governs(conn, by, number)
        kind = conn.execute(sa.select(actor.c.kind).where(actor.c.id == number)).scalar_one()
        if kind != "person":
            raise Invalid("no_person", "a service account has tokens, no password")
        passwords.put(conn, number, kept, now, None if password else access.settings.one_time_s)
        sessions.end_all(conn, number)
        _record(access, conn, by, "password_changed", login)
    return given


def end_sessions(access: Access, by: Caller, number: int) -> None:
    """Sign somebody out everywhere. Raises: NotFound("no_such_user")."""
    with access.db.write() as conn:
        login = _check_governs(conn, by, number)
        sessions.end_all(conn, number)
        _record(access, conn, by, "session_revoked", login)


def remove_factor(access: Access, by: Caller, number: int) -> None:
    """For somebody who lost the second factor and the codes. Raises: NotFound("no_such_user"), Denied("own_rights")."""
    with access.db.write() as conn:
        login = _check_governs(conn, by, number)
        _check_other(by, number)
        factors.remove(conn, number)
        sessions.end_all(conn, number)
        _record(access, conn, by, "factor_changed", login, what="removed")


# -- roles -----------------------------------------------------------------------------------------------------------


def appoint(access: Access, by: Caller, number: int, wanted: Wanted) -> int:
    """Give a role; the number of the membership.

    Raises: NotFound("no_such_user" | "no_such_place"), Denied("own_rights" | "beyond_your_reach").
    """
    with access.db.write() as conn:
        login = _check_governs(conn, by, number)
        _check_other(by, number)
        return _appoint(access, conn, by, number, login, wanted)


def dismiss(access: Access, by: Caller, number: int, membership_id: int) -> None:
    """Take a role back.

    Raises: NotFound("no_such_user" | "no_such_membership"), Denied("own_rights" | "beyond_your_reach").
    """
    with access.db.write() as conn:
        login = _check_governs(conn, by, number)
        _check_other(by, number)
        mine = membership.c.id == membership_id, membership.c.actor_id == number
        row = conn.execute(sa.select(membership).where(*mine)).first()
        if row is None:
            raise NotFound("no_such_membership", f"there is no membership {membership_id}")
        _check_reaches(conn, by, row.place_id)
        people.dismiss(conn, membership_id)
        _record(access, conn, by, "rights_changed", login, what="taken", role=row.role, place=row.place_id)


def _appoint(access: Access, conn: sa.Connection, by: Caller, number: int, login: str, wanted: Wanted) -> int:
    _check_reaches(conn, by, wanted.place)
    made = people.appoint(conn, number, wanted.role, wanted.place, wanted.until)
    _record(access, conn, by, "rights_changed", login, what="given", role=wanted.role.value, place=wanted.place)
    return made


# -- places ----------------------------------------------------------------------------------------------------------


def add_place(access: Access, by: Caller, kind: Kind, name: str, parent: int | None = None, finess: str = "") -> int:
    """Make a place within those of `by`; an establishment only who governs everywhere.

    Raises: Invalid("bad_place" | "bad_finess"), NotFound("no_such_place"), Denied("beyond_your_reach").
    """
    with access.db.write() as conn:
        _check_reaches(conn, by, parent)
        number = places.add(conn, kind, name, parent, finess)
        _record(access, conn, by, "place_changed", str(number), what="made", kind=kind, name=name, finess=finess)
        return number


def change_place(access: Access, by: Caller, number: int, name: str, finess: str = "") -> None:
    """Name a place anew. Raises: Invalid("bad_place" | "bad_finess"), NotFound("no_such_place")."""
    with access.db.write() as conn:
        _check_reaches(conn, by, number)
        places.change(conn, number, name, finess)
        _record(access, conn, by, "place_changed", str(number), what="changed", name=name, finess=finess)


# -- tokens ----------------------------------------------------------------------------------------------------------


def make_token(
    access: Access, by: Caller, number: int, name: str, scope: str, days: int, purpose: Purpose | None = None
) -> tuple[str, Token]:
    """A token of an account, one's own or one that is governed: its secret, told this once, and what is kept.

    Raises: NotFound("no_such_user"), Invalid("bad_scope" | "bad_days" | "no_such_purpose").
    """
    now = access.clock.now()
    with access.db.write() as conn:
        if by.actor.id != number or by.actor.kind == "system":
            _check_governs(conn, by, number)
        who = people.load(conn, number, now)
        known = decide.purposes(who)
        chosen = purpose or next(iter(known), Purpose.CARE)
        if known and chosen not in known:
            raise Invalid("no_such_purpose", f"no role of {who.login} knows this purpose")
        secret, made = tokens.make(conn, number, name, scope, chosen, days, now, access.settings)
        _record(access, conn, by, "token_created", who.login, token=made.id, scope=made.scope, days=days)
        return secret, made


def revoke_token(access: Access, by: Caller, token_id: int, owner: int | None = None) -> None:
    """Make a token worth nothing: one of `owner`, or any that is governed. Raises: NotFound("no_such_token")."""
    now = access.clock.now()
    with access.db.write() as conn:
        number = tokens.revoke(conn, token_id, now, owner)
        login = people.login(conn, number) if owner is not None else _check_governs(conn, by, number)
        _record(access, conn, by, "token_revoked", login, token=token_id)


# -- how far ---------------------------------------------------------------------------------------------------------


def _reach(by: Caller) -> Reach:
    return decide.reach(by.actor, Action.ADMINISTER, Purpose.OPERATIONS)


def _governed(reach: Reach) -> sa.ColumnElement[bool]:
    """Accounts with a role, and none beyond."""
    if reach.everything:
        return sa.true()
    held = sa.select(membership.c.actor_id)
    within = membership.c.place_id.in_(reach.places)
    beyond = held.where(sa.or_(membership.c.place_id.is_(None), sa.not_(within)))
    return sa.and_(actor.c.id.in_(held.where(within)), actor.c.id.not_in(beyond))


def _check_governs(conn: sa.Connection, by: Caller, number: int) -> str:
    """The account's login. Raises: NotFound("no_such_user"): whom one does not govern is not told from nobody."""
    login = conn.execute(sa.select(actor.c.login).where(actor.c.id == number, _governed(_reach(by)))).scalar()
    if login is None:
        raise NotFound("no_such_user", "there is no such account")
    return str(login)


def _check_other(by: Caller, number: int) -> None:
    if by.actor.id == number and by.actor.kind != "system":
        raise Denied("own_rights", "nobody changes his own rights; ask another administrator")


def _check_reaches(conn: sa.Connection, by: Caller, place_id: int | None) -> None:
    reach = _reach(by)
    if place_id is not None and conn.execute(sa.select(place.c.id).where(place.c.id == place_id)).first() is None:
        raise NotFound("no_such_place", f"there is no place {place_id}")
    if not reach.everything and place_id not in reach.places:
        raise Denied("beyond_your_reach", "this reaches beyond the places you administer")


# -- reading and noting ----------------------------------------------------------------------------------------------


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _persons(conn: sa.Connection, rows: Iterable[Any]) -> list[Person]:
    found = list(rows)
    numbers = [row.id for row in found]
    held = roles(conn, numbers)
    last = sa.select(session.c.actor_id, sa.func.max(session.c.last_at).label("last_at"))
    seen = {row.actor_id: row.last_at for row in conn.execute(last.group_by(session.c.actor_id))}
    confirmed = sa.select(second_factor.c.actor_id).where(second_factor.c.confirmed_at.is_not(None))
    factored = set(conn.execute(confirmed).scalars())
    return [
        Person(
            row.id,
            row.login,
            row.name,
            row.email,
            row.rpps,
            row.kind,
            row.disabled_at is not None,
            tuple(held.get(row.id, ())),
            seen.get(row.id),
            row.id in factored,
        )
        for row in found
    ]


def roles(conn: sa.Connection, numbers: Iterable[int]) -> dict[int, list[Held]]:
    """What these accounts hold, those memberships included whose time is over."""
    joined = membership.outerjoin(place, place.c.id == membership.c.place_id)
    chosen = sa.select(membership, place.c.name).select_from(joined).where(membership.c.actor_id.in_(list(numbers)))
    found: dict[int, list[Held]] = {}
    for row in conn.execute(chosen.order_by(membership.c.id)):
        one = Held(row.id, Role(row.role), row.place_id, row.name or "", row.until)
        found.setdefault(row.actor_id, []).append(one)
    return found


def _record(access: Access, conn: sa.Connection, by: Caller, action: str, subject: str, **detail: Any) -> None:
    ledger.record(conn, telling.entry(by, action, subject=subject, detail=detail), access.clock)
