"""Association requests and their answers: who may come in, and what will be spoken (PS3.8 7.1, 9.3; PS3.7 D.3).

The PDUs are pynetdicom's; which abstract syntaxes we serve is in services.
"""

import ipaddress
import socket
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
)
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation as Role
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation as Extended
from pynetdicom.presentation import PresentationContext

from lamelle import __version__
from lamelle.base.errors import Invalid
from lamelle.base.ids import uid_from
from lamelle.doors.dimse.settings import DimseSettings, Peer
from lamelle.doors.dimse.visits import Visit

APPLICATION_CONTEXT: Final = "1.2.840.10008.3.1.1.1"
IMPLEMENTATION_UID: Final = uid_from("lamelle", "implementation", "dimse")
IMPLEMENTATION_NAME: Final = f"LAMELLE_{__version__}"[:16]
ACCEPTED, USER_REFUSED, NO_REASON, NO_ABSTRACT_SYNTAX, NO_TRANSFER_SYNTAX = range(5)
NOT_RECOGNIZED_CALLING, NOT_RECOGNIZED_CALLED = (1, 1, 3), (1, 1, 7)
NO_APPLICATION_CONTEXT, TOO_MANY = (1, 1, 2), (2, 3, 2)
REASONS: Final = {
    NOT_RECOGNIZED_CALLED: "called AE title not recognised",
    NOT_RECOGNIZED_CALLING: "calling AE title not recognised, or not from there",
    NO_APPLICATION_CONTEXT: "application context not supported",
    TOO_MANY: "too many associations",
}
"""(result, source, reason) of a rejection, and what it says. Source: PS3.8 Table 9-21."""


@dataclass(frozen=True, slots=True)
class Context:
    """A presentation context both agreed on; the roles are those that we may take on it."""

    id: int
    abstract_syntax: str
    transfer_syntax: str
    as_scu: bool = False
    as_scp: bool = True
    information: bytes = b""
    """Service class application information agreed on, one byte an option."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A presentation context that we ask for."""

    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]
    as_scp: bool = False
    """Whether we would also take the role of SCP: for what C-GET sends back."""
    information: bytes = b""
    """Options of the service that we ask for (PS3.7 D.3.3.5)."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A context as a peer proposes it."""

    id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]
    scp_role: bool = False
    """Whether the peer would take the role of SCP."""
    information: bytes = b""
    """Options of the service that the peer asks for."""


@dataclass(frozen=True, slots=True)
class Request:
    """What an association request says."""

    calling_aet: str
    called_aet: str
    application_context: str
    offers: tuple[Offer, ...]
    max_pdu: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What becomes of an offer; the roles are ours."""

    result: int
    transfer_syntax: str = ""
    as_scu: bool = False
    as_scp: bool = True
    information: bytes = b""
    """The options that it gets."""


class Host(Protocol):
    """Who lets associations in; services has it."""

    def judge(self, offer: Offer, peer: Peer | None) -> Answer:
        """Whether a context is served for a peer."""

    def welcome(self, request: Request, answers: Sequence[Answer], peer: Peer | None, address: str) -> Visit:
        """Whose association it is, that is about to be accepted."""

    def turn_away(self, request: Request, address: str, why: tuple[int, int, int]) -> None:
        """Somebody is about to be refused."""


def read_request(body: bytes) -> Request:
    """Raises: Invalid."""
    try:
        pdu = A_ASSOCIATE_RQ()
        pdu.decode(b"\x01\x00" + len(body).to_bytes(4, "big") + body)
        said = pdu.to_primitive()
        roles = {str(item.sop_class_uid): bool(item.scp_role) for item in _items(said, Role)}
        asked = _information(said)
        offers = tuple(
            Offer(
                int(context.context_id),
                str(context.abstract_syntax),
                tuple(map(str, context.transfer_syntax)),
                roles.get(str(context.abstract_syntax), False),
                asked.get(str(context.abstract_syntax), b""),
            )
            for context in said.presentation_context_definition_list
            if context.abstract_syntax
        )
        return Request(
            str(said.calling_ae_title).strip(),
            str(said.called_ae_title).strip(),
            str(said.application_context_name),
            offers,
            _max_pdu(said),
        )
    except Exception as error:
        raise Invalid("bad_association_request", "the association request cannot be read") from error


def refusal(
    request: Request, settings: DimseSettings, address: str, names: Collection[str] = ()
) -> tuple[int, int, int] | None:
    """Why nobody by that title may come in from there, with those names in his certificate; None: he may."""
    if request.application_context != APPLICATION_CONTEXT:
        return NO_APPLICATION_CONTEXT
    if request.called_aet != settings.aet:
        return NOT_RECOGNIZED_CALLED
    if not settings.peers:
        return None if is_loopback(address) else NOT_RECOGNIZED_CALLING
    peer = settings.peer(request.calling_aet)
    if peer is None or (peer.host and not same_host(peer.host, address)):
        return NOT_RECOGNIZED_CALLING
    if peer.certificate and peer.certificate not in names:
        return NOT_RECOGNIZED_CALLING
    return None


def is_loopback(address: str) -> bool:
    """Whether the address is of this machine; local sockets have none."""
    with suppress(ValueError):
        return bool(_plain(address).is_loopback)
    return address in ("", "localhost")


def same_host(host: str, address: str) -> bool:
    """Whether a host (name, address, or network like 10.1.0.0/16) has the address."""
    with suppress(ValueError):
        return _plain(address) in ipaddress.ip_network(host, strict=False)
    with suppress(OSError, ValueError):
        found = {_plain(str(info[4][0])) for info in socket.getaddrinfo(host, None)}
        return _plain(address) in found
    return False


def _plain(address: str) -> Any:
    """An IP address; IPv4 in IPv6's clothes as IPv4."""
    found = ipaddress.ip_address(address.partition("%")[0])
    return getattr(found, "ipv4_mapped", None) or found


def write_request(calling: str, called: str, proposals: Sequence[Proposal], max_pdu: int) -> bytes:
    """The PDU of an association request; context identifiers are 1, 3, 5 ... in the proposals' order."""
    said = _association(calling, called, max_pdu)
    said.presentation_context_definition_list = [
        _context(2 * at + 1, item.abstract_syntax, item.transfer_syntaxes) for at, item in enumerate(proposals)
    ]
    roles = {item.abstract_syntax: item for item in proposals if item.as_scp}
    said.user_information += [_role(uid, scu=True, scp=True) for uid in roles]
    options = {item.abstract_syntax: item.information for item in proposals if item.information}
    said.user_information += [_extended(uid, information) for uid, information in options.items()]
    return bytes(A_ASSOCIATE_RQ(said).encode())


def write_acceptance(request: Request, answers: Sequence[Answer], max_pdu: int) -> bytes:
    """The PDU that accepts; `answers` in the order of the offers."""
    said = _association(request.calling_aet, request.called_aet, max_pdu)
    said.result, said.result_source = 0, 1
    contexts, roles, options = [], {}, {}
    for offer, answer in zip(request.offers, answers, strict=True):
        syntax = answer.transfer_syntax or next(iter(offer.transfer_syntaxes), "1.2.840.10008.1.2")
        context = _context(offer.id, offer.abstract_syntax, [syntax])
        context.result = answer.result
        contexts.append(context)
        if answer.result == ACCEPTED and answer.as_scu:
            roles[offer.abstract_syntax] = _role(offer.abstract_syntax, scu=answer.as_scp, scp=True)
        if answer.result == ACCEPTED and answer.information:
            options[offer.abstract_syntax] = _extended(offer.abstract_syntax, answer.information)
    said.presentation_context_definition_results_list = contexts
    said.user_information += [*roles.values(), *options.values()]
    return bytes(A_ASSOCIATE_AC(said).encode())


def write_rejection(why: tuple[int, int, int]) -> bytes:
    """The PDU that rejects."""
    pdu = A_ASSOCIATE_RJ()
    pdu.result, pdu.source, pdu.reason_diagnostic = why
    return bytes(pdu.encode())


def read_acceptance(body: bytes, proposals: Sequence[Proposal]) -> tuple[dict[int, Context], int]:
    """The contexts that a peer accepted of ours, and the size of its PDUs. Raises: Invalid."""
    try:
        pdu = A_ASSOCIATE_AC()
        pdu.decode(b"\x02\x00" + len(body).to_bytes(4, "big") + body)
        said = pdu.to_primitive()
        roles = {str(item.sop_class_uid): item for item in _items(said, Role)}
        options = _information(said)
        contexts = {}
        for item in said.presentation_context_definition_results_list:
            at = int(item.context_id) // 2
            if item.result != ACCEPTED or at >= len(proposals) or not item.transfer_syntax:
                continue
            asked, role = proposals[at], roles.get(proposals[at].abstract_syntax)
            contexts[int(item.context_id)] = Context(
                int(item.context_id),
                asked.abstract_syntax,
                str(item.transfer_syntax[0]),
                as_scu=role is None or bool(role.scu_role),
                as_scp=asked.as_scp and role is not None and bool(role.scp_role),
                information=options.get(asked.abstract_syntax, b""),
            )
        return contexts, _max_pdu(said)
    except Exception as error:
        raise Invalid("bad_association_answer", "the answer to the association request cannot be read") from error


def _association(calling: str, called: str, max_pdu: int) -> Any:
    said = A_ASSOCIATE()
    said.application_context_name = APPLICATION_CONTEXT
    said.calling_ae_title, said.called_ae_title = calling, called
    length, uid, name = (
        MaximumLengthNotification(),
        ImplementationClassUIDNotification(),
        ImplementationVersionNameNotification(),
    )
    length.maximum_length_received = max_pdu
    uid.implementation_class_uid = IMPLEMENTATION_UID
    name.implementation_version_name = IMPLEMENTATION_NAME
    said.user_information = [length, uid, name]
    return said


def _context(number: int, abstract_syntax: str, transfer_syntaxes: Iterable[str]) -> Any:
    context = PresentationContext()
    context.context_id, context.abstract_syntax = number, abstract_syntax
    context.transfer_syntax = list(transfer_syntaxes)
    return context


def _role(uid: str, *, scu: bool, scp: bool) -> Any:
    role = Role()
    role.sop_class_uid, role.scu_role, role.scp_role = uid, scu, scp
    return role


def _extended(uid: str, information: bytes) -> Any:
    item = Extended()
    item.sop_class_uid, item.service_class_application_information = uid, information
    return item


def _information(said: Any) -> dict[str, bytes]:
    """SOP class to the options said of it."""
    return {
        str(item.sop_class_uid): bytes(item.service_class_application_information) for item in _items(said, Extended)
    }


def _items(said: Any, kind: type) -> list[Any]:
    return [item for item in said.user_information if isinstance(item, kind)]


def _max_pdu(said: Any) -> int:
    """What the peer wants at most; 0: anything. One that is too small to hold a fragment is not believed."""
    found = next((int(item.maximum_length_received) for item in _items(said, MaximumLengthNotification)), 0)
    return found if found == 0 else max(found, 128)
