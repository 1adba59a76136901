"""A message that came: kept, then answered; worked through, then answered again if that is another answer.

Order is the caller's: of one sender one message at a time. What a message says is read by reading.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from lamelle.access.model import WHOLE
from lamelle.base import telemetry
from lamelle.base.errors import Invalid, LamelleError, Unavailable, Unsupported
from lamelle.base.telemetry import Counter
from lamelle.doors import er7
from lamelle.doors.er7 import Message
from lamelle.doors.hl7 import answering, reading
from lamelle.doors.hl7.answering import Mode
from lamelle.doors.hl7.dialect import Dialect
from lamelle.doors.hl7.reading import PatientSaid, Said, Sender, TechniqueSaid
from lamelle.doors.hl7.room import Exchange
from lamelle.doors.hl7.settings import Peer
from lamelle.lab import attachments, cases, messages, patients, reporting, techniques
from lamelle.lab.messages import Arrived
from lamelle.lab.orders import DocumentSaid, MergeSaid, Order, ReportSaid

TAKEN = Counter("lamelle_hl7_received_total", "HL7 messages received, by what became of them.", ("peer", "end"))
ANSWER: Final = frozenset({"ACK", "ORL", "ORR", "MCF"})
"""Message codes of answers: they are never answered themselves."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """What came, read as far as it can be; without a `peer` it is nobody's we know."""

    raw: bytes
    message: Message | None
    peer: Peer | None
    error: LamelleError | None


@dataclass(frozen=True, slots=True)
class Received:
    """A message that is kept; `now` is answered at once, `known` is the answer given when it came before."""

    id: int
    peer: Peer
    dialect: Dialect
    message: Message
    charset: str
    mode: Mode
    now: bytes | None = None
    known: bytes | None = None


def arrival(exchange: Exchange, address: str, names: Collection[str], raw: bytes) -> Arrival:
    """Read what came and find whose it is; nothing is kept yet."""
    message, error = _parsed(er7.decoded(raw))
    try:
        peer = exchange.sender(address, names, message)
    except LamelleError as refused:
        return Arrival(raw, message, None, refused)
    return Arrival(raw, message, peer, error or (_foreign(exchange, message) if message else None))


def receive(exchange: Exchange, came: Arrival) -> Received | bytes:
    """Keep what came; what is no message for us is answered at once (AR). Raises: Unavailable: nothing is kept."""
    message, peer = came.message, came.peer
    if peer is None:
        TAKEN.add(1, "", "rejected")
        return refused(exchange, came)
    kind, control = (message.kind, message.control) if message else ("", "")
    kept = messages.keep(exchange.lab, Arrived(peer.name, peer.place, came.raw, control, kind))
    if message is None or came.error is not None:
        answer = refused(exchange, came)
        _settle(exchange, kept.id, peer, "rejected", came.error, answer)
        return answer
    spoken, charset, mode = exchange.dialect(peer), er7.charset(came.raw), answering.mode(message, peer.reached)
    commit = None
    if "good" in mode.commit:
        now = exchange.lab.clock.now()
        commit = er7.encoded(answering.answer(exchange.settings, spoken, message, "CA", None, now), charset)
    return Received(kept.id, peer, spoken, message, charset, mode, commit, kept.answer)


def refused(exchange: Exchange, came: Arrival, why: LamelleError | None = None) -> bytes:
    """The answer to what is not taken."""
    error = why or came.error or LamelleError("internal_error", "the message could not be worked through")
    spoken, now = exchange.dialect(came.peer), exchange.lab.clock.now()
    answer = answering.answer(exchange.settings, spoken, came.message, answering.code(error), error, now)
    return er7.encoded(answer, er7.charset(came.raw) if came.message else "")


def _parsed(text: str) -> tuple[Message | None, LamelleError | None]:
    try:
        return er7.parse(text), None
    except Invalid as error:
        return None, error


def _foreign(exchange: Exchange, message: Message) -> LamelleError | None:
    """Why it is not for us, whatever it says."""
    processing = message.head[11].split(message.separators.component)[0].strip()
    if processing and processing not in exchange.settings.processing:
        return Unsupported("wrong_processing", f"messages for {'/'.join(exchange.settings.processing)} alone are taken")
    if message.version and not message.version.startswith("2"):
        return Unsupported("unknown_version", "versions 2.x are spoken here")
    return None


def work(exchange: Exchange, received: Received) -> bytes | None:
    """Do what a kept message says; the answer for its connection, None where there is none to give."""
    if received.known is not None:
        TAKEN.add(1, received.peer.name, "repeated")
        return received.known if _speaks(received) else None
    if received.message.kind.partition("^")[0] in ANSWER:
        _settle(exchange, received.id, received.peer, *_answered(exchange, received), None)
        return None
    error, accession = _done(exchange, received.peer, received.dialect, received.message)
    lab, spoken = exchange.lab, received.dialect
    answer = answering.answer(
        exchange.settings, spoken, received.message, answering.code(error), error, lab.clock.now()
    )
    data = er7.encoded(answer, received.charset)
    _settle(exchange, received.id, received.peer, "error" if error else "done", error, data, accession)
    wanted = ("bad" if error else "good") in received.mode.application
    if received.mode.apart and wanted:
        with lab.db.write() as conn:
            sent = Arrived(received.peer.name, received.peer.place, data, answer.control, answer.kind)
            messages.put(conn, lab, received.peer.name, received.peer.place, f"answer:{received.id}", sent, accession)
        return None
    return data if wanted and not received.mode.apart else None


def _speaks(received: Received) -> bool:
    return not received.mode.apart and bool(received.mode.application)


def again(exchange: Exchange, payload: Mapping[str, Any]) -> None:
    """The job: take up a message that is kept, as it came or as a person repaired it; nobody is answered."""
    with exchange.lab.db.read() as conn:
        row = messages.one(conn, WHOLE, int(payload["message"]))
    peer = exchange.named(row.peer)
    spoken = exchange.dialect(peer)
    accession = ""
    message, error = _parsed(row.repaired if row.repaired is not None else er7.decoded(row.raw))
    if message is not None:
        error, accession = _done(exchange, peer, spoken, message)
    state = "error" if error else "done"
    _settle(exchange, row.id, peer, state, error, None, accession)


# -- doing it ---------------------------------------------------------------------------------------------------------


def _done(exchange: Exchange, peer: Peer, spoken: Dialect, message: Message) -> tuple[LamelleError | None, str]:
    """Do all that a message says; the error that kept it from being done, and the case it is about.

    A document that cannot be kept keeps nothing else from being done.
    """
    accession = ""
    left: LamelleError | None = None
    try:
        for said in reading.read(message, spoken, Sender(peer.name, peer.place, exchange.lab.clock.now())):
            accession = accession or _accession(said)
            if isinstance(said, DocumentSaid):
                left = _attached(exchange, said) or left
            else:
                DOES[type(said)](exchange, said)
    except LamelleError as error:
        return error, accession
    except Exception as error:  # noqa: BLE001  whatever one message does, the connection lives and a person is told
        telemetry.log("hl7.crashed", level="error", peer=peer.name, **telemetry.trace(error))
        return LamelleError("internal_error", "the message could not be worked through; it is kept"), accession
    return left, accession


def _accession(said: Said) -> str:
    return said.case.value if isinstance(said, Order | ReportSaid | DocumentSaid) else ""


def _attached(exchange: Exchange, said: DocumentSaid) -> LamelleError | None:
    """Keep a document with its case; why it could not be kept."""
    try:
        attachments.take(exchange.lab, exchange.archive, said)
    except Unavailable as error:
        return error
    except LamelleError as error:
        return Invalid("document_not_taken", f"a document was not taken, all else is done: {error.message}")
    return None


def technique(exchange: Exchange, said: TechniqueSaid) -> None:
    """What became of a technique we asked for."""
    techniques.answered(exchange.lab, said.identifier, said.state, said.filler, said.reason)


DOES: Final[Mapping[type[Any], Callable[[Exchange, Any], object]]] = {
    TechniqueSaid: technique,
    Order: lambda exchange, said: cases.take(exchange.lab, said),
    PatientSaid: lambda exchange, said: patients.say(exchange.lab, said.identity, said.said_at),
    MergeSaid: lambda exchange, said: patients.merge(exchange.lab, said),
    ReportSaid: lambda exchange, said: reporting.take(exchange.lab, said),
}
"""What is said to who keeps it."""


def _answered(exchange: Exchange, received: Received) -> tuple[str, LamelleError | None]:
    """An answer to a message of ours that came by itself (enhanced mode)."""
    said = received.message.first("MSA")
    row = messages.answer_to(exchange.lab, received.peer.name, said[2].strip() if said else "")
    if row is None or said is None:
        return "ignored", None
    refused = refusal(received.message)
    messages.answered(exchange.lab, row.id, received.message.text().encode(), refused, exchange.settings.attempts)
    return "done", heard(exchange, received.peer, received.message)


def heard(exchange: Exchange, peer: Peer, message: Message) -> LamelleError | None:
    """Keep what an answer says of techniques; why that could not be done."""
    try:
        for said in reading.techniques(
            message, exchange.dialect(peer), Sender(peer.name, peer.place, exchange.lab.clock.now())
        ):
            technique(exchange, said)
    except LamelleError as error:
        return error
    return None


def refusal(message: Message) -> str:
    """Why a peer says no, "" when it does not: MSA-1 and what stands beside it."""
    said = message.first("MSA")
    if said is not None and said[1] in ("AA", "CA"):
        return ""
    error = message.first("ERR")
    more = [said[1], said[3]] if said is not None else ["no MSA"]
    more += [error[3] or error[1], error[8]] if error is not None else []
    return er7.unescaped(" ".join(part for part in more if part))[:500]


def _settle(
    exchange: Exchange,
    number: int,
    peer: Peer,
    state: str,
    error: LamelleError | None,
    answer: bytes | None,
    accession: str = "",
) -> None:
    code, reason = (error.code, error.message) if error else ("", "")
    messages.settle(exchange.lab, number, state, code=code, reason=reason, answer=answer, accession=accession)
    TAKEN.add(1, peer.name, state)
    if error is not None:
        telemetry.log("hl7.not_taken", level="warning", peer=peer.name, message=number, code=error.code)
