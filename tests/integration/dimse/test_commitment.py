"""Storage commitment: on the same association, and to pynetdicom on a new one after a restart."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any

import pytest
from pydicom import Dataset
from pynetdicom import AE, evt

from lamelle.base.ids import new_uid, uid_from
from lamelle.doors.dimse import association, datasets
from lamelle.doors.dimse.association import Association, Proposal
from lamelle.doors.dimse.commands import N_ACTION, Command
from lamelle.doors.dimse.node import TEXT
from lamelle.doors.dimse.settings import DimseSettings, Peer
from lamelle.testing import dcmtk
from lamelle.testing.client import Client
from lamelle.testing.instances import CT, SLIDE, instance
from lamelle.testing.node import Node

PUSH, WELL_KNOWN = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"
Reports = SimpleQueue[tuple[int, Dataset]]


@pytest.fixture(scope="module")
def port() -> int:
    return dcmtk.free_port()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Node]:
    peers = [{"aet": "SCANNER", "host": dcmtk.HOST, "port": port, "rights": ["store", "commit"]}]
    environment = {"LAMELLE_DIMSE_PEERS": json.dumps(peers), "LAMELLE_DIMSE_WORKERS": "1"}
    folder = tmp_path_factory.mktemp("commit") / "data"
    with Node(folder, workers=1, dimse=True, environment=environment | {"LAMELLE_JOBS_POLL_S": "0.1"}) as node:
        with Client(node.url) as client:
            assert len(client.store(*(instance(number=n) for n in (1, 2))).kept) == 2
        yield node


def request(*references: tuple[str, str], transaction: str | None = None) -> Dataset:
    made = Dataset()
    made.TransactionUID = transaction or new_uid()
    made.ReferencedSOPSequence = []
    for sop_class, uid in references:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, uid
        made.ReferencedSOPSequence.append(item)
    return made


def uid(number: int) -> str:
    return uid_from("instance", "1", "1", str(number))


class Scanner:
    """Asks for commitment on an association of its own, and hears the report there."""

    def __init__(self, made: Association) -> None:
        self._association, self._context = made, made.contexts[1]

    def ask(self, made: Dataset, action: int = 1, instance_uid: str = WELL_KNOWN) -> int | None:
        command = Command(
            N_ACTION,
            message_id=self._association.next_message_id(),
            requested_sop_class_uid=PUSH,
            requested_sop_instance_uid=instance_uid,
            action_type_id=action,
        )
        self._association.send(
            self._context.id, command, datasets.write(made.to_json_dict(), self._context.transfer_syntax)
        )
        answer = self._association.receive(30)
        assert answer is not None
        return answer.command.status

    def hear(self) -> tuple[int | None, Dataset]:
        report = self._association.receive(30)
        assert report is not None
        said = Dataset.from_json(dict(datasets.read(report).item))
        self._association.send(self._context.id, report.command.answer(0x0000))
        return report.command.event_type_id, said


@contextmanager
def scanner(node: Node) -> Iterator[Scanner]:
    peer = Peer("LAMELLE", dcmtk.HOST, node.dimse_port)
    with association.connect(peer, [Proposal(PUSH, TEXT)], DimseSettings(aet="SCANNER")) as made:
        yield Scanner(made)


def test_the_report_comes_on_the_same_association(node: Node) -> None:
    with scanner(node) as asking:
        made = request((CT, uid(1)), (CT, uid(2)))
        assert asking.ask(made) == 0x0000
        kind, said = asking.hear()
    assert kind == 1 and said.TransactionUID == made.TransactionUID and "FailedSOPSequence" not in said
    assert [item.ReferencedSOPInstanceUID for item in said.ReferencedSOPSequence] == [uid(1), uid(2)]
    assert said.RetrieveAETitle == "LAMELLE"


def test_what_is_not_here_is_not_promised(node: Node) -> None:
    with scanner(node) as asking:
        made = request((CT, uid(1)), (CT, uid(9)), (SLIDE, uid(2)))
        assert asking.ask(made) == 0x0000
        kind, said = asking.hear()
        again = request((CT, uid(2)), transaction=made.TransactionUID)
        assert asking.ask(again) == 0x0000
        _, duplicate = asking.hear()
    assert kind == 2
    assert [(item.ReferencedSOPInstanceUID, item.FailureReason) for item in said.FailedSOPSequence] == [
        (uid(9), 0x0112),
        (uid(2), 0x0119),
    ]
    assert [item.ReferencedSOPInstanceUID for item in said.ReferencedSOPSequence] == [uid(1)]
    assert [item.FailureReason for item in duplicate.FailedSOPSequence] == [0x0131]


def test_requests_that_are_none_are_refused(node: Node) -> None:
    with scanner(node) as asking:
        assert asking.ask(request((CT, uid(1))), action=2) == 0x0123
        assert asking.ask(request((CT, uid(1))), instance_uid="1.2.3") == 0x0112
        assert asking.ask(request()) == 0x0115


@contextmanager
def listening(port: int, reports: Reports) -> Iterator[None]:
    ae = AE("SCANNER")
    ae.add_supported_context(PUSH, scu_role=True, scp_role=True)

    def report(event: evt.Event) -> tuple[int, None]:
        reports.put((event.event_type, event.event_information))
        return 0x0000, None

    handlers: list[Any] = [(evt.EVT_N_EVENT_REPORT, report)]
    server = ae.start_server((dcmtk.HOST, port), block=False, evt_handlers=handlers)
    assert server is not None
    try:
        yield
    finally:
        server.shutdown()


def test_after_a_release_and_a_restart_it_comes_on_a_new_association(node: Node, port: int) -> None:
    reports: Reports = SimpleQueue()
    made = request((CT, uid(1)), (CT, uid(9)))
    with scanner(node) as asking:
        assert asking.ask(made) == 0x0000
    node.stop()
    with listening(port, reports):
        node.start()
        kind, said = reports.get(timeout=60)
    assert kind == 2 and said.TransactionUID == made.TransactionUID
