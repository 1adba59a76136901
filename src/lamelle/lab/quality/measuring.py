"""One look at a slide: its tissue, the focus of a few hundred fields of it, and what else went wrong. Seconds a slide.

What the numbers mean for a laboratory is `judging`'s; nothing is kept here.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from lamelle.base.errors import Unsupported
from lamelle.lab.quality import artefacts, focus, overview, tissue
from lamelle.lab.quality.pixels import Mask, Pixels, Small

FIELDS: Final = 400
"""Of a slide that are looked at for focus; a biopsy has fewer, of a large section they stand for their neighbours."""
SHARE: Final = 0.25
"""Of tissue that a field should have."""
TRIES: Final = 2
"""Fields of one cell that are looked at until one has edges."""
SHARP_UM: Final = 0.3
"""Of several focal planes no better one is looked for."""
UNIT_UM: Final = 0.01
"""Of the widths in a grid."""
UNJUDGED: Final = 255
PLANES: Final = 5

Grid = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Grids:
    """The heat maps: cells from the top left corner of the slide.

    `focus` is the width of edges in hundredths of a micrometre, 254 for all above, 255 where it was not told; `tissue`
    is its share of the cell, 255 for all of it. `across` and `down` are how many cells the slide is wide and high: the
    last ones may lie half outside.
    """

    focus: Grid
    tissue: Grid
    across: float
    down: float
    cell_mm2: float


@dataclass(frozen=True, slots=True)
class Seen:
    """Measures by name, None where they could not be had, with the grids; `why` says what kept them from being had."""

    values: dict[str, float | None]
    grids: Grids | None
    why: str = ""


def measure(pixels: Pixels) -> Seen:
    """Look at a slide. What can be read of a tile is the archive's; a tile that can't is counted."""
    values: dict[str, float | None] = {
        "spacing_um": pixels.spacing_um or None,
        "objective_ratio": artefacts.objective_ratio(pixels.spacing_um, pixels.objective),
    }
    try:
        small = pixels.small()
    except Unsupported as error:
        return Seen(values, None, error.code)
    found = tissue.find(small)
    share = shares(found.tissue, small, pixels)
    grids = _grids(pixels, small, found.tissue, share)
    values |= {
        "tissue_mm2": tissue.mm2(found.tissue, small.um),
        "ink_mm2": tissue.mm2(found.ink, small.um),
        "gap_mm": artefacts.stripes(found, small.um),
        "blank_mm2": _blank_mm2(pixels, share),
        "missing_mm2": None,
        "covered": None,
    }
    glass = pixels.overview()
    compared = overview.compare(found, small.um, glass) if glass is not None else None
    if compared is not None:
        values |= {"missing_mm2": compared.missing_mm2, "covered": compared.covered}
        values["covered_sure"] = float(compared.sure)
    values["unreadable"] = float(pixels.unreadable.total())
    return Seen(values, grids, "" if found.tissue.any() else "no_tissue")


def shares(mask: Mask, small: Small, pixels: Pixels) -> NDArray[np.float32]:
    """How much of each tile of `pixels.fields` a mask covers (rows, columns)."""
    level = pixels.fields
    scale = small.picture.shape[1] / level.width, small.picture.shape[0] / level.height
    sums = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1))
    sums[1:, 1:] = mask.cumsum(0).cumsum(1)
    x = _edges(level.columns, level.tile_width * scale[0], mask.shape[1])
    y = _edges(level.rows, level.tile_height * scale[1], mask.shape[0])
    total = sums[y[1:]][:, x[1:]] - sums[y[:-1]][:, x[1:]] - sums[y[1:]][:, x[:-1]] + sums[y[:-1]][:, x[:-1]]
    area = np.outer(np.maximum(1, np.diff(y)), np.maximum(1, np.diff(x)))
    return np.asarray(total / area, np.float32)


def _edges(count: int, step: float, most: int) -> NDArray[np.intp]:
    return np.minimum(np.round(np.arange(count + 1) * step), most).astype(np.intp)


def _grids(pixels: Pixels, small: Small, mask: Mask, share: NDArray[np.float32]) -> Grids:
    """The heat maps; a cell is as many tiles as it takes to have no more than FIELDS with tissue."""
    side = 1
    while True:
        cells = _pooled(share, side)
        if np.count_nonzero(cells > 0) <= FIELDS:
            break
        side += 1
    widths = np.full(cells.shape, UNJUDGED, np.uint8)
    for row, column in np.argwhere(cells > 0):
        width = _cell(pixels, small, mask, share, (int(row) * side, int(column) * side), side)
        if width is not None:
            widths[row, column] = min(254, round(width / UNIT_UM))
    level = pixels.fields
    wide, high = pixels.field_um
    across, down = level.width / level.tile_width / side, level.height / level.tile_height / side
    covered = np.clip(np.round(cells * 255), 0, 255).astype(np.uint8)
    return Grids(widths, covered, across, down, wide * high * side**2 / 1e6)


def _pooled(share: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """The mean of squares of tiles, those outside of the slide without tissue."""
    rows, columns = -(-share.shape[0] // side), -(-share.shape[1] // side)
    padded = np.zeros((rows * side, columns * side), np.float32)
    padded[: share.shape[0], : share.shape[1]] = share
    return np.asarray(padded.reshape(rows, side, columns, side).mean(axis=(1, 3)))


def _cell(
    pixels: Pixels, small: Small, mask: Mask, share: NDArray[np.float32], at: tuple[int, int], side: int
) -> float | None:
    """The width of edges in the fields of a cell that have most tissue; the first that has edges counts."""
    part = share[at[0] : at[0] + side, at[1] : at[1] + side]
    best = np.argsort(part, axis=None)[::-1][:TRIES]
    for place in best:
        row, column = divmod(int(place), part.shape[1])
        if part[row, column] < min(SHARE, float(share.max()) / 2):
            return None
        width = _field(pixels, small, mask, at[1] + column, at[0] + row)
        if width is not None:
            return width
    return None


def _field(pixels: Pixels, small: Small, mask: Mask, column: int, row: int) -> float | None:
    """Of a field with several focal planes the sharpest counts."""
    count = len(pixels.pyramid.planes_um)
    middle = (count - 1) // 2
    planes = sorted(range(count), key=lambda plane: abs(plane - middle))[:PLANES]
    found: list[float] = []
    for plane in planes:
        field = pixels.field(column, row, plane)
        if field is None:
            continue
        wide, high = pixels.field_um
        inside = _inside(mask, small.um, (column * wide, row * high), field.picture.shape[:2], field.um)
        width = focus.width(field.picture, field.um, inside)
        if width is not None:
            found.append(width)
            if width < SHARP_UM:
                break
    return min(found, default=None)


def _inside(mask: Mask, um: float, corner_um: tuple[float, float], shape: tuple[int, ...], field_um: float) -> Mask:
    """The tissue of the small picture as a field's pixels see it, a pixel wider on all sides."""
    rows = ((corner_um[1] + np.arange(shape[0]) * field_um) / um).astype(int)
    columns = ((corner_um[0] + np.arange(shape[1]) * field_um) / um).astype(int)
    near = [
        mask[np.clip(rows + down, 0, mask.shape[0] - 1)][:, np.clip(columns + across, 0, mask.shape[1] - 1)]
        for down, across in ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))
    ]
    return np.asarray(np.logical_or.reduce(near))


def _blank_mm2(pixels: Pixels, share: NDArray[np.float32]) -> float:
    level = pixels.fields
    wide, high = pixels.field_um

    def is_flat(column: int, row: int) -> bool:
        field = pixels.field(column, row)
        return field is None or bool(np.ptp(field.picture, axis=(0, 1)).max() <= 1)

    blank = artefacts.blank(pixels.lengths(), level.tile_width * level.tile_height, share, is_flat)
    return float(np.count_nonzero(blank)) * wide * high / 1e6
