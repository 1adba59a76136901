"""A level of a fluorescence slide as one picture: its channels as light of their colours, which adds up.

Where the tiles lie and which colours are meant is read by dicom.slide; a colour slide is not drawn here.
"""

import json
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from lamelle.access.model import WHOLE
from lamelle.archive import decoding
from lamelle.archive.model import InstanceRef
from lamelle.archive.store import Archive
from lamelle.base.errors import NotFound, TooLarge
from lamelle.dicom import render, slide, uids
from lamelle.dicom.render import Look, Picture
from lamelle.dicom.slide import OpticalPath, Pyramid

DARKEST, BRIGHTEST = 0.5, 99.8
"""Percentiles of its own samples a channel of more than 8 bits is shown between, when it names no window."""
MOST: Final = 16


def blended(archive: Archive, ref: InstanceRef, side: int, tiles_limit: int) -> Picture | None:
    """The level an instance belongs to, its long side near `side`; None when it has no channels to blend.

    Raises: TooLarge("too_many_tiles"), and as `pixels.decode`.
    """
    if ref.photometric != "MONOCHROME2" or ref.sop_class_uid != uids.WHOLE_SLIDE_MICROSCOPY:
        return None
    found = _level(archive, ref)
    if found is None:
        return None
    pyramid, number = found
    shown = [path for path in pyramid.paths if path.rgb][:MOST]
    level = pyramid.levels[number]
    if level.columns * level.rows * len(shown) > tiles_limit:
        raise TooLarge("too_many_tiles", f"a level of over {tiles_limit} tiles")
    light: Any = None
    for path in shown:
        tint = np.frombuffer(bytes.fromhex(path.rgb or ""), np.uint8).astype(np.float32) / 255
        colour = _channel(archive, ref, pyramid, number, path, side)[..., None] * tint
        light = colour if light is None else light + colour
    return None if light is None else np.minimum(light + 0.5, 255).astype(np.uint8)


def _level(archive: Archive, ref: InstanceRef) -> tuple[Pyramid, int] | None:
    objects = [json.loads(text) for _, text in archive.retrieve.metadata(WHOLE, ref.study_uid, ref.series_uid)]
    for pyramid in slide.read(objects).pyramids:
        for number, level in enumerate(pyramid.levels):
            if any(part.sop_uid == ref.sop_uid for image in level.images for part in image.parts):
                return pyramid, number
    return None


def _channel(
    archive: Archive, ref: InstanceRef, pyramid: Pyramid, number: int, path: OpticalPath, side: int
) -> Picture:
    """One channel in grey (rows, columns)."""
    level = pyramid.levels[number]
    scale = min(1.0, side / max(level.width, level.height))
    canvas: NDArray[Any] | None = None
    look: Look | None = None
    for row in range(level.rows):
        for column in range(level.columns):
            plane = (len(pyramid.planes_um) - 1) // 2
            for piece in pyramid.tile(number, column, row, plane, path.identifier)[1]:
                opened = archive.retrieve.opened(WHOLE, ref.study_uid, ref.series_uid, piece.sop_uid)
                look = look or render.look(archive.retrieve.header(opened.ref))
                tile = decoding.decode(opened.frame(piece.frame), opened.transfer_syntax, look.form)
                if canvas is None:
                    shape = (max(1, round(level.height * scale)), max(1, round(level.width * scale)))
                    canvas = np.zeros(shape, tile.dtype)
                left, top = column * level.tile_width + piece.x, row * level.tile_height + piece.y
                _place(canvas, tile, left, top, scale)
    if canvas is None or look is None:
        raise NotFound("no_pixels", "the level has no tiles")
    shown: Picture = render.picture(canvas, opened.transfer_syntax, look, None if look.windows else _window(canvas))
    return shown


def _place(canvas: NDArray[Any], tile: NDArray[Any], left: int, top: int, scale: float) -> None:
    """The samples of a tile that the pixels of the canvas fall on."""
    rows = _falling(canvas.shape[0], top, tile.shape[0], scale)
    columns = _falling(canvas.shape[1], left, tile.shape[1], scale)
    if rows.size and columns.size:
        taken = tile[(rows / scale).astype(int) - top][:, (columns / scale).astype(int) - left]
        canvas[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = taken.reshape(len(rows), len(columns))


def _falling(most: int, start: int, length: int, scale: float) -> NDArray[np.intp]:
    """Pixels of one axis of the canvas whose sample lies within [start, start + length)."""
    samples = (np.arange(most) / scale).astype(int)
    return np.flatnonzero((samples >= start) & (samples < start + length))


def _window(canvas: NDArray[Any]) -> render.Window | None:
    if canvas.dtype.itemsize == 1:
        return None
    low, high = np.percentile(canvas, [DARKEST, BRIGHTEST])
    return render.Window(float(low + high) / 2, max(2.0, float(high - low)))
