"""Processes that note and seal are killed at every step: nothing acknowledged is missing, nothing is entered twice."""

import os
import random
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from lamelle.audit import checkpoints, journal, keys, ledger, search, verify
from lamelle.audit.checkpoints import Rhythm
from lamelle.audit.journal import Journal
from lamelle.audit.keys import Key
from lamelle.audit.model import Entry
from lamelle.audit.search import Wanted
from lamelle.base.clock import SystemClock
from lamelle.base.db import Database

STRIDE = 47
"""Lines of the audit room between two moments of death."""
CLOCK = SystemClock()


@pytest.fixture
def url(catalogue_url: str) -> str:
    db = Database(catalogue_url)
    db.migrate()
    db.close()
    return catalogue_url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audit"


@pytest.fixture
def key(folder: Path) -> Key:
    return keys.load(folder / "key.pem")


def forked(work: Callable[[], None]) -> int:
    """A child that does it and ends without pytest's own end; its id."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return pid


def ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def killed_at(line: int) -> Callable[[FrameType, str, Any], Any]:
    """A trace that kills this process before the so-many-th line of the audit room."""
    left = line

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if "/lamelle/audit/" not in frame.f_code.co_filename:
            return None
        if event == "line":
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    return trace


def sealed_in_child(url: str, folder: Path, line: int) -> bool:
    """Seal in a child that dies at a line; whether it came to the end before."""

    def work() -> None:
        db = Database(url)
        key = keys.load(folder / "key.pem")
        sys.settrace(killed_at(line))
        ledger.seal(db, folder, CLOCK, key, Rhythm(2, 0.0))
        sys.settrace(None)

    status = ended(forked(work))
    assert status in (0, -signal.SIGKILL)
    return status == 0


def told(url: str, folder: Path, key: Key) -> list[str]:
    """What is in the ledger after a last sealing, which must be sound."""
    db = Database(url)
    try:
        ledger.seal(db, folder, CLOCK, key, Rhythm(seconds=0))
        assert verify.verify(db, frozenset([key.id]), (folder / checkpoints.FILE,)).findings == ()
        return [one.entry.subject for one in search.walk(db, Wanted())]
    finally:
        db.close()


def numbered() -> Iterator[str]:
    number = 0
    while True:
        yield str(number)
        number += 1


def test_a_sealer_may_die_at_any_line(url: str, folder: Path, key: Key) -> None:
    """Journals of the living, of the dead and recorded entries wait each time; the next sealer takes over."""
    fresh, expected, deaths = numbered(), [], 0
    living = Journal(folder, CLOCK)
    line = 1
    while True:
        dead = Journal(folder, CLOCK)
        db = Database(url)
        with db.write() as conn:
            for note in (living.note, dead.note, lambda entry: ledger.record(conn, entry, CLOCK)):
                expected.append(next(fresh))
                note(Entry("a", "view", subject=expected[-1]))
        db.close()
        dead.close()
        if sealed_in_child(url, folder, line):
            break
        assert Counter(told(url, folder, key)) == Counter(expected)
        deaths += 1
        line += STRIDE
    living.close()
    assert Counter(told(url, folder, key)) == Counter(expected)
    assert list(journal.folder_of(folder).iterdir()) == []
    assert deaths > 10


@pytest.mark.parametrize("seed", range(4))
def test_what_was_noted_survives_its_process(url: str, folder: Path, key: Key, seed: int) -> None:
    ours, theirs = os.pipe()

    def work() -> None:
        noted, fresh = Journal(folder, CLOCK, file_bytes=2000), numbered()
        while True:
            number = next(fresh)
            noted.note(Entry("a", "view", subject=number))
            os.write(theirs, f"{number}\n".encode())  # the answer

    pid = forked(work)
    os.close(theirs)
    with os.fdopen(ours) as answers:
        heard = [answers.readline() for _ in range(random.Random(seed).randint(1, 400))]
        os.kill(pid, signal.SIGKILL)
        acknowledged = int([*heard, *answers][-1])
    assert ended(pid) == -signal.SIGKILL
    found = told(url, folder, key)
    assert found == [str(number) for number in range(len(found))]
    assert len(found) > acknowledged


def test_sealers_of_several_processes_share_the_work(url: str, folder: Path, key: Key) -> None:
    def note(start: int) -> None:
        noted = Journal(folder, CLOCK, file_bytes=3000)
        for number in range(start, start + 100):
            noted.note(Entry("a", "view", subject=str(number)))
        noted.close()

    def seal() -> None:
        db, mine = Database(url), keys.load(folder / "key.pem")
        for _ in range(8):
            ledger.seal(db, folder, CLOCK, mine, Rhythm(20, 0.0))

    children = [forked(lambda start=start: note(start)) for start in (0, 100)]  # type: ignore[misc]
    children += [forked(seal) for _ in range(2)]
    assert [ended(pid) for pid in children] == [0, 0, 0, 0]
    assert sorted(map(int, told(url, folder, key))) == list(range(200))
