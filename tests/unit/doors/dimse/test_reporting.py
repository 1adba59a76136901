"""Commitment reports and forwarding, between two archives in one process."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from lamelle.access.model import WHOLE
from lamelle.archive import commitment as requests
from lamelle.archive import forwarding as queues
from lamelle.archive.commitment import Reference
from lamelle.archive.model import Origin
from lamelle.archive.settings import ForwardRule
from lamelle.base.ids import uid_from
from lamelle.base.jobs import job
from lamelle.dicom.transfer import DEFLATED
from lamelle.doors.dimse import asking, commitment, datasets, forwarding, services
from lamelle.doors.dimse.association import Answer, Association, Proposal
from lamelle.doors.dimse.commands import N_ACTION, Command
from lamelle.doors.dimse.identifiers import STUDY_ROOT, Rank
from lamelle.doors.dimse.node import Node
from lamelle.testing.archives import SetClock, stored
from lamelle.testing.associations import Network
from lamelle.testing.instances import CT, instance, slide


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commitment, "PAUSE_S", 0.0)


def ref(number: int) -> Reference:
    return Reference(CT, uid_from("instance", "1", "1", str(number)))


def states(node: Node) -> dict[str, int]:
    return requests.counts(node.archive.db)


def test_we_ask_and_are_told_at_once(node: Node, other: Node) -> None:
    stored(other.archive, [instance(number=1)])
    peer = node.settings.peer("OTHER")
    assert peer is not None
    assert asking.commit(node, peer, [ref(1)], 5.0) == 0
    assert asking.commit(node, peer, [ref(1), ref(2)], 5.0) == 1
    assert states(other) == {"delivered": 2}


def test_a_deflated_request_is_read(node: Node, other: Node, network: Network) -> None:
    item = {
        commitment.TRANSACTION: {"vr": "UI", "Value": ["1.2"]},
        commitment.REFERENCED: {"vr": "SQ", "Value": [commitment.reference(ref(number)) for number in range(20)]},
    }
    peer = node.settings.peer("OTHER")
    assert peer is not None
    with network.connect(peer, [Proposal(commitment.PUSH_MODEL, (DEFLATED,))], node.settings) as association:
        asked = Command(
            N_ACTION, 1, requested_sop_instance_uid=commitment.WELL_KNOWN, action_type_id=commitment.REQUEST
        )
        association.send(1, asked, datasets.write(item, DEFLATED))
        assert association.answer(asked).command.status == 0
        report = association.receive()
        assert report is not None and commitment.failures(report) == 20
        association.send(1, report.command.answer(0))


def test_the_job_reports_on_an_association_of_its_own(node: Node, other: Node) -> None:
    number = requests.ask(node.archive.db, node.archive.clock, "OTHER", "1.2", [ref(1)])
    commitment.deliver(node, {"id": number})
    assert states(node) == {"delivered": 1}
    commitment.deliver(node, {"id": number})
    commitment.deliver(node, {"id": 99})
    assert states(node) == {"delivered": 1}


def test_a_report_that_fails_is_tried_again(node: Node, clock: SetClock, make: Callable[..., Node]) -> None:
    number = requests.ask(node.archive.db, clock, "OTHER", "1.2", [ref(1)])
    unknown = requests.ask(node.archive.db, clock, "WHO", "1.3", [ref(1)])
    for one in (number, unknown):
        commitment.deliver(node, {"id": one})
    assert states(node) == {"asked": 2}
    with node.archive.db.read() as conn:
        table = requests.commitment
        reasons = conn.execute(sa.select(table.c.reason, table.c.attempts).order_by(table.c.id)).all()
    assert [(row.reason.split(":")[0], row.attempts) for row in reasons] == [
        ("peer_unreachable", 1),
        ("unknown_peer", 1),
    ]
    make("OTHER")
    commitment.deliver(node, {"id": number})
    assert states(node) == {"asked": 1, "delivered": 1}


def test_a_requester_that_refuses_the_report_gets_it_again(
    node: Node, other: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(at: Node, opened: Association, message: Any) -> None:
        message.skip()
        opened.send(message.context.id, message.command.answer(0x0110))

    row = services.SERVICES[commitment.PUSH_MODEL]
    monkeypatch.setitem(services.SERVICES, commitment.PUSH_MODEL, replace(row, handler=refuse))
    number = requests.ask(node.archive.db, node.archive.clock, "OTHER", "1.2", [ref(1)])
    commitment.deliver(node, {"id": number})
    assert states(node) == {"asked": 1}


# -- forwarding --------------------------------------------------------------------------------------------------------


def store(node: Node, *files: bytes) -> None:
    for data in files:
        with node.archive.ingest.receive(Origin("dimse", "SCANNER")) as reception:
            reception.write(data)
            reception.close()
            node.archive.ingest.commit([reception])


def waiting(node: Node) -> list[tuple[str, int, int]]:
    return [(line.destination, line.waiting, line.dead) for line in queues.queue(node.archive.db)]


def jobs_of(node: Node) -> list[float]:
    with node.archive.db.read() as conn:
        rows = conn.execute(sa.select(job.c.run_at).where(job.c.kind == queues.JOB)).scalars()
        return [(at - node.archive.clock.now()).total_seconds() for at in rows]


def done(node: Node) -> None:
    """The job that `drain` stands for is over."""
    with node.archive.db.write() as conn:
        conn.execute(sa.delete(job).where(job.c.kind == queues.JOB))


@pytest.fixture
def sending(make: Callable[..., Node]) -> Node:
    return make("LAMELLE", ForwardRule("OTHER"))


def test_what_was_fetched_from_a_peer_does_not_go_back_to_it(sending: Node, other: Node) -> None:
    stored(other.archive, [instance()])
    peer = sending.settings.peer("OTHER")
    assert peer is not None
    study = {"0020000D": {"vr": "UI", "Value": [uid_from("study", "1")]}}
    *_, last = asking.get(sending, peer, STUDY_ROOT, Rank.STUDY, study)
    assert last.completed == 1 and waiting(sending) == []


def test_a_queue_goes_out_in_one_association(
    sending: Node, other: Node, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding, "SETTLED", 2)
    store(sending, *(instance(number=number) for number in range(1, 6)), slide([b"\xff\xd8"], "2"))
    done(sending)
    forwarding.drain(sending, {"to": "OTHER", "failures": 0})
    assert waiting(sending) == [] and jobs_of(sending) == [] and network.count == 1
    assert len(other.archive.retrieve.instances(WHOLE, uid_from("study", "1"))) == 5
    assert len(other.archive.retrieve.instances(WHOLE, uid_from("study", "2"))) == 1


def test_a_destination_that_is_off_is_tried_later(sending: Node, clock: SetClock, make: Callable[..., Node]) -> None:
    store(sending, instance())
    done(sending)
    forwarding.drain(sending, {"to": "OTHER", "failures": 3})
    assert waiting(sending) == [("OTHER", 1, 0)] and jobs_of(sending) == [40]
    make("OTHER")
    done(sending)
    forwarding.drain(sending, {"to": "OTHER", "failures": 4})
    assert waiting(sending) == []


def test_what_a_destination_refuses_does_not_hold_up_the_rest(
    sending: Node, other: Node, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = services.judge
    monkeypatch.setattr(
        services,
        "judge",
        lambda offer, peer: judge(offer, peer) if offer.abstract_syntax == CT else Answer(3),
    )
    store(sending, slide([b"\xff\xd8"], "2"), instance())
    done(sending)
    forwarding.drain(sending, {"to": "OTHER"})
    assert waiting(sending) == [("OTHER", 1, 0)] and jobs_of(sending) == [5]
    [line] = queues.queue(sending.archive.db)
    assert "does not accept" in line.reason


def test_a_stop_in_the_middle_repeats_only_what_was_not_answered(
    sending: Node, other: Node, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(sending, *(instance(number=number) for number in range(1, 6)))
    first, count = services.answer, [0]

    def dies(at: Node, opened: Association, message: Any) -> None:
        count[0] += 1
        if count[0] > 3:
            del network.nodes["OTHER"]
            opened.abort()
            return
        first(at, opened, message)

    monkeypatch.setattr(services, "answer", dies)
    done(sending)
    forwarding.drain(sending, {"to": "OTHER"})
    assert waiting(sending) == [("OTHER", 2, 0)] and jobs_of(sending) == [5]
    monkeypatch.setattr(services, "answer", first)
    network.join(other)
    done(sending)
    before = count[0]
    forwarding.drain(sending, {"to": "OTHER", "failures": 1})
    assert waiting(sending) == [] and before == 4
    assert len(other.archive.retrieve.instances(WHOLE, uid_from("study", "1"))) == 5


def test_a_node_that_stops_leaves_the_rest_in_the_queue(sending: Node, other: Node) -> None:
    store(sending, *(instance(number=number) for number in (1, 2, 3)))
    done(sending)
    stop = threading.Event()
    stop.set()
    forwarding.drain(sending, {"to": "OTHER"}, stop)
    assert waiting(sending) == [("OTHER", 2, 0)] and jobs_of(sending) == [0]


def test_a_destination_nobody_knows_waits(make: Callable[..., Node]) -> None:
    node = make("LAMELLE", ForwardRule("NOBODY"))
    store(node, instance())
    done(node)
    forwarding.drain(node, {"to": "NOBODY"})
    assert waiting(node) == [("NOBODY", 1, 0)] and jobs_of(node) == [5]
