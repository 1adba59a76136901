"""Storage Commitment Push Model as SCP: requests kept, reports delivered. What may be promised: archive.commitment.

A report goes on the requester's association while that is still open, else a job brings it on one of ours.
Source: PS3.4 J.3.
"""

from collections.abc import Mapping
from typing import Any, Final

from lamelle.access.model import Action
from lamelle.archive import commitment
from lamelle.archive.commitment import Reference, Report
from lamelle.base.errors import Invalid, LamelleError, NotFound, Unavailable, Unsupported
from lamelle.base.telemetry import Counter, log
from lamelle.dicom import json
from lamelle.doors.dimse import association as associations
from lamelle.doors.dimse import datasets, visits
from lamelle.doors.dimse.association import Aborted, Association, Context, Message, Proposal
from lamelle.doors.dimse.commands import N_EVENT_REPORT, Command, Status
from lamelle.doors.dimse.node import TEXT, Node

PUSH_MODEL: Final = "1.2.840.10008.1.20.1"
WELL_KNOWN: Final = "1.2.840.10008.1.20.1.1"
REQUEST: Final = 1
ALL_COMMITTED, SOME_FAILED = 1, 2
PAUSE_S: Final = 0.5
"""How long the requester may take to release before the report follows on its association."""
ANSWER_S: Final = 30.0
TRANSACTION, RETRIEVE_AET, REFERENCED, FAILED = "00081195", "00080054", "00081199", "00081198"
CLASS, INSTANCE, REASON = "00081150", "00081155", "00081197"
COMMITTED = Counter("lamelle_commitments_total", "Storage commitment reports delivered, by what they say.", ("report",))


def answer(node: Node, association: Association, message: Message) -> None:
    """An N-ACTION asks for commitment; an N-EVENT-REPORT answers what we asked elsewhere. Raises: LamelleError."""
    if message.command.command_field == N_EVENT_REPORT:
        log("dimse.committed", peer=association.calling_aet, failed=failures(message))
        association.send(message.context.id, message.command.answer(Status.SUCCESS))
        return
    transaction_uid, references = _read_request(message)
    requester = association.calling_aet
    number = commitment.ask(node.archive.db, node.archive.clock, requester, transaction_uid, references)
    association.send(message.context.id, message.command.answer(Status.SUCCESS))
    _report_here(node, association, message.context, number)


def _read_request(message: Message) -> tuple[str, list[Reference]]:
    command = message.command
    if command.sop_instance_uid != WELL_KNOWN:
        raise NotFound("no_such_instance", f"commitment is asked of the well-known instance {WELL_KNOWN}")
    if command.action_type_id != REQUEST:
        raise Unsupported("no_such_action", "the only action is 1, request storage commitment")
    item = datasets.read(message).item
    transaction_uid = json.text(item, TRANSACTION)
    references = [Reference(json.text(one, CLASS), json.text(one, INSTANCE)) for one in _items(item, REFERENCED)]
    if not transaction_uid or not references or not all(one.sop_uid for one in references):
        raise Invalid("bad_commitment", "a request has a Transaction UID and a Referenced SOP Sequence")
    return transaction_uid, references


def failures(message: Message) -> int:
    """How many instances the report of a peer does not promise."""
    return len(_items(datasets.read(message).item, FAILED))


def _items(item: Mapping[str, Any], tag: str) -> list[Mapping[str, Any]]:
    return [one for one in item.get(tag, {}).get("Value") or () if isinstance(one, Mapping)]


# -- reporting ---------------------------------------------------------------------------------------------------------


def _report_here(node: Node, association: Association, context: Context, number: int) -> None:
    """Report on the requester's association, unless it goes on at once: releases, or asks for something else."""
    if association.waiting(PAUSE_S) or not commitment.take(node.archive.db, node.archive.clock, number):
        return
    try:
        _report(node, association, context, number)
    except Aborted:
        commitment.hand_on(node.archive.db, number)
        raise
    except LamelleError as error:
        log("dimse.commitment_later", level="warning", code=error.code)
        commitment.hand_on(node.archive.db, number)


def deliver(node: Node, payload: Mapping[str, Any]) -> None:
    """The job: report on an association of our own, with the roles reversed; what fails is tried again later."""
    number = int(payload["id"])
    db, clock = node.archive.db, node.archive.clock
    if not commitment.take(db, clock, number):
        return
    try:
        requester = commitment.requester(db, number)
        peer = node.settings.peer(requester)
        if peer is None:
            raise NotFound("unknown_peer", f"no address is known of {requester}")
        proposal = Proposal(PUSH_MODEL, TEXT, as_scp=True)
        with associations.connect(peer, [proposal], node.settings) as association:
            context = next(iter(association.contexts.values()), None)
            if context is None:
                raise Unavailable("peer_refuses", f"{requester} does not take reports of storage commitment")
            association.visit = visits.of(db, node.note, requester, peer)
            _report(node, association, context, number)
    except LamelleError as error:
        log("dimse.commitment_later", level="warning", code=error.code)
        commitment.postpone(db, clock, number, f"{error.code}: {error.message}")


def _report(node: Node, association: Association, context: Context, number: int) -> None:
    """Check anew, say it, and note that it was heard. Raises: LamelleError."""
    archive, reach = node.archive, association.visit.reach(Action.STORE)
    report = commitment.check(archive.db, archive.clock, archive.blobs, reach, number)
    command = Command(
        N_EVENT_REPORT,
        message_id=association.next_message_id(),
        affected_sop_class_uid=PUSH_MODEL,
        affected_sop_instance_uid=WELL_KNOWN,
        event_type_id=SOME_FAILED if report.failed else ALL_COMMITTED,
    )
    item = identifier(report, node.settings.aet)
    association.send(context.id, command, datasets.write(item, context.transfer_syntax))
    status = association.answer(command, ANSWER_S).command.status
    if status != Status.SUCCESS:
        raise Unavailable("report_refused", f"the peer answered the report with {status or 0:04X}")
    commitment.delivered(node.archive.db, number)
    COMMITTED.add(1, "failures" if report.failed else "all")


def identifier(report: Report, aet: str) -> dict[str, Any]:
    """The data set of a report. Source: PS3.4 Table J.3-2."""
    made: dict[str, Any] = {
        TRANSACTION: {"vr": "UI", "Value": [report.transaction_uid]},
        RETRIEVE_AET: {"vr": "AE", "Value": [aet]},
    }
    if report.committed:
        made[REFERENCED] = {"vr": "SQ", "Value": [reference(one) for one in report.committed]}
    if report.failed:
        failed = [reference(one) | {REASON: {"vr": "US", "Value": [int(why)]}} for one, why in report.failed]
        made[FAILED] = {"vr": "SQ", "Value": failed}
    return made


def reference(one: Reference) -> dict[str, Any]:
    """An instance as a request and a report name it."""
    return {CLASS: {"vr": "UI", "Value": [one.sop_class_uid]}, INSTANCE: {"vr": "UI", "Value": [one.sop_uid]}}
