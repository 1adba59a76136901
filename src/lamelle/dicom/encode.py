"""A data set in the DICOM JSON Model to bytes: what `json` does, backwards. Source: PS3.5 7.1, PS3.18 Annex F.

For answers made of JSON, not for files: bulk values that stand elsewhere are left empty.
"""

import base64
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lamelle.dicom import elements, transfer
from lamelle.dicom.elements import ITEM

Item = Mapping[str, Any]

UTF8, LATIN1 = "ISO_IR 192", "ISO_IR 100"
CHARACTER_SET = "00080005"
_CODECS = {UTF8: "utf-8", LATIN1: "latin_1"}
_TEXT = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_PROSE = frozenset({"LT", "ST", "UR", "UT"})
_NUMBERS = {"FL": "f", "FD": "d", "SL": "i", "SS": "h", "UL": "I", "US": "H", "SV": "q", "UV": "Q"}
_WORDS = {"OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8}
_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")
_LONGEST_SHORT = 0xFFFF


@dataclass(frozen=True, slots=True)
class _Form:
    """How elements are written."""

    explicit: bool
    order: str
    codec: str
    errors: str


def encode(item: Item, transfer_syntax: str, *, character_set: str | None = None) -> bytes:
    """The bytes of a data set; text that `character_set` lacks makes it UTF-8, plain ASCII has no need of one.

    The data set's own Specific Character Set is replaced by what is used. Raises: ValueError for a deflated syntax.
    """
    syntax = transfer.lookup(transfer_syntax)
    if syntax is None or syntax.deflated:
        raise ValueError(f"no data set is written in {transfer_syntax}")
    order = "<" if syntax.little else ">"
    for chosen in () if character_set == UTF8 else (character_set or "", LATIN1):
        try:
            return _dataset(_named(item, chosen), _Form(syntax.explicit, order, _CODECS.get(chosen, "ascii"), "strict"))
        except UnicodeEncodeError:
            continue
    return _dataset(_named(item, UTF8), _Form(syntax.explicit, order, "utf-8", "replace"))


def _named(item: Item, character_set: str) -> Item:
    rest = {tag: element for tag, element in item.items() if tag != CHARACTER_SET}
    return rest | ({CHARACTER_SET: {"vr": "CS", "Value": [character_set]}} if character_set else {})


def _dataset(item: Item, form: _Form) -> bytes:
    return b"".join(_element(int(tag, 16), element, form) for tag, element in sorted(item.items()))


def _element(tag: int, element: Mapping[str, Any], form: _Form) -> bytes:
    vr = str(element["vr"])
    value = _value(vr, element, form)
    head = struct.pack(form.order + "HH", tag >> 16, tag & 0xFFFF)
    if not form.explicit:
        return head + struct.pack(form.order + "I", len(value)) + value
    if vr.encode() not in elements.LONG and len(value) > _LONGEST_SHORT:
        vr = "UN"
    if vr.encode() in elements.LONG:
        return head + vr.encode() + b"\0\0" + struct.pack(form.order + "I", len(value)) + value
    return head + vr.encode() + struct.pack(form.order + "H", len(value)) + value


def _value(vr: str, element: Mapping[str, Any], form: _Form) -> bytes:
    values: Sequence[Any] = element.get("Value") or ()
    if vr == "SQ":
        return b"".join(_item(value or {}, form) for value in values)
    if "InlineBinary" in element:
        return _even(_ordered(base64.b64decode(element["InlineBinary"]), _WORDS.get(vr, 1), form), b"\0")
    if vr in _NUMBERS:
        return b"".join(_number(vr, value, form) for value in values if value is not None)
    if vr == "AT":
        words = (int(str(value), 16) for value in values)
        return b"".join(struct.pack(form.order + "HH", word >> 16, word & 0xFFFF) for word in words)
    if vr.encode() in elements.BULK:
        return b""
    texts = [_text(value) for value in values]
    text = texts[0] if vr in _PROSE and texts else "\\".join(texts)
    raw = text.encode(form.codec, form.errors) if vr in _TEXT else text.encode("ascii", "replace")
    return _even(raw, b"\0" if vr == "UI" else b" ")


def _item(item: Item, form: _Form) -> bytes:
    body = _dataset(item, form)
    return struct.pack(form.order + "HHI", ITEM >> 16, ITEM & 0xFFFF, len(body)) + body


def _number(vr: str, value: Any, form: _Form) -> bytes:
    return struct.pack(form.order + _NUMBERS[vr], float(value) if vr in ("FL", "FD") else int(value))


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return "=".join(str(value.get(group) or "") for group in _GROUPS).rstrip("=")
    return str(value)


def _ordered(raw: bytes, width: int, form: _Form) -> bytes:
    """Words in the order of the bytes asked for; JSON has them little-endian."""
    if form.order == "<" or width == 1 or len(raw) % width:
        return raw
    return b"".join(raw[at : at + width][::-1] for at in range(0, len(raw), width))


def _even(value: bytes, padding: bytes) -> bytes:
    return value + padding if len(value) % 2 else value
