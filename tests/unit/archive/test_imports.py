"""The register of what comes from files."""

import threading
from collections.abc import Mapping
from datetime import timedelta

import pytest

from lamelle.access.model import WHOLE
from lamelle.archive import imports
from lamelle.archive.imports import Ended, Seen, State
from lamelle.archive.store import Archive
from lamelle.testing.archives import SetClock


def seen(path: str, size: int = 1) -> Seen:
    return Seen(path, size, 7, "print")


def claim(archive: Archive, worker: str, *paths: str, size: int = 1, lease_s: float = 60) -> Mapping[str, int]:
    now = archive.clock.now()
    files = [seen(path, size) for path in paths]
    return imports.claim(archive.db, files, worker, now, now + timedelta(seconds=lease_s), lambda w: w == "dead")


def end(archive: Archive, worker: str, path: str, state: State, code: str | None = None) -> None:
    imports.end(archive.db, [Ended(path, state, code, code and f"because of {code}")], worker, archive.clock.now())


def test_a_file_is_one_workers_until_its_lease_ends(archive: Archive, clock: SetClock) -> None:
    assert claim(archive, "one", "/a", "/b") == {"/a": 1, "/b": 1}
    assert claim(archive, "two", "/a", "/c") == {"/c": 1}
    clock.move(60)
    assert claim(archive, "two", "/a") == {"/a": 2}
    end(archive, "one", "/a", State.STORED)
    assert imports.known(archive.db, ["/a"])["/a"].state is State.RUNNING
    end(archive, "two", "/a", State.STORED)
    assert imports.known(archive.db, ["/a"])["/a"].state is State.STORED


def test_a_renewed_lease_lasts_and_only_for_its_worker(archive: Archive, clock: SetClock) -> None:
    claim(archive, "one", "/a")
    clock.move(50)
    imports.renew(archive.db, ["/a"], "other", clock.now() + timedelta(days=1))
    imports.renew(archive.db, ["/a"], "one", clock.now() + timedelta(seconds=60))
    clock.move(50)
    assert claim(archive, "two", "/a") == {}
    clock.move(10)
    assert claim(archive, "two", "/a") == {"/a": 2}


def test_a_dead_workers_file_is_free_at_once(archive: Archive) -> None:
    claim(archive, "dead", "/a")
    assert claim(archive, "two", "/a") == {"/a": 2}


def test_attempts_count_for_one_content(archive: Archive) -> None:
    for attempt in (1, 2):
        assert claim(archive, "one", "/a") == {"/a": attempt}
        end(archive, "one", "/a", State.RETRY, "unreadable")
    assert claim(archive, "one", "/a", size=2) == {"/a": 1}


@pytest.mark.parametrize("state", sorted(imports.FINAL))
def test_every_fate_can_be_noted_and_told(archive: Archive, state: State) -> None:
    claim(archive, "one", "/a")
    end(archive, "one", "/a", state, "code")
    record = imports.known(archive.db, ["/a", "/unknown"])["/a"]
    assert (record.state, record.code, record.reason) == (state, "code", "because of code")
    assert (record.worker, record.lease_until) == (None, None)
    assert record.is_of(seen("/a"))
    assert not record.is_of(seen("/a", 2))


def test_the_latest_come_first_and_by_state(archive: Archive, clock: SetClock) -> None:
    for number, state in enumerate([State.STORED, State.REFUSED, State.STORED]):
        claim(archive, "one", f"/{number}")
        end(archive, "one", f"/{number}", state)
        clock.move(1)
    assert [record.path for record in imports.recent(archive.db, WHOLE)] == ["/2", "/1", "/0"]
    assert [record.path for record in imports.recent(archive.db, WHOLE, 1)] == ["/2"]
    assert [record.path for record in imports.recent(archive.db, WHOLE, states=[State.REFUSED])] == ["/1"]


def test_more_files_than_one_statement_takes(archive: Archive) -> None:
    paths = [f"/{number}" for number in range(2 * imports.PATHS_AT_ONCE + 1)]
    assert len(claim(archive, "one", *paths)) == len(paths)
    assert claim(archive, "two", *paths) == {}
    assert len(imports.known(archive.db, paths)) == len(paths)


def test_of_many_who_ask_at_once_one_gets_it(archive: Archive) -> None:
    got: list[tuple[str, str]] = []

    def ask(worker: str) -> None:
        for number in range(20):
            got.extend((path, worker) for path in claim(archive, worker, f"/{number}", f"/{number + 1}"))

    threads = [threading.Thread(target=ask, args=(f"worker-{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(path for path, _ in got) == sorted(f"/{number}" for number in range(21))
