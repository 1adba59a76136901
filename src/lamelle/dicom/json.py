"""Header bytes to the DICOM JSON Model (PS3.18 Annex F), without building a data set in between.

Reading a file into header bytes lives in `part10`. Bad values never raise: what can't be read as its VR is given as a
string, or the element stands there with its `vr` only.
"""

import json
import math
import re
import struct
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Any

from lamelle.dicom import elements, transfer
from lamelle.dicom.charset import Charset, charset
from lamelle.dicom.elements import ITEM, ITEM_END, SEQUENCE_END, UNDEFINED
from lamelle.dicom.frames import PixelData

INLINE_LIMIT = 1024
_SAFE_INTEGER = 1 << 53
_MEMO_VALUE = 1024
_MEMO_SIZE = 50_000

_CHARSETS = 0x00080005
_PIXEL_REPRESENTATION = 0x00280103
_TEXT = frozenset((b"LO", b"SH", b"UC"))  # several values, by the character set
_PROSE = frozenset((b"LT", b"ST", b"UT"))  # one value, by the character set
_PLAIN = frozenset((b"AE", b"AS", b"CS", b"DA", b"DT", b"TM", b"UI"))
_NUMBERS = {b"FL": "f", b"FD": "d", b"SL": "i", b"SS": "h", b"UL": "I", b"US": "H", b"SV": "q", b"UV": "Q"}
_WORDS = {b"OW": 2, b"OF": 4, b"OL": 4, b"OD": 8, b"OV": 8}
_JSON_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_LITTLE, _BIG = struct.Struct("<HH2sH"), struct.Struct(">HH2sH")
_UTF8 = b'{"vr":"CS","Value":["ISO_IR 192"]}'


@dataclass(frozen=True, slots=True)
class Bulk:
    """A value that stands outside the metadata. `path`: tags and 1-based item numbers, `00480105/1/00282000`;
    `offset` in the file, -1 if the file is deflated."""

    path: str
    vr: str
    offset: int
    length: int


# Of an element's first 8 bytes: tag, VR, size of the whole element, and whether equal bytes always mean the same text.
_Head = tuple[int, bytes, int, bool]
_LONG_FORM = -1  # the size stands in the 4 bytes that follow


class _Context:
    """How the elements of a data set or item are written.

    `memo`: members of elements seen before, by their bytes; `heads`: by the first 8 bytes of an element.
    """

    __slots__ = ("charset", "explicit", "heads", "little", "memo", "unpack_item", "unpack_long")

    def __init__(self, explicit: bool, little: bool, charset: Charset) -> None:
        self.explicit, self.little, self.charset = explicit, little, charset
        self.memo: dict[bytes, str] = {}
        self.heads: dict[bytes, _Head] = {}
        order = "<" if little else ">"
        self.unpack_long = struct.Struct(f"{order}I").unpack_from
        self.unpack_item = struct.Struct(f"{order}HHI").unpack_from

    def with_charset(self, terms: list[str]) -> "_Context":
        """The same for text in another character set."""
        return _Context(self.explicit, self.little, charset(terms))


def _head(first: bytes, context: _Context) -> _Head:
    """Read the first 8 bytes of an element, and remember what they say."""
    group, element, vr, short = (_LITTLE if context.little else _BIG).unpack(first)
    tag = group << 16 | element
    if context.explicit and vr in elements.KNOWN and group != 0xFFFE:
        size = _LONG_FORM if vr in elements.LONG else 8 + short
    elif context.explicit and vr.isalpha() and vr.isupper() and group != 0xFFFE:
        size = 8 + short
    else:
        vr = elements.implied_vr(tag)
        size = 8 + context.unpack_long(first, 4)[0]
    simple = 8 <= size <= 8 + _MEMO_VALUE and not elements.is_bulk(vr) and tag not in (_CHARSETS, _PIXEL_REPRESENTATION)
    found = (tag, vr, size, simple and group not in (2, 0xFFFE) and element != 0)
    if len(context.heads) > _MEMO_SIZE:
        context.heads.clear()
    context.heads[first] = found
    return found


def to_json(header: bytes, transfer_syntax: str) -> bytes:
    """The JSON of a header alone, read as the transfer syntax says (explicit little endian if we do not know it)."""
    syntax = transfer.lookup(transfer_syntax)
    explicit, little = (syntax.explicit, syntax.little) if syntax else (True, True)
    return convert(header, explicit, little)[0]


def convert(
    header: bytes,
    explicit: bool,
    little: bool,
    *,
    locate: Callable[[int], int] = lambda place: place,
    cuts: Mapping[int, tuple[int, int]] | None = None,
    pixels: PixelData | None = None,
) -> tuple[bytes, tuple[Bulk, ...]]:
    """The DICOM JSON Model of one instance, and its bulk values except pixel data.

    `locate`: from a place in the header to the position in the file; `cuts`: values cut out of the header, by their
    place, with (offset in the file, length).
    """
    return _Writer(header, little, locate, cuts or {}).write(explicit, pixels)


def text(dataset: Mapping[str, Any], tag: str) -> str:
    """First value of an element of a parsed JSON data set as text; empty if there is none."""
    values = dataset.get(tag, {}).get("Value") or [None]
    first = values[0]
    if isinstance(first, dict):
        return "=".join(str(first.get(kind, "")) for kind in ("Alphabetic", "Ideographic", "Phonetic")).rstrip("=")
    return "" if first is None else str(first)


def texts(dataset: Mapping[str, Any], tag: str) -> list[str]:
    """All values of an element of a parsed JSON data set as text; empty values are empty text."""
    values = dataset.get(tag, {}).get("Value") or []
    return [text({tag: {"Value": [value]}}, tag) for value in values]


def number(dataset: Mapping[str, Any], tag: str) -> float | None:
    """First value of an element of a parsed JSON data set as a number; None if it is none."""
    try:
        value = float(text(dataset, tag))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


class _Writer:
    def __init__(
        self, header: bytes, little: bool, locate: Callable[[int], int], cuts: Mapping[int, tuple[int, int]]
    ) -> None:
        self._data = header
        self._top_little = little
        self._locate = locate
        self._cuts = cuts
        self._bulk: list[Bulk] = []
        self._signed = False

    def write(self, explicit: bool, pixels: PixelData | None) -> tuple[bytes, tuple[Bulk, ...]]:
        context = _Context(explicit, self._top_little, charset(()))
        parts, _ = self._dataset(0, len(self._data), context, "")
        if pixels is not None:
            parts.append(f'"{pixels.tag:08X}":{{"vr":"{pixels.vr}","BulkDataURI":"@{pixels.tag:08X}"}}')
        return _object(parts).encode("utf-8", "replace"), tuple(self._bulk)

    # -- structure ---------------------------------------------------------------------------------

    def _dataset(self, at: int, end: int, context: _Context, path: str) -> tuple[list[str], int]:
        """Members of the JSON object for the elements from `at` on, and where they ended: at `end`, at an item
        delimiter, or where the bytes make no sense any more."""
        data, memo, heads = self._data, context.memo, context.heads
        parts: list[str] = []
        while end - at >= 8:
            first = data[at : at + 8]
            head = heads.get(first) or _head(first, context)
            tag, vr, size, simple = head
            if simple and at + size <= end:
                known = memo.get(data[at : at + size])
                if known is not None:
                    parts.append(known)
                    at += size
                    continue
            if tag >> 16 == 0xFFFE:
                if path:
                    return parts, at + 8 if tag == ITEM_END else at
                at += size if tag == ITEM else 8
                continue
            start = at + 8
            if size == _LONG_FORM:
                start = at + 12
                if start > end:
                    return parts, end
                size = 12 + context.unpack_long(data, at + 8)[0]
            stop = at + size
            if stop - start == UNDEFINED:
                text, at = self._undefined(tag, vr, start, end, context, path=path)
                parts.append(text)
                continue
            if stop > end:
                parts.append(_bare(tag, vr))
                return parts, end
            if tag & 0xFFFF and (path or tag >> 16 != 2):
                if tag == _CHARSETS:
                    context = context.with_charset(data[start:stop].decode("latin_1").split("\\"))
                    memo = context.memo
                elif tag == _PIXEL_REPRESENTATION and not path:
                    self._signed = data[start:stop] in (b"\1\0", b"\0\1")
                    memo.clear()
                parts.append(self._remembered(tag, vr, at, start, stop, context, path=path))
            at = stop
        return parts, end

    def _remembered(self, tag: int, vr: bytes, at: int, start: int, stop: int, context: _Context, *, path: str) -> str:
        """The member for one element, from the memo if the same bytes were met before."""
        if stop - start > _MEMO_VALUE or start in self._cuts or tag in elements.PIXEL_TAGS:
            return self._element(tag, vr, start, stop, context, path=path)
        memo, key = context.memo, self._data[at:stop]
        found = memo.get(key)
        if found is None:
            before = len(self._bulk)
            found = self._element(tag, vr, start, stop, context, path=path)
            if len(self._bulk) == before:  # what has a path of its own can't be used again
                if len(memo) > _MEMO_SIZE:
                    memo.clear()
                memo[key] = found
        return found

    def _undefined(self, tag: int, vr: bytes, start: int, end: int, context: _Context, *, path: str) -> tuple[str, int]:
        """An element of undefined length: a sequence, a sequence hidden in UN, or nested fragments."""
        if tag in elements.PIXEL_TAGS or (context.explicit and vr in (b"OB", b"OW")):
            stop = self._fragments_end(start, end, context)
            self._bulk.append(Bulk(f"{path}{tag:08X}", _name(vr), self._locate(start), stop - start))
            return f'"{tag:08X}":{{"vr":"{_name(vr)}","BulkDataURI":"@{path}{tag:08X}"}}', stop
        if vr == b"UN" and context.explicit:
            context = _Context(False, True, context.charset)
        items, stop = self._items(start, end, context, f"{path}{tag:08X}/", defined=False)
        return f'"{tag:08X}":{{"vr":"SQ"{items}}}', stop

    def _fragments_end(self, at: int, end: int, context: _Context) -> int:
        while end - at >= 8:
            group, element, length = context.unpack_item(self._data, at)
            if (group << 16 | element) != ITEM or length == UNDEFINED:
                return at + 8
            at += 8 + length
        return end

    def _items(self, at: int, end: int, context: _Context, path: str, *, defined: bool) -> tuple[str, int]:
        """`,"Value":[...]` for the items from `at` on, empty if there are none, and where they ended."""
        if path.count("/") > 2 * elements.MAX_DEPTH:
            return "", end
        data, unpack = self._data, context.unpack_item
        items: list[str] = []
        while end - at >= 8:
            group, element, length = unpack(data, at)
            at += 8
            if element != 0xE000 or group != 0xFFFE:
                tag = group << 16 | element
                if tag == ITEM_END and length == 0:
                    continue
                at = end if defined else at if tag == SEQUENCE_END else at - 8
                break
            if length == UNDEFINED:
                parts, at = self._dataset(at, end, context, f"{path}{len(items) + 1}/")
            else:
                stop = at + length
                parts, _ = self._dataset(at, stop if stop < end else end, context, f"{path}{len(items) + 1}/")
                at = stop
            items.append(_object(parts) if len(parts) != 1 else "{" + parts[0] + "}")
        else:
            at = end
        return (f',"Value":[{",".join(items)}]' if items else ""), at

    # -- values ------------------------------------------------------------------------------------

    def _element(self, tag: int, vr: bytes, start: int, stop: int, context: _Context, *, path: str) -> str:
        if vr == b"UN" and context.explicit and not tag >> 16 & 1 and start not in self._cuts:
            implied = elements.implied_vr(tag)  # PS3.5 6.2.2: UN of a known tag is implicit VR little endian
            if implied != b"UN":
                vr, context = implied, _Context(False, True, context.charset)
        if b" or " in vr:
            vr = self._resolve(vr)
        if tag == _CHARSETS:
            return f'"{tag:08X}":{_UTF8.decode()}'
        if vr == b"SQ":
            items, _ = self._items(start, stop, context, f"{path}{tag:08X}/", defined=True)
            return f'"{tag:08X}":{{"vr":"SQ"{items}}}'
        name = _name(vr)
        if vr in elements.BULK:
            return f'"{tag:08X}":{{"vr":"{name}"{self._blob(tag, vr, start, stop, context, path=path)}}}'
        raw = self._data[start:stop]
        try:
            value = _value(vr, raw, context)
        except (ValueError, struct.error, OverflowError):
            value = ""
        return f'"{tag:08X}":{{"vr":"{name}"{value}}}'

    def _resolve(self, vr: bytes) -> bytes:
        """An ambiguous VR of PS3.6: words if they may be, else by Pixel Representation."""
        if vr.endswith(b"OW"):
            return b"OW"
        return b"SS" if self._signed else b"US"

    def _blob(self, tag: int, vr: bytes, start: int, stop: int, context: _Context, *, path: str) -> str:
        name = _name(vr)
        where = f"{path}{tag:08X}"
        if start in self._cuts:
            self._bulk.append(Bulk(where, name, *self._cuts[start]))
            return f',"BulkDataURI":"@{where}"'
        if start == stop:
            return ""
        if stop - start > INLINE_LIMIT or tag in elements.PIXEL_TAGS:
            self._bulk.append(Bulk(where, name, self._locate(start), stop - start))
            return f',"BulkDataURI":"@{where}"'
        raw = self._data[start:stop]
        if not context.little:
            raw = _swapped(raw, _WORDS.get(vr, 1))
        return f',"InlineBinary":"{b64encode(raw).decode()}"'


def _swapped(raw: bytes, size: int) -> bytes:
    if size == 1 or len(raw) % size:
        return raw
    return b"".join(raw[at : at + size][::-1] for at in range(0, len(raw), size))


@lru_cache(maxsize=256)
def _name(vr: bytes) -> str:
    if vr in elements.KNOWN:
        return vr.decode()
    return "OW" if vr.endswith(b"OW") else "US" if b" or " in vr else "UN"


def _bare(tag: int, vr: bytes) -> str:
    return f'"{tag:08X}":{{"vr":"{_name(vr)}"}}'


def _object(parts: list[str]) -> str:
    """Members in ascending order of tags; of an element that stands there twice the last one counts."""
    keys = [part[:10] for part in parts]
    if sorted(set(keys)) != keys:
        unique = dict(zip(keys, parts, strict=True))
        parts = [unique[key] for key in sorted(unique)]
    return "{" + ",".join(parts) + "}"


def _value(vr: bytes, raw: bytes, context: _Context) -> str:
    """`,"Value":[...]`, empty when there is no value. Raises what struct and float raise."""
    if vr in _NUMBERS:
        return _binary_numbers(vr, raw, context.little)
    if vr in _TEXT:
        found = context.charset.decode(raw)
    elif vr == b"PN":
        found = context.charset.decode(raw, name=True)
    elif vr in _PROSE:
        found = context.charset.decode(raw).rstrip(" \0")
        return f',"Value":[{encode_basestring(found)}]' if found else ""
    elif vr == b"AT":
        return _tags(raw, context.little)
    else:
        found = raw.decode("latin_1")
    found = found.rstrip(" \0")
    if not found:
        return ""
    if vr == b"UR":
        return f',"Value":[{encode_basestring(found)}]'
    write = _WRITERS.get(vr, _string)
    return f',"Value":[{",".join(map(write, found.split(chr(92))))}]'


def _string(value: str) -> str:
    value = value.rstrip(" \0")
    return encode_basestring(value) if value else "null"


def _decimal(value: str) -> str:
    value = value.strip(" \0")
    if not value:
        return "null"
    if _JSON_NUMBER.fullmatch(value):
        return value if math.isfinite(float(value)) else encode_basestring(value)
    try:
        number = float(value)
    except ValueError:
        return encode_basestring(value)
    return repr(number) if math.isfinite(number) and "_" not in value else encode_basestring(value)


def _integer(value: str) -> str:
    value = value.strip(" \0")
    if not value:
        return "null"
    try:
        number = int(value)
    except ValueError:
        return encode_basestring(value)
    return str(number) if abs(number) <= _SAFE_INTEGER and "_" not in value else encode_basestring(value)


def _person(value: str) -> str:
    value = value.rstrip(" \0")
    members = [
        f'"{kind}":{encode_basestring(group)}'
        for kind, group in zip(("Alphabetic", "Ideographic", "Phonetic"), value.split("="), strict=False)
        if group
    ]
    return "{" + ",".join(members) + "}" if members else "null"


_WRITERS: dict[bytes, Callable[[str], str]] = {b"DS": _decimal, b"IS": _integer, b"PN": _person}


def _binary_numbers(vr: bytes, raw: bytes, little: bool) -> str:
    code = _NUMBERS[vr]
    count = len(raw) // struct.calcsize(f"<{code}")
    values = struct.unpack(f"{'<' if little else '>'}{count}{code}", raw)
    if not values:
        return ""
    if code in "fd":
        return f',"Value":[{",".join(map(_float, values))}]'
    if code in "qQ":
        return f',"Value":[{",".join(str(v) if abs(v) <= _SAFE_INTEGER else f"{chr(34)}{v}{chr(34)}" for v in values)}]'
    return f',"Value":[{",".join(map(str, values))}]'


def _float(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return '"NaN"' if math.isnan(value) else '"Infinity"' if value > 0 else '"-Infinity"'


def _tags(raw: bytes, little: bool) -> str:
    if len(raw) % 4 or not raw:
        return ""
    words = struct.unpack(f"{'<' if little else '>'}{len(raw) // 2}H", raw)
    values = (f'"{words[at]:04X}{words[at + 1]:04X}"' for at in range(0, len(words), 2))
    return f',"Value":[{",".join(values)}]'


def parse(data: bytes) -> dict[str, Any]:
    """A JSON data set as stored by the archive."""
    parsed: dict[str, Any] = json.loads(data)
    return parsed
