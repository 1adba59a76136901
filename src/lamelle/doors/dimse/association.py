"""One association between two application entities: its messages, in and out. The same for both sides.

The bytes on the connection are wire's, the negotiation is negotiation's, and what a message asks is a service's.
"""

import socket
import ssl
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Final

from lamelle.base import tls
from lamelle.base.errors import Denied, Invalid, LamelleError, TooLarge, Unavailable
from lamelle.doors.dimse import commands, negotiation, wire
from lamelle.doors.dimse.commands import Command
from lamelle.doors.dimse.negotiation import Answer, Context, Host, Offer, Proposal, Request
from lamelle.doors.dimse.settings import DimseSettings, Peer
from lamelle.doors.dimse.visits import NOBODY, Visit
from lamelle.doors.dimse.wire import Aborted, Bytes, Wire

__all__ = ["Aborted", "Answer", "Association", "Context", "Message", "Offer", "Proposal", "accept", "connect"]

DATASET_LIMIT: Final = 16 << 20
"""Bytes of a data set that is read as a whole: no query, answer or report comes near."""
USER, PROVIDER = 0, 2
UNEXPECTED, INVALID_PARAMETER = 2, 6
"""Who aborts and why. Source: PS3.8 9.3.8."""


class Message:
    """A command and the data set that follows it, whose bytes may still be on their way."""

    def __init__(self, wire: Wire, context: Context, command: Command) -> None:
        self.context, self.command = context, command
        self._wire = wire
        self._open = command.has_data

    @property
    def complete(self) -> bool:
        """Whether all of its bytes were taken."""
        return not self._open

    def chunks(self) -> Iterator[memoryview]:
        """The data set's bytes as they come; each is valid until the next but one is asked for. Raises: Aborted."""
        while self._open:
            view, last = self._wire.gathered(self.context.id)
            self._open = not last
            if view:
                yield view

    def skip(self) -> None:
        """Take what is left and forget it."""
        for _ in self.chunks():
            pass

    def read(self, limit: int = DATASET_LIMIT) -> bytes:
        """The whole data set. Raises: TooLarge, Aborted."""
        data = bytearray()
        for chunk in self.chunks():
            if len(data) + len(chunk) > limit:
                raise TooLarge("identifier_too_large", f"a data set of this message has {limit} bytes at most")
            data += chunk
        return bytes(data)


class Association:
    """An open association; use it as a context, from one thread."""

    def __init__(
        self,
        wire: Wire,
        settings: DimseSettings,
        calling_aet: str,
        called_aet: str,
        contexts: Mapping[int, Context],
        *,
        peer: Peer | None = None,
        address: str = "",
        visit: Visit = NOBODY,
    ) -> None:
        """`visit`: who asks us on it, and how far that reaches; on one of ours nobody, unless it is said."""
        self.visit = visit
        self.calling_aet, self.called_aet = calling_aet, called_aet
        self.peer, self.address, self.contexts = peer, address, contexts
        self._wire, self._settings = wire, settings
        self._message: Message | None = None
        self._number = 0
        self._closed = False

    # -- receiving ---------------------------------------------------------------------------------

    def receive(self, idle_s: float | None = None) -> Message | None:
        """The next message, its data set still to be read; None after a release.

        `idle_s`: how long to wait for it, instead of the setting. Raises: Aborted.
        """
        try:
            if self._message is not None:
                self._message.skip()
            self._message = self._receive(self._settings.idle_timeout_s if idle_s is None else idle_s)
        except LamelleError as error:
            raise self._give_up(error) from error
        return self._message

    def _receive(self, idle_s: float) -> Message | None:
        kind, length = self._wire.next_pdu(idle_s)
        if kind == wire.P_DATA:
            return self._command()
        self._wire.control(length)
        if kind == wire.RELEASE_RQ:
            self._wire.send_pdu(wire.RELEASE_RP, bytes(4))
            self._close(linger=True)
            return None
        if kind == wire.ABORT:
            raise Aborted("peer_aborted", "the peer aborted the association")
        raise Aborted("unexpected_pdu", f"a PDU of type {kind} within an association")

    def _command(self) -> Message:
        data = bytearray()
        first, last = 0, False
        while not last:
            found, is_command, last, view = self._wire.fragment()
            first = first or found
            if not is_command or found != first:
                raise Aborted("bad_message", "a data set without a command")
            if len(data) + len(view) > commands.MAX_BYTES:
                raise Aborted("bad_message", "a command set that is too large")
            data += view
        if first not in self.contexts:
            raise Aborted("bad_message", f"a message in presentation context {first}, which was not accepted")
        return Message(self._wire, self.contexts[first], commands.decode(bytes(data)))

    def waiting(self, within_s: float = 0.0) -> bool:
        """Whether bytes are there to be read, or come `within_s`: a C-CANCEL, perhaps."""
        return not self._closed and self._wire.waiting(within_s)

    def answer(
        self, request: Command, idle_s: float | None = None, elsewhere: Callable[[Message], None] | None = None
    ) -> Message:
        """The next answer to a request of ours, its data set still to be read; requests meanwhile go `elsewhere`.

        Raises: Aborted.
        """
        while True:
            message = self.receive(idle_s)
            if message is None:
                raise Aborted("peer_released", "the peer released the association before it answered")
            found = message.command
            if found.answers(request):
                return message
            if elsewhere is None or found.is_response:
                raise Aborted("unexpected_message", "the peer sent something else than its answer")
            elsewhere(message)

    # -- sending -----------------------------------------------------------------------------------

    def send(self, context_id: int, command: Command, data: Bytes | Iterable[Bytes] | None = None) -> None:
        """Send a message; `data` is cut into PDUs of the peer's size as it comes. Raises: Aborted."""
        parts = [data] if isinstance(data, (bytes, bytearray, memoryview)) else data
        try:
            if self._message is not None and command.is_response:
                self._message.skip()
            body = commands.encode(replace(command, has_data=data is not None))
            self._wire.send_message(context_id, body, parts)
        except Aborted as error:
            raise self._give_up(error) from error
        except BaseException:  # the source of the data failed: the peer waits for the rest of a message
            self.abort()
            raise

    def next_message_id(self) -> int:
        """A new number for a request of ours: 1 to 65535, then again."""
        self._number = self._number % 0xFFFF + 1
        return self._number

    def context_for(
        self, abstract_syntax: str, transfer_syntax: str | None = None, *, as_scu: bool = True
    ) -> Context | None:
        """A context of that kind in which we may ask (`as_scu`) or be asked."""
        for context in self.contexts.values():
            may = context.as_scu if as_scu else context.as_scp
            if (
                may
                and context.abstract_syntax == abstract_syntax
                and transfer_syntax in (None, context.transfer_syntax)
            ):
                return context
        return None

    # -- the end -----------------------------------------------------------------------------------

    def release(self) -> None:
        """End in order: whatever the peer still sends is passed over. Raises: Aborted."""
        if self._closed:
            return
        try:
            if self._message is not None:
                self._message.skip()
            self._wire.send_pdu(wire.RELEASE_RQ, bytes(4))
            self._wire.deadline(self._settings.network_timeout_s)
            while (kind := self._passed_over()) != wire.RELEASE_RP:
                if kind == wire.ABORT:
                    raise Aborted("peer_aborted", "the peer aborted the association")
                if kind == wire.RELEASE_RQ:  # both at once (PS3.8 9.2, Sta9 to Sta12)
                    self._wire.send_pdu(wire.RELEASE_RP, bytes(4))
        except LamelleError as error:
            raise self._give_up(error) from error
        self._close()

    def _passed_over(self) -> int:
        kind, length = self._wire.next_pdu(self._settings.network_timeout_s)
        self._wire.pass_over(length)
        return kind

    def abort(self, source: int = USER, reason: int = 0) -> None:
        """End at once; the peer is told."""
        if self._closed:
            return
        try:
            self._wire.send_pdu(wire.ABORT, bytes((0, 0, source, reason)))
        except Aborted:
            pass
        finally:
            self._close(linger=True)

    def _give_up(self, error: LamelleError) -> LamelleError:
        """Abort because of an error; the error to raise."""
        if error.code in ("peer_aborted", "connection_lost"):
            self._close()
        else:
            self.abort(PROVIDER, UNEXPECTED if error.code == "unexpected_pdu" else INVALID_PARAMETER)
        return error if isinstance(error, Aborted) else Aborted(error.code, error.message)

    def _close(self, *, linger: bool = False) -> None:
        self._closed = True
        self._wire.close(linger=linger)

    @property
    def received(self) -> int:
        """Bytes that came over the connection."""
        return self._wire.received

    @property
    def sent(self) -> int:
        """Bytes that left over the connection."""
        return self._wire.sent

    @property
    def other_aet(self) -> str:
        """The AE title at the other end, whoever opened the association."""
        return self.calling_aet if self.called_aet == self._settings.aet else self.called_aet

    @property
    def closed(self) -> bool:
        return self._closed

    def __enter__(self) -> "Association":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.release()
        else:
            self.abort()


# -- opening ---------------------------------------------------------------------------------------------------------


def accept(
    sock: socket.socket, settings: DimseSettings, host: Host, *, address: str = "", full: bool = False
) -> Association:
    """Answer the association request of a new connection; `full`: there is no room for one more.

    Raises: Aborted; Denied association_refused. The connection is closed then.
    """
    line = Wire(sock, settings)
    line.deadline(settings.acse_timeout_s)
    try:
        kind, length = line.next_pdu(settings.acse_timeout_s)
        if kind != wire.ASSOCIATE_RQ:
            raise Aborted("unexpected_pdu", f"a PDU of type {kind} instead of an association request")
        request = negotiation.read_request(line.control(length))
    except LamelleError as error:
        _abort(line, error)
        raise error if isinstance(error, Aborted) else Aborted(error.code, error.message) from error
    why = negotiation.TOO_MANY if full else negotiation.refusal(request, settings, address, tls.names(sock))
    if why is not None:
        host.turn_away(request, address, why)
        _tell(line, negotiation.write_rejection(why))
        raise Denied("association_refused", f"the association is refused with {why}")
    peer = settings.peer(request.calling_aet)
    answers = [host.judge(offer, peer) for offer in request.offers]
    visit = host.welcome(request, answers, peer, address)
    line.peer_pdu = request.max_pdu
    line.deadline(None)
    try:
        line.send(negotiation.write_acceptance(request, answers, settings.max_pdu_bytes))
    except Aborted:
        line.close()
        raise
    names, contexts = (request.calling_aet, request.called_aet), _contexts(request, answers)
    return Association(line, settings, *names, contexts, peer=peer, address=address, visit=visit)


def _contexts(request: Request, answers: Sequence[Answer]) -> dict[int, Context]:
    return {
        offer.id: Context(
            offer.id, offer.abstract_syntax, answer.transfer_syntax, answer.as_scu, answer.as_scp, answer.information
        )
        for offer, answer in zip(request.offers, answers, strict=True)
        if answer.result == negotiation.ACCEPTED
    }


def _abort(line: Wire, error: LamelleError) -> None:
    if error.code in ("connection_lost", "peer_aborted"):
        line.close()
    else:
        reason = UNEXPECTED if error.code == "unexpected_pdu" else INVALID_PARAMETER
        _tell(line, bytes((wire.ABORT, 0, 0, 0, 0, 4, 0, 0, PROVIDER, reason)))


def _tell(line: Wire, pdu: bytes) -> None:
    """Send the last PDU of a connection and close it."""
    try:
        line.send(pdu)
        line.close(linger=True)
    except Aborted:
        line.close()


def connect(peer: Peer, contexts: Sequence[Proposal], settings: DimseSettings) -> Association:
    """Open an association to a peer, 128 contexts at most.

    Raises: Unavailable peer_unreachable, association_refused; Denied association_refused; Aborted.
    """
    if not peer.host or not peer.port:
        raise Invalid("peer_without_address", f"no host and port are known of {peer.aet}")
    try:
        sock = socket.create_connection((peer.host, peer.port), timeout=settings.acse_timeout_s)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise Unavailable("peer_unreachable", f"{peer.aet} cannot be reached: {why}") from error
    try:
        if peer.tls:
            sock = tls.client_context(settings.certificates).wrap_socket(sock, server_hostname=peer.host)
    except (OSError, ValueError) as error:
        sock.close()
        raise Unavailable("tls_failed", f"no TLS with {peer.aet}: {_reason(error)}") from error
    return open_on(sock, peer, contexts, settings)


def open_on(sock: socket.socket, peer: Peer, contexts: Sequence[Proposal], settings: DimseSettings) -> Association:
    """The same on a connection that is there; it is closed when the association fails."""
    line = Wire(sock, settings)
    try:
        return _request(line, peer, contexts, settings)
    except LamelleError as error:
        if error.code != "association_refused":
            _abort(line, error)
        line.close()
        raise


def _request(line: Wire, peer: Peer, contexts: Sequence[Proposal], settings: DimseSettings) -> Association:
    line.deadline(settings.acse_timeout_s)
    line.send(negotiation.write_request(settings.aet, peer.aet, contexts, settings.max_pdu_bytes))
    kind, length = line.next_pdu(settings.acse_timeout_s)
    body = line.control(length)
    if kind == wire.ASSOCIATE_RJ and length >= 4:
        error = Unavailable if body[1] == 2 else Denied
        said = (body[1], body[2], body[3])
        raise error("association_refused", f"{peer.aet} refuses the association: {said}")
    if kind == wire.ABORT:
        raise Aborted("peer_aborted", f"{peer.aet} aborted the association")
    if kind != wire.ASSOCIATE_AC:
        raise Aborted("unexpected_pdu", f"a PDU of type {kind} as answer to an association request")
    accepted, line.peer_pdu = negotiation.read_acceptance(body, contexts)
    line.deadline(None)
    return Association(line, settings, settings.aet, peer.aet, accepted, peer=peer, address=peer.host)


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", "") or type(error).__name__) if isinstance(error, ssl.SSLError) else "broken"
