"""A large instance through the real door: the server's memory does not grow with it."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from lamelle.testing import instances
from lamelle.testing.client import Client, stored
from lamelle.testing.node import Node

PIECE = 4 << 20
GROWTH = 100 << 20
"""Bytes that one worker may need for one instance of any size."""


def size_mb() -> int:
    """Megabytes of the instance: enough to see growth; TEST_LARGE_MB=6144 for a real slide's."""
    return int(os.environ.get("TEST_LARGE_MB", "600"))


def body(frames: int) -> Iterator[bytes]:
    """A multipart body with one slide of `frames` frames of 4 MiB, made as it is sent."""
    small = instances.slide([b"\xff\xd8\xff\xd9"], "large", NumberOfFrames=frames)
    header = small[: small.rindex(b"\xe0\x7f\x10\x00")]
    yield b"--x\r\nContent-Type: application/dicom\r\n\r\n" + header
    yield b"\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\x00\x00\x00\x00"
    frame = b"\xff\xd8" + os.urandom(PIECE - 4) + b"\xff\xd9"
    for _ in range(frames):
        yield b"\xfe\xff\x00\xe0" + PIECE.to_bytes(4, "little") + frame
    yield b"\xfe\xff\xdd\xe0\x00\x00\x00\x00\r\n--x--\r\n"


def resident(node: Node) -> int:
    """Peak resident bytes of the largest process of the node so far."""
    processes = psutil.Process(node.process.pid).children(recursive=True)
    peaks = [Path(f"/proc/{process.pid}/status").read_text() for process in processes]
    return max(int(text.partition("VmHWM:")[2].split()[0]) * 1024 for text in peaks)


@pytest.mark.slow
def test_memory_is_flat_at_any_size(tmp_path: Path) -> None:
    frames = size_mb() * (1 << 20) // PIECE
    kind = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=x'}
    with Node(tmp_path / "data", workers=1, environment={"LAMELLE_ARCHIVE_RESERVE_BYTES": "0"}) as node:
        with Client(node.url, 280) as client:
            assert client.store(instances.slide([b"\xff\xd8\xff\xd9"] * 2, "small")).status == 200
            assert client.get("/dicomweb/studies").status == 200
            before = resident(node)
            answer = client.ask("POST", "/dicomweb/studies", {**kind, "Accept": "application/dicom+json"}, body(frames))
            [where] = stored(answer).kept
            took = resident(node) - before
            path = "/dicomweb/studies/{}/series/{}/instances/{}".format(*where)
            last = client.get(f"{path}/frames/{frames}", "multipart/related; type=*/*; transfer-syntax=*")
            assert (last.status, len(last.body) > PIECE) == (200, True)
            assert client.get(f"{path}/metadata").status == 200
        read = _drain(node, path)
        assert read > frames * PIECE
        gave = resident(node) - before
    print(f"{frames * PIECE >> 20} MiB: taking needed {took >> 20} MiB more, giving {gave >> 20} MiB")
    assert took < GROWTH
    assert gave < GROWTH


def _drain(node: Node, path: str) -> int:
    """Fetch without keeping; how many bytes."""
    import http.client

    connection = http.client.HTTPConnection(node.url.removeprefix("http://"), timeout=280)
    connection.request("GET", path, headers={"Accept": "application/dicom; transfer-syntax=*"})
    answer = connection.getresponse()
    count = 0
    while chunk := answer.read(PIECE):
        count += len(chunk)
    connection.close()
    return count


def sparse(path: Path, hole: int) -> bytes:
    """A slide of three frames whose first two are holes in the file; the third."""
    small = instances.slide([b"\xff\xd8\xff\xd9"], "sparse", NumberOfFrames=3)
    last = b"\xff\xd8" + os.urandom(50_000) + b"\xff\xd9"
    with path.open("wb") as file:
        file.write(small[: small.rindex(b"\xe0\x7f\x10\x00")])
        file.write(b"\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\x00\x00\x00\x00")
        for _ in range(2):
            file.write(b"\xfe\xff\x00\xe0" + hole.to_bytes(4, "little"))
            file.seek(hole, os.SEEK_CUR)
        file.write(b"\xfe\xff\x00\xe0" + len(last).to_bytes(4, "little") + last)
        file.write(b"\xfe\xff\xdd\xe0\x00\x00\x00\x00")
    return last


@pytest.mark.slow
def test_a_frame_far_into_a_file_taken_from_a_folder(tmp_path: Path) -> None:
    """Beyond 4 GiB with TEST_LARGE_MB=6144: half of it a hole, twice."""
    data, file = tmp_path / "data", tmp_path / "in" / "slide.dcm"
    file.parent.mkdir()
    last = sparse(file, size_mb() * (1 << 19))
    command = [sys.executable, "-m", "lamelle", "import", "--data", str(data), str(file)]
    environment = {**os.environ, "LAMELLE_ARCHIVE_RESERVE_BYTES": "0"}
    begun = time.monotonic()
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
        peak = watched(process)
    assert process.returncode == 0
    print(f"{file.stat().st_size >> 20} MiB imported in {time.monotonic() - begun:.0f} s with {peak >> 20} MiB")
    assert peak < 500 << 20
    with Node(data, workers=1, environment={"LAMELLE_ARCHIVE_RESERVE_BYTES": "0"}) as node, Client(node.url) as client:
        [found] = client.get("/dicomweb/instances").json()
        names = [found[tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018")]
        path = "/dicomweb/studies/{}/series/{}/instances/{}".format(*names)
        for _ in range(3):  # opened first, then at hand
            answer = client.get(f"{path}/frames/3", "image/jpeg")
            assert (answer.status, answer.body) == (200, last)
        size = file.stat().st_size
        tail = client.ask(
            "GET", path, {"Accept": "application/dicom; transfer-syntax=*", "Range": f"bytes={size - 99}-"}
        )
        assert tail.body == (last + b"\xfe\xff\xdd\xe0\x00\x00\x00\x00")[-99:]


def watched(process: subprocess.Popen[bytes]) -> int:
    """Peak resident bytes of a command and its children, until it ends."""
    peak, ended = 0, threading.Event()
    while process.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            top = psutil.Process(process.pid)
            peak = max(peak, sum(one.memory_info().rss for one in [top, *top.children(recursive=True)]))
        ended.wait(0.02)
    return peak
