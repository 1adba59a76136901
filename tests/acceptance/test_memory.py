"""A large instance through the real door: the server's memory does not grow with it."""

import os
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
