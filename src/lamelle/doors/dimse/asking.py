"""What we ask of peers: echo, find, move, get, commitment. Sending is in sending.

Each call is one association. What a peer says is given back as it said it.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from lamelle.archive.commitment import Reference
from lamelle.base.errors import Invalid, LamelleError, Unavailable
from lamelle.base.ids import new_uid
from lamelle.dicom import json, uids
from lamelle.doors.dimse import association as associations
from lamelle.doors.dimse import commitment, datasets, finding, identifiers, services, visits
from lamelle.doors.dimse.association import Association, Context, Message, Proposal
from lamelle.doors.dimse.commands import (
    C_ECHO,
    C_FIND,
    C_GET,
    C_MOVE,
    MEDIUM,
    N_ACTION,
    N_EVENT_REPORT,
    Command,
    Status,
)
from lamelle.doors.dimse.identifiers import FIND, GET, LEVEL, MOVE, UNIQUE, Rank
from lamelle.doors.dimse.node import TEXT, Node
from lamelle.doors.dimse.settings import DimseSettings, Peer
from lamelle.doors.dimse.storage import VERIFICATION

PENDING: Final = frozenset({Status.PENDING, Status.PENDING_WARNING})
GETTING: Final = 126
"""Contexts for what C-GET sends back: an association has room for 128."""
_COMMON = (
    *("4.50", "4.51", "4.57", "4.70", "4.80", "4.81", "4.90", "4.91", "4.201", "4.202", "4.203", "4.110", "4.111"),
    *("4.112", "5", "4.102", "4.107", "1.99"),
)
SYNTAXES: Final = (*(f"1.2.840.10008.1.2.{suffix}" for suffix in _COMMON), *TEXT[:2])
"""Transfer syntaxes that are met, the uncompressed ones last."""
CLASSES: Final = "00080062"
"""SOP Classes in Study."""
OFTEN: Final = ("1.2.840.10008.5.1.4.1.1.77.1.6", "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a retrieval is, or ended."""

    status: int
    remaining: int
    completed: int
    failed: int
    warning: int
    comment: str = ""
    failed_uids: tuple[str, ...] = ()
    """Failed SOP Instance UID List (0008,0058)."""

    @property
    def pending(self) -> bool:
        return self.status in PENDING


def echo(peer: Peer, settings: DimseSettings) -> float:
    """The seconds a C-ECHO takes, the association not counted. Raises: LamelleError."""
    with associations.connect(peer, [Proposal(VERIFICATION, TEXT)], settings) as association:
        context = _context(association, VERIFICATION)
        began = time.monotonic()
        command = Command(C_ECHO, message_id=association.next_message_id(), affected_sop_class_uid=VERIFICATION)
        association.send(context.id, command)
        _checked(association.answer(command).command)
        return time.monotonic() - began


def find(
    peer: Peer, settings: DimseSettings, root: str, rank: Rank, keys: Mapping[str, Any], *, fuzzy: bool = False
) -> Iterator[dict[str, Any]]:
    """What the peer finds, as DICOM JSON; `keys`: elements by tag, beside the level. Raises: LamelleError."""
    sop_class = root + FIND
    proposal = Proposal(sop_class, TEXT[:2], information=finding.OPTIONS if fuzzy else b"")
    with associations.connect(peer, [proposal], settings) as association:
        context = _context(association, sop_class)
        command = Command(
            C_FIND, message_id=association.next_message_id(), affected_sop_class_uid=sop_class, priority=MEDIUM
        )
        association.send(context.id, command, _identifier(rank, keys, context))
        while True:
            answer = association.answer(command)
            if answer.command.status not in PENDING:
                break
            yield dict(datasets.read(answer).item)
        _checked(answer.command, Status.LIMIT_REACHED)


def move(
    peer: Peer, settings: DimseSettings, root: str, rank: Rank, keys: Mapping[str, Any], destination: str
) -> Iterator[Ended]:
    """Have a peer send to a third party; how far it is, at last how it ended. Raises: LamelleError."""
    sop_class = root + MOVE
    with associations.connect(peer, [Proposal(sop_class, TEXT[:2])], settings) as association:
        context = _context(association, sop_class)
        command = Command(
            C_MOVE,
            message_id=association.next_message_id(),
            affected_sop_class_uid=sop_class,
            priority=MEDIUM,
            move_destination=destination,
        )
        association.send(context.id, command, _identifier(rank, keys, context))
        while True:
            ended = _ended(association.answer(command))
            yield ended
            if not ended.pending:
                return


def get(node: Node, peer: Peer, root: str, rank: Rank, keys: Mapping[str, Any]) -> Iterator[Ended]:
    """Have a peer send to us, into the archive, in the syntax it has if it can; how far it is. Raises: LamelleError."""
    sop_class = root + GET
    storing = _storing(_classes(peer, node.settings, root, rank, keys))
    with associations.connect(peer, [Proposal(sop_class, TEXT[:2]), *storing], node.settings) as association:
        association.visit = visits.asked(node.archive.db, node.note, peer)
        context = _context(association, sop_class)
        command = Command(
            C_GET, message_id=association.next_message_id(), affected_sop_class_uid=sop_class, priority=MEDIUM
        )
        association.send(context.id, command, _identifier(rank, keys, context))
        while True:
            ended = _ended(association.answer(command, elsewhere=partial(services.answer, node, association)))
            yield ended
            if not ended.pending:
                return


def _classes(peer: Peer, settings: DimseSettings, root: str, rank: Rank, keys: Mapping[str, Any]) -> list[str]:
    """The classes of what is to be fetched, as far as the peer says them."""
    if rank is Rank.PATIENT:
        return []
    above = {UNIQUE[each]: keys[UNIQUE[each]] for each in (Rank.PATIENT, Rank.STUDY) if UNIQUE[each] in keys}
    try:
        answers = list(find(peer, settings, root, Rank.STUDY, {**above, CLASSES: {"vr": "UI"}}))
    except LamelleError:  # a peer that can't be searched may still send
        return []
    return sorted({uid for item in answers for uid in json.texts(item, CLASSES) if uids.is_usable(uid)})


def _storing(classes: Sequence[str]) -> list[Proposal]:
    """What may come, in a context for each syntax where there is room, so that the peer need not encode anew."""
    if classes and len(classes) * len(SYNTAXES) <= GETTING:
        return [Proposal(uid, (syntax,), as_scp=True) for uid in classes for syntax in SYNTAXES]
    known = list(dict.fromkeys((*classes, *OFTEN, *sorted(uids.PATIENT_STORAGE))))[: GETTING // 2]
    return [Proposal(uid, kind, as_scp=True) for uid in known for kind in (SYNTAXES[:-2], SYNTAXES[-2:])]


def commit(node: Node, peer: Peer, references: Sequence[Reference], wait_s: float) -> int | None:
    """Ask a peer to keep instances for good; how many it does not, None when it says so later. Raises: LamelleError."""
    with associations.connect(peer, [Proposal(commitment.PUSH_MODEL, TEXT[:2])], node.settings) as association:
        context = _context(association, commitment.PUSH_MODEL)
        command = Command(
            N_ACTION,
            message_id=association.next_message_id(),
            requested_sop_class_uid=commitment.PUSH_MODEL,
            requested_sop_instance_uid=commitment.WELL_KNOWN,
            action_type_id=commitment.REQUEST,
        )
        item = {
            commitment.TRANSACTION: {"vr": "UI", "Value": [new_uid()]},
            commitment.REFERENCED: {"vr": "SQ", "Value": [commitment.reference(one) for one in references]},
        }
        association.send(context.id, command, datasets.write(item, context.transfer_syntax))
        _checked(association.answer(command).command)
        if not association.waiting(wait_s):
            return None
        message = association.receive()
        if message is None or message.command.command_field != N_EVENT_REPORT:
            return None
        failed = commitment.failures(message)
        association.send(message.context.id, message.command.answer(Status.SUCCESS))
        return failed


def _context(association: Association, sop_class: str) -> Context:
    context = association.context_for(sop_class)
    if context is None:
        raise Unavailable("peer_refuses", f"{association.called_aet} does not serve {uids.name(sop_class)}")
    return context


def _identifier(rank: Rank, keys: Mapping[str, Any], context: Context) -> bytes:
    item = {**keys, LEVEL: {"vr": "CS", "Value": [str(rank)]}}
    return datasets.write(item, context.transfer_syntax, utf8=True)


def _checked(answer: Command, *allowed: int) -> None:
    """Raises: Unavailable request_refused."""
    if answer.status not in (Status.SUCCESS, *allowed):
        raise Unavailable(
            "request_refused", f"the peer answers {answer.status or 0:04X} {answer.error_comment}".strip()
        )


def _ended(message: Message) -> Ended:
    item, answer = datasets.read(message).item, message.command
    return Ended(
        answer.status or 0,
        answer.remaining or 0,
        answer.completed or 0,
        answer.failed or 0,
        answer.warning or 0,
        answer.error_comment,
        tuple(json.texts(item, "00080058")),
    )


def keys_of(texts: Sequence[str]) -> dict[str, Any]:
    """Elements of a query from `PatientName=Doe*`, `00100020=1`, or a bare name for a value to be told.

    Raises: Invalid unknown_key.
    """
    made: dict[str, Any] = {}
    for text in texts:
        name, _, value = text.partition("=")
        tag = identifiers.tag_of(name.strip())
        if tag is None:
            raise Invalid("unknown_key", f"{name} is neither a DICOM keyword nor a tag")
        made[tag] = identifiers.element(tag, value)
    return made
