"""OME-TIFF: the XML says which directory is which plane and channel; smaller levels are SubIFDs.

Files of one slide only: time series and images spread over several files are refused.
"""

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from xml.etree.ElementTree import Element

from lamelle.base.errors import Invalid, TooLarge, Unsupported
from lamelle.dicom.vendors import images, pyramid, tiles, xmlread
from lamelle.dicom.vendors.slide import Channel, FlatImage, Flavor, Level, Scanner, Slide, held
from lamelle.dicom.vendors.tiff import Directory, TiffFile

MAX_PLANES = 4096
_UM = {"nm": 1e-3, "µm": 1.0, "μm": 1.0, "um": 1.0, "mm": 1e3, "cm": 1e4, "m": 1e6}
_FLAVORS = {
    "label": Flavor.LABEL, "label image": Flavor.LABEL, "macro": Flavor.OVERVIEW, "macro image": Flavor.OVERVIEW,
    "overview": Flavor.OVERVIEW, "thumbnail": Flavor.THUMBNAIL,
}  # fmt: skip


def read(path: Path) -> Slide:
    """The slide in an OME-TIFF. Raises: Invalid, Unsupported."""
    return held(TiffFile.open(path), _read)


def _read(file: TiffFile) -> Slide:
    directories = list(file.directories())
    root = xmlread.parse(directories[0].text(270))
    pictures = [(one, xmlread.children(one, "Pixels")[0]) for one in xmlread.everywhere(root, "Image")
                if xmlread.children(one, "Pixels")]  # fmt: skip
    if not pictures:
        raise Invalid("no_levels", "the OME-XML names no image")
    main, pixels = max(pictures, key=lambda p: xmlread.number(p[1], "SizeX") * xmlread.number(p[1], "SizeY"))
    rgb, paths, planes = _counts(pixels)
    table = _table(root, pixels, paths, planes, len(directories), file.path.name)
    stack = [directories[index] for index in table]
    mm = _length(pixels, "PhysicalSizeX")
    warnings = ["signed_shifted"] if any(d.number(339, 1) == 2 for d in stack) else []
    instrument = next(xmlread.everywhere(root, "Microscope"), Element(""))
    return Slide(
        format="ome-tiff",
        fingerprint=pyramid.tiff_fingerprint(file, directories),
        levels=tuple(_levels(stack, mm or images.mm_per_pixel(stack[0]) or 0.0)),
        images=tuple(_beside(root, pictures, main, directories, file.path.name)),
        channels=tuple(_channels(pixels, paths, rgb)),
        planes=planes,
        plane_spacing_um=(_length(pixels, "PhysicalSizeZ") or 0.001) * 1000 if planes > 1 else 0.0,
        icc=images.icc(stack[0]),
        scanner=Scanner(instrument.get("Manufacturer", ""), instrument.get("Model", ""),
                        instrument.get("SerialNumber", ""), root.get("Creator", "")),
        objective_power=next((p for o in xmlread.everywhere(root, "Objective")
                              if (p := xmlread.real(o, "NominalMagnification"))), None),
        acquired=_acquired(main),
        warnings=tuple(warnings),
    )  # fmt: skip


def _counts(pixels: Element) -> tuple[bool, int, int]:
    """(colour, optical paths, focal planes)."""
    if xmlread.number(pixels, "SizeT", 1) > 1:
        raise Unsupported("time_series", "OME-TIFF with several time points is not converted")
    samples = [xmlread.number(one, "SamplesPerPixel", 1) for one in xmlread.children(pixels, "Channel")] or [1]
    if len(set(samples)) != 1 or samples[0] not in (1, 3):
        raise Unsupported("samples_per_pixel", "OME channels of 1 or 3 samples are read, all alike")
    paths, planes = max(1, xmlread.number(pixels, "SizeC", 1) // samples[0]), max(1, xmlread.number(pixels, "SizeZ", 1))
    if paths * planes > MAX_PLANES:
        raise TooLarge("too_many_planes", f"{paths} channels of {planes} planes")
    return samples[0] == 3, paths, planes


def _table(root: Element, pixels: Element, paths: int, planes: int, total: int, name: str) -> list[int]:
    """Directory numbers, planes running fastest, then paths: DICOM's order."""
    order = pixels.get("DimensionOrder", "XYZCT")
    z_first = order.index("Z") < order.index("C") if "Z" in order and "C" in order else True

    def place(path: int, plane: int) -> int:
        return path * planes + plane if z_first else plane * paths + path

    found: dict[int, int] = {}
    for data in xmlread.children(pixels, "TiffData"):
        _same_file(root, data, name)
        first = place(xmlread.number(data, "FirstC"), xmlread.number(data, "FirstZ"))
        count = xmlread.number(data, "PlaneCount", 1 if data.get("IFD") is not None else paths * planes)
        for step in range(min(count, paths * planes)):
            found[first + step] = xmlread.number(data, "IFD") + step
    table = [found.get(place(p, z), -1 if found else place(p, z)) for p in range(paths) for z in range(planes)]
    if min(table) < 0 or max(table) >= total:
        raise Invalid("missing_plane", "the OME-XML names planes that the file does not hold")
    return table


def _same_file(root: Element, data: Element, name: str) -> None:
    for uuid in xmlread.children(data, "UUID"):
        same = uuid.text == root.get("UUID") if root.get("UUID") else uuid.get("FileName", name) == name
        if not same:
            raise Unsupported("multi_file_ome", "the image is spread over several OME-TIFF files")


def _length(pixels: Element, attribute: str) -> float | None:
    """A physical size in mm."""
    value = xmlread.real(pixels, attribute)
    scale = _UM.get(pixels.get(attribute + "Unit", "µm"))
    mm = value * scale / 1000 if value and scale else 0.0
    return mm if 0.00001 <= mm <= 1.0 else None


def _levels(stack: Sequence[Directory], mm: float) -> list[Level]:
    depths = [[one, *sorted(one.subdirectories, key=lambda d: -d.width)] for one in stack]
    if len({tuple((d.width, d.height) for d in one) for one in depths}) != 1:
        raise Invalid("mixed_planes", "the planes or channels do not have the same levels")
    base = stack[0]
    result = []
    for number, alike in enumerate(zip(*depths, strict=True)):
        parts = [images.frames(one) for one in alike]
        spacing = pyramid.spacing((base.width, base.height), (alike[0].width, alike[0].height), mm)
        lossy = any(pyramid.derived(one) for one in parts)
        result.append(Level(alike[0].width, alike[0].height, spacing, tiles.stacked(parts), lossy, number > 0))
    return result


def _channels(pixels: Element, paths: int, rgb: bool) -> list[Channel]:
    if rgb and paths == 1:
        return [Channel()]
    described = xmlread.children(pixels, "Channel")
    result = []
    for index in range(paths):
        one = described[index] if index < len(described) else Element("")
        color = xmlread.number(one, "Color", -1) & 0xFFFFFFFF
        result.append(
            Channel(
                identifier=str(index + 1),
                name=one.get("Name", one.get("Fluor", "")),
                brightfield=rgb or one.get("IlluminationType") == "Transmitted",
                color=None if rgb or one.get("Color") is None else (color >> 24, color >> 16 & 255, color >> 8 & 255),
                excitation_nm=xmlread.real(one, "ExcitationWavelength"),
                emission_nm=xmlread.real(one, "EmissionWavelength"),
            )
        )
    return result


def _beside(
    root: Element,
    pictures: Sequence[tuple[Element, Element]],
    main: Element,
    directories: Sequence[Directory],
    name: str,
) -> list[FlatImage]:
    found: dict[Flavor, FlatImage] = {}
    for one, pixels in pictures:
        flavor = _FLAVORS.get(one.get("Name", "").strip().lower())
        if one is main or flavor is None or flavor in found:
            continue
        _, paths, planes = _counts(pixels)
        directory = directories[_table(root, pixels, paths, planes, len(directories), name)[0]]
        frames = images.frames(directory, tile_size=1 << 14)
        if not directory.tiled or (directory.width <= directory.tile[0] and directory.height <= directory.tile[1]):
            found[flavor] = FlatImage(flavor, directory.width, directory.height, frames, pyramid.derived(frames))
    return list(found.values())


def _acquired(image: Element) -> datetime | None:
    for element in xmlread.children(image, "AcquisitionDate"):
        with suppress(ValueError):
            return datetime.fromisoformat((element.text or "").strip())
    return None
