"""TLS as BCP 195 and PS3.15 B.12 ask for it: 1.2 or newer, ephemeral keys, authenticated encryption, no compression.

Whose certificates are believed is the caller's to say.
"""

import socket
import ssl
from typing import Any, Final

from lamelle.base.errors import Invalid

OLDEST: Final = ssl.TLSVersion.TLSv1_2
CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2; all of 1.3 are of this kind. Source: RFC 9325 4.2."""


def harden(context: ssl.SSLContext, *, cert: str = "", key: str = "", authorities: str = "", named: str) -> None:
    """Set what is allowed, our certificate and those who vouch for others; PEM files, empty for none.

    Raises: Invalid bad_certificate, which says `named`: the settings these files come from.
    """
    context.minimum_version = OLDEST
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    try:
        if cert:
            context.load_cert_chain(cert, key or None)
        if authorities:
            context.load_verify_locations(authorities)
    except OSError as error:  # ssl.SSLError is one
        raise Invalid("bad_certificate", f"{named} cannot be read as PEM") from error


def names(sock: socket.socket) -> frozenset[str]:
    """What the certificate that a client has shown, and an authority vouches for, calls it: common and other names."""
    shown: Any = (sock.getpeercert() if isinstance(sock, ssl.SSLSocket) else None) or {}
    subject = (value for part in shown.get("subject", ()) for kind, value in part if kind == "commonName")
    return frozenset(map(str, (*subject, *(value for _, value in shown.get("subjectAltName", ())))))
