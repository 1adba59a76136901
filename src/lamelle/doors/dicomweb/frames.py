"""WADO-RS frames: as stored by default, decoded for who asks; and a path without a framework for one stored frame.

Source: PS3.18 10.4.1.1.6, 8.7.3.5.
"""

import secrets
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import anyio
import anyio.to_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lamelle.access.model import WHOLE, Action, Reach
from lamelle.archive import decoding
from lamelle.archive.model import InstanceRef
from lamelle.archive.store import Archive
from lamelle.base.errors import Invalid, LamelleError, NotFound
from lamelle.dicom import pixels
from lamelle.dicom.pixels import PixelFormat
from lamelle.doors import guard, http
from lamelle.doors.dicomweb import negotiate
from lamelle.doors.dicomweb.answers import IMMUTABLE, Door, address, parts, uids
from lamelle.doors.dicomweb.negotiate import Offer
from lamelle.doors.dicomweb.settings import DicomwebSettings
from lamelle.doors.guard.rules import VIEW
from lamelle.doors.http import NotAcceptable

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

FRAMES_LIMIT: Final = 10_000
_CACHE_LIMIT: Final = 4096
READERS: Final = 16
"""Threads that wait for disks and catalogue: enough to keep a store busy, few enough to leave it to others too."""
NAMES: Final = 1024
"""Paths of instances remembered; all frames of one share it."""


def numbers(text: str) -> list[int]:
    """A frame list of the path, 1-based, in the order asked. Raises: Invalid("bad_frame_list")."""
    pieces = text.split(",")
    if len(pieces) > FRAMES_LIMIT or not all(p.isascii() and p.isdigit() and len(p) < 11 and int(p) for p in pieces):
        raise Invalid("bad_frame_list", "frames are numbers from 1, with commas between them")
    return [int(piece) for piece in pieces]


def form_of(archive: Archive, ref: InstanceRef) -> PixelFormat:
    """Pixel attributes of an instance. Raises as `pixels.pixel_format`."""
    form = pixels.pixel_format(archive.retrieve.header(ref))
    return pixels.with_vr(form, ref.pixel_vr)


def reader(archive: Archive, ref: InstanceRef, offer: Offer, limit: int) -> Callable[[int], bytes]:
    """What gives a frame in the representation chosen.

    Raises: NotAcceptable when one decoded frame is over `limit` bytes.
    """
    opened = archive.retrieve.opened(WHOLE, ref.study_uid, ref.series_uid, ref.sop_uid)
    if offer.stored:
        return opened.frame
    form = form_of(archive, ref)
    if form.rows * form.columns * form.samples * form.dtype.itemsize > limit:
        raise NotAcceptable(f"a decoded frame would be over {limit} bytes", [])

    def decoded(number: int) -> bytes:
        samples = decoding.decode(opened.frame(number), ref.transfer_syntax, form)
        return pixels.packed(samples, form)

    return decoded


class Frames:
    """The frames resource, every kind of request."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def routes(self) -> list[Route]:
        path = "/studies/{study}/series/{series}/instances/{instance}/frames/{frames}"
        return [Route(path, self.frames, methods=["GET"])]

    async def frames(self, request: Request) -> Response:
        """Frames as they are stored, or decoded."""
        names = uids(request)
        wanted_numbers = numbers(request.path_params["frames"])
        wanted = self._door.ranges(request)
        ref = (await run_in_threadpool(self._door.archive.retrieve.instances, guard.reach(request), *names))[0]
        if ref.frames == 0:
            raise NotFound("no_pixels", "the instance has no frames")
        if max(wanted_numbers) > ref.frames:
            raise NotFound("no_such_frame", f"the instance has {ref.frames} frames")
        one = len(wanted_numbers) == 1
        choice = negotiate.choose(wanted, negotiate.frame_offers(ref.transfer_syntax), one=one)
        etag = f'"{ref.digest[:32]}-{request.path_params["frames"]}-{choice.offer.stored:d}{choice.multipart:d}"'
        headers = {"cache-control": IMMUTABLE, "etag": etag, "vary": "accept"}
        if len(etag) > 256:
            del headers["etag"]
        elif etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        settings = self._door.settings
        read = await run_in_threadpool(reader, self._door.archive, ref, choice.offer, settings.convert_limit_bytes)
        if not choice.multipart:
            body = await run_in_threadpool(read, wanted_numbers[0])
            return _part_of(request, body, {**headers, "content-type": choice.offer.part_type()})
        url = address(self._door.base(request), ref.study_uid, ref.series_uid, ref.sop_uid)
        # The first is read now: a frame that cannot be decoded is still an error status.
        first = await run_in_threadpool(read, wanted_numbers[0])

        def items() -> Iterator[tuple[list[tuple[str, str]], list[bytes]]]:
            for place, number in enumerate(wanted_numbers):
                body = first if place == 0 else read(number)
                kind = [("Content-Type", choice.offer.part_type()), ("Content-Location", f"{url}/frames/{number}")]
                yield [*kind, ("Content-Length", str(len(body)))], [body]

        return parts(choice.offer.media_type, items(), headers=headers)


def _part_of(request: Request, body: bytes, headers: dict[str, str]) -> Response:
    headers["accept-ranges"] = "bytes"
    try:
        part = http.byte_range(request.headers.get("range"), len(body))
    except LamelleError as error:
        return http.problem(416, error.code, error.message)
    if part is None:
        return Response(body, headers=headers)
    headers["content-range"] = f"bytes {part.start}-{part.start + part.length - 1}/{len(body)}"
    return Response(body[part.start : part.start + part.length], 206, headers)


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """How a stored frame is sent for one Accept header and transfer syntax, worked out once."""

    headers: tuple[tuple[bytes, bytes], ...]
    lines: bytes
    """The same headers as they are sent, each with its CRLF."""
    mark: bytes
    boundary: bytes = b""
    before: bytes = b""
    after: bytes = b""
    around: int = 0
    """Bytes before and after the frame."""


class Answers:
    """StoredAnswer by (Accept header, transfer syntax); None where the slow path must look."""

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._known: dict[tuple[bytes, str], StoredAnswer | None] = {}

    def find(self, accept: bytes, transfer_syntax: str) -> StoredAnswer | None:
        key = (accept, transfer_syntax)
        try:
            return self._known[key]
        except KeyError:
            if len(self._known) >= _CACHE_LIMIT:
                self._known.clear()
            answer = self._known[key] = self._work_out(accept, transfer_syntax)
            return answer

    def _work_out(self, accept: bytes, transfer_syntax: str) -> StoredAnswer | None:
        header = accept.decode("latin-1")
        if not header.strip():
            if self._strict:
                return None
            header = "*/*"
        wanted = http.accept(header)
        kinds = {negotiate.kind_of(media) for media in wanted}
        if kinds & {negotiate.DICOM, negotiate.JSON, negotiate.XML}:
            return None
        try:
            choice = negotiate.choose(wanted, negotiate.frame_offers(transfer_syntax), one=True)
        except NotAcceptable:
            return None
        if not choice.offer.stored:
            return None
        part_type = choice.offer.part_type()
        common = ((b"cache-control", IMMUTABLE.encode()), (b"vary", b"accept"))
        if not choice.multipart:
            headers = ((b"content-type", part_type.encode()), *common)
            return StoredAnswer(headers, _lines(headers), b"-10")
        boundary = f"lamelle-{secrets.token_hex(16)}"
        kind = f'multipart/related; type="{choice.offer.media_type}"; boundary={boundary}'
        headers = ((b"content-type", kind.encode()), *common)
        before, after = (
            f"--{boundary}\r\nContent-Type: {part_type}\r\n\r\n".encode(),
            f"\r\n--{boundary}--\r\n".encode(),
        )
        around = len(before) + len(after)
        return StoredAnswer(headers, _lines(headers), b"-11", boundary.encode(), before, after, around)


def _lines(headers: tuple[tuple[bytes, bytes], ...]) -> bytes:
    return b"".join(b"%b: %b\r\n" % header for header in headers)


class FramesFastPath:
    """ASGI: answers a plain GET of one frame as stored; hands everything else to the application behind it.

    What lies in memory is sent at once, and `ready` gives it to who asks before ASGI; whatever may wait for a disk,
    a network or the catalogue waits in a thread.
    """

    def __init__(self, app: App, archive: Archive, settings: DicomwebSettings | None = None) -> None:
        settings = settings or DicomwebSettings()
        self._app = app
        self._retrieve = archive.retrieve
        self._answers = Answers(strict=settings.strict_accept)
        self._prefix = f"{settings.prefix}/studies/"
        self._names = lru_cache(NAMES)(self._read_names)
        self._readers = anyio.CapacityLimiter(READERS)

    def ready(self, path: str, query: bytes, accept: bytes, reach: Reach) -> http.Ready | None:
        """See http.AtHand."""
        place = None if query else self._place(path)
        if place is None:
            return None
        names, number = place
        opened = self._retrieve.at_hand(reach, *names)
        if opened is None or not 1 <= number <= opened.count:
            return None
        answer = self._answers.find(accept, opened.transfer_syntax)
        if answer is None:
            return None
        frame = opened.frame_now(number)
        if frame is None:
            return None
        size = answer.around + len(frame)
        head = b'etag: "%b-%d%b"\r\n%bcontent-length: %d\r\n' % (opened.mark, number, answer.mark, answer.lines, size)
        return http.Ready(head, answer.before, frame, answer.after, size, names[0])

    def _place(self, path: str) -> tuple[tuple[str, str, str], int] | None:
        """Study, series, instance; and the number of one frame. None for any other path."""
        head, _, number = path.rpartition("/")
        if not (number.isdigit() and number.isascii() and len(number) < 11):
            return None
        names = self._names(head)
        return None if names is None else (names, int(number))

    def _read_names(self, head: str) -> tuple[str, str, str] | None:
        """Study, series and instance of what stands before the number."""
        pieces = head.removeprefix(self._prefix).split("/")
        if not head.startswith(self._prefix) or len(pieces) != 6:
            return None
        if (pieces[1], pieces[3], pieces[5]) != ("series", "instances", "frames"):
            return None
        return pieces[0], pieces[2], pieces[4]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET" and not scope["query_string"]:
            place = self._place(scope["path"])
            if place is not None and await self._sent(scope, send, *place):
                return
        await self._app(scope, receive, send)

    async def _sent(self, scope: Scope, send: Send, names: tuple[str, str, str], number: int) -> bool:
        accept, if_none_match = b"", b""
        for name, value in scope["headers"]:
            if name == b"accept":
                accept = value if not accept else accept + b"," + value
            elif name == b"if-none-match":
                if_none_match = value
            elif name in (b"range", b"origin"):
                return False
        try:
            reach = guard.reach(scope, Action.VIEW)
            opened = self._retrieve.at_hand(reach, *names)
            if opened is None:
                opened = await anyio.to_thread.run_sync(self._retrieve.opened, reach, *names, limiter=self._readers)
            answer = self._answers.find(accept, opened.transfer_syntax)
            if answer is None or not 1 <= number <= opened.count:
                return False
            etag = b'"%b-%d%b"' % (opened.mark, number, answer.mark)
            body: bytes | bytearray = b""
            same = bool(if_none_match) and etag in if_none_match
            if not same:
                kept = opened.frame_now(number)
                if kept is None:
                    kept = await anyio.to_thread.run_sync(opened.frame, number, limiter=self._readers)
                body = kept
            await guard.visit(scope).seen(names[0], rule=VIEW)
        except LamelleError:
            # The slow path finds the same error and knows how to say it.
            return False
        headers = [(b"etag", etag), *answer.headers]
        if not same:
            if answer.boundary:
                body = b"".join((answer.before, body, answer.after))
            headers.append((b"content-length", b"%d" % len(body)))
        await send({"type": "http.response.start", "status": 304 if same else 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        return True
