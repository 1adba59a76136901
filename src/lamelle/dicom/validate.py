"""May this object be filed? What an archive needs to name and find it; whether it is a good image is not asked here."""

from collections.abc import Iterator
from dataclasses import dataclass

from lamelle.dicom import part10, transfer, uids
from lamelle.dicom.part10 import Scan


@dataclass(frozen=True, slots=True)
class Finding:
    """`code` is stable; `message` names tags and sizes, never values other than UIDs."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Who the object is, and what stands against filing it. A UID is None where there is none that can be used."""

    sop_class_uid: str | None
    sop_instance_uid: str | None
    study_uid: str | None
    series_uid: str | None
    errors: tuple[Finding, ...]
    warnings: tuple[Finding, ...]


NAMES = (
    (0x00080016, "SOP Class UID", "no_sop_class"),
    (0x00080018, "SOP Instance UID", "no_sop_instance"),
    (0x0020000D, "Study Instance UID", "no_study"),
    (0x0020000E, "Series Instance UID", "no_series"),
)
# What the scanner's warnings say to a person; the codes are part10's.
_SCAN_WARNINGS = {
    "no_preamble": "no preamble and DICM prefix",
    "no_transfer_syntax": "no (0002,0010) Transfer Syntax UID; it was guessed from the first element",
    "unknown_transfer_syntax": "the transfer syntax is not known here; read as explicit VR little endian",
    "vr_encoding_mismatch": "elements are not written as the transfer syntax says",
    "encapsulation_mismatch": "pixel data is not written as the transfer syntax says",
    "missing_item_delimiter": "a sequence ends within an item",
    "stray_delimiter": "a delimiter stands outside of a sequence",
    "stray_item": "an item stands outside of a sequence",
    "trailing_bytes": "zero bytes after the last element",
    "bad_basic_offset_table": "the Basic Offset Table does not hit the frames; fragments were used",
    "bad_extended_offset_table": "the Extended Offset Table does not hit the frames; fragments were used",
    "bad_extended_offset_table_lengths": "(7FE0,0002) contradicts the fragments; fragments were used",
    "deflated_frames": "compressed frames within a deflated data set have no place in the file",
    "frames_unknown": "the fragments can't be assigned to the number of frames",
}


def check(scan: Scan) -> Verdict:
    """All that is wrong with the object; without errors it may be filed."""
    errors: list[Finding] = []
    warnings = [Finding(code, _SCAN_WARNINGS.get(code, code)) for code in scan.warnings]
    found: list[str | None] = []
    meta = dict(part10.meta_elements(scan.meta))
    if _uid(meta.get(0x00020002)) == uids.DICOMDIR or scan.text(0x00080016) == uids.DICOMDIR:
        errors.append(Finding("dicomdir", "a media directory is not an object of a patient"))
    for tag, name, missing in NAMES:
        uid = scan.text(tag) or ""
        found.append(uid if uids.is_usable(uid) else None)
        if not uid:
            errors.append(Finding(missing, f"({tag >> 16:04X},{tag & 0xFFFF:04X}) {name} is not there or empty"))
        elif not uids.is_usable(uid):
            errors.append(Finding("bad_uid", f"({tag >> 16:04X},{tag & 0xFFFF:04X}) {name} is not a UID"))
        elif not uids.is_uid(uid):
            warnings.append(Finding("odd_uid", f"({tag >> 16:04X},{tag & 0xFFFF:04X}) {name} has leading zeros"))
    warnings += _meta_mismatches(scan, meta)
    warnings += _pixel_doubts(scan)
    if found[0] is not None and found[0] not in uids.SOP_CLASSES:
        warnings.append(Finding("unknown_sop_class", "the SOP class is private or newer than our tables"))
    sop_class, sop_instance, study, series = found
    return Verdict(sop_class, sop_instance, study, series, tuple(errors), tuple(warnings))


def _uid(value: bytes | None) -> str:
    return (value or b"").decode("ascii", "replace").strip(" \0")


def _meta_mismatches(scan: Scan, meta: dict[int, bytes]) -> Iterator[Finding]:
    """The data set is the truth (PS3.10 7.1 wants both the same); a reader of the file must not be misled."""
    for of_meta, of_dataset, code in (
        (0x00020002, 0x00080016, "meta_sop_class_mismatch"),
        (0x00020003, 0x00080018, "meta_sop_instance_mismatch"),
    ):
        if meta.get(of_meta) and scan.text(of_dataset) not in (None, "", _uid(meta[of_meta])):
            message = f"(0002,{of_meta & 0xFFFF:04X}) differs from ({of_dataset >> 16:04X},{of_dataset & 0xFFFF:04X})"
            yield Finding(code, message)


def _pixel_doubts(scan: Scan) -> Iterator[Finding]:
    if scan.pixels is None or scan.pixels.length is None:
        return
    facts = [scan.number(tag) for tag in (0x00280010, 0x00280011, 0x00280002, 0x00280100)]
    rows, columns, samples, bits = (fact or 0 for fact in facts)
    frames = scan.number(0x00280008) or 1
    if scan.text(0x00280004) == "YBR_FULL_422":
        samples = 2
    needed = (rows * columns * samples * bits * frames + 7) // 8
    syntax = transfer.lookup(scan.transfer_syntax)
    if needed > scan.pixels.length and not (syntax is not None and syntax.encapsulated):
        yield Finding("pixels_too_short", f"{needed} bytes of pixels are described, {scan.pixels.length} are there")
