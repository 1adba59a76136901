"""Modality Worklist SCP: a scanner asks what it has to scan. Source: PS3.4 K.

What is on the worklist and what matches is `lab.schedule`'s.
"""

from typing import Final

from lamelle.access.model import Action
from lamelle.doors.dimse import datasets, finding
from lamelle.doors.dimse.association import Association, Message
from lamelle.doors.dimse.commands import Status
from lamelle.doors.dimse.node import Node
from lamelle.lab import keys, schedule

MODALITY_WORKLIST: Final = "1.2.840.10008.5.1.4.31"


def find(node: Node, association: Association, message: Message) -> None:
    """C-FIND: an answer for each item that matches. Raises: LamelleError."""
    command, context = message.command, message.context
    asked = datasets.read(message)
    wanted = keys.parse(asked.item)
    pending = Status.PENDING_WARNING if keys.unknown(wanted) else Status.PENDING
    found_items = schedule.find(node.lab, association.visit.reach(Action.SCHEDULE), wanted)
    said = datasets.told(asked.item)
    association.visit.note("search", patient_id=said.get("00100020", ""), detail={"worklist": True, "keys": said})
    for found in found_items:
        if finding.cancelled(association, command):
            association.send(context.id, command.answer(Status.CANCEL))
            return
        answer = datasets.write(keys.answer(wanted, found), context.transfer_syntax, utf8=asked.utf8)
        association.send(context.id, command.answer(pending), answer)
    association.send(context.id, command.answer(Status.SUCCESS))
