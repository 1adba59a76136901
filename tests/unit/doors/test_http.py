"""Media ranges, statuses and byte ranges."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamelle.base import errors
from lamelle.doors import http


def test_a_header_is_read_best_first_with_quotes_or_without() -> None:
    ranges = http.accept('application/json;q=0.5, multipart/related; type="application/dicom"; Transfer-Syntax=*')
    assert [media.type for media in ranges] == ["multipart/related", "application/json"]
    assert ranges[0].parameter("type") == "application/dicom"
    assert ranges[0].parameter("transfer-syntax") == "*"
    assert http.accept("multipart/related; type=application/dicom")[0].parameter("type") == "application/dicom"


def test_commas_and_semicolons_inside_of_quotes_do_not_separate() -> None:
    (media,) = http.accept('text/plain; a="x,y;z\\"w"')
    assert media.parameter("a") == 'x,y;z"w'


@pytest.mark.parametrize(
    "header", ["", "nonsense", "/", "a/", "/b", "a/b/c", ";", ",,,", "text /html", "text/html;q=0"]
)
def test_what_cannot_be_read_or_is_unwanted_is_ignored(header: str) -> None:
    assert http.accept(header) == ()


@given(st.text(max_size=200))
def test_no_accept_header_breaks_the_reader(header: str) -> None:
    for media in http.accept(header):
        assert 0 < media.q <= 1
        assert "/" in media.type


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.NotFound("a", ""), 404),
        (errors.Gone("a", ""), 410),
        (errors.Conflict("a", ""), 409),
        (errors.Invalid("a", ""), 400),
        (errors.TooLarge("a", ""), 413),
        (errors.Denied("a", ""), 403),
        (errors.Unsupported("a", ""), 501),
        (errors.Unavailable("a", ""), 503),
        (errors.Unavailable("storage_full", ""), 507),
        (http.NotAcceptable("", []), 406),
    ],
)
def test_each_kind_has_its_status(error: errors.LamelleError, status: int) -> None:
    assert http.status_of(error) == status


def test_a_problem_is_rfc_9457() -> None:
    answer = http.problem(404, "no_such_study", "nothing by that UID")
    assert answer.media_type == "application/problem+json"
    body = json.loads(bytes(answer.body))
    assert body == {
        "type": "about:blank",
        "title": "Not found",
        "status": 404,
        "code": "no_such_study",
        "detail": "nothing by that UID",
    }


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-9", (0, 10)),
        ("bytes=5-", (5, 95)),
        ("bytes=-7", (93, 7)),
        ("bytes=90-500", (90, 10)),
        ("bytes=-500", (0, 100)),
        (None, None),
        ("bytes=1-2,4-5", None),
        ("lines=1-2", None),
        ("bytes=9-1", None),
        ("bytes=-", None),
        ("bytes=a-b", None),
    ],
)
def test_byte_ranges(header: str | None, expected: tuple[int, int] | None) -> None:
    found = http.byte_range(header, 100)
    assert (found and (found.start, found.length)) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_ranges_outside_are_an_error(header: str) -> None:
    with pytest.raises(errors.Invalid) as caught:
        http.byte_range(header, 100)
    assert http.status_of(caught.value) == 416
