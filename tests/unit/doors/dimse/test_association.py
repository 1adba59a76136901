"""Two associations of ours on a socket pair: what one sends, the other receives, however it is cut."""

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest

from lamelle.base.errors import Denied
from lamelle.doors.dimse import association, commands, negotiation, wire
from lamelle.doors.dimse.association import Aborted, Answer, Association, Offer, Proposal
from lamelle.doors.dimse.commands import Command
from lamelle.doors.dimse.negotiation import Request
from lamelle.doors.dimse.settings import DimseSettings, Peer
from lamelle.doors.dimse.visits import NOBODY, Visit

ECHO, CT = "1.2.840.10008.1.1", "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
SETTINGS = DimseSettings(acse_timeout_s=5, idle_timeout_s=5, network_timeout_s=5)
OTHER = DimseSettings(aet="OTHER")
PEER = Peer("LAMELLE", "127.0.0.1", 1)


class Host:
    """Lets everybody in, for everything."""

    def judge(self, offer: Offer, peer: Peer | None) -> Answer:
        return Answer(0, offer.transfer_syntaxes[0], as_scu=offer.scp_role)

    def welcome(self, request: Request, answers: Sequence[Answer], peer: Peer | None, address: str) -> Visit:
        return NOBODY

    def turn_away(self, request: Request, address: str, why: tuple[int, int, int]) -> None:
        pass


@contextmanager
def pair(
    answering: Callable[[Association], None],
    proposals: tuple[Proposal, ...] = (Proposal(ECHO, (IMPLICIT,)), Proposal(CT, (EXPLICIT,), as_scp=True)),
    settings: DimseSettings = SETTINGS,
    asking: DimseSettings = SETTINGS,
) -> Iterator[Association]:
    """Our side of an association; `answering` runs the other one in a thread."""
    ours, theirs = socket.socketpair()
    failed: list[BaseException] = []

    def run() -> None:
        try:
            with association.accept(theirs, settings, Host()) as other:
                answering(other)
        except BaseException as error:  # noqa: BLE001  raised below
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield association.open_on(ours, PEER, proposals, asking)
    finally:
        ours.close()
        thread.join()
    if failed:
        raise failed[0]


def serve_once(answer: Callable[[Association, association.Message], None]) -> Callable[[Association], None]:
    def run(other: Association) -> None:
        while not other.closed and (message := other.receive()) is not None:
            answer(other, message)

    return run


def test_contexts_and_roles_are_what_both_agreed_on() -> None:
    def look(other: Association) -> None:
        assert (other.calling_aet, other.called_aet) == ("LAMELLE", "LAMELLE")
        assert [(c.abstract_syntax, c.as_scu, c.as_scp) for c in other.contexts.values()] == [
            (ECHO, False, True),
            (CT, True, True),
        ]
        assert other.receive() is None

    with pair(look) as ours:
        assert [(c.id, c.transfer_syntax, c.as_scu, c.as_scp) for c in ours.contexts.values()] == [
            (1, IMPLICIT, True, False),
            (3, EXPLICIT, True, True),
        ]
        assert ours.context_for(CT, EXPLICIT) == ours.contexts[3]
        assert ours.context_for(CT, IMPLICIT) is None
        assert ours.context_for(ECHO, as_scu=False) is None
        ours.release()


@pytest.mark.parametrize("max_pdu", [4096, 65536, 1 << 20])
@pytest.mark.parametrize("size", [0, 1, 4083, 4084, 4085, 300_000, 3_000_001])
def test_data_sets_pass_whole(max_pdu: int, size: int) -> None:
    data = bytes(range(251)) * (size // 251 + 1)
    data = data[:size]
    got: list[bytes] = []

    def answer(other: Association, message: association.Message) -> None:
        got.append(message.read())
        other.send(message.context.id, message.command.answer(0), iter([data[:100], b"", data[100:]]))

    with pair(serve_once(answer), settings=DimseSettings(max_pdu_bytes=max_pdu)) as ours:
        ours.send(3, Command(commands.C_STORE, ours.next_message_id()), data)
        reply = ours.receive()
        assert reply is not None
        assert reply.read() == data
        ours.release()
    assert got == [data]


def test_what_is_not_read_of_a_message_is_passed_over() -> None:
    def answer(other: Association, message: association.Message) -> None:
        next(message.chunks())
        other.send(message.context.id, message.command.answer(message.command.message_id or 0))

    with pair(serve_once(answer)) as ours:
        for number in (1, 2):
            ours.send(3, Command(commands.C_STORE, number), bytes(5_000_000))
            reply = ours.receive()
            assert reply is not None
            assert reply.command.status == number
        ours.release()


def test_an_abort_is_told() -> None:
    def answer(other: Association, message: association.Message) -> None:
        other.abort()

    with pair(serve_once(answer)) as ours:
        with pytest.raises(Aborted) as caught:
            ours.send(1, Command(commands.C_ECHO, 1))
            ours.receive()
        assert caught.value.code == "peer_aborted"
        assert ours.closed


def test_a_cancel_can_be_seen_without_waiting() -> None:
    seen = threading.Event()

    def answer(other: Association, message: association.Message) -> None:
        while not other.waiting():
            pass
        cancel = other.receive()
        assert cancel is not None
        assert cancel.command.command_field == commands.C_CANCEL
        seen.set()

    with pair(serve_once(answer)) as ours:
        assert not ours.waiting()
        ours.send(1, Command(commands.C_FIND, 1))
        ours.send(1, Command(commands.C_CANCEL, message_id_responded_to=1))
        assert seen.wait(5)
        ours.release()


def test_a_source_that_fails_aborts() -> None:
    def broken() -> Iterator[bytes]:
        yield b"abc"
        raise RuntimeError("the disk")

    with pytest.raises(Aborted, match="peer aborted"), pair(serve_once(lambda other, message: None)) as ours:
        with pytest.raises(RuntimeError):
            ours.send(3, Command(commands.C_STORE, 1), broken())
        assert ours.closed


def test_a_rejection_says_why() -> None:
    with pytest.raises(Denied) as caught:
        with pair(lambda other: None, settings=DimseSettings(aet="OTHER")) as _:
            pass
    assert "(1, 1, 7)" in caught.value.message


def test_a_wire_keeps_what_was_not_asked_for() -> None:
    """Several PDUs in one segment."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        line = wire.Wire(ours, SETTINGS)
        theirs.sendall(bytes((5, 0, 0, 0, 0, 4, 0, 0, 0, 0)) * 3)
        for _ in range(3):
            kind, length = line.next_pdu(1)
            assert (kind, line.control(length)) == (wire.RELEASE_RQ, bytes(4))
        assert negotiation.IMPLEMENTATION_NAME.startswith("LAMELLE")
