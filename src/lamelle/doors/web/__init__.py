"""The pages and the JSON they read."""

from lamelle.doors.web.api import api, schema, shapes
from lamelle.doors.web.opening import opening
from lamelle.doors.web.pages import pages
from lamelle.doors.web.tiles import TilesFastPath

__all__ = ["TilesFastPath", "api", "opening", "pages", "schema", "shapes"]
