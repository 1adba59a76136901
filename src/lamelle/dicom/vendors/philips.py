"""Philips TIFF: tiled JPEG whose first description is the scanner's XML; label and macro are JPEG inside it.

Level sizes in the tags are padded to whole tiles: the true ones follow from the factor 2 between levels.
"""

import base64
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from xml.etree.ElementTree import Element

from lamelle.base.errors import Invalid, LamelleError
from lamelle.dicom.vendors import images, pyramid, xmlread
from lamelle.dicom.vendors.slide import FlatImage, Flavor, Level, Scanner, Slide, held
from lamelle.dicom.vendors.tiff import Directory, TiffFile

_FLAVORS = {"LABELIMAGE": Flavor.LABEL, "MACROIMAGE": Flavor.OVERVIEW}


def read(path: Path) -> Slide:
    """The slide in a Philips TIFF. Raises: Invalid, Unsupported."""
    return held(TiffFile.open(path), _read)


def _read(file: TiffFile) -> Slide:
    directories = list(file.directories())
    tiled = [d for d in directories if d.tiled]
    if not tiled:
        raise Invalid("no_levels", "a Philips TIFF without a tiled image")
    root = xmlread.parse(directories[0].text(270))
    said = attributes(root)
    warnings: list[str] = []
    return Slide(
        format="philips-tiff",
        fingerprint=pyramid.tiff_fingerprint(file, directories),
        levels=tuple(_levels(tiled, _spacing(root))),
        images=tuple(_beside(root, directories, warnings)),
        icc=images.icc(tiled[0]),
        scanner=Scanner(
            said.get("DICOM_MANUFACTURER", "Philips"),
            said.get("DICOM_MANUFACTURERS_MODEL_NAME", ""),
            said.get("DICOM_DEVICE_SERIAL_NUMBER", ""),
            " ".join(_words(said.get("DICOM_SOFTWARE_VERSIONS", ""))),
        ),
        acquired=_acquired(said.get("DICOM_ACQUISITION_DATETIME", "")),
        barcode=_barcode(said.get("PIM_DP_UFS_BARCODE", "")),
        properties=said,
        warnings=tuple(warnings),
    )


def attributes(element: Element) -> dict[str, str]:
    """The short attributes of one data object by name, not those of objects inside it."""
    pairs = ((one.get("Name", ""), (one.text or "").strip()) for one in xmlread.children(element, "Attribute"))
    return {key: value for key, value in pairs if value and len(value) <= 4096}


def _words(text: str) -> list[str]:
    return text.replace('"', " ").split()


def _scanned(root: Element, kind: str) -> Iterator[Element]:
    for one in xmlread.everywhere(root, "DataObject"):
        if one.get("ObjectType") == "DPScannedImage" and attributes(one).get("PIM_DP_IMAGE_TYPE") == kind:
            yield one


def _spacing(root: Element) -> float:
    """mm between the columns of the largest level; 0 if not said."""
    for image in _scanned(root, "WSI"):
        found = []
        for one in xmlread.everywhere(image, "Attribute"):
            if one.get("Name") == "DICOM_PIXEL_SPACING" and len(_words(one.text or "")) == 2:
                with suppress(ValueError):
                    found.append(float(_words(one.text or "")[1]))
        plausible = [value for value in found if 0.00002 <= value <= 0.02]
        if plausible:
            return min(plausible)
    return 0.0


def _levels(tiled: Sequence[Directory], mm: float) -> list[Level]:
    base = max(tiled, key=lambda d: d.width)
    result: list[Level] = []
    for one in sorted(tiled, key=lambda d: -d.width):
        factor = 1 << max(0, round(base.width / one.width).bit_length() - 1)
        width, height = min(one.width, base.width // factor), min(one.height, base.height // factor)
        if result and width >= result[-1].width:
            continue
        frames = images.frames(one, size=(width, height))
        result.append(Level(width, height, (mm * factor, mm * factor), frames, pyramid.derived(frames), factor > 1))
    return result


def _beside(root: Element, directories: Sequence[Directory], warnings: list[str]) -> list[FlatImage]:
    found: dict[Flavor, FlatImage] = {}
    for kind, flavor in _FLAVORS.items():
        try:
            frames = _embedded(root, kind)
            if frames is not None:
                found[flavor] = FlatImage(flavor, frames.columns, frames.rows, frames)
        except LamelleError as exc:
            warnings.append(f"{flavor.lower()}_skipped:{exc.code}")
    for one in directories:
        flavor_of = {"label": Flavor.LABEL, "macro": Flavor.OVERVIEW}
        beside = None if one.tiled else flavor_of.get(one.text(270)[:5].lower())
        if beside is not None and beside not in found:
            source = images.flat(one, tile_size=1 << 14)
            found[beside] = FlatImage(beside, one.width, one.height, source, pyramid.derived(source))
    return list(found.values())


def _embedded(root: Element, kind: str) -> images.Whole | None:
    for image in _scanned(root, kind):
        for one in xmlread.children(image, "Attribute"):
            if one.get("Name") == "PIM_DP_IMAGE_DATA" and one.text:
                try:
                    return images.whole_jpeg(base64.b64decode(one.text))
                except ValueError as exc:
                    raise Invalid("bad_base64", "an embedded image is not base64") from exc
    return None


def _barcode(text: str) -> str:
    try:
        return base64.b64decode(text, validate=True).decode()
    except ValueError:
        return text


def _acquired(text: str) -> datetime | None:
    for form in ("%Y%m%d%H%M%S.%f", "%Y%m%d%H%M%S"):
        with suppress(ValueError):
            return datetime.strptime(text.strip('"'), form)
    return None
