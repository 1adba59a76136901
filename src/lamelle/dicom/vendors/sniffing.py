"""Which format a file is, by its first bytes and, where bytes do not tell, by its name. Never raises."""

from pathlib import Path

from lamelle.base.errors import LamelleError
from lamelle.dicom.vendors.tiff import Directory, TiffFile

BY_SUFFIX = {
    ".svs": "svs", ".ndpi": "ndpi", ".mrxs": "mrxs", ".bif": "bif", ".scn": "scn", ".vsi": "vsi",
    ".isyntax": "isyntax", ".tif": "tiff", ".tiff": "tiff", ".dcm": "dicom", ".czi": "czi",
}  # fmt: skip
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def sniff(path: Path) -> str | None:
    """The format's name, or None for what is no slide at all.

    A file named like a slide but broken inside is that format: `convert` then says what is wrong with it.
    """
    suffix = path.suffix.lower()
    try:
        with path.open("rb") as file:
            head = file.read(2048)
    except OSError:
        return None
    if head[128:132] == b"DICM":
        return "dicom"
    if head.startswith(b"ZISRAWFILE"):
        return "czi"
    if suffix in (".mrxs", ".vsi"):
        return BY_SUFFIX[suffix]
    if head[:4] in _TIFF:
        return _tiff(path) or BY_SUFFIX.get(suffix, "tiff")
    if b"<DataObject" in head and b"DPUfsImport" in head:
        return "isyntax"
    return BY_SUFFIX.get(suffix)


def _tiff(path: Path) -> str | None:
    try:
        file = TiffFile.open(path)
    except (LamelleError, OSError):
        return None
    try:
        return _flavor(next(file.directories()), file)
    except (LamelleError, OSError):
        return None
    finally:
        file.close()


def _flavor(first: Directory, file: TiffFile) -> str:
    described, software = first.text(270), first.text(305)
    if file.ndpi:
        return "ndpi"
    if described.startswith("Aperio"):
        return "svs"
    if software.startswith("Philips"):
        return "philips-tiff"
    if "www.leica-microsystems.com/scn" in described[:4096]:
        return "scn"
    if "openmicroscopy.org" in described[:4096] and described.rstrip().endswith("OME>"):
        return "ome-tiff"
    if b"<iScan" in (first.raw(700) or b"") or ("level=" in described and "mag=" in described):
        return "bif"
    return "tiff"
