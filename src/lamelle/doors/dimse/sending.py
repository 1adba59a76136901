"""C-STORE as SCU: instances of the archive to a peer, as they are stored, one association for as many as fit.

Pixels are never encoded again. Which instances go where is for moving, forwarding and the command line.
Source: PS3.4 B; PS3.7 9.1.1.
"""

from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from lamelle.access.model import Action
from lamelle.archive import selection
from lamelle.archive.model import InstanceRef
from lamelle.archive.selection import Kind
from lamelle.archive.store import Archive
from lamelle.base.errors import LamelleError, TooLarge
from lamelle.base.telemetry import Counter
from lamelle.dicom import transcode, transfer
from lamelle.doors.dimse import association as associations
from lamelle.doors.dimse import visits
from lamelle.doors.dimse.association import Aborted, Association, Context, Message, Proposal
from lamelle.doors.dimse.commands import C_STORE, MEDIUM, Command, Status
from lamelle.doors.dimse.node import Node
from lamelle.doors.dimse.settings import Peer
from lamelle.doors.dimse.visits import Visit

MOST_CONTEXTS: Final = 128
REWRITE_LIMIT: Final = 512 << 20
"""Bytes of an uncompressed instance rewritten in memory for a peer that reads another uncompressed syntax."""
PLAIN: Final = (transfer.EXPLICIT_LITTLE, transfer.IMPLICIT_LITTLE)
SENT = Counter(
    "lamelle_sent_instances_total", "Instances sent to peers by C-STORE, by what they answered.", ("result",)
)


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of one instance. `status`: of the peer's answer, or why it could not be sent."""

    sop_uid: str
    status: int
    reason: str = ""
    reached: bool = True
    """Whether the peer was there to answer."""

    @property
    def ok(self) -> bool:
        """Kept by the peer, perhaps with a warning."""
        return self.status == Status.SUCCESS or self.warned

    @property
    def warned(self) -> bool:
        return self.status in (0x0001, 0x0107, 0x0116) or self.status >> 12 == 0xB


@dataclass(frozen=True, slots=True)
class Originator:
    """Whose C-MOVE makes us send."""

    aet: str = ""
    message_id: int | None = None


def plans(kinds: Collection[Kind]) -> list[tuple[frozenset[str], list[Proposal]]]:
    """For each association needed the SOP classes it is for and what it proposes.

    A context for each stored syntax, so that the peer can't choose another; where a class is stored uncompressed, one
    more for what every peer reads.
    """
    made: list[tuple[frozenset[str], list[Proposal]]] = []
    for sop_class in sorted({sop_class for sop_class, _ in kinds}):
        stored = sorted({syntax for each, syntax in kinds if each == sop_class})
        proposals = [Proposal(sop_class, (syntax,)) for syntax in stored[: MOST_CONTEXTS - 2]]
        if not transfer.UNCOMPRESSED.isdisjoint(stored):
            proposals += [Proposal(sop_class, (syntax,)) for syntax in PLAIN if syntax not in stored]
        if made and len(made[-1][1]) + len(proposals) <= MOST_CONTEXTS:
            made[-1] = (made[-1][0] | {sop_class}, made[-1][1] + proposals)
        else:
            made.append((frozenset({sop_class}), proposals))
    return made


class Sender:
    """Sends on one association; `elsewhere` takes messages that are no answer to a C-STORE (a C-CANCEL)."""

    def __init__(
        self,
        archive: Archive,
        association: Association,
        originator: Originator | None = None,
        elsewhere: Callable[[Message], None] | None = None,
    ) -> None:
        self._archive, self._association = archive, association
        self._originator = originator or Originator()
        self._elsewhere = elsewhere

    def send(self, ref: InstanceRef) -> Sent:
        """Send one instance and wait for the answer. Raises: Aborted."""
        try:
            context = self._context(ref)
            if context is None:
                why = f"the peer does not accept {ref.sop_class_uid} in {ref.transfer_syntax}"
                return _counted(Sent(ref.sop_uid, Status.CLASS_NOT_SUPPORTED, why))
            data = self._data(ref, context)
        except Aborted:
            raise
        except LamelleError as error:
            return _counted(Sent(ref.sop_uid, Status.PROCESSING_FAILURE, f"{error.code}: {error.message}"))
        command = Command(
            C_STORE,
            message_id=self._association.next_message_id(),
            affected_sop_class_uid=ref.sop_class_uid,
            affected_sop_instance_uid=ref.sop_uid,
            priority=MEDIUM,
            move_originator=self._originator.aet,
            move_originator_message_id=self._originator.message_id,
        )
        self._association.send(context.id, command, data)
        answer = self._association.answer(command, elsewhere=self._elsewhere).command
        status = Status.CANNOT_UNDERSTAND if answer.status is None else answer.status
        return _counted(Sent(ref.sop_uid, status, answer.error_comment))

    def _context(self, ref: InstanceRef) -> Context | None:
        """The context of the stored syntax; for what is uncompressed, of another that is."""
        syntaxes = (ref.transfer_syntax, *(PLAIN if ref.transfer_syntax in transfer.UNCOMPRESSED else ()))
        found = (self._association.context_for(ref.sop_class_uid, syntax) for syntax in syntaxes)
        return next((context for context in found if context is not None), None)

    def _data(self, ref: InstanceRef, context: Context) -> Iterator[bytes]:
        """The data set in the context's syntax."""
        if context.transfer_syntax == ref.transfer_syntax:
            return self._archive.retrieve.stream(ref, ref.dataset_offset)
        if ref.size > REWRITE_LIMIT:
            raise TooLarge("too_large_to_rewrite", f"only instances of {REWRITE_LIMIT} bytes at most are rewritten")
        file = b"".join(self._archive.retrieve.stream(ref))
        return iter((transcode.native(file, ref.transfer_syntax, context.transfer_syntax),))


def each(
    node: Node,
    peer: Peer,
    visit: Visit,
    ids: Sequence[int],
    kinds: Collection[Kind],
    originator: Originator | None = None,
) -> Generator[Sent, None, None]:
    """Send these rows of the catalogue, and tell of each what became of it; nothing is raised for the peer's sake.

    `visit`: on whose behalf; what is not within that reach is as deleted, and each study is entered as an export. When
    the association breaks, the rest goes on a new one. Closing the iterator ends the association in order.
    """
    reach = visits.sent_to(visit.reach(Action.EXPORT), peer)
    for number, (classes, proposals) in enumerate(plans(kinds)):
        run = _Run(node, peer, visit, proposals, originator or Originator())
        try:
            for ref in selection.refs(node.archive.db, reach, ids, clock=node.archive.clock):
                if ref is None:
                    if number == 0:
                        yield Sent("", Status.NO_SUCH_INSTANCE, "deleted meanwhile")
                elif ref.sop_class_uid in classes:
                    yield run.send(ref)
        finally:
            run.close()


class _Run:
    """Instances on one association, or on a new one when it broke."""

    def __init__(self, node: Node, peer: Peer, visit: Visit, proposals: list[Proposal], originator: Originator) -> None:
        self._node, self._peer, self._visit = node, peer, visit
        self._proposals, self._originator = proposals, originator
        self._association: Association | None = None
        self._given_up: LamelleError | None = None

    def send(self, ref: InstanceRef) -> Sent:
        if self._given_up is None and self._association is None:
            try:
                self._association = associations.connect(self._peer, self._proposals, self._node.settings)
            except LamelleError as error:
                self._given_up = error
        if self._given_up is not None or self._association is None:
            assert self._given_up is not None
            return _counted(_unreached(ref, self._given_up))
        names = ref.study_uid, ref.patient_id, ref.issuer
        self._visit.note_study("export", *names, subject=self._peer.aet, place=ref.place)
        try:
            return Sender(self._node.archive, self._association, self._originator).send(ref)
        except LamelleError as error:  # broken, or our own bytes were not to be had
            self._association = None
            return _counted(_unreached(ref, error))

    def close(self) -> None:
        if self._association is not None and not self._association.closed:
            try:
                self._association.release()
            except Aborted:
                self._association = None


def _unreached(ref: InstanceRef, error: LamelleError) -> Sent:
    return Sent(ref.sop_uid, Status.OUT_OF_RESOURCES, f"{error.code}: {error.message}", reached=False)


def _counted(sent: Sent) -> Sent:
    SENT.add(1, "sent" if sent.ok else "refused" if sent.reached else "unreached")
    return sent
