"""Hamamatsu NDPI: one giant JPEG a level and plane, cut into tiles at its restart markers and, if need be, between.

Tag numbers as seen in files; the maker publishes none.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lamelle.base.errors import Invalid, LamelleError, Unsupported
from lamelle.dicom.vendors import cropping, images, intervals, jpeg, pyramid, tiles
from lamelle.dicom.vendors.slide import Counts, FlatImage, Flavor, Frames, Lazy, Level, Scanner, Slide, held
from lamelle.dicom.vendors.tiff import Directory, TiffFile

LENS, PLANE_NM, MCU_STARTS, MCU_STARTS_HIGH = 65421, 65424, 65426, 65432
LABEL_TEXT, SERIAL = 65427, 65442
MACRO_LENS = -1.0
MAX_HEADER = 1 << 16
TILE, WIDE = 512, 1024
"""Pixels: tiles are made this wide, and intervals are cut into such if they are wider than `WIDE`."""
WHOLE_SIDE = 4096
"""A level without restart markers becomes one frame up to this size, in pixels."""


def read(path: Path) -> Slide:
    """The slide in an NDPI file. Raises: Invalid, Unsupported."""
    return held(TiffFile.open(path), _read)


def _read(file: TiffFile) -> Slide:
    directories = list(file.directories())
    tissue = [d for d in directories if d.real(LENS) > 0]
    if not tissue:
        raise Invalid("no_levels", "an NDPI file without an image of the tissue")
    base = max(tissue, key=lambda d: (d.width, -abs(_plane(d))))
    planes = sorted({_plane(d) for d in tissue if (d.width, d.height) == (base.width, base.height)})
    mm = images.mm_per_pixel(base)
    warnings: list[str] = []
    levels = _levels(tissue, base, planes, mm or 0.0, warnings)
    # other tiles are other instances: they must not have the UIDs of those made with libjpeg-turbo
    tiling = ":wide" if "wide_tiles" in warnings else ""
    return Slide(
        format="ndpi",
        fingerprint=pyramid.tiff_fingerprint(file, directories) + tiling,
        levels=tuple(levels),
        images=tuple(_macro(directories, warnings)),
        planes=len(planes),
        plane_spacing_um=(planes[-1] - planes[0]) / 1000 / (len(planes) - 1) if len(planes) > 1 else 0.0,
        icc=images.icc(base),
        scanner=Scanner(base.text(271) or "Hamamatsu", base.text(272), base.text(SERIAL), base.text(305)),
        objective_power=base.real(LENS) or None,
        acquired=images.date_time(base),
        barcode=base.text(LABEL_TEXT),
        warnings=tuple(warnings),
    )


def _plane(directory: Directory) -> int:
    """Height of the focal plane in nm."""
    return directory.number(PLANE_NM, 0) if PLANE_NM in directory else 0


def _levels(
    tissue: Sequence[Directory], base: Directory, planes: Sequence[int], mm: float, warnings: list[str]
) -> list[Level]:
    """Levels that can be cut into tiles of one size; of smaller ones without restart markers new ones are built.

    (Some readers drop levels whose tiles differ in size from the base's.)
    """
    width = _common_width(tissue, base)
    if width > WIDE:
        warnings.append("wide_tiles")
    levels: list[Level] = []
    for size in sorted({(d.width, d.height) for d in tissue}, reverse=True):
        by_plane = {_plane(d): d for d in tissue if (d.width, d.height) == size}
        if any(plane not in by_plane for plane in planes):
            continue
        frames = [of(by_plane[plane], width) for plane in planes]
        if levels and (frames[0].columns, frames[0].rows) != (levels[0].frames.columns, levels[0].frames.rows):
            if "small_level_rebuilt" not in warnings:
                warnings.append("small_level_rebuilt")
            continue
        spacing = pyramid.spacing((base.width, base.height), size, mm)
        levels.append(Level(*size, spacing, tiles.stacked(frames), resampled=size[0] != base.width))
    return levels


def _common_width(tissue: Sequence[Directory], base: Directory) -> int:
    """A tile width, in pixels, that fits the intervals of every level: those wider are cut, narrower ones joined.

    Without the means to cut, the widest natural width if every level's intervals divide it, else the base's own.
    """
    headers = [header for header in map(_header, tissue) if header.restart]
    widest = max((intervals.natural_width(header) for header in headers), default=0)
    if widest > WIDE and cropping.library() is not None:
        for width in range(TILE, TILE // 2, -max(header.mcu[0] for header in headers)):
            if all(h.interval % width == 0 or width % h.interval == 0 for h in headers):
                return width
    if all(widest % header.interval == 0 for header in headers) and widest <= intervals.MAX_WIDTH:
        return widest
    return intervals.natural_width(_header(base)) if _header(base).restart else 0


def _header(directory: Directory) -> jpeg.Header:
    if directory.compression != images.JPEG:
        raise Unsupported("tiff_compression", f"TIFF compression {directory.compression} is not read in NDPI")
    segments = directory.segments()
    if len(segments.offsets) != 1:
        raise Unsupported("ndpi_intervals", "an NDPI level in several strips")
    return jpeg.parse(directory.file.read(int(segments.offsets[0]), min(int(segments.lengths[0]), MAX_HEADER)))


def of(directory: Directory, tile_width: int = 0) -> Frames | Lazy:
    """One level and plane as frames. Raises: Invalid, Unsupported."""
    parsed, file, segments = _header(directory), directory.file, directory.segments()
    start, size = int(segments.offsets[0]), int(segments.lengths[0])
    head = file.read(start, parsed.scan)
    encoding, marker = images.color(directory, parsed)
    if not parsed.restart:
        if max(directory.width, directory.height) > WHOLE_SIDE:
            raise Unsupported("ndpi_intervals", "a large NDPI level without restart markers")
        return images.whole_jpeg(file.read(start, size), directory)
    cut = 0 < tile_width < parsed.interval and parsed.interval % tile_width == 0
    if not cut and tile_width % parsed.interval:
        tile_width = 0
    tail = min(size, 64)
    end = start + _end(file.read(start + size - tail, tail), size)
    starts, sizes = _intervals(directory, parsed, start, end)
    extent = directory.width, directory.height
    head = jpeg.SOI + marker + head[2:]
    if not cut:
        return intervals.Intervals(file.read, head, extent, starts, sizes, encoding, tile_width)
    height = intervals.natural_height(tile_width)
    wide = intervals.Intervals(
        file.read, head, extent, starts, sizes, encoding, parsed.interval, height, cropping.WIDEST
    )  # fmt: skip
    return cropping.Cropped(wide, tile_width)


def _end(tail: bytes, size: int) -> int:
    """Where entropy-coded data end: before EOI, which padding may follow."""
    at = tail.rfind(jpeg.EOI)
    return size - len(tail) + at if at >= 0 else size


def _intervals(directory: Directory, parsed: jpeg.Header, start: int, end: int) -> tuple[Counts, Counts]:
    if MCU_STARTS not in directory:
        return intervals.scan(directory.file.read, start + parsed.scan, end)
    places = directory.numbers(MCU_STARTS) + start
    high = directory.numbers(MCU_STARTS_HIGH)
    if len(high) == len(places):
        places = places + (high << 32)
    sizes = np.diff(places, append=end + 2) - 2
    if not len(places) or places[0] != start + parsed.scan or (sizes <= 0).any() or places[-1] >= end:
        raise Invalid("bad_restart_intervals", "the table of restart intervals does not fit the JPEG")
    return places, sizes


def _macro(directories: Sequence[Directory], warnings: list[str]) -> list[FlatImage]:
    for one in directories:
        if one.real(LENS) != MACRO_LENS:
            continue
        try:
            frames = images.flat(one, tile_size=1 << 14)
        except LamelleError as exc:
            warnings.append(f"overview_skipped:{exc.code}")
            continue
        return [FlatImage(Flavor.OVERVIEW, one.width, one.height, frames, pyramid.derived(frames))]
    return []
