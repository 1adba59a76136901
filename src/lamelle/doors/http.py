"""What the HTTP doors share: media ranges, errors to statuses, problem bodies.

No route lives here, and nothing of DICOM.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

from starlette.requests import Request
from starlette.responses import Response

from lamelle.access.model import Reach
from lamelle.base import errors

# One kind, one status, for every HTTP door. A more exact kind wins over its parent.
STATUS: Final[Mapping[type[errors.LamelleError], int]] = {
    errors.NotFound: 404,
    errors.Gone: 410,
    errors.Conflict: 409,
    errors.Invalid: 400,
    errors.TooLarge: 413,
    errors.Denied: 403,
    errors.Unauthenticated: 401,
    errors.Unsupported: 501,
    errors.Unavailable: 503,
}
# Codes whose meaning HTTP can say better than their kind can.
STATUS_OF_CODE: Final[Mapping[str, int]] = {
    "storage_full": 507,
    "too_many_attempts": 429,
    "not_acceptable": 406,
    "no_match": 412,
    "several_matches": 412,
    "unsupported_media_type": 415,
    "range_not_satisfiable": 416,
}
TITLES: Final[Mapping[int, str]] = {
    400: "Bad request",
    401: "Sign in first",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    409: "Conflict",
    410: "Gone",
    412: "Precondition failed",
    413: "Too large",
    415: "Unsupported media type",
    416: "Range not satisfiable",
    429: "Too many attempts",
    500: "Internal error",
    501: "Not supported",
    503: "Try again later",
    507: "Storage full",
}


ENDLESS: Final = "lamelle.endless"
"""Set in the scope of a request whose answer has no end of its own: stopping does not wait for it."""

ADVICE: Final[Mapping[int, Mapping[str, str]]] = {
    401: {"www-authenticate": 'Bearer realm="lamelle"'},
    429: {"retry-after": "60"},
    503: {"retry-after": "5"},
}
"""Header lines that go with a status. Source: RFC 9110 11.6.1, RFC 6750 3."""


class NotAcceptable(errors.Unsupported):
    """No representation the client accepts; `available` names those there are."""

    def __init__(self, message: str, available: Sequence[str]) -> None:
        super().__init__("not_acceptable", message)
        self.available = tuple(available)


@dataclass(frozen=True, slots=True)
class MediaRange:
    """One element of an Accept header; parameter names and the type are lower case, values as sent."""

    type: str
    parameters: tuple[tuple[str, str], ...] = ()
    q: float = 1.0

    def parameter(self, name: str) -> str | None:
        return next((value for key, value in self.parameters if key == name), None)


def split_quoted(text: str, separator: str) -> Iterator[str]:
    """The pieces between separators that stand outside of double quotes, stripped. Source: RFC 9110 5.6."""
    start, quoted, escaped = 0, False, False
    for position, char in enumerate(text):
        if escaped:
            escaped = False
        elif char == "\\" and quoted:
            escaped = True
        elif char == '"':
            quoted = not quoted
        elif char == separator and not quoted:
            yield text[start:position].strip()
            start = position + 1
    yield text[start:].strip()


def unquoted(value: str) -> str:
    """The value of a token or of a quoted-string, as sent with or without its quotes."""
    if len(value) >= 2 and value[0] == value[-1] == '"':
        inner, out, escaped = value[1:-1], [], False
        for char in inner:
            if char == "\\" and not escaped:
                escaped = True
                continue
            out.append(char)
            escaped = False
        return "".join(out)
    return value.strip('"')


def content_type(value: str) -> MediaRange | None:
    """A Content-Type, or one element of Accept; None when it is not `type/subtype`."""
    pieces = list(split_quoted(value, ";"))
    kind = pieces[0].lower()
    major, slash, minor = kind.partition("/")
    if not slash or not major or not minor or "/" in minor or any(char in kind for char in ' \t"(),:;<=>?@[]{}'):
        return None
    parameters, q = [], 1.0
    for piece in pieces[1:]:
        name, equals, text = piece.partition("=")
        name = name.strip().lower()
        if not equals or not name:
            continue
        if name == "q":
            try:
                q = min(1.0, max(0.0, float(text)))
            except ValueError:
                q = 0.0
        else:
            parameters.append((name, unquoted(text.strip())))
    return MediaRange(kind, tuple(parameters), q)


def accept(header: str) -> tuple[MediaRange, ...]:
    """The ranges of an Accept header, the wanted ones first; what cannot be read is ignored.

    Source: RFC 9110 12.5.1; PS3.18 8.7.5.
    """
    ranges = [content_type(piece) for piece in split_quoted(header, ",") if piece]
    wanted = [media for media in ranges if media is not None and media.q > 0]
    return tuple(sorted(wanted, key=lambda media: -media.q))


def status_of(error: errors.LamelleError) -> int:
    """The HTTP status of an error: by its code where HTTP knows better, else by its nearest kind."""
    if error.code in STATUS_OF_CODE:
        return STATUS_OF_CODE[error.code]
    return next((STATUS[kind] for kind in type(error).__mro__ if kind in STATUS), 500)


def problem(status: int, code: str, detail: str, **more: object) -> Response:
    """An error body. Source: RFC 9457."""
    body = {"type": "about:blank", "title": TITLES.get(status, "Error"), "status": status, "code": code}
    text = json.dumps({**body, "detail": detail, **more}, ensure_ascii=False)
    return Response(text, status, ADVICE.get(status), media_type="application/problem+json")


def refusal(error: errors.LamelleError) -> Response:
    """The answer to what a room refuses."""
    more = {"available": list(error.available)} if isinstance(error, NotAcceptable) else {}
    return problem(status_of(error), error.code, error.message, **more)


async def answer_error(request: Request, error: Exception) -> Response:
    """Starlette's exception handler for LamelleError."""
    assert isinstance(error, errors.LamelleError)
    return refusal(error)


class Ready(NamedTuple):
    """An answer with status 200 that lies in memory: header lines, each with its CRLF, and the body in pieces."""

    head: bytes
    before: bytes
    body: bytes | bytearray
    after: bytes
    size: int
    """Bytes of the body's three pieces together; `head` says it too."""
    study_uid: str
    """Whose it is: the ledger has to know that the caller sees it before it may be sent."""


class AtHand(Protocol):
    """What a door can answer without waiting, asked before any framework."""

    def ready(self, path: str, query: bytes, accept: bytes, reach: Reach) -> Ready | None:
        """The answer to a plain GET; None when anything is missing, odd or not in memory. Never raises, never waits.

        `path` is as sent (percent-encoding untouched), `accept` the one Accept header or empty. Only what `reach` holds
        by its places: whether a study is shared stands in the catalogue, which is not asked here.
        """


@dataclass(frozen=True, slots=True)
class ByteRange:
    """A resolved range of a body: first byte and number of bytes."""

    start: int
    length: int


def byte_range(header: str | None, size: int) -> ByteRange | None:
    """The one range asked for; None when the whole is to be sent (no, several or unreadable ranges).

    Raises: Invalid("range_not_satisfiable") when it lies outside. Source: RFC 9110 14.2.
    """
    if header is None or not header.startswith("bytes=") or "," in header:
        return None
    first, dash, last = header[6:].strip().partition("-")
    if not dash or not all(part == "" or (part.isascii() and part.isdigit()) for part in (first, last)):
        return None
    if first == "":
        if last == "":
            return None
        length = min(int(last), size)
        start, stop = size - length, size
    else:
        start = int(first)
        stop = size if last == "" else min(int(last) + 1, size)
        if last != "" and int(last) < start:
            return None
    if start >= size or stop <= start:
        raise errors.Invalid("range_not_satisfiable", f"the range lies outside of {size} bytes")
    return ByteRange(start, stop - start)
