"""Any other TIFF: the first image is the base, smaller ones of the same proportions are its levels."""

from pathlib import Path

from lamelle.base.errors import Invalid
from lamelle.dicom.vendors import images, pyramid
from lamelle.dicom.vendors.slide import Channel, Scanner, Slide
from lamelle.dicom.vendors.tiff import TiffFile


def read(path: Path) -> Slide:
    """The slide in a TIFF file, tiled or in strips. Raises: Invalid, Unsupported."""
    file = TiffFile.open(path)
    try:
        return _read(file)
    except BaseException:
        file.close()
        raise


def _read(file: TiffFile) -> Slide:
    directories = list(file.directories())
    base = max(directories, key=lambda d: d.width * d.height)
    others = [d for d in [*directories, *base.subdirectories] if d is not base and d.tiled == base.tiled]
    smaller, sizes = [], {base.width}
    for one in others:
        if pyramid.same_shape(one, base) and one.width not in sizes and one.bits == base.bits:
            smaller.append(one)
            sizes.add(one.width)
    if base.samples not in (1, 3, 4) and not base.tiled:
        raise Invalid("no_levels", "no image in this TIFF looks like a slide")
    warnings = ("orientation_ignored",) if base.number(274, 1) not in (0, 1) else ()
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
        warnings=warnings,
        close=file.close,
    )
