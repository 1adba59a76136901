"""Frames decoded in children are those decoded here, and damaged ones cost nobody a server."""

import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import ImageCms

from lamelle.archive import decoding
from lamelle.base.apart import Answer
from lamelle.base.errors import Invalid, LamelleError, TooLarge
from lamelle.dicom import icc, pixels
from lamelle.dicom.pixels import PixelFormat

JPEG = "1.2.840.10008.1.2.4."
RGB = PixelFormat(48, 64, 3, 8, 8, False, "RGB")
DEEP = PixelFormat(48, 64, 1, 16, 12, False, "MONOCHROME2")
NOISE = np.random.default_rng(7)


def samples(form: PixelFormat) -> Any:
    return NOISE.integers(0, 1 << form.bits_stored, form.shape()).astype(form.dtype)


def run_lengths(data: Any) -> bytes:
    planes = [imagecodecs.packbits_encode(data[..., n].tobytes()) for n in range(3)]
    offsets = [64 + sum(map(len, planes[:n])) for n in range(3)]
    return struct.pack("<16L", 3, *offsets, *([0] * 12)) + b"".join(planes)


CODED: list[tuple[str, PixelFormat, Any]] = [
    (f"{JPEG}50", replace(RGB, photometric="YBR_FULL_422"), lambda a: imagecodecs.jpeg8_encode(a, level=90)),
    (
        f"{JPEG}70",
        replace(RGB, photometric="RGB"),
        lambda a: imagecodecs.ljpeg_encode(a[..., 0].copy(), bitspersample=8),
    ),
    (f"{JPEG}80", DEEP, imagecodecs.jpegls_encode),
    (f"{JPEG}90", DEEP, lambda a: imagecodecs.jpeg2k_encode(a, codecformat="j2k", level=0, reversible=True)),
    (f"{JPEG}91", RGB, lambda a: imagecodecs.jpeg2k_encode(a, codecformat="j2k", level=30)),
    (f"{JPEG}110", RGB, lambda a: imagecodecs.jpegxl_encode(a, lossless=True, usecontainer=False)),
    ("1.2.840.10008.1.2.5", RGB, run_lengths),
]


@pytest.mark.parametrize(("syntax", "form", "encode"), CODED, ids=[case[0] for case in CODED])
def test_every_decoder_works_in_a_child_that_can_open_no_file(syntax: str, form: PixelFormat, encode: Any) -> None:
    data = bytes(encode(samples(form)))
    if syntax == f"{JPEG}70":
        form = replace(form, samples=1, photometric="MONOCHROME2")
    here, there = pixels.decode(data, syntax, form), decoding.decode(data, syntax, form)
    assert np.array_equal(here, there)
    assert (here.dtype, here.shape) == (there.dtype, there.shape)


def test_small_ones_too_and_uncompressed_ones_need_none(monkeypatch: pytest.MonkeyPatch) -> None:
    form = PixelFormat(256, 256, 3, 8, 8, False, "YBR_FULL_422")
    data = bytes(imagecodecs.jpeg8_encode(np.full((256, 256, 3), 90, np.uint8)))
    small = decoding.decode_small(data, pixels.JPEG_BASELINE, form, 0.2)
    assert np.array_equal(small, pixels.decode_small(data, pixels.JPEG_BASELINE, form, 0.2))
    assert small.shape == (64, 64, 3)
    monkeypatch.setattr(decoding, "CHILDREN", None)
    native = samples(DEEP)
    assert np.array_equal(decoding.decode(native.tobytes(), "1.2.840.10008.1.2.1", DEEP), native)


def test_profiles_are_read_there_and_bad_ones_count_as_none() -> None:
    picture = samples(RGB)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for given in (
        icc.srgb(),
        profile,
        b"",
        b"no profile",
        icc.srgb()[:200],
        icc.srgb().replace(b"XYZ ", b"\xff\xff\xff\xff"),
    ):
        assert np.array_equal(decoding.to_srgb(picture, given), icc.to_srgb(picture, given))


@pytest.mark.parametrize(("syntax", "form", "encode"), CODED, ids=[case[0] for case in CODED])
def test_damaged_frames_are_errors_or_pictures_and_the_next_one_is_decoded(
    syntax: str, form: PixelFormat, encode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if syntax == f"{JPEG}70":
        form = replace(form, samples=1, photometric="MONOCHROME2")
    whole = bytes(encode(samples(replace(form, samples=3, photometric="RGB") if syntax.endswith("70") else form)))
    damage = np.random.default_rng(8)
    with monkeypatch.context() as patched:
        patched.setattr(decoding, "SECONDS", 0.2)
        for _ in range(20):
            data = bytearray(whole)
            for at in damage.integers(0, len(data), 4):
                data[at] = damage.integers(0, 256)
            cut = bytes(data[: damage.integers(1, len(data) + 1)])
            try:
                assert decoding.decode(cut, syntax, form).shape == form.shape()
            except LamelleError as error:
                assert isinstance(error, Invalid)
    assert decoding.decode(whole, syntax, form).shape == form.shape()


def test_a_truncated_jpeg_ls_frame_whose_decoder_never_ends_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen bytes short, imagecodecs 2026.3 goes on for ever: that was a thread of a web worker."""
    values = np.random.default_rng(7).integers(0, 4096, (48, 64)).astype("<u2")
    data = bytes(imagecodecs.jpegls_encode(values))
    monkeypatch.setattr(decoding, "SECONDS", 0.2)
    with pytest.raises(Invalid) as caught:
        decoding.decode(data[:-16], f"{JPEG}80", DEEP)
    assert caught.value.code in {"decoder_timeout", "bad_frame"}


def test_a_frame_larger_than_any_is_refused_before_anyone_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "CHILDREN", None)
    with pytest.raises(TooLarge):
        decoding.decode(b"\xff\xd8", f"{JPEG}50", replace(RGB, rows=60_000, columns=60_000))


def test_a_frame_that_unfolds_in_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "OWN_MEMORY", 200 << 20)
    monkeypatch.setattr(decoding, "MEMORY_FACTOR", 1)
    data = bytes(imagecodecs.jpeg2k_encode(np.zeros((3000, 3000, 3), np.uint8), codecformat="j2k"))
    with pytest.raises(Invalid) as caught:
        decoding.decode(data, f"{JPEG}90", PixelFormat(3000, 3000, 3, 8, 8, False, "RGB"))
    assert caught.value.code in {"bad_frame", "decoder_memory"}


@pytest.mark.parametrize(
    ("rest", "size"),
    [
        ({}, 48 * 64 * 3),
        ({"shape": [48, 64, 3], "dtype": "|u1"}, 5),
        ({"shape": [48, 64], "dtype": "|u1"}, 48 * 64),
        ({"shape": [24, 32, 3], "dtype": "|u1"}, 24 * 32 * 3),
        ({"shape": [-48, -64, 3], "dtype": "|u1"}, 48 * 64 * 3),
        ({"shape": "x" * 3, "dtype": "|O8"}, 0),
        ({"shape": [48.0, 64, 3], "dtype": "<f8"}, 48 * 64 * 3),
    ],
)
def test_an_answer_that_is_not_the_picture_asked_for_is_garbage(
    rest: dict[str, Any], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Liar:
        def ask(self, *_: object) -> Answer:
            return Answer(rest, bytearray(size))

    monkeypatch.setattr(decoding, "CHILDREN", Liar())
    form = replace(RGB, rows=48, columns=64)
    if rest.get("shape") == [48.0, 64, 3]:
        size = 0
    with pytest.raises(Invalid) as caught:
        decoding.decode(b"\xff\xd8", f"{JPEG}50", form)
    assert caught.value.code == "decoder_garbage"


def test_many_threads_ask_at_once() -> None:
    form = replace(RGB, photometric="YBR_FULL_422")
    frames = [bytes(imagecodecs.jpeg8_encode(np.full((48, 64, 3), n, np.uint8), level=95)) for n in range(0, 250, 10)]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda data: int(decoding.decode(data, f"{JPEG}50", form).mean()), frames))
    assert all(abs(one - n) <= 1 for one, n in zip(found, range(0, 250, 10), strict=True))
