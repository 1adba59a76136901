"""The resources of the door, in order of matching, and who may call them from a browser.

Source: PS3.18 Table 10.1-1.
"""

from collections.abc import Sequence

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Mount, Route

from lamelle.archive.store import Archive
from lamelle.doors.dicomweb.answers import Door
from lamelle.doors.dicomweb.capabilities import Capabilities
from lamelle.doors.dicomweb.frames import Frames
from lamelle.doors.dicomweb.remove import Remove
from lamelle.doors.dicomweb.rendered import Rendered
from lamelle.doors.dicomweb.retrieve import Retrieve
from lamelle.doors.dicomweb.search import Search
from lamelle.doors.dicomweb.settings import DicomwebSettings
from lamelle.doors.dicomweb.store import Store

_METHODS = ("GET", "POST", "DELETE", "OPTIONS")
_ASKED = ("Accept", "Authorization", "Content-Type", "If-None-Match", "If-Range", "Range")
_TOLD = ("Content-Encoding", "Content-Length", "Content-Location", "Content-Range", "Content-Type", "ETag", "Warning")


def routes(archive: Archive, settings: DicomwebSettings | None = None) -> list[BaseRoute]:
    """Every resource, by paths relative to the door's prefix."""
    door = Door(archive, settings or DicomwebSettings())
    rooms = (Frames(door), Search(door), Store(door), Retrieve(door), Rendered(door), Remove(door))
    made: list[Route] = [route for room in rooms for route in room.routes()]
    return [*made, *Capabilities(door, made).routes()]


def mount(archive: Archive, settings: DicomwebSettings | None = None) -> Mount:
    """The door under its prefix, open to the pages of the origins that settings name."""
    settings = settings or DicomwebSettings()
    return Mount(settings.prefix, routes=routes(archive, settings), middleware=_cross_origin(settings.cors_origins))


def _cross_origin(origins: Sequence[str]) -> list[Middleware]:
    if not origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=list(_METHODS),
            allow_headers=list(_ASKED),
            expose_headers=list(_TOLD),
            max_age=3600,
        )
    ]
