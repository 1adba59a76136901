"""One tile of a slide, by the shortest way: as stored when a browser can show it, rendered and remembered else.

`TilesFastPath` answers before any framework; the route of tiles says what is wrong with a request.
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qs

import anyio
import anyio.to_thread
import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from lamelle.access.model import WHOLE, Action, Reach
from lamelle.archive import decoding
from lamelle.archive.retrieve import OpenInstance
from lamelle.archive.store import Archive
from lamelle.base.errors import Invalid, LamelleError, NotFound
from lamelle.dicom import render
from lamelle.dicom.jpeg import for_browsers
from lamelle.dicom.slide import Image, Piece, Pyramid
from lamelle.doors import guard, http
from lamelle.doors.guard.rules import VIEW
from lamelle.doors.web.slides import Known, slides_of

PREFIX: Final = "/api/slides/"
TEMPLATE: Final = "/slides/{series_uid}/levels/{level}/tiles/{column}/{row}"
FOR_EVER: Final = b"private, max-age=31536000, immutable"
CHECK: Final = b"private, no-cache"
_LINES: Final = b"content-type: image/jpeg\r\ncache-control: %b\r\ncontent-length: %d\r\n"
RENDERED_BYTES: Final = 64 << 20
LOOKS: Final = 256
READERS: Final = 16
RENDERERS: Final = 4
"""Threads of each kind: those that wait for a disk, and those that compute and hold whole tiles in memory."""
WHOLE_SIDE: Final = 1600
WINDOW_TILES: Final = 16
MOST_CHANNELS: Final = 16
COLOUR: Final = re.compile("[0-9A-Fa-f]{6}")
WHITE, BLACK = (255, 255, 255), (0, 0, 0)


@dataclass(frozen=True, slots=True)
class Wanted:
    """One tile as its address names it."""

    series_uid: str
    level: int
    column: int
    row: int
    plane: int = 0
    path: str = ""
    pyramid: int = 0
    srgb: bool = False
    version: str = ""
    channels: tuple[tuple[str, str], ...] = ()
    """Optical paths to add up, each in its colour (RRGGBB); empty: the one of `path`."""


class TilesFastPath:
    """ASGI: tiles of those who may see them here, the rest to `app`, which has a route for tiles too."""

    def __init__(self, app: ASGIApp, archive: Archive) -> None:
        self._app, self._tiles = app, tiles_of(archive)

    def ready(self, path: str, query: bytes, accept: bytes, reach: Reach) -> http.Ready | None:
        """See http.AtHand; a tile is a JPEG whatever is accepted."""
        if not path.startswith(PREFIX) or "/tiles/" not in path:
            return None
        try:
            wanted = wanted_of(path, query)
            data = self._tiles.stored(reach, wanted)
        except LamelleError:  # said by the way that can say it
            return None
        if data is None:
            return None
        lines = _LINES % (self._tiles.lasting(wanted), len(data))
        return http.Ready(lines, b"", data, b"", len(data), self._tiles.study_of(wanted))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope.get("path", "")
        if scope["type"] == "http" and path.startswith(PREFIX) and "/tiles/" in path and scope["method"] == "GET":
            try:
                data, lasting = await self._tiles.answer(scope, guard.reach(scope, Action.VIEW))
            except LamelleError:  # said by the route
                pass
            else:
                headers = [(name.encode(), value.encode()) for name, value in _headers(data, lasting).items()]
                await send({"type": "http.response.start", "status": 200, "headers": headers})
                await send({"type": "http.response.body", "body": data})
                return
        await self._app(scope, receive, send)


def endpoint(archive: Archive) -> Callable[[Request], Awaitable[Response]]:
    """The route of tiles, for what the fast path does not answer: HEAD, and errors."""

    async def tile(request: Request) -> Response:
        """A tile of a slide as a JPEG."""
        data, lasting = await tiles_of(archive).answer(request.scope, guard.reach(request))
        return Response(data, headers=_headers(data, lasting))

    return tile


def _headers(data: bytes, lasting: bytes) -> dict[str, str]:
    return {"content-type": "image/jpeg", "content-length": str(len(data)), "cache-control": lasting.decode()}


@lru_cache(4)
def tiles_of(archive: Archive) -> "Tiles":
    """The tiles all parts of this door share for an archive."""
    return Tiles(archive)


def wanted_of(path: str, query: bytes) -> Wanted:
    """Read `/api/slides/{series}/levels/{level}/tiles/{column}/{row}?z=&path=&pyramid=&icc=srgb&v=&channels=`.

    Raises: Invalid("bad_tile").
    """
    parts = path[len(PREFIX) :].split("/")
    if len(parts) != 6 or parts[1] != "levels" or parts[3] != "tiles":
        raise Invalid("bad_tile", "a tile's address is levels/{level}/tiles/{column}/{row}")
    given = {key: found[-1] for key, found in parse_qs(query.decode("latin-1")).items()} if query else {}
    numbers = [parts[2], parts[4], parts[5], given.get("z", "0"), given.get("pyramid", "0")]
    if not all(n.isascii() and n.isdigit() and len(n) < 10 for n in numbers):
        raise Invalid("bad_tile", "level, column, row, z and pyramid are numbers from 0")
    level, column, row, plane, pyramid = map(int, numbers)
    return Wanted(
        parts[0],
        level,
        column,
        row,
        plane,
        given.get("path", ""),
        pyramid,
        given.get("icc") == "srgb",
        given.get("v", ""),
        channels_of(given.get("channels", "")),
    )


def channels_of(text: str) -> tuple[tuple[str, str], ...]:
    """Read `1:0000ff,2:00ff00`. Raises: Invalid("bad_tile")."""
    pairs = [piece.rpartition(":") for piece in text.split(",") if piece]
    if len(pairs) > MOST_CHANNELS or not all(COLOUR.fullmatch(rgb) for _, _, rgb in pairs):
        raise Invalid("bad_tile", f"channels are at most {MOST_CHANNELS} optical paths with six digits of colour")
    return tuple((path, rgb.lower()) for path, _, rgb in pairs)


class Tiles:
    """Tiles of the slides looked at lately; any number of threads may ask."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._slides = slides_of(archive)
        self._rendered: OrderedDict[Wanted, bytes] = OrderedDict()
        self._size = 0
        self._plain: dict[str, bool] = {}
        self._lock = threading.Lock()
        self._look = lru_cache(LOOKS)(self._read_look)
        self._window = lru_cache(LOOKS)(self._find_window)
        self._readers = anyio.CapacityLimiter(READERS)
        self._renderers = anyio.CapacityLimiter(RENDERERS)

    async def answer(self, scope: Scope, reach: Reach) -> tuple[bytes, bytes]:
        """The tile of a request, entered as a view of its slide, and how long it may be kept. Raises: as `get`."""
        wanted = wanted_of(scope["path"], scope["query_string"])
        data = self.stored(reach, wanted)
        if data is None:
            limiter = self._readers if self.waits_only(wanted) else self._renderers
            data = await anyio.to_thread.run_sync(self.get, reach, wanted, limiter=limiter)
        await guard.visit(scope).seen(self.study_of(wanted), wanted.series_uid, VIEW)
        return data, self.lasting(wanted)

    def lasting(self, wanted: Wanted) -> bytes:
        """How long a browser may keep the tile: for ever, when its address names the slide as it is now."""
        return FOR_EVER if wanted.version and self.current(wanted) else CHECK

    def study_of(self, wanted: Wanted) -> str:
        """The study of a slide that was read a moment ago; empty if it was not."""
        known = self._slides.fresh(wanted.series_uid)
        return known.study_uid if known else ""

    def waits_only(self, wanted: Wanted) -> bool:
        """Whether making the tile is reading it: no work for a processor."""
        known = self._slides.fresh(wanted.series_uid)
        if known is None or wanted.srgb:
            return False
        image, _ = pyramid_of(known, wanted).tile(wanted.level, wanted.column, wanted.row, wanted.plane, wanted.path)
        return self._plain.get(image.sop_uid, False)

    def stored(self, reach: Reach, wanted: Wanted) -> bytes | None:
        """The tile if it can be sent without waiting: the stored frame, or one rendered lately; None if not.

        Of a slide in a place within reach; whether it is shared would have to be asked.
        """
        known = self._slides.fresh(wanted.series_uid)
        if known is None or not (reach.everything or known.place in reach.places):
            return None
        if wanted.srgb or wanted.channels:
            return self._rendered.get(wanted)
        image, pieces = pyramid_of(known, wanted).tile(
            wanted.level, wanted.column, wanted.row, wanted.plane, wanted.path
        )
        if len(pieces) != 1 or not self._plain.get(image.sop_uid):
            return self._rendered.get(wanted)
        opened = self._archive.retrieve.at_hand(reach, known.study_uid, wanted.series_uid, pieces[0].sop_uid)
        data = None if opened is None else opened.frame_now(pieces[0].frame)
        return None if data is None else for_browsers(bytes(data), image.photometric)

    def current(self, wanted: Wanted) -> bool:
        """Whether the address names the slide as it is now."""
        known = self._slides.fresh(wanted.series_uid)
        return known is not None and known.version == wanted.version

    def get(self, reach: Reach, wanted: Wanted) -> bytes:
        """A JPEG of one whole tile, padding included. Raises: NotFound, Gone, Unsupported."""
        known = self._slides.get(reach, wanted.series_uid)
        pyramid = pyramid_of(known, wanted)
        if wanted.channels:
            found = self._rendered.get(wanted)
            return found if found is not None else self._remember(wanted, self._blend(known, pyramid, wanted))
        image, pieces = pyramid.tile(wanted.level, wanted.column, wanted.row, wanted.plane, wanted.path)
        if not pieces:
            return blank(image.tile_width, image.tile_height, image.background or ground(image))
        if len(pieces) == 1 and (pieces[0].x, pieces[0].y) == (0, 0) and not wanted.srgb:
            opened = self._open(known, wanted.series_uid, pieces[0].sop_uid)
            data = self._as_stored(opened, pieces[0].frame, image)
            self._plain[image.sop_uid] = data is not None
            if data is not None:
                return data
        found = self._rendered.get(wanted)
        return (
            found if found is not None else self._remember(wanted, self._render(known, pyramid, image, pieces, wanted))
        )

    def whole(self, known: Known, series_uid: str, image: Image) -> bytes:
        """A JPEG of a whole label or overview, at most WHOLE_SIDE pixels a side."""
        canvas = np.full((image.height, image.width, 3), 255, np.uint8)
        for row in range(image.rows):
            for column in range(image.columns):
                for piece in image.pieces(column, row, 0, 0):
                    shown = self._picture(known, series_uid, image, piece, srgb=True)
                    paste(canvas, shown, column * image.tile_width + piece.x, row * image.tile_height + piece.y)
        return render.encoded([render.within(canvas, WHOLE_SIDE)], "image/jpeg")

    def _open(self, known: Known, series_uid: str, sop_uid: str) -> OpenInstance:
        return self._archive.retrieve.opened(WHOLE, known.study_uid, series_uid, sop_uid)

    def _as_stored(self, opened: OpenInstance, frame: int, image: Image) -> bytes | None:
        if opened.transfer_syntax not in {"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"}:
            return None
        return for_browsers(opened.frame(frame), image.photometric)

    def _remember(self, wanted: Wanted, data: bytes) -> bytes:
        with self._lock:
            if wanted not in self._rendered:
                self._rendered[wanted] = data
                self._size += len(data)
            while self._size > RENDERED_BYTES:
                self._size -= len(self._rendered.popitem(last=False)[1])
        return data

    def _blend(self, known: Known, pyramid: Pyramid, wanted: Wanted) -> bytes:
        """Grey channels as light of their colours: light adds up."""
        light: NDArray[np.floating] | None = None
        for path, rgb in wanted.channels:
            grey = self._canvas(known, pyramid, replace(wanted, path=path, channels=(), srgb=False))[..., :1]
            tint = np.frombuffer(bytes.fromhex(rgb), np.uint8).astype(np.float32) / 255
            light = grey * tint if light is None else light + grey * tint
        assert light is not None
        return render.encoded([np.minimum(light + 0.5, 255).astype(np.uint8)], "image/jpeg")

    def _canvas(self, known: Known, pyramid: Pyramid, wanted: Wanted) -> render.Picture:
        image, pieces = pyramid.tile(wanted.level, wanted.column, wanted.row, wanted.plane, wanted.path)
        return self._drawn(known, pyramid, image, pieces, wanted)

    def _render(self, known: Known, pyramid: Pyramid, image: Image, pieces: tuple[Piece, ...], wanted: Wanted) -> bytes:
        return render.encoded([self._drawn(known, pyramid, image, pieces, wanted)], "image/jpeg")

    def _drawn(
        self, known: Known, pyramid: Pyramid, image: Image, pieces: tuple[Piece, ...], wanted: Wanted
    ) -> render.Picture:
        canvas = np.empty((image.tile_height, image.tile_width, 3), np.uint8)
        canvas[:] = image.background or ground(image)
        window = None
        if image.bits > 8 and image.photometric == "MONOCHROME2":
            window = self._window(known.study_uid, wanted.series_uid, pyramid, wanted.path)
        for piece in pieces:
            shown = self._picture(known, wanted.series_uid, image, piece, srgb=wanted.srgb, window=window)
            paste(canvas, shown, piece.x, piece.y)
        return canvas

    def _picture(
        self,
        known: Known,
        series_uid: str,
        image: Image,
        piece: Piece,
        *,
        srgb: bool,
        window: render.Window | None = None,
    ) -> render.Picture:
        opened = self._open(known, series_uid, piece.sop_uid)
        look = self._look(known.study_uid, series_uid, piece.sop_uid)
        samples = decoding.decode(opened.frame(piece.frame), opened.transfer_syntax, look.form)
        shown = render.picture(samples, opened.transfer_syntax, look, None if look.windows else window)
        return render.coloured(shown, look, "srgb", decoding.to_srgb)[0] if srgb else shown

    def _read_look(self, study_uid: str, series_uid: str, sop_uid: str) -> render.Look:
        return render.look(
            self._archive.retrieve.header(self._archive.retrieve.opened(WHOLE, study_uid, series_uid, sop_uid).ref)
        )

    def _find_window(self, study_uid: str, series_uid: str, pyramid: Pyramid, path: str) -> render.Window | None:
        """One window for all tiles of an optical path that names none: from the smallest level's brightness."""
        level = len(pyramid.levels) - 1
        found = []
        for row in range(min(pyramid.levels[level].rows, 4)):
            for column in range(min(pyramid.levels[level].columns, WINDOW_TILES // 4)):
                for piece in pyramid.tile(level, column, row, 0, path)[1]:
                    opened = self._archive.retrieve.opened(WHOLE, study_uid, series_uid, piece.sop_uid)
                    form = self._look(study_uid, series_uid, piece.sop_uid).form
                    found.append(decoding.decode(opened.frame(piece.frame), opened.transfer_syntax, form).ravel())
        if not found:
            return None
        low, high = np.percentile(np.concatenate(found), [0.5, 99.8])
        return render.Window(float(low + high) / 2, max(2.0, float(high - low)))


def pyramid_of(known: Known, wanted: Wanted) -> Pyramid:
    if wanted.pyramid >= len(known.slide.pyramids):
        raise NotFound("no_such_tile", f"the slide has {len(known.slide.pyramids)} scanned areas")
    return known.slide.pyramids[wanted.pyramid]


def ground(image: Image) -> tuple[int, int, int]:
    """What lies under a tile nobody scanned: glass, or the dark of a fluorescence image."""
    return BLACK if image.photometric == "MONOCHROME2" else WHITE


@lru_cache(64)
def blank(width: int, height: int, color: tuple[int, int, int]) -> bytes:
    return render.encoded([np.full((height, width, 3), color, np.uint8)], "image/jpeg")


def paste(canvas: render.Picture, shown: render.Picture, x: int, y: int) -> None:
    """Copy onto the canvas what falls inside it."""
    if shown.ndim == 2:
        shown = np.repeat(shown[..., None], 3, axis=2)
    top, left = max(0, y), max(0, x)
    bottom, right = min(canvas.shape[0], y + shown.shape[0]), min(canvas.shape[1], x + shown.shape[1])
    if bottom > top and right > left:
        canvas[top:bottom, left:right] = shown[top - y : bottom - y, left - x : right - x]
