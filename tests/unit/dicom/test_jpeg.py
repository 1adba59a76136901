"""RGB stored in a JPEG must look RGB in a browser; nothing else may change."""

import io

import numpy as np
import pytest
from PIL import Image

from lamelle.dicom.jpeg import for_browsers

COLOUR = (220, 90, 160)
PINK = np.full((16, 16, 3), COLOUR, np.uint8)


def encoded(mode: str = "RGB", **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(PINK).convert(mode).save(out, "JPEG", quality=95, **options)
    return out.getvalue()


def rgb_coded() -> bytes:
    """Samples stored without a colour transform, in a file that claims JFIF as scanners' encoders do."""
    out = io.BytesIO()
    Image.frombytes("YCbCr", (16, 16), PINK.tobytes()).save(out, "JPEG", quality=95, subsampling=0)
    return out.getvalue()


def shown(data: bytes) -> tuple[int, ...]:
    """What a browser, which knows no DICOM, shows in the middle."""
    return tuple(int(v) for v in np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))[8, 8])


def test_ycbcr_goes_out_as_it_came() -> None:
    data = encoded()
    assert for_browsers(data, "YBR_FULL_422") is data


def test_rgb_without_a_word_about_it_gets_an_adobe_marker() -> None:
    data = rgb_coded()
    assert shown(data) != pytest.approx(COLOUR, abs=8)
    told = for_browsers(data, "RGB")
    assert told is not None
    assert shown(told) == pytest.approx(COLOUR, abs=3)
    assert told[2 + 16 :].endswith(data[-64:])
    assert for_browsers(told, "RGB") is told


def test_grey_is_shown_only_when_it_is_not_inverted() -> None:
    data = encoded("L")
    assert for_browsers(data, "MONOCHROME2") is data
    assert for_browsers(data, "MONOCHROME1") is None


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"\xff\xd8\xff\xc3\x00\x0b\x08\x00\x01\x00\x01\x01\x00\x11\x00", b"no"]
)
def test_what_no_browser_shows_is_rendered(data: bytes) -> None:
    assert for_browsers(data, "RGB") is None


def test_twelve_bits_are_rendered() -> None:
    data = bytearray(encoded())
    at = data.index(b"\xff\xc0") + 4
    data[at] = 12
    assert for_browsers(bytes(data), "YBR_FULL_422") is None
