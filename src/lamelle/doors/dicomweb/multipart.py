"""multipart/related as it passes: a parser fed with any chunks, and the pieces a writer needs.

No HTTP and no DICOM here. Source: RFC 2046 5.1.1, RFC 2387, PS3.18 8.6.
"""

import secrets
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from lamelle.base.errors import Invalid, TooLarge

HEADER_LIMIT: Final = 16 << 10
PREAMBLE_LIMIT: Final = 64 << 10


@dataclass(frozen=True, slots=True)
class PartBegin:
    """The headers of a part: names lower case, values stripped."""

    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PartData:
    """Some bytes of the part, as a view into the chunk that was fed."""

    data: memoryview


@dataclass(frozen=True, slots=True)
class PartEnd:
    """The part is complete: its closing delimiter has been seen."""


Event = PartBegin | PartData | PartEnd


class Parser:
    """Feed it the body in any chunks. It holds a delimiter's length or a header at most, and copies no part data."""

    def __init__(self, boundary: str) -> None:
        if not 1 <= len(boundary) <= 200 or not boundary.isascii() or not boundary.isprintable():
            raise Invalid("bad_boundary", "a multipart boundary has 1 to 200 printable ASCII characters")
        self._delimiter = b"\r\n--" + boundary.encode()
        # The first delimiter may open the body: pretend that a line end came before it.
        self._held = b"\r\n"
        self._head: bytearray | None = None
        self._skipped = 0
        self.parts = 0
        self.done = False

    def feed(self, chunk: bytes | bytearray | memoryview) -> Iterator[Event]:
        """What these bytes complete.

        Raises: Invalid("bad_multipart"), TooLarge("multipart_header").
        """
        data = bytes(chunk)
        at = 0
        while at < len(data) and not self.done:
            at = (yield from self._body(data, at)) if self._head is None else (yield from self._header(data, at))

    def finish(self) -> None:
        """The body is over. Raises: Invalid("bad_multipart") when the closing delimiter has not come."""
        if not self.done:
            raise Invalid("bad_multipart", f"the body ends without a closing delimiter, in or after part {self.parts}")

    def _body(self, data: bytes, at: int) -> Generator[Event, None, int]:
        """Pass part data on up to the next delimiter; returns the position reached."""
        delimiter = self._delimiter
        if self._held:
            joint = self._held + data[at : at + len(delimiter) - 1]
            found = joint.find(delimiter)
            if found >= 0:
                yield from self._pass(memoryview(joint)[:found])
                at += found + len(delimiter) - len(self._held)
                self._held, self._head = b"", bytearray()
                return at
            if len(data) - at < len(delimiter) - 1:
                self._held = b""
                yield from self._keep_tail(joint, 0)
                return len(data)
            held, self._held = self._held, b""
            yield from self._pass(memoryview(held))
        found = data.find(delimiter, at)
        if found < 0:
            yield from self._keep_tail(data, at)
            return len(data)
        yield from self._pass(memoryview(data)[at:found])
        self._head = bytearray()
        return found + len(delimiter)

    def _keep_tail(self, data: bytes, at: int) -> Iterator[Event]:
        """Pass on all but a tail that may begin a delimiter (CR stands only at a delimiter's start)."""
        start = data.rfind(b"\r", max(at, len(data) - len(self._delimiter) + 1))
        if start < 0 or not self._delimiter.startswith(data[start:]):
            start = len(data)
        self._held = data[start:]
        yield from self._pass(memoryview(data)[at:start])

    def _pass(self, data: memoryview) -> Iterator[Event]:
        if self.parts:
            if len(data):
                yield PartData(data)
            return
        self._skipped += len(data)
        if self._skipped > PREAMBLE_LIMIT:
            raise Invalid("bad_multipart", "no delimiter of the stated boundary in the first 64 KiB")

    def _header(self, data: bytes, at: int) -> Generator[Event, None, int]:
        """Gather what follows a delimiter up to the empty line; returns the position reached."""
        head = self._head
        assert head is not None
        before = len(head)
        head += data[at : at + HEADER_LIMIT + 4]
        if len(head) < 2:
            return len(data)
        if head.startswith(b"--"):
            if self.parts:
                yield PartEnd()
            self.done = True
            return len(data)
        if head[0] not in b"\r \t":
            # A longer line that only begins like ours, as nested multiparts have: it is data.
            if self.parts:
                yield PartData(memoryview(self._delimiter + bytes(head[:before])))
            self._head = None
            return at
        end = head.find(b"\r\n\r\n", max(0, before - 3))
        if end < 0:
            if len(head) > HEADER_LIMIT:
                raise TooLarge("multipart_header", "the headers of a part are over 16 KiB")
            return len(data)
        if self.parts:
            yield PartEnd()
        self.parts += 1
        yield PartBegin(_headers(bytes(head[:end])))
        self._head = None
        return at + end + 4 - before


def _headers(block: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    name = ""
    for line in block.decode("latin-1").split("\r\n")[1:]:
        if line[:1] in {" ", "\t"} and name:
            headers[name] += " " + line.strip()
            continue
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if not colon or not name:
            raise Invalid("bad_multipart", "a header line of a part has no name")
        headers[name] = value.strip()
    return headers


def new_boundary() -> str:
    """A boundary that no payload can know beforehand."""
    return f"lamelle-{secrets.token_hex(16)}"


def head(boundary: str, headers: Iterable[tuple[str, str]], *, first: bool = False) -> bytes:
    """The delimiter and the headers of a part."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"{'' if first else chr(13) + chr(10)}--{boundary}\r\n{lines}\r\n".encode()


def close(boundary: str) -> bytes:
    """The closing delimiter."""
    return f"\r\n--{boundary}--\r\n".encode()


def written(boundary: str, parts: Iterable[tuple[Iterable[tuple[str, str]], Iterable[bytes]]]) -> Iterator[bytes]:
    """A whole body, part after part, as it is read."""
    first = True
    for headers, body in parts:
        yield head(boundary, headers, first=first)
        yield from body
        first = False
    yield close(boundary)
