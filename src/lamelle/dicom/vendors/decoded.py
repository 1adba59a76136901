"""Formats whose stored tiles overlap or are not tiles at all: read through OpenSlide, encoded again as JPEG.

For MRXS, BIF, SCN and CZI, and for TIFF kinds whose tiles DICOM cannot take as they are. The DICOM says DERIVED.
An OpenSlide handle is useless after its first error, so a bad tile is read once more through a new handle
and is then left blank, with a warning: it must not take its neighbours with it.
"""

import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path

import numpy as np
import openslide

from lamelle.base.errors import Invalid
from lamelle.dicom.vendors import codec, pyramid
from lamelle.dicom.vendors.slide import FlatImage, Flavor, Lazy, Level, Pixels, Scanner, Slide, Work, held
from lamelle.dicom.vendors.tiles import Encoded

TILE = 512
CACHE_BYTES = 32 << 20
MAX_BAD_TILES = 1000
MAKERS = {"leica": "Leica Biosystems", "mirax": "3DHISTECH", "ventana": "Roche", "zeiss": "Carl Zeiss"}
"""OpenSlide's name of a format: its maker"""
CZI_LOSSY = {1: "ISO_10918_1", 4: "ISO_29199_2"}
"""How CZI numbers JPEG and JPEG XR"""
_FLAVORS = {"label": Flavor.LABEL, "macro": Flavor.OVERVIEW, "thumbnail": Flavor.THUMBNAIL}


class Handles:
    """One OpenSlide handle a thread, replaced after an error, all closed at the end."""

    def __init__(self, path: Path) -> None:
        self._path, self._local, self._all = path, threading.local(), list[openslide.OpenSlide]()
        self._bad = 0

    def get(self) -> openslide.OpenSlide:
        """This thread's handle. Raises: Invalid if OpenSlide refuses the file."""
        handle = getattr(self._local, "handle", None)
        if handle is None:
            try:
                handle = openslide.OpenSlide(self._path)
            except (openslide.OpenSlideError, OSError) as exc:
                raise Invalid("unreadable", f"OpenSlide cannot open the file ({type(exc).__name__})") from exc
            handle.set_cache(openslide.OpenSlideCache(CACHE_BYTES))
            self._local.handle = handle
            self._all.append(handle)
        return handle

    def drop(self) -> None:
        """Close this thread's handle after an error."""
        handle = self._local.handle
        self._local.handle = None
        self._all.remove(handle)
        handle.close()

    def bad(self) -> None:
        """Count a tile that cannot be read. Raises: Invalid when the slide is hardly one any more."""
        self._bad += 1
        if self._bad > MAX_BAD_TILES:
            raise Invalid("too_many_bad_tiles", f"more than {MAX_BAD_TILES} tiles cannot be read")

    def close(self) -> None:
        while self._all:
            self._all.pop().close()


def read(path: Path, kind: str = "") -> Slide:
    """The slide as OpenSlide sees it. Raises: Invalid."""
    try:
        return held(Handles(path), partial(_read, path, kind))
    except (openslide.OpenSlideError, KeyError, ValueError) as exc:
        raise Invalid("unreadable", f"OpenSlide cannot describe the file ({type(exc).__name__})") from exc


def _read(path: Path, kind: str, handles: Handles) -> Slide:
    slide = handles.get()
    said = {key: str(value) for key, value in slide.properties.items()}
    left, top = (int(said.get(f"openslide.bounds-{axis}", 0)) for axis in "xy")
    width = int(said.get("openslide.bounds-width", slide.dimensions[0]))
    height = int(said.get("openslide.bounds-height", slide.dimensions[1]))
    mm = _spacing(said)
    levels = []
    for number, factor in enumerate(slide.level_downsamples):
        size = max(1, int(width / factor)), max(1, int(height / factor))
        frames = _tiles(handles, number, (left, top), size, factor, said)
        near = pyramid.spacing((width, height), size, 1.0)
        levels.append(Level(*size, (mm[0] * near[0], mm[1] * near[1]), frames, derived=True, resampled=number > 0))
    stored = sum(f.stat().st_size for f in _files(path))
    profile = None
    with suppress(openslide.OpenSlideError, OSError):
        profile = slide.color_profile.tobytes() if slide.color_profile else None
    return Slide(
        format=kind or said.get("openslide.vendor", "openslide"),
        fingerprint=pyramid.fingerprint(path, [f"{f.name}:{f.stat().st_size}" for f in _files(path)[1:]]),
        levels=tuple(levels),
        images=tuple(_beside(slide)),
        icc=profile,
        scanner=_scanner(said),
        objective_power=_number(said.get("openslide.objective-power", "")),
        acquired=_acquired(said.get("leica.creation-date", "")),
        barcode=said.get("openslide.barcode", ""),
        properties=said,
        history=tuple((method, round(max(1.0, width * height * 3 / max(1, stored)), 2)) for method in _lossy(path)),
    )


def _scanner(said: Mapping[str, str]) -> Scanner:
    vendor = said.get("openslide.vendor", "")
    model = said.get("tiff.Model") or said.get("leica.device-model", "")
    return Scanner(said.get("tiff.Make") or MAKERS.get(vendor, vendor), model, "", said.get("tiff.Software", ""))


def _acquired(text: str) -> datetime | None:
    with suppress(ValueError):
        return datetime.fromisoformat(text)
    return None


def _lossy(path: Path) -> list[str]:
    """The lossy method of the stored tiles: JPEG but for CZI, whose first directory entry says it."""
    with path.open("rb") as file:
        if file.read(10) != b"ZISRAWFILE":
            return ["ISO_10918_1"]
        file.seek(84)
        file.seek(int.from_bytes(file.read(8), "little") + 178)
        found = CZI_LOSSY.get(int.from_bytes(file.read(4), "little"))
    return [found] if found else []


def _files(path: Path) -> list[Path]:
    folder = path.with_suffix("")
    inside = sorted(f for f in folder.iterdir() if f.is_file()) if folder != path and folder.is_dir() else []
    return [path, *inside]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _spacing(said: dict[str, str]) -> tuple[float, float]:
    across, down = (_number(said.get(f"openslide.mpp-{axis}", "")) or 0.0 for axis in "xy")
    if not all(0.02 <= value <= 20 for value in (across, down)):
        return 0.0, 0.0
    return across / 1000, down / 1000


def _tiles(
    handles: Handles, level: int, origin: tuple[int, int], size: tuple[int, int], factor: float, said: dict[str, str]
) -> Lazy:
    across, down = -(-size[0] // TILE), -(-size[1] // TILE)
    ground = tuple(bytes.fromhex(said.get("openslide.background-color", "FFFFFF")))

    def make(index: int, work: Work) -> Pixels:
        row, column = divmod(index, across)
        place = origin[0] + round(column * TILE * factor), origin[1] + round(row * TILE * factor)
        for attempt in (1, 2):
            try:
                return flatten(np.asarray(handles.get().read_region(place, level, (TILE, TILE))), ground)
            except openslide.OpenSlideError:
                handles.drop()
                if attempt == 2:
                    handles.bad()
        work.warn("unreadable_tiles")
        return np.full((TILE, TILE, 3), ground, np.uint8)

    return Encoded(codec.JPEG_YCBCR, TILE, TILE, across * down, make)


def flatten(pixels: Pixels, ground: tuple[int, ...]) -> Pixels:
    """RGBA, not premultiplied, laid over the background."""
    if (pixels[:, :, 3] == 255).all():
        return pixels[:, :, :3]
    alpha = pixels[:, :, 3:].astype(np.uint16)
    mixed = (pixels[:, :, :3] * alpha + np.array(ground, np.uint16) * (255 - alpha) + 127) // 255
    return mixed.astype(np.uint8)


def _beside(slide: openslide.OpenSlide) -> list[FlatImage]:
    found = []
    for name, flavor in _FLAVORS.items():
        if name not in slide.associated_images or flavor is Flavor.THUMBNAIL:
            continue
        try:
            pixels = flatten(np.asarray(slide.associated_images[name].convert("RGBA")), (255, 255, 255))
        except openslide.OpenSlideError as exc:
            raise Invalid("unreadable", f"the {name} image cannot be read") from exc

        def make(index: int, work: Work, held: Pixels = pixels) -> Pixels:
            return held

        height, width = pixels.shape[:2]
        frames = Encoded(codec.JPEG_YCBCR, height, width, 1, make)
        found.append(FlatImage(flavor, width, height, frames, derived=True))
    return found
