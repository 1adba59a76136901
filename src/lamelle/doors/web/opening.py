"""What the page of a slide brings along, so that its first view asks for nothing but tiles."""

from lamelle.access.model import Reach
from lamelle.archive.store import Archive
from lamelle.base.errors import LamelleError
from lamelle.doors.web import slides
from lamelle.doors.web.pages import Bring
from lamelle.doors.web.settings import WebSettings


def opening(archive: Archive, settings: WebSettings) -> Bring:
    """The slide as the API would tell it; nothing when it cannot: the page then asks, and says why."""

    def bring(reach: Reach, series_uid: str) -> str:
        try:
            return slides.described(archive, settings, reach, series_uid).model_dump_json()
        except LamelleError:
            return ""

    return bring
