"""C-MOVE and C-GET as SCP: instances sent one after the other, with counts. Source: PS3.4 C.4.2, C.4.3."""

from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final

from lamelle.access.model import Action
from lamelle.archive import selection
from lamelle.archive.selection import Selection, Wanted
from lamelle.base.errors import NotFound
from lamelle.doors.dimse import datasets, finding, identifiers, sending, visits
from lamelle.doors.dimse.association import Association, Message
from lamelle.doors.dimse.commands import Command, Status
from lamelle.doors.dimse.identifiers import Options
from lamelle.doors.dimse.node import Node
from lamelle.doors.dimse.sending import Originator, Sender, Sent

OPTIONS: Final = b"\1\0"
"""Relational retrieval; no enhanced multi-frame conversion."""
MOST_NAMED: Final = 900
"""Failed instances named in the answer: so many UIDs fit into one element of an explicit VR."""


@dataclass(slots=True)
class Counts:
    """How far the sub-operations are."""

    remaining: int
    completed: int = 0
    failed: int = 0
    warning: int = 0
    failed_uids: list[str] = field(default_factory=list)
    reason: str = ""

    def add(self, sent: Sent) -> None:
        """One sub-operation has ended."""
        self.remaining -= 1
        if sent.warned:
            self.warning += 1
        elif sent.ok:
            self.completed += 1
        else:
            self.failed += 1
            self.reason = self.reason or sent.reason
            if sent.sop_uid and len(self.failed_uids) < MOST_NAMED:
                self.failed_uids.append(sent.sop_uid)

    @property
    def status(self) -> int:
        """The final status."""
        if self.failed and not self.completed and not self.warning:
            return Status.CANNOT_PERFORM
        return Status.SUB_OPERATIONS_FAILED if self.failed or self.warning else Status.SUCCESS

    def told(self, command: Command, status: int) -> Command:
        """The answer with these counts; only what is not the end, or was cancelled, has something remaining."""
        remaining = min(self.remaining, 0xFFFF) if status in (Status.PENDING, Status.CANCEL) else None
        comment = self.reason[:64] if status not in (Status.PENDING, Status.SUCCESS) else ""
        return command.answer(
            status,
            remaining=remaining,
            completed=min(self.completed, 0xFFFF),
            failed=min(self.failed, 0xFFFF),
            warning=min(self.warning, 0xFFFF),
            error_comment=comment,
        )


def move(node: Node, association: Association, message: Message) -> None:
    """Send to a third party, known from settings. Raises: NotFound unknown_destination, Invalid, Aborted."""
    command, visit = message.command, association.visit
    wanted = _wanted(message)
    peer = node.settings.peer(command.move_destination)
    if peer is None or not peer.host or not peer.port:
        visit.note("export", "refused", subject=command.move_destination, reason="unknown_destination")
        raise NotFound("unknown_destination", f"no address is known of {command.move_destination}")
    archive, reach = node.archive, visits.sent_to(visit.reach(Action.EXPORT), peer)
    chosen = selection.select(archive.db, reach, wanted, clock=archive.clock)
    originator = Originator(association.calling_aet, command.message_id)
    sent = sending.each(node, peer, visit, chosen.ids, chosen.kinds, originator)
    _perform(association, message, chosen, sent, lambda: finding.cancelled(association, command))


def get(node: Node, association: Association, message: Message) -> None:
    """Send on the requester's own association. Raises: Invalid, Aborted."""
    command, visit = message.command, association.visit
    archive, reach = node.archive, visit.reach(Action.EXPORT)
    chosen = selection.select(archive.db, reach, _wanted(message), clock=archive.clock)
    ended: list[bool] = []
    sender = Sender(archive, association, elsewhere=lambda other: ended.append(finding.cancels(other, command)))

    def sent() -> Generator[Sent, None, None]:
        for ref in selection.refs(archive.db, reach, chosen.ids, clock=archive.clock):
            if ref is not None:
                visit.note_study("retrieve", ref.study_uid, ref.patient_id, ref.issuer, place=ref.place)
            yield Sent("", Status.NO_SUCH_INSTANCE, "deleted meanwhile") if ref is None else sender.send(ref)

    _perform(association, message, chosen, sent(), lambda: any(ended) or finding.cancelled(association, command))


def _wanted(message: Message) -> Wanted:
    context = message.context
    asked = identifiers.read(message.read(), context.transfer_syntax, context.abstract_syntax)
    relational = Options.of(context.information).relational
    return identifiers.wanted(asked, context.abstract_syntax, relational=relational)


def _perform(
    association: Association,
    message: Message,
    chosen: Selection,
    sent: Generator[Sent, None, None],
    cancelled: Callable[[], bool],
) -> None:
    """Do the sub-operations and say after each how far they are."""
    command, number = message.command, message.context.id
    counts = Counts(len(chosen))
    with closing(sent):
        for one in sent:
            counts.add(one)
            if counts.remaining and cancelled():
                break
            if counts.remaining:
                association.send(number, counts.told(command, Status.PENDING))
    status = Status.CANCEL if counts.remaining else counts.status
    body = _failed(counts, message.context.transfer_syntax) if counts.failed_uids else None
    association.send(number, counts.told(command, status), body)


def _failed(counts: Counts, transfer_syntax: str) -> bytes:
    item = {"00080058": {"vr": "UI", "Value": counts.failed_uids}}
    return datasets.write(item, transfer_syntax)
