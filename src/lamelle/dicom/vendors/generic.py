"""Any other TIFF: the first image is the base, smaller ones of the same proportions are its levels."""

from pathlib import Path

from lamelle.base.errors import Invalid
from lamelle.dicom.vendors import images, pyramid
from lamelle.dicom.vendors.slide import UPRIGHT, Channel, Scanner, Slide, held
from lamelle.dicom.vendors.tiff import Directory, TiffFile

_LYING = (
    UPRIGHT, UPRIGHT, (0, 1, 0, -1, 0, 0), (0, 1, 0, 1, 0, 0), (0, -1, 0, 1, 0, 0),
    (-1, 0, 0, 0, -1, 0), (-1, 0, 0, 0, 1, 0), (1, 0, 0, 0, 1, 0), (1, 0, 0, 0, -1, 0),
)  # fmt: skip
"""By TIFF Orientation, 0 to 8: Image Orientation (Slide) of the pixels as stored. Source: TIFF 6.0, Orientation."""
MIRRORED = (2, 4, 5, 7)


def read(path: Path) -> Slide:
    """The slide in a TIFF file, tiled or in strips. Raises: Invalid, Unsupported."""
    return held(TiffFile.open(path), _read)


def _read(file: TiffFile) -> Slide:
    directories = list(file.directories())
    base = max(directories, key=lambda d: d.width * d.height)
    orientation = _orientation(base)
    others = [d for d in [*directories, *base.subdirectories] if d is not base and d.tiled == base.tiled]
    smaller, sizes = [], {base.width}
    for one in others:
        alike = pyramid.same_shape(one, base) and one.bits == base.bits and _orientation(one) == orientation
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
        orientation=_LYING[orientation],
        warnings=("mirrored_image",) if orientation in MIRRORED else (),
    )


def _orientation(directory: Directory) -> int:
    """TIFF Orientation; what is none counts as upright."""
    found = directory.number(274, 1)
    return found if found < len(_LYING) else 1
