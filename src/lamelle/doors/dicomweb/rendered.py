"""WADO-RS pictures: rendered resources and thumbnails at four levels.

Source: PS3.18 8.3.5, 10.4.1.1.3, 10.4.1.1.4.
"""

import math
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, ParamSpec

import anyio
import anyio.to_thread
from pydicom import Dataset
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lamelle.access.model import WHOLE, Reach
from lamelle.archive import decoding, thumbnails
from lamelle.archive.model import InstanceRef
from lamelle.base.errors import Invalid, NotFound
from lamelle.dicom import icc, render
from lamelle.dicom.render import Look, Picture, Viewport, Window
from lamelle.doors import guard
from lamelle.doors.dicomweb import negotiate
from lamelle.doors.dicomweb.answers import REVALIDATE, Door, address, parts, uids
from lamelle.doors.dicomweb.frames import numbers
from lamelle.doors.dicomweb.negotiate import RENDERED, Choice, Offer
from lamelle.doors.http import NotAcceptable

_PICTURES: Final = tuple(Offer(kind) for kind in RENDERED)
_SINGLE_FIRST: Final = tuple(Offer(kind, multipart=False) for kind in RENDERED)
_MOVING: Final = (Offer("image/gif", multipart=False), *_PICTURES)
PARTS_LIMIT: Final = 1000
RENDERERS: Final = 4
"""Pictures made at once in a worker: each holds whole frames in memory, and more at once are made no faster."""
P = ParamSpec("P")
# Beyond so many frames, one frame's own window is not looked for.
FRAME_GROUPS: Final = 2000


@dataclass(frozen=True, slots=True)
class Wish:
    """The rendering parameters of a request."""

    viewport: Viewport | None = None
    window: Window | None = None
    quality: int = 90
    profile: icc.Mode = "yes"
    warning: str = ""


def wish(query: Sequence[tuple[str, str]], service: str) -> Wish:
    """Raises: Invalid("bad_viewport", "bad_window", "bad_quality", "bad_iccprofile", "duplicate_key")."""
    single: dict[str, str] = {}
    for name, value in query:
        if name in single:
            raise Invalid("duplicate_key", f"{name[:32]} stands more than once")
        single[name] = value
    warning = ""
    if "annotation" in single:
        # Nothing is burned into pictures here; a patient's name least of all.
        asked = "".join(c for c in single["annotation"] if c.isascii() and c.isprintable())[:64]
        warning = f"299 {service}: The following annotation values are not supported: {asked}"
    quality = single.get("quality", "90")
    if not (quality.isascii() and quality.isdigit() and len(quality) < 4 and 1 <= int(quality) <= 100):
        raise Invalid("bad_quality", "quality is an integer from 1 to 100")
    mode = next((mode for mode in icc.MODES if mode == single.get("iccprofile", "yes")), None)
    if mode is None:
        raise Invalid("bad_iccprofile", f"iccprofile is one of {', '.join(icc.MODES)}")
    viewport = viewport_of(single["viewport"]) if "viewport" in single else None
    window = window_of(single["window"]) if "window" in single else None
    return Wish(viewport, window, int(quality), mode, warning)


def viewport_of(text: str) -> Viewport:
    """`vw,vh[,sx,sy,sw,sh]`, later values may be empty. Raises: Invalid("bad_viewport")."""
    pieces = [piece.strip() for piece in text.split(",")]
    try:
        values = [float(piece) if piece else None for piece in pieces]
    except ValueError as error:
        raise Invalid("bad_viewport", "viewport holds numbers") from error
    values += [None] * (6 - len(values))
    width, height, left, top, region_width, region_height = values[:6]
    wrong = (
        len(values) > 6 or len(pieces) not in {2, 4, 6} or any(v is not None and not math.isfinite(v) for v in values)
    )
    if (
        wrong
        or width is None
        or height is None
        or not (width >= 1 and height >= 1)
        or 0 in (region_width, region_height)
    ):
        raise Invalid("bad_viewport", "viewport is vw,vh[,sx,sy,sw,sh] with a width and height of 1 or more")
    return Viewport(int(width), int(height), left or 0.0, top or 0.0, region_width, region_height)


def window_of(text: str) -> Window:
    """`center,width,function`, all three. Raises: Invalid("bad_window")."""
    pieces = [piece.strip().lower() for piece in text.split(",")]
    function = next((name for name in render.FUNCTIONS if len(pieces) == 3 and name == pieces[2]), None)
    try:
        center, width = float(pieces[0]), float(pieces[1])
    except (ValueError, IndexError) as error:
        raise Invalid("bad_window", "window is center,width,function") from error
    least = 1.0 if function == "linear" else 1e-9
    if function is None or not (math.isfinite(center) and math.isfinite(width) and width >= least):
        raise Invalid("bad_window", "window is center,width,function with function linear, linear-exact or sigmoid")
    return Window(center, width, function)


class Rendered:
    """The rendered and thumbnail resources."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._retrieve = door.archive.retrieve
        self._looks = Looks(door)
        self._renderers = anyio.CapacityLimiter(RENDERERS)

    def routes(self) -> list[Route]:
        study, series = "/studies/{study}", "/studies/{study}/series/{series}"
        instance = f"{series}/instances/{{instance}}"
        frame = f"{instance}/frames/{{frames}}"
        return [
            *(Route(f"{level}/rendered", self.one, methods=["GET"]) for level in (study, series, instance)),
            Route(f"{frame}/rendered", self.frames, methods=["GET"]),
            *(
                Route(f"{level}/thumbnail", self.thumbnail, methods=["GET"])
                for level in (study, series, instance, frame)
            ),
        ]

    async def one(self, request: Request) -> Response:
        """An instance; or one picture that stands for a series or study, or a part for each of its instances."""
        names = uids(request)
        asked = wish(_parameters(request), self._door.base(request))
        wanted = self._door.ranges(request)
        refs = await run_in_threadpool(self._retrieve.instances, guard.reach(request), *names)
        images = [ref for ref in refs if ref.frames > 0 and ref.rows > 0]
        if not images:
            raise NotFound("no_pixels", "the resource has no image to render")
        if len(images) > 1:
            choice = negotiate.choose(wanted, _SINGLE_FIRST + _PICTURES, one=True)
            if choice.multipart:
                return self._many(request, images[:PARTS_LIMIT], choice, asked)
            images = thumbnails.subjects(images)[:1] or images[:1]
        else:
            choice = negotiate.choose(wanted, _SINGLE_FIRST + _PICTURES, one=True)
        body = await self._made(self._instance, images[0], choice.offer.media_type, asked)
        return self._answer(request, images[0], choice, body, asked)

    async def frames(self, request: Request) -> Response:
        """Some frames of an instance."""
        names = uids(request)
        wanted_numbers = numbers(request.path_params["frames"])
        asked = wish(_parameters(request), self._door.base(request))
        ref = (await run_in_threadpool(self._retrieve.instances, guard.reach(request), *names))[0]
        if ref.frames == 0 or ref.rows == 0:
            raise NotFound("no_pixels", "the instance has no image to render")
        if max(wanted_numbers) > ref.frames:
            raise NotFound("no_such_frame", f"the instance has {ref.frames} frames")
        several = len(wanted_numbers) > 1
        offers = _MOVING if several else _SINGLE_FIRST + _PICTURES
        choice = negotiate.choose(self._door.ranges(request), offers, one=True)
        kind = choice.offer.media_type
        if choice.multipart and several:
            url = address(self._door.base(request), ref.study_uid, ref.series_uid, ref.sop_uid)
            items = (
                (
                    [("Content-Type", kind), ("Content-Location", f"{url}/frames/{number}/rendered")],
                    [self._drawn(ref, [number], kind, asked)],
                )
                for number in wanted_numbers
            )
            return parts(kind, items, headers=_headers(asked))
        if several and kind != "image/gif":
            raise NotAcceptable("several frames are one GIF or a multipart body", ["image/gif"])
        if len(wanted_numbers) > self._door.settings.gif_frames:
            raise Invalid("bad_frame_list", f"a picture has {self._door.settings.gif_frames} frames at most")
        body = await self._made(self._drawn, ref, wanted_numbers, kind, asked)
        return self._answer(request, ref, choice, body, asked)

    async def thumbnail(self, request: Request) -> Response:
        """A small JPEG that shows no label."""
        names = uids(request)
        asked = wish([pair for pair in _parameters(request) if pair[0] == "viewport"], "")
        choice = negotiate.choose(self._door.ranges(request), (Offer("image/jpeg", multipart=False),), one=True)
        text = request.path_params.get("frames")
        frame = numbers(text)[0] if text else None
        body = await self._made(self._thumbnail, guard.reach(request), names, frame)
        if asked.viewport is not None:
            body = await self._made(render.refitted, body, asked.viewport)
        return Response(body, headers={"content-type": choice.offer.media_type, "cache-control": REVALIDATE})

    async def _made(self, make: Callable[P, bytes], *given: P.args, **named: P.kwargs) -> bytes:
        """A picture made in a thread of its own few: those that wait for a disk are not held up by pictures."""
        return await anyio.to_thread.run_sync(partial(make, *given, **named), limiter=self._renderers)

    def _thumbnail(self, reach: Reach, names: tuple[str, str | None, str | None], frame: int | None) -> bytes:
        study, series, instance = names
        archive = self._door.archive
        if series is None:
            return thumbnails.of_study(archive, reach, study)
        if instance is None:
            return thumbnails.of_series(archive, reach, study, series)
        return thumbnails.of_instance(archive, reach, study, series, instance, frame)

    def _many(self, request: Request, images: Sequence[InstanceRef], choice: Choice, asked: Wish) -> Response:
        base, kind = self._door.base(request), choice.offer.media_type
        items = (
            (
                [
                    ("Content-Type", kind),
                    ("Content-Location", f"{address(base, ref.study_uid, ref.series_uid, ref.sop_uid)}/rendered"),
                ],
                [self._instance(ref, kind, asked)],
            )
            for ref in images
        )
        return parts(kind, items, headers=_headers(asked))

    def _instance(self, ref: InstanceRef, kind: str, asked: Wish) -> bytes:
        """A whole instance: a slide level put together, a moving GIF, or the first frame."""
        header = self._looks.header(ref)
        if "TotalPixelMatrixColumns" in header and ref.frames > 1:
            return self._level(ref, kind, asked)
        if kind == "image/gif" and ref.frames > 1:
            return self._drawn(ref, list(range(1, min(ref.frames, self._door.settings.gif_frames) + 1)), kind, asked)
        return self._drawn(ref, [1], kind, asked)

    def _level(self, ref: InstanceRef, kind: str, asked: Wish) -> bytes:
        settings = self._door.settings
        side = settings.render_side
        if ref.frames > settings.render_tiles:
            # The same tissue from a smaller level of the series costs a hundredth.
            ref = self._smaller(ref)
        picture = thumbnails.whole(self._door.archive, ref, side, settings.render_tiles)
        look = self._looks.get(ref, 1)
        return _finished([picture], look, kind, asked)

    def _smaller(self, ref: InstanceRef) -> InstanceRef:
        limit = self._door.settings.render_tiles
        others = [
            other
            for other in self._retrieve.instances(WHOLE, ref.study_uid, ref.series_uid)
            if other.frames <= limit
            and thumbnails.flavor(other) in {thumbnails.flavor(ref), "THUMBNAIL"}
            and (other.samples, other.photometric, other.sop_class_uid)
            == (ref.samples, ref.photometric, ref.sop_class_uid)
        ]
        return max(others, key=lambda other: other.rows * other.columns * other.frames, default=ref)

    def _drawn(self, ref: InstanceRef, wanted: Sequence[int], kind: str, asked: Wish) -> bytes:
        opened = self._retrieve.opened(WHOLE, ref.study_uid, ref.series_uid, ref.sop_uid)
        syntax = opened.transfer_syntax
        looks = [self._looks.get(ref, number) for number in wanted]
        samples = [
            decoding.decode(opened.frame(number), syntax, look.form) for number, look in zip(wanted, looks, strict=True)
        ]
        window = asked.window or (render.common_window(samples, looks[0]) if len(wanted) > 1 else None)
        pictures = [render.picture(frame, syntax, look, window) for frame, look in zip(samples, looks, strict=True)]
        milliseconds = self._looks.frame_ms(ref) if len(pictures) > 1 else 0.0
        return _finished(pictures, looks[0], kind, asked, milliseconds)

    def _answer(self, request: Request, ref: InstanceRef, choice: Choice, body: bytes, asked: Wish) -> Response:
        kind = choice.offer.media_type
        if choice.multipart:
            return parts(kind, [([("Content-Type", kind)], [body])], headers=_headers(asked))
        return Response(body, headers={**_headers(asked), "content-type": kind})


def _parameters(request: Request) -> list[tuple[str, str]]:
    return [pair for pair in request.query_params.multi_items() if pair[0] not in {"accept", "charset"}]


def _headers(asked: Wish) -> dict[str, str]:
    headers = {"cache-control": REVALIDATE, "vary": "accept"}
    return {**headers, "warning": asked.warning} if asked.warning else headers


def _finished(pictures: Sequence[Picture], look: Look, kind: str, asked: Wish, frame_ms: float = 0.0) -> bytes:
    out, profile = [], None
    for picture in pictures:
        coloured, profile = render.coloured(
            render.sized(picture, asked.viewport), look, asked.profile, decoding.to_srgb
        )
        out.append(coloured)
    return render.encoded(out, kind, quality=asked.quality, profile=profile, frame_ms=frame_ms)


class Looks:
    """How the instances rendered lately are presented: a slide's header is not read again for each tile."""

    def __init__(self, door: Door) -> None:
        self._archive = door.archive
        self._retrieve = door.archive.retrieve
        self._headers: OrderedDict[str, Dataset] = OrderedDict()
        self._looks: OrderedDict[tuple[str, int], Look] = OrderedDict()
        self._lock = threading.Lock()

    def header(self, ref: InstanceRef) -> Dataset:
        with self._lock:
            found = self._headers.get(ref.digest)
        if found is None:
            # Colour frames differ in nothing that a look holds, so the per-frame groups of slides are left unread.
            plain = ref.samples > 1 or ref.frames > FRAME_GROUPS
            found = thumbnails.header(self._archive, ref) if plain else self._retrieve.header(ref)
            with self._lock:
                self._headers[ref.digest] = found
                while len(self._headers) > 4:
                    self._headers.popitem(last=False)
        return found

    def get(self, ref: InstanceRef, frame: int) -> Look:
        key = (ref.digest, frame if ref.samples == 1 and ref.frames > 1 else 0)
        with self._lock:
            found = self._looks.get(key)
        if found is None:
            found = render.with_vr(render.look(self.header(ref), frame), ref.pixel_vr)
            with self._lock:
                self._looks[key] = found
                while len(self._looks) > 256:
                    self._looks.popitem(last=False)
        return found

    def frame_ms(self, ref: InstanceRef) -> float:
        """Milliseconds a frame of a moving picture is shown."""
        header = self.header(ref)
        try:
            rate = float(header.get("RecommendedDisplayFrameRate") or header.get("CineRate") or 0)
            return 1000.0 / rate if rate > 0 else float(header.get("FrameTime") or 0)
        except (TypeError, ValueError):
            return 0.0
