"""Every entry to a syslog server over TLS, as a DICOM audit message. Source: RFC 5424, RFC 5425, PS3.15 A.5.1.

The protocol has no answer. A batch counts as received when the server, told that no more comes, says good-bye itself
(TLS close_notify, RFC 5425 4.4): it has then read everything. Otherwise the batch is sent again, so that a message may
come twice but none is lost.
"""

import os
import socket
import ssl
import threading
from datetime import UTC
from typing import Final

import sqlalchemy as sa

from lamelle.audit import message, search
from lamelle.audit.room import Audit
from lamelle.audit.search import Found, Wanted
from lamelle.audit.settings import AuditSettings
from lamelle.audit.tables import ledger, sent
from lamelle.base.db import insert
from lamelle.base.errors import Invalid, Unavailable
from lamelle.base.telemetry import Counter, log

SENT = Counter("lamelle_audit_sent_total", "Entries that a syslog server has received.")

BATCH: Final = 500
TIMEOUT_S: Final = 20.0
PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
"""Between two attempts while the server does not answer."""
PRIORITY: Final = 10 * 8 + 5
"""Facility security/authorization (10), severity notice (5)."""
MESSAGE_ID: Final = "DICOM+RFC3881"
"""What says that a DICOM audit message follows. Source: IHE ITI TF-2 3.20.4.1.2."""


def send_forever(room: Audit, stop: threading.Event) -> None:
    """Send what is new until `stop`; does nothing when no server is named."""
    pause_s = PAUSE_S
    while room.settings.syslog_host and not stop.wait(pause_s):
        try:
            while send(room) == BATCH and not stop.is_set():
                pass
            pause_s = PAUSE_S
        except (Unavailable, Invalid) as error:
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
            log("audit.not_sent", level="error", code=error.code, pause_s=pause_s)


def send(room: Audit) -> int:
    """Send the next entries, and remember that they were received; how many.

    Raises: Unavailable syslog_unreachable; Invalid bad_certificate.
    """
    receiver = f"{room.settings.syslog_host}:{room.settings.syslog_port}"
    with room.db.read() as conn:
        done = conn.execute(sa.select(sent.c.number).where(sent.c.receiver == receiver)).scalar() or 0
        new = conn.execute(sa.select(sa.func.max(ledger.c.number))).scalar() or 0
    if new <= done:
        return 0
    found = search.next_after(room.db, Wanted(), done, BATCH)
    _deliver(room.settings, b"".join(frame(one, room.source) for one in found))
    with room.db.write() as conn:
        values = insert(conn, sent).values(receiver=receiver, number=found[-1].number)
        known = {"number": found[-1].number}
        conn.execute(values.on_conflict_do_update(index_elements=[sent.c.receiver], set_=known))
    SENT.add(len(found))
    return len(found)


def frame(one: Found, source: str) -> bytes:
    """One message with its length before it."""
    assert one.entry.at is not None
    at = one.entry.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    host = "".join(sign for sign in source if 33 <= ord(sign) <= 126)[:255] or "-"
    head = f"<{PRIORITY}>1 {at} {host} lamelle {os.getpid()} {MESSAGE_ID} - "
    data = head.encode("ascii") + b"\xef\xbb\xbf" + message.message(one.number, one.entry, source).encode()
    return str(len(data)).encode() + b" " + data


def _deliver(settings: AuditSettings, data: bytes) -> None:
    context = _context(settings)
    host = settings.syslog_host
    try:
        with socket.create_connection((host, settings.syslog_port), TIMEOUT_S) as plain:
            with context.wrap_socket(plain, server_hostname=host) as line:
                line.sendall(data)
                line.unwrap().close()
    except OSError as error:
        what = getattr(error, "reason", None) or type(error).__name__
        raise Unavailable(
            "syslog_unreachable", f"the syslog server {host} did not take the entries ({what})"
        ) from error


def _context(settings: AuditSettings) -> ssl.SSLContext:
    """TLS 1.2 or newer, the server's name and certificate checked. Source: RFC 5425 4.2, BCP 195."""
    try:
        context = ssl.create_default_context(cafile=settings.syslog_ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if settings.syslog_certificate is not None:
            context.load_cert_chain(settings.syslog_certificate, settings.syslog_key)
    except OSError as error:
        raise Invalid("bad_certificate", "the certificates in audit.syslog_* cannot be read") from error
    return context
