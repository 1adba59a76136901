"""Aperio and Leica SVS: tiled TIFF whose descriptions hold the scanner's words.

Tiled directories are levels; strips are the thumbnail, then label and macro, told apart by their descriptions.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from lamelle.base.errors import Invalid, LamelleError
from lamelle.dicom.vendors import images, pyramid
from lamelle.dicom.vendors.slide import FlatImage, Flavor, Scanner, Slide, held
from lamelle.dicom.vendors.tiff import Directory, TiffFile


def read(path: Path) -> Slide:
    """The slide in an SVS file. Raises: Invalid, Unsupported."""
    return held(TiffFile.open(path), _read)


def _read(file: TiffFile) -> Slide:
    directories = list(file.directories())
    tiled = [d for d in directories if d.tiled]
    if not tiled:
        raise Invalid("no_levels", "an SVS file without a tiled image")
    base, warnings = tiled[0], []
    said = properties(base.text(270))
    mm, assumed = _spacing(said)
    if assumed:
        warnings.append(assumed)
    levels = pyramid.of([base, *(d for d in tiled[1:] if pyramid.same_shape(d, base))], mm or 0.0)
    profile = images.icc(base)
    return Slide(
        format="svs",
        fingerprint=pyramid.tiff_fingerprint(file, directories),
        levels=tuple(levels),
        images=tuple(_beside(directories, warnings)),
        icc=profile,
        scanner=Scanner(
            "Leica Biosystems" if "ScannerType" in said else "Aperio",
            said.get("ScannerType", said.get("ScanScope ID", "")),
            said.get("ScanScope ID", ""),
            base.text(270).splitlines()[0].strip() if base.text(270) else "",
        ),
        objective_power=_number(said.get("AppMag", "")),
        acquired=_acquired(said),
        barcode=said.get("Barcode", ""),
        properties=said,
        warnings=tuple(warnings),
    )


def properties(description: str) -> dict[str, str]:
    """The `key = value` pairs between the bars of an Aperio description."""
    pairs = (part.partition("=") for part in description.split("|")[1:])
    return {key.strip(): value.strip() for key, mark, value in pairs if mark}


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _spacing(said: dict[str, str]) -> tuple[float | None, str]:
    um = _number(said.get("MPP", ""))
    if um and 0.02 <= um <= 20:
        return um / 1000, ""
    power = _number(said.get("AppMag", ""))
    if power and 1 <= power <= 200:
        return 0.01 / power, "pixel_size_from_magnification"
    return None, ""


def _acquired(said: dict[str, str]) -> datetime | None:
    for form in ("%m/%d/%y %H:%M:%S", "%m/%d/%Y %H:%M:%S"):
        try:
            moment = datetime.strptime(f"{said.get('Date', '')} {said.get('Time', '')}", form)
        except ValueError:
            continue
        return moment.replace(tzinfo=_zone(said.get("Time Zone", "")))
    return None


def _zone(text: str) -> timezone | None:
    sign, digits = text[3:4], text[4:].replace(":", "")
    if not text.startswith("GMT") or sign not in ("+", "-") or len(digits) != 4 or not digits.isdigit():
        return UTC if text == "GMT" else None
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(offset if sign == "+" else -offset) if offset < timedelta(hours=15) else None


def _beside(directories: Sequence[Directory], warnings: list[str]) -> list[FlatImage]:
    found: dict[Flavor, FlatImage] = {}
    for index, one in enumerate(directories):
        flavor = _flavor(index, one)
        if flavor is None or flavor in found:
            continue
        try:
            frames = images.flat(one, tile_size=1 << 14)
            found[flavor] = FlatImage(flavor, one.width, one.height, frames, pyramid.derived(frames))
        except LamelleError as exc:
            # an unreadable side image does not make the tissue unreadable
            warnings.append(f"{flavor.lower()}_skipped:{exc.code}")
    return list(found.values())


def _flavor(index: int, directory: Directory) -> Flavor | None:
    if directory.tiled:
        return None
    last = directory.text(270).splitlines()[-1:] or [""]
    kind = directory.number(254, 0)
    if last[0].startswith("label") or kind == 1:
        return Flavor.LABEL
    if last[0].startswith("macro") or kind == 9:
        return Flavor.OVERVIEW
    return Flavor.THUMBNAIL if index == 1 else None
