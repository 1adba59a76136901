"""Requests counted, timed, named and logged on their way in; /metrics. What is counted lives with who counts it."""

import asyncio
import itertools
import re
import time
import uuid
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import sqlalchemy as sa
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lamelle.archive import forwarding
from lamelle.archive.store import Archive
from lamelle.base import telemetry
from lamelle.base.errors import Unavailable
from lamelle.base.jobs import job
from lamelle.base.telemetry import Counter, Histogram
from lamelle.doors import headers, http
from lamelle.lab import messages

REQUESTS = Counter("lamelle_requests_total", "HTTP requests answered.", ("route", "method", "status"))
LATENCY = Histogram("lamelle_request_seconds", "From the request's head to the answer's last byte.", ("route",))
SENT = Counter("lamelle_sent_bytes_total", "Bytes of answers' bodies.", ("route",))
RECEIVED = Counter("lamelle_received_bytes_total", "Bytes of requests' bodies.", ("route",))

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
MOST_ROUTES: Final = 300
"""Labels are kept for ever: past this many, which only a search for holes makes, requests count as `other`."""
MOST_HEADS: Final = 1024
"""Paths without their last part whose names are remembered: the tiles of a slide share one."""
MOST_PARTS: Final = 16
TILE_ROUTES: Final = ("/frames/*", "/tiles/*/*", "/thumbnail", "/assets/*")
"""Routes asked thousands of times by one look at a slide."""
UID: Final = re.compile(r"[0-2](\.(0|[1-9][0-9]*)){2,}")
FLUSH_S: Final = 0.5
"""A tile takes some 30 microseconds, and four writes to shared counters would be a third of it: they are gathered."""
REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class Tally:
    """Requests of one route, method and status since the last flush."""

    __slots__ = ("buckets", "count", "received", "sent", "took_s")

    def __init__(self) -> None:
        self.count = self.sent = self.received = 0
        self.took_s = 0.0
        self.buckets = [0] * (len(LATENCY.buckets) + 1)

    def add(self, took_s: float, sent: int, received: int) -> None:
        """One more."""
        self.count += 1
        self.sent += sent
        self.received += received
        self.took_s += took_s
        self.buckets[bisect_left(LATENCY.buckets, took_s)] += 1


class Observed:
    """ASGI: counts and times every request, logs it without its query and answers a crash with 500.

    Every answer leaves with an id and with the headers that every answer has.
    """

    def __init__(self, app: ASGIApp, words: Iterable[str], access_log: str = "some") -> None:
        """`words`: path segments that are names of the interface; every other segment is someone's data."""
        self._app = app
        self._words = frozenset(words) | {""}
        self._access_log = access_log
        self._routes: set[str] = set()
        self._heads: dict[str, str] = {}
        self._pending: dict[tuple[str, str, int], Tally] = {}
        self._flushing = False
        self._process = uuid.uuid4().hex[:8].encode()
        self._numbers = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        request_id = self._request_id(scope)
        status, sent, received = 0, 0, 0

        async def counted_send(message: Message) -> None:
            nonlocal status, sent
            if message["type"] == "http.response.start":
                status = message["status"]
                told = headers.completed(message.get("headers", ()), scope.get("scheme", "http"))
                message["headers"] = [*told, (b"x-request-id", request_id)]
            else:
                sent += len(message.get("body", b""))
            await send(message)

        async def counted_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            return message

        try:
            token = telemetry.request.set(request_id.decode())
            try:
                await self._app(scope, counted_receive, counted_send)
            finally:
                telemetry.request.reset(token)
        except Exception as error:  # noqa: BLE001  the outermost line of a request: it answers and tells
            telemetry.log("http.crashed", level="error", request=request_id.decode(), **telemetry.trace(error))
            if status == 0:
                await crashed(None, error)(scope, counted_receive, counted_send)
        finally:
            took_s = time.perf_counter() - start
            self.answered(scope["path"], scope["method"], status, took_s, sent, received, request_id)

    def _request_id(self, scope: Scope) -> bytes:
        """The client's X-Request-ID when it is harmless, else a new one."""
        for name, value in scope["headers"]:
            if name == b"x-request-id" and REQUEST_ID.fullmatch(value):
                return bytes(value)
        return self.fresh_id()

    def fresh_id(self) -> bytes:
        """An X-Request-ID for a request that brought none."""
        return b"%s%08x" % (self._process, next(self._numbers))

    def answered(
        self, path: str, method: str, status: int, took_s: float, sent: int, received: int, request_id: bytes
    ) -> None:
        """Count one request, and log it if it is worth a line; from the event loop."""
        route = self.route(path)
        if method not in METHODS:
            method = "other"
        tally = self._pending.get((route, method, status))
        if tally is None:
            tally = self._pending[route, method, status] = Tally()
        tally.add(took_s, sent, received)
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_later(FLUSH_S, self.flush)
        if self._worth_a_line(route, method, status):
            telemetry.log(
                "http.answered",
                level="error" if status >= 500 else "info",
                request=request_id.decode(),
                method=method,
                path=self.public_path(path),
                status=status,
                took_ms=round(took_s * 1000, 2),
                sent=sent,
                received=received,
            )

    def flush(self) -> None:
        """Hand what was tallied to the counters that the workers share."""
        self._flushing = False
        pending, self._pending = self._pending, {}
        for (route, method, status), tally in pending.items():
            REQUESTS.add(tally.count, route, method, str(status))
            LATENCY.merge(tally.buckets, tally.took_s, route)
            if tally.sent:
                SENT.add(tally.sent, route)
            if tally.received:
                RECEIVED.add(tally.received, route)

    def route(self, path: str) -> str:
        """The path with `*` for whatever is not a name of the interface."""
        head, slash, last = path.rpartition("/")
        named = self._heads.get(head)
        if named is None:
            parts = head.split("/")[:MOST_PARTS]
            named = "/".join([part if part in self._words else "*" for part in parts])
            if len(self._heads) >= MOST_HEADS:
                self._heads.clear()
            self._heads[head] = named
        name = last if last in self._words else "*"
        route = f"{named}/{name}" if slash else name
        if route not in self._routes:
            if len(self._routes) >= MOST_ROUTES:
                return "other"
            self._routes.add(route)
        return route

    def public_path(self, path: str) -> str:
        """The path as it may be logged: names of the interface, UIDs and numbers; `*` for all else."""
        parts = path.split("/")[:16]
        return "/".join(
            part if part in self._words or UID.fullmatch(part) or _is_number(part) else "*" for part in parts
        )

    def _worth_a_line(self, route: str, method: str, status: int) -> bool:
        match self._access_log:
            case "all":
                return True
            case "none":
                return False
            case "errors":
                return status >= 400 or status == 0
        return status >= 400 or status == 0 or method != "GET" or not route.endswith(TILE_ROUTES)


def crashed(request: Request | None, error: Exception) -> Response:
    """The answer to a request that found a bug; the log tells more, under the answer's X-Request-ID."""
    return http.problem(500, "internal_error", "Lamelle failed; its log tells more under this answer's X-Request-ID")


def _is_number(part: str) -> bool:
    return part.isascii() and all(number.isdigit() and len(number) <= 6 for number in part.split(","))


# -- /metrics --------------------------------------------------------------------------------------------------------


class Now(Collector):
    """What is true at the moment of asking, read from the archive: no worker counts it."""

    def __init__(self, archive: Archive, silence: Mapping[str, float]) -> None:
        """`silence`: each HL7 peer and after how many seconds its silence is an alarm, 0 for never."""
        self._archive, self._silence = archive, silence

    def collect(self) -> Iterator[Metric]:
        free = self._archive.blobs.free_bytes()
        if free is not None:
            yield _gauge("lamelle_free_bytes", {(): free})
        yield _gauge("lamelle_jobs", {(state,): count for state, count in self._jobs().items()})
        yield _gauge("lamelle_outgoing", self._outgoing())
        waiting, silent = self._hl7()
        yield _gauge("lamelle_hl7_messages", waiting)
        yield _gauge("lamelle_hl7_peer_silent", silent)

    def _jobs(self) -> dict[str, int]:
        waiting = sa.select(job.c.state, sa.func.count()).group_by(job.c.state)
        try:
            with self._archive.db.read() as connection:
                return {state: int(count) for state, count in connection.execute(waiting)}
        except Unavailable:  # /health says so; what was counted can still be read
            return {}

    def _outgoing(self) -> dict[tuple[str, ...], int]:
        try:
            lines = forwarding.queue(self._archive.db)
        except Unavailable:
            return {}
        counted: dict[tuple[str, ...], int] = {}
        for line in lines:
            counted[line.destination, "waiting"], counted[line.destination, "dead"] = line.waiting, line.dead
        return counted

    def _hl7(self) -> tuple[dict[tuple[str, ...], int], dict[tuple[str, ...], int]]:
        """Messages that wait, by peer and for whom; whether a peer is silent."""
        try:
            with self._archive.db.read() as conn:
                found = messages.backlog(conn)
                silent = messages.silent(conn, self._archive.clock.now(), self._silence)
        except Unavailable:
            return {}, {}
        peers = sorted({*self._silence, *(peer for peer, _ in found)})
        waiting: dict[tuple[str, ...], int] = {
            (peer, state): found.get((peer, state), 0) for peer in peers for state in ("waiting", "error")
        }
        return waiting, {(peer,): int(late) for peer, late in silent.items()}


def _gauge(name: str, values: Mapping[tuple[str, ...], float]) -> Metric:
    about, labels = GAUGES[name]
    found = GaugeMetricFamily(name, about, labels=labels)
    for key, value in values.items():
        found.add_metric(key, value)
    return found


GAUGES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "lamelle_free_bytes": ("Room left where blobs and spools are written.", ()),
    "lamelle_hl7_messages": (
        "HL7 messages that wait for their turn, or in error for a person.",
        ("peer", "state"),
    ),
    "lamelle_hl7_peer_silent": ("1 when nothing came from a peer for longer than its silence_s.", ("peer",)),
    "lamelle_outgoing": ("Instances to be sent on: waiting, or dead until someone retries.", ("to", "state")),
    "lamelle_jobs": ("Jobs in the table: todo, running, dead.", ("state",)),
}
"""Name to description and labels of what `Now` reads."""


def endpoint(archive: Archive, silence: Mapping[str, float]) -> Callable[[Request], Response]:
    """GET /metrics in Prometheus' text form, all workers together."""
    now = Now(archive, silence)

    def metrics(request: Request) -> Response:
        """Counters of all workers and the state of the node, in Prometheus' text form."""
        content: Any = telemetry.expose(now)
        return Response(content, media_type="text/plain; version=0.0.4")

    return metrics
