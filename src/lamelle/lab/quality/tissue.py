"""Where tissue is on a small picture of a slide: what is darker than the glass around it, ink left out.

Pale stains, fat and scattered cells count as tissue; grains of dust do not. Pictures are (rows, columns, 3), 8 bits.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lamelle.lab.quality.pixels import Mask, Small

LEAST: Final = 7.0
"""Grey levels below the glass that are tissue whatever the noise: the palest counterstains have ten."""
NOISES: Final = 1.5
"""Or so many standard deviations of the glass, which is smoothed to a quarter of them; a piece has twice as much."""
NEUTRAL, BRIGHT = 24, 170
"""Glass has less colour, and no channel below."""
PIECE_MM2: Final = 0.0006
"""A lone cell of cytology; dust is smaller, or a fibre."""
HOLE_MM2: Final = 0.01
"""Fat cells and small lumina belong to their tissue."""
INK: Final = 0.7
"""How much of its light blue or green ink holds back in red; aniline blue has 0.6."""
INK_MM2: Final = 0.05


@dataclass(frozen=True, slots=True)
class Found:
    """What a small picture shows: tissue, blue or green ink, and where the picture holds nothing but one colour.

    `dark` is tissue pixel by pixel, its holes left open.
    """

    tissue: Mask
    dark: Mask
    ink: Mask
    empty: Mask


def find(small: Small) -> Found:
    """Tell the tissue of a picture from its glass."""
    picture = small.picture.astype(np.float32)
    empty = ~small.there | flat(small.picture)
    glass, noise = _glass(small.picture, small.there, empty)
    darker = np.max(glass - picture, axis=-1)
    darker[empty] = 0
    ink = _ink(picture, small.um) & ~empty
    smooth = ndimage.gaussian_filter(darker, max(0.5, 4 / small.um))
    least = max(LEAST, NOISES * noise)
    tissue = ndimage.binary_propagation(smooth > 2 * least, mask=smooth > least)
    tissue &= ~(ndimage.binary_dilation(ink, iterations=2) if ink.any() else ink)
    return Found(solid(tissue, small.um, PIECE_MM2, HOLE_MM2), (darker > least) & ~ink, ink, empty)


def flat(picture: NDArray[np.uint8], side: int = 4) -> Mask:
    """Pixels in squares of exactly one colour, as scanners fill what they did not scan."""
    grey = picture.astype(np.int16).sum(axis=-1) * 3 + picture[..., 0]
    same = ndimage.maximum_filter(grey, side) == ndimage.minimum_filter(grey, side)
    return np.asarray(ndimage.binary_dilation(same, iterations=side // 2))


def _glass(picture: NDArray[np.uint8], there: Mask, one_colour: Mask) -> tuple[NDArray[np.float32], float]:
    """The colour of empty glass and its noise: the brightest peak among pixels without colour.

    Scanners that fill what they did not scan with white show two of them: the fill, and real glass a little darker.
    Tissue from edge to edge leaves none: white is taken.
    """
    darkest, plain = picture.min(axis=-1), there & (np.ptp(picture, axis=-1) <= NEUTRAL)
    fill = _peak(darkest[plain & one_colour], int(there.sum()))
    peak = _peak(darkest[plain & ~one_colour], int(there.sum()))
    if peak is None or (fill is not None and peak < fill - 25):
        peak = fill
    if peak is None:
        return np.full(3, 245, np.float32), 2.0
    colours = picture[plain & (np.abs(darkest.astype(np.int16) - peak) <= 4)].astype(np.float32)
    return np.median(colours, axis=0), float(np.mean(np.std(colours, axis=0)))


def _peak(values: NDArray[np.uint8], of: int) -> int | None:
    """The commonest bright value, if a fiftieth of all pixels is near it."""
    counts = np.convolve(np.bincount(values, minlength=256), np.ones(5), "same")
    counts[:BRIGHT] = 0
    peak = int(np.argmax(counts))
    return peak if counts[peak] > of / 50 else None


def _ink(picture: NDArray[np.float32], um: float) -> Mask:
    """Blue and green pens: no stain lets so little red through. Red and black ones are not told from tissue."""
    most = picture[..., 1:].max(axis=-1)
    held = (most - picture[..., 0]) / np.maximum(most, 60)
    strong = solid(held > INK, um, INK_MM2, INK_MM2)
    return np.asarray(ndimage.binary_propagation(strong, mask=strong | (held > INK / 2)))


def solid(mask: Mask, um: float, piece_mm2: float, hole_mm2: float) -> Mask:
    """Without smaller pieces and holes."""
    return ~_large(~_large(mask, um, piece_mm2), um, hole_mm2)


def _large(mask: Mask, um: float, mm2: float) -> Mask:
    labels: Any
    labels, count = ndimage.label(mask)
    if not count:
        return mask
    sizes = np.bincount(labels.ravel())
    keep = sizes * um * um / 1e6 >= mm2
    keep[0] = False
    return np.asarray(keep[labels])


def mm2(mask: Mask, um: float) -> float:
    """The area of a mask."""
    return float(np.count_nonzero(mask)) * um * um / 1e6
