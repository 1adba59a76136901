"""How sharp a field is: the width of its sharpest edges, in micrometres, whatever is on it and however it is stained.

An edge that a lens left `width` wide loses little when it is blurred a little more; a sharp one loses much. The
ratio of its slope at two scales tells the width, and contrast cancels out. Where nothing has an edge (fat, mucus,
glass) nothing is said: None is not out of focus.
Source: Zhuo and Sim, Defocus map estimation from a single image, Pattern Recognition 44 (2011).
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FINE, COARSE = 1.0, 2.0
"""Standard deviations of the two scales, in pixels: below one, JPEG and noise are what is seen."""
FAINT: Final = 1.2
"""Grey levels a pixel at the fine scale below which a slope is not trusted, and so many times the noise's own."""
NOISES: Final = 6.0
EDGES: Final = 40
"""Pixels on edges that a field needs to be judged."""
STEEPEST: Final = 90
"""Percentile of slopes from which an edge counts."""
WIDEST: Final = 8.0
"""In pixels; nothing wider is told apart."""


def width(picture: NDArray[np.uint8], um: float, tissue: NDArray[np.bool_] | None = None) -> float | None:
    """The width (standard deviation, micrometres) of the sharpest edges of a field; None where it has none."""
    grey = picture.astype(np.float32).mean(axis=-1)
    if min(grey.shape) < 32:
        return None
    fine, coarse = _slopes(grey)
    inside = np.zeros(grey.shape, np.bool_)
    inside[6:-6, 6:-6] = True
    if tissue is not None:
        inside &= tissue
    floor = max(FAINT, NOISES * _noise(grey))
    edges = inside & _crest(fine) & (fine > floor)
    if np.count_nonzero(edges) < EDGES:
        return None
    slopes = fine[edges]
    steep = slopes >= min(np.percentile(slopes, STEEPEST), np.sort(slopes)[-EDGES])
    ratio = np.median(slopes[steep] / np.maximum(coarse[edges][steep], 1e-3))
    return float(_width_of(float(ratio)) * um)


def _slopes(grey: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The steepness of the picture at the fine and at the coarse scale."""
    fine = ndimage.gaussian_filter(grey, FINE, truncate=3)
    coarse = ndimage.gaussian_filter(fine, float(np.sqrt(COARSE**2 - FINE**2)), truncate=3)
    return _steep(fine), _steep(coarse)


def _steep(smooth: NDArray[np.float32]) -> NDArray[np.float32]:
    out = np.zeros_like(smooth)
    across, down = smooth[1:-1, 2:] - smooth[1:-1, :-2], smooth[2:, 1:-1] - smooth[:-2, 1:-1]
    out[1:-1, 1:-1] = np.sqrt(across**2 + down**2) / 2
    return out


def _crest(slope: NDArray[np.float32]) -> Any:
    """Pixels steeper than most around them: the middle of an edge, where its slope tells its width."""
    return slope >= ndimage.maximum_filter(slope, 3)


def _noise(grey: NDArray[np.float32]) -> float:
    """What noise alone gives as slope at the fine scale, from the quarter of the field that has least of it.

    Source: Immerkaer, Fast noise variance estimation (1996).
    """
    across = grey[:, 2:] - 2 * grey[:, 1:-1] + grey[:, :-2]
    rough = np.abs(across[2:] - 2 * across[1:-1] + across[:-2])
    deviation = float(np.percentile(rough, 25)) / 6 / 0.3186
    return float(deviation / (2 * np.sqrt(2 * np.pi) * FINE**2) * 1.25)


def _width_of(ratio: float) -> float:
    """In pixels: an edge of width w has slope 1/sqrt(w^2 + s^2) at scale s, and taking differences adds 1/3 to s^2."""
    fine, coarse = FINE**2 + 1 / 3, COARSE**2 + 1 / 3
    if ratio**2 <= 1.0:
        return WIDEST
    squared = (coarse - ratio**2 * fine) / (ratio**2 - 1)
    return min(WIDEST, float(np.sqrt(max(0.0, squared))))
