"""Instance Availability Notification: kept when a peer tells us, told to peers when a study came to rest.

What is said, and when a study rests, is `lab.notices`'. Source: PS3.4 R.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from lamelle.access.model import Action
from lamelle.base import jobs, telemetry
from lamelle.base.errors import LamelleError, NotFound, Unavailable
from lamelle.base.telemetry import Counter
from lamelle.doors.dimse import association as associations
from lamelle.doors.dimse import datasets, visits
from lamelle.doors.dimse.association import Association, Message, Proposal
from lamelle.doors.dimse.commands import N_CREATE, Command, Status
from lamelle.doors.dimse.node import TEXT, Node
from lamelle.doors.dimse.settings import DimseSettings, Peer
from lamelle.lab import notices
from lamelle.lab.room import Lab

AVAILABILITY: Final = "1.2.840.10008.5.1.4.33"
SETTLE, NOTIFY = "settle", "notify"
"""Kinds of job: look whether a study rests; tell a peer of it."""
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=10), timedelta(hours=1)
"""Before each new attempt to tell a peer."""
TAKEN: Final = frozenset({0x0000, 0x0107, 0x0111, 0x0116})
"""Answers of a peer that knows it now: success, warnings, and a duplicate, told before our attempt was cut off."""
NOTICES = Counter("lamelle_notices_total", "Attempts to tell a peer of a study, by what became of them.", ("end",))


def receive(node: Node, association: Association, message: Message) -> None:
    """N-CREATE: acknowledged when it is durable. Raises: LamelleError."""
    item = datasets.read(message).item
    uid = notices.receive(node.lab, message.command.sop_instance_uid, item, association.calling_aet)
    association.send(message.context.id, message.command.answer(Status.SUCCESS, affected_sop_instance_uid=uid))


# -- telling ---------------------------------------------------------------------------------------------------------


def listeners(settings: DimseSettings) -> list[Peer]:
    """The peers that are told."""
    return [peer for peer in settings.peers if "notify" in peer.rights and peer.host and peer.port]


def settle(node: Node, payload: Mapping[str, Any]) -> None:
    """Job: once the study rests, have every listener told; until then look again."""
    study_uid = str(payload["study_uid"])
    lab = node.lab
    unrest_s = notices.unrest_s(lab, node.archive, study_uid)
    with lab.db.write() as conn:
        if unrest_s > 0:
            later = lab.clock.now() + timedelta(seconds=unrest_s)
            jobs.enqueue(conn, SETTLE, payload, key=f"{SETTLE}:{study_uid}", run_at=later, clock=lab.clock)
            return
        for peer in listeners(node.settings):
            told: dict[str, jobs.JsonValue] = {
                "aet": peer.aet,
                "study_uid": study_uid,
                "since": lab.clock.now().isoformat(),
                "tries": 0,
            }
            jobs.enqueue(conn, NOTIFY, told, key=f"{NOTIFY}:{peer.aet}:{study_uid}", clock=lab.clock)


def notify(node: Node, payload: Mapping[str, Any]) -> None:
    """Job: tell one peer of one study; a peer that can't be told is tried again for `lab.notify_days`."""
    peer = node.settings.peer(str(payload["aet"]))
    if peer is None or peer not in listeners(node.settings):
        return
    try:
        tell(node, peer, str(payload["study_uid"]))
    except NotFound:  # deleted meanwhile
        NOTICES.add(1, "gone")
    except LamelleError as error:
        NOTICES.add(1, "failed")
        telemetry.log("notify.failed", level="warning", peer=peer.aet, code=error.code)
        _again(node.lab, payload, error)
    else:
        NOTICES.add(1, "told")


def _again(lab: Lab, payload: Mapping[str, Any], error: LamelleError) -> None:
    """Put the job off. Raises: the error, when it was tried for long enough."""
    tries = int(payload["tries"]) + 1
    later = lab.clock.now() + jobs.wait(tries, FIRST_WAIT, LONGEST_WAIT)
    if later - datetime.fromisoformat(str(payload["since"])) > timedelta(days=lab.settings.notify_days):
        raise error
    key = f"{NOTIFY}:{payload['aet']}:{payload['study_uid']}"
    with lab.db.write() as conn:
        jobs.enqueue(conn, NOTIFY, {**payload, "tries": tries}, key=key, run_at=later, clock=lab.clock)


def tell(node: Node, peer: Peer, study_uid: str) -> None:
    """Tell a peer that a study within its reach can be fetched here.

    Raises: NotFound, Gone, Unavailable, Denied, Aborted.
    """
    reach = visits.of(node.archive.db, node.note, peer.aet, peer).reach(Action.VIEW)
    uid, dataset = notices.compose(node.archive, reach, study_uid, node.settings.aet)
    with associations.connect(peer, [Proposal(AVAILABILITY, TEXT)], node.settings) as association:
        context = association.context_for(AVAILABILITY)
        if context is None:
            raise Unavailable("service_refused", f"{peer.aet} takes no availability notifications")
        command = Command(
            N_CREATE,
            message_id=association.next_message_id(),
            affected_sop_class_uid=AVAILABILITY,
            affected_sop_instance_uid=uid,
        )
        association.send(context.id, command, datasets.write(dataset, context.transfer_syntax))
        status = association.answer(command, node.settings.network_timeout_s).command.status
    if status not in TAKEN:
        raise Unavailable("notice_refused", f"{peer.aet} answered a notification with {status or 0:04X}")
