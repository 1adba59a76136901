"""TLS as BCP 195 and PS3.15 B.12 ask for it: 1.2 or newer, ephemeral keys, authenticated encryption, no compression.

Whose certificates are believed is the caller's to say.
"""

import socket
import ssl
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from lamelle.base.errors import Invalid

OLDEST: Final = ssl.TLSVersion.TLSv1_2
CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2; all of 1.3 are of this kind. Source: RFC 9325 4.2."""


@dataclass(frozen=True, slots=True)
class Certificates:
    """PEM files, empty for none: ours, its key (empty: it lies in `cert`), those who vouch for others.

    `named`: the settings that say so.
    """

    cert: str
    key: str
    authorities: str
    named: str


@lru_cache(maxsize=8)
def server_context(files: Certificates, require_client: bool = True) -> ssl.SSLContext | None:
    """How connections to us are secured; None: they are not. With authorities, clients show a certificate.

    Raises: Invalid bad_certificate.
    """
    if not files.cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context, files)
    if files.authorities:
        context.verify_mode = ssl.CERT_REQUIRED if require_client else ssl.CERT_OPTIONAL
    return context


@lru_cache(maxsize=8)
def client_context(files: Certificates) -> ssl.SSLContext:
    """How connections from us are secured: the server's name must be in its certificate.

    Without authorities those of this machine vouch for it. Raises: Invalid bad_certificate.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context, files)
    if not files.authorities:
        context.load_default_certs()
    return context


def _harden(context: ssl.SSLContext, files: Certificates) -> None:
    """Set what is allowed, our certificate and those who vouch for others. Raises: Invalid bad_certificate."""
    context.minimum_version = OLDEST
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    try:
        if files.cert:
            context.load_cert_chain(files.cert, files.key or None)
        if files.authorities:
            context.load_verify_locations(files.authorities)
    except OSError as error:  # ssl.SSLError is one
        raise Invalid("bad_certificate", f"{files.named} cannot be read as PEM") from error


def names(sock: socket.socket) -> frozenset[str]:
    """What the certificate that a client has shown, and an authority vouches for, calls it: common and other names."""
    shown: Any = (sock.getpeercert() if isinstance(sock, ssl.SSLSocket) else None) or {}
    subject = (value for part in shown.get("subject", ()) for kind, value in part if kind == "commonName")
    return frozenset(map(str, (*subject, *(value for _, value in shown.get("subjectAltName", ())))))
