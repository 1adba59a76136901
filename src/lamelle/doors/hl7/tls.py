"""Who is believed on a secured connection, by the HL7 settings; what is allowed there is base.tls."""

import ssl
from functools import lru_cache

from lamelle.base import tls
from lamelle.doors.hl7.settings import Hl7Settings


@lru_cache(maxsize=8)
def server_context(settings: Hl7Settings) -> ssl.SSLContext | None:
    """How connections to us are secured; None: they are not. Raises: Invalid bad_certificate."""
    if not settings.tls_cert:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context, settings)
    if settings.tls_ca:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@lru_cache(maxsize=8)
def client_context(settings: Hl7Settings) -> ssl.SSLContext:
    """How connections from us are secured: the server's name must be in its certificate. Raises: Invalid."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _harden(context, settings)
    if not settings.tls_ca:
        context.load_default_certs()
    return context


def _harden(context: ssl.SSLContext, settings: Hl7Settings) -> None:
    tls.harden(
        context,
        cert=settings.tls_cert,
        key=settings.tls_key,
        authorities=settings.tls_ca,
        named="hl7.tls_cert, tls_key or tls_ca",
    )
