"""Rows of cases as ServiceRequest: one order each."""

from collections.abc import Sequence
from typing import Any

from lamelle.doors.fhir import words
from lamelle.doors.fhir.making import Making, Resource, accession, begun, concept, filled, moment, subject
from lamelle.doors.fhir.names import ADICAP, ORDER, reference
from lamelle.lab import kinship
from lamelle.lab.lookup import Kind


def made(making: Making, rows: Sequence[Any]) -> list[Resource]:
    """The ServiceRequest of each case."""
    parts = kinship.specimens(making.conn, [row.id for row in rows])
    return [_one(making, row, parts[row.id]) for row in rows]


def _one(making: Making, row: Any, parts: Sequence[int]) -> Resource:
    number = accession(making.names, row.accession, row.issuer)
    adicap = {"system": ADICAP, "code": row.adicap} if row.adicap else None
    return filled(
        begun("ServiceRequest", str(row.id), row.updated_at),
        identifier=[number],
        requisition=number,
        status=words.CASE[row.state],
        intent="order",
        category=[concept("frozen section", "frozen", ORDER)] if row.frozen else [],
        priority=words.PRIORITY.get(row.urgency, "routine"),
        code=filled({}, coding=[adicap] if adicap else [], text=row.description),
        subject=subject(making.names, row) or {"display": "unknown"},
        authoredOn=moment(row.ordered_at),
        requester={"display": row.requester} if row.requester else None,
        performerType=concept(row.specialty),
        locationReference=[{"display": row.department}] if row.department else [],
        specimen=[reference(Kind.PART, part) for part in parts],
    )
