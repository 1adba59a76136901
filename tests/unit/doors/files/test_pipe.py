"""The messages between a reader and its parent, and every way they can be wrong."""

import io
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamelle.base.errors import Invalid
from lamelle.doors.files import pipe
from lamelle.doors.files.pipe import CHUNK_BYTES, HEAD, MAGIC, Kind, Sender


def frame(kind: int, payload: bytes = b"", instance: int = 0) -> bytes:
    return HEAD.pack(MAGIC, kind, bytes(3), instance, len(payload)) + payload


def read(stream: bytes, step: int = 1 << 30) -> list[tuple[Kind, int, bytes]]:
    source = io.BytesIO(stream)

    def read_into(buffer: memoryview) -> int:
        return source.readinto(buffer[:step])

    return [(m.kind, m.instance, bytes(m.payload)) for m in pipe.messages(read_into)]


@contextmanager
def sent(write: Callable[[Sender], object]) -> Iterator[list[bytes]]:
    """What a sender puts on a real pipe, which takes less than a chunk at once."""
    ours, theirs = os.pipe()
    got: list[bytes] = []

    def drain() -> None:
        while data := os.read(ours, 1 << 16):
            got.append(data)

    thread = threading.Thread(target=drain)
    thread.start()
    try:
        write(Sender(theirs))
    finally:
        os.close(theirs)
        thread.join()
        os.close(ours)
    yield got


BEGUN = frame(Kind.BEGIN, b'{"name":"a"}')
GOOD = BEGUN + frame(Kind.CHUNK, b"xyz") + frame(Kind.END) + frame(Kind.FACTS, b"{}") + frame(Kind.DONE)


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
def test_a_conversation_reads_the_same_in_any_step(step: int) -> None:
    kinds = [kind for kind, _, _ in read(GOOD, step)]
    assert kinds == [Kind.BEGIN, Kind.CHUNK, Kind.END, Kind.FACTS, Kind.DONE]


@given(st.lists(st.binary(max_size=200), max_size=20), st.binary(max_size=50))
def test_what_writers_send_comes_out_whole(parts: list[bytes], other: bytes) -> None:
    def write(sender: Sender) -> None:
        with sender.begin("one") as one, sender.begin("two") as two:
            two.write(other)
            for part in parts:
                one.write(part)
        sender.control(Kind.DONE)

    with sent(write) as got:
        heard = read(b"".join(got))
    bodies = [b"".join(p for k, i, p in heard if k is Kind.CHUNK and i == number) for number in (0, 1)]
    assert bodies == [b"".join(parts), other]


def test_large_writes_are_cut_into_chunks_and_small_ones_gathered() -> None:
    large = os.urandom(2 * CHUNK_BYTES + 5)

    def write(sender: Sender) -> None:
        with sender.begin("large") as writer:
            writer.write(b"ab")
            writer.write(b"cd")
            writer.write(memoryview(large))
        sender.control(Kind.DONE)

    with sent(write) as got:
        chunks = [p for k, _, p in read(b"".join(got)) if k is Kind.CHUNK]
    assert b"".join(chunks) == b"abcd" + large
    assert [len(chunk) for chunk in chunks] == [4, CHUNK_BYTES, CHUNK_BYTES, 5]


def test_a_writer_left_by_an_error_does_not_end_its_instance() -> None:
    def write(sender: Sender) -> None:
        with pytest.raises(ValueError, match="broken"), sender.begin("a"):
            raise ValueError("broken")
        sender.control(Kind.DONE)

    with sent(write) as got, pytest.raises(Invalid) as caught:
        read(b"".join(got))
    assert caught.value.code == "reader_garbage"


@pytest.mark.parametrize(
    "stream",
    [
        b"printed by a library\n",
        frame(99),
        frame(0),
        b"LMP2" + GOOD[4:],
        HEAD.pack(MAGIC, Kind.DONE, b"\1\0\0", 0, 0),
        frame(Kind.CHUNK, b"x"),
        frame(Kind.END),
        frame(Kind.BEGIN, b"{}", 1),
        BEGUN + BEGUN,
        BEGUN + frame(Kind.END, b"x"),
        BEGUN + frame(Kind.DONE),
        BEGUN + frame(Kind.END) + frame(Kind.CHUNK, b"x"),
        frame(Kind.FACTS, b"{}", 3),
        HEAD.pack(MAGIC, Kind.CHUNK, bytes(3), 0, CHUNK_BYTES + 1),
        HEAD.pack(MAGIC, Kind.FACTS, bytes(3), 0, 1 << 31),
        GOOD + frame(Kind.DONE),
        GOOD + b"printed at exit".ljust(HEAD.size),
    ],
)
def test_what_breaks_the_grammar_is_garbage(stream: bytes) -> None:
    with pytest.raises(Invalid) as caught:
        read(stream)
    assert caught.value.code == "reader_garbage"


@pytest.mark.parametrize("end", range(len(GOOD)))
def test_a_stream_that_ends_early_is_a_crash(end: int) -> None:
    with pytest.raises(Invalid) as caught:
        read(GOOD[:end])
    assert caught.value.code == "reader_crashed"


def test_too_many_open_instances_are_garbage() -> None:
    many = b"".join(frame(Kind.BEGIN, b"{}", number) for number in range(pipe.OPEN_INSTANCES + 1))
    with pytest.raises(Invalid) as caught:
        read(many)
    assert caught.value.code == "reader_garbage"


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b"\xff", b"[" * 60_000])
def test_control_messages_are_json_objects(text: bytes) -> None:
    with pytest.raises(Invalid):
        pipe.Message(Kind.FACTS, 0, memoryview(text)).json()


def garbled() -> st.SearchStrategy[bytes]:
    """Bytes of no kind at all, and good streams with one cut, change or insertion."""
    places = st.integers(0, len(GOOD))
    changed = st.builds(
        lambda at, new, drop: GOOD[:at] + new + GOOD[at + drop :], places, st.binary(), st.integers(0, 9)
    )
    frames = st.builds(frame, st.integers(0, 9), st.binary(max_size=9), st.integers(0, 2))
    return st.one_of(st.binary(), changed, st.lists(frames).map(b"".join))


@given(garbled())
def test_any_bytes_are_read_or_refused_with_a_code(stream: bytes) -> None:
    try:
        heard = read(stream)
    except Invalid as error:
        assert error.code in {"reader_garbage", "reader_crashed"}
    else:
        assert heard[-1][0] in pipe.LAST
