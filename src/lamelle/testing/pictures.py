"""Slides whose every pixel is known, so that what a screen shows can be compared with what was stored."""

import io
from dataclasses import dataclass

import numpy as np
import pydicom
from numpy.typing import NDArray
from PIL import Image

from lamelle.base.ids import uid_from
from lamelle.testing import instances

Picture = NDArray[np.uint8]

STEP = 128
PLANE_UM = 3.0
MM_PER_PIXEL = 0.0005


@dataclass(frozen=True, slots=True)
class SlideShape:
    """A made slide: level-0 size, sides of tiles, factors of its levels, focal planes."""

    width: int = 2000
    height: int = 1300
    tile: int = 256
    factors: tuple[int, ...] = (1, 3, 8)
    planes: int = 1


def pattern(width: int, height: int, plane: int = 0) -> Picture:
    """Flat squares of STEP pixels in different colours (rows, columns, 3); other colours in another plane."""
    y, x = np.mgrid[0:height, 0:width] // STEP
    red = 70 + (x * 67 + plane * 90) % 180
    green = 70 + (y * 59 + plane * 40) % 180
    blue = 70 + ((x + 2 * y) * 43) % 180
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)


def slide(study: str, series: str, shape: SlideShape | None = None, **attributes: object) -> list[bytes]:
    """All instances of one slide: its levels, its label and its overview."""
    shape = shape or SlideShape()
    made = [level(study, series, number, factor, shape, **attributes) for number, factor in enumerate(shape.factors, 1)]
    for number, (flavor, size) in enumerate((("LABEL", (300, 200)), ("OVERVIEW", (600, 200))), len(made) + 1):
        picture = pattern(*size, plane=number)
        kind = {"ImageType": ["ORIGINAL", "PRIMARY", flavor, "NONE"], "Rows": size[1], "Columns": size[0]}
        whole = {"TotalPixelMatrixColumns": size[0], "TotalPixelMatrixRows": size[1]}
        made.append(instances.slide([jpeg(picture)], study, series, number, **attributes, **kind, **whole))
    return made


def jpeg(picture: Picture) -> bytes:
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "JPEG", quality=95, subsampling=0)
    return out.getvalue() + b"\0" * (out.tell() % 2)


def level(study: str, series: str, number: int, factor: int, shape: SlideShape, **attributes: object) -> bytes:
    """One level, `factor` times smaller than the largest; its edge tiles are padded with black."""
    width, height = shape.width // factor, shape.height // factor
    columns, rows = -(-width // shape.tile), -(-height // shape.tile)
    frames = []
    for plane in range(shape.planes):
        full = Image.fromarray(pattern(shape.width, shape.height, plane))
        picture = np.asarray(full.resize((width, height), Image.Resampling.BOX))
        padding = ((0, rows * shape.tile - height), (0, columns * shape.tile - width), (0, 0))
        padded = np.pad(picture, padding, constant_values=0)
        for row in range(rows):
            for column in range(columns):
                top, left = row * shape.tile, column * shape.tile
                frames.append(jpeg(padded[top : top + shape.tile, left : left + shape.tile]))
    measures = pydicom.Dataset()
    measures.PixelSpacing = [MM_PER_PIXEL * factor, MM_PER_PIXEL * factor]
    measures.SpacingBetweenSlices = PLANE_UM / 1000
    shared = pydicom.Dataset()
    shared.PixelMeasuresSequence = [measures]
    path = pydicom.Dataset()
    path.OpticalPathIdentifier = "1"
    path.ObjectiveLensPower = "20"
    organised = {
        "DimensionOrganizationType": "TILED_FULL",
        "FrameOfReferenceUID": uid_from("frame", study, series),
        "NumberOfOpticalPaths": 1,
        "OpticalPathSequence": [path],
        "SharedFunctionalGroupsSequence": [shared],
        "TotalPixelMatrixFocalPlanes": shape.planes,
        "TotalPixelMatrixColumns": width,
        "TotalPixelMatrixRows": height,
        "Rows": shape.tile,
        "Columns": shape.tile,
        "ImageOrientationSlide": [0, -1, 0, -1, 0, 0],
    }
    return instances.slide(frames, study, series, number, **attributes, **organised)
