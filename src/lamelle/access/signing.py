"""Signing in with a password, step by step, and what somebody changes of the own account.

A session is there from the right password on; until its steps are done it has no role. Whatever is refused is refused
in the same words and the same time, whether somebody has that login or not.
"""

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from lamelle.access import attempts, decide, factors, passwords, people, sessions
from lamelle.access.model import Caller, Purpose
from lamelle.access.room import Access
from lamelle.access.sessions import Session, Step
from lamelle.access.tables import actor
from lamelle.audit import ledger
from lamelle.audit.model import Entry
from lamelle.base.errors import Denied, Invalid, Unauthenticated

WRONG: Final = "the login or the password is wrong"


@dataclass(frozen=True, slots=True)
class Browser:
    """Where somebody signs in from."""

    address: str = ""
    agent: str = ""


def with_password(access: Access, login: str, password: str, browser: Browser) -> tuple[str, Session]:
    """The secret of a new session's cookie, and the session.

    Raises: Unauthenticated("wrong_password"); Denied("too_many_attempts"); Unavailable("sign_in_busy").
    """
    login = login.strip().lower()
    _begin(access, login, browser)
    now = access.clock.now()
    with access.db.read() as conn:
        number = _number(conn, login)
        kept = passwords.kept(conn, number, now) if number else None
    if not access.hashing.fits(kept, password) or not number or kept is None:
        _refuse(access, login if number else "", browser, "wrong_password")
        raise Unauthenticated("wrong_password", WRONG)
    better = access.hashing.make(password) if access.hashing.is_weak(kept) else ""
    with access.db.write() as conn:
        attempts.forgive(conn, login, browser.address, now, access.settings)
        if better and not passwords.is_one_time(conn, number):
            passwords.put(conn, number, better, now)
        return begin(access, conn, number, browser, "password")


def begin(
    access: Access, conn: sa.Connection, number: int, browser: Browser, method: str, id_token: str = ""
) -> tuple[str, Session]:
    """A session of somebody who has proved who he is; the next step follows from the account."""
    now = access.clock.now()
    who = people.load(conn, number, now)
    purpose = next(iter(decide.purposes(who)), Purpose.CARE)
    found = sessions.begin(
        conn,
        number,
        now,
        access.settings,
        purpose=purpose,
        method=method,
        step=_step(access, conn, number, method),
        address=browser.address,
        agent=browser.agent,
        id_token=id_token,
    )
    if not found[1].step:
        _signed_in(access, conn, found[1], who.login)
    return found


def with_code(access: Access, found: Session, code: str, browser: Browser) -> Session:
    """The second factor, or a recovery code, for a session that waits for it.

    Raises: Unauthenticated("wrong_code"); Denied("too_many_attempts"); Invalid("no_such_step").
    """
    if found.step != "second_factor":
        raise Invalid("no_such_step", "this session does not wait for a code")
    login, now = _login(access, found.actor_id), access.clock.now()
    _begin(access, f"{login} code", browser, known=login)
    with access.db.write() as conn:
        right = factors.take(conn, found.actor_id, code, now)
        if right:
            attempts.forgive(conn, f"{login} code", browser.address, now, access.settings)
            return _advance(access, conn, found, method="password+code")
    _refuse(access, login, browser, "wrong_code")
    raise Unauthenticated("wrong_code", "this is not the code of this moment, or it was used")


def sign_out(access: Access, found: Session) -> None:
    """End the session."""
    with access.db.write() as conn:
        sessions.end(conn, found.actor_id, found.id)
        _record(access, conn, found, "sign_out")


def change_password(access: Access, found: Session, old: str, new: str, browser: Browser) -> Session:
    """A new password in place of the old one; every other session of the account ends.

    Raises: Denied("wrong_password" | "too_many_attempts"); Invalid("weak_password" | "no_such_step").
    """
    if found.step not in ("", "new_password"):
        raise Invalid("no_such_step", "the second factor comes first")
    login = confirm(access, found, old, browser)
    passwords.check(new, login, access.settings)
    if old == new:
        raise Invalid("weak_password", "this is the old password")
    made = access.hashing.make(new)
    with access.db.write() as conn:
        passwords.put(conn, found.actor_id, made, access.clock.now())
        sessions.end_all(conn, found.actor_id, but=found.id)
        _record(access, conn, found, "password_changed")
        return _advance(access, conn, found) if found.step else found


def confirm(access: Access, found: Session, password: str, browser: Browser) -> str:
    """Have somebody who is signed in say the password again; the login.

    Raises: Denied("wrong_password" | "too_many_attempts").
    """
    login, now = _login(access, found.actor_id), access.clock.now()
    _begin(access, login, browser)
    with access.db.read() as conn:
        kept = passwords.kept(conn, found.actor_id, now)
    if not access.hashing.fits(kept, password):
        _refuse(access, login, browser, "wrong_password")
        raise Denied("wrong_password", "the password is wrong")
    with access.db.write() as conn:
        attempts.forgive(conn, login, browser.address, now, access.settings)
    return login


def change_purpose(access: Access, caller: Caller, found: Session, purpose: Purpose) -> None:
    """What the images of this session are looked at for. Raises: Denied("no_such_purpose")."""
    if purpose not in decide.purposes(caller.actor):
        raise Denied("no_such_purpose", "none of your roles knows this purpose")
    with access.db.write() as conn:
        sessions.change(conn, found.id, purpose=purpose.value)
        _record(access, conn, found, "purpose_changed", what=purpose.value)


def begin_factor(access: Access, found: Session) -> tuple[str, str]:
    """A secret for an authenticator app, and the address its QR code says. Raises: Conflict("factor_there")."""
    _may_change_factor(found)
    with access.db.write() as conn:
        return factors.begin(conn, found.actor_id, people.login(conn, found.actor_id))


def confirm_factor(access: Access, found: Session, code: str, browser: Browser) -> list[str]:
    """The app's first code; the recovery codes. Raises: Invalid("wrong_code"), Denied("too_many_attempts")."""
    _may_change_factor(found)
    login, now = _login(access, found.actor_id), access.clock.now()
    _begin(access, f"{login} code", browser, known=login)
    with access.db.write() as conn:
        codes = factors.confirm(conn, found.actor_id, code, now)
        attempts.forgive(conn, f"{login} code", browser.address, now, access.settings)
        sessions.end_all(conn, found.actor_id, but=found.id)
        _record(access, conn, found, "factor_changed", what="second_factor")
        if found.step:
            _advance(access, conn, found, method="password+code")
        else:
            sessions.change(conn, found.id, method="password+code")
        return codes


def remove_factor(access: Access, found: Session, password: str, browser: Browser) -> None:
    """Ask for no second factor any more. Raises: as `confirm`; Denied("factor_required")."""
    _may_change_factor(found)
    if access.settings.second_factor == "required":
        raise Denied("factor_required", "here everybody has a second factor")
    confirm(access, found, password, browser)
    with access.db.write() as conn:
        factors.remove(conn, found.actor_id)
        _record(access, conn, found, "factor_changed", what="second_factor_removed")


def recovery_codes(access: Access, found: Session) -> list[str]:
    """New recovery codes; the old ones count no more. Raises: Invalid("no_factor")."""
    _may_change_factor(found)
    with access.db.write() as conn:
        if not factors.is_there(conn, found.actor_id):
            raise Invalid("no_factor", "this account has no second factor")
        _record(access, conn, found, "factor_changed", what="recovery_codes")
        return factors.recover(conn, found.actor_id)


def end_session(access: Access, found: Session, session_id: int) -> None:
    """End another session of the own account. Raises: NotFound("no_such_session")."""
    with access.db.write() as conn:
        sessions.end(conn, found.actor_id, session_id)
        _record(access, conn, found, "session_revoked", what=f"session:{session_id}")


# -- steps and traces ------------------------------------------------------------------------------------------------


def _step(access: Access, conn: sa.Connection, number: int, method: str) -> Step:
    """What somebody who came so far still has to do; who was sent by a provider has done all of it there."""
    if method.startswith("oidc:"):
        return ""
    there = factors.is_there(conn, number)
    if there and method == "password":
        return "second_factor"
    if passwords.is_one_time(conn, number):
        return "new_password"
    return "set_up_factor" if access.settings.second_factor == "required" and not there else ""


def _advance(access: Access, conn: sa.Connection, found: Session, method: str = "") -> Session:
    method = method or found.method
    step = _step(access, conn, found.actor_id, method)
    sessions.change(conn, found.id, step=step, method=method)
    if not step:
        _signed_in(access, conn, found, people.login(conn, found.actor_id))
    return sessions.by_number(conn, found.id)


def _may_change_factor(found: Session) -> None:
    if found.step not in ("", "set_up_factor"):
        raise Invalid("no_such_step", "finish signing in first")


def _begin(access: Access, key: str, browser: Browser, known: str = "") -> None:
    """Count an attempt; the first that is one too many is entered in the ledger, those after it only counted."""
    now = access.clock.now()
    with access.db.write() as conn:
        refused = attempts.begin(conn, key, browser.address, now, access.settings)
        if refused is not None and refused.first:
            login = known or (key if _number(conn, key) else "")
            _record_refusal(access, conn, login, browser, refused.code)
    if refused is not None:
        raise refused


def _refuse(access: Access, login: str, browser: Browser, code: str) -> None:
    with access.db.write() as conn:
        _record_refusal(access, conn, login, browser, code)


def _record_refusal(access: Access, conn: sa.Connection, login: str, browser: Browser, code: str) -> None:
    """What a stranger typed where a login goes is not written down: it may be a password."""
    entry = Entry(login or "unknown", "sign_in_refused", "refused", address=browser.address, reason=code)
    ledger.record(conn, entry, access.clock)


def _signed_in(access: Access, conn: sa.Connection, found: Session, login: str) -> None:
    _enter(access, conn, found, login, "sign_in", detail=found.method)


def _record(access: Access, conn: sa.Connection, found: Session, action: str, what: str = "") -> None:
    _enter(access, conn, found, people.login(conn, found.actor_id), action, detail=what)


def _enter(access: Access, conn: sa.Connection, found: Session, login: str, action: str, detail: str) -> None:
    entry = Entry(
        login,
        action,
        actor_id=found.actor_id,
        purpose=found.purpose.value,
        address=found.address,
        session=f"session:{found.id}",
        detail={"what": detail} if detail else {},
    )
    ledger.record(conn, entry, access.clock)


def _number(conn: sa.Connection, login: str) -> int:
    """The account of that login, 0 when there is none that may sign in."""
    usable = actor.c.login == login, actor.c.disabled_at.is_(None), actor.c.kind == "person"
    return conn.execute(sa.select(actor.c.id).where(*usable)).scalar() or 0


def _login(access: Access, number: int) -> str:
    with access.db.read() as conn:
        return people.login(conn, number)
