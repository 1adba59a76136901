"""Writes a scene as an Aperio-style SVS: tiled JPEG with shared tables, pyramid, thumbnail, label, macro.

It is written the way a scanner writes, so that the demonstration takes the road real slides take.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile

from lamelle.ops.demo import labels
from lamelle.ops.demo.labels import LabelText
from lamelle.ops.demo.noise import Array
from lamelle.ops.demo.scene import Scene

TILE = 256
QUALITY = 82
_HEAD = "Aperio Image Library v12.0.15 \r\n"


def split_tables(jpeg: bytes) -> tuple[bytes, bytes]:
    """An interchange JPEG as (abbreviated tables, abbreviated image)."""
    tables, image, at = [b"\xff\xd8"], [b"\xff\xd8"], 2
    while jpeg[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4])
        if jpeg[at + 1] in (0xDB, 0xC4):
            tables.append(jpeg[at:end])
        elif jpeg[at + 1] != 0xE0:  # no JFIF header: TIFF says the colours
            image.append(jpeg[at:end])
        at = end
    return b"".join([*tables, b"\xff\xd9"]), b"".join([*image, jpeg[at:]])


def compress(tile: Array, quality: int = QUALITY) -> bytes:
    """One tile as an interchange JPEG, YCbCr 4:2:0 (or grey for a two-dimensional tile)."""
    if tile.ndim == 2:
        return bytes(imagecodecs.jpeg8_encode(tile, level=quality))
    return bytes(imagecodecs.jpeg8_encode(np.ascontiguousarray(tile), level=quality, subsampling="420"))


def shrink(pixels: Array, factor: int) -> Array:
    """Box average; rows and columns past a multiple of `factor` are dropped."""
    rows, columns = pixels.shape[0] // factor, pixels.shape[1] // factor
    cut = pixels[: rows * factor, : columns * factor]
    total = np.add.reduceat(cut, np.arange(0, rows * factor, factor), axis=0, dtype=np.uint16)
    total = np.add.reduceat(total, np.arange(0, columns * factor, factor), axis=1, dtype=np.uint16)
    out: Array = ((total + factor * factor // 2) // (factor * factor)).astype(np.uint8)
    return out


def tiles_of(pixels: Array, size: int = TILE) -> Iterator[Array]:
    """Tiles row by row, edge tiles padded by repeating the last pixel."""
    for y in range(0, pixels.shape[0], size):
        for x in range(0, pixels.shape[1], size):
            part = pixels[y : y + size, x : x + size]
            pad = ((0, size - part.shape[0]), (0, size - part.shape[1])) + ((0, 0),) * (part.ndim - 2)
            yield np.pad(part, pad, mode="edge") if part.shape[:2] != (size, size) else part


def write(path: Path, scene: Scene, text: LabelText, scanned: datetime) -> None:
    """Renders the scene tile by tile into `path`; memory stays near one sixteenth of the slide."""
    width, height = scene.width, scene.height
    low = np.empty((height // 4, width // 4, 3), np.uint8)
    tables, _ = split_tables(compress(scene.block(0, 0, TILE, TILE)))

    def base() -> Iterator[bytes]:
        for y in range(0, height, TILE):
            for x in range(0, width, TILE):
                tile = scene.block(x, y, TILE, TILE)
                part = shrink(tile, 4)[: height // 4 - y // 4, : width // 4 - x // 4]
                low[y // 4 : y // 4 + part.shape[0], x // 4 : x // 4 + part.shape[1]] = part
                yield split_tables(compress(tile))[1]

    def small(pixels: Array) -> Iterator[bytes]:
        return (split_tables(compress(tile))[1] for tile in tiles_of(pixels))

    fields = _fields(scene, text, scanned)
    size = f"{width}x{height} [0,0 {width}x{height}] ({TILE}x{TILE})"
    kind = {
        "dtype": np.uint8, "photometric": "ycbcr", "subsampling": (2, 2), "compression": "jpeg", "jpegtables": tables,
        "tile": (TILE, TILE), "metadata": None, "software": False, "iccprofile": labels.profile(),
    }  # fmt: skip
    strip = {"photometric": "rgb", "subsampling": (2, 2), "compression": "jpeg", "metadata": None, "software": False}
    with tifffile.TiffWriter(path, bigtiff=False) as tif:
        tif.write(base(), shape=(height, width, 3), description=f"{_HEAD}{size} JPEG/YCC Q={QUALITY}{fields}", **kind)
        lower = shrink(low, 4)
        thumbnail = shrink(low, max(1, max(low.shape) // 1000))
        shape = f"{thumbnail.shape[1]}x{thumbnail.shape[0]}"
        tif.write(thumbnail, description=f"{_HEAD}{width}x{height} -> {shape} - {fields}", rowsperstrip=16, **strip)
        for pixels in (low, lower):
            to = f"{size} -> {pixels.shape[1]}x{pixels.shape[0]} JPEG/YCC Q={QUALITY}"
            tif.write(small(pixels), shape=pixels.shape, description=f"{_HEAD}{to}{fields}", **kind)
        printed = labels.label(text)
        about = f"{_HEAD}label {printed.shape[1]}x{printed.shape[0]}"
        tif.write(
            printed, description=about, subfiletype=1, compression="lzw", predictor=True, rowsperstrip=16,
            photometric="rgb", metadata=None, software=False,
        )  # fmt: skip
        photo = labels.overview(printed, lower, (width * scene.mpp / 1000, height * scene.mpp / 1000))
        about = f"{_HEAD}macro {photo.shape[1]}x{photo.shape[0]}"
        tif.write(photo, description=about, subfiletype=9, rowsperstrip=16, **strip)


def _fields(scene: Scene, text: LabelText, scanned: datetime) -> str:
    facts = {
        "AppMag": "40" if scene.mpp < 0.3 else "20",
        "StripeWidth": "2040",
        "ScanScope ID": "DEMO1",
        "Filename": text.barcode,
        "Date": scanned.strftime("%m/%d/%y"),
        "Time": scanned.strftime("%H:%M:%S"),
        "Time Zone": "GMT+01:00",
        "User": "demo",
        "MPP": f"{scene.mpp:.4f}",
        "Barcode": text.barcode,
        "ICC Profile": "sRGB",
        "OriginalWidth": str(scene.width),
        "OriginalHeight": str(scene.height),
    }
    return "".join(f"|{key} = {value}" for key, value in facts.items())
