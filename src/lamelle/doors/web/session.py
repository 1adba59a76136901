"""Signing in and out, and who is looking: for which purpose, with which rights, in which language."""

from datetime import datetime, timedelta

from fastapi import APIRouter, Request, Response

from lamelle.access import decide, governing, identify, oidc, places, sessions, signing
from lamelle.access.governing import Held
from lamelle.access.model import Action, Caller, Purpose
from lamelle.access.room import Access
from lamelle.access.sessions import Session as Opened
from lamelle.base.errors import Unauthenticated
from lamelle.doors import guard
from lamelle.doors.web import signed
from lamelle.doors.web.identity import (
    Code,
    Credentials,
    DemoAccount,
    PasswordChange,
    Provider,
    PurposeChange,
    Right,
    RoleItem,
    Session,
    SignedOut,
)
from lamelle.doors.web.settings import WebSettings


def router(settings: WebSettings, access: Access) -> APIRouter:
    routes = APIRouter()

    @routes.get("/session")
    def session(request: Request) -> Session:
        """Who asks; whoever it is gets an answer."""
        return shown(request, settings, access, signed.secret(request))

    @routes.post("/session")
    def sign_in(request: Request, response: Response, given: Credentials) -> Session:
        """Begin a session with login and password; `step` says what is left to do."""
        end_old(access, request)
        secret, _ = signing.with_password(access, given.login, given.password, signed.browser(request))
        signed.give_cookie(access, request, response, secret)
        return shown(request, settings, access, secret)

    @routes.post("/session/second")
    def second(request: Request, given: Code) -> Session:
        """The second factor of a session that waits for it: a code, or a recovery code."""
        found = signed.signed(access, request)
        signing.with_code(access, found.session, given.code, signed.browser(request))
        signed.forget(request)
        return shown(request, settings, access, found.secret)

    @routes.post("/session/password")
    def password(request: Request, given: PasswordChange) -> Session:
        """A new password; every other session of the account ends."""
        found = signed.signed(access, request)
        signing.change_password(access, found.session, given.old, given.new, signed.browser(request))
        signed.forget(request)
        return shown(request, settings, access, found.secret)

    @routes.post("/session/purpose")
    def purpose(request: Request, given: PurposeChange) -> Session:
        """What images are looked at for from now on."""
        found = signed.finished(access, request)
        signing.change_purpose(access, identify.caller(access, cookie=found.secret), found.session, given.purpose)
        signed.forget(request)
        return shown(request, settings, access, found.secret)

    @routes.delete("/session")
    def sign_out(request: Request, response: Response) -> SignedOut:
        """End the session; `to` is where its provider ends its own."""
        found = signed.signed(access, request)
        signing.sign_out(access, found.session)
        signed.forget(request)
        signed.take_cookie(access, request, response)
        return SignedOut(to=oidc.farewell(access, found.session, signed.here(access, request) + "/sign-in"))

    return routes


def end_old(access: Access, request: Request) -> None:
    """Who signs in again leaves the session the browser had."""
    try:
        old = signed.signed(access, request)
    except Unauthenticated:
        return
    signing.sign_out(access, old.session)
    signed.forget(request)


def idle(access: Access) -> datetime:
    """When a session ends that asks nothing more."""
    return access.clock.now() + timedelta(seconds=access.settings.idle_s)


# -- what is said of it ----------------------------------------------------------------------------------------------


def shown(request: Request, settings: WebSettings, access: Access, secret: str) -> Session:
    """Who asks, as the pages are told."""
    found = opened(access, secret)
    caller = identify.caller(access, cookie=secret) if found else guard.visit(request).caller if not secret else None
    required = guard.visit(request).callers.signs_in
    with access.db.read() as conn:
        held = governing.roles(conn, [caller.actor.id]).get(caller.actor.id, []) if caller else []
        establishment = places.establishment_of(conn, next((one.place for one in held if one.place), None))
    return Session(
        signed_in=caller is not None,
        required=required,
        step=found.step if found else "",
        id=caller.actor.id if caller else 0,
        login=caller.actor.login if caller and required else "",
        name=caller.actor.name if caller else "",
        rights=rights(caller, settings),
        languages=languages(request),
        purpose=caller.purpose if caller else Purpose.CARE,
        purposes=list(decide.purposes(caller.actor)) if caller else [],
        roles=[role_item(one) for one in held],
        establishment=establishment,
        actions=actions(caller),
        providers=[Provider(id=one.name, label=one.title or one.name) for one in access.settings.oidc],
        demo=[DemoAccount(login=one.login, password=one.password, role=one.role) for one in settings.demo],
        csrf=sessions.csrf(secret) if found else "",
        until=min(found.until, idle(access)).isoformat() if found else None,
    )


def opened(access: Access, secret: str) -> Opened | None:
    """The session of a cookie that still counts."""
    try:
        return identify.session(access, secret) if secret else None
    except Unauthenticated:
        return None


def actions(caller: Caller | None) -> list[Action]:
    """What the caller may do anywhere at all."""
    return [one for one in Action if caller and decide.reach(caller.actor, one, caller.purpose)]


def rights(caller: Caller | None, settings: WebSettings) -> list[Right]:
    """What whoever looks may see."""
    may = actions(caller)
    read: list[Right] = ["read"] if Action.VIEW in may else []
    return [*read, "label"] if settings.show_labels and Action.VIEW_LABEL in may else read


def role_item(held: Held) -> RoleItem:
    """A role as the pages show it."""
    until = held.until.isoformat() if held.until else None
    return RoleItem(id=held.id, role=held.role, place=held.place, place_name=held.place_name, until=until)


def languages(request: Request) -> list[str]:
    """What the browser asks for, the first wanted first."""
    asked = request.headers.get("accept-language", "")
    found = (part.partition(";")[0].strip() for part in asked.split(","))
    return [name for name in found if name]
