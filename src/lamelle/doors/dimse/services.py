"""The table of services: which SOP class is answered by whom, for whom, in which transfer syntaxes.

How a class is served is in the module of its handler; a class in no row is stored, if it may be an object's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, Literal

from lamelle.archive import selection
from lamelle.audit.model import Entry
from lamelle.base import telemetry
from lamelle.base.errors import Conflict, Denied, Invalid, LamelleError, NotFound, TooLarge, Unavailable, Unsupported
from lamelle.dicom import transfer, uids
from lamelle.doors.dimse import (
    commitment,
    finding,
    moving,
    negotiation,
    notifying,
    performed,
    storage,
    visits,
    worklist,
)
from lamelle.doors.dimse.association import Aborted, Association, Message
from lamelle.doors.dimse.commands import (
    C_CANCEL,
    C_ECHO,
    C_FIND,
    C_GET,
    C_MOVE,
    C_STORE,
    N_ACTION,
    N_CREATE,
    N_EVENT_REPORT,
    N_SET,
    Status,
)
from lamelle.doors.dimse.identifiers import FIND, GET, MOVE, PATIENT_ROOT, STUDY_ROOT
from lamelle.doors.dimse.negotiation import USER_REFUSED, Answer, Offer, Request
from lamelle.doors.dimse.node import Node, Service
from lamelle.doors.dimse.settings import Peer
from lamelle.doors.dimse.visits import Visit

SERVICES: Final[Mapping[str, Service]] = {
    storage.VERIFICATION: Service(None, storage.echo, (C_ECHO,)),
    PATIENT_ROOT + FIND: Service("find", finding.find, (C_FIND,), information=finding.OPTIONS),
    STUDY_ROOT + FIND: Service("find", finding.find, (C_FIND,), information=finding.OPTIONS),
    PATIENT_ROOT + MOVE: Service("move", moving.move, (C_MOVE,), information=moving.OPTIONS),
    STUDY_ROOT + MOVE: Service("move", moving.move, (C_MOVE,), information=moving.OPTIONS),
    PATIENT_ROOT + GET: Service("get", moving.get, (C_GET,), information=moving.OPTIONS),
    STUDY_ROOT + GET: Service("get", moving.get, (C_GET,), information=moving.OPTIONS),
    commitment.PUSH_MODEL: Service("commit", commitment.answer, (N_ACTION, N_EVENT_REPORT)),
    worklist.MODALITY_WORKLIST: Service("worklist", worklist.find, (C_FIND,)),
    performed.PERFORMED_STEP: Service("mpps", performed.serve, (N_CREATE, N_SET)),
    notifying.AVAILABILITY: Service("notify", notifying.receive, (N_CREATE,)),
}
"""Abstract syntax to its service."""

STORAGE: Final = Service("store", storage.store, (C_STORE,), (), as_scu=True)
"""The service of every composite object of a patient: of the standard, private, or newer than our tables."""


def service_of(abstract_syntax: str) -> Service | None:
    """Who answers, None when nobody does."""
    if abstract_syntax in SERVICES:
        return SERVICES[abstract_syntax]
    return STORAGE if is_stored(abstract_syntax) else None


def is_stored(abstract_syntax: str) -> bool:
    """Whether objects of this class are kept: those of patients, and what no table knows."""
    if abstract_syntax in uids.KNOWN:
        return abstract_syntax in uids.PATIENT_STORAGE
    return uids.is_usable(abstract_syntax)


def judge(offer: Offer, peer: Peer | None) -> Answer:
    """Whether a context is served for a peer (None: there are no peers, and everybody here may do everything)."""
    service = service_of(offer.abstract_syntax)
    if service is None:
        return Answer(negotiation.NO_ABSTRACT_SYNTAX)
    retrieved = service.as_scu and offer.scp_role
    if peer is not None and service.right is not None and service.right not in peer.rights:
        if not (retrieved and "get" in peer.rights):
            return Answer(negotiation.USER_REFUSED)
        return _accepted(service, offer, as_scu=True, as_scp=False)
    return _accepted(service, offer, as_scu=retrieved, as_scp=True)


class Host:
    """Lets associations in to a node, and enters in the ledger who came and who was turned away."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def judge(self, offer: Offer, peer: Peer | None) -> Answer:
        """As `judge`; what a peer would fetch is offered in the syntax that we mostly have it in."""
        found = judge(offer, peer)
        if found.as_scu and len(offer.transfer_syntaxes) > 1:
            usual = selection.usual(self._node.archive.db, offer.abstract_syntax, offer.transfer_syntaxes)
            found = replace(found, transfer_syntax=usual or found.transfer_syntax)
        return found

    def welcome(self, request: Request, answers: Sequence[Answer], peer: Peer | None, address: str) -> Visit:
        """Whose association it is; the services that are not for it are entered with it."""
        node = self._node
        visit = visits.of(node.archive.db, node.note, request.calling_aet, peer, address)
        said = zip(request.offers, answers, strict=True)
        denied = [uids.name(offer.abstract_syntax) for offer, answer in said if answer.result == USER_REFUSED]
        visit.note("association_accepted", detail={"not_allowed": sorted(set(denied))} if denied else None)
        return visit

    def turn_away(self, request: Request, address: str, why: tuple[int, int, int]) -> None:
        """Enter who was refused; a title that is none stands there as well as it can be read."""
        entry = Entry(
            visits.login(request.calling_aet),
            "association_refused",
            "refused",
            address=address,
            subject=request.called_aet,
            reason=negotiation.REASONS[why],
        )
        self._node.note(entry)


def _accepted(service: Service, offer: Offer, *, as_scu: bool, as_scp: bool) -> Answer:
    syntax = choose(service, offer.transfer_syntaxes)
    if syntax is None:
        return Answer(negotiation.NO_TRANSFER_SYNTAX)
    options = bytes(asked & had for asked, had in zip(offer.information, service.information, strict=False))
    return Answer(negotiation.ACCEPTED, syntax, as_scu=as_scu, as_scp=as_scp, information=options)


def choose(service: Service, proposed: tuple[str, ...]) -> str | None:
    """The transfer syntax of a context.

    For objects the proposer's first, since senders list first what they have, so that nothing is encoded anew; only
    where all it has is uncompressed do we ask for Explicit VR Little Endian, which keeps the VRs of private elements.
    """
    if service.transfer_syntaxes:
        return next((syntax for syntax in service.transfer_syntaxes if syntax in proposed), None)
    usable = [syntax for syntax in proposed if uids.is_usable(syntax)]
    plain = all(syntax in transfer.UNCOMPRESSED for syntax in usable)
    if plain and transfer.EXPLICIT_LITTLE in usable:
        return transfer.EXPLICIT_LITTLE
    return next(iter(usable), None)


# -- answering -------------------------------------------------------------------------------------------------------


def answer(node: Node, association: Association, message: Message) -> None:
    """Have one message answered by its service; whatever goes wrong becomes a status. Raises: Aborted."""
    command = message.command
    if command.command_field == C_CANCEL or command.is_response:
        return  # what it speaks of has ended already
    service = service_of(message.context.abstract_syntax)
    if service is None or command.command_field not in service.commands or not message.context.as_scp:
        _refuse(association, message, Status.UNRECOGNIZED_OPERATION)
        return
    try:
        service.handler(node, association, message)
    except Aborted:
        raise
    except LamelleError as error:
        telemetry.log("dimse.refused", code=error.code, command=f"{command.command_field:04X}")
        status = status_of(error, command.command_field)
        _refuse(association, message, status, f"{error.code}: {error.message}", error.code)
    except Exception as error:  # noqa: BLE001  its message may quote data: the log gets its place, not its words
        telemetry.log("dimse.crashed", level="error", **telemetry.trace(error))
        _refuse(association, message, Status.PROCESSING_FAILURE, "internal_error")


def _refuse(association: Association, message: Message, status: int, why: str = "", code: str = "") -> None:
    if association.closed:
        raise Aborted("connection_lost", "the association ended while it was answered")
    answer = message.command.answer(status, error_comment=why[:64], error_id=ERROR_IDS.get(code))
    association.send(message.context.id, answer)


CODES: Final = {
    "wrong_context": Status.CLASS_NOT_SUPPORTED,
    "unknown_destination": Status.UNKNOWN_DESTINATION,
    "no_such_action": Status.NO_SUCH_ACTION,
    "bad_commitment": Status.INVALID_ARGUMENT,
    "missing_attribute": Status.MISSING_ATTRIBUTE,
    "missing_value": Status.MISSING_VALUE,
    "bad_step_status": Status.INVALID_ATTRIBUTE_VALUE,
    "bad_step": Status.INVALID_INSTANCE,
    "bad_notice": Status.INVALID_INSTANCE,
    "step_ended": Status.PROCESSING_FAILURE,
}
"""By code; what stands not here goes by its kind."""
ERROR_IDS: Final = {"step_ended": 0xA710}
"""Error ID (0000,0903): the performed procedure step may no longer be updated. Source: PS3.4 Table F.7.2-2."""

KINDS: Final[tuple[tuple[type[LamelleError], int, int, int], ...]] = (
    (NotFound, Status.NO_SUCH_INSTANCE, Status.NO_SUCH_INSTANCE, Status.NO_SUCH_INSTANCE),
    (Conflict, Status.DUPLICATE_INSTANCE, Status.PROCESSING_FAILURE, Status.DUPLICATE_INSTANCE),
    (TooLarge, Status.OUT_OF_RESOURCES, Status.OUT_OF_RESOURCES, Status.RESOURCE_LIMITATION),
    (Invalid, Status.CANNOT_UNDERSTAND, Status.MISMATCH, Status.PROCESSING_FAILURE),
    (Denied, Status.NOT_AUTHORIZED, Status.NOT_AUTHORIZED, Status.NOT_AUTHORIZED),
    (Unsupported, Status.CLASS_NOT_SUPPORTED, Status.CLASS_NOT_SUPPORTED, Status.CLASS_NOT_SUPPORTED),
    (Unavailable, Status.OUT_OF_RESOURCES, Status.OUT_OF_RESOURCES, Status.RESOURCE_LIMITATION),
)
"""Kind of error to status: of a C-STORE, of a query or retrieval, of a normalised service (PS3.7 C, PS3.4 B, C)."""


def status_of(error: LamelleError, command_field: int) -> int:
    """The status of an error that the handler of a request raised."""
    kind = next((row[_column(command_field)] for row in KINDS if isinstance(error, row[0])), Status.PROCESSING_FAILURE)
    return CODES.get(error.code, kind)


def failures(command_field: int) -> frozenset[int]:
    """What errors may become, by their kind."""
    return frozenset(row[_column(command_field)] for row in KINDS)


def _column(command_field: int) -> Literal[1, 2, 3]:
    """Of `KINDS`."""
    if command_field in (C_STORE, C_ECHO):
        return 1
    return 2 if command_field in (C_FIND, C_GET, C_MOVE) else 3
