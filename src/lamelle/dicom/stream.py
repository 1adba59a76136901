"""Read a data set while its bytes pass: its elements, and where its pixel data and other large values stand.

The file around it lives in `part10`, the meaning of offset tables in `frames` (PS3.5 7 and A.4).
"""

import struct
from array import array
from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass

from lamelle.base.errors import Invalid, TooLarge
from lamelle.dicom import elements
from lamelle.dicom.elements import ITEM, ITEM_END, SEQUENCE_END, UNDEFINED
from lamelle.dicom.frames import PixelData

KEPT_VALUE = 64 << 10
MAX_ELEMENTS = 100_000
MAX_FRAGMENTS = 1 << 24
_MAX_SIZES = 50_000

# What opens a codestream: JPEG and JPEG-LS, JPEG 2000 and HTJ2K, JPEG XL bare and boxed, JP2 boxed.
_CODESTREAMS = (b"\xff\xd8", b"\xff\x4f", b"\xff\x0a", b"\x00\x00\x00\x0cJX", b"\x00\x00\x00\x0cjP")
_PEEK = 8 + 6

_FIRST = struct.Struct("<Q")
_LITTLE, _BIG = struct.Struct("<HH2sH"), struct.Struct(">HH2sH")
_U32_LITTLE, _U32_BIG = struct.Struct("<I"), struct.Struct(">I")
_ITEM = struct.Struct("<II")
_ITEM_TAG, _SEQUENCE_END_TAG = 0xE000FFFE, 0xE0DDFFFE

# Kinds of open levels: elements of an item, items of a sequence, fragments of nested pixel data.
_ELEMENTS, _ITEMS, _FRAGMENTS = range(3)


@dataclass(frozen=True, slots=True)
class Element:
    """A top-level element of the header: its value stands at `offset` in `Scan.header`."""

    vr: bytes
    offset: int
    length: int


def _may_be_cut(tag: int, vr: bytes) -> bool:
    return elements.is_bulk(vr) and tag not in (elements.OFFSETS, elements.OFFSET_LENGTHS)


# Kind, explicit, little, and the sizes of whole elements by their first 8 bytes.
_Level = tuple[int, bool, bool, dict[int, int]]


class Reader:
    """Reads one data set: `head` grows by its elements; large values and pixel data only pass.

    At any moment it either reads elements into `head`, or skips a value cut out, or reads fragments.
    """

    def __init__(self, limit: int, origin: int, *, explicit: bool, little: bool, deflated: bool = False) -> None:
        self.limit, self.explicit, self.little, self.deflated = limit, explicit, little, deflated
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
        self.fragments: Fragments | None = None
        self.done: Fragments | None = None

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

    @property
    def passing(self) -> bool:
        """Whether the next bytes are a value or fragments that are not kept."""
        return self.skip > 0 or self.fragments is not None

    def _resume(self, position: int) -> None:
        self.segments.append((len(self.head), position))

    def locate(self, place: int) -> int:
        """The position in the file of a place in the header, -1 if the file is deflated."""
        if self.deflated:
            return -1
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
                if len(self.elements) > MAX_ELEMENTS:
                    raise TooLarge("too_many_elements", f"more than {MAX_ELEMENTS} elements at the top level")
                self.elements[tag] = Element(vr, start, 0 if length == UNDEFINED else length)
                if length > KEPT_VALUE and length != UNDEFINED and _may_be_cut(tag, vr):
                    return self._cut(tag, vr, length, start, position)
            if length == UNDEFINED:
                self._open(tag, vr, explicit, little)
                at = start
            else:
                if levels and start == at + 8:
                    if len(sizes) > _MAX_SIZES:
                        sizes.clear()
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
            self.fragments = Fragments(value, self.limit)
        else:
            self.skip = length
            self._resume(value + length)
        return extra

    # -- the end -----------------------------------------------------------------------------------

    def finish(self) -> bytes:
        """The header, once all bytes have passed.

        Raises: Invalid `truncated`.
        """
        if self.skip or self.fragments is not None or self.levels or self.at > len(self.head):
            raise Invalid("truncated", f"the file ends within the data set, at byte {self.end}")
        if self.at < len(self.head):
            if any(self.head[self.at :]):
                raise Invalid("truncated", f"the file ends within an element, at byte {self.end}")
            self.warnings["trailing_bytes"] = None
            del self.head[self.at :]
        return bytes(self.head)


class Fragments:
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
        if len(lengths) > MAX_FRAGMENTS:
            raise TooLarge("too_many_fragments", f"more than {MAX_FRAGMENTS} fragments")
        self.next = start + at
