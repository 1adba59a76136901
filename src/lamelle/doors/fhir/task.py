"""Techniques that were asked for, and slides to be scanned again, as Task."""

from collections.abc import Sequence
from typing import Any

from lamelle.doors.fhir import words
from lamelle.doors.fhir.making import Making, Resource, accession, begun, concept, filled, moment, subject
from lamelle.doors.fhir.names import ident, reference
from lamelle.lab.lookup import Found, Key, Kind

OWN = "urn:x-lamelle:task"


def made(making: Making, found: Sequence[Found]) -> list[Resource]:
    """The Task of each row."""
    return [(_technique if one.kind is Kind.TECHNIQUE else _rescan)(making, one.row) for one in found]


def _shared(making: Making, kind: Kind, row: Any) -> Resource:
    return filled(
        begun("Task", ident(Key(kind, row.id)), row.changed),
        basedOn=[reference(Kind.CASE, row.case_id)],
        groupIdentifier=accession(making.names, row.accession, row.case_issuer),
        status=words.TASK[row.state],
        statusReason=concept(row.reason) if kind is Kind.TECHNIQUE else None,
        intent="order",
    )


def _technique(making: Making, row: Any) -> Resource:
    above = (Kind.SLIDE, row.slide_id) if row.slide_id else (Kind.BLOCK, row.block_id)
    identifiers = [{"value": value} for value in (row.identifier, row.filler) if value]
    return filled(
        _shared(making, Kind.TECHNIQUE, row),
        identifier=identifiers,
        code=concept(row.text, row.code),
        focus=reference(*above) if above[1] else None,
        **{"for": subject(making.names, row)},
        authoredOn=moment(row.requested_at),
        lastModified=moment(row.changed),
        requester={"display": row.requester} if row.requester else None,
        note=[{"text": row.comment}] if row.comment else [],
    )


def _rescan(making: Making, row: Any) -> Resource:
    return filled(
        _shared(making, Kind.RESCAN, row),
        code=concept("scan again", "rescan", OWN),
        description=row.reason,
        focus=reference(Kind.SLIDE, row.of_slide),
        **{"for": subject(making.names, row)},
        authoredOn=moment(row.decided_at),
        lastModified=moment(row.changed),
        requester={"display": row.actor} if row.actor else None,
    )
