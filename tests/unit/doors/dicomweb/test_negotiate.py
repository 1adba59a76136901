"""Which representation is chosen, and that no header breaks the choice. Source: PS3.18 8.7."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamelle.dicom import transfer
from lamelle.doors import http
from lamelle.doors.dicomweb.frames import Answers, numbers
from lamelle.doors.dicomweb.negotiate import Choice, choose, frame_offers, instance_offers
from lamelle.doors.http import NotAcceptable

JPEG = "1.2.840.10008.1.2.4.50"
LOSSLESS = "1.2.840.10008.1.2.4.70"
EVLE = "1.2.840.10008.1.2.1"
KINDS = (
    "multipart/related",
    "image/jpeg",
    "image/*",
    "*/*",
    "application/octet-stream",
    "application/dicom",
    "text/html",
)
SAID = ('type="image/jpeg"', "type=application/octet-stream", "transfer-syntax=*", f"transfer-syntax={EVLE}", "q=0.3")
tokens = st.sampled_from((*KINDS, *SAID))
headers = st.one_of(
    st.text(max_size=60),
    st.lists(st.lists(tokens, min_size=1, max_size=4).map("; ".join), max_size=4).map(", ".join),
)


def chosen(accept: str, syntax: str, *, one: bool = True) -> Choice:
    return choose(http.accept(accept), frame_offers(syntax), one=one)


@settings(max_examples=60, deadline=None)
@given(headers, st.sampled_from(sorted(transfer.TABLE)), st.booleans())
def test_any_header_gives_an_offer_or_406(header: str, syntax: str, one: bool) -> None:
    for offers in (frame_offers(syntax), instance_offers(syntax)):
        try:
            choice = choose(http.accept(header), offers, one=one)
        except NotAcceptable as error:
            assert error.available
            continue
        assert choice.offer in offers
        assert choice.multipart or one


@settings(max_examples=60, deadline=None)
@given(headers, st.sampled_from(sorted(transfer.TABLE)))
def test_the_fast_path_agrees_with_the_slow_one(header: str, syntax: str) -> None:
    answer = Answers(strict=False).find(header.encode("utf-8"), syntax)
    if answer is None:
        return
    choice = chosen(header.encode().decode("latin-1") if header.strip() else "*/*", syntax)
    assert choice.offer.stored
    assert bool(answer.boundary) is choice.multipart


def test_the_fast_path_remembers_a_bounded_number_of_headers() -> None:
    answers = Answers(strict=False)
    for number in range(10_000):
        answers.find(b"image/jpeg; n=%d" % number, JPEG)
    assert len(answers._known) <= 4096
    assert answers.find(b"", JPEG) is not None
    assert Answers(strict=True).find(b"", JPEG) is None


@pytest.mark.parametrize(
    ("accept", "syntax", "media_type", "stored"),
    [
        ("*/*", JPEG, "image/jpeg", True),
        ("multipart/related; type=image/jpeg", LOSSLESS, "image/jpeg", True),
        ("multipart/related; type=application/octet-stream", JPEG, "application/octet-stream", False),
        ("multipart/related; type=application/octet-stream; transfer-syntax=*", JPEG, "application/octet-stream", True),
        ("multipart/related; type=image/x-jls", "1.2.840.10008.1.2.4.80", "image/jls", True),
        ("multipart/related; type=image/x-dicom-rle", "1.2.840.10008.1.2.5", "image/dicom-rle", True),
        ("*/*", "1.2.840.10008.1.2", "application/octet-stream", True),
        ("*/*", "1.2.840.10008.1.2.2", "application/octet-stream", False),
        ("*/*", "1.2.840.10008.1.2.8.1", "application/octet-stream", False),
        ("text/html, multipart/related; type=image/jxl; q=0.1", "1.2.840.10008.1.2.4.111", "image/jxl", True),
    ],
)
def test_frames_are_as_stored_unless_asked(accept: str, syntax: str, media_type: str, stored: bool) -> None:
    offer = chosen(accept, syntax).offer
    assert (offer.media_type, offer.stored) == (media_type, stored)


@pytest.mark.parametrize("accept", [f"image/jpeg; transfer-syntax={LOSSLESS}", "image/jls", "", "application/dicom"])
def test_there_is_no_other_compression(accept: str) -> None:
    with pytest.raises(NotAcceptable) as caught:
        chosen(accept, JPEG)
    assert f'multipart/related; type="image/jpeg"; transfer-syntax={JPEG}' in caught.value.available


def test_a_single_part_is_for_one_item() -> None:
    assert chosen("image/jpeg", JPEG).multipart is False
    with pytest.raises(NotAcceptable):
        chosen("image/jpeg", JPEG, one=False)
    assert chosen("image/jpeg, */*;q=0.1", JPEG, one=False).multipart is True


def test_frame_lists() -> None:
    assert numbers("1,7,7,12") == [1, 7, 7, 12]
