"""Tissue that lies on the glass and is not in the scan: the photograph of the glass beside the scan's own picture.

The scan is looked for on the photograph by its tissue; photographs say neither their scale nor where the scan lies well
enough to be believed. Where it is not found for sure only the areas are compared.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from lamelle.lab.quality import tissue
from lamelle.lab.quality.pixels import Mask, Small
from lamelle.lab.quality.tissue import Found

UM: Final = 100.0
"""A pixel while the scan is looked for, and while areas are compared."""
SCALES: Final = (1.0, 0.95, 1.05)
SURE: Final = 0.7
"""Correlation from which the scan's place is believed."""
CERTAIN: Final = 0.9
"""And from which no other orientation is tried."""
LEAST_PIXELS: Final = 60
"""Of tissue, at UM a pixel: less fits everywhere."""
SPREAD_UM: Final = 400.0
"""How far tissue of the photograph may be from the scan's and still be the same."""
PIECE_MM2: Final = 0.5
BORDER_UM: Final = 1000.0
"""Glass edges and the holder."""
BLACK: Final = 50
"""No stain is as dark in all channels; holders and markers are."""
COLOUR: Final = 12.0
"""Channels of stained tissue differ by so much on the mean; shadows, dust and cover slips do not."""
LABEL: Final = 1 / 3
"""Of the glass's length, at one of its ends."""


@dataclass(frozen=True, slots=True)
class Compared:
    """`missing_mm2` of tissue the scan lacks; `covered` is the share it has; `sure` when the scan was found."""

    missing_mm2: float
    covered: float
    sure: bool


def compare(found: Found, um: float, glass: Small) -> Compared | None:
    """What was found in the scan, `um` a pixel, beside its glass; None where that shows no tissue that can be told."""
    darkness = _darkness(glass)
    marked = (found.tissue | found.ink).astype(np.float32)
    on_glass = ndimage.zoom(marked, um / UM, order=1, grid_mode=True, mode="nearest") > 0.5
    place = _place(darkness, on_glass.astype(np.float32))
    seen = _stained(glass, darkness.shape, None if place is None else place[1])
    total = tissue.mm2(seen, UM)
    if total < PIECE_MM2:
        return None
    if place is None:
        scanned = tissue.mm2(found.tissue, um)
        return Compared(max(0.0, total - scanned), min(1.0, scanned / total), False)
    have = _spread(place[0])
    missing = tissue.solid(seen & ~have, UM, PIECE_MM2, 0)
    missing_mm2 = tissue.mm2(missing, UM)
    return Compared(missing_mm2, 1 - missing_mm2 / total, True)


def _spread(mask: Mask) -> Mask:
    return np.asarray(ndimage.binary_dilation(mask, iterations=round(SPREAD_UM / UM)))


def _darkness(glass: Small) -> NDArray[np.float32]:
    """How much light the glass holds back at each place, 0 to 1, at UM a pixel."""
    picture = _sized(glass.picture.astype(np.float32), glass.um / UM)
    light = np.median(picture.reshape(-1, 3), axis=0)
    return np.asarray(np.clip((light - picture).max(axis=-1) / 100, 0, 1), np.float32)


def _sized(picture: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    smooth = ndimage.gaussian_filter(picture, (0.4 / scale, 0.4 / scale, 0)) if scale < 1 else picture
    return np.asarray(ndimage.zoom(smooth, (scale, scale, 1), order=1, grid_mode=True, mode="nearest"))


def _place(darkness: NDArray[np.float32], found: NDArray[np.float32]) -> tuple[Mask, tuple[slice, slice]] | None:
    """The scan's tissue where it lies on the glass, and the rectangle of the scan; None when it is not sure."""
    best: tuple[float, Mask, tuple[slice, slice]] | None = None
    for turns in (0, 2, 1, 3):
        for scale in SCALES:
            part = np.rot90(ndimage.zoom(found, scale, order=1, grid_mode=True, mode="nearest"), turns)
            if part.sum() < LEAST_PIXELS or any(a > b for a, b in zip(part.shape, darkness.shape, strict=True)):
                continue
            fit = _correlated(darkness, part)
            row, column = np.unravel_index(int(np.argmax(fit)), fit.shape)
            if best is None or fit[row, column] > best[0]:
                where = slice(int(row), int(row) + part.shape[0]), slice(int(column), int(column) + part.shape[1])
                mask = np.zeros(darkness.shape, np.bool_)
                mask[where] = part > 0.5
                best = float(fit[row, column]), mask, where
        if best is not None and best[0] >= CERTAIN:
            break
    return None if best is None or best[0] < SURE else best[1:]


def _correlated(darkness: NDArray[np.float32], part: NDArray[np.float32]) -> NDArray[np.float32]:
    """Normalised cross-correlation at every place the part fits in whole."""
    mean = part - part.mean()
    total, squares = _box(darkness, part.shape), _box(darkness**2, part.shape)
    spread = np.sqrt(np.maximum(squares - total**2 / part.size, 1e-3 * part.size))
    norm = max(1e-6, float(np.sqrt((mean**2).sum())))
    shape = [fft.next_fast_len(n, real=True) for n in darkness.shape]
    both = fft.irfft2(fft.rfft2(darkness, shape) * np.conj(fft.rfft2(mean, shape)), shape)
    return np.asarray(both[: total.shape[0], : total.shape[1]] / (spread * norm), np.float32)


def _box(values: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Sums over a box at every place it fits in whole."""
    sums = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    sums[1:, 1:] = values.cumsum(0, dtype=np.float64).cumsum(1)
    rows, columns = shape
    both = sums[rows:] - sums[:-rows]
    return np.asarray(both[:, columns:] - both[:, :-columns])


def _stained(glass: Small, shape: tuple[int, ...], scanned: tuple[slice, slice] | None) -> Mask:
    """Coloured things on the glass, without its edges, its label and what a scanner draws on the photograph."""
    picture = glass.picture
    found = tissue.find(glass)
    drawn = picture[..., 1].astype(np.int16) - np.maximum(picture[..., 0], picture[..., 2]) > 30
    mask = found.tissue & ~found.ink & ~ndimage.binary_dilation(drawn, iterations=2) & (picture.max(axis=-1) > BLACK)
    mask = tissue.solid(mask, glass.um, PIECE_MM2, PIECE_MM2)
    labels: Any
    labels, count = ndimage.label(mask)
    if count:
        colour = np.ptp(picture.astype(np.float32), axis=-1)
        means = ndimage.mean(colour, labels, np.arange(count + 1))
        edge = max(1, round(BORDER_UM / glass.um))
        rim = np.ones(mask.shape, np.bool_)
        rim[edge:-edge, edge:-edge] = False
        keep = np.asarray(means) >= COLOUR
        keep[np.unique(labels[rim])] = keep[0] = False
        mask = keep[labels]
    mask = mask & ~_label(glass, scanned)
    rows = np.minimum((np.arange(shape[0]) + 0.5) * UM / glass.um, mask.shape[0] - 1).astype(int)
    columns = np.minimum((np.arange(shape[1]) + 0.5) * UM / glass.um, mask.shape[1] - 1).astype(int)
    return np.asarray(mask[rows][:, columns])


def _label(glass: Small, scanned: tuple[slice, slice] | None) -> Mask:
    """The end of the glass that has the label: the one with more black and edges, and not the scan."""
    height, width = glass.picture.shape[:2]
    mask = np.zeros((height, width), np.bool_)
    across, length = width >= height, max(width, height)
    if length < 2 * min(width, height):  # the label was cut off
        return mask
    size = round(length * LABEL)
    ends = [slice(0, size), slice(length - size, length)]
    grey = glass.picture.astype(np.float32).mean(axis=-1)
    rough = ndimage.gaussian_gradient_magnitude(grey, 1) + (grey < BLACK) * 20
    busy = [float((rough[:, end] if across else rough[end]).mean()) for end in ends]
    order = [0, 1] if busy[0] >= busy[1] else [1, 0]
    if scanned is not None:
        middle = scanned[1 if across else 0]
        centre = (middle.start + middle.stop) / 2 * UM / glass.um
        order.sort(key=lambda n: ends[n].start <= centre < ends[n].stop)
    end = ends[order[0]]
    mask[(slice(None), end) if across else (end, slice(None))] = True
    return mask
