"""Messages are kept before anything else, done once, sent in order, and shown and repaired within reach."""

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from lamelle.access.model import WHOLE, Reach
from lamelle.access.room import SYSTEM
from lamelle.audit.tables import pending
from lamelle.base import jobs
from lamelle.base.db import Database
from lamelle.base.errors import Conflict, Invalid, LamelleError, NotFound
from lamelle.lab import messages
from lamelle.lab.messages import Arrived, Asked
from lamelle.lab.room import Lab, LabSettings
from lamelle.testing.archives import SetClock

ONE = Arrived("LIS", 1, b"MSH|one", "1", "OML^O21")
ELSEWHERE = Reach(places=frozenset({2}))


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def lab(catalogue_url: str, clock: SetClock) -> Any:
    db = Database(catalogue_url)
    db.migrate()
    yield Lab(db, clock, LabSettings())
    db.close()


def row(lab: Lab, number: int) -> Any:
    with lab.db.read() as conn:
        return messages.one(conn, WHOLE, number)


def queued(lab: Lab, key: str, raw: bytes = b"MSH|x", peer: str = "LIS") -> int | None:
    with lab.db.write() as conn:
        return messages.put(conn, lab, peer, 1, key, Arrived(peer, 1, raw, key, "ORU^R01"), "25P1")


def waiting_jobs(lab: Lab) -> list[tuple[str, str]]:
    with lab.db.read() as conn:
        return [(found.kind, found.key) for found in conn.execute(sa.select(jobs.job))]


def test_the_same_message_is_kept_once_and_answered_as_before(lab: Lab) -> None:
    first = messages.keep(lab, ONE)
    assert first.answer is None
    messages.settle(lab, first.id, "done", answer=b"AA")
    assert messages.keep(lab, ONE) == messages.Kept(first.id, b"AA")


def test_what_failed_is_tried_again_when_it_comes_again(lab: Lab) -> None:
    first = messages.keep(lab, ONE)
    messages.settle(lab, first.id, "error", code="x", reason="y", answer=b"AE")
    assert messages.keep(lab, ONE) == messages.Kept(first.id, None)


def test_a_number_used_again_for_something_else_is_another_message(lab: Lab) -> None:
    first = messages.keep(lab, ONE)
    messages.settle(lab, first.id, "done", answer=b"AA")
    assert messages.keep(lab, replace(ONE, raw=b"MSH|two")).answer is None
    assert messages.keep(lab, replace(ONE, peer="OTHER")).answer is None


def test_what_was_kept_and_not_done_is_left(lab: Lab) -> None:
    kept = [messages.keep(lab, replace(ONE, control=str(n))).id for n in range(3)]
    messages.settle(lab, kept[1], "done", answer=None)
    assert messages.left(lab) == [kept[0], kept[2]]


def test_news_are_queued_once_and_sent_in_order(lab: Lab, clock: SetClock) -> None:
    first, second = queued(lab, "image:1"), queued(lab, "image:2", b"MSH|y")
    assert queued(lab, "image:1") is None
    assert waiting_jobs(lab) == [(messages.SEND, "hl7_send:LIS")]
    found = messages.next_for(lab, "LIS")
    assert found is not None
    assert found.id == first
    messages.answered(lab, found.id, b"AE", "AE no", 2)
    assert messages.next_for(lab, "LIS") is None, "it waits, and those behind it too"
    clock.move(60)
    messages.answered(lab, found.id, b"AE", "AE no", 2)
    assert row(lab, found.id).state == "dead"
    after = messages.next_for(lab, "LIS")
    assert after is not None
    assert after.id == second
    messages.answered(lab, after.id, b"AA", "", 2)
    assert row(lab, after.id).state == "sent"
    assert messages.next_for(lab, "LIS") is None


def test_a_queue_goes_on_after_growing_waits(lab: Lab, clock: SetClock) -> None:
    number = queued(lab, "image:1")
    with lab.db.write() as conn:
        conn.execute(sa.delete(jobs.job))
    messages.go_on(lab, "LIS", 3, "peer_unreachable: x")
    with lab.db.read() as conn:
        assert conn.execute(sa.select(jobs.job.c.run_at)).scalar_one() == clock.now() + timedelta(seconds=20)
    assert number is not None
    assert row(lab, number).reason == "peer_unreachable: x"


def test_a_person_repairs_replays_and_resends(lab: Lab) -> None:
    came = messages.keep(lab, ONE).id
    with pytest.raises(Conflict, match="in work"):
        messages.replay(lab, WHOLE, SYSTEM, came)
    messages.settle(lab, came, "error", code="missing_field", reason="x", answer=b"AE")
    messages.repair(lab, WHOLE, SYSTEM, came, "MSH|repaired")
    assert (row(lab, came).state, row(lab, came).repaired, row(lab, came).raw) == ("received", "MSH|repaired", ONE.raw)
    assert (messages.TAKE, f"hl7_take:{came}") in waiting_jobs(lab)
    sent = queued(lab, "image:1")
    assert sent is not None
    messages.answered(lab, sent, b"AE", "no", 1)
    messages.resend(lab, WHOLE, SYSTEM, sent)
    assert (row(lab, sent).state, row(lab, sent).attempts) == ("waiting", 0)
    with lab.db.read() as conn:
        entries = conn.execute(sa.select(pending.c.entry)).scalars().all()
    assert [word in entry for word, entry in zip(("repair", "resend"), entries, strict=True)] == [True, True]


@pytest.mark.parametrize(
    ("verb", "direction", "code"),
    [(messages.resend, "in", "not_ours"), (messages.replay, "out", "not_received")],
)
def test_what_came_is_not_resent_nor_what_we_sent_replayed(lab: Lab, verb: Any, direction: str, code: str) -> None:
    number = messages.keep(lab, ONE).id if direction == "in" else queued(lab, "image:1")
    with pytest.raises(LamelleError) as refused:
        verb(lab, WHOLE, SYSTEM, number)
    assert refused.value.code == code


def test_messages_out_of_reach_do_not_exist(lab: Lab) -> None:
    number = messages.keep(lab, ONE).id
    messages.settle(lab, number, "error", answer=None)
    with lab.db.read() as conn:
        assert messages.listed(conn, ELSEWHERE, Asked()) == ([], 0)
        assert messages.state(conn, ELSEWHERE, lab.clock.now(), {}) == []
        with pytest.raises(NotFound):
            messages.one(conn, ELSEWHERE, number)
    with pytest.raises(NotFound):
        messages.repair(lab, ELSEWHERE, SYSTEM, number, "MSH|x")
    with pytest.raises(Invalid):
        messages.repair(lab, WHOLE, SYSTEM, number, "PID|1")


def test_lists_are_filtered_and_the_newest_first(lab: Lab, clock: SetClock) -> None:
    for n in range(5):
        clock.move(1)
        number = messages.keep(lab, replace(ONE, control=str(n), kind="ADT^A08" if n % 2 else "OML^O21")).id
        messages.settle(lab, number, "done" if n < 4 else "error", answer=None, accession=f"25P{n}_")
    with lab.db.read() as conn:
        rows, total = messages.listed(conn, WHOLE, Asked(limit=2))
        assert ([found.control for found in rows], total) == (["4", "3"], 5)
        assert messages.listed(conn, WHOLE, Asked(kind="ADT"))[1] == 2
        assert messages.listed(conn, WHOLE, Asked(state="error", direction="in", peer="LIS"))[1] == 1
        assert [found.control for found in messages.listed(conn, WHOLE, Asked(q="25P2"))[0]] == ["2"]
        assert [found.control for found in messages.listed(conn, WHOLE, Asked(q="3"))[0]] == ["3"]
        assert messages.listed(conn, WHOLE, Asked(q="25P%"))[1] == 0


def test_silence_is_an_alarm(lab: Lab, clock: SetClock) -> None:
    number = messages.keep(lab, ONE).id
    messages.settle(lab, number, "done", answer=None)
    queued(lab, "image:1", peer="OTHER")
    with lab.db.read() as conn:
        found = messages.state(conn, WHOLE, clock.now(), {"LIS": 60, "NEVER": 5})
        assert [(one.peer, one.silent, dict(one.counts)) for one in found] == [
            ("LIS", False, {"done": 1}),
            ("NEVER", True, {}),
            ("OTHER", False, {"waiting": 1}),
        ]
        assert (found[0].today_in, found[2].today_out, found[2].oldest_waiting) == (1, 1, clock.now())
        clock.move(61)
        assert messages.state(conn, WHOLE, clock.now(), {"LIS": 60})[0].silent


def test_queues_are_woken_at_a_start(lab: Lab, tmp_path: Path) -> None:
    queued(lab, "image:1")
    with lab.db.write() as conn:
        conn.execute(sa.delete(jobs.job))
    messages.wake(lab)
    assert sorted(waiting_jobs(lab)) == [(messages.PURGE, messages.PURGE), (messages.SEND, "hl7_send:LIS")]


# -- how long what was said is kept -----------------------------------------------------------------------------------

DAY_S = 86400


def content(lab: Lab, number: int) -> tuple[Any, ...]:
    found = row(lab, number)
    return found.raw, found.repaired, found.answer, found.reason


def next_purge(lab: Lab) -> datetime:
    with lab.db.read() as conn:
        this = sa.select(jobs.job.c.run_at).where(jobs.job.c.kind == messages.PURGE)
        found: datetime = conn.execute(this).scalar_one()
        return found


@pytest.mark.parametrize(("state", "purged"), [*((one, True) for one in messages.SETTLED), ("error", False)])
def test_what_is_settled_long_ago_is_emptied_and_remembered(
    lab: Lab, clock: SetClock, state: str, purged: bool
) -> None:
    number = messages.keep(lab, ONE).id
    messages.settle(lab, number, state, code="c", reason="DUPONT", answer=b"AA", accession="25P1")
    whole = content(lab, number)
    clock.move(10 * DAY_S)
    messages.purge(lab, 10, {})
    assert content(lab, number) == whole, "not a moment too early"
    clock.move(1)
    messages.purge(lab, 10, {})
    assert content(lab, number) == ((b"", None, None, "") if purged else whole)
    left = row(lab, number)
    assert (left.state, left.code, left.accession, left.control) == (state, "c", "25P1", "1")
    assert next_purge(lab) == clock.now() + timedelta(days=1, seconds=-1), "the job asked for first"


def test_what_waits_is_never_emptied(lab: Lab, clock: SetClock) -> None:
    received, waiting, dead = messages.keep(lab, ONE).id, queued(lab, "image:1"), queued(lab, "image:2", b"MSH|y")
    assert waiting is not None
    assert dead is not None
    messages.answered(lab, dead, b"AE", "no", 1)
    clock.move(1000 * DAY_S)
    messages.purge(lab, 1, {})
    assert [row(lab, number).purged_at for number in (received, waiting, dead)] == [None] * 3
    assert row(lab, waiting).raw == b"MSH|x"


def test_a_purge_goes_in_batches(lab: Lab, clock: SetClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "BATCH", 2)
    numbers = [messages.keep(lab, replace(ONE, control=str(n))).id for n in range(5)]
    for number in numbers:
        messages.settle(lab, number, "done", answer=b"AA")
    clock.move(2 * DAY_S)
    runner = jobs.Runner(lab.db, {messages.PURGE: partial(messages.purge, lab, 1)}, clock)
    messages.wake(lab)
    assert runner.run_pending() == 3
    assert {row(lab, number).raw for number in numbers} == {b""}
    assert next_purge(lab) == clock.now() + timedelta(days=1)


def test_with_no_days_everything_is_kept(lab: Lab, clock: SetClock) -> None:
    number = messages.keep(lab, ONE).id
    messages.settle(lab, number, "done", answer=b"AA")
    clock.move(10_000 * DAY_S)
    runner = jobs.Runner(lab.db, {messages.PURGE: partial(messages.purge, lab, 0)}, clock)
    messages.wake(lab)
    assert (runner.run_pending(), runner.run_pending()) == (1, 0)
    assert row(lab, number).raw == ONE.raw
    assert waiting_jobs(lab) == []


def purged(lab: Lab, clock: SetClock, number: int) -> int:
    clock.move(2 * DAY_S)
    messages.purge(lab, 1, {})
    assert row(lab, number).purged_at == clock.now()
    return number


def test_news_that_were_purged_are_not_told_again(lab: Lab, clock: SetClock) -> None:
    sent = queued(lab, "image:1")
    assert sent is not None
    messages.answered(lab, sent, b"AA", "", 2)
    purged(lab, clock, sent)
    assert queued(lab, "image:1") is None
    assert queued(lab, "image:1", b"MSH|composed anew") is None


def test_what_was_purged_is_not_done_sent_or_repaired_again(lab: Lab, clock: SetClock) -> None:
    came, sent = messages.keep(lab, ONE).id, queued(lab, "image:1")
    assert sent is not None
    messages.settle(lab, came, "done", answer=b"AA")
    messages.answered(lab, sent, b"AA", "", 2)
    purged(lab, clock, came)
    for verb in (
        partial(messages.replay, lab, WHOLE, SYSTEM, came),
        partial(messages.resend, lab, WHOLE, SYSTEM, sent),
        partial(messages.repair, lab, WHOLE, SYSTEM, came, "MSH|x"),
    ):
        with pytest.raises(Conflict, match="keep_days") as refused:
            verb()
        assert refused.value.code == "message_purged"


def test_a_purged_message_that_comes_again_is_kept_anew(lab: Lab, clock: SetClock) -> None:
    number = messages.keep(lab, ONE).id
    messages.settle(lab, number, "done", answer=b"AA")
    purged(lab, clock, number)
    assert messages.keep(lab, ONE) == messages.Kept(number)
    assert messages.left(lab) == [number], "it is done even if its process dies"
    assert (row(lab, number).raw, row(lab, number).purged_at) == (ONE.raw, None)
    messages.settle(lab, number, "done", answer=b"AA")
    purged(lab, clock, number)


# -- what monitoring asks ---------------------------------------------------------------------------------------------


def test_what_waits_is_counted_by_peer_and_for_whom(lab: Lab) -> None:
    came = [messages.keep(lab, replace(ONE, control=str(n))).id for n in range(3)]
    messages.settle(lab, came[0], "done", answer=None)
    messages.settle(lab, came[1], "error", answer=None)
    out = [queued(lab, f"image:{n}", b"MSH|%d" % n, peer="GAM") for n in range(3)]
    for number, attempts in zip(out[:2], (1, 2), strict=True):
        assert number is not None
        messages.answered(lab, number, b"AE", "no", attempts)
    with lab.db.read() as conn:
        assert messages.backlog(conn) == {
            ("LIS", "waiting"): 1,
            ("LIS", "error"): 1,
            ("GAM", "waiting"): 2,
            ("GAM", "error"): 1,
        }


def test_what_waits_is_sought_among_what_waits(lab: Lab) -> None:
    asked: list[tuple[str, Any]] = []
    with lab.db.read() as conn:
        if conn.dialect.name != "sqlite":
            pytest.skip("PostgreSQL sees for itself that an index of a part has all that is sought")
        sa.event.listen(conn.engine, "before_cursor_execute", lambda *given: asked.append((given[2], given[3])))
        messages.backlog(conn)
    messages.left(lab)
    messages.next_for(lab, "LIS")
    found = [one for one in asked if "FROM message" in one[0]]
    assert len(found) == 3
    with lab.db.read() as conn:
        for statement, values in found:
            plan = conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values).all()
            assert "ix_message_todo" in str(plan)


def test_silence_is_asked_of_those_that_must_speak(lab: Lab, clock: SetClock) -> None:
    messages.keep(lab, ONE)
    queued(lab, "image:1", peer="GAM")
    with lab.db.read() as conn:
        asked = {"LIS": 60.0, "GAM": 60.0, "QUIET": 0.0}
        assert messages.silent(conn, clock.now(), asked) == {"LIS": False, "GAM": True}
        clock.move(61)
        assert messages.silent(conn, clock.now(), asked) == {"LIS": True, "GAM": True}
