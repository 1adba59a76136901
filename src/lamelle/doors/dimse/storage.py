"""Verification and Storage SCP: what arrives goes to the archive as its bytes come, and is kept as it arrived.

Source: PS3.4 A, B; PS3.7 9.1.1, 9.1.5.
"""

import struct
from typing import Final, Literal

from lamelle.access.model import Action
from lamelle.archive.ingest import Reception
from lamelle.archive.model import Origin, Outcome
from lamelle.base.errors import Invalid, Unsupported
from lamelle.doors.dimse.association import Association, Message
from lamelle.doors.dimse.commands import Status
from lamelle.doors.dimse.negotiation import IMPLEMENTATION_NAME, IMPLEMENTATION_UID
from lamelle.doors.dimse.node import Node
from lamelle.doors.dimse.visits import Visit

DOOR: Final = "dimse"
NOT_ALLOWED: Final = "not_allowed"
VERIFICATION: Final = "1.2.840.10008.1.1"


def echo(node: Node, association: Association, message: Message) -> None:
    """C-ECHO."""
    association.send(message.context.id, message.command.answer(Status.SUCCESS))


def store(node: Node, association: Association, message: Message) -> None:
    """C-STORE: acknowledged when it is durable. Raises: LamelleError."""
    command = message.command
    if command.affected_sop_class_uid != message.context.abstract_syntax:
        raise Unsupported("wrong_context", "the SOP class is not that of the presentation context")
    if not message.command.has_data:
        raise Invalid("empty_body", "a C-STORE request without a data set")
    visit = association.visit
    with node.archive.ingest.receive(
        Origin(DOOR, association.other_aet, visit.place, visit.reach(Action.STORE)),
        sop_class_uid=command.affected_sop_class_uid,
        sop_uid=command.affected_sop_instance_uid,
    ) as reception:
        _take(reception, association, message)
        reception.close()
        (outcome,) = node.archive.ingest.commit([reception])
        _note(visit, reception, outcome)
    association.send(message.context.id, command.answer(status(outcome), error_comment=comment(outcome)))


def _note(visit: Visit, reception: Reception, outcome: Outcome) -> None:
    """Enter that a study grows, or may not; what could not be read at all has no study."""
    if reception.record is None:
        return
    said = reception.record.facts.study
    names = (reception.record.study_uid, said["patient_id"], said["issuer_of_patient_id"])
    if outcome.code is None:
        visit.note_study("store", *names)
    else:
        end: Literal["refused", "failed"] = "refused" if outcome.code == NOT_ALLOWED else "failed"
        visit.note_study("store", *names, end, reason=outcome.code)


def _take(reception: Reception, association: Association, message: Message) -> None:
    command = message.command
    reception.write(
        file_meta(
            command.affected_sop_class_uid,
            command.affected_sop_instance_uid,
            message.context.transfer_syntax,
            association.other_aet,
        )
    )
    for chunk in message.chunks():
        reception.write(chunk, lasting=True)


def status(outcome: Outcome) -> int:
    """The status that an outcome is answered with. Source: PS3.4 B.2.3, PS3.7 C."""
    if outcome.status in ("stored", "duplicate"):
        return Status.SUCCESS
    if outcome.status == "conflict":
        return Status.DUPLICATE_INSTANCE
    return STATUSES.get(outcome.code or "", Status.CANNOT_UNDERSTAND)


STATUSES: Final = {
    NOT_ALLOWED: Status.NOT_AUTHORIZED,
    "sop_class_mismatch": Status.MISMATCH,
    "storage_full": Status.OUT_OF_RESOURCES,
    "storage_failed": Status.OUT_OF_RESOURCES,
    "instance_too_large": Status.OUT_OF_RESOURCES,
    "header_too_large": Status.OUT_OF_RESOURCES,
}
"""By code; every other refusal is Cannot Understand."""


def comment(outcome: Outcome) -> str:
    """The reason in words: the statuses are too few to help."""
    return "" if outcome.code is None else f"{outcome.code}: {outcome.message}"[:64]


def file_meta(sop_class_uid: str, sop_uid: str, transfer_syntax: str, calling_aet: str) -> bytes:
    """Preamble and file meta information of what was received. Source: PS3.10 7.1."""
    body = b"".join(
        (
            b"\x02\0\x01\0OB\0\0\x02\0\0\0\0\x01",
            _element(0x0002, b"UI", sop_class_uid),
            _element(0x0003, b"UI", sop_uid),
            _element(0x0010, b"UI", transfer_syntax),
            _element(0x0012, b"UI", IMPLEMENTATION_UID),
            _element(0x0013, b"SH", IMPLEMENTATION_NAME),
            _element(0x0016, b"AE", calling_aet),
        )
    )
    return bytes(128) + b"DICM" + struct.pack("<HH2sHI", 2, 0, b"UL", 4, len(body)) + body


def _element(element: int, vr: bytes, text: str) -> bytes:
    value = text.encode("ascii", "replace")
    value += (b"\0" if vr == b"UI" else b" ") * (len(value) % 2)
    return struct.pack("<HH2sH", 2, element, vr, len(value)) + value
