"""C-FIND as SCP, Patient Root and Study Root: the archive's answers, one message each. Source: PS3.4 C.4.1."""

from collections.abc import Iterator
from typing import Any, Final

from lamelle.access.model import Action, Reach
from lamelle.archive import patients, query
from lamelle.doors.dimse import datasets, identifiers
from lamelle.doors.dimse.association import Aborted, Association, Message
from lamelle.doors.dimse.commands import C_CANCEL, Command, Status
from lamelle.doors.dimse.identifiers import UNIQUE, Identifier, Options, Rank
from lamelle.doors.dimse.node import Node
from lamelle.doors.dimse.visits import Visit

OPTIONS: Final = b"\1\1\1\0\0"
"""Relational queries, combined date and time, fuzzy names; neither time zones nor enhanced multi-frame conversion."""


def find(node: Node, association: Association, message: Message) -> None:
    """Answer a query until its end, its cancellation or the limit. Raises: Invalid, TooLarge, Unavailable, Aborted."""
    command, context = message.command, message.context
    options = Options.of(context.information)
    asked = identifiers.read(message.read(), context.transfer_syntax, context.abstract_syntax)
    if not options.relational:
        identifiers.check_hierarchy(asked, context.abstract_syntax)
    limit = node.settings.find_limit
    pending = Status.PENDING_WARNING if identifiers.unsupported(asked) else Status.PENDING
    found = _found(node, association.visit.reach(Action.VIEW), asked, options, limit + 1)
    _note(association.visit, asked)
    for number, item in enumerate(found):
        if number == limit:
            association.send(context.id, command.answer(Status.LIMIT_REACHED, error_comment=f"more than {limit}"))
            return
        if cancelled(association, command):
            association.send(context.id, command.answer(Status.CANCEL))
            return
        data = identifiers.answer(asked, item, node.settings.aet)
        body = datasets.write(data, context.transfer_syntax, utf8=asked.utf8)
        association.send(context.id, command.answer(pending), body)
    association.send(context.id, command.answer(Status.SUCCESS))


def _note(visit: Visit, asked: Identifier) -> None:
    """Enter what is looked for, under the one study or patient if it names one."""
    names = {rank: asked.values(UNIQUE[rank]) for rank in (Rank.PATIENT, Rank.STUDY)}
    one = {rank: values[0] if len(values) == 1 else "" for rank, values in names.items()}
    visit.note(
        "search",
        study_uid=one[Rank.STUDY],
        patient_id=one[Rank.PATIENT],
        detail={"keys": datasets.told(asked.item)},
    )


def _found(node: Node, reach: Reach, asked: Identifier, options: Options, limit: int) -> Iterator[dict[str, Any]]:
    archive = node.archive
    wanted = identifiers.query(asked, options, limit)
    find_all = patients.found if asked.rank is Rank.PATIENT else query.found
    return find_all(archive.db, reach, wanted, scan_limit=archive.settings.scan_limit, clock=archive.clock)


def cancelled(association: Association, command: Command) -> bool:
    """Whether the peer cancels this request meanwhile. Raises: Aborted."""
    while association.waiting():
        message = association.receive()
        if message is None:
            raise Aborted("peer_released", "the peer released the association before it had its answers")
        if cancels(message, command):
            return True
    return False


def cancels(message: Message, command: Command) -> bool:
    """Whether a message cancels that request; anything else must wait for its end, and breaks the protocol.

    Raises: Aborted.
    """
    found = message.command
    if found.command_field != C_CANCEL:
        raise Aborted("unexpected_message", "a request within another one, which was not agreed on")
    return found.message_id_responded_to in (command.message_id, None)
