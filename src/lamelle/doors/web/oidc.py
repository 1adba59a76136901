"""To an OpenID Connect provider and back. Both are links a browser follows, so that errors are pages, not JSON."""

from urllib.parse import urlencode

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from lamelle.access import oidc
from lamelle.access.room import Access
from lamelle.base.errors import LamelleError
from lamelle.doors.web import session, signed


def router(access: Access) -> APIRouter:
    routes = APIRouter()

    @routes.get("/oidc/{name}", response_class=RedirectResponse, status_code=302)
    def leave(request: Request, name: str, to: str = "/") -> Response:
        """To the provider; back here, the browser goes to `to`."""
        try:
            address, secret = oidc.leave(access, name, to, _back(access, request, name))
        except LamelleError as error:
            return _refused(error)
        answer = RedirectResponse(address, 302)
        secure = signed.is_secure(access, request)
        answer.set_cookie(
            signed.AWAY, secret, max_age=oidc.AWAY_S, path="/api/oidc", secure=secure, httponly=True, samesite="lax"
        )
        return answer

    @routes.get("/oidc/{name}/callback", response_class=RedirectResponse, status_code=302)
    def come_back(request: Request, name: str) -> Response:
        """From the provider: a session, or the sign-in page with the reason."""
        try:
            secret, _, goal = oidc.come_back(
                access,
                name,
                dict(request.query_params),
                request.cookies.get(signed.AWAY, ""),
                _back(access, request, name),
                signed.browser(request),
            )
        except LamelleError as error:
            return _refused(error)
        session.end_old(access, request)
        answer = RedirectResponse(goal, 302)
        signed.give_cookie(access, request, answer, secret)
        answer.delete_cookie(signed.AWAY, path="/api/oidc")
        return answer

    return routes


def _back(access: Access, request: Request, name: str) -> str:
    """The address a provider must know us by."""
    return f"{signed.here(access, request)}/api/oidc/{name}/callback"


def _refused(error: LamelleError) -> Response:
    return RedirectResponse(f"/sign-in?{urlencode({'error': error.code})}", 302)
