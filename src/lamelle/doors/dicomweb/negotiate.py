"""Which representation a client gets: media type, transfer syntax, single or multipart.

No answer is made here. Source: PS3.18 8.7.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request

from lamelle.base.errors import Invalid
from lamelle.dicom import transfer
from lamelle.doors import http
from lamelle.doors.http import MediaRange, NotAcceptable

DICOM: Final = "application/dicom"
JSON: Final = "application/dicom+json"
XML: Final = "application/dicom+xml"
OCTETS: Final = "application/octet-stream"
EVLE: Final = "1.2.840.10008.1.2.1"
RENDERED: Final = ("image/jpeg", "image/png", "image/gif")
# Never allowed on the web, in any direction. Source: PS3.18 8.7.3.5.2.
UNWELCOME: Final = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.113619.5.2"})
# Old names that still arrive, and the plain names some clients send.
ALIASES: Final = {
    "image/x-jls": "image/jls",
    "image/x-dicom-rle": "image/dicom-rle",
    "image/j2c": "image/jp2",
    "image/jph": "image/jphc",
    "application/json": JSON,
}
# What `type="image/jpeg"` alone means. Anything stored under that media type is answered to a bare type all the
# same: viewers mean "the JPEG you have", and the part says which it is.
ANY: Final = MediaRange("*/*")
_DICOM_TYPES: Final = frozenset({DICOM, JSON, XML})
_RENDERED_TYPES: Final = frozenset({"image/png", "image/gif", "text/html", "application/pdf", "video/mp4"})


@dataclass(frozen=True, slots=True)
class Offer:
    """One representation there is. `stored`: no pixel is decoded for it."""

    media_type: str
    transfer_syntax: str | None = None
    stored: bool = True
    bare: bool = True
    """Whether it is meant by its media type without a transfer syntax."""
    multipart: bool = True
    single: bool = True

    def text(self) -> str:
        """As a client would have to ask for it."""
        kind = f'multipart/related; type="{self.media_type}"' if self.multipart else self.media_type
        return f"{kind}; transfer-syntax={self.transfer_syntax}" if self.transfer_syntax else kind

    def part_type(self) -> str:
        """Content-Type of a part, or of a single-part answer."""
        syntax = f"; transfer-syntax={self.transfer_syntax}" if self.transfer_syntax else ""
        return f"{self.media_type}{syntax}"


@dataclass(frozen=True, slots=True)
class Choice:
    """The representation to send."""

    offer: Offer
    multipart: bool


def ranges(request: Request, *, strict: bool) -> tuple[MediaRange, ...]:
    """What the request accepts, best first: the `accept` query parameter's values, then the header's.

    Raises: NotAcceptable without a header when strict; Invalid("mixed_media_types"). Source: PS3.18 8.7.5, 8.7.7.
    """
    header = ", ".join(request.headers.getlist("accept"))
    if not header.strip():
        if strict:
            raise NotAcceptable("a request needs an Accept header", ())
        header = "*/*"
    wanted = http.accept(header)
    query = request.query_params.get("accept")
    if query is not None:
        # A plus sign in a query reads as a space: application/dicom+json.
        chosen = http.accept(query.replace("dicom json", "dicom+json").replace("dicom xml", "dicom+xml"))
        exact = [media for media in chosen if "*" not in media.type and "*" not in (media.parameter("type") or "")]
        wanted = (*(media for media in exact if any(_covers(outer, media) for outer in wanted)), *wanted)
    kinds = {kind_of(media) for media in wanted}
    singles = {media.type for media in wanted}
    if kinds & _DICOM_TYPES and singles & _RENDERED_TYPES:
        raise Invalid("mixed_media_types", "DICOM and rendered media types in one request")
    return wanted


def kind_of(media: MediaRange) -> str:
    """The media type of the items, whatever packs them; aliases resolved."""
    kind = media.type
    if kind == "multipart/related":
        kind = (media.parameter("type") or "*/*").lower()
    return ALIASES.get(kind, kind)


def _covers(outer: MediaRange, inner: MediaRange) -> bool:
    if outer.type == "*/*":
        return True
    if (outer.type == "multipart/related") != (inner.type == "multipart/related"):
        return False
    return _matches(kind_of(outer), kind_of(inner))


def _matches(pattern: str, kind: str) -> bool:
    return pattern in {"*/*", kind} or (pattern.endswith("/*") and kind.startswith(pattern[:-1]))


def choose(wanted: Sequence[MediaRange], offers: Sequence[Offer], *, one: bool) -> Choice:
    """The first range that an offer satisfies, the server's preferred offer first.

    `one`: the resource holds one item, so a single part may answer. Raises: NotAcceptable.
    """
    choice = _choose(wanted, offers, one=one)
    if choice is None:
        raise NotAcceptable("no acceptable representation", [offer.text() for offer in offers])
    return choice


def _choose(wanted: Sequence[MediaRange], offers: Sequence[Offer], *, one: bool) -> Choice | None:
    for media in wanted:
        kind, syntax = kind_of(media), media.parameter("transfer-syntax")
        multipart = media.type == "multipart/related"
        for offer in offers:
            if not _matches(kind, offer.media_type) or not _syntax_fits(syntax, offer):
                continue
            if multipart:
                if offer.multipart:
                    return Choice(offer, multipart=True)
            elif media.type == "*/*":
                if offer.multipart or one:
                    return Choice(offer, multipart=offer.multipart)
            elif offer.single and one:
                return Choice(offer, multipart=False)
    return None


def _syntax_fits(wanted: str | None, offer: Offer) -> bool:
    if wanted is None:
        return offer.bare
    if wanted == "*":
        return offer.stored
    return wanted == offer.transfer_syntax


def frame_offers(stored: str) -> tuple[Offer, ...]:
    """Representations of a frame, as stored first; decoding only for who asks for octets without a transfer syntax."""
    syntax = transfer.lookup(stored)
    if syntax is None or stored in UNWELCOME or not syntax.encapsulated or stored.endswith(".1.98"):
        # Native bytes are the same in all little-endian syntaxes.
        return (Offer(OCTETS, EVLE, stored=stored not in {"1.2.840.10008.1.2.2", "1.2.840.113619.5.2"}),)
    decoded = Offer(OCTETS, EVLE, stored=False)
    if syntax.media_type == OCTETS:
        return (Offer(OCTETS, stored, bare=False), decoded)
    return (Offer(syntax.media_type, stored), Offer(OCTETS, stored, bare=False), decoded)


def instance_offers(stored: str) -> tuple[Offer, ...]:
    """Representations of a whole instance: as stored, or rewritten as Explicit VR Little Endian."""
    if stored in UNWELCOME:
        return (Offer(DICOM, EVLE, stored=False), Offer(DICOM, stored, bare=False))
    if stored == EVLE:
        return (Offer(DICOM, EVLE),)
    return (Offer(DICOM, stored), Offer(DICOM, EVLE, stored=False, bare=False))


JSON_OR_XML: Final = (Offer(JSON, multipart=False), Offer(XML, single=False))
STORE_ANSWERS: Final = (Offer(JSON, multipart=False), Offer(XML, multipart=False), Offer(XML, single=False))
