"""Who is at the other end of an association: how far it reaches here, and what it does as the ledger has it.

A peer is a device in its place; what its rights leave of that is decided in access.decide. Nothing is decided here.
"""

import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from lamelle.access import decide, places
from lamelle.access.model import FIRST_PLACE, Action, Actor, Caller, Membership, Purpose, Reach, Role
from lamelle.audit.model import Entry, Outcome
from lamelle.base.db import Database
from lamelle.base.jobs import JsonValue
from lamelle.doors.dimse.settings import Peer, Right

Note = Callable[[Entry], None]

ACTIONS: Final[Mapping[Right, Action]] = {
    "store": Action.STORE,
    "commit": Action.STORE,
    "find": Action.VIEW,
    "notify": Action.VIEW,
    "move": Action.EXPORT,
    "get": Action.EXPORT,
    "worklist": Action.SCHEDULE,
    "mpps": Action.SCHEDULE,
}
"""What a right lets a peer do; labels of slides are beside them (`Peer.labels`)."""
LABELS: Final = frozenset({Action.VIEW_LABEL})
NO_ACCOUNT: Final = -1
"""Peers are named in the settings: nothing is ever shared with one by its number."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A caller over the network, for the time of one association."""

    caller: Caller
    note_entry: Note
    place: int = FIRST_PLACE
    """Where a study that it begins belongs to."""
    _noted: set[tuple[str, ...]] = field(default_factory=set)

    def reach(self, action: Action) -> Reach:
        """Everything it may do this with."""
        return decide.reach(self.caller.actor, action, self.caller.purpose)

    def note(
        self,
        action: str,
        outcome: Outcome = "success",
        *,
        study_uid: str = "",
        patient_id: str = "",
        issuer: str = "",
        subject: str = "",
        reason: str = "",
        place: int | None = None,
        detail: Mapping[str, JsonValue] | None = None,
    ) -> None:
        """Enter something; call it before the answer leaves. `place`: of the study, instead of the caller's."""
        caller = self.caller
        self.note_entry(
            Entry(
                caller.actor.login,
                action,
                outcome,
                purpose=caller.purpose.value,
                place=self.place if place is None else place,
                address=caller.address,
                session=caller.session,
                study_uid=study_uid,
                patient_id=patient_id,
                issuer=issuer,
                subject=subject,
                reason=reason,
                detail=detail or {},
            )
        )

    def note_study(
        self,
        action: str,
        study_uid: str,
        patient_id: str,
        issuer: str,
        outcome: Outcome = "success",
        *,
        subject: str = "",
        reason: str = "",
        place: int | None = None,
    ) -> None:
        """The same of what is done with each instance of a study: entered with the first of an association."""
        this = (action, outcome, study_uid, subject)
        if this in self._noted:
            return
        self._noted.add(this)
        self.note(
            action,
            outcome,
            study_uid=study_uid,
            patient_id=patient_id,
            issuer=issuer,
            subject=subject,
            reason=reason,
            place=place,
        )


NOBODY: Final = Visit(Caller(Actor(NO_ACCOUNT, "nobody", actions=frozenset()), Purpose.CARE), lambda entry: None)
"""Whom nobody let in: nothing is within reach."""


def of(db: Database, note: Note, aet: str, peer: Peer | None, address: str = "") -> Visit:
    """Of somebody who was let in. No peer: none are named, and whoever is on this machine acts as the installation."""
    if peer is None:
        return Visit(_caller(Actor(NO_ACCOUNT, login(aet), kind="system"), address), note)
    granted = frozenset(ACTIONS[right] for right in peer.rights) | (LABELS if peer.labels else frozenset())
    return Visit(_caller(_device(db, login(aet), peer, granted), address), note, peer.place)


def asked(db: Database, note: Note, peer: Peer) -> Visit:
    """Of a peer that sends because we asked it to: it may store into its place whatever its rights are."""
    return of(db, note, peer.aet, replace(peer, rights=frozenset({"store"})), peer.host)


def outward(db: Database, note: Note, peer: Peer) -> Visit:
    """Of ourselves who send to a peer by a rule: what is of its place, whatever it may ask for."""
    granted = frozenset(Action) if peer.labels else frozenset(Action) - LABELS
    return Visit(_caller(_device(db, "system", peer, granted), ""), note, peer.place)


def operator(note: Note) -> Visit:
    """Of who works at the command line."""
    return Visit(_caller(Actor(NO_ACCOUNT, "system", kind="system"), ""), note)


def login(aet: str) -> str:
    """The name of an application entity in the ledger."""
    return f"AE:{aet}"


def homeless(db: Database, peers: Iterable[Peer]) -> list[Peer]:
    """Peers whose place does not exist: nothing is within their reach."""
    with db.read() as conn:
        tree = places.tree(conn)
    return [peer for peer in peers if not tree.below(peer.place)]


def sent_to(reach: Reach, peer: Peer) -> Reach:
    """What of a reach may go to a peer: labels only to one that may see them."""
    return reach if peer.labels else replace(reach, labels=False)


def _device(db: Database, name: str, peer: Peer, actions: frozenset[Action]) -> Actor:
    with db.read() as conn:
        tree = places.tree(conn)
    held = Membership(Role.DEVICE, tree.below(peer.place), tree.establishment(peer.place))
    return Actor(NO_ACCOUNT, name, kind="peer", memberships=(held,), actions=actions)


def _caller(actor: Actor, address: str) -> Caller:
    return Caller(actor, Purpose.CARE, address, uuid.uuid4().hex[:12])
