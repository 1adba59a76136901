"""What the routes of sign-in share: the browser that asks, its session, its cookies."""

from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from lamelle.access import identify, sessions
from lamelle.access.room import Access
from lamelle.access.sessions import Session
from lamelle.access.signing import Browser
from lamelle.base.errors import Denied, Unauthenticated
from lamelle.doors import guard

AWAY: Final = "lamelle-oidc"
"""The cookie of a browser that was sent to a provider."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A browser with a session, finished or not."""

    secret: str
    session: Session


def browser(request: Request) -> Browser:
    """Where the request comes from, as the guard sees it."""
    return Browser(guard.visit(request).address, request.headers.get("user-agent", ""))


def secret(request: Request) -> str:
    """The secret of the session's cookie; empty when there is none, or a token counts."""
    brought = guard.credential(request.scope["headers"])
    return brought.secret if brought.kind == "cookie" else ""


def signed(access: Access, request: Request) -> Signed:
    """The session that asks, also one with steps left. Raises: Unauthenticated, Denied("session_only")."""
    brought = guard.credential(request.scope["headers"])
    if brought.kind == "bearer":
        raise Denied("session_only", "a token does not change the account it belongs to")
    if not brought.secret:
        raise Unauthenticated("sign_in_required", "sign in first")
    return Signed(brought.secret, identify.session(access, brought.secret))


def finished(access: Access, request: Request) -> Signed:
    """The same, with no step left. Raises: also Denied("sign_in_unfinished")."""
    found = signed(access, request)
    if found.session.step:
        raise Denied("sign_in_unfinished", "finish signing in first")
    return found


def is_secure(access: Access, request: Request) -> bool:
    """Whether browsers reach us by TLS: here, or at a proxy that the settings name."""
    return request.url.scheme == "https" or access.settings.public_url.startswith("https://")


def here(access: Access, request: Request) -> str:
    """Our own address as browsers say it, without a slash at its end."""
    return access.settings.public_url.rstrip("/") or f"{request.url.scheme}://{request.url.netloc}"


def give_cookie(access: Access, request: Request, response: Response, value: str) -> None:
    """The session's cookie: no script reads it, no other site sends it but by a link that is followed.

    Lax, not Strict: on the way back from a provider the browser is led here by another site, and has to be known.
    """
    secure = is_secure(access, request)
    name = sessions.cookie_name(secure)
    response.set_cookie(name, value, path="/", secure=secure, httponly=True, samesite="lax")


def take_cookie(access: Access, request: Request, response: Response) -> None:
    """Have the browser forget the session."""
    secure = is_secure(access, request)
    response.delete_cookie(sessions.cookie_name(secure), path="/", secure=secure, httponly=True, samesite="lax")


def forget(request: Request) -> None:
    """What was known of this credential has changed."""
    guard.visit(request).callers.forget(guard.credential(request.scope["headers"]))
