"""TLS as PS3.15 B.12 and BCP 195 ask for it: 1.2 or newer, ephemeral keys, authenticated encryption, no compression.

The handshake itself is made by whoever holds the connection, in its own thread.
"""

import socket
import ssl
from functools import lru_cache
from typing import Any, Final

from lamelle.base.errors import Invalid
from lamelle.doors.dimse.settings import DimseSettings

OLDEST: Final = ssl.TLSVersion.TLSv1_2
CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2; all of 1.3 are of this kind. Source: RFC 9325 4.2."""


@lru_cache(maxsize=8)
def server_context(settings: DimseSettings) -> ssl.SSLContext | None:
    """How connections to us are secured; None: they are not. Raises: Invalid bad_certificate."""
    if not settings.tls_cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context, settings)
    if settings.tls_ca:
        context.verify_mode = ssl.CERT_REQUIRED if settings.tls_require_client else ssl.CERT_OPTIONAL
    return context


@lru_cache(maxsize=8)
def client_context(settings: DimseSettings) -> ssl.SSLContext:
    """How connections from us are secured: the server's name must be in its certificate. Raises: Invalid."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context, settings)
    if not settings.tls_ca:
        context.load_default_certs()
    return context


def names(sock: socket.socket) -> frozenset[str]:
    """What the certificate that a client has shown, and an authority vouches for, calls it: common and other names."""
    shown: Any = (sock.getpeercert() if isinstance(sock, ssl.SSLSocket) else None) or {}
    subject = (value for part in shown.get("subject", ()) for kind, value in part if kind == "commonName")
    return frozenset(map(str, (*subject, *(value for _, value in shown.get("subjectAltName", ())))))


def _harden(context: ssl.SSLContext, settings: DimseSettings) -> None:
    context.minimum_version = OLDEST
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    try:
        if settings.tls_cert:
            context.load_cert_chain(settings.tls_cert, settings.tls_key or None)
        if settings.tls_ca:
            context.load_verify_locations(settings.tls_ca)
    except OSError as error:  # ssl.SSLError is one
        raise Invalid("bad_certificate", "dimse.tls_cert, tls_key or tls_ca cannot be read as PEM") from error
