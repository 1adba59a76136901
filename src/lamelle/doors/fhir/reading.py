"""One resource, or a page of them: rows within the caller's reach, made into resources; what is read is entered."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response

from lamelle.access import scopes
from lamelle.access.model import WHOLE, Action
from lamelle.base.errors import Denied, NotFound
from lamelle.doors import guard
from lamelle.doors.fhir import answers, imaging, order, patient, report, specimen, task
from lamelle.doors.fhir.answers import Door
from lamelle.doors.fhir.making import Making, Resource
from lamelle.doors.fhir.names import key
from lamelle.lab import lookup
from lamelle.lab.lookup import Found, Key, Kind, Match, Query

Maker = Callable[[Making, Sequence[Any]], list[Resource]]


def _of_rows(made: Maker) -> Callable[[Making, Sequence[Found]], list[Resource]]:
    return lambda making, found: made(making, [one.row for one in found])


MAKERS: Final[Mapping[str, Callable[[Making, Sequence[Found]], list[Resource]]]] = MappingProxyType(
    {
        "Patient": _of_rows(patient.made),
        "ServiceRequest": _of_rows(order.made),
        "Specimen": specimen.made,
        "ImagingStudy": _of_rows(imaging.made),
        "DiagnosticReport": _of_rows(report.made),
        "Task": task.made,
    }
)


def action(resource: str) -> Action:
    """What reading a type is."""
    return Action.VIEW if resource == "ImagingStudy" else Action.READ


def permit(request: Request, resource: str, letter: str) -> None:
    """Raises: Denied("out_of_scope") when a token was given for other kinds of resources."""
    if not permitted(request, resource, letter):
        raise Denied("out_of_scope", f"the token's scope does not leave {resource}.{letter}")


def permitted(request: Request, resource: str, letter: str) -> bool:
    """Whether the token's scope leaves this of that kind of resource."""
    scope = guard.caller(request).actor.scope
    return scope is None or scopes.allows(scope, resource, letter)


def making(door: Door, request: Request, conn: Any) -> Making:
    """What making resources for this caller needs."""
    visit = guard.visit(request)
    reading, seeing = visit.extent(Action.READ), visit.extent(Action.VIEW)
    return Making(door.archive, door.names, conn, reading, seeing, door.root(request) + door.dicomweb)


class Read:
    """GET of one resource of a type."""

    def __init__(self, door: Door, resource: str) -> None:
        self._door, self._type = door, resource

    async def __call__(self, request: Request) -> Response:
        answers.negotiate(request)
        permit(request, self._type, "r")
        return await anyio.to_thread.run_sync(self._answer, request)

    def _answer(self, request: Request) -> Response:
        ident = request.path_params.get("ident") or request.path_params["study_uid"]
        resource, found = self.one(request, ident)
        if self._type != "ImagingStudy":  # the guard enters what has a study in its path
            entered(request, f"{self._type}/{ident}", found.row)
        return answers.answer(request, resource, headers=answers.modified(resource, found.row.changed))

    def one(self, request: Request, ident: str) -> tuple[Resource, Found]:
        """Raises: NotFound("no_such_resource"), also of what is out of reach."""
        wanted = query(self._type, ident)
        now = self._door.lab.clock.now()
        with self._door.lab.db.read() as conn:
            rows = lookup.listed(conn, guard.reach(request), wanted, now) if wanted else []
            if rows:
                return MAKERS[self._type](making(self._door, request, conn), rows)[0], rows[0]
            there = lookup.listed(conn, WHOLE, wanted, now) if wanted and self._type != "ImagingStudy" else []
        if there:
            refused(request, f"{self._type}/{ident}", there[0].row)
        raise NotFound("no_such_resource", f"there is no such {self._type}")


class History:
    """The versions of a report: all of them, and each."""

    def __init__(self, door: Door) -> None:
        self._door, self._read = door, Read(door, "DiagnosticReport")

    async def all(self, request: Request) -> Response:
        answers.negotiate(request)
        permit(request, "DiagnosticReport", "r")
        return await anyio.to_thread.run_sync(self._all, request)

    async def one(self, request: Request) -> Response:
        answers.negotiate(request)
        permit(request, "DiagnosticReport", "r")
        return await anyio.to_thread.run_sync(self._one, request)

    def _all(self, request: Request) -> Response:
        ident = request.path_params["ident"]
        base, found = self._door.base(request), self._versions(request, ident)
        entries = [
            {
                "fullUrl": f"{base}/DiagnosticReport/{ident}",
                "resource": one,
                "request": {"method": "PUT", "url": f"DiagnosticReport/{ident}"},
                "response": {"status": "200", "lastModified": one["meta"]["lastUpdated"]},
            }
            for one in found
        ]
        bundle = {"resourceType": "Bundle", "type": "history", "total": len(entries), "entry": entries}
        return answers.answer(request, bundle)

    def _one(self, request: Request) -> Response:
        version = request.path_params["version"]
        for one in self._versions(request, request.path_params["ident"]):
            if one["meta"]["versionId"] == version:
                return answers.answer(request, one)
        raise NotFound("no_such_resource", "there is no such version")

    def _versions(self, request: Request, ident: str) -> list[Resource]:
        _, found = self._read.one(request, ident)
        entered(request, f"DiagnosticReport/{ident}", found.row)
        with self._door.lab.db.read() as conn:
            rows = lookup.versions(conn, guard.reach(request), found.row.case_id)
            return report.made(making(self._door, request, conn), rows)


def query(resource: str, ident: str) -> Query | None:
    """What asks for one; None for what no id of the type looks like."""
    if resource == "ImagingStudy":
        return Query((Kind.STUDY,), (Match("uid", (ident,)),), limit=1)
    found = key(resource, ident)
    return None if found is None else Query((found.kind,), (Match("id", (found,)),), limit=1)


def by_keys(keys: Sequence[Key], limit: int) -> Query:
    """What asks for several of one type."""
    return Query(tuple(dict.fromkeys(one.kind for one in keys)), (Match("id", tuple(keys)),), limit=limit)


def entered(request: Request, what: str, row: Any) -> None:
    """Enter that the caller reads a resource, unless that was entered within the last quarter of an hour."""
    visit = guard.visit(request)
    if visit.known is None or not visit.callers.is_new(visit.known, f"read {what}"):
        return
    visit.note("read", found=whose(row), detail={"what": what})


def refused(request: Request, what: str, row: Any) -> None:
    """Enter that the caller asked for what is out of reach."""
    guard.visit(request).note("read", "refused", whose(row), {"what": what}, "out_of_reach")


def whose(row: Any) -> guard.Found:
    """A row as the ledger names it."""
    of_patient = "case_place" not in row._fields
    value, issuer = (row.identifier, row.issuer) if of_patient else (row.patient_value, row.patient_issuer)
    return guard.Found("", value or "", issuer or "", 0 if of_patient else row.case_place)
