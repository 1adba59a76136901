"""What a scanner did wrong besides focus: blank tiles inside tissue, missing stripes, a scale its lens can't give.

Folds, bubbles, black and red ink are not looked for: nothing simple tells them from tissue without false alarms.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lamelle.lab.quality.pixels import Mask
from lamelle.lab.quality.tissue import Found

THIN: Final = 0.05
"""Stored bytes for a pixel below which a compressed tile may hold one colour only; it is decoded to be sure."""
AROUND: Final = 0.6
"""Of the tiles around a blank one that have tissue."""
LOOKED_AT: Final = 400
STRIPE_UM: Final = 160.0
"""Widest stripe that is looked for."""
STRIPE_SHARE: Final = 0.9
"""How much of a straight line through tissue must lack it; cracks are not straight along the scanner's axes."""
STRIPE_LEAST_UM: Final = 800.0
STRAIGHT: Final = 0.6
"""How much of a stripe's sides is tissue two pixels from it."""


def blank(
    lengths: NDArray[np.int64], pixels: int, tissue: NDArray[np.float32], is_flat: Callable[[int, int], bool]
) -> Mask:
    """Tiles (rows, columns) of one colour, or none, inside tissue; `tissue` is its share of each tile.

    `is_flat(column, row)` decodes one; it is asked of those that are stored as shortly as blank ones.
    """
    near = ndimage.uniform_filter((tissue > 0.3).astype(np.float32), 3, mode="constant") > 0.3
    alike = bool(lengths.min() == lengths.max())  # stored uncompressed
    thin = near & (lengths >= 0) & ((lengths < THIN * pixels) | alike)
    gone = lengths < 0
    flat = gone & near
    places = np.argwhere(thin)
    for row, column in places[np.argsort(lengths[thin], kind="stable")][:LOOKED_AT]:
        flat[row, column] = is_flat(int(column), int(row))
    out = flat & (tissue >= 0.5)
    labels: Any
    labels, count = ndimage.label(flat | gone)
    for number in range(1, count + 1):
        part = labels == number
        around = ndimage.binary_dilation(part, np.ones((3, 3))) & ~part
        touches = part[0].any() or part[-1].any() or part[:, 0].any() or part[:, -1].any()
        if not touches and around.any() and np.mean(tissue[around] > 0.3) >= AROUND:
            out |= part
    return np.asarray(out)


def stripes(found: Found, um: float) -> float:
    """Millimetres of straight gaps along rows and columns of a small picture, whose both sides are tissue."""
    return (_stripes(found.dark, found.tissue, um) + _stripes(found.dark.T, found.tissue.T, um)) / 1000


def _stripes(dark: Mask, tissue: Mask, um: float) -> float:
    """Of gaps along columns, in micrometres. Their borders are straight; those of two pieces side by side are not."""
    reach = 2 * max(1, round(STRIPE_UM / um / 2)) + 1
    width = dark.shape[1]
    if width < 2 * reach:
        return 0.0
    firm = ndimage.uniform_filter1d(dark.astype(np.float32), 3, axis=1, mode="constant") > 0.9
    before = ndimage.maximum_filter1d(firm, reach, axis=1, origin=reach // 2, mode="constant")
    after = ndimage.maximum_filter1d(firm, reach, axis=1, origin=-(reach // 2), mode="constant")
    beside = before & after
    lines = beside.sum(axis=0)
    gaps = (beside & ~dark).sum(axis=0)
    hit = (lines * um >= STRIPE_LEAST_UM) & (gaps >= STRIPE_SHARE * lines)
    runs: Any = ndimage.find_objects(ndimage.label(hit)[0])
    total = 0.0
    for (run,) in runs:
        through = beside[:, (run.start + run.stop) // 2]
        sides = (tissue[through, max(0, run.start - 2)], tissue[through, min(width - 1, run.stop + 1)])
        if through.any() and min(float(side.mean()) for side in sides) >= STRAIGHT:
            total += float(through.sum()) * um
    return total


def objective_ratio(spacing_um: float, objective: float) -> float | None:
    """The pixel's side beside what the objective is for (10 micrometres over its power); None when one is not said.

    A camera adapter may halve it (20x scanned at 0.25); nothing doubles it.
    """
    return spacing_um * objective / 10 if spacing_um and objective else None
