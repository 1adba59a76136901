"""Modality Performed Procedure Step SCP: a scanner says what it does. Source: PS3.4 F.7.

Which states may follow each other, and what must be said, is `lab.steps`'.
"""

from typing import Final

from lamelle.base.errors import LamelleError
from lamelle.doors.dimse import datasets
from lamelle.doors.dimse.association import Aborted, Association, Message
from lamelle.doors.dimse.commands import N_CREATE, Status
from lamelle.doors.dimse.node import Node
from lamelle.lab import steps

PERFORMED_STEP: Final = "1.2.840.10008.3.1.2.3.3"
NO_MORE_CHANGES: Final = 0xA710
"""Error ID (0000,0903): the performed procedure step may no longer be updated. Source: PS3.4 Table F.7.2-2."""
STATUSES: Final = {
    "missing_attribute": Status.MISSING_ATTRIBUTE,
    "missing_value": Status.MISSING_VALUE,
    "bad_step_status": Status.INVALID_ATTRIBUTE_VALUE,
    "bad_step": Status.INVALID_INSTANCE,
    "bad_notice": Status.INVALID_INSTANCE,
    "step_exists": Status.DUPLICATE_INSTANCE,
    "notice_exists": Status.DUPLICATE_INSTANCE,
    "no_such_performed_step": Status.NO_SUCH_INSTANCE,
    "storage_full": Status.RESOURCE_LIMITATION,
}
"""By code; everything else is a Processing Failure. Source: PS3.7 C."""


def serve(node: Node, association: Association, message: Message) -> None:
    """N-CREATE and N-SET: acknowledged when it is durable."""
    try:
        act = _create if message.command.command_field == N_CREATE else _set
        act(node, association, message)
    except Aborted:
        raise
    except LamelleError as error:
        refuse(association, message, error)


def _create(node: Node, association: Association, message: Message) -> None:
    step = steps.create(node.lab, message.command.sop_instance_uid, datasets.read(message).item)
    answer = message.command.answer(Status.SUCCESS, affected_sop_instance_uid=step.uid)
    association.send(message.context.id, answer)


def _set(node: Node, association: Association, message: Message) -> None:
    _, left = steps.update(node.lab, message.command.sop_instance_uid, datasets.read(message).item)
    status = Status.ATTRIBUTE_LIST_ERROR if left else Status.SUCCESS
    tags = tuple(int(tag, 16) for tag in left)
    association.send(message.context.id, message.command.answer(status, attribute_identifiers=tags))


def refuse(association: Association, message: Message, error: LamelleError) -> None:
    """Answer a DIMSE-N request with the status of an error and its reason."""
    answer = message.command.answer(
        STATUSES.get(error.code, Status.PROCESSING_FAILURE),
        error_comment=f"{error.code}: {error.message}"[:64],
        error_id=NO_MORE_CHANGES if error.code == "step_ended" else None,
    )
    association.send(message.context.id, answer)
