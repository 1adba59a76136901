"""The JSON API of the pages, under /api: assembly, errors, headers. Each page's answers are in its own file."""

from typing import Any, cast

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lamelle.access.room import Access
from lamelle.archive.store import Archive
from lamelle.audit.room import Audit
from lamelle.base.errors import LamelleError
from lamelle.doors import http
from lamelle.doors.web import (
    account,
    attachments,
    audit,
    bodies,
    cases,
    desk,
    deskmodels,
    emergency,
    fleet,
    flow,
    hl7,
    identity,
    imports,
    labels,
    labmodels,
    live,
    merges,
    oidc,
    quality,
    roles,
    series,
    session,
    sharing,
    slides,
    studies,
    tiles,
    users,
    worklists,
)
from lamelle.doors.web.models import Model, Problem
from lamelle.doors.web.settings import WebSettings
from lamelle.lab.room import Lab

TITLE = "Lamelle pages"
PROBLEM = "application/problem+json"
DEFAULTS = WebSettings()


class Described(FastAPI):
    """FastAPI that describes errors by the media type they have."""

    def openapi(self) -> dict[str, Any]:
        described = super().openapi()
        for operation in (operation for path in described["paths"].values() for operation in path.values()):
            for status, answer in operation["responses"].items():
                if status in {"4XX", "5XX"} and "application/json" in answer["content"]:
                    answer["content"][PROBLEM] = answer["content"].pop("application/json")
        return described


def api(
    archive: Archive,
    access: Access,
    settings: WebSettings = DEFAULTS,
    ledger: Audit | None = None,
    laboratory: Lab | None = None,
    console: hl7.Console | None = None,
) -> FastAPI:
    """The application to mount at /api."""
    lab = cast(Lab, laboratory)
    app = Described(
        title=TITLE,
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
        redirect_slashes=False,  # it would lead to whatever Host the request names
        responses={"4XX": {"model": Problem}, "5XX": {"model": Problem}},
    )
    app.add_middleware(bodies.Small)
    for restricted in (studies, slides, labels):
        include(app, restricted.router(archive, settings))
    for page in (series, imports, sharing):
        include(app, page.router(archive))
    include(app, session.router(settings, access))
    for about_people in (account, users, oidc):
        include(app, about_people.router(access))
    include(app, roles.router())
    include(app, emergency.router(archive, access))
    include(app, audit.router(cast(Audit, ledger)))
    include(app, worklists.router(lab))
    include(app, attachments.router(lab, archive))
    include(app, hl7.router(lab, console or hl7.Console()))
    include(app, desk.router(lab, archive, settings))
    include(app, fleet.router(lab))
    include(app, quality.router(lab))
    include(app, cases.router(lab))
    include(app, flow.router(lab))
    include(app, merges.router(lab))
    include(app, live.router(lab, access))
    app.router.routes.append(Route(tiles.TEMPLATE, tiles.endpoint(archive), methods=["GET"]))
    app.add_exception_handler(LamelleError, http.answer_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _not_found)
    app.add_exception_handler(Exception, _crashed)
    return app


def include(app: FastAPI, router: APIRouter) -> None:
    """Add a router's routes one by one: the guard stands before each, and FastAPI's own `include_router` hides them."""
    for route in router.routes:
        if not isinstance(route, APIRoute):
            raise TypeError(f"{type(route).__name__} is no route of an API")
        app.add_api_route(
            route.path,
            route.endpoint,
            methods=sorted(route.methods or ()),
            status_code=route.status_code,
            response_model=route.response_model,
            response_class=route.response_class,
            responses=route.responses,
            include_in_schema=route.include_in_schema,
        )


def schema() -> dict[str, Any]:
    """The OpenAPI description; no archive is needed to describe."""
    return api(cast(Archive, None), cast(Access, None)).openapi()


def shapes() -> dict[str, Any]:
    """The description with every shape there is a file of, those included that no route answers yet."""
    described = schema()
    found = [
        model
        for shapes in (identity, labmodels, deskmodels)
        for model in vars(shapes).values()
        if isinstance(model, type) and issubclass(model, Model) and model.__module__ == shapes.__name__
    ]
    _, more = models_json_schema(
        [(model, "validation") for model in found], ref_template="#/components/schemas/{model}"
    )
    described["components"]["schemas"] = more["$defs"] | described["components"]["schemas"]
    return described


async def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    where = ", ".join(".".join(map(str, e["loc"])) for e in error.errors())
    return http.problem(400, "bad_parameter", f"cannot be read: {where}")


async def _not_found(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return http.problem(error.status_code, "no_such_page", "there is nothing at this address")


async def _crashed(request: Request, error: Exception) -> Response:
    """A fault of ours in the form of every other error; it is raised on, and logged by who counts requests."""
    return http.problem(500, "internal_error", "this should not happen; the server's log says more")
