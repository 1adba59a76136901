"""HL7 version 2 as text: segments, fields and their parts; bytes to text and back by MSH-18.

What a message means is doors.hl7's. Parsing is ours, tolerant and quick (ADR 22): a message is split by its own
separators, nothing is refused but what has no header, and what was read is written again as it was.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from lamelle.base.errors import Invalid

CHARSETS: Final = {
    "ASCII": "ascii",
    "8859/1": "iso8859-1",
    "8859/15": "iso8859-15",
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    "ISO8859-1": "iso8859-1",
    "ISO-8859-1": "iso8859-1",
    "ISO8859-15": "iso8859-15",
    "ISO-8859-15": "iso8859-15",
}
"""Values of MSH-18 as they are seen; the first six are HL7 table 0211's or nearly."""
LINE_ENDS: Final = re.compile(r"\r\n|\r|\n")
NAME: Final = re.compile(r"[A-Z][A-Z0-9]{2}")


@dataclass(frozen=True, slots=True)
class Separators:
    """Of fields, components, repetitions, subcomponents, and what begins an escape."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    sub: str = "&"

    @property
    def encoding(self) -> str:
        """MSH-2."""
        return f"{self.component}{self.repetition}{self.escape}{self.sub}"


STANDARD: Final = Separators()


@dataclass(frozen=True, slots=True)
class Segment:
    """`fields[0]` is the name, `fields[n]` field n as it came; of MSH, field 1 is the separator itself."""

    fields: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.fields[0]

    def __getitem__(self, number: int) -> str:
        return self.fields[number] if number < len(self.fields) else ""


@dataclass(frozen=True, slots=True)
class Message:
    """Segments in their order; the first is MSH."""

    segments: tuple[Segment, ...]
    separators: Separators = field(default=STANDARD)

    @property
    def head(self) -> Segment:
        return self.segments[0]

    @property
    def control(self) -> str:
        """MSH-10."""
        return self.head[10].strip()

    @property
    def kind(self) -> str:
        """Code and event, `OML^O21`."""
        return "^".join(self.head[9].split(self.separators.component)[:2]).strip()

    @property
    def version(self) -> str:
        return self.head[12].split(self.separators.component)[0].strip()

    def all(self, name: str) -> Iterator[Segment]:
        """Every segment of that name."""
        return (segment for segment in self.segments if segment.name == name)

    def first(self, name: str) -> Segment | None:
        return next(self.all(name), None)

    def text(self) -> str:
        """As it is sent: segments end with a carriage return."""
        return "".join(f"{written(segment, self.separators)}\r" for segment in self.segments)


def written(segment: Segment, separators: Separators = STANDARD) -> str:
    """One segment, without its end."""
    bar = separators.field
    if segment.name in ("MSH", "BHS", "FHS"):
        return segment.name + bar + bar.join(segment.fields[2:])
    return bar.join(segment.fields)


# -- text to message --------------------------------------------------------------------------------------------------


def parse(text: str) -> Message:
    """A message, whatever ends its lines; a line that begins no segment continues the field before, as some send texts.

    Raises: Invalid("no_header") when it does not begin with MSH and its separators.
    """
    text = text.lstrip("\ufeff \t\r\n\v")
    if not text.startswith("MSH") or len(text) < 8 or text[3].isalnum() or text[3] in "\r\n":
        raise Invalid("no_header", "a message begins with MSH and its separators")
    separators = _separators(text)
    bar, brk = separators.field, f"{separators.escape}.br{separators.escape}"
    lines: list[list[str]] = []
    for line in LINE_ENDS.split(text):
        if NAME.match(line) and (len(line) == 3 or line[3] == bar):
            lines.append([line])
        elif line.strip() and lines:
            lines[-1].append(line)
    return Message(tuple(_segment(brk.join(parts), bar) for parts in lines), separators)


def _separators(text: str) -> Separators:
    """MSH-1 and MSH-2; some escape the escape character, so what stands twice counts once."""
    bar = text[3]
    given = list(dict.fromkeys(LINE_ENDS.split(text[4:].partition(bar)[0])[0]))
    standard = STANDARD
    kept = [*given[:4], *list(standard.encoding)[len(given[:4]) :]]
    return Separators(bar, *kept)


def _segment(line: str, bar: str) -> Segment:
    parts = line.split(bar)
    return Segment((parts[0], bar, *parts[1:]) if parts[0] in ("MSH", "BHS", "FHS") else tuple(parts))


def each(text: str) -> Iterator[str]:
    """The messages of a file: batch headers and what frames them are left out."""
    lines: list[str] = []
    for line in LINE_ENDS.split(text.replace("\x0b", "\r").replace("\x1c", "\r")):
        if line.startswith("MSH"):
            if lines:
                yield "\r".join(lines) + "\r"
            lines = [line]
        elif lines and line and line[:3] not in ("FHS", "BHS", "BTS", "FTS"):
            lines.append(line)
    if lines:
        yield "\r".join(lines) + "\r"


# -- escapes ----------------------------------------------------------------------------------------------------------


def unescaped(value: str, separators: Separators = STANDARD) -> str:
    """A value as a person reads it: separators for their names, line ends for `.br`, no highlighting."""
    mark = separators.escape
    if mark not in value:
        return value
    known = {
        "F": separators.field, "S": separators.component, "T": separators.sub, "R": separators.repetition,
        "E": mark, "H": "", "N": "", ".br": "\n", ".sp": "\n",
    }  # fmt: skip
    return _escapes(mark).sub(lambda found: _escape(found.group(1), known, found.group(0)), value)


@lru_cache(maxsize=8)
def _escapes(mark: str) -> re.Pattern[str]:
    return re.compile(f"{re.escape(mark)}([^{re.escape(mark)}\r\n]{{1,80}}){re.escape(mark)}")


def _escape(word: str, known: dict[str, str], whole: str) -> str:
    if word in known:
        return known[word]
    if word[0] == "X" and re.fullmatch(r"X([0-9A-Fa-f]{2})+", word):
        return bytes.fromhex(word[1:]).decode("utf-8", "replace")
    return "\n" if re.fullmatch(r"\.(br|sp|in|ti|sk|fi|nf|ce)[+-]?\d*", word) else whole


def escaped(value: str, separators: Separators = STANDARD) -> str:
    """A value as it may stand in a field."""
    mark = separators.escape
    names = {
        mark: "E", separators.field: "F", separators.component: "S", separators.sub: "T", separators.repetition: "R",
        "\n": ".br",
    }  # fmt: skip
    value = LINE_ENDS.sub("\n", value)
    return "".join(
        f"{mark}{names[char]}{mark}" if char in names else char for char in value if char >= " " or char == "\n"
    )


def standard(message: Message) -> Message:
    """The same with the usual separators."""
    if message.separators == STANDARD:
        return message
    theirs, ours = message.separators, STANDARD
    table = {ord(char): escaped(char) for char in "|^~\\&"} | {
        ord(getattr(theirs, name)): getattr(ours, name)
        for name in ("field", "component", "repetition", "escape", "sub")
    }
    head = message.head.fields
    first = Segment(("MSH", ours.field, ours.encoding, *(value.translate(table) for value in head[3:])))
    rest = (Segment(tuple(value.translate(table) for value in segment.fields)) for segment in message.segments[1:])
    return Message((first, *rest))


# -- bytes ------------------------------------------------------------------------------------------------------------


def decoded(raw: bytes) -> str:
    """The text, by MSH-18; if it says nothing we know, UTF-8, and what is none is ISO 8859-15."""
    named = CHARSETS.get(charset(raw).upper(), "")
    if named == "iso8859-1":
        # what Windows calls so has letters where the standard has control characters
        named = "cp1252" if any(0x80 <= byte < 0xA0 for byte in raw) else named
    for encoding in (named, "utf-8"):
        try:
            return raw.decode(encoding) if encoding else raw.decode("utf-8")
        except UnicodeDecodeError:
            continue
    return raw.decode("iso8859-15")


def charset(raw: bytes) -> str:
    """What MSH-18 says, its first repetition."""
    head = re.split(rb"[\r\n]", raw.lstrip(b"\x0b\r\n "), maxsplit=1)[0]
    fields = head.split(head[3:4] or b"|") if len(head) > 8 else []
    return fields[17].split(b"~")[0].decode("ascii", "replace").strip() if len(fields) > 17 else ""


def encoded(message: Message, wanted: str) -> bytes:
    """As bytes in the character set `wanted` (a value of MSH-18), or in UTF-8 where that cannot hold what is said."""
    name = CHARSETS.get(wanted.upper(), "")
    text = message.text()
    if name:
        try:
            return _saying(message, wanted).text().encode(name)
        except UnicodeEncodeError:
            pass
    elif text.isascii():
        return text.encode("ascii")
    return _saying(message, "UNICODE UTF-8").text().encode()


def _saying(message: Message, wanted: str) -> Message:
    fields = [*message.head.fields, *[""] * (19 - len(message.head.fields))]
    fields[18] = wanted
    return Message((Segment(tuple(fields)), *message.segments[1:]), message.separators)


# -- for a person -----------------------------------------------------------------------------------------------------


def parsed(text: str) -> list[tuple[str, list[tuple[int, str, str]]]]:
    """Each segment with the fields that hold something: number, name in the standard, text as it stands.

    Raises: Invalid("no_header").
    """
    message = parse(text)
    found = []
    for segment in message.segments:
        names = field_names(message.version, segment.name)
        fields = [(n, names.get(n, ""), value) for n, value in enumerate(segment.fields) if n and value]
        found.append((segment.name, fields))
    return found


@lru_cache(maxsize=512)
def field_names(version: str, segment: str) -> dict[int, str]:
    """Field number to its name, by that version of the standard or the nearest we know."""
    from hl7apy import load_reference
    from hl7apy.exceptions import HL7apyException

    try:
        fields: Iterable[Any] = load_reference(segment, "Segment", _known(version))[1]
    except HL7apyException:
        return {}
    named: dict[int, str] = {}
    for row in fields:
        number = row[0].partition("_")[2]
        word = row[1][3] if len(row[1]) > 3 and isinstance(row[1][3], str) else ""
        if number.isdigit():
            named[int(number)] = word.replace("_", " ").capitalize()
    return named


def _known(version: str) -> str:
    from hl7apy import SUPPORTED_LIBRARIES

    return version if version in SUPPORTED_LIBRARIES else "2.5.1"
