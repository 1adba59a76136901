"""Read a DICOM file while its bytes pass: digests, header, frame index (PS3.10 7, PS3.5 7 and A).

Whether the object is fit to be filed is asked in `validate`; what the values mean, in `json` and by pydicom.
"""

import hashlib
import io
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import pydicom
from pydicom.uid import UID

from lamelle.base.errors import Invalid, TooLarge
from lamelle.dicom import elements, frames, json, transfer
from lamelle.dicom.frames import FrameIndex, PixelData
from lamelle.dicom.json import Bulk
from lamelle.dicom.stream import Element, Reader

__all__ = ["Bulk", "Element", "FrameIndex", "PixelData", "Scan", "Scanner"]

Bytes = bytes | bytearray | memoryview

SLICE = 1 << 20
PIECE = 16 << 10
"""Bytes taken at once where a header may be: they are copied, and pixel data that follow should not be."""
MAX_META = 1 << 20
MAX_INFLATED = 5 << 30
"""Bytes of a deflated data set: native Pixel Data have 4 GiB at most, so what is larger is a bomb."""
_PREAMBLE = 132


@dataclass(frozen=True, slots=True)
class Scan:
    """What one pass over a file learned.

    `header` is the data set without its pixel data, as it stands in the file (inflated if deflated); values of bulk VRs
    over 64 KiB at the top level are cut out of it, their length set to 0. `explicit` and `little` say how it is really
    written, which odd files say wrongly in `transfer_syntax`. `meta` is empty for a bare data set.
    """

    size: int
    transfer_syntax: str
    meta: bytes = field(repr=False)
    meta_sha256: str
    dataset_sha256: str
    dataset_offset: int
    header: bytes = field(repr=False)
    explicit: bool
    little: bool
    pixels: PixelData | None
    frames: FrameIndex | None
    elements: Mapping[int, Element] = field(repr=False)
    bulk: tuple[Bulk, ...] = field(repr=False)
    warnings: tuple[str, ...]
    _json: bytes = field(repr=False)

    def value(self, tag: int) -> bytes | None:
        """The bytes of a top-level element as they stand, None if it is not there."""
        element = self.elements.get(tag)
        return None if element is None else self.header[element.offset : element.offset + element.length]

    def text(self, tag: int) -> str | None:
        """A top-level value of a VR that needs no character set (UI, CS, DA, IS ...), without its padding."""
        value = self.value(tag)
        return None if value is None else value.decode("ascii", "replace").strip(" \0")

    def number(self, tag: int) -> int | None:
        """A top-level US, UL or IS value; None if it is not there or no number."""
        element, value = self.elements.get(tag), self.value(tag)
        if element is None or not value:
            return None
        if element.vr in (b"US", b"UL", b"US or SS"):
            return int.from_bytes(value[: 4 if element.vr == b"UL" else 2], "little" if self.little else "big")
        try:
            return int(value.split(b"\\")[0].strip(b" \0"))
        except ValueError:
            return None

    def dataset(self) -> pydicom.Dataset:
        """The header, read by pydicom: without pixel data and without the values cut out."""
        read = pydicom.filereader.read_dataset(io.BytesIO(self.header), not self.explicit, self.little)
        read.file_meta = pydicom.dataset.FileMetaDataset()
        read.file_meta.TransferSyntaxUID = UID(self.transfer_syntax)
        return read

    def json(self) -> bytes:
        """The DICOM JSON Model of the instance, UTF-8, bulk values as `"BulkDataURI":"@<path>"`."""
        return self._json


class Scanner:
    """Feed it a file in chunks of any size; memory stays at the size of the header."""

    def __init__(self, *, header_limit: int = 256 << 20) -> None:
        self._limit = header_limit
        self._size = 0
        self._meta = bytearray()
        self._meta_done = False
        self._meta_at = 0  # where its next element begins
        self._hash = hashlib.sha256()
        self._warnings: list[str] = []
        self._inflator: zlib._Decompress | None = None
        self._body: Reader | None = None
        self._start = bytearray()
        self._syntax = ""

    def feed(self, chunk: Bytes) -> None:
        """Take the next bytes.

        Raises: Invalid, TooLarge as soon as it is sure that the file can't be read.
        """
        view = memoryview(chunk).cast("B")
        self._size += len(view)
        at = 0
        while not self._meta_done and at < len(view):
            self._meta += view[at : at + PIECE]
            at += PIECE
            self._take(memoryview(self._read_meta(final=False)))
        for start in range(at, len(view), SLICE):
            self._take(view[start : start + SLICE])

    def finish(self) -> Scan:
        """What was learned, after the last byte.

        Raises: Invalid `truncated` when bytes are missing, and what `feed` raises.
        """
        if not self._meta_done:
            rest = self._read_meta(final=True)
            self._take(memoryview(rest))
        if self._body is None:
            self._body = self._begin(bytes(self._start))
            self._pass_on(memoryview(bytes(self._start)))
        if self._inflator is not None and not self._inflator.eof:
            raise Invalid("truncated", "the deflated data set ends too early")
        return self._scan(self._body)

    def _scan(self, body: Reader) -> Scan:
        header, meta = body.finish(), bytes(self._meta)
        text, bulk = json.convert(
            header, body.explicit, body.little, locate=body.locate, cuts=body.cuts, pixels=body.pixels
        )
        scan = Scan(
            size=self._size,
            transfer_syntax=self._syntax,
            meta=meta,
            meta_sha256=hashlib.sha256(meta).hexdigest(),
            dataset_sha256=self._hash.hexdigest(),
            dataset_offset=len(meta),
            header=header,
            explicit=body.explicit,
            little=body.little,
            pixels=body.pixels,
            frames=None,
            elements=MappingProxyType(body.elements),
            bulk=bulk,
            warnings=(*self._warnings, *body.warnings),
            _json=text,
        )
        return _with_frames(scan, body)

    # -- file meta information ---------------------------------------------------------------------

    def _read_meta(self, *, final: bool) -> bytes:
        """Look for the end of the file meta information; returns the bytes after it once found."""
        data = self._meta
        if len(data) < _PREAMBLE + 8 and not final:
            return b""
        start = _PREAMBLE if data[128:_PREAMBLE] == b"DICM" else 0
        if start == 0:
            _require_bare(data)
        self._meta_at, ended = _walk_meta(data, max(start, self._meta_at))
        if not ended and not (final and self._meta_at == len(data)):
            if final:
                raise Invalid("truncated", "the file ends within the file meta information")
            if len(data) > MAX_META:
                raise TooLarge("meta_too_large", f"file meta information of more than {MAX_META} bytes")
            return b""
        if start == 0:
            self._warnings.append("no_preamble")
        rest = bytes(data[self._meta_at :])
        del data[self._meta_at :]
        self._meta_done = True
        return rest

    # -- data set ----------------------------------------------------------------------------------

    def _take(self, view: memoryview) -> None:
        self._hash.update(view)
        if self._body is None:
            self._start += view[:PIECE]
            view = view[PIECE:]
            if len(self._start) < 12:
                return
            start = bytes(self._start)
            self._start.clear()
            self._body = self._begin(start)
            self._pass_on(memoryview(start))
        at = 0
        while at < len(view):
            step = SLICE if self._body.passing else PIECE
            self._pass_on(view[at : at + step])
            at += step

    def _begin(self, start: bytes) -> Reader:
        """Choose how to read the data set: as the transfer syntax says, unless its first element says otherwise."""
        uid = _transfer_syntax(bytes(self._meta))
        syntax = transfer.lookup(uid) if uid else None
        if uid and syntax is None:
            self._warnings.append("unknown_transfer_syntax")
        if syntax is not None and syntax.deflated:
            self._inflator = zlib.decompressobj(-zlib.MAX_WBITS)
            self._syntax = uid
            return Reader(self._limit, 0, explicit=True, little=True, deflated=True)
        explicit, little = (syntax.explicit, syntax.little) if syntax else (True, True)
        looks_explicit = start[4:6] in elements.KNOWN
        if not uid:
            self._warnings.append("no_transfer_syntax")
            explicit, little = looks_explicit, not (looks_explicit and start[:1] == b"\0" and start[1:2] != b"\0")
            guessed = (transfer.EXPLICIT_LITTLE if little else transfer.EXPLICIT_BIG) if explicit else ""
            uid = guessed or transfer.IMPLICIT_LITTLE
        elif len(start) >= 8 and looks_explicit != explicit:
            self._warnings.append("vr_encoding_mismatch")
            explicit = looks_explicit
        self._syntax = uid
        return Reader(self._limit, len(self._meta), explicit=explicit, little=little)

    def _pass_on(self, view: memoryview) -> None:
        assert self._body is not None
        if self._inflator is None:
            self._body.feed(view)
            return
        pending: bytes = bytes(view)
        try:
            while pending and not self._inflator.eof:
                self._body.feed(memoryview(self._inflator.decompress(pending, SLICE)))
                pending = self._inflator.unconsumed_tail
        except zlib.error as error:
            raise Invalid("bad_deflate", "the data set is not a deflate stream") from error
        if self._body.end > MAX_INFLATED:
            raise TooLarge("inflated_too_large", f"inflates to more than {MAX_INFLATED} bytes")


def _with_frames(scan: Scan, body: Reader) -> Scan:
    """The scan with its frame index, once the attributes that describe the frames are known."""
    if scan.pixels is None:
        return scan
    syntax = transfer.lookup(scan.transfer_syntax)
    if syntax is not None and syntax.encapsulated != scan.pixels.encapsulated:
        scan = replace(scan, warnings=(*scan.warnings, "encapsulation_mismatch"))
    if body.done is None:
        return scan
    if "no_transfer_syntax" in scan.warnings:
        raise Invalid("no_transfer_syntax", "compressed frames, and no transfer syntax says how")
    if body.deflated:
        return replace(scan, warnings=(*scan.warnings, "deflated_frames"))
    found, warnings = frames.index(
        max(body.done.first, 0),
        body.done.lengths,
        body.done.codestreams,
        frames=max(scan.number(0x00280008) or 1, 1),
        basic=bytes(body.done.table),
        extended=scan.value(elements.OFFSETS) or b"",
        extended_lengths=scan.value(elements.OFFSET_LENGTHS) or b"",
    )
    return replace(scan, frames=found, warnings=(*scan.warnings, *warnings))


def _require_bare(data: bytearray) -> None:
    """A data set without preamble is only believed if it begins as one must."""
    group, element, vr = bytes(data[0:2]), bytes(data[2:4]), bytes(data[4:6])
    explicit = vr in elements.KNOWN and (group in (b"\x02\0", b"\x08\0") or (group == b"\0\x08" and vr != b"SQ"))
    implicit = group == b"\x08\0" and element[1:] == b"\0" and data[6:8] == b"\0\0" and vr[1:] in (b"\0", b"\1")
    if len(data) < 8 or not (explicit or implicit):
        raise Invalid("no_preamble", "not a DICOM file: no DICM at byte 128, no data set at byte 0")


def _walk_meta(data: bytearray, at: int) -> tuple[int, bool]:
    """Walk group 0002 from `at` on: its group length lies in too many files. How far, and whether it ends there."""
    while len(data) - at >= 8:
        if data[at : at + 2] != b"\x02\0":
            return at, True
        vr = bytes(data[at + 4 : at + 6])
        if vr in elements.SHORT:
            length, head = int.from_bytes(data[at + 6 : at + 8], "little"), 8
        else:
            head = 12 if vr in elements.LONG else 8
            length = int.from_bytes(data[at + head - 4 : at + head], "little")
        if length > MAX_META:
            raise Invalid("bad_meta", "an element of the file meta information is longer than it may be")
        if len(data) < at + head + length:
            break
        at += head + length
    return at, False


def _transfer_syntax(meta: bytes) -> str:
    """(0002,0010) of file meta information known to be whole; empty if it is not there."""
    at = _PREAMBLE if meta[128:_PREAMBLE] == b"DICM" else 0
    for tag, value in meta_elements(meta, at):
        if tag == 0x00020010:
            return value.decode("ascii", "replace").strip(" \0")
    return ""


def meta_elements(meta: bytes, at: int | None = None) -> list[tuple[int, bytes]]:
    """(tag, value) of every element of file meta information as `Scan.meta` holds it."""
    if at is None:
        at = _PREAMBLE if meta[128:_PREAMBLE] == b"DICM" else 0
    found = []
    while at + 8 <= len(meta):
        group, element, vr, short = struct.unpack_from("<HH2sH", meta, at)
        if vr in elements.SHORT:
            length, head = short, 8
        else:
            place = at + (8 if vr in elements.LONG else 4)
            length, head = int.from_bytes(meta[place : place + 4], "little"), place + 4 - at
        found.append((group << 16 | element, meta[at + head : at + head + length]))
        at += head + length
    return found
