"""STOW-RS: bytes go from the socket to the archive's spool as they come; the answer waits until they are durable.

Source: PS3.18 10.5, Annex I.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from lamelle.access.model import FIRST_PLACE
from lamelle.archive.ingest import Reception
from lamelle.archive.model import Origin, Outcome
from lamelle.base.errors import Denied, Invalid, LamelleError, TooLarge, Unavailable, Unsupported
from lamelle.doors import guard, http
from lamelle.doors.dicomweb import assemble, negotiate
from lamelle.doors.dicomweb.answers import Door, address, objects, uid
from lamelle.doors.dicomweb.multipart import Parser, PartBegin, PartData
from lamelle.doors.http import MediaRange

BATCH_BYTES: Final = 1 << 20
PARTS_LIMIT: Final = 1_000_000
# Failure Reason (0008,1197) by code of the outcome. Source: PS3.18 Table I.2-2, PS3.7 C.4.2.
REASONS: Final = {
    "conflict": 0x0111,
    "study_mismatch": 0xA901,
    "unsupported_sop_class": 0x0122,
    "unsupported_transfer_syntax": 0xC122,
    "transfer_syntax": 0xC122,
    "storage_full": 0xA700,
    "low_space": 0xA700,
    "instance_too_large": 0xA700,
    "header_too_large": 0xA700,
    "storage_failed": 0x0110,
}
CANNOT_UNDERSTAND: Final = 0xC000


class Store:
    """The store resource."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def routes(self) -> list[Route]:
        return [
            Route("/studies", self.store, methods=["POST"]),
            Route("/studies/{study}", self.store, methods=["POST"]),
        ]

    async def store(self, request: Request) -> Response:
        """Keep the instances of the body; one outcome each."""
        study = uid(request.path_params["study"]) if "study" in request.path_params else None
        choice = negotiate.choose(self._door.ranges(request), negotiate.STORE_ANSWERS, one=True)
        if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise Unsupported("unsupported_media_type", "a body is taken as it is, not compressed")
        media = http.content_type(request.headers.get("content-type", ""))
        intake = self._intake(media, study, _origin(request))
        self._check_length(request, intake.limit)
        try:
            await _pour(request, intake)
            outcomes = await run_in_threadpool(intake.finish)
            await _told(request, outcomes)
        except ClientDisconnect:
            await run_in_threadpool(intake.abandon)
            return Response(status_code=400)
        except BaseException:
            await asyncio.shield(run_in_threadpool(intake.abandon))
            raise
        base = self._door.base(request)
        return objects(request, choice, [response(outcomes, base)], status=status_of(outcomes), bare=True)

    def _intake(self, media: MediaRange | None, study: str | None, origin: Origin) -> "Intake":
        kind = negotiate.kind_of(media) if media else ""
        if media is None or kind not in {negotiate.DICOM, negotiate.JSON, negotiate.XML, "*/*"}:
            raise Unsupported(
                "unsupported_media_type", "a body is multipart/related of application/dicom, +json or +xml"
            )
        if media.type != "multipart/related":
            if kind == "*/*":
                raise Unsupported("unsupported_media_type", "the body has no usable Content-Type")
            if kind == negotiate.DICOM:
                return BareIntake(self._door, study, origin)
            return MetadataIntake(self._door, study, origin, media)
        if media.parameter("boundary") is None:
            raise Invalid("bad_boundary", "the Content-Type has no boundary")
        if kind in {negotiate.JSON, negotiate.XML}:
            return MetadataIntake(self._door, study, origin, media)
        return MultipartIntake(self._door, study, origin, media)

    def _check_length(self, request: Request, limit: int) -> None:
        length = request.headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit()):
            raise Invalid("bad_length", "Content-Length is no number")
        if int(length) > limit:
            raise TooLarge("body_too_large", f"a body has {limit} bytes at most")


class Intake:
    """What takes a body, in chunks, in one thread at a time; subclasses say what the bytes are."""

    def __init__(self, door: Door, study: str | None, origin: Origin) -> None:
        self._ingest = door.archive.ingest
        self._settings = door.settings
        self._study, self._origin = study, origin
        self._closed: list[Reception] = []
        self._closed_bytes = 0
        self._outcomes: list[Outcome] = []
        self._open: Reception | None = None
        self.limit = door.settings.store_limit_bytes

    def feed(self, chunks: Sequence[bytes]) -> None:
        """Take the next bytes. Raises: Invalid, TooLarge, Unavailable."""
        raise NotImplementedError

    def finish(self) -> list[Outcome]:
        """The body is complete: make all durable."""
        self._commit()
        return self._outcomes

    def abandon(self) -> None:
        """The body broke off: what was complete is kept (sending it again is harmless), the rest leaves no trace."""
        self._drop()
        with suppress(LamelleError):
            self._commit()
        for reception in self._closed:
            reception.__exit__(None, None, None)
        self._closed = []

    def _begin(self) -> None:
        self._open = self._ingest.receive(self._origin, study_uid=self._study)

    def _end(self, size: int) -> None:
        assert self._open is not None
        self._open.close()
        self._closed.append(self._open)
        self._open = None
        self._closed_bytes += size
        full = len(self._closed) >= self._settings.commit_instances
        if full or self._closed_bytes >= self._settings.commit_bytes:
            self._commit()

    def _drop(self) -> None:
        if self._open is not None:
            self._open.__exit__(None, None, None)
            self._open = None

    def _commit(self) -> None:
        if not self._closed:
            return
        try:
            self._outcomes += self._ingest.commit(self._closed)
        except Unavailable as error:
            if not any(outcome.status in {"stored", "duplicate"} for outcome in self._outcomes):
                raise
            # Some are kept: the answer must say which, so these become failures of their own.
            self._outcomes += [refused(error.code, error.message)] * len(self._closed)
        for reception in self._closed:
            reception.__exit__(None, None, None)
        self._closed, self._closed_bytes = [], 0


class BareIntake(Intake):
    """The body is one instance."""

    def __init__(self, door: Door, study: str | None, origin: Origin) -> None:
        super().__init__(door, study, origin)
        self._size = 0

    def feed(self, chunks: Sequence[bytes]) -> None:
        if self._open is None and chunks:
            self._begin()
        for chunk in chunks:
            assert self._open is not None
            self._open.write(chunk)
            self._size += len(chunk)

    def finish(self) -> list[Outcome]:
        if self._open is None:
            raise Invalid("empty_body", "the body is empty")
        self._end(self._size)
        return super().finish()


class MultipartIntake(Intake):
    """The body is multipart/related, each part one instance."""

    def __init__(self, door: Door, study: str | None, origin: Origin, media: MediaRange) -> None:
        super().__init__(door, study, origin)
        self._parser = Parser(media.parameter("boundary") or "")
        self._size = 0
        self._foreign = False

    def feed(self, chunks: Sequence[bytes]) -> None:
        for chunk in chunks:
            for event in self._parser.feed(chunk):
                if type(event) is PartData:
                    self._size += len(event.data)
                    if self._open is not None:
                        self._open.write(event.data)
                elif type(event) is PartBegin:
                    self._part(event.headers.get("content-type", ""))
                elif self._open is not None:
                    self._end(self._size)

    def _part(self, content_type: str) -> None:
        if self._parser.parts > PARTS_LIMIT:
            raise TooLarge("too_many_parts", f"a body has {PARTS_LIMIT} parts at most")
        self._size = 0
        media = http.content_type(content_type) if content_type else None
        if media is not None and media.type not in {negotiate.DICOM, negotiate.OCTETS}:
            self._outcomes.append(refused("bad_part", "a part is not application/dicom"))
            return
        self._begin()

    def finish(self) -> list[Outcome]:
        try:
            self._parser.finish()
            if not self._parser.parts:
                raise Invalid("bad_multipart", "the body has no part")
        except Invalid as error:
            self._drop()
            self._commit()
            if not self._outcomes:
                raise
            self._outcomes.append(refused(error.code, error.message))
        return super().finish()


class MetadataIntake(Intake):
    """The body is metadata with bulk parts, put together in memory within a limit."""

    def __init__(self, door: Door, study: str | None, origin: Origin, media: MediaRange) -> None:
        super().__init__(door, study, origin)
        self.limit = min(self.limit, door.settings.json_store_limit_bytes)
        self._media = media
        self._body: list[bytes] = []

    def feed(self, chunks: Sequence[bytes]) -> None:
        self._body.extend(chunks)

    def finish(self) -> list[Outcome]:
        for item in assemble.files(self._parts(), self._settings.json_store_limit_bytes):
            if isinstance(item, LamelleError):
                self._outcomes.append(refused(item.code, item.message))
                continue
            self._begin()
            assert self._open is not None
            self._open.write(item)
            self._end(len(item))
        if not self._outcomes and not self._closed:
            raise Invalid("empty_body", "the body holds no metadata")
        return super().finish()

    def _parts(self) -> list[assemble.Part]:
        if self._media.type != "multipart/related":
            return [assemble.Part({"content-type": self._media.type}, b"".join(self._body))]
        parser = Parser(self._media.parameter("boundary") or "")
        parts: list[assemble.Part] = []
        headers: Any = {}
        data: list[bytes] = []
        for chunk in self._body:
            for event in parser.feed(chunk):
                if type(event) is PartData:
                    data.append(bytes(event.data))
                elif type(event) is PartBegin:
                    headers, data = event.headers, []
                else:
                    parts.append(assemble.Part(headers, b"".join(data)))
        parser.finish()
        return parts


async def _pour(request: Request, intake: Intake) -> None:
    """Read the body into the intake: one batch is written by a thread while the next is read."""
    total, size = 0, 0
    batch: list[bytes] = []
    writing: asyncio.Future[None] | None = None
    try:
        async for chunk in request.stream():
            if not chunk:
                continue
            batch.append(chunk)
            size += len(chunk)
            if size < BATCH_BYTES:
                continue
            total += size
            if total > intake.limit:
                raise TooLarge("body_too_large", f"a body has {intake.limit} bytes at most")
            if writing is not None:
                await writing
            writing, batch, size = _started(intake.feed, batch), [], 0
        if total + size > intake.limit:
            raise TooLarge("body_too_large", f"a body has {intake.limit} bytes at most")
        if writing is not None:
            await writing
        writing = _started(intake.feed, batch)
        await writing
    finally:
        # Whatever broke off, no thread may still write into what is about to be dropped.
        if writing is not None and not writing.done():
            with suppress(LamelleError):
                await asyncio.shield(writing)


def _origin(request: Request) -> Origin:
    """Where what comes belongs, unless its study is here already: the `place` asked for, else the highest of those the
    caller may store into, whose number is the least.

    Raises: Denied("not_allowed"), Invalid("bad_place").
    """
    reach, asked = guard.reach(request), request.query_params.get("place")
    if asked is not None and not (asked.isascii() and asked.isdigit() and len(asked) < 19):
        raise Invalid("bad_place", "place is the number of a place")
    place = int(asked) if asked else FIRST_PLACE if reach.everything else min(reach.places, default=0)
    if not reach.everything and place not in reach.places:
        raise Denied("not_allowed", "your roles do not allow you to store there")
    return Origin("dicomweb", place=place, reach=reach)


async def _told(request: Request, outcomes: Sequence[Outcome]) -> None:
    """Enter in the ledger what was kept: once for each study."""
    kept = Counter(outcome.study_uid for outcome in outcomes if outcome.status in {"stored", "duplicate"})
    for study, count in kept.items():
        found = await run_in_threadpool(guard.visit(request).whose, study or "", "")
        guard.note(request, "store", found, {"instances": count})


def _started(function: Callable[[Sequence[bytes]], None], batch: Sequence[bytes]) -> "asyncio.Future[None]":
    return asyncio.ensure_future(run_in_threadpool(function, batch))


def refused(code: str, message: str) -> Outcome:
    """The outcome of what never was an instance."""
    return Outcome("refused", None, None, None, None, code, message, 0, "")


def status_of(outcomes: Sequence[Outcome]) -> int:
    """200 all kept, 202 some, 409 none. Source: PS3.18 10.5.3."""
    kept = sum(outcome.status in {"stored", "duplicate"} for outcome in outcomes)
    if kept == len(outcomes):
        return 200
    if kept:
        return 202
    return 507 if all(outcome.code == "storage_full" for outcome in outcomes) else 409


def response(outcomes: Sequence[Outcome], base: str) -> dict[str, Any]:
    """The Store Instances Response. Source: PS3.18 Annex I."""
    kept: list[Any] = []
    failed: list[Any] = []
    others: list[Any] = []
    studies = {outcome.study_uid for outcome in outcomes if outcome.status in {"stored", "duplicate"}}
    for outcome in outcomes:
        item: dict[str, Any] = {}
        if outcome.sop_class_uid:
            item["00081150"] = {"vr": "UI", "Value": [outcome.sop_class_uid]}
        if outcome.sop_instance_uid:
            item["00081155"] = {"vr": "UI", "Value": [outcome.sop_instance_uid]}
        if outcome.status in {"stored", "duplicate"} and outcome.study_uid:
            url = address(base, outcome.study_uid, outcome.series_uid, outcome.sop_instance_uid)
            kept.append({**item, "00081190": {"vr": "UR", "Value": [url]}})
            continue
        fallback = REASONS["conflict"] if outcome.status == "conflict" else CANNOT_UNDERSTAND
        item["00081197"] = {"vr": "US", "Value": [REASONS.get(outcome.code or "", fallback)]}
        # Error Comment: the reason in words, as other archives give it; the failure reasons are too few to help.
        item["00000902"] = {"vr": "LO", "Value": [f"{outcome.code}: {outcome.message}"[:64]]}
        (failed if outcome.sop_instance_uid else others).append(item)
    out: dict[str, Any] = {"00081190": {"vr": "UR"}}
    if len(studies) == 1:
        out["00081190"] = {"vr": "UR", "Value": [address(base, str(next(iter(studies))))]}
    for tag, items in (("00081198", failed), ("00081199", kept), ("0008119A", others)):
        if items:
            out[tag] = {"vr": "SQ", "Value": items}
    return out
