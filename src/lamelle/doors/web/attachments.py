"""The papers of a case: each read as it was given, and new ones added. The page of a case lists them."""

from typing import Annotated, Final

from fastapi import APIRouter, Body, Request, Response
from fastapi import Query as Parameter

from lamelle.access.model import Action
from lamelle.archive.store import Archive
from lamelle.doors import guard
from lamelle.doors.web.labmodels import Made
from lamelle.lab import attachments
from lamelle.lab.room import Lab

HEADERS: Final = {"content-disposition": "inline", "cache-control": "private, no-store"}


def router(lab: Lab, archive: Archive) -> APIRouter:
    routes = APIRouter()

    @routes.get("/cases/{number}/attachments/{attachment}", response_class=Response)
    def read(request: Request, number: int, attachment: int) -> Response:
        """A document as it was given: a PDF or a JPEG."""
        media_type, data = attachments.content(lab, archive, guard.reach(request), number, attachment)
        return Response(data, media_type=media_type, headers=HEADERS)

    @routes.post("/cases/{number}/attachments", status_code=201)
    def add(
        request: Request,
        number: int,
        data: Annotated[bytes, Body(media_type="application/pdf", description="The file, as its Content-Type says.")],
        kind: Annotated[str, Parameter(max_length=16, description=", ".join(attachments.KINDS))] = "other",
        title: Annotated[str, Parameter(max_length=200)] = "",
    ) -> Made:
        """Add a document: the body is the file. For who reports cases, and who moves the laboratory's work on."""
        visit = guard.visit(request)
        reach = visit.extent(Action.REPORT) or visit.reach(Action.SCHEDULE)
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        return Made(
            id=attachments.add(lab, archive, reach, guard.caller(request), number, kind, title, media_type, data)
        )

    return routes
