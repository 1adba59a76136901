"""Who is believed on a secured association, by its settings; what is allowed there is base.tls.

The handshake itself is made by whoever holds the connection, in its own thread.
"""

import ssl
from functools import lru_cache

from lamelle.base import tls
from lamelle.doors.dimse.settings import DimseSettings


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


def _harden(context: ssl.SSLContext, settings: DimseSettings) -> None:
    tls.harden(
        context,
        cert=settings.tls_cert,
        key=settings.tls_key,
        authorities=settings.tls_ca,
        named="dimse.tls_cert, tls_key or tls_ca",
    )
