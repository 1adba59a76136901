"""Modality Performed Procedure Step SCP: a scanner says what it does. Source: PS3.4 F.7.

Which states may follow each other, and what must be said, is `lab.steps`'.
"""

from typing import Final

from lamelle.access.model import Action
from lamelle.doors.dimse import datasets
from lamelle.doors.dimse.association import Association, Message
from lamelle.doors.dimse.commands import N_CREATE, Status
from lamelle.doors.dimse.node import Node
from lamelle.doors.dimse.visits import Visit
from lamelle.lab import keys, steps

PERFORMED_STEP: Final = "1.2.840.10008.3.1.2.3.3"


def serve(node: Node, association: Association, message: Message) -> None:
    """N-CREATE and N-SET: acknowledged when it is durable. Raises: LamelleError."""
    act = _create if message.command.command_field == N_CREATE else _set
    act(node, association, message)


def _create(node: Node, association: Association, message: Message) -> None:
    visit = association.visit
    step = steps.create(node.lab, visit.place, message.command.sop_instance_uid, datasets.read(message).item)
    _note(visit, step)
    answer = message.command.answer(Status.SUCCESS, affected_sop_instance_uid=step.uid)
    association.send(message.context.id, answer)


def _set(node: Node, association: Association, message: Message) -> None:
    visit = association.visit
    reach = visit.reach(Action.SCHEDULE)
    step, left = steps.update(node.lab, reach, message.command.sop_instance_uid, datasets.read(message).item)
    _note(visit, step)
    status = Status.ATTRIBUTE_LIST_ERROR if left else Status.SUCCESS
    tags = tuple(int(tag, 16) for tag in left)
    association.send(message.context.id, message.command.answer(status, attribute_identifiers=tags))


def _note(visit: Visit, step: steps.Step) -> None:
    """Enter what a step says, under its patient and the study it first names."""
    scheduled = next(keys.items(step.dataset, steps.SCHEDULED), {})
    visit.note(
        "schedule",
        study_uid=keys.first(scheduled, "0020000D"),
        patient_id=keys.first(step.dataset, "00100020"),
        issuer=keys.first(step.dataset, "00100021"),
        subject=step.uid,
        detail={"status": step.status},
    )
