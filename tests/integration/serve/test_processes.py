"""A node's processes: start, refuse, survive, stop. Each test starts what `lamelle serve` starts."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from lamelle.testing.node import Node

WAIT_S = 30.0


def until(true: Callable[[], bool]) -> None:
    """Waits for another process; a condition that never comes is the test's failure."""
    pause, end = threading.Event(), time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < end, "it never came true"
        pause.wait(0.05)


def lamelle(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LAMELLE_")}
    return subprocess.run(
        [sys.executable, "-m", "lamelle", *arguments],
        capture_output=True,
        text=True,
        env={**kept, **environment},
        timeout=60,
        check=False,
    )


def workers(node: Node) -> list[psutil.Process]:
    children = psutil.Process(node.process.pid).children()
    return [child for child in children if _name(child) == "lamelle worker"]


def jobs(node: Node) -> list[psutil.Process]:
    return [child for child in psutil.Process(node.process.pid).children() if _name(child) == "lamelle jobs"]


def alive(process: psutil.Process) -> bool:
    """Running, and not merely waiting for its parent to ask how it ended."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


def _name(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.NoSuchProcess):
        return str(process.name())
    return ""


def answers(node: Node) -> bool:
    try:
        return b'"status":"ok"' in node.get("/health")
    except OSError:
        return False


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path / "data")


def test_it_listens_is_healthy_and_stops_with_0(node: Node) -> None:
    with node:
        assert node.url.startswith("http://127.0.0.1:")
        until(lambda: answers(node))
        assert len(workers(node)) == 2
        everyone = psutil.Process(node.process.pid).children(recursive=True)
        assert node.stop() == 0
        until(lambda: not any(map(alive, everyone)))
    assert list((node.data_dir / "run").iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_other_polite_signals_stop_it_too(node: Node, number: int) -> None:
    with node:
        assert node.stop(number) == 0


def test_a_killed_worker_comes_back(node: Node) -> None:
    with node:
        until(lambda: len(workers(node)) == 2)
        victim = workers(node)[0]
        victim.kill()
        until(lambda: victim.pid not in [p.pid for p in workers(node)] and len(workers(node)) == 2)
        until(lambda: answers(node))
        assert node.stop() == 0


def test_a_killed_jobs_process_comes_back(node: Node) -> None:
    with node:
        until(lambda: len(jobs(node)) == 1)
        victim = jobs(node)[0]
        victim.kill()
        until(lambda: [p.pid for p in jobs(node)] not in ([], [victim.pid]))
        until(lambda: '"serve.child_died"' in node.log())


def test_nobody_outlives_a_killed_parent(node: Node) -> None:
    with node:
        until(lambda: answers(node))
        everyone = psutil.Process(node.process.pid).children(recursive=True)
        node.process.kill()
        until(lambda: not any(map(alive, everyone)))


def test_a_second_server_on_the_same_folder_is_refused(node: Node) -> None:
    with node:
        refused = lamelle("serve", "--data", str(node.data_dir), "--port", "0")
        assert refused.returncode == 1
        assert f"process {node.process.pid} (lamelle serve or rebuild) works on" in refused.stderr
        assert "data_dir_in_use" in refused.stderr
        assert lamelle("rebuild", "--data", str(node.data_dir)).returncode == 1
        assert answers(node)


def test_after_a_kill_the_folder_can_be_served_again(node: Node) -> None:
    with node:
        node.process.kill()
        node.process.wait()
    with Node(node.data_dir) as again:
        until(lambda: answers(again))


def test_a_port_in_use_is_said_in_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = lamelle("serve", "--data", str(tmp_path / "data"), "--port", str(port))
    assert refused.returncode == 1
    assert f"cannot listen on 127.0.0.1:{port}" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_an_open_address_is_refused_without_sign_in(tmp_path: Path) -> None:
    refused = lamelle("serve", "--data", str(tmp_path / "data"), "--host", "0.0.0.0", LAMELLE_ACCESS_SIGN_IN="none")
    assert refused.returncode == 1
    assert "nobody signs in" in refused.stderr
    assert not (tmp_path / "data").exists()


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    refused = lamelle("serve", "--data", str(tmp_path / "file" / "data"))
    assert refused.returncode == 1
    assert "data_dir_not_writable" in refused.stderr


def test_a_wrong_setting_stops_the_start(tmp_path: Path) -> None:
    refused = lamelle("serve", "--data", str(tmp_path / "data"), LAMELLE_SERVE_WORKERS="many")
    assert refused.returncode == 2
    assert "serve.workers is 'many'; allowed: a whole number" in refused.stderr


def test_a_request_in_flight_is_answered_before_the_end(node: Node) -> None:
    """A body that is still being sent when SIGTERM arrives is read to its end and answered."""
    with node:
        until(lambda: answers(node))
        host, port = node.url.removeprefix("http://").split(":")
        body = b"--x\r\nContent-Type: application/dicom\r\n\r\nnot dicom\r\n--x--\r\n"
        head = (
            f"POST /dicomweb/studies HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(body)}\r\n"
            'Content-Type: multipart/related; type="application/dicom"; boundary=x\r\n'
            "Accept: application/dicom+json\r\n\r\n"
        )
        with socket.create_connection((host, int(port)), timeout=WAIT_S) as connection:
            connection.sendall(head.encode() + body[:20])
            until(
                lambda: any(c.raddr and c.laddr.port == int(port) for w in workers(node) for c in w.net_connections())
            )
            node.process.send_signal(signal.SIGTERM)
            until(lambda: "serve.stopping" in node.log())
            connection.sendall(body[20:])
            answer = connection.recv(65536)
        assert answer.startswith(b"HTTP/1.1 409"), answer[:200]
        assert node.process.wait(WAIT_S) == 0


def test_garbage_does_not_stop_it(node: Node) -> None:
    garbage = (
        b"\x00\xff\xfe\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET " + b"/x" * 40000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /dicomweb/studies HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"GET /%00%ff/..%2f..%2fetc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /assets/" + b"x" * 300 + b".js HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /dicomweb/studies?%ff=%ff HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"BREW /coffee HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    )
    with node:
        until(lambda: answers(node))
        host, port = node.url.removeprefix("http://").split(":")
        before = {process.pid for process in workers(node)}
        for sent in garbage:
            with socket.create_connection((host, int(port)), timeout=WAIT_S) as connection:
                with contextlib.suppress(ConnectionError):
                    connection.sendall(sent)
                    connection.shutdown(socket.SHUT_WR)
                    answer = connection.recv(4096)
                    assert not answer.startswith(b"HTTP/1.1 5"), (sent[:60], answer)
        with pytest.raises(urllib.error.HTTPError) as missing:
            node.get("/dicomweb/nothing")
        with missing.value:
            assert missing.value.code == 404
        assert {process.pid for process in workers(node)} == before
        assert answers(node)
        assert "http.crashed" not in node.log()
