"""C-FIND message by message: what is answered, where it ends."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from lamelle.dicom import encode, json
from lamelle.doors.dimse import asking, association
from lamelle.doors.dimse.association import Aborted, Association, Proposal
from lamelle.doors.dimse.commands import C_CANCEL, C_ECHO, C_FIND, Command, Status
from lamelle.doors.dimse.identifiers import FIND, STUDY_ROOT, Rank
from lamelle.doors.dimse.node import TEXT, Node
from lamelle.testing.archives import stored
from lamelle.testing.associations import Network
from lamelle.testing.instances import instance

STUDY_FIND = STUDY_ROOT + FIND


@contextmanager
def opened(node: Node, asker: Node) -> Iterator[tuple[Association, Callable[[], None]]]:
    """An association for searching, and what sends the query."""
    peer = node.settings.peer("LAMELLE")
    assert peer is not None
    with association.connect(peer, [Proposal(STUDY_FIND, TEXT)], asker.settings) as made:
        context = made.contexts[1]
        item = {"00080052": {"vr": "CS", "Value": ["STUDY"]}, "0020000D": {"vr": "UI"}}

        def ask() -> None:
            command = Command(C_FIND, message_id=7, affected_sop_class_uid=STUDY_FIND, priority=0)
            made.send(context.id, command, encode.encode(item, context.transfer_syntax))

        yield made, ask


def statuses(made: Association) -> list[int | None]:
    found: list[int | None] = []
    while not found or found[-1] in (Status.PENDING, Status.PENDING_WARNING):
        message = made.receive()
        assert message is not None
        message.skip()
        assert message.command.message_id_responded_to == 7
        found.append(message.command.status)
    return found


@pytest.fixture
def held(network: Network) -> threading.Event:
    """The answering side waits for it before it reads."""
    gate, first = threading.Event(), network.answering

    def waits(node: Node, opened: Association) -> None:
        gate.wait(10)
        first(node, opened)

    network.answering = waits
    return gate


def test_the_limit_ends_a_search(node: Node, other: Node) -> None:
    stored(node.archive, [instance(str(number)) for number in range(5)])
    with opened(node, other) as (made, ask):
        ask()
        assert statuses(made) == [Status.PENDING] * 5 + [Status.SUCCESS]
        stored(node.archive, [instance("5")])
        ask()
        assert statuses(made) == [Status.PENDING] * 5 + [Status.LIMIT_REACHED]


def test_a_search_is_cancelled(node: Node, other: Node, held: threading.Event) -> None:
    stored(node.archive, [instance(str(number)) for number in range(5)])
    with opened(node, other) as (made, ask):
        ask()
        made.send(1, Command(C_CANCEL, message_id_responded_to=7))
        held.set()
        assert statuses(made) == [Status.CANCEL]
        ask()
        made.send(1, Command(C_CANCEL, message_id_responded_to=6))
        assert statuses(made)[-1] == Status.SUCCESS, "it was another request's"


def test_another_request_meanwhile_breaks_the_protocol(node: Node, other: Node, held: threading.Event) -> None:
    stored(node.archive, [instance()])
    with pytest.raises(Aborted), opened(node, other) as (made, ask):
        ask()
        made.send(1, Command(C_ECHO, message_id=8, affected_sop_class_uid="1.2.840.10008.1.1"))
        held.set()
        statuses(made)


def test_character_sets_are_those_the_asker_reads(node: Node, other: Node) -> None:
    stored(node.archive, [instance(PatientName="Léa^Œ")])
    peer = node.settings.peer("LAMELLE")
    assert peer is not None
    [found] = asking.find(peer, replace(other.settings), STUDY_ROOT, Rank.STUDY, asking.keys_of(["PatientName=*œ"]))
    assert json.text(found, "00100010") == "Léa^Œ"


def test_a_time_zone_is_told_and_not_matched(node: Node, other: Node) -> None:
    stored(node.archive, [instance(TimezoneOffsetFromUTC="+0100")])
    peer = node.settings.peer("LAMELLE")
    assert peer is not None
    keys = asking.keys_of(["TimezoneOffsetFromUTC=+0500", "StudyDescription"])
    [found] = asking.find(peer, other.settings, STUDY_ROOT, Rank.STUDY, keys)
    assert found["00080201"]["Value"] == ["+0100"] and found["00081030"] == {"vr": "LO"}
