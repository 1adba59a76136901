"""WADO-RS: instances, metadata, bulk values.

Frames are in `frames`, pictures in `rendered`. Source: PS3.18 10.4.
"""

from collections.abc import Iterable, Iterator
from itertools import chain

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from lamelle.access.model import WHOLE
from lamelle.archive import decoding
from lamelle.archive.model import InstanceRef
from lamelle.base.errors import LamelleError, NotFound
from lamelle.dicom import transcode, transfer
from lamelle.doors import guard, http
from lamelle.doors.dicomweb import frames, negotiate
from lamelle.doors.dicomweb.answers import (
    IMMUTABLE,
    REVALIDATE,
    Door,
    address,
    compressible,
    parts,
    uids,
    xml_parts,
)
from lamelle.doors.dicomweb.negotiate import DICOM, OCTETS, Choice, Offer
from lamelle.doors.http import NotAcceptable

PIXEL_DATA = "7FE00010"
_PIXEL_PATHS = frozenset({PIXEL_DATA, "7FE00008", "7FE00009"})


class Retrieve:
    """The resources that give back what is kept."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._retrieve = door.archive.retrieve

    def routes(self) -> list[Route]:
        study, series = "/studies/{study}", "/studies/{study}/series/{series}"
        instance = f"{series}/instances/{{instance}}"
        levels = (study, series, instance)
        return [
            *(Route(level, self.instances, methods=["GET"]) for level in levels),
            *(Route(f"{level}/metadata", self.metadata, methods=["GET"]) for level in levels),
            *(Route(f"{level}/bulkdata", self.all_bulk, methods=["GET"]) for level in levels),
            *(Route(f"{level}/pixeldata", self.pixeldata, methods=["GET"]) for level in levels),
            Route(f"{instance}/bulkdata/{{path:path}}", self.bulk, methods=["GET"]),
        ]

    async def instances(self, request: Request) -> Response:
        """Part 10 files, whole."""
        names = uids(request)
        wanted = self._door.ranges(request)
        refs = await run_in_threadpool(self._retrieve.instances, guard.reach(request), *names)
        one = names[2] is not None
        chosen: list[tuple[InstanceRef, Choice]] = []
        refused: list[NotAcceptable] = []
        for ref in refs:
            offers = (*negotiate.instance_offers(ref.transfer_syntax), Offer(OCTETS, None))
            try:
                chosen.append((ref, negotiate.choose(wanted, offers, one=one)))
            except NotAcceptable as error:
                refused.append(error)
        if not chosen:
            raise refused[0]
        if chosen[0][1].offer.media_type == OCTETS:
            return await self._pixels(request, [ref for ref, _ in chosen])
        status = 206 if refused else 200
        if one and not chosen[0][1].multipart:
            return await self._single(request, *chosen[0])
        base = self._door.base(request)
        # Rewriting can fail: while a status can still say so, for the first instance at least.
        first = await run_in_threadpool(self._file, *chosen[0])
        bodies = chain([first], (self._file(*pair) for pair in chosen[1:]))
        items = (
            (_part(choice, address(base, ref.study_uid, ref.series_uid, ref.sop_uid)), body)
            for (ref, choice), body in zip(chosen, bodies, strict=True)
        )
        return parts(DICOM, items, status=status, headers={"cache-control": REVALIDATE})

    async def _single(self, request: Request, ref: InstanceRef, choice: Choice) -> Response:
        headers = {"content-type": choice.offer.part_type(), "vary": "accept"}
        if choice.offer.stored:
            return self._ranged(request, ref, 0, ref.size, ref.digest, headers)
        body = await run_in_threadpool(self._file, ref, choice)
        return Response(b"".join(body), headers={**headers, "cache-control": IMMUTABLE})

    def _file(self, ref: InstanceRef, choice: Choice) -> Iterable[bytes]:
        if choice.offer.stored:
            return self._retrieve.stream(ref)
        limit = self._door.settings.convert_limit_bytes
        syntax = transfer.lookup(ref.transfer_syntax)
        compressed = syntax is not None and syntax.encapsulated and ref.frames > 0
        decoded = ref.rows * ref.columns * ref.samples * max(1, ref.bits_allocated // 8) * ref.frames
        if max(ref.size, decoded if compressed else 0) > limit:
            offers = [offer.text() for offer in negotiate.instance_offers(ref.transfer_syntax) if offer.stored]
            raise NotAcceptable(f"rewriting this instance would take over {limit} bytes", offers)
        encoded = (lambda: list(self._frames(ref))) if compressed else None
        data, syntax_uid = b"".join(self._retrieve.stream(ref)), ref.transfer_syntax
        return [transcode.explicit_little(data, syntax_uid, decoding.decode, encoded)]

    def _frames(self, ref: InstanceRef) -> Iterator[bytes]:
        opened = self._retrieve.opened(WHOLE, ref.study_uid, ref.series_uid, ref.sop_uid)
        for number in range(1, ref.frames + 1):
            yield opened.frame(number)

    def _ranged(
        self, request: Request, ref: InstanceRef, offset: int, size: int, mark: str, headers: dict[str, str]
    ) -> Response:
        """Bytes of the stored file, whole or a range of them."""
        etag = f'"{mark}"'
        headers = {**headers, "etag": etag, "accept-ranges": "bytes", "cache-control": IMMUTABLE}
        if etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        condition = request.headers.get("if-range")
        asked = request.headers.get("range") if condition in {None, etag} else None
        try:
            part = http.byte_range(asked, size)
        except LamelleError as error:
            answer = http.problem(416, error.code, error.message)
            answer.headers["content-range"] = f"bytes */{size}"
            return answer
        if part is None:
            body = self._retrieve.stream(ref, offset, size)
            return StreamingResponse(body, headers={**headers, "content-length": str(size)})
        headers["content-range"] = f"bytes {part.start}-{part.start + part.length - 1}/{size}"
        headers["content-length"] = str(part.length)
        return StreamingResponse(self._retrieve.stream(ref, offset + part.start, part.length), 206, headers)

    async def metadata(self, request: Request) -> Response:
        """Everything but bulk values, as made once when the instance came in."""
        names = uids(request)
        choice = negotiate.choose(self._door.ranges(request), negotiate.JSON_OR_XML, one=True)
        base = self._door.base(request)
        found = self._retrieve.metadata(guard.reach(request), *names)
        # The first one is read now: an absent study is still a 404.
        first = await run_in_threadpool(next, found, None)
        if first is None:
            raise NotFound("no_such_instance", "nothing by these UIDs")
        texts = (_linked(base, ref, text) for ref, text in chain([first], found))
        headers = {"cache-control": REVALIDATE}
        if choice.offer.media_type == negotiate.XML:
            return xml_parts((_as_xml(text) for text in texts), headers=headers)
        chunks: Iterable[bytes] = _array(texts)
        if names[2] is not None:
            chunks = [b"".join(chunks)]
        return compressible(request, chunks, negotiate.JSON, headers=headers)

    async def bulk(self, request: Request) -> Response:
        """One bulk value by the path that metadata gives."""
        names = uids(request)
        path = request.path_params["path"].upper()
        refs = await run_in_threadpool(self._retrieve.instances, guard.reach(request), *names)
        if path in _PIXEL_PATHS:
            return await self._pixels(request, refs)
        place = await run_in_threadpool(self._retrieve.bulk, refs[0], path)
        choice = negotiate.choose(self._door.ranges(request), (Offer(OCTETS),), one=True)
        if choice.multipart:
            body = self._retrieve.stream(refs[0], place.offset, place.length)
            kind = [("Content-Type", OCTETS), ("Content-Location", str(request.url))]
            return parts(OCTETS, [(kind, body)], headers={"cache-control": IMMUTABLE})
        mark = f"{refs[0].digest[:32]}-{path.replace('/', '.')}"
        return self._ranged(request, refs[0], place.offset, place.length, mark, {"content-type": OCTETS})

    async def all_bulk(self, request: Request) -> Response:
        """All pixel data of the resource: the bulk values whose absence from metadata clients notice."""
        return await self.pixeldata(request)

    async def pixeldata(self, request: Request) -> Response:
        """Pixel data: native as one value, compressed a part for each frame."""
        refs = await run_in_threadpool(self._retrieve.instances, guard.reach(request), *uids(request))
        return await self._pixels(request, refs)

    async def _pixels(self, request: Request, refs: list[InstanceRef]) -> Response:
        wanted = self._door.ranges(request)
        images = [ref for ref in refs if ref.frames > 0]
        if not images:
            raise NotFound("no_pixels", "the resource has no pixel data")
        one = len(images) == 1
        native = one and _is_native(images[0]) and images[0].pixel_length >= 0
        choices = [
            negotiate.choose(
                wanted, negotiate.frame_offers(ref.transfer_syntax), one=one and (native or ref.frames == 1)
            )
            for ref in images
        ]
        if native and not choices[0].multipart:
            ref = images[0]
            headers = {"content-type": choices[0].offer.part_type(), "vary": "accept"}
            return self._ranged(request, ref, ref.pixel_offset, ref.pixel_length, f"{ref.digest[:32]}-px", headers)
        base = self._door.base(request)
        items = (
            item for ref, choice in zip(images, choices, strict=True) for item in self._pixel_parts(base, ref, choice)
        )
        if one and not choices[0].multipart:
            _, body = await run_in_threadpool(next, items)
            return Response(b"".join(body), headers={"content-type": choices[0].offer.part_type()})
        return parts(choices[0].offer.media_type, items, headers={"cache-control": IMMUTABLE})

    def _pixel_parts(
        self, base: str, ref: InstanceRef, choice: Choice
    ) -> Iterator[tuple[list[tuple[str, str]], Iterable[bytes]]]:
        url = address(base, ref.study_uid, ref.series_uid, ref.sop_uid)
        if _is_native(ref) and ref.pixel_length >= 0:
            yield _part(choice, f"{url}/pixeldata"), self._retrieve.stream(ref, ref.pixel_offset, ref.pixel_length)
            return
        read = frames.reader(self._door.archive, ref, choice.offer, self._door.settings.convert_limit_bytes)
        for number in range(1, ref.frames + 1):
            yield _part(choice, f"{url}/frames/{number}"), [read(number)]


def _is_native(ref: InstanceRef) -> bool:
    """Whether the file's own bytes are the pixels as a client may have them."""
    syntax = transfer.lookup(ref.transfer_syntax)
    return syntax is not None and not syntax.encapsulated and not syntax.deflated and syntax.little


def _part(choice: Choice, location: str) -> list[tuple[str, str]]:
    return [("Content-Type", choice.offer.part_type()), ("Content-Location", location)]


def _linked(base: str, ref: InstanceRef, text: bytes) -> bytes:
    """Metadata with its bulk URIs made absolute."""
    url = f"{address(base, ref.study_uid, ref.series_uid, ref.sop_uid)}/bulkdata/"
    return text.replace(b'"BulkDataURI":"@', f'"BulkDataURI":"{url}'.encode())


def _array(texts: Iterable[bytes]) -> Iterator[bytes]:
    opening = b"["
    for text in texts:
        yield opening + text
        opening = b","
    yield b"]"


def _as_xml(text: bytes) -> bytes:
    import json

    from lamelle.doors.dicomweb import xml

    return xml.document(json.loads(text))
