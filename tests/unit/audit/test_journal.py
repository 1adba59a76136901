"""A journal takes entries without waiting, and says so when a disk does not take them."""

import errno
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamelle.audit import journal, ledger, search
from lamelle.audit.journal import Journal
from lamelle.audit.keys import Key
from lamelle.audit.model import Entry
from lamelle.audit.search import Found, Wanted
from lamelle.base.db import Database
from lamelle.testing.archives import SetClock

Write = Callable[[int, bytes], int]


def view(number: int) -> Entry:
    return Entry("a", "view", subject=str(number))


def files(folder: Path) -> list[Path]:
    return sorted(journal.folder_of(folder).iterdir(), key=lambda path: path.stat().st_mtime_ns)


def sealed(db: Database, folder: Path, clock: SetClock, key: Key) -> list[Found]:
    ledger.seal(db, folder, clock, key)
    return list(search.walk(db, Wanted()))


def views(found: list[Found]) -> list[str]:
    return [one.entry.subject for one in found if one.entry.action == "view"]


def lost(found: list[Found]) -> list[dict[str, Any]]:
    return [dict(one.entry.detail) for one in found if one.entry.action == "entries_lost"]


def test_nothing_is_made_before_the_first_note(folder: Path, clock: SetClock) -> None:
    Journal(folder, clock).close()
    assert not folder.exists()


def test_a_note_is_a_line_in_a_file_of_our_own(folder: Path, clock: SetClock) -> None:
    noted = Journal(folder, clock)
    noted.note(view(1))
    (path,) = files(folder)
    assert json.loads(path.read_text())["subject"] == "1", "before anything is closed or flushed"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    noted.close()


def test_a_long_journal_goes_on_in_another_file(db: Database, folder: Path, clock: SetClock, key: Key) -> None:
    noted = Journal(folder, clock, file_bytes=1000)
    for number in range(40):
        noted.note(view(number))
    assert len(files(folder)) > 3
    assert all(path.stat().st_size <= 1000 for path in files(folder))
    assert views(sealed(db, folder, clock, key)) == [str(number) for number in range(40)]
    assert len(files(folder)) == 1, "the ledger removed those that were left"
    noted.close()


def test_threads_share_a_journal(db: Database, folder: Path, clock: SetClock, key: Key) -> None:
    noted = Journal(folder, clock, file_bytes=5000)

    def work(start: int) -> None:
        for number in range(start, start + 50):
            noted.note(view(number))

    threads = [threading.Thread(target=work, args=(start,)) for start in range(0, 400, 50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    noted.close()
    assert sorted(map(int, views(sealed(db, folder, clock, key)))) == list(range(400))


class Disk:
    """A disk that takes so many bytes more; None: any number."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free: int | None = None
        self._write: Write = os.write
        monkeypatch.setattr(os, "write", self.write)

    def write(self, fd: int, data: bytes) -> int:
        if self.free is None:
            return self._write(fd, data)
        if not self.free:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = self._write(fd, data[: self.free])
        self.free -= taken
        return taken


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(monkeypatch)


@pytest.mark.parametrize("free", [0, 1, 100, 130, 250])
def test_what_a_full_disk_does_not_take_waits_in_memory(
    db: Database, folder: Path, clock: SetClock, key: Key, disk: Disk, free: int
) -> None:
    noted = Journal(folder, clock)
    noted.note(view(0))
    disk.free = free
    for number in range(1, 10):
        noted.note(view(number))
    disk.free = None
    noted.note(view(10))
    assert views(sealed(db, folder, clock, key)) == [str(number) for number in range(11)]
    noted.close()


def test_what_does_not_fit_in_memory_is_counted_and_entered(
    db: Database, folder: Path, clock: SetClock, key: Key, disk: Disk
) -> None:
    noted = Journal(folder, clock, waiting=5)
    disk.free = 0
    for number in range(12):
        noted.note(view(number))
    disk.free = None
    noted.note(view(99))
    noted.note(view(100))
    noted.close()
    found = sealed(db, folder, clock, key)
    assert views(found) == ["0", "1", "2", "3", "4", "100"]
    assert [one["count"] for one in lost(found)] == [8], "the one that found the disk free again had no place either"


def test_a_folder_that_cannot_be_made_stops_no_reader(folder: Path, clock: SetClock) -> None:
    folder.write_text("no folder")
    noted = Journal(folder, clock)
    noted.note(view(1))
    folder.unlink()
    noted.note(view(2))
    assert [json.loads(line)["subject"] for line in files(folder)[0].read_text().splitlines()] == ["1", "2"]
    noted.close()


@pytest.mark.parametrize("garbage", [b'{"actor":', b"\0" * 5000, b"\xff\xfe\n{}\n", b"x" * (1 << 19)])
def test_damage_is_entered_and_the_rest_kept(
    db: Database, folder: Path, clock: SetClock, key: Key, garbage: bytes
) -> None:
    noted = Journal(folder, clock)
    noted.note(view(1))
    noted.close()
    with files(folder)[0].open("ab") as file:
        file.write(garbage)
    found = sealed(db, folder, clock, key)
    assert views(found) == ["1"]
    assert sum(one["bytes"] for one in lost(found)) == len(garbage) - garbage.count(b"\n")
    assert ledger.seal(db, folder, clock, key) == 0
    assert files(folder) == []
