"""The code on a slide's label: read from its picture, or refused. Never a wrong one.

Only symbologies with a checksum are looked for. The picture is prepared in several ways, because labels are stained,
faded, blurred and crooked; a code that took much correcting, or has only the one check character of Code 128, counts
when a second preparation says the same. Where one picture is read in two ways, nothing is taken. Which slide a code is,
is `matching`'s; where the picture comes from, `scanning`'s.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import zxingcpp
from scipy import ndimage

Grey = np.ndarray[Any, np.dtype[np.uint8]]

FORMATS: Final = zxingcpp.barcode_formats_from_str("DataMatrix,QRCode,Code128")
LINEAR: Final = zxingcpp.barcode_formats_from_str("Code128")
LONG_SIDE: Final = 1000
"""Pixels: a larger picture of a label is made smaller, which leaves any printed module several pixels."""
SHORT_SIDE: Final = 500
"""Pixels: a smaller one is made twice as large too."""
SURE: Final = 0.5
"""The share of error correction a symbol must have left to be believed at once."""
ENOUGH: Final = 2
"""Votes that make a code believed: two preparations, or one of a symbol that is SURE."""
ALWAYS: Final = 3
"""Preparations that are looked at however clear the first is: a second code may show in another only."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a label says: its codes, each once; none when it can't be read or was read in two ways."""

    codes: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    preparations: int = 0
    """How many were looked at."""


@dataclass(frozen=True, slots=True)
class _Seen:
    text: str
    format: str
    sure: bool


def read(picture: np.ndarray[Any, Any], code: Callable[[str], str] = str.strip) -> Reading:
    """The codes of a picture (rows, columns) or (rows, columns, 3), uint8.

    `code` takes the identifier out of what is read; "" is as if it were not there.
    """
    votes: dict[str, int] = {}
    formats: dict[str, str] = {}
    count = 0
    for count, (prepared, kinds) in enumerate(_preparations(picture), 1):
        said: dict[str, bool] = {}
        for seen in _seen(prepared, kinds):
            if text := code(seen.text):
                said[text] = said.get(text, False) or seen.sure
                formats[text] = seen.format
        for text, sure in said.items():
            votes[text] = votes.get(text, 0) + 1 + sure
        if count >= ALWAYS and votes and min(votes.values()) >= ENOUGH:
            break
    if not votes or min(votes.values()) < ENOUGH:  # one seen once only beside a sound one: who knows which is right
        return Reading(preparations=count)
    return Reading(tuple(votes), tuple(formats[text] for text in votes), count)


def _seen(prepared: Grey, kinds: Any) -> Iterator[_Seen]:
    """The sound codes of one preparation."""
    for found in zxingcpp.read_barcodes(prepared, formats=kinds, text_mode=zxingcpp.TextMode.Plain):
        text = found.text.strip()
        if found.valid and text and text.isprintable():
            left = float((found.extra or {}).get("UEC", 0.0))
            yield _Seen(text, str(found.format), left >= SURE)


def _preparations(picture: np.ndarray[Any, Any]) -> Iterator[tuple[Grey, Any]]:
    """The picture as it is, then in ways that undo what happens to labels, the cheap ones first."""
    small = _fitted(picture)
    grey, pale = (small, small) if small.ndim == 2 else (_grey(small), np.max(small, axis=2))
    yield grey, FORMATS
    yield pale, FORMATS  # dyes let one colour through, ink none
    even = _even(pale)
    yield even, FORMATS
    if min(grey.shape) < SHORT_SIDE:
        large = _twice(pale)
        yield large, FORMATS
        yield _sharp(large, 3.0), FORMATS
    yield _sharp(even, 2.0), FORMATS
    yield _clean(even, 3), FORMATS
    yield _joined(even), FORMATS
    upright = _upright(pale)
    yield upright, FORMATS
    yield from ((smooth, LINEAR) for smooth in _along(upright))
    yield _sharp(_clean(even, 3), 3.0), FORMATS
    yield _clean(even, 5), FORMATS
    yield _clean(upright, 5), FORMATS
    yield _twice(_sharp(upright, 2.0)), FORMATS


def _fitted(picture: np.ndarray[Any, Any]) -> Grey:
    step = -(-max(picture.shape[:2]) // LONG_SIDE)
    if step <= 1:
        return np.ascontiguousarray(picture, np.uint8)
    rows, columns = (side // step * step for side in picture.shape[:2])
    parts = picture[:rows, :columns].reshape(rows // step, step, columns // step, step, -1)
    out: Grey = parts.mean(axis=(1, 3)).astype(np.uint8)
    return out[:, :, 0] if picture.ndim == 2 else out


def _grey(picture: Grey) -> Grey:
    weighed: Grey = (picture @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    return weighed


def _even(grey: Grey) -> Grey:
    """Shadows and fading taken out: between the darkest and the brightest of the neighbourhood."""
    side = max(15, min(grey.shape) // 8)
    values = grey.astype(np.float32)
    low = ndimage.uniform_filter(ndimage.minimum_filter(values, side), side)
    high = ndimage.uniform_filter(ndimage.maximum_filter(values, side), side)
    span = np.maximum(high - low, 24)  # noise on bare paper stays faint
    return _bytes((values - low) / span * 255)


def _sharp(grey: Grey, sigma: float) -> Grey:
    values = grey.astype(np.float32)
    return _bytes(values + 2 * (values - ndimage.gaussian_filter(values, sigma)))


def _clean(grey: Grey, side: int) -> Grey:
    """Without specks and scratches."""
    out: Grey = ndimage.median_filter(grey, side)
    return out


def _joined(grey: Grey) -> Grey:
    """Dark modules that were scratched apart are one again."""
    out: Grey = ndimage.grey_opening(grey, (3, 3))
    return out


def _twice(grey: Grey) -> Grey:
    return _bytes(ndimage.zoom(grey.astype(np.float32), 2, order=3))


def _upright(grey: Grey) -> Grey:
    """Turned so that most edges stand: bars that are far from upright and level are not followed by the reader."""
    values = ndimage.gaussian_filter(grey.astype(np.float32), 1.0)
    down, right = np.gradient(values)
    angles = np.degrees(np.arctan2(down, right)) % 180
    counts, _ = np.histogram(angles, bins=180, range=(0, 180), weights=np.hypot(down, right) ** 2)
    angle = float(np.argmax(ndimage.uniform_filter1d(counts, 3, mode="wrap"))) + 0.5
    turned = ndimage.rotate(grey.astype(np.float32), angle, order=3, mode="constant", cval=255)
    return _even(_bytes(turned))


def _along(upright: Grey) -> Iterator[Grey]:
    """Standing bars smoothed along their length, and then, being without noise, made sharp across."""
    for length in (9, 25):
        smooth = ndimage.uniform_filter1d(upright.astype(np.float32), length, axis=0)
        large = ndimage.zoom(smooth, (1, 3), order=3)
        yield _bytes(large)
        for sigma in (3.0, 5.0):
            yield _bytes(large + 3 * (large - ndimage.gaussian_filter1d(large, sigma, axis=1)))


def _bytes(values: Any) -> Grey:
    out: Grey = np.clip(values, 0, 255).astype(np.uint8)
    return out
