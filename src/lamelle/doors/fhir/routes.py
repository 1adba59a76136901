"""The routes of the door, each of its types and what can be done with it."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route, Router
from starlette.types import Receive, Scope, Send

from lamelle.archive.store import Archive
from lamelle.base.errors import LamelleError
from lamelle.doors import http
from lamelle.doors.fhir.answers import PREFIX, Door
from lamelle.doors.fhir.capabilities import Capabilities
from lamelle.doors.fhir.creating import Create
from lamelle.doors.fhir.names import TYPES, Names
from lamelle.doors.fhir.outcomes import Outcomes
from lamelle.doors.fhir.reading import History, Read
from lamelle.doors.fhir.searching import Search
from lamelle.doors.fhir.settings import FhirSettings
from lamelle.lab.room import Lab


def mounted(
    archive: Archive, lab: Lab, settings: FhirSettings | None = None, dicomweb: str = "/dicomweb"
) -> list[Mount | Route]:
    """The door under its prefix, with and without a slash; `dicomweb` is the path where the images are retrieved."""
    settings = settings or FhirSettings()
    door = Door(archive, lab, settings, Names(settings.systems), dicomweb)
    handlers = {LamelleError: http.answer_error, HTTPException: _no_such_path, Exception: _crashed}
    app = Starlette(routes=routes(door), middleware=[Middleware(Outcomes)], exception_handlers=handlers)
    app.router.redirect_slashes = False  # it would lead to whatever Host the request names
    below = Mount(PREFIX, app=app)
    return [Route(PREFIX, _Base(below), methods=["POST"]), below]


class _Base:
    """ASGI: the address of the service as clients write it, without a slash."""

    def __init__(self, below: Mount) -> None:
        self._router = Router([below])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"] + "/"
        await self._router({**scope, "path": path, "raw_path": path.encode()}, receive, send)


def routes(door: Door) -> list[Route]:
    """Every route, by paths relative to the prefix."""
    create, history = Create(door), History(door)
    made = [
        Route("/metadata", Capabilities(door).__call__, methods=["GET"]),
        Route("/", create.bundle, methods=["POST"]),
        Route("/ServiceRequest", create.order, methods=["POST"]),
        Route("/DiagnosticReport", create.report, methods=["POST"]),
        Route("/DiagnosticReport/{ident}/_history", history.all, methods=["GET"]),
        Route("/DiagnosticReport/{ident}/_history/{version}", history.one, methods=["GET"]),
    ]
    for name in TYPES:
        search = Search(door, name)
        ident = "{study_uid}" if name == "ImagingStudy" else "{ident}"
        made += [
            Route(f"/{name}/_search", search.post, methods=["POST"]),
            Route(f"/{name}", search.get, methods=["GET"]),
            Route(f"/{name}/{ident}", Read(door, name).__call__, methods=["GET"]),
        ]
    return made


async def _no_such_path(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = {404: "no_such_path", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    answered = http.problem(error.status_code, code, error.detail)
    answered.headers.update(error.headers or {})
    return answered


async def _crashed(request: Request, error: Exception) -> Response:
    """A fault of ours in the form of every other error; it is raised on, and logged by who counts requests."""
    return http.problem(500, "internal_error", "this should not happen; the server's log says more")
