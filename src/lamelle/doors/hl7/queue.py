"""Empties the queue of one peer: the oldest message is sent, its answer awaited, then the next; so order is kept.

A peer that cannot be reached is tried again after growing waits, for ever; one that says no a few times, then a person
is asked and the next message goes. What waits is lab.messages'.
"""

import threading
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from lamelle.base import tls
from lamelle.base.errors import Invalid, Unavailable
from lamelle.base.telemetry import Counter, log
from lamelle.doors import er7
from lamelle.doors.hl7 import taking
from lamelle.doors.hl7.mllp import Client
from lamelle.doors.hl7.room import Exchange
from lamelle.doors.hl7.settings import Peer
from lamelle.lab import messages

SENT = Counter("lamelle_hl7_sent_total", "HL7 messages sent, by what became of them.", ("peer", "end"))


def drain(exchange: Exchange, payload: Mapping[str, Any], stop: threading.Event | None = None) -> None:
    """The job: send what is due for a peer, until `stop`, then see that the rest is tried in time."""
    name, failures = str(payload["to"]), int(payload.get("failures", 0))
    peer = exchange.settings.peer(name)
    if peer is None or not peer.reached:
        reason = "unknown_peer: no address is known of it"
    else:
        reason, sent = _send(exchange, peer, stop or threading.Event())
        failures = 0 if sent else failures
    if reason:
        log("hl7.postponed", level="warning", to=name, failures=failures + 1, code=reason.partition(":")[0])
    messages.go_on(exchange.lab, name, failures + 1 if reason else 0, reason)


def _send(exchange: Exchange, peer: Peer, stop: threading.Event) -> tuple[str, int]:
    """Send in one connection; why it could not go on, "" when all that is due was answered, and how many were."""
    sent = 0
    with ExitStack() as held:
        client: Client | None = None
        while not stop.is_set() and (row := messages.next_for(exchange.lab, peer.name)) is not None:
            try:
                client = client or held.enter_context(_connected(exchange, peer))
                answer = client.ask(*_data(exchange, peer, row))
            except Unavailable as error:
                return f"{error.code}: {error.message}", sent
            except Invalid as error:  # what it answers is no answer: this message waits, the connection is of no use
                _judged(exchange, peer, row.id, None, f"{error.code}: {error.message}")
                held.close()
                client = None
                continue
            sent += 1
            _judged(exchange, peer, row.id, answer, taking.refusal(er7.parse(er7.decoded(answer))))
    return "", sent


def _connected(exchange: Exchange, peer: Peer) -> Client:
    settings = exchange.settings
    context = tls.client_context(settings.certificates) if peer.tls else None
    return Client(peer.host, peer.port, settings.answer_timeout_s, tls=context, limit=settings.max_bytes)


def _data(exchange: Exchange, peer: Peer, row: messages.Row) -> tuple[bytes, str]:
    """What goes on the connection, and the control identifier its answer names."""
    if row.repaired is None:
        return row.raw, row.control
    message = er7.parse(row.repaired)
    return er7.encoded(message, exchange.dialect(peer).charset), message.control


def _judged(exchange: Exchange, peer: Peer, number: int, answer: bytes | None, refused: str) -> None:
    messages.answered(exchange.lab, number, answer, refused, exchange.settings.attempts)
    SENT.add(1, peer.name, "refused" if refused else "sent")
    if refused:
        log("hl7.refused_by_peer", level="warning", peer=peer.name, message=number)
    elif answer is not None:
        error = taking.heard(exchange, peer, er7.parse(er7.decoded(answer)))
        if error is not None:
            log("hl7.answer_not_taken", level="warning", peer=peer.name, message=number, code=error.code)


def try_once(exchange: Exchange, peer: Peer, data: bytes) -> bytes:
    """Send bytes as they are and return the answer, for a command. Raises: Unavailable; Invalid; as `Client.ask`."""
    if not peer.reached:
        raise Unavailable("unknown_peer", f"{peer.name} has no host and port in hl7.peers")
    with _connected(exchange, peer) as client:
        return client.ask(data, er7.parse(er7.decoded(data)).control)
