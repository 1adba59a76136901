"""Forwarding: queued with what is kept, once for each destination, until it is there."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from lamelle.access.model import WHOLE
from lamelle.archive import forwarding, lifecycle
from lamelle.archive.forwarding import Line
from lamelle.archive.model import Origin
from lamelle.archive.settings import ArchiveSettings, ForwardRule
from lamelle.archive.store import Archive
from lamelle.base.ids import uid_from
from lamelle.base.jobs import job
from lamelle.testing.archives import SetClock
from lamelle.testing.instances import CT, SLIDE, instance, slide

RULES = (
    ForwardRule("PACS"),
    ForwardRule("PACS", modalities=("CT",)),
    ForwardRule("SLIDES", sop_classes=(SLIDE,)),
    ForwardRule("WEB", modalities=("CT", "MR"), doors=("dicomweb",)),
)


@pytest.fixture
def sending(settings: ArchiveSettings, clock: SetClock) -> Iterator[Archive]:
    opened = Archive.open(replace(settings, forward=RULES), clock)
    yield opened
    opened.close()


def store(archive: Archive, data: bytes, door: str = "dimse", detail: str = "SCANNER") -> str:
    with archive.ingest.receive(Origin(door, detail)) as reception:
        reception.write(data)
        reception.close()
        [outcome] = archive.ingest.commit([reception])
    return str(outcome.sop_instance_uid)


def queued(archive: Archive) -> dict[str, int]:
    return {line.destination: line.waiting for line in forwarding.queue(archive.db)}


def job_of(archive: Archive, destination: str) -> Any:
    with archive.db.read() as conn:
        return conn.execute(sa.select(job).where(job.c.key == f"forward:{destination}")).first()


def forget_jobs(archive: Archive) -> None:
    with archive.db.write() as conn:
        conn.execute(sa.delete(job))


def test_rules_say_what_goes_where(sending: Archive) -> None:
    store(sending, instance("1"))
    assert queued(sending) == {"PACS": 1}, "once, although two rules say so"
    store(sending, instance("2"), "dicomweb")
    assert queued(sending) == {"PACS": 2, "WEB": 1}
    store(sending, slide([b"ab"], "3"))
    assert queued(sending) == {"PACS": 3, "WEB": 1, "SLIDES": 1}
    store(sending, instance("4"), detail="PACS")
    assert queued(sending)["PACS"] == 3, "never back to who sent it"
    store(sending, instance("1"))
    assert queued(sending)["PACS"] == 3, "a duplicate is no news"


def test_without_rules_nothing_is_queued(archive: Archive) -> None:
    store(archive, instance())
    assert forwarding.queue(archive.db) == [] and job_of(archive, "PACS") is None


def test_a_series_makes_one_job(sending: Archive, clock: SetClock) -> None:
    uids = [store(sending, instance(number=number)) for number in (1, 2, 3)]
    assert (job_of(sending, "PACS").run_at - clock.now()).total_seconds() == 2
    due = forwarding.due(sending.db, clock, WHOLE, "PACS", 2)
    assert [one.sop_uid for one in due] == uids[:2] and all(one.instance_id for one in due)
    [last] = forwarding.due(sending.db, clock, WHOLE, "PACS", 2, after=due[-1].id)
    assert last.sop_uid == uids[2]


def test_what_arrived_leaves_and_what_was_refused_waits(sending: Archive, clock: SetClock) -> None:
    for number in (1, 2):
        store(sending, instance(number=number))
    first, second = forwarding.due(sending.db, clock, WHOLE, "PACS", 10)
    forwarding.settle(sending.db, clock, [first.id], {second.id: "0xA700"})
    assert forwarding.due(sending.db, clock, WHOLE, "PACS", 10) == []
    forget_jobs(sending)
    forwarding.go_on(sending.db, clock, "PACS", 0)
    assert (job_of(sending, "PACS").run_at - clock.now()).total_seconds() == 5
    clock.move(5)
    assert forwarding.due(sending.db, clock, WHOLE, "PACS", 10) == [second]
    for _ in range(forwarding.ATTEMPTS - 1):
        forwarding.settle(sending.db, clock, [], {second.id: "0xA700"})
    clock.move(86400)
    assert forwarding.due(sending.db, clock, WHOLE, "PACS", 10) == []
    [line] = forwarding.queue(sending.db)
    assert (line.waiting, line.dead, line.reason) == (0, 1, "0xA700")
    forget_jobs(sending)
    assert forwarding.retry(sending.db, clock, "PACS") == 1
    assert forwarding.due(sending.db, clock, WHOLE, "PACS", 10) == [second] and job_of(sending, "PACS") is not None


def test_a_silent_destination_costs_no_attempt(sending: Archive, clock: SetClock) -> None:
    store(sending, instance())
    waits = []
    for failures in range(1, 12):
        forget_jobs(sending)
        forwarding.go_on(sending.db, clock, "PACS", failures, "peer_unreachable")
        waits.append((job_of(sending, "PACS").run_at - clock.now()).total_seconds())
    assert waits == [5, 10, 20, 40, 80, 160, 320, 640, 1280, 1800, 1800]
    assert forwarding.queue(sending.db) == [Line("PACS", 1, 0, clock.now(), "peer_unreachable")]
    store(sending, instance(number=2))
    assert (job_of(sending, "PACS").run_at - clock.now()).total_seconds() == 1800, "news does not hammer a dead peer"
    forwarding.retry(sending.db, clock)
    assert job_of(sending, "PACS").run_at == clock.now(), "a person does"


def test_an_empty_queue_needs_no_job(sending: Archive, clock: SetClock) -> None:
    forwarding.go_on(sending.db, clock, "PACS", 0)
    assert job_of(sending, "PACS") is None


def test_what_is_deleted_is_told_and_what_comes_back_goes_again(sending: Archive, clock: SetClock) -> None:
    store(sending, instance())
    lifecycle.delete(sending.db, sending.blobs, clock, WHOLE, uid_from("study", "1"))
    [one] = forwarding.due(sending.db, clock, WHOLE, "PACS", 10)
    assert one.instance_id is None
    forwarding.settle(sending.db, clock, [], {one.id: "gone"})
    store(sending, instance())
    [one] = forwarding.due(sending.db, clock, WHOLE, "PACS", 10)
    assert one.instance_id is not None


def test_a_node_that_starts_takes_up_its_queues(sending: Archive, clock: SetClock) -> None:
    store(sending, instance(), "dicomweb")
    forget_jobs(sending)
    forwarding.wake(sending.db, clock)
    assert job_of(sending, "PACS") is not None and job_of(sending, "WEB") is not None and CT
