"""Read a DICOM file while its bytes pass: digests, header, frame index (PS3.10 7, PS3.5 7 and A).

Whether the object is fit to be filed is asked in `validate`; what the values mean, in `json` and by pydicom.
"""

import hashlib
import io
import struct
import zlib
from array import array
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import pydicom
from pydicom.uid import UID

from lamelle.base.errors import Invalid, TooLarge
from lamelle.dicom import elements, frames, json, transfer
from lamelle.dicom.elements import ITEM, ITEM_END, SEQUENCE_END, UNDEFINED
from lamelle.dicom.frames import FrameIndex, PixelData
from lamelle.dicom.json import Bulk

__all__ = ["Bulk", "FrameIndex", "PixelData", "Scan", "Scanner"]

Bytes = bytes | bytearray | memoryview

SLICE = 1 << 20
KEPT_VALUE = 64 << 10
MAX_META = 1 << 20
MAX_INFLATED = 64 << 30
_PREAMBLE = 132

# What opens a codestream: JPEG and JPEG-LS, JPEG 2000 and HTJ2K, JPEG XL bare and boxed, JP2 boxed.
_CODESTREAMS = (b"\xff\xd8", b"\xff\x4f", b"\xff\x0a", b"\x00\x00\x00\x0cJX", b"\x00\x00\x00\x0cjP")
_PEEK = 8 + 6

# Kinds of open levels: elements of an item, items of a sequence, fragments of nested pixel data.
_ELEMENTS, _ITEMS, _FRAGMENTS = range(3)


@dataclass(frozen=True, slots=True)
class Element:
    """A top-level element of the header: its value stands at `offset` in `Scan.header`."""

    vr: bytes
    offset: int
    length: int


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
        self._hash = hashlib.sha256()
        self._warnings: list[str] = []
        self._inflator: zlib._Decompress | None = None
        self._body: _Body | None = None
        self._start = bytearray()

    def feed(self, chunk: Bytes) -> None:
        """Take the next bytes.

        Raises: Invalid, TooLarge as soon as it is sure that the file can't be read.
        """
        view = memoryview(chunk).cast("B")
        self._size += len(view)
        for at in range(0, len(view), SLICE):
            part = view[at : at + SLICE]
            if not self._meta_done:
                self._meta += part
                part = memoryview(self._read_meta(final=False))
            self._take(part)

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
        return self._body.finish(self._scan_base())

    # -- file meta information ---------------------------------------------------------------------

    def _read_meta(self, *, final: bool) -> bytes:
        """Look for the end of the file meta information; returns the bytes after it once found."""
        data = self._meta
        if len(data) < _PREAMBLE + 8 and not final:
            return b""
        start = _PREAMBLE if data[128:_PREAMBLE] == b"DICM" else 0
        if start == 0:
            _require_bare(data)
        end = _end_of_meta(data, start, final=final)
        if end is None:
            if len(data) > MAX_META:
                raise TooLarge("meta_too_large", f"file meta information of more than {MAX_META} bytes")
            return b""
        if start == 0:
            self._warnings.append("no_preamble")
        rest = bytes(data[end:])
        del data[end:]
        self._meta_done = True
        return rest

    def _scan_base(self) -> "_Base":
        meta = bytes(self._meta)
        assert self._body is not None
        return _Base(self._size, meta, self._hash.hexdigest(), tuple(self._warnings))

    # -- data set ----------------------------------------------------------------------------------

    def _take(self, view: memoryview) -> None:
        self._hash.update(view)
        if self._body is not None:
            self._pass_on(view)
            return
        self._start += view
        if len(self._start) >= 12:
            start = bytes(self._start)
            self._start.clear()
            self._body = self._begin(start)
            self._pass_on(memoryview(start))

    def _begin(self, start: bytes) -> "_Body":
        """Choose how to read the data set: as the transfer syntax says, unless its first element says otherwise."""
        uid = _transfer_syntax(bytes(self._meta))
        syntax = transfer.lookup(uid) if uid else None
        if uid and syntax is None:
            self._warnings.append("unknown_transfer_syntax")
        if syntax is not None and syntax.deflated:
            self._inflator = zlib.decompressobj(-zlib.MAX_WBITS)
            return _Body(self._limit, 0, uid, True, True, deflated=True)
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
        return _Body(self._limit, len(self._meta), uid, explicit, little)

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


@dataclass(frozen=True, slots=True)
class _Base:
    size: int
    meta: bytes
    dataset_sha256: str
    warnings: tuple[str, ...]


def _require_bare(data: bytearray) -> None:
    """A data set without preamble is only believed if it begins as one must."""
    group, element, vr = bytes(data[0:2]), bytes(data[2:4]), bytes(data[4:6])
    explicit = vr in elements.KNOWN and (group in (b"\x02\0", b"\x08\0") or (group == b"\0\x08" and vr != b"SQ"))
    implicit = group == b"\x08\0" and element[1:] == b"\0" and data[6:8] == b"\0\0" and vr[1:] in (b"\0", b"\1")
    if len(data) < 8 or not (explicit or implicit):
        raise Invalid("no_preamble", "not a DICOM file: no DICM at byte 128, no data set at byte 0")


def _end_of_meta(data: bytearray, start: int, *, final: bool) -> int | None:
    """Where group 0002 ends, by walking it: its group length lies in too many files."""
    at = start
    while True:
        if len(data) - at < 8:
            return at if final and len(data) == at else _no_end_yet(final)
        if data[at : at + 2] != b"\x02\0":
            return at
        vr = bytes(data[at + 4 : at + 6])
        if vr in elements.LONG or vr not in elements.SHORT:
            place = at + 8 if vr in elements.LONG else at + 4
            if len(data) < place + 4:
                return _no_end_yet(final)
            length, head = int.from_bytes(data[place : place + 4], "little"), place + 4 - at
        else:
            length, head = int.from_bytes(data[at + 6 : at + 8], "little"), 8
        if length > MAX_META:
            raise Invalid("bad_meta", "an element of the file meta information is longer than it may be")
        if len(data) < at + head + length:
            return _no_end_yet(final)
        at += head + length


def _no_end_yet(final: bool) -> int | None:
    if final:
        raise Invalid("truncated", "the file ends within the file meta information")
    return None


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


def _may_be_cut(tag: int, vr: bytes) -> bool:
    return elements.is_bulk(vr) and tag not in (elements.OFFSETS, elements.OFFSET_LENGTHS)


# Kind, explicit, little, and the sizes of whole elements by their first 8 bytes.
_Level = tuple[int, bool, bool, dict[int, int]]


class _Body:
    """The data set. Either reads elements into `head`, or skips a value cut out, or reads fragments."""

    def __init__(
        self, limit: int, origin: int, syntax: str, explicit: bool, little: bool, *, deflated: bool = False
    ) -> None:
        self.limit, self.syntax, self.explicit, self.little, self.deflated = limit, syntax, explicit, little, deflated
        self.end = origin  # position after the last byte seen
        self.head = bytearray()
        self.at = 0  # in head: where the next element header begins; may be past its end
        self.levels: list[_Level] = []
        # Sizes of whole nested elements by their first 8 bytes, where those say it all, for each (explicit, little).
        self.sizes: dict[tuple[bool, bool], dict[int, int]] = defaultdict(dict)
        self.segments: list[tuple[int, int]] = [(0, origin)]  # from this place in head on, this place in the file
        self.cuts: dict[int, tuple[int, int]] = {}  # place of a value in head -> its (offset, length) in the file
        self.elements: dict[int, Element] = {}
        self.warnings: dict[str, None] = {}
        self.pixels: PixelData | None = None
        self.padding = False
        self.skip = 0  # bytes of a value that are not kept
        self.fragments: _Fragments | None = None
        self.done: _Fragments | None = None

    def feed(self, view: memoryview) -> None:
        base = self.end
        self.end += len(view)
        at = 0
        while at < len(view):
            if self.skip:
                step = min(self.skip, len(view) - at)
                self.skip -= step
                at += step
            elif self.fragments is not None:
                after = self.fragments.feed(view[at:], base + at)
                if after is not None:
                    at = after - base
                    self.done, self.fragments = self.fragments, None
                    self._resume(after)
                    continue
                return
            else:
                self.head += view[at:]
                at = len(view) - self._walk(base + len(view))

    def _resume(self, position: int) -> None:
        self.segments.append((len(self.head), position))

    def locate(self, place: int) -> int:
        """The position in the file of a place in the header."""
        at = bisect_right(self.segments, (place, 1 << 62)) - 1
        start, position = self.segments[at]
        return position + place - start

    # -- elements ----------------------------------------------------------------------------------

    def _walk(self, position: int) -> int:  # noqa: PLR0915
        """Read element headers as far as they are there. `position`: in the file, of the end of `head`.

        Returns how many bytes at the end of what was added do not belong to the header.
        """
        head, levels, at = self.head, self.levels, self.at
        unpack_first, sizes, first = _FIRST.unpack_from, self.sizes[True, True], 0
        size = len(head)
        while size - at >= 8:
            if levels:
                kind, explicit, little, sizes = levels[-1]
                first = unpack_first(head, at)[0]
                step = sizes.get(first)
                if step is not None:
                    at += step
                    continue
            elif self.padding:
                if any(head[at:]):
                    raise Invalid("bad_element", "bytes after the end of the data set")
                self.warnings["trailing_bytes"] = None
                del head[at:]
                break
            else:
                kind, explicit, little = _ELEMENTS, self.explicit, self.little
            group, element, vr, short = (_LITTLE if little else _BIG).unpack_from(head, at)
            tag = group << 16 | element
            if kind != _ELEMENTS or group == 0xFFFE:
                at = self._delimiter(tag, at, kind, explicit, little)
                continue
            if not explicit or vr not in elements.KNOWN:
                if explicit and vr.isalpha() and vr.isupper():
                    length, start = short, at + 8
                else:
                    length, start = (_U32_LITTLE if little else _U32_BIG).unpack_from(head, at + 4)[0], at + 8
                    vr = elements.implied_vr(tag)
            elif vr in elements.LONG:
                if size - at < 12:
                    break
                length, start = (_U32_LITTLE if little else _U32_BIG).unpack_from(head, at + 8)[0], at + 12
            else:
                length, start = short, at + 8
            if not levels:
                if tag in elements.PIXEL_TAGS:
                    self.at = at
                    return self._pixels(tag, vr, length, start, position)
                if tag == 0 and length == 0 and self.elements:
                    self.padding = True
                    continue
                self.elements[tag] = Element(vr, start, 0 if length == UNDEFINED else length)
                if length > KEPT_VALUE and length != UNDEFINED and _may_be_cut(tag, vr):
                    return self._cut(tag, vr, length, start, position)
            if length == UNDEFINED:
                self._open(tag, vr, explicit, little)
                at = start
            else:
                if levels and start == at + 8:
                    sizes[first] = 8 + length
                at = start + length
        if at > self.limit:
            raise TooLarge("header_too_large", f"more than {self.limit} bytes beside the pixel data")
        self.at = at
        return 0

    def _open(self, tag: int, vr: bytes, explicit: bool, little: bool) -> None:
        """An element of undefined length begins."""
        if tag == elements.PIXELS or (explicit and vr in (b"OB", b"OW")):
            self.levels.append((_FRAGMENTS, explicit, little, {}))
        elif vr == b"SQ":
            self.levels.append((_ITEMS, explicit, little, {}))
        elif vr == b"UN" or not explicit:  # PS3.5 6.2.2: written in implicit VR little endian
            self.levels.append((_ITEMS, False, True if vr == b"UN" and explicit else little, {}))
        else:
            raise Invalid("bad_length", f"({tag >> 16:04X},{tag & 0xFFFF:04X}) may not have an undefined length")
        if len(self.levels) > 2 * elements.MAX_DEPTH:
            raise Invalid("too_deep", f"sequences nested more than {elements.MAX_DEPTH} deep")

    def _delimiter(self, tag: int, at: int, kind: int, explicit: bool, little: bool) -> int:
        """Handle an item, a delimiter, or what stands where one should; returns where to go on."""
        length: int = (_U32_LITTLE if little else _U32_BIG).unpack_from(self.head, at + 4)[0]
        if tag == ITEM and kind != _ELEMENTS:
            if length != UNDEFINED:
                if at + 8 + length > self.limit:
                    raise TooLarge("header_too_large", f"more than {self.limit} bytes beside the pixel data")
                return at + 8 + length
            if kind == _FRAGMENTS:
                raise Invalid("bad_length", "a fragment of undefined length")
            self.levels.append((_ELEMENTS, explicit, little, self.sizes[explicit, little]))
        elif (tag == SEQUENCE_END and kind != _ELEMENTS) or (tag == ITEM_END and kind == _ELEMENTS and self.levels):
            self.levels.pop()
        elif tag == SEQUENCE_END and len(self.levels) > 1:
            self.warnings["missing_item_delimiter"] = None
            del self.levels[-2:]
        elif tag in (ITEM_END, SEQUENCE_END) and length == 0:
            self.warnings["stray_delimiter"] = None
        elif tag == ITEM and length < self.limit:
            self.warnings["stray_item"] = None
            return at + 8 + length
        else:
            raise Invalid("bad_element", f"({tag >> 16:04X},{tag & 0xFFFF:04X}) where an item or delimiter must stand")
        return at + 8

    def _cut(self, tag: int, vr: bytes, length: int, start: int, position: int) -> int:
        """Leave a large value out of the header: its length becomes 0."""
        value = position - (len(self.head) - start)
        extra = len(self.head) - start
        del self.head[start:]
        self.head[start - 4 : start] = b"\0\0\0\0"
        self.elements[tag] = Element(vr, start, 0)
        self.cuts[start] = (-1 if self.deflated else value, length)
        self.skip, self.at = length, start
        self._resume(value + length)
        return extra

    # -- pixel data --------------------------------------------------------------------------------

    def _pixels(self, tag: int, vr: bytes, length: int, start: int, position: int) -> int:
        if self.pixels is not None:
            raise Invalid("two_pixel_data", "more than one pixel data element")
        extra = len(self.head) - start
        value = position - extra
        offset = -1 if self.deflated else value
        encapsulated = length == UNDEFINED
        name = ("OB" if encapsulated else "OW") if b" or " in vr else vr.decode()
        self.pixels = PixelData(tag, name, offset, None if encapsulated else length, encapsulated)
        del self.head[self.at :]
        if encapsulated:
            self.fragments = _Fragments(value, self.limit)
        else:
            self.skip = length
            self._resume(value + length)
        return extra

    # -- the end -----------------------------------------------------------------------------------

    def finish(self, base: _Base) -> Scan:
        if self.skip or self.fragments is not None or self.levels or self.at > len(self.head):
            raise Invalid("truncated", f"the file ends within the data set, after {base.size} bytes")
        if self.at < len(self.head):
            if any(self.head[self.at :]):
                raise Invalid("truncated", f"the file ends within an element, after {base.size} bytes")
            self.warnings["trailing_bytes"] = None
            del self.head[self.at :]
        header = bytes(self.head)
        locate = (lambda _: -1) if self.deflated else self.locate
        text, bulk = json.convert(header, self.explicit, self.little, locate=locate, cuts=self.cuts, pixels=self.pixels)
        scan = Scan(
            size=base.size,
            transfer_syntax=self.syntax,
            meta=base.meta,
            meta_sha256=hashlib.sha256(base.meta).hexdigest(),
            dataset_sha256=base.dataset_sha256,
            dataset_offset=len(base.meta),
            header=header,
            explicit=self.explicit,
            little=self.little,
            pixels=self.pixels,
            frames=None,
            elements=MappingProxyType(self.elements),
            bulk=bulk,
            warnings=(*base.warnings, *self.warnings),
            _json=text,
        )
        return self._with_frames(scan)

    def _with_frames(self, scan: Scan) -> Scan:
        syntax = transfer.lookup(scan.transfer_syntax)
        if self.pixels is None:
            return scan
        if syntax is not None and syntax.encapsulated != self.pixels.encapsulated:
            scan = replace(scan, warnings=(*scan.warnings, "encapsulation_mismatch"))
        if self.done is None:
            return scan
        if "no_transfer_syntax" in scan.warnings:
            raise Invalid("no_transfer_syntax", "compressed frames, and no transfer syntax says how")
        found, warnings = self.done.index(scan)
        return replace(scan, frames=found, warnings=(*scan.warnings, *warnings))


class _Fragments:
    """Encapsulated pixel data: keeps the offset table and every fragment's length, and skips the rest."""

    def __init__(self, position: int, limit: int) -> None:
        self.next = position  # of the next item header
        self.limit = limit
        self.first = -1  # position of the first fragment's item, after the offset table's
        self.table = bytearray()
        self.in_table = 0  # bytes of the table still to come
        self.lengths = array("I")
        self.codestreams = bytearray()
        self.carry = b""
        self.ended = False

    def feed(self, view: memoryview, position: int) -> int | None:
        """Take bytes that stand at `position`; returns where the pixel data ended, once it did."""
        if self.in_table:
            step = min(self.in_table, len(view))
            self.table += view[:step]
            self.in_table -= step
            self.next += step
            view, position = view[step:], position + step
        end = position + len(view)
        if self.carry:
            start = position - len(self.carry)
            window = self.carry + view[:_PEEK]
            self.carry = b""
            self._read(memoryview(window), start)
            if self.next < position and not self.ended:
                self.carry = window[self.next - start :]
                return None
            if self.in_table:
                return self.feed(view[self.next - position :], self.next)
        if not self.ended and self.next < end:
            self._read(view, position)
            if self.in_table:
                return self.feed(view[self.next - position :], self.next)
            if not self.ended and self.next < end:
                self.carry = bytes(view[self.next - position :])
        return self.next if self.ended else None

    def _read(self, view: memoryview, start: int) -> None:
        """Read item headers while a header and the first bytes behind it are there."""
        at, size = self.next - start, len(view)
        lengths, codestreams = self.lengths, self.codestreams
        unpack = _ITEM.unpack_from
        while size - at >= 8:
            group_element, length = unpack(view, at)
            if group_element != _ITEM_TAG:
                if group_element != _SEQUENCE_END_TAG:
                    raise Invalid("bad_fragment", "no item where the next fragment must begin")
                self.ended = True
                at += 8
                break
            if length == UNDEFINED:
                raise Invalid("bad_length", "a fragment of undefined length")
            if self.first < 0:
                if length > self.limit:
                    raise TooLarge("header_too_large", f"an offset table of more than {self.limit} bytes")
                self.first = start + at + 8 + length
                self.in_table = length
                at += 8
                if length:
                    break
                continue
            if size - at < _PEEK and size - at < 8 + length:
                break
            lengths.append(length)
            codestreams.append(bytes(view[at + 8 : at + _PEEK]).startswith(_CODESTREAMS))
            at += 8 + length
        self.next = start + at

    def index(self, scan: Scan) -> tuple[FrameIndex, tuple[str, ...]]:
        return frames.index(
            max(self.first, 0),
            self.lengths,
            self.codestreams,
            frames=max(scan.number(0x00280008) or 1, 1),
            basic=bytes(self.table),
            extended=scan.value(elements.OFFSETS) or b"",
            extended_lengths=scan.value(elements.OFFSET_LENGTHS) or b"",
        )


_FIRST = struct.Struct("<Q")
_LITTLE, _BIG = struct.Struct("<HH2sH"), struct.Struct(">HH2sH")
_U32_LITTLE, _U32_BIG = struct.Struct("<I"), struct.Struct(">I")
_ITEM = struct.Struct("<II")
_ITEM_TAG, _SEQUENCE_END_TAG = 0xE000FFFE, 0xE0DDFFFE
