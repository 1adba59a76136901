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
        lower, upper = "ascii", self.upper
        out: list[str] = []
        at, escape = 0, -1  # `escape`: where the next escape sequence begins
        while at < len(value):
            if at > escape:
                escape = value.find(_ESC, at)
                escape = len(value) if escape < 0 else escape
            if at == escape:
                found, at = _escape_at(value, at)
                if found is None:
                    out.append("\ufffd")
                else:
                    lower, upper = (found[1], upper) if found[0] else (lower, found[1])
            elif lower == "ascii":
                stop = next((place + 1 for place in range(at, escape) if value[place] in resets), escape)
                out.append(_upper(value[at:stop], upper))
                if value[stop - 1] in resets:
                    upper = self.upper
                at = stop
            elif not 0x20 < value[at] < 0x7F:
                out.append(_upper(value[at : at + 1], upper))
                if value[at] in resets:
                    lower, upper = "ascii", self.upper
                at += 1
            else:
                stop = next((place for place in range(at, escape) if not 0x20 < value[place] < 0x7F), escape)
                out.append(_double(value[at:stop], lower))
                at = stop
        return "".join(out)


def _escape_at(value: bytes, at: int) -> tuple[tuple[bool, str] | None, int]:
    """The set an escape sequence brings in, None if nobody knows it, and where the text goes on."""
    for size in (2, 3):
        found = _ESCAPES.get(value[at + 1 : at + 1 + size])
        if found is not None:
            return found, at + 1 + size
    return None, at + 1


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
