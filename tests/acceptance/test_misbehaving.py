"""Clients that hang up, dawdle, shout or send nonsense, and processes that are killed: what was promised is there."""

import contextlib
import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from pathlib import Path

import psutil
import pytest

from lamelle.testing import instances
from lamelle.testing.client import Client, related
from lamelle.testing.node import Node

WAIT_S = 60.0
NO_RESERVE = {"LAMELLE_ARCHIVE_RESERVE_BYTES": "0"}
BIG = bytes(6 << 20)


def until(true: Callable[[], bool]) -> None:
    pause, end = threading.Event(), time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < end, "it never came true"
        pause.wait(0.05)


def address(node: Node) -> tuple[str, int]:
    host, port = node.url.removeprefix("http://").split(":")
    return host, int(port)


def spooled(node: Node) -> list[Path]:
    return [path for path in (node.data_dir / "blobs" / "spool").glob("*/*") if path.is_file()]


def workers(node: Node) -> list[psutil.Process]:
    found = psutil.Process(node.process.pid).children()
    return [child for child in found if child.is_running() and _name(child) == "lamelle worker"]


def _name(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.NoSuchProcess):
        return str(process.name())
    return ""


def healthy(node: Node) -> bool:
    with contextlib.suppress(OSError), Client(node.url, 5) as client:
        return client.get("/health").status == 200
    return False


def file(number: int, size: int = 1000, study: str = "mis") -> bytes:
    return instances.instance(study, number=number, PixelData=number.to_bytes(4, "big") * (size // 4))


def request(*files: bytes, length: int | None = None) -> bytes:
    kind, pieces = related(files)
    body = b"".join(pieces)
    head = (
        f"POST /dicomweb/studies HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nContent-Length: {length or len(body)}"
    )
    return f"{head}\r\nAccept: application/dicom+json\r\n\r\n".encode() + body


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with Node(tmp_path_factory.mktemp("misbehaving") / "data", environment=NO_RESERVE) as started:
        yield started
        assert "http.crashed" not in started.log()
        assert "Traceback" not in started.log()


def studies(node: Node) -> dict[str, int]:
    with Client(node.url) as client:
        answer = client.get("/dicomweb/studies")
        found = answer.json() if answer.status == 200 else []
    return {item["0020000D"]["Value"][0]: item["00201208"]["Value"][0] for item in found}


@pytest.mark.parametrize("abruptly", [False, True])
def test_a_client_that_hangs_up_leaves_nothing_half(node: Node, abruptly: bool) -> None:
    whole = request(file(1, 1 << 20, "hangs"), file(2, 4 << 20, "hangs"))
    with socket.create_connection(address(node), WAIT_S) as connection:
        connection.sendall(whole[: len(whole) - (2 << 20)])
        until(lambda: bool(spooled(node)))
        if abruptly:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    until(lambda: spooled(node) == [])
    assert studies(node).get(instances.dataset("hangs").StudyInstanceUID) in (None, 1)
    assert healthy(node)


def test_slow_clients_do_not_keep_others_waiting(node: Node) -> None:
    """Fifty that send a byte and wait, and one that is served as if they were not there."""
    whole = request(file(1, study="slow"))
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(address(node), WAIT_S)) for _ in range(50)]
        for connection in slow:
            connection.sendall(whole[:200])
        with Client(node.url, 10) as client:
            assert client.store(file(2, study="quick")).status == 200
        for connection in slow[:5]:
            connection.sendall(whole[200:])
            assert connection.recv(12) == b"HTTP/1.1 200"
    until(lambda: spooled(node) == [])


HEAD = b"POST /dicomweb/studies HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
KIND = b'Content-Type: multipart/related; type="application/dicom"; boundary=x\r\n'


@pytest.mark.parametrize(
    ("sent", "statuses"),
    [
        (b"GET /health HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 2_000_000 + b"\r\n\r\n", {400, 413, 414, 431, None}),
        (b"GET /health HTTP/1.1\r\nHost: x\r\n" + b"X-Many: 1\r\n" * 5000 + b"\r\n", {400, 431, None}),
        (b"GET /dicomweb/studies?" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", {400, 413, 414, 431, None}),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), {400, None}),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(100), {400, None}),
        (HEAD + KIND + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nnot a chunk\r\n", {400, 409, None}),
        (HEAD + KIND + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400, None}),
        (HEAD + KIND + b"Content-Length: 99999999999999999999\r\n\r\n", {400, 413, None}),
        (HEAD + KIND + b"Content-Length: 10\r\n\r\n--y\r\n\r\nabc", {400}),
        (HEAD + KIND + b"Content-Length: 7\r\n\r\n--x--\r\n", {400}),
        (HEAD + KIND + b"Content-Length: 40000\r\n\r\n--x\r\n" + b"H: v\r\n" * 6665 + b"\r\n\r\n\r\n", {400, 413}),
        (HEAD + b"Content-Type: \xff\xfe; boundary=\x01\r\nContent-Length: 1\r\n\r\nx", {400, 415}),
        (HEAD + b"Content-Type: multipart/related; boundary=\r\nContent-Length: 1\r\n\r\nx", {400, 415}),
        (HEAD + KIND + b"Content-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx", {400, 415}),
        (HEAD + KIND + b"Expect: 200-maybe\r\nContent-Length: 1\r\n\r\nx", {400, 417}),
    ],
)
def test_nonsense_is_refused_and_the_worker_lives(node: Node, sent: bytes, statuses: set[int | None]) -> None:
    before = {process.pid for process in workers(node)}
    with socket.create_connection(address(node), WAIT_S) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(sent)
        if None in statuses:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_WR)
        answer = b""
        with contextlib.suppress(ConnectionError):
            answer = connection.recv(4096)
    status = int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else None
    assert status in statuses, answer[:300]
    assert {process.pid for process in workers(node)} == before
    assert healthy(node)


def test_a_hundred_clients_at_once_all_get_what_is_theirs(node: Node) -> None:
    def one(number: int) -> bool:
        content = file(number, 20_000, f"crowd{number % 10}")
        with Client(node.url) as client:
            stored = client.store(content)
            if stored.status != 200:
                return False
            return content in client.instance(*stored.kept[0]).body

    with ThreadPoolExecutor(100) as pool:
        assert all(pool.map(one, range(200)))
    found = studies(node)
    assert [found[instances.dataset(f"crowd{number}").StudyInstanceUID] for number in range(10)] == [20] * 10
    assert spooled(node) == []


def deaf() -> int:
    """Clients that ask and never read: enough to see memory grow; TEST_DEAF_CLIENTS=200 for a bad day."""
    return int(os.environ.get("TEST_DEAF_CLIENTS", "24"))


HELD = 2 << 20
"""Bytes of the server's memory that one of them may hold."""


def resident(node: Node) -> int:
    return sum(process.memory_info().rss for process in workers(node))


def test_clients_that_never_read_hold_little_and_are_dropped(tmp_path: Path) -> None:
    big = instances.instance("deaf", number=1, Rows=4096, Columns=4096, PixelData=bytes(16 << 20))
    environment = {**NO_RESERVE, "LAMELLE_SERVE_SILENCE_S": "3"}
    with Node(tmp_path / "data", environment=environment) as node, contextlib.ExitStack() as stack:
        with Client(node.url) as client:
            study, series, instance = client.store(big).kept[0]
        path = f"/dicomweb/studies/{study}/series/{series}/instances/{instance}"
        before = resident(node)
        for number in range(deaf()):
            connection = stack.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(address(node))
            target = (f"/dicomweb/studies/{study}", path)[number % 2]
            connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n".encode())
        with Client(node.url, 10) as client:
            for _ in range(20):
                assert client.get("/health").status == 200
                assert big in client.get(f"/dicomweb/studies/{study}").body
        grown = resident(node) - before
        print(f"{deaf()} clients that never read: {grown >> 20} MiB more")
        assert grown < deaf() * HELD + (64 << 20)
        port = address(node)[1]
        until(lambda: not any(c.laddr.port == port and c.raddr for w in workers(node) for c in w.net_connections()))
        assert healthy(node)


# -- killed ------------------------------------------------------------------------------------------------------------


class Storing:
    """Clients that store without end, and remember what was acknowledged."""

    def __init__(self, node: Node, name: str, count: int = 3) -> None:
        self._node, self._name = node, name
        self._stop = threading.Event()
        self.kept: dict[tuple[str, str, str], bytes] = {}
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(count)]

    def __enter__(self) -> "Storing":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, lane: int) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            content = file(number, 200_000, f"{self._name}{lane}")
            with (
                contextlib.suppress(OSError, HTTPException, EOFError, ValueError),
                Client(self._node.url, 20) as client,
            ):
                stored = client.store(content)
                if stored.status == 200:
                    self.kept[stored.kept[0]] = content
            self._stop.wait(0.001)


def whole(node: Node, kept: dict[tuple[str, str, str], bytes]) -> None:
    """All that was acknowledged comes out, and all that is listed can be had whole."""
    with Client(node.url) as client:
        for where, content in kept.items():
            assert content in client.instance(*where).body, "acknowledged and lost"
        answer = client.get("/dicomweb/instances?limit=1000")
        for item in answer.json() if answer.status == 200 else []:
            where = item["0020000D"]["Value"][0], item["0020000E"]["Value"][0], item["00080018"]["Value"][0]
            number = item["00200013"]["Value"][0]
            assert number.to_bytes(4, "big") * 50_000 in client.instance(*where).body, "half a file"


def test_a_worker_killed_in_mid_store_loses_nothing_acknowledged(tmp_path: Path) -> None:
    with Node(tmp_path / "data", environment=NO_RESERVE) as node:
        with Storing(node, "worker") as storing:
            for goal in (10, 20, 30):
                until(lambda goal=goal: len(storing.kept) >= goal)  # type: ignore[misc]
                victim = workers(node)[0]
                victim.kill()
                until(lambda victim=victim: victim.pid not in {w.pid for w in workers(node)})  # type: ignore[misc]
        until(lambda: len(workers(node)) == 2 and healthy(node))
        whole(node, storing.kept)
        until(lambda: spooled(node) == [])
        assert node.stop() == 0


def test_a_server_killed_in_mid_store_starts_again_with_all_it_promised(tmp_path: Path) -> None:
    kept: dict[tuple[str, str, str], bytes] = {}
    for start in range(2):
        node = Node(tmp_path / "data", environment=NO_RESERVE)
        node.start()
        with Storing(node, f"server{start}") as storing:
            until(lambda: len(storing.kept) >= 10)
            everyone = [node.process.pid, *(p.pid for p in psutil.Process(node.process.pid).children(recursive=True))]
            for pid in everyone:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        node.stop()
        kept |= storing.kept
    with Node(tmp_path / "data", environment=NO_RESERVE) as node:
        until(lambda: healthy(node))
        assert spooled(node) == []
        whole(node, kept)
        assert node.stop() == 0
