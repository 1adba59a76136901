"""The short way: plain requests for what lies in memory pass by ASGI, all others keep to it; limits on clients."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import prometheus_client
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from lamelle.access.model import Reach
from lamelle.doors import guard, http
from lamelle.ops.answering import LINES_LIMIT, PIECE, TARGET_LIMIT, Connection, Heads
from lamelle.ops.metrics import Observed
from lamelle.ops.wiring import Application

STUDY = "1.2.3"
TILE = bytes(range(256)) * 100


class Shelf:
    """A door that has `/tiles/1` at hand."""

    def __init__(self, body: bytes = TILE) -> None:
        self.body = body
        self.asked: list[tuple[str, bytes, bytes]] = []

    def ready(self, path: str, query: bytes, accept: bytes, reach: Reach) -> http.Ready | None:
        self.asked.append((path, query, accept))
        if path != "/tiles/1":
            return None
        return http.Ready(b"content-length: %d\r\n" % len(self.body), b"", self.body, b"", len(self.body), STUDY)


async def long_way(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive()).get("more_body"):
        pass
    body = f"long {scope['path']}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter, set[Connection]], Awaitable[None]]


def talk(shelf: Shelf, said: Talk, app: Any = long_way) -> None:
    """Run a conversation with a server of one event loop."""

    async def main() -> None:
        everyone: set[Connection] = set()
        observed = Observed(app, ["tiles", "counted"], "none")
        config = uvicorn.Config(observed, log_config=None, ws="none", lifespan="off")
        state = ServerState()
        state.default_headers = [(b"date", b"today")]

        def connection() -> Connection:
            return Connection(
                Application(observed, (shelf,), callers),
                heads,
                everyone,
                config=config,
                server_state=state,
                app_state={},
            )

        heads, callers = Heads(), guard.Callers(None, 1.0)
        known = callers.at_hand(guard.credential([]))
        assert known is not None and callers.is_new(known, STUDY)
        server = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            await asyncio.wait_for(said(reader, writer, everyone), 20)
            writer.close()
        observed.flush()

    asyncio.run(main())


async def answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    size = next(int(line[16:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length: "))
    return head, await reader.readexactly(size)


async def until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110  the loop is turned, nothing is waited for
        await asyncio.sleep(0)


def asked(request: bytes, *, answers: int = 1, shelf: Shelf | None = None) -> list[tuple[bytes, bytes]]:
    found: list[tuple[bytes, bytes]] = []

    async def said(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: set[Connection]) -> None:
        writer.write(request)
        while len(found) < answers:
            found.append(await answer(reader))

    talk(shelf or Shelf(), said)
    return found


PLAIN = b"GET /tiles/1 HTTP/1.1\r\nHost: x\r\nAccept: image/jpeg\r\n\r\n"


def test_what_is_at_hand_passes_by_the_application() -> None:
    shelf = Shelf()
    [(head, body)] = asked(PLAIN, shelf=shelf)
    assert body == TILE
    assert shelf.asked == [("/tiles/1", b"", b"image/jpeg")]
    assert head.startswith(b"HTTP/1.1 200 OK\r\ndate: today\r\nx-request-id: ")


def test_the_query_goes_to_the_door_and_nothing_else_is_invented() -> None:
    shelf = Shelf()
    asked(b"GET /tiles/1?v=2&z=1 HTTP/1.1\r\nHost: x\r\nCookie: a=b\r\n\r\n", shelf=shelf)
    assert shelf.asked == [("/tiles/1", b"v=2&z=1", b"")]


def test_it_is_counted_as_any_other() -> None:
    def counted() -> float:
        labels = {"route": "/tiles/*", "method": "GET", "status": "200"}
        return prometheus_client.REGISTRY.get_sample_value("lamelle_requests_total", labels) or 0

    before = counted()
    asked(PLAIN)
    assert counted() == before + 1


@pytest.mark.parametrize(
    "lines",
    [
        b"Range: bytes=0-9",
        b'If-None-Match: "x"',
        b"Origin: https://viewer.example",
        b"X-Request-ID: mine",
        b"Connection: close",
        b"Connection: keep-alive, upgrade",
        b"Content-Length: 0",
        b"Accept: image/png",
        b"If-Modified-Since: today",
    ],
)
def test_a_request_that_says_more_goes_the_long_way(lines: bytes) -> None:
    shelf = Shelf()
    request = b"GET /tiles/1 HTTP/1.1\r\nHost: x\r\nAccept: image/jpeg\r\n" + lines + b"\r\n\r\n"
    for _ in range(2):
        assert [body for _, body in asked(request, shelf=shelf)] == [b"long /tiles/1"]
    assert shelf.asked == []


@pytest.mark.parametrize(
    "line", [b"GET /tiles/1 HTTP/1.0", b"HEAD /tiles/1 HTTP/1.1", b"GET /tiles/%31 HTTP/1.1", b"POST /tiles/1 HTTP/1.1"]
)
def test_other_requests_go_the_long_way(line: bytes) -> None:
    shelf = Shelf()

    async def said(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: set[Connection]) -> None:
        writer.write(line + b"\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200")

    talk(shelf, said)
    assert shelf.asked == []


def test_requests_in_one_packet_are_answered_in_their_order() -> None:
    other = PLAIN.replace(b"/tiles/1", b"/other")
    bodies = [body for _, body in asked(PLAIN + other + PLAIN, answers=3)]
    assert bodies == [b"long /tiles/1", b"long /other", b"long /tiles/1"]


def test_two_requests_in_one_packet_are_not_taken_for_one() -> None:
    bare = b"GET /tiles/1 HTTP/1.1\r\nHost: x\r\n\r\n"
    assert [body for _, body in asked(bare + bare, answers=2)] == [b"long /tiles/1"] * 2


def test_what_follows_half_a_head_belongs_to_it() -> None:
    async def said(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, everyone: set[Connection]) -> None:
        writer.write(b"GET /other HTTP/1.1\r\nHost: x\r\nX-Half: ")
        await until(lambda: any(connection._inside for connection in everyone))
        writer.write(PLAIN)
        assert (await answer(reader))[1] == b"long /other"
        assert shelf.asked == []

    shelf = Shelf()
    talk(shelf, said)


def test_a_body_that_looks_like_a_request_is_no_request() -> None:
    async def said(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, everyone: set[Connection]) -> None:
        writer.write(b"POST /other HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(PLAIN))
        await until(lambda: any(connection.cycle for connection in everyone))
        writer.write(PLAIN)
        assert (await answer(reader))[1] == b"long /other"
        assert shelf.asked == []
        writer.write(PLAIN)
        assert (await answer(reader))[1] == TILE

    shelf = Shelf()
    talk(shelf, said)


def test_what_the_client_does_not_take_at_once_comes_whole() -> None:
    big = TILE * (PIECE // len(TILE))

    async def said(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, everyone: set[Connection]) -> None:
        await until(lambda: bool(everyone))
        for transport in (writer.transport, *[connection.transport for connection in everyone]):
            for buffer in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, buffer, 65536)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(PLAIN)
        await until(lambda: any(connection.transport.get_write_buffer_size() for connection in everyone))
        writer.write(PLAIN)  # asks again before it has read: must not overtake
        writer.transport.resume_reading()  # type: ignore[attr-defined]
        assert (await answer(reader))[1] == big
        assert (await answer(reader))[1] in {b"long /tiles/1", big}

    talk(Shelf(big), said)


def test_an_answer_too_long_to_be_held_goes_the_long_way() -> None:
    assert [body for _, body in asked(PLAIN, shelf=Shelf(bytes(PIECE + 1)))] == [b"long /tiles/1"]


@pytest.mark.parametrize(
    "head",
    [
        b"GET /" + b"a" * (TARGET_LIMIT + 1) + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * (LINES_LIMIT + 1) + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"a" * 3_000_000,
        b"nonsense\r\n\r\n",
    ],
)
def test_a_head_without_end_is_refused(head: bytes) -> None:
    async def said(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: set[Connection]) -> None:
        writer.write(head)
        assert (await reader.read(12)) == b"HTTP/1.1 400"

    talk(Shelf(), said)


def test_a_client_that_is_silent_is_dropped_and_one_that_waits_for_us_is_not() -> None:
    working = asyncio.Event()

    async def never(scope: Scope, receive: Receive, send: Send) -> None:
        working.set()
        await asyncio.Event().wait()

    async def said(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, everyone: set[Connection]) -> None:
        writer.write(PLAIN)
        await answer(reader)
        [connection] = everyone
        connection.look(0.0, 5.0)
        connection.look(4.0, 5.0)
        assert not connection.transport.is_closing()
        writer.write(PLAIN.replace(b"/tiles/1", b"/other"))
        await working.wait()
        connection.look(5.0, 5.0)
        connection.look(50.0, 5.0)
        connection.look(99.0, 5.0)
        assert not connection.transport.is_closing()

    talk(Shelf(), said, never)

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, everyone: set[Connection]) -> None:
        writer.write(PLAIN + b"GET / HT")
        await answer(reader)
        [connection] = everyone
        connection.look(0.0, 5.0)
        connection.look(5.0, 5.0)
        with pytest.raises(ConnectionError):
            assert not await reader.read()
            raise ConnectionResetError

    talk(Shelf(), silent)
