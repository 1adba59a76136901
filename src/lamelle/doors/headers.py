"""What every answer tells a browser it may do with it; each HTTP door's answers pass here on their way out.

Not here: what only a page says (web.pages: its own policy), and how long an answer may be kept (who makes it says).
"""

from collections.abc import Iterable
from typing import Final

Header = tuple[bytes, bytes]

CLOSED: Final = b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox"
"""The Content-Security-Policy of what is no page: opened as one, it may load, run and send nothing. What a client
stored with a media type of its own (HTML, SVG) comes back as bulk data of this origin, and is harmless by this."""
FALLBACK: Final[tuple[Header, ...]] = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", CLOSED),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
"""Said by every answer that does not say otherwise; what names no time to be kept for may not be kept at all."""
LASTING_TLS: Final[Header] = (b"strict-transport-security", b"max-age=31536000")
"""Over TLS only: elsewhere browsers must ignore it. Source: RFC 6797 7.2. No includeSubDomains: a hospital's other
names are not ours to decide."""
SHORT: Final = b"".join(b"%b: %b\r\n" % header for header in FALLBACK[1:])
"""The same as lines, for answers that say themselves how long they are kept."""
SHORT_TLS: Final = SHORT + b"%b: %b\r\n" % LASTING_TLS


def completed(headers: Iterable[Header], scheme: str) -> list[Header]:
    """The headers of an answer with those it lacks."""
    own = list(headers)
    said = {name.lower() for name, _ in own}
    added = [header for header in FALLBACK if header[0] not in said]
    return [*own, *added, LASTING_TLS] if scheme == "https" else [*own, *added]
