"""Frames come out whole however the connection chops them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamelle.base.errors import Invalid, TooLarge
from lamelle.doors.hl7 import mllp
from lamelle.doors.hl7.mllp import Frames

BODY = st.binary(min_size=1, max_size=40).filter(
    lambda data: not {0x0B, 0x1C} & set(data) and data.strip(b"\r\n ") == data
)


@given(
    st.lists(BODY, max_size=5), st.lists(st.integers(1, 7), min_size=1), st.sampled_from([b"\r", b"", b"\n", b"\r\n"])
)
def test_messages_come_out_as_they_went_in(bodies: list[bytes], sizes: list[int], end: bytes) -> None:
    stream = b"".join(b"\x0b" + body + b"\x1c" + end for body in bodies)
    frames, found, at, turn = Frames(100), [], 0, 0
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        found += list(frames.feed(stream[at : at + size]))
        at, turn = at + size, turn + 1
    assert found == bodies
    assert not frames.begun


def test_what_lacks_its_start_is_a_message_too() -> None:
    assert list(Frames(100).feed(b"GARBAGE\x1c\r\x0bMSH\x1c\r\r\n\x1c\r")) == [b"GARBAGE", b"MSH"]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_what_is_too_long_is_told_once_and_skipped(size: int) -> None:
    frames, stream = Frames(20), b"\x0b" + b"x" * 100 + b"\x1c\r\x0bMSH\x1c\r"
    found = [one for at in range(0, len(stream), size) for one in frames.feed(stream[at : at + size])]
    assert [type(one) for one in found] == [TooLarge, bytes]
    assert found[1] == b"MSH"
    assert not frames.begun


def test_a_message_of_just_the_limit_is_taken() -> None:
    assert list(Frames(5).feed(b"\x0b12345\x1c\r")) == [b"12345"]
    assert [type(one) for one in Frames(5).feed(b"\x0b123456\x1c\r")] == [TooLarge]


@pytest.mark.parametrize("raw", [b"", b"MSH|^~\\&|a\rPID|1", b"<html>"])
def test_an_answer_names_what_it_answers(raw: bytes) -> None:
    assert mllp.answered(b"MSH|^~\\&|a\rMSA|AA|7\r") == "7"
    with pytest.raises(Invalid) as refused:
        mllp.answered(raw)
    assert refused.value.code == "bad_answer"


def test_what_is_skipped_is_not_held() -> None:
    frames = Frames(20)
    for _ in range(50):
        list(frames.feed(b"x" * 30))
    assert len(frames._held) <= 30
    assert frames.begun
