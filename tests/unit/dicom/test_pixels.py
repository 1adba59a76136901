"""Decoding: every transfer syntax of the real files, round trips of our own, and hostile input."""

import contextlib
import struct
import time
import zlib
from typing import Any

import imagecodecs
import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamelle.base.errors import Invalid, LamelleError, NotFound, TooLarge, Unsupported
from lamelle.dicom import pixels
from lamelle.dicom.pixels import PixelFormat

GREY = PixelFormat(16, 24, 1, 8, 8, False, "MONOCHROME2")
RGB = PixelFormat(16, 24, 3, 8, 8, False, "RGB")
JPEG = "1.2.840.10008.1.2.4."


def ramp(form: PixelFormat) -> Any:
    count = form.rows * form.columns * form.samples
    return (np.arange(count) % 251).astype(form.dtype).reshape(form.shape())


@pytest.mark.parametrize("form", [GREY, RGB])
@pytest.mark.parametrize(
    ("syntax", "encode"),
    [
        ("80", imagecodecs.jpegls_encode),
        ("90", lambda a: imagecodecs.jpeg2k_encode(a, codecformat="j2k", level=0, reversible=True)),
        ("110", lambda a: imagecodecs.jpegxl_encode(a, lossless=True, usecontainer=False)),
    ],
)
def test_lossless_codecs_give_the_samples_back(form: PixelFormat, syntax: str, encode: Any) -> None:
    assert np.array_equal(pixels.decode(bytes(encode(ramp(form))), f"{JPEG}{syntax}", form), ramp(form))


def test_jpeg_says_what_colour_comes_out() -> None:
    red = np.full((16, 24, 3), (200, 0, 0), np.uint8)
    coded = bytes(imagecodecs.jpeg8_encode(red, level=95))
    form = PixelFormat(16, 24, 3, 8, 8, False, "YBR_FULL_422")
    assert np.abs(pixels.decode(coded, f"{JPEG}50", form).astype(int) - red).max() <= 3
    assert pixels.photometric_of(f"{JPEG}50", form) == "RGB"


def test_jpeg_of_rgb_components_without_a_marker_is_not_converted() -> None:
    red = np.full((16, 24, 3), (200, 0, 0), np.uint8)
    coded = bytes(imagecodecs.jpeg8_encode(red, level=95, colorspace="RGB", outcolorspace="RGB"))
    at = coded.find(b"\xff\xee")
    bare = coded[:at] + coded[at + 2 + int.from_bytes(coded[at + 2 : at + 4], "big") :] if at > 0 else coded
    assert np.abs(pixels.decode(bare, f"{JPEG}50", RGB).astype(int) - red).max() <= 3


def test_small_decoding_is_smaller_and_of_the_same_colour() -> None:
    red = np.full((256, 256, 3), (200, 0, 0), np.uint8)
    coded = bytes(imagecodecs.jpeg8_encode(red, level=95))
    form = PixelFormat(256, 256, 3, 8, 8, False, "YBR_FULL_422")
    small = pixels.decode_small(coded, f"{JPEG}50", form, 0.2)
    assert small.shape[0] in {32, 64}
    assert np.abs(small.astype(int) - (200, 0, 0)).max() <= 4
    assert pixels.decode_small(coded, f"{JPEG}50", form, 0.9).shape == (256, 256, 3)


def test_native_samples_in_every_arrangement() -> None:
    words = PixelFormat(2, 2, 1, 16, 16, True, "MONOCHROME2")
    assert pixels.decode(struct.pack("<4h", 1, -2, 3, -4), "1.2.840.10008.1.2.1", words).tolist() == [[1, -2], [3, -4]]
    assert pixels.decode(struct.pack(">4h", 1, -2, 3, -4), "1.2.840.10008.1.2.2", words).tolist() == [[1, -2], [3, -4]]
    planar = PixelFormat(1, 2, 3, 8, 8, False, "RGB", planar=True)
    assert pixels.decode(bytes([1, 2, 3, 4, 5, 6]), "1.2.840.10008.1.2.1", planar).tolist() == [[[1, 3, 5], [2, 4, 6]]]
    half = PixelFormat(1, 2, 3, 8, 8, False, "YBR_FULL_422")
    assert pixels.decode(bytes([10, 20, 30, 40]), "1.2.840.10008.1.2.1", half).tolist() == [
        [[10, 30, 40], [20, 30, 40]]
    ]
    bits = PixelFormat(2, 5, 1, 1, 1, False, "MONOCHROME2")
    assert pixels.decode(bytes([0b10110, 0b01]), "1.2.840.10008.1.2.1", bits).tolist() == [
        [0, 1, 1, 0, 1],
        [0, 0, 0, 1, 0],
    ]
    assert pixels.packed(np.array([[0, 1, 1, 0, 1], [0, 0, 0, 1, 0]], np.uint8), bits) == bytes([0b10110, 0b01])
    swapped = PixelFormat(1, 4, 1, 8, 8, False, "MONOCHROME2", word_vr=True)
    assert pixels.decode(bytes([2, 1, 4, 3]), "1.2.840.10008.1.2.2", swapped).tolist() == [[1, 2, 3, 4]]


def test_run_lengths_and_deflated_frames() -> None:
    form = PixelFormat(4, 4, 1, 16, 16, False, "MONOCHROME2")
    high, low = (
        bytes(imagecodecs.packbits_encode(bytes([1] * 16))),
        bytes(imagecodecs.packbits_encode(bytes(range(16)))),
    )
    frame = struct.pack("<16L", 2, 64, 64 + len(high), *[0] * 13) + high + low
    assert pixels.decode(frame, "1.2.840.10008.1.2.5", form).ravel().tolist() == [256 + n for n in range(16)]
    packer = zlib.compressobj(wbits=-15)
    data = packer.compress(ramp(GREY).tobytes()) + packer.flush()
    assert np.array_equal(pixels.decode(data, "1.2.840.10008.1.2.8.1", GREY), ramp(GREY))


@pytest.mark.parametrize("syntax", sorted(pixels.DECODERS))
@settings(max_examples=10, deadline=None)
@given(data=st.binary(max_size=300))
def test_noise_is_an_error_of_ours(syntax: str, data: bytes) -> None:
    with pytest.raises(LamelleError):
        pixels.decode(data, syntax, GREY)


@settings(max_examples=30, deadline=None)
@given(at=st.integers(0, 2000), value=st.integers(0, 255), cut=st.integers(0, 2000))
def test_damaged_codestreams_decode_or_are_an_error_of_ours(at: int, value: int, cut: int) -> None:
    for syntax, whole in CODED.items():
        data = bytearray(whole)
        data[at % len(data)] = value
        for broken in (bytes(data), whole[: cut % len(whole)]):
            with contextlib.suppress(LamelleError):
                assert pixels.decode(broken, syntax, RGB).shape == (16, 24, 3)


def test_jpeg_ls_cut_off_anywhere_is_an_error_at_once_and_only_its_end_may_lack() -> None:
    whole = CODED[f"{JPEG}80"]
    began_s = time.process_time()
    for cut in range(len(whole) - 2):
        with pytest.raises(Invalid):
            pixels.decode(whole[:cut], f"{JPEG}80", RGB)
    assert time.process_time() - began_s < 5, "each of some cuts took ten seconds"
    assert pixels.decode(whole[:-2], f"{JPEG}80", RGB).shape == (16, 24, 3)


CODED = {
    f"{JPEG}50": bytes(imagecodecs.jpeg8_encode(ramp(RGB), level=90)),
    f"{JPEG}80": bytes(imagecodecs.jpegls_encode(ramp(RGB))),
    f"{JPEG}90": bytes(imagecodecs.jpeg2k_encode(ramp(RGB), codecformat="j2k", level=0)),
    f"{JPEG}110": bytes(imagecodecs.jpegxl_encode(ramp(RGB), lossless=True, usecontainer=False)),
}


def test_a_codestream_larger_than_declared_is_refused_before_it_is_decoded() -> None:
    bomb = bytearray(CODED[f"{JPEG}90"])
    struct.pack_into(">2L", bomb, 8, 60000, 60000)
    with pytest.raises((Invalid, TooLarge)):
        pixels.decode(bytes(bomb), f"{JPEG}90", RGB)
    for syntax, coded in CODED.items():
        assert pixels.codestream_size(coded) == (24, 16), syntax
        with pytest.raises(Invalid):
            pixels.decode(coded, syntax, PixelFormat(16, 25, 3, 8, 8, False, "RGB"))


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"Rows": 0}, NotFound),
        ({"BitsAllocated": 12}, Unsupported),
        ({"SamplesPerPixel": 2}, Unsupported),
        ({"Rows": 65535, "Columns": 65535, "SamplesPerPixel": 3}, TooLarge),
    ],
)
def test_declared_formats_are_checked(change: dict[str, int], error: type[LamelleError]) -> None:
    dataset = pydicom.Dataset()
    dataset.Rows = dataset.Columns = 8
    dataset.BitsAllocated, dataset.SamplesPerPixel = 8, 1
    dataset.update(
        {
            pydicom.tag.Tag(keyword): pydicom.DataElement(pydicom.tag.Tag(keyword), "US", n)
            for keyword, n in change.items()
        }
    )
    with pytest.raises(error):
        pixels.pixel_format(dataset)


def test_an_unknown_syntax_is_unsupported() -> None:
    with pytest.raises(Unsupported):
        pixels.decode(b"", "1.2.840.10008.1.2.4.100", GREY)
