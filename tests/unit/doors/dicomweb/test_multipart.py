"""The streaming parser against any content and any chunking."""

from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamelle.base.errors import Invalid, TooLarge
from lamelle.doors.dicomweb import multipart
from lamelle.doors.dicomweb.multipart import Parser, PartBegin, PartData

Parts = list[tuple[dict[str, str], bytes]]
# Content made of what delimiters are made of is the hard content.
BOUNDARY = "b-1"
content = st.lists(st.sampled_from([b"\r", b"\n", b"-", b"--", b"b", b"1", b"\r\n--b", b"\r\n--b-", b"x"])).map(
    b"".join
)


def parsed(chunks: Iterable[bytes], boundary: str = BOUNDARY) -> Parts:
    parser = Parser(boundary)
    parts: Parts = []
    for chunk in chunks:
        for event in parser.feed(chunk):
            if isinstance(event, PartBegin):
                parts.append((dict(event.headers), b""))
            elif isinstance(event, PartData):
                parts[-1] = (parts[-1][0], parts[-1][1] + bytes(event.data))
    parser.finish()
    return parts


def cut(data: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    at = 0
    for size in sizes:
        yield data[at : at + size]
        at += size
    yield data[at:]


@given(st.lists(content.filter(lambda c: b"\r\n--b-1" not in b"\r\n" + c), max_size=5), st.lists(st.integers(0, 9)))
def test_any_content_in_any_chunks_comes_back(bodies: list[bytes], sizes: list[int]) -> None:
    headers = [("Content-Type", "application/dicom")]
    data = b"".join(multipart.written(BOUNDARY, [(headers, [body]) for body in bodies]))
    if bodies:
        assert parsed(cut(data, sizes)) == [({"content-type": "application/dicom"}, body) for body in bodies]
        assert parsed(data[n : n + 1] for n in range(len(data))) == parsed([data])


def test_preamble_epilogue_padding_folded_and_missing_headers() -> None:
    first = b"hello\r\n--b-1 \t\r\nA: b\r\n  c\r\nCONTENT-ID : d\r\n\r\none"
    data = first + b"\r\n--b-1\r\n\r\ntwo\r\n--b-1--\r\nbye\r\n--b-1\r\n"
    assert parsed([data]) == [({"a": "b c", "content-id": "d"}, b"one"), ({}, b"two")]


def test_a_longer_boundary_is_data() -> None:
    data = b"--b-1\r\n\r\none\r\n--b-12\r\n\r\ntwo\r\n--b-1--"
    assert parsed([data]) == [({}, b"one\r\n--b-12\r\n\r\ntwo")]
    assert parsed(data[n : n + 1] for n in range(len(data))) == [({}, b"one\r\n--b-12\r\n\r\ntwo")]


@pytest.mark.parametrize("end", [b"", b"\r\n", b"\r\n--b-1", b"\r\n--b-1-", b"\r\n--b-1\r\n", b"\r\n--b-2--"])
def test_a_body_without_its_closing_delimiter_is_an_error(end: bytes) -> None:
    with pytest.raises(Invalid) as caught:
        parsed([b"--b-1\r\n\r\none" + end])
    assert caught.value.code == "bad_multipart"


def test_headers_are_bounded() -> None:
    with pytest.raises(TooLarge):
        parsed([b"--b-1\r\n", *([b"a: bcdefgh\r\n"] * 10_000)])


def test_a_body_of_another_boundary_is_given_up_early() -> None:
    parser = Parser(BOUNDARY)
    with pytest.raises(Invalid):
        for _ in range(1000):
            list(parser.feed(b"x" * 1000))


@pytest.mark.parametrize("boundary", ["", "x" * 201, "a\r\nb", "é"])
def test_boundaries_that_are_none(boundary: str) -> None:
    with pytest.raises(Invalid):
        Parser(boundary)


def test_the_parser_holds_little_whatever_the_content() -> None:
    parser = Parser(BOUNDARY)
    assert [type(event) for event in parser.feed(b"--b-1\r\n\r\n")] == [PartBegin]
    for _ in range(100):
        given_back = sum(len(event.data) for event in parser.feed(b"\r\n--b-" * 100) if isinstance(event, PartData))
        assert given_back >= 600 - 2 * len(BOUNDARY) - 8
