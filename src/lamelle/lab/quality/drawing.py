"""Heat maps as pictures that lie over the slide, red where it is out of focus; and grids as bytes to be kept."""

import zlib
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from lamelle.dicom import render
from lamelle.lab.quality.measuring import UNIT_UM, UNJUDGED, Grids

Kind = Literal["focus", "tissue"]
CELL: Final = 8
"""Pixels of a cell, so that the last one can end where the slide does."""
OPAQUE: Final = 150
SHARP: Final = np.array([26, 152, 80], np.float32)
MIDDLE: Final = np.array([254, 224, 110], np.float32)
BLURRED: Final = np.array([215, 48, 39], np.float32)
TISSUE: Final = np.array([69, 117, 180], np.float32)


def packed(grids: Grids) -> bytes:
    """Both grids, compressed."""
    return zlib.compress(grids.focus.tobytes() + grids.tissue.tobytes(), 9)


def unpacked(data: bytes, rows: int, columns: int, across: float, down: float, cell_mm2: float) -> Grids:
    """The grids of `packed`."""
    both = np.frombuffer(zlib.decompress(data), np.uint8).reshape(2, rows, columns)
    return Grids(both[0], both[1], across, down, cell_mm2)


def png(grids: Grids, kind: Kind, limit_um: float) -> bytes:
    """RGBA, as wide and high as the slide in cells; clear where nothing was told. The limit is yellow."""
    picture = _focus(grids, limit_um) if kind == "focus" else _tissue(grids)
    large = np.kron(picture, np.ones((CELL, CELL, 1), np.uint8))
    cut = large[: max(1, round(grids.down * CELL)), : max(1, round(grids.across * CELL))]
    return render.encoded([cut], "image/png")


def _focus(grids: Grids, limit_um: float) -> NDArray[np.uint8]:
    far = np.clip(grids.focus * UNIT_UM / limit_um, 0, 2)[..., None]
    colour = np.where(far < 1, SHARP + (MIDDLE - SHARP) * far, MIDDLE + (BLURRED - MIDDLE) * (far - 1))
    return _clear(colour, np.where(grids.focus == UNJUDGED, 0, OPAQUE))


def _tissue(grids: Grids) -> NDArray[np.uint8]:
    return _clear(np.broadcast_to(TISSUE, (*grids.tissue.shape, 3)), grids.tissue.astype(np.float32) / 255 * OPAQUE)


def _clear(colour: NDArray[Any], opaque: NDArray[Any]) -> NDArray[np.uint8]:
    return np.concatenate([colour, opaque[..., None]], axis=-1).round().astype(np.uint8)
