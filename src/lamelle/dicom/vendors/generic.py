"""Any other TIFF: the first image is the base, smaller ones of the same proportions are its levels."""

from pathlib import Path

from lamelle.base.errors import Invalid, Unsupported
from lamelle.dicom.vendors import images, pyramid
from lamelle.dicom.vendors.slide import UPRIGHT, Channel, Scanner, Slide, held
from lamelle.dicom.vendors.tiff import Directory, TiffFile

_TURNED = {0: UPRIGHT, 1: UPRIGHT, 3: (0, 1, 0, 1, 0, 0), 6: (-1, 0, 0, 0, 1, 0), 8: (1, 0, 0, 0, -1, 0)}
"""TIFF Orientation: as a turn of the slide. The others (2, 4, 5, 7) are mirrored."""


def read(path: Path) -> Slide:
    """The slide in a TIFF file, tiled or in strips. Raises: Invalid, Unsupported."""
    return held(TiffFile.open(path), _read)


def _read(file: TiffFile) -> Slide:
    directories = list(file.directories())
    base = max(directories, key=lambda d: d.width * d.height)
    turned = _turned(base)
    others = [d for d in [*directories, *base.subdirectories] if d is not base and d.tiled == base.tiled]
    smaller, sizes = [], {base.width}
    for one in others:
        alike = pyramid.same_shape(one, base) and one.bits == base.bits and _turned(one) == turned
        if alike and one.width not in sizes:
            smaller.append(one)
            sizes.add(one.width)
    if base.samples not in (1, 3, 4) and not base.tiled:
        raise Invalid("no_levels", "no image in this TIFF looks like a slide")
    software = base.text(305)
    return Slide(
        format="tiff",
        fingerprint=pyramid.tiff_fingerprint(file, directories),
        levels=tuple(pyramid.of([base, *smaller], images.mm_per_pixel(base) or 0.0)),
        channels=(Channel(),),
        icc=images.icc(base),
        scanner=Scanner(base.text(271), base.text(272), "", software),
        acquired=images.date_time(base),
        properties={"ImageDescription": base.text(270)} if 270 in base else {},
        orientation=turned,
    )


def _turned(directory: Directory) -> tuple[int, ...]:
    """Image Orientation (Slide) of the stored pixels. Source: TIFF 6.0, Orientation; PS3.3 C.8.12.4.1.4.

    A turn costs nothing: DICOM says where rows and columns run. A mirror image could be said too, as tissue seen
    through the glass, which it is not; most viewers would turn it and leave it mirrored. Raises: Unsupported.
    """
    found = _TURNED.get(directory.number(274, 1))
    if found is None:
        raise Unsupported("mirrored_image", "the TIFF's Orientation says that its image is stored mirrored")
    return found
