"""Leased jobs: once done, again after failure or death, with the dead after too many."""

import threading
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from lamelle.base import events, jobs
from lamelle.base.db import Database
from lamelle.base.errors import Invalid
from lamelle.base.jobs import Runner, job
from lamelle.base.settings import JobSettings
from lamelle.testing.archives import SetClock

SETTINGS = JobSettings(lease_s=30, attempts=3, backoff_s=10, poll_s=0.01)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def db(catalogue_url: str) -> Iterator[Database]:
    opened = Database(catalogue_url)
    opened.migrate()
    yield opened
    opened.close()


def ask(db: Database, clock: SetClock, number: int = 1, **options: Any) -> None:
    with db.write() as conn:
        jobs.enqueue(conn, "work", {"n": number}, clock=clock, **options)


def rows(db: Database) -> list[sa.Row[Any]]:
    with db.read() as conn:
        return list(conn.execute(sa.select(job).order_by(job.c.id)).all())


def test_runs_once_and_leaves_nothing(db: Database, clock: SetClock) -> None:
    seen: list[int] = []
    for n in range(3):
        ask(db, clock, n)
    runner = Runner(db, {"work": lambda p: seen.append(p["n"])}, clock, SETTINGS)
    assert (runner.run_pending(), runner.run_pending()) == (3, 0)
    assert seen == [0, 1, 2] and rows(db) == []


def test_priority_and_time(db: Database, clock: SetClock) -> None:
    seen: list[int] = []
    ask(db, clock, 1, priority=5)
    ask(db, clock, 2, priority=1)
    ask(db, clock, 3, run_at=clock.now() + timedelta(seconds=60))
    runner = Runner(db, {"work": lambda p: seen.append(p["n"])}, clock, SETTINGS)
    assert runner.run_pending() == 2 and seen == [2, 1]
    clock.move(60)
    assert runner.run_pending() == 1 and seen == [2, 1, 3]


def test_rolled_back_with_what_asked_for_it(db: Database, clock: SetClock) -> None:
    with pytest.raises(ZeroDivisionError), db.write() as conn:
        jobs.enqueue(conn, "work", {}, clock=clock)
        raise ZeroDivisionError
    assert rows(db) == []


def test_a_key_waits_once_but_may_wait_while_it_runs(db: Database, clock: SetClock) -> None:
    ask(db, clock, 1, key="k")
    ask(db, clock, 2, key="k")
    assert len(rows(db)) == 1

    def again(payload: Mapping[str, Any]) -> None:
        if payload["n"] == 1:
            ask(db, clock, 3, key="k")
            raise Invalid("bad", "fails, and a newer one waits")

    runner = Runner(db, {"work": again}, clock, SETTINGS)
    assert runner.run_pending() == 2
    assert rows(db) == []


def test_failures_wait_longer_then_lie_with_the_dead_with_their_reason(db: Database, clock: SetClock) -> None:
    def fail(payload: Mapping[str, Any]) -> None:
        raise Invalid("bad_thing", "it is bad")

    ask(db, clock)
    runner = Runner(db, {"work": fail}, clock, SETTINGS)
    for wait_s in (10, 20):
        assert runner.run_pending() == 1
        [row] = rows(db)
        assert row.state == "todo" and row.run_at - clock.now() == timedelta(seconds=wait_s)
        assert runner.run_pending() == 0
        clock.move(wait_s)
    assert runner.run_pending() == 1
    [row] = rows(db)
    assert (row.state, row.reason, row.attempts) == ("dead", "bad_thing: it is bad", 3)
    clock.move(10_000)
    assert runner.run_pending() == 0


def test_an_unforeseen_error_keeps_its_place_but_not_its_words(db: Database, clock: SetClock) -> None:
    def fail(payload: Mapping[str, Any]) -> None:
        raise KeyError("Doe^Jane")

    ask(db, clock)
    Runner(db, {"work": fail}, clock, SETTINGS).run_pending()
    [row] = rows(db)
    assert row.reason.startswith("KeyError in fail") and "Doe" not in row.reason


def test_the_job_of_a_dead_worker_runs_again(db: Database, clock: SetClock) -> None:
    ask(db, clock)
    dead = Runner(db, {"work": lambda p: None}, clock, SETTINGS)
    assert dead._claim() is not None
    seen: list[int] = []
    runner = Runner(db, {"work": lambda p: seen.append(p["n"])}, clock, SETTINGS)
    assert runner.run_pending() == 0
    clock.move(31)
    runner.run_pending()
    clock.move(10)
    runner.run_pending()
    assert seen == [1] and rows(db) == []


def test_kinds_no_one_handles_wait(db: Database, clock: SetClock) -> None:
    ask(db, clock)
    assert Runner(db, {"other": lambda p: None}, clock, SETTINGS).run_pending() == 0
    assert len(rows(db)) == 1


def test_several_runners_share_the_work(db: Database, clock: SetClock) -> None:
    seen: list[int] = []
    for n in range(40):
        ask(db, clock, n)
    threads = [
        threading.Thread(target=Runner(db, {"work": lambda p: seen.append(p["n"])}, clock, SETTINGS).run_pending)
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == list(range(40)) and rows(db) == []


def test_run_forever_stops_when_told(db: Database, clock: SetClock) -> None:
    stop = threading.Event()
    ask(db, clock)
    Runner(db, {"work": lambda p: stop.set()}, clock, SETTINGS).run_forever(stop)
    assert rows(db) == []


def test_events_become_jobs_of_those_who_asked(db: Database, clock: SetClock) -> None:
    with db.write() as conn:
        events.record(conn, "SlideArrived", {"n": 7}, clock=clock)
        events.record(conn, "Unheard", {}, clock=clock)
    assert events.relay(db, {"SlideArrived": ("work", "other")}, clock) == 2
    assert [(row.kind, row.payload) for row in rows(db)] == [("work", '{"n": 7}'), ("other", '{"n": 7}')]
    assert events.relay(db, {}, clock) == 0


def test_one_job_follows_many_events_of_one_thing(db: Database, clock: SetClock) -> None:
    follow = events.Follow("settle", ("case",), delay_s=30)

    def told(*cases: str) -> list[tuple[str, str]]:
        with db.write() as conn:
            events.record_many(conn, "SlideArrived", [{"case": case, "n": 7} for case in cases], clock=clock)
        events.relay(db, {"SlideArrived": (follow, "work")}, clock)
        return [(row.kind, row.payload) for row in rows(db) if row.kind == "settle"]

    first, second = ("settle", '{"case": "1"}'), ("settle", '{"case": "2"}')
    assert told("1", "1", "2") == [first, second]
    assert told("1") == [first, second], "while one waits no other is added"
    assert Runner(db, {"settle": lambda p: None}, clock, SETTINGS).run_pending() == 0
    clock.move(30)
    assert Runner(db, {"settle": lambda p: None}, clock, SETTINGS).run_pending() == 2
    assert told("1") == [first]


def test_jobs_of_one_key_never_run_side_by_side(db: Database, clock: SetClock) -> None:
    seen: list[int] = []

    def work(payload: Mapping[str, Any]) -> None:
        seen.append(payload["n"])
        if payload["n"] == 1:
            ask(db, clock, 2, key="series")
            ask(db, clock, 3, key="other")
            other = Runner(db, {"work": work}, clock, SETTINGS)
            assert other.run_pending() == 1 and seen == [1, 3], "what has the same key waits"

    ask(db, clock, 1, key="series")
    assert Runner(db, {"work": work}, clock, SETTINGS).run_pending() == 2
    assert seen == [1, 3, 2] and rows(db) == []


@pytest.mark.parametrize(("failures", "seconds"), [(1, 5), (2, 10), (3, 20), (9, 1280), (10, 1800), (5000, 1800)])
def test_each_failure_in_a_row_waits_longer(failures: int, seconds: int) -> None:
    assert jobs.wait(failures, timedelta(seconds=5), timedelta(minutes=30)) == timedelta(seconds=seconds)
