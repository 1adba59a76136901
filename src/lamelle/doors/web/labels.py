"""The label and the overview of a slide: both may show who the patient is, so they are for those with the right."""

from typing import Literal

from fastapi import APIRouter, Request
from starlette.responses import Response

from lamelle.archive.store import Archive
from lamelle.base.errors import Denied, NotFound
from lamelle.doors import guard
from lamelle.doors.web.settings import WebSettings
from lamelle.doors.web.slides import slides_of
from lamelle.doors.web.tiles import tiles_of


def router(archive: Archive, settings: WebSettings) -> APIRouter:
    routes = APIRouter()
    slides, tiles = slides_of(archive), tiles_of(archive)

    @routes.get("/slides/{series_uid}/{image}", response_class=Response)
    def associated(request: Request, series_uid: str, image: Literal["label", "overview"]) -> Response:
        if not settings.show_labels:
            raise Denied("label_hidden", "labels and pictures of the whole slide are not shown here")
        known = slides.get(guard.reach(request), series_uid)
        found = known.slide.label if image == "label" else known.slide.overview
        if found is None:
            raise NotFound("no_such_image", "the slide has no such image")
        data = tiles.whole(known, series_uid, found)
        return Response(data, media_type="image/jpeg", headers={"cache-control": "no-store"})

    return routes
