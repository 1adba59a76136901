"""The path of one stored frame: what lies in memory is sent from the event loop, all that may wait is not."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lamelle.access.model import WHOLE
from lamelle.archive.blobstores.files import FileReader
from lamelle.archive.retrieve import Retrieve
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.base.ids import uid_from
from lamelle.doors.dicomweb.frames import FramesFastPath
from lamelle.testing.archives import SetClock, stored
from lamelle.testing.guarded import open_to_all
from lamelle.testing.instances import slide

TILES = [b"\xff\xd8" + bytes([n]) * 700 + b"\xff\xd9" for n in range(3)]


@pytest.fixture
def archive(tmp_path: Path, catalogue_url: str) -> Iterator[Archive]:
    opened = Archive.open(ArchiveSettings(tmp_path / "data", catalogue_url, reserve_bytes=0), SetClock())
    stored(opened, [slide(TILES)])
    yield opened
    opened.close()


def get(archive: Archive, *numbers: int) -> list[tuple[int, bytes]]:
    """Status and body of these frames, asked one after the other on one event loop."""
    [ref] = archive.retrieve.instances(WHOLE, uid_from("study", "1"))
    path = f"/dicomweb/studies/{ref.study_uid}/series/{ref.series_uid}/instances/{ref.sop_uid}/frames"
    found: list[tuple[int, bytes]] = []

    async def behind(scope: Any, receive: Any, send: Any) -> None:
        found.append((0, b""))

    async def send(message: Any) -> None:
        found.append((message["status"], b"") if "status" in message else (found.pop()[0], bytes(message["body"])))

    async def ask() -> None:
        app = open_to_all(FramesFastPath(behind, archive))
        for number in numbers:
            headers = [(b"accept", b"image/jpeg")]
            scope = {"type": "http", "method": "GET", "path": f"{path}/{number}", "query_string": b""}
            await app({**scope, "headers": headers}, None, send)  # type: ignore[arg-type]

    asyncio.run(ask())
    return found


def threads_of(monkeypatch: pytest.MonkeyPatch, kind: type, method: str) -> list[bool]:
    """For each call of the method, whether it ran in the event loop's thread."""
    calls: list[bool] = []
    original = getattr(kind, method)

    def spied(self: Any, *given: Any) -> Any:
        calls.append(threading.current_thread() is threading.main_thread())
        return original(self, *given)

    monkeypatch.setattr(kind, method, spied)
    return calls


def test_an_instance_is_opened_once_and_in_a_thread(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = threads_of(monkeypatch, Retrieve, "opened")
    assert get(archive, 1, 2, 3) == [(200, tile) for tile in TILES]
    assert opened == [False]


def test_a_frame_in_memory_needs_no_thread(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FileReader, "read_now", lambda self, start, length: bytearray(self.read_at(start, length)))
    reads = threads_of(monkeypatch, FileReader, "read_at")
    assert get(archive, 1, 2) == [(200, TILES[0]), (200, TILES[1])]
    assert reads[-2:] == [True, True]


def test_a_frame_that_is_not_in_memory_is_read_in_a_thread(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FileReader, "read_now", lambda self, start, length: None)
    reads = threads_of(monkeypatch, FileReader, "read_at")
    assert get(archive, 1, 3) == [(200, TILES[0]), (200, TILES[2])]
    assert reads[-2:] == [False, False]


def test_what_is_not_there_goes_on_to_the_application_behind(archive: Archive) -> None:
    assert get(archive, 4) == [(0, b"")]
