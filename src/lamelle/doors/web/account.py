"""What somebody sees and changes of the own account: second factor, sessions, tokens. A token changes none of it."""

from fastapi import APIRouter, Request

from lamelle.access import factors, governing, passwords, people, scopes, sessions, signing, tokens
from lamelle.access.model import Caller
from lamelle.access.room import Access
from lamelle.access.tokens import Token
from lamelle.base.errors import NotFound
from lamelle.doors import guard
from lamelle.doors.web import signed
from lamelle.doors.web.identity import (
    Account,
    Code,
    Confirmation,
    RecoveryCodes,
    SessionItem,
    TokenItem,
    TokenMade,
    TokenNew,
    Totp,
)
from lamelle.doors.web.session import role_item


def router(access: Access) -> APIRouter:
    routes = APIRouter()

    @routes.get("/account")
    def account(request: Request) -> Account:
        number = guard.caller(request).actor.id
        with access.db.read() as conn:
            row = people.row(conn, number)
            return Account(
                login=row.login,
                name=row.name,
                email=row.email,
                rpps=row.rpps,
                roles=[role_item(one) for one in governing.roles(conn, [number]).get(number, ())],
                totp=factors.is_there(conn, number),
                recovery_left=factors.left(conn, number),
                local=passwords.kept(conn, number, access.clock.now()) is not None,
            )

    @routes.get("/account/sessions")
    def of_account(request: Request) -> list[SessionItem]:
        found = signed.finished(access, request)
        with access.db.read() as conn:
            mine = sessions.of(conn, found.session.actor_id, access.clock.now(), access.settings)
        return [_session_item(one, found.session.id) for one in mine]

    @routes.delete("/account/sessions/{number}", status_code=204)
    def end(request: Request, number: str) -> None:
        signing.end_session(access, signed.finished(access, request).session, _number(number))

    @routes.post("/account/totp")
    def begin_totp(request: Request) -> Totp:
        """A secret for an authenticator app; it counts once a code confirms it."""
        secret, uri = signing.begin_factor(access, signed.signed(access, request).session)
        return Totp(uri=uri, secret=secret)

    @routes.post("/account/totp/confirm")
    def confirm_totp(request: Request, given: Code) -> RecoveryCodes:
        found = signed.signed(access, request)
        codes = signing.confirm_factor(access, found.session, given.code, signed.browser(request))
        signed.forget(request)
        return RecoveryCodes(recovery_codes=codes)

    @routes.delete("/account/totp", status_code=204)
    def remove_totp(request: Request, given: Confirmation) -> None:
        found = signed.finished(access, request)
        signing.remove_factor(access, found.session, given.password, signed.browser(request))

    @routes.post("/account/recovery")
    def recovery(request: Request) -> RecoveryCodes:
        """New recovery codes; the old ones count no more."""
        return RecoveryCodes(recovery_codes=signing.recovery_codes(access, signed.finished(access, request).session))

    @routes.get("/account/tokens")
    def of_programs(request: Request) -> list[TokenItem]:
        found = signed.finished(access, request)
        with access.db.read() as conn:
            return [_token_item(one) for one in tokens.of(conn, found.session.actor_id, access.clock.now())]

    @routes.post("/account/tokens", status_code=201)
    def make_token(request: Request, given: TokenNew) -> TokenMade:
        """A token that may do some of what its owner may, for the purpose of this session."""
        caller = _caller(access, request)
        scope = scopes.naming(given.actions)
        secret, made = governing.make_token(
            access, caller, caller.actor.id, given.name, scope, given.days, caller.purpose
        )
        return TokenMade(token=secret, item=_token_item(made))

    @routes.delete("/account/tokens/{number}", status_code=204)
    def revoke_token(request: Request, number: str) -> None:
        caller = _caller(access, request)
        governing.revoke_token(access, caller, _number(number), caller.actor.id)

    return routes


def _caller(access: Access, request: Request) -> Caller:
    """Who asks, by a session. Raises: Denied("session_only" | "sign_in_unfinished")."""
    signed.finished(access, request)
    return guard.caller(request)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise NotFound("no_such_number", "what is meant has a number")
    return min(int(text), 2**62)


def _session_item(one: sessions.Session, current: int) -> SessionItem:
    return SessionItem(
        id=str(one.id),
        current=one.id == current,
        created_at=one.created_at.isoformat(),
        last_at=one.last_at.isoformat(),
        until=one.until.isoformat(),
        address=one.address,
        agent=one.agent,
    )


def _token_item(one: Token) -> TokenItem:
    return TokenItem(
        id=str(one.id),
        name=one.name,
        actions=sorted(scopes.actions(one.scope)),
        created_at=one.created_at.isoformat(),
        until=one.until.isoformat(),
        last_at=one.last_at.isoformat() if one.last_at else None,
    )
