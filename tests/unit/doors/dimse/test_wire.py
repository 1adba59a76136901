"""P-DATA however it is cut: what goes in at one end comes out at the other; garbage ends in Aborted alone."""

import socket
import struct
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamelle.doors.dimse import wire
from lamelle.doors.dimse.settings import DimseSettings
from lamelle.doors.dimse.wire import Aborted, Wire, cut

SETTINGS = DimseSettings(network_timeout_s=5, max_pdu_bytes=1 << 20)
PATTERN = bytes(range(251)) * 280
SIZES = st.lists(st.integers(0, 70_000), min_size=1, max_size=12)


def fed(data: bytes, cuts: list[int]) -> tuple[Wire, threading.Thread, socket.socket]:
    """A wire that is sent `data` in segments ending at `cuts`, then an end of file."""
    ours, theirs = socket.socketpair()

    def send() -> None:
        at = 0
        try:
            for end in [*sorted(cuts), len(data)]:
                theirs.sendall(data[at:end])
                at = max(at, end)
        except OSError:
            pass
        finally:
            theirs.close()

    thread = threading.Thread(target=send)
    thread.start()
    return Wire(ours, SETTINGS), thread, ours


def message(pieces: list[bytes], together: list[bool]) -> bytes:
    """Fragments of one data set in context 5; `together`: in the PDU of the one before."""
    fragments = [
        struct.pack(">IBB", len(piece) + 2, 5, 2 if at + 1 == len(pieces) else 0) + piece
        for at, piece in enumerate(pieces)
    ]
    pdus = [fragments[0]]
    for fragment, joined in zip(fragments[1:], together, strict=False):
        if joined and len(pdus[-1]) + len(fragment) <= SETTINGS.max_pdu_bytes:
            pdus[-1] += fragment
        else:
            pdus.append(fragment)
    return b"".join(struct.pack(">BxI", 4, len(pdu)) + pdu for pdu in pdus)


@settings(max_examples=60, deadline=None)
@given(SIZES, st.lists(st.booleans(), min_size=12, max_size=12), st.data())
def test_however_it_is_cut_the_data_set_is_whole(sizes: list[int], together: list[bool], draw: st.DataObject) -> None:
    pieces = [PATTERN[at : at + size] for at, size in enumerate(sizes)]
    data = message(pieces, together)
    cuts = draw.draw(st.lists(st.integers(0, len(data)), max_size=6))
    line, thread, sock = fed(data, cuts)
    with sock:
        found, last, before, was = bytearray(), False, memoryview(b""), b""
        while not last:
            view, last = line.gathered(5)
            assert bytes(before) == was  # what was given out before is as it was
            before, was = view, bytes(view)
            found += view
    thread.join()
    assert found == b"".join(pieces)


def test_what_was_given_out_last_stays_while_more_comes() -> None:
    whole = PATTERN * 80
    line, thread, sock = fed(
        message([whole[at : at + 65_000] for at in range(0, len(whole), 65_000)], [False] * 99), []
    )
    with sock:
        last, before, was = False, memoryview(b""), b""
        while not last:
            view, last = line.gathered(5)
            assert bytes(before) == was
            before, was = view, bytes(view)
    thread.join()


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400) | st.integers(0, 8).flatmap(lambda kind: st.binary(max_size=60).map(
    lambda rest: struct.pack(">BxI", kind, len(rest)) + rest)), st.booleans())  # fmt: skip
def test_garbage_is_aborted(data: bytes, within: bool) -> None:
    line, thread, sock = fed(data, [])
    with sock, pytest.raises(Aborted):
        while True:
            if within:
                line.gathered(5)
                continue
            kind, length = line.next_pdu(1)
            if kind == wire.P_DATA:
                line.fragment()
                line.pass_over(0)
            else:
                assert len(line.control(length)) == length
    thread.join()


def test_memory_grows_with_what_has_come_not_with_what_is_said() -> None:
    line, thread, sock = fed(struct.pack(">BxI", 1, wire.MAX_CONTROL) + bytes(10), [])
    with sock:
        kind, length = line.next_pdu(1)
        assert (kind, length) == (wire.ASSOCIATE_RQ, wire.MAX_CONTROL)
        with pytest.raises(Aborted, match="closed"):
            line.control(length)
    thread.join()


@pytest.mark.parametrize("length", [0, 5, SETTINGS.max_pdu_bytes + 1, 0xFFFFFFFF])
def test_a_length_that_cannot_be_is_refused_at_once(length: int) -> None:
    line, thread, sock = fed(struct.pack(">BxI", 4, length), [])
    with sock, pytest.raises(Aborted, match="agreed"):
        line.next_pdu(1)
    thread.join()


@given(st.lists(st.binary(max_size=50), max_size=8), st.integers(1, 60))
def test_pieces_are_full_but_for_the_last(chunks: list[bytes], room: int) -> None:
    found = [(b"".join(piece), last) for piece, last in cut(chunks, room)]
    assert b"".join(piece for piece, _ in found) == b"".join(chunks)
    assert [last for _, last in found] == [False] * (len(found) - 1) + [True]
    assert all(len(piece) == room for piece, _ in found[:-1])
