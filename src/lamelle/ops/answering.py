"""One worker and its clients' HTTP/1.1 connections: what lies in memory is sent at once, all else goes through ASGI.

uvicorn parses, answers and keeps order; here stand the short way past it (ADR 0016), and the limits on what a client
may do.
"""

import asyncio
import gc
import os
import resource
import socket
import ssl
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple, cast

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from lamelle.base import tls
from lamelle.doors import guard, http
from lamelle.doors.headers import SHORT, SHORT_TLS
from lamelle.ops import wiring
from lamelle.ops.config import ServeSettings, Settings

LINES_LIMIT: Final = 32 << 10
"""Bytes of a request's header lines."""
TARGET_LIMIT: Final = 128 << 10
"""Bytes of a request's target: ten thousand frame numbers go in."""
PLAIN_LIMIT: Final = 4 << 10
"""Bytes of a request that may take the short way; no browser sends more for a tile."""
MOST_KNOWN: Final = 1024
"""Header blocks remembered: a client sends the same one with every tile."""
PIECE: Final = 4 << 20
"""Bytes of an answer on the short way: what a client that does not read can make a worker hold."""
ODD: Final = frozenset(
    b"if-none-match if-match if-modified-since if-unmodified-since if-range range origin x-request-id expect upgrade "
    b"content-length transfer-encoding connection te trailer http2-settings".split()
)
"""Headers that say more than "this tile, please"."""


MOST_CONNECTIONS: Final = 2000
"""Of one worker; past this many a request is answered with 503."""
MOST_FILES: Final = 65536
LOOK_S: Final = 5
"""Between two looks for clients that have gone silent."""


def answer(settings: Settings, listener: socket.socket, ready: Callable[[], object] = lambda: None) -> None:
    """Answer who connects to `listener`, until SIGTERM; requests in flight finish first. `ready`: called before."""
    _allow_many_files()
    secured = secure(settings.serve)
    application, heads = wiring.application(settings), Heads()
    connections: set[Connection] = set()
    gc.collect()
    gc.freeze()  # what lives as long as the worker: going through it again would stop answers for a tenth of a second

    async def look() -> None:
        now_s = time.monotonic()
        for connection in list(connections):
            connection.look(now_s, settings.serve.silence_s)

    config = uvicorn.Config(
        application.asgi,
        http=cast(type[asyncio.Protocol], partial(Connection, application, heads, connections)),
        loop="uvloop",
        interface="asgi3",
        lifespan="on",
        ws="none",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ssl_context_factory=None if secured is None else lambda *_: secured,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=settings.serve.silence_s,
        timeout_graceful_shutdown=settings.serve.stop_timeout_s,
        callback_notify=look,
        timeout_notify=min(LOOK_S, settings.serve.silence_s),
    )
    ready()
    uvicorn.Server(config).run(sockets=[listener])


def secure(settings: ServeSettings) -> ssl.SSLContext | None:
    """How connections are secured; None: they are not. Raises: Invalid bad_certificate."""
    context = tls.server_context(
        tls.Certificates(settings.tls_cert, settings.tls_key, "", "serve.tls_cert or serve.tls_key")
    )
    if context is not None:
        context.set_alpn_protocols(["http/1.1"])
    return context


def _allow_many_files() -> None:
    """Every connection and every open instance is one: the usual 1,024 are not many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class Plain(NamedTuple):
    """What the header block of a plain request says."""

    accept: bytes
    """The Accept header, empty if there is none."""
    credential: guard.Credential


class Heads:
    """Header blocks of plain requests by their bytes; read once by the parser that reads all others."""

    def __init__(self) -> None:
        self._known: dict[bytes, Plain | None] = {}

    def plain(self, block: bytes) -> Plain | None:
        """What it says; None for a request that must go the long way."""
        try:
            return self._known[block]
        except KeyError:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            found = self._known[block] = _Head().read(block)
            return found


class _Head:
    """The parser's callbacks for one header block."""

    def __init__(self) -> None:
        self._accept: list[bytes] = []
        self._credentials: list[tuple[bytes, bytes]] = []
        self._odd, self._begun, self._whole = False, 0, False

    def read(self, block: bytes) -> Plain | None:
        try:
            httptools.HttpRequestParser(self).feed_data(b"GET / HTTP/1.1\r\n" + block)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            return None
        if self._odd or not self._whole or self._begun != 1 or len(self._accept) > 1:
            return None
        return Plain(self._accept[0] if self._accept else b"", guard.credential(self._credentials))

    def on_message_begin(self) -> None:
        self._begun += 1

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"accept":
            self._accept.append(value)
        elif name in {b"authorization", b"cookie"}:
            self._credentials.append((name, value))
        elif name in ODD and (name, value.lower()) != (b"connection", b"keep-alive"):
            self._odd = True

    def on_message_complete(self) -> None:
        self._whole = True


class Connection(HttpToolsProtocol):
    """uvicorn's connection with a short way, limits on heads, and an end for clients that have gone silent."""

    def __init__(
        self,
        application: wiring.Application,
        heads: Heads,
        everyone: set["Connection"],
        **given: Any,
    ) -> None:
        super().__init__(**given)
        self._observed, self._at_hand, self._callers = application.asgi, application.at_hand, application.callers
        self._heads, self._everyone = heads, everyone
        self._socket, self._told = -1, SHORT_TLS
        self._inside = self._heading = False
        """Whether a request has begun and not ended; whether its head has not ended."""
        self._head_size = 0
        self._moved, self._moved_s, self._left = True, 0.0, 0

    # -- what comes in ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._everyone.add(self)
        if self.scheme == "http":
            self._socket, self._told = transport.get_extra_info("socket").fileno(), SHORT

    def connection_lost(self, exc: Exception | None) -> None:
        self._everyone.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._moved = True
        if not self._inside and self._short(data):
            return
        if self._heading:
            self._head_size += len(data)
            if self._head_size > LINES_LIMIT + TARGET_LIMIT:
                self.send_400_response("Request head too long.")
                return
        super().data_received(data)

    def _short(self, data: bytes) -> bool:
        """Answer a plain GET of what lies in memory; False: nothing was done."""
        if not data.startswith(b"GET /") or len(data) > PLAIN_LIMIT or not data.endswith(b"\r\n\r\n"):
            return False
        busy = self.cycle is not None and not self.cycle.response_complete
        if busy or self.transport.is_closing() or self.transport.get_write_buffer_size():
            return False
        began = time.perf_counter()
        line, _, block = data.partition(b"\r\n")
        target, _, version = line[4:].partition(b" ")
        if version != b"HTTP/1.1" or b"%" in target or not target.isascii():
            return False
        plain = self._heads.plain(block)
        if plain is None:
            return False
        known = self._callers.at_hand(plain.credential)
        if known is None or not known.reach:
            return False
        path, _, query = target.partition(b"?")
        name = path.decode("ascii")
        for door in self._at_hand:
            if (ready := door.ready(name, query, plain.accept, known.reach)) is not None:
                break
        else:
            return False
        if ready.size > PIECE or not self._callers.was_seen(known, ready.study_uid):
            return False  # the long way enters the view in the ledger first
        self._unset_keepalive_if_required()
        request_id = self._observed.fresh_id()
        lines, before, body, after, size, _ = ready
        date = self.server_state.default_headers[0][1]
        head = b"HTTP/1.1 200 OK\r\ndate: %b\r\nx-request-id: %b\r\n%b%b\r\n%b" % (
            date,
            request_id,
            self._told,
            lines,
            before,
        )
        self._send([head, body, after] if after else [head, body], len(head) + len(body) + len(after))
        self._observed.answered(name, "GET", 200, time.perf_counter() - began, size, 0, request_id)
        return True

    def _send(self, pieces: list[bytes | bytearray], size: int) -> None:
        """Straight into the socket, for nothing waits before it; what does not fit is the transport's to send."""
        sent = 0
        if self._socket >= 0:
            try:
                sent = os.writev(self._socket, pieces)
            except BlockingIOError:
                pass
            except OSError:
                self.transport.abort()
                return
        if sent < size:
            self.transport.write(memoryview(b"".join(pieces))[sent:])

    # -- limits ----------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._inside = self._heading = True
        self._head_size = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._heading = False
        lines = sum(len(name) + len(value) + 4 for name, value in self.headers)
        if lines > LINES_LIMIT or len(self.url) > TARGET_LIMIT:
            raise ValueError("too long")  # the parser makes it an error of the request's, answered with 400
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._inside = False
        super().on_message_complete()

    def pause_writing(self) -> None:
        self._moved = True
        super().pause_writing()

    def resume_writing(self) -> None:
        self._moved = True
        super().resume_writing()

    def shutdown(self) -> None:
        if self.cycle is not None and http.ENDLESS in self.cycle.scope:
            self.transport.close()  # who listens without end asks another worker, or later
        else:
            super().shutdown()

    def look(self, now_s: float, silence_s: float) -> None:
        """Close if it is the client's turn to send or to read, and it has not for `silence_s`."""
        left = self.transport.get_write_buffer_size()
        working = self.cycle is not None and not self.cycle.response_complete and not self._inside
        if self._moved or left != self._left or (working and not left) or self.flow.read_paused:
            self._moved, self._left, self._moved_s = False, left, now_s
        elif now_s - self._moved_s >= silence_s:
            self.transport.abort()
