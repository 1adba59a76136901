"""Commitment: kept before it is answered, promised only what is here, answered by one reporter at a time."""

from collections.abc import Sequence

import pytest
import sqlalchemy as sa

from lamelle.access.model import WHOLE
from lamelle.archive import commitment
from lamelle.archive.commitment import Reason, Reference
from lamelle.archive.model import instance_key
from lamelle.archive.store import Archive
from lamelle.base.errors import NotFound
from lamelle.base.ids import uid_from
from lamelle.base.jobs import job
from lamelle.testing.archives import SetClock, store, stored
from lamelle.testing.instances import CT, SLIDE, instance


def ref(number: int = 1, sop_class: str = CT) -> Reference:
    return Reference(sop_class, uid_from("instance", "1", "1", str(number)))


def check(archive: Archive, number: int) -> commitment.Report:
    return commitment.check(archive.db, archive.clock, archive.blobs, WHOLE, number)


def ask(archive: Archive, references: Sequence[Reference], uid: str = "1.2") -> int:
    return commitment.ask(archive.db, archive.clock, "SCANNER", uid, references)


def waiting(archive: Archive) -> list[float]:
    """Seconds from now until each job is due."""
    with archive.db.read() as conn:
        rows = conn.execute(sa.select(job.c.run_at).where(job.c.kind == commitment.JOB).order_by(job.c.run_at))
        return [(at - archive.clock.now()).total_seconds() for at in rows.scalars()]


def test_only_what_is_here_is_promised(archive: Archive) -> None:
    stored(archive, [instance(number=1), instance(number=2)])
    [outcome] = store(archive, instance(number=3))
    archive.blobs.delete(instance_key(outcome.digest))
    asked = [ref(1), ref(9), ref(2, SLIDE), ref(3)]
    report = check(archive, ask(archive, asked))
    assert (report.transaction_uid, report.requester) == ("1.2", "SCANNER")
    assert report.committed == (ref(1),)
    assert report.failed == (
        (ref(9), Reason.NO_SUCH_INSTANCE),
        (ref(2, SLIDE), Reason.CLASS_INSTANCE_CONFLICT),
        (ref(3), Reason.PROCESSING_FAILURE),
    )


def test_bytes_that_are_fewer_than_they_were_are_not_promised(archive: Archive) -> None:
    [outcome] = store(archive, instance())
    archive.blobs.put(instance_key(outcome.digest), b"short", overwrite=True)
    [(_, reason)] = check(archive, ask(archive, [ref()])).failed
    assert reason is Reason.PROCESSING_FAILURE


def test_the_same_request_is_answered_again(archive: Archive) -> None:
    number = ask(archive, [ref(1), ref(2)])
    commitment.delivered(archive.db, number)
    assert not commitment.take(archive.db, archive.clock, number)
    assert ask(archive, [ref(1), ref(2)]) == number
    assert commitment.take(archive.db, archive.clock, number)
    assert commitment.counts(archive.db) == {"asked": 1}


def test_a_transaction_used_for_other_instances_fails_them(archive: Archive) -> None:
    stored(archive, [instance()])
    first = ask(archive, [ref(1)])
    second = ask(archive, [ref(1), ref(2)])
    report = check(archive, second)
    assert [reason for _, reason in report.failed] == [Reason.DUPLICATE_TRANSACTION] * 2 and not report.committed
    assert check(archive, first).committed == (ref(1),)
    other = commitment.ask(archive.db, archive.clock, "OTHER", "1.2", [ref(1)])
    assert check(archive, other).committed == (ref(1),), "a UID of another requester"


def test_one_reporter_at_a_time(archive: Archive, clock: SetClock) -> None:
    number = ask(archive, [ref()])
    assert commitment.take(archive.db, clock, number)
    assert not commitment.take(archive.db, clock, number)
    clock.move(commitment.LEASE.total_seconds() + 1)
    assert commitment.take(archive.db, clock, number), "the first one died"
    commitment.hand_on(archive.db, number)
    assert commitment.take(archive.db, clock, number)


def test_a_report_is_tried_for_days_with_growing_waits(archive: Archive, clock: SetClock) -> None:
    number = ask(archive, [ref()])
    assert waiting(archive) == [10]
    with archive.db.write() as conn:
        conn.execute(sa.delete(job))
    waits = []
    for _ in range(12):
        assert commitment.take(archive.db, clock, number)
        commitment.postpone(archive.db, clock, number, "peer_unreachable")
        waits += waiting(archive)
        with archive.db.write() as conn:
            conn.execute(sa.delete(job))
    assert waits == [10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600, 3600]
    clock.move(8 * 86400)
    commitment.postpone(archive.db, clock, number, "peer_unreachable")
    assert commitment.counts(archive.db) == {"dead": 1} and waiting(archive) == []
    commitment.postpone(archive.db, clock, 99, "no such request")


def test_a_node_that_starts_takes_up_what_was_open(archive: Archive) -> None:
    number = ask(archive, [ref()])
    ask(archive, [ref(2)], "1.3")
    commitment.delivered(archive.db, number)
    with archive.db.write() as conn:
        conn.execute(sa.delete(job))
    commitment.wake(archive.db, archive.clock)
    assert len(waiting(archive)) == 1


def test_answered_requests_are_forgotten_in_time(archive: Archive, clock: SetClock) -> None:
    commitment.delivered(archive.db, ask(archive, [ref()]))
    clock.move(31 * 86400)
    ask(archive, [ref(2)], "1.3")
    assert commitment.counts(archive.db) == {"asked": 1}
    with archive.db.read() as conn:
        assert len(conn.execute(sa.select(commitment.commitment_item)).all()) == 1
    with pytest.raises(NotFound):
        check(archive, 99)
