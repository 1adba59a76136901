"""Philips iSyntax: wavelet levels read through pyisyntax, encoded again as JPEG.

libisyntax is not safe with threads: tiles are read one after the other, only their encoding runs beside.
"""

from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np

from lamelle.base.errors import Invalid, LamelleError
from lamelle.dicom.vendors import codec, images, pyramid
from lamelle.dicom.vendors.slide import FlatImage, Flavor, Lazy, Level, Pixels, Scanner, Slide, Work, held
from lamelle.dicom.vendors.tiles import Encoded

TILE = 512


def read(path: Path) -> Slide:
    """The slide in an iSyntax file. Raises: Invalid("unreadable")."""
    from isyntax import ISyntax

    try:
        slide = ISyntax.open(path)
    except Exception as exc:
        raise Invalid("unreadable", f"libisyntax cannot open the file ({type(exc).__name__})") from exc
    return held(slide, partial(_read, path))


def _read(path: Path, slide: "object") -> Slide:
    from isyntax import ISyntax

    assert isinstance(slide, ISyntax)
    mm = slide.mpp_x / 1000, slide.mpp_y / 1000
    if not all(0.00002 <= value <= 0.02 for value in mm):
        mm = (0.0, 0.0)
    levels = []
    for number, (width, height) in enumerate(slide.level_dimensions):
        factor = slide.level_downsamples[number]
        spacing = mm[0] * factor, mm[1] * factor
        levels.append(Level(width, height, spacing, _tiles(slide, number, width, height), True, number > 0))
    profile = None
    with suppress(Exception):
        profile = slide.read_icc_profile()
    size = slide.dimensions[0] * slide.dimensions[1] * 3
    return Slide(
        format="isyntax",
        fingerprint=pyramid.fingerprint(path),
        levels=tuple(levels),
        images=tuple(_beside(slide)),
        icc=profile,
        scanner=Scanner("Philips"),
        barcode=slide.barcode or "",
        history=(("ISO_15444_1", round(max(1.0, size / path.stat().st_size), 2)),),
    )


def _tiles(slide: "object", level: int, width: int, height: int) -> Lazy:
    from isyntax import ISyntax

    assert isinstance(slide, ISyntax)
    across = -(-width // TILE)

    def make(index: int, work: Work) -> Pixels:
        row, column = divmod(index, across)
        x, y = column * TILE, row * TILE
        try:
            pixels = slide.read_region(x, y, min(TILE, width - x), min(TILE, height - y), level=level)
        except Exception as exc:
            raise Invalid("bad_tile", f"libisyntax cannot read a tile ({type(exc).__name__})") from exc
        return np.ascontiguousarray(np.asarray(pixels)[:, :, :3])

    return Encoded(codec.JPEG_YCBCR, TILE, TILE, across * -(-height // TILE), make, serial=True)


def _beside(slide: "object") -> list[FlatImage]:
    from isyntax import ISyntax

    assert isinstance(slide, ISyntax)
    found = []
    for flavor, take in ((Flavor.LABEL, slide.read_label_image_jpeg), (Flavor.OVERVIEW, slide.read_macro_image_jpeg)):
        with suppress(LamelleError, RuntimeError, ValueError):
            whole = images.whole_jpeg(bytes(take()))
            found.append(FlatImage(flavor, whole.columns, whole.rows, whole))
    return found
