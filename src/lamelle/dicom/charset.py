"""Decode text as Specific Character Set says (PS3.3 C.12.1.1.2, PS3.5 6.1); never raises on bad text."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

_ESC = 0x1B
_TERM = re.compile(r"ISO[ _-]?(2022)?[ _-]*IR[ _-]*(\d+)", re.ASCII)
# Text of these sets is one stream without escape sequences (PS3.3 C.12.1.1.2, Note 5).
_WHOLE = {"192": "utf-8", "GB18030": "gb18030", "GBK": "gbk"}
_ALIASES = {"UTF-8": "192", "UTF8": "192", "GB2312": "GBK", "LATIN1": "100", "ISO-8859-1": "100", "ISO 8859-1": "100"}

# Sets of 96 characters for bytes from 0xA0 on, by ISO-IR number.
_UPPER = {
    "100": "latin_1",
    "101": "iso8859_2",
    "109": "iso8859_3",
    "110": "iso8859_4",
    "144": "iso8859_5",
    "127": "iso8859_6",
    "126": "iso8859_7",
    "138": "iso8859_8",
    "148": "iso8859_9",
    "203": "iso8859_15",
    "166": "iso8859_11",
    "13": "katakana",
    "149": "euc_kr",
    "58": "gb2312",
}

# Escape sequence (without ESC) -> is it the lower half (G0), and the set it brings in.
_ESCAPES: dict[bytes, tuple[bool, str]] = {
    b"(B": (True, "ascii"),
    b"(J": (True, "ascii"),
    b"$@": (True, "jis x 0208"),
    b"$B": (True, "jis x 0208"),
    b"$(D": (True, "jis x 0212"),
    b")I": (False, "katakana"),
    b"$)C": (False, "euc_kr"),
    b"$)A": (False, "gb2312"),
    b"-A": (False, "latin_1"),
    b"-B": (False, "iso8859_2"),
    b"-C": (False, "iso8859_3"),
    b"-D": (False, "iso8859_4"),
    b"-L": (False, "iso8859_5"),
    b"-G": (False, "iso8859_6"),
    b"-F": (False, "iso8859_7"),
    b"-H": (False, "iso8859_8"),
    b"-M": (False, "iso8859_9"),
    b"-b": (False, "iso8859_15"),
    b"-T": (False, "iso8859_11"),
}
_RESETS = b"\\\r\n\f\t"


@dataclass(frozen=True, slots=True)
class Charset:
    """How the text of one data set or item is to be read."""

    whole: str | None = None
    upper: str = "latin_1"

    def decode(self, value: bytes, *, name: bool = False) -> str:
        """The text; bytes that mean nothing become U+FFFD. `name`: it is a PN, where `^` and `=` end a code extension.

        A backslash in the answer is a delimiter wherever the VR has several values.
        """
        if _ESC not in value:
            if value.isascii():
                return value.decode("ascii")
            if self.whole is not None:
                return value.decode(self.whole, "replace")
            return _upper(value, self.upper)
        if self.whole is not None:
            return value.decode(self.whole, "replace")
        return self._decode_extended(value, _RESETS + b"^=" if name else _RESETS)

    def _decode_extended(self, value: bytes, resets: bytes) -> str:
        """ISO 2022: escape sequences bring in sets; delimiters and line ends bring back the first ones."""
        lower, upper, out = "ascii", self.upper, []
        at = 0
        while at < len(value):
            if value[at] == _ESC:
                for size in (2, 3):
                    found = _ESCAPES.get(value[at + 1 : at + 1 + size])
                    if found is not None:
                        lower, upper = (found[1], upper) if found[0] else (lower, found[1])
                        at += 1 + size
                        break
                else:
                    out.append("\ufffd")
                    at += 1
                continue
            stop = value.find(_ESC, at)
            stop = len(value) if stop < 0 else stop
            if lower == "ascii":
                for place in range(at, stop):
                    if value[place] in resets:
                        stop = place + 1
                        break
                out.append(_upper(value[at:stop], upper))
                if value[stop - 1] in resets:
                    upper = self.upper
                at = stop
            elif value[at] <= 0x20 or value[at] > 0x7E:
                out.append(_upper(value[at : at + 1], upper))
                if value[at] in resets:
                    lower, upper = "ascii", self.upper
                at += 1
            else:
                while stop > at and (stop - at) % 2 and stop < len(value):
                    stop -= 1
                end = at
                while end < stop and 0x20 < value[end] < 0x7F:
                    end += 1
                out.append(_double(value[at:end] or value[at : at + 1], lower))
                at = max(end, at + 1)
        return "".join(out)


def _upper(value: bytes, codec: str) -> str:
    if codec == "katakana":
        return "".join(
            chr(0xFF61 + byte - 0xA1) if 0xA1 <= byte <= 0xDF else chr(byte) if byte < 0x80 else "\ufffd"
            for byte in value
        )
    return value.decode(codec, "replace")


def _double(value: bytes, lower: str) -> str:
    """7-bit pairs of JIS X 0208 or 0212, through their 8-bit form."""
    high = bytes(byte | 0x80 for byte in value)
    if lower == "jis x 0212":
        high = b"".join(b"\x8f" + high[at : at + 2] for at in range(0, len(high), 2))
    return high.decode("euc_jp", "replace")


def _number(term: str) -> str:
    term = term.strip(" \0").upper()
    match = _TERM.fullmatch(term)
    return match[2] if match else _ALIASES.get(term, term)


@lru_cache(maxsize=256)
def _charset(terms: tuple[str, ...]) -> Charset:
    numbers = [_number(term) for term in terms]
    for number in numbers:
        if number in _WHOLE:
            return Charset(whole=_WHOLE[number])
    first = numbers[0] if numbers else ""
    return Charset(upper=_UPPER.get(first, "latin_1"))


def charset(terms: Sequence[str]) -> Charset:
    """The reader for the values of (0008,0005); unknown ones are read as Latin-1, as most such files mean."""
    return _charset(tuple(terms))
