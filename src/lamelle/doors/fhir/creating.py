"""Orders and reports that come in: one resource, or a transaction Bundle with all an order names.

Source: hl7.org/fhir/R4/http.html 3.1.0.8 (create), 3.1.0.11 (transaction).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qsl

import anyio.to_thread
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from lamelle.access.decide import decide
from lamelle.access.model import FIRST_PLACE, WHOLE, Action
from lamelle.access.model import Resource as Owned
from lamelle.base.errors import Conflict, Denied, Invalid, NotFound, Unsupported
from lamelle.doors import guard
from lamelle.doors.fhir import answers, incoming, parameters, reading
from lamelle.doors.fhir.answers import Door
from lamelle.doors.fhir.incoming import Said
from lamelle.doors.fhir.making import Resource
from lamelle.doors.fhir.names import TYPES, address, key
from lamelle.lab import cases, lookup, reporting
from lamelle.lab.lookup import Found, Kind, Query
from lamelle.lab.orders import Identifier, Identity

ACTIONS: Final[Mapping[str, Action]] = {"ServiceRequest": Action.SCHEDULE, "DiagnosticReport": Action.REPORT}
"""What creating a type is."""
WITH_AN_ORDER: Final = frozenset(
    {"Patient", "Specimen", "Practitioner", "PractitionerRole", "Organization", "Location"}
)
"""Types a transaction may hold beside: what an order names. Of the last four only the names are kept."""
SIGNED: Final = frozenset({"final", "corrected"})


@dataclass(slots=True)
class Together:
    """The resources that came together, by what refers to them."""

    by_url: dict[str, Resource] = field(default_factory=dict)
    urls: dict[int, str] = field(default_factory=dict)

    def add(self, url: str, resource: Resource) -> None:
        if url:
            self.by_url[url] = resource
            self.urls[id(resource)] = url
        if isinstance(resource.get("id"), str):
            self.by_url.setdefault(f"{resource['resourceType']}/{resource['id']}", resource)
        for one in resource.get("contained", ()):
            if isinstance(one.get("id"), str):
                self.by_url[f"{url}#{one['id']}"] = one


class Create:
    """POST of one resource, and of a Bundle."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def order(self, request: Request) -> Response:
        return await self._create(request, "ServiceRequest")

    async def report(self, request: Request) -> Response:
        return await self._create(request, "DiagnosticReport")

    async def bundle(self, request: Request) -> Response:
        """A transaction: all its orders and reports, or an error about the first that is refused."""
        answers.negotiate(request)
        found = await self._body(request, "Bundle")
        return await anyio.to_thread.run_sync(self._transaction, request, found)

    async def _create(self, request: Request, kind: str) -> Response:
        answers.negotiate(request)
        reading.permit(request, kind, "c")
        found = await self._body(request, kind)
        return await anyio.to_thread.run_sync(self._single, request, found)

    async def _body(self, request: Request, kind: str) -> Resource:
        data = await answers.body(request, self._door.settings.body_limit_bytes)
        found = answers.parsed(data)
        if found.get("resourceType") != kind:
            raise Invalid("bad_resource", f"the body is no {kind}")
        await anyio.to_thread.run_sync(validate, found)
        return found

    # -- one resource ------------------------------------------------------------------------------------------------

    def _single(self, request: Request, resource: Resource) -> Response:
        kind = resource["resourceType"]
        if condition := request.headers.get("if-none-exist", ""):
            there = self._matching(request, kind, condition)
            if len(there) > 1:
                raise Invalid("several_matches", "the condition of If-None-Exist finds several")
            if there:
                return self._told(request, kind, there[0].key.id, 200)
        together = Together()
        together.add("", resource)
        number = self._kept(request, resource, together, [], None)
        return self._told(request, kind, number, 201)

    def _told(self, request: Request, kind: str, number: int, status: int) -> Response:
        location = f"{self._door.base(request)}/{kind}/{number}"
        try:
            made, _ = reading.Read(self._door, kind).one(request, str(number))
        except NotFound:
            made = {}
        if not made or "return=minimal" in request.headers.get("prefer", ""):
            return Response(status_code=status, headers={"location": location})
        return answers.answer(request, made, status, {"location": location})

    def _kept(
        self,
        request: Request,
        resource: Resource,
        together: Together,
        specimens: Sequence[Resource],
        at: datetime | None,
    ) -> int:
        """Keep an order or a report; the number of its case."""
        if resource["resourceType"] == "ServiceRequest":
            return self._order(request, resource, together, specimens, at)
        return self._report(request, resource, together, at)

    def _order(
        self,
        request: Request,
        resource: Resource,
        together: Together,
        specimens: Sequence[Resource],
        at: datetime | None,
    ) -> int:
        said = self._said(request, resource, at, Action.SCHEDULE)
        url = together.urls.get(id(resource), "")

        def resolve(reference: Resource) -> Resource | None:
            return self._resolved(request, together, url, reference)

        named = [found for one in resource.get("specimen", ()) if (found := resolve(one))]
        every = list({id(one): one for one in [*named, *specimens]}.values())
        fresh = [one for one in with_parents(every, resolve) if "resourceType" in one and not one.get("_kept")]
        patient = self._identity(request, said, resource, resolve)
        wanted = incoming.order(said, resource, patient, fresh, resolve)
        place = self._place(request, wanted.case, Action.SCHEDULE)
        wanted = incoming.placed(wanted, place)
        number = cases.take(self._door.lab, wanted)
        self._enter(request, "schedule", number, f"ServiceRequest/{number}")
        return number

    def _identity(self, request: Request, said: Said, resource: Resource, resolve: Any) -> Identity | None:
        subject = resource["subject"]
        found = resolve(subject)
        if found is not None and found["resourceType"] == "Patient":
            return incoming.identity(said, found)
        if subject.get("identifier", {}).get("value") and not subject.get("reference"):
            return incoming.identity(said, {"identifier": [subject["identifier"]]})
        raise Invalid("no_match", "the subject leads to no patient")

    def _report(self, request: Request, resource: Resource, together: Together, at: datetime | None) -> int:
        said = self._said(request, resource, at, Action.REPORT)
        case = self._case_of(request, said, resource, together)
        reach = guard.visit(request).reach(Action.REPORT)
        with self._door.lab.db.read() as conn:
            row = cases.found(conn, reach, case.value, case.issuer)
        wanted = incoming.report(incoming.at_place(said, row.place), resource, Identifier(row.accession, row.issuer))
        if wanted.state in SIGNED:
            self._may_sign(request, row.place)
        number = reporting.take(self._door.lab, wanted)
        self._enter(request, "validate" if wanted.state in SIGNED else "report", number, f"DiagnosticReport/{number}")
        return number

    def _may_sign(self, request: Request, place: int) -> None:
        """A program brings what was signed elsewhere; a person must be allowed to sign here."""
        caller = guard.caller(request)
        if caller.actor.kind == "person" and not decide(caller.actor, Action.VALIDATE, Owned(place), caller.purpose):
            raise Denied("not_allowed", "a signed report is brought by a program, or by who may sign")

    def _case_of(self, request: Request, said: Said, resource: Resource, together: Together) -> Identifier:
        """By the order it is based on, else by its own identifier."""
        url = together.urls.get(id(resource), "")
        for one in resource.get("basedOn", ()):
            found = self._resolved(request, together, url, one)
            if found is not None and found["resourceType"] == "ServiceRequest":
                return incoming.accession(said, found, [found.get("requisition", {})])
            if one.get("identifier", {}).get("value"):
                return incoming.accession(said, {"identifier": [one["identifier"]]})
        return incoming.accession(said, resource)

    # -- a transaction -----------------------------------------------------------------------------------------------

    def _transaction(self, request: Request, bundle: Resource) -> Response:
        if bundle["type"] != "transaction":
            raise Unsupported("bundle_type", "of Bundles only a transaction is taken")
        together, entries = Together(), bundle.get("entry", [])
        resources = [self._checked(request, entry) for entry in entries]
        for entry, resource in zip(entries, resources, strict=True):
            together.add(entry.get("fullUrl", ""), resource)
        heads = [one for one in resources if one["resourceType"] in ACTIONS]
        if len(heads) != 1:
            raise Unsupported("bundle_type", "a transaction holds one order or one report, and what it names")
        specimens = [one for one in resources if one["resourceType"] == "Specimen"]
        at = incoming.moment(bundle.get("timestamp", ""))
        number = self._kept(request, heads[0], together, specimens, at)
        told = [self._entry(request, one, number) for one in resources]
        return answers.answer(request, {"resourceType": "Bundle", "type": "transaction-response", "entry": told})

    def _checked(self, request: Request, entry: Resource) -> Resource:
        """Raises: Invalid, Unsupported, Denied for what a transaction may not hold."""
        resource, asked = entry.get("resource"), entry.get("request")
        if not resource or not asked:
            raise Invalid("bad_resource", "each entry of a transaction has a resource and a request")
        kind, method = str(resource["resourceType"]), asked.get("method")
        if kind in ACTIONS and method == "POST":
            reading.permit(request, kind, "c")
        elif kind not in WITH_AN_ORDER or method not in {"POST", "PUT"}:
            raise Unsupported("bundle_entry", f"a transaction does not {method or 'do'} {kind[:40]} here")
        return dict(resource)

    def _entry(self, request: Request, resource: Resource, number: int) -> Resource:
        """What became of an entry."""
        kind = resource["resourceType"]
        if kind in ACTIONS:
            return {"response": {"status": "201 Created", "location": f"{kind}/{number}"}}
        own = next((one for one in incoming.identifiers(self._door.names, resource)), None)
        if kind not in TYPES or own is None:
            return {"response": {"status": "200 OK"}}
        query = Query(TYPES[kind], (lookup.Match("identifier", (lookup.Named(own.value, own.issuer),)),), limit=1)
        rows = self._rows(request, kind, query)
        location = {"location": address(rows[0].key)} if rows else {}
        return {"response": {"status": "201 Created", **location}}

    # -- what resources refer to -------------------------------------------------------------------------------------

    def _resolved(self, request: Request, together: Together, url: str, reference: Resource) -> Resource | None:
        """A Reference's resource: of the bundle, contained, or of what is kept, by id or by a condition.

        Raises: Invalid("no_match" | "several_matches") for a condition that does not find one.
        """
        text = reference.get("reference", "")
        if not text:
            return None
        near = together.by_url.get(f"{url}{text}" if text.startswith("#") else text)
        if near is not None:
            return near
        kind, _, rest = text.removeprefix(self._door.base(request) + "/").partition("/")
        if kind in TYPES and kind != "ImagingStudy" and (found := key(kind, rest)):
            rows = self._rows(request, kind, Query((found.kind,), (lookup.Match("id", (found,)),), limit=1))
            return self._stand_in(rows[0]) if rows else None
        kind, _, condition = text.partition("?")
        if kind in TYPES and condition:
            rows = self._matching(request, kind, condition)
            if len(rows) != 1:
                code = "several_matches" if rows else "no_match"
                raise Invalid(code, f"a condition on {kind} finds {'several' if rows else 'none'}")
            return self._stand_in(rows[0])
        return None

    def _matching(self, request: Request, kind: str, condition: str) -> list[Found]:
        pairs = parse_qsl(condition, max_num_fields=20)
        if not pairs:
            raise Invalid("bad_parameter", "a condition has parameters of a search")
        base, names = self._door.base(request), self._door.names
        matches = tuple(parameters.match(kind, name, value, names, base) for name, value in pairs)
        return self._rows(request, kind, Query(TYPES[kind], matches, limit=2))

    def _rows(self, request: Request, kind: str, query: Query) -> list[Found]:
        reach = guard.visit(request).extent(reading.action(kind))
        with self._door.lab.db.read() as conn:
            return lookup.listed(conn, reach, query, self._door.lab.clock.now())

    def _stand_in(self, found: Found) -> Resource:
        """What is kept, with as much as an order needs to name it."""
        row, names = found.row, self._door.names
        if found.kind in {Kind.CASE, Kind.REPORT}:
            return {
                "resourceType": "ServiceRequest",
                "identifier": [
                    names.identifier(row.accession, row.issuer if found.kind is Kind.CASE else row.case_issuer)
                ],
            }
        kind = "Patient" if found.kind is Kind.PATIENT else "Specimen"
        made: Resource = {
            "resourceType": kind,
            "identifier": [names.identifier(row.identifier, row.issuer)],
            "_kept": True,
        }
        if kind == "Specimen":
            made["type"] = incoming.typed_as(found.kind)
        return made

    # -- whose it is, and who says so --------------------------------------------------------------------------------

    def _said(self, request: Request, resource: Resource, at: datetime | None, action: Action) -> Said:
        """Said when the resource was last changed, or the bundle sent; never later than now."""
        now = self._door.lab.clock.now()
        own = incoming.moment(resource.get("meta", {}).get("lastUpdated", ""))
        issued = incoming.moment(resource.get("issued", "")) if action is Action.REPORT else None
        return Said(
            self._door.names, min(own or issued or at or now, now), FIRST_PLACE, guard.caller(request).actor.login
        )

    def _place(self, request: Request, case: Identifier, action: Action) -> int:
        """Where a case belongs: where it is, if it is within reach; a new one in the caller's highest place.

        Raises: Conflict("case_elsewhere").
        """
        reach = guard.visit(request).reach(action)
        with self._door.lab.db.read() as conn:
            named = lookup.Named(case.value, case.issuer)
            query = Query((Kind.CASE,), (lookup.Match("accession", (named,)),), limit=1)
            rows = lookup.listed(conn, WHOLE, query, self._door.lab.clock.now())
        if not rows:
            return FIRST_PLACE if reach.everything else min(reach.places, default=FIRST_PLACE)
        place = int(rows[0].row.place)
        if not reach.everything and place not in reach.places:
            raise Conflict("case_elsewhere", "this accession number is in use")
        return place

    def _enter(self, request: Request, event: str, number: int, what: str) -> None:
        query = Query((Kind.CASE,), (lookup.Match("id", (lookup.Key(Kind.CASE, number),)),), limit=1)
        with self._door.lab.db.read() as conn:
            row = lookup.listed(conn, WHOLE, query, self._door.lab.clock.now())[0].row
        guard.note(request, event, reading.whose(row), {"what": what})


def with_parents(specimens: Sequence[Resource], resolve: Any) -> list[Resource]:
    """The specimens and all they come from, each once."""
    found: dict[int, Resource] = {}
    waiting = list(specimens)
    while waiting:
        one = waiting.pop()
        if id(one) not in found and one.get("resourceType") == "Specimen":
            found[id(one)] = one
            waiting += [above for ref in one.get("parent", ()) if (above := resolve(ref))]
    return list(found.values())


def validate(resource: Resource) -> None:
    """Raises: Invalid("bad_resource") naming the first element that breaks FHIR R4.

    R4B's models say the same of these types; they are loaded by the first resource that comes in.
    """
    from fhir.resources.R4B import get_fhir_model_class

    try:
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])[:200]
        raise Invalid("bad_resource", f"{where}: {first['type']}") from error
    except (KeyError, TypeError, ValueError, RecursionError, OverflowError) as error:
        raise Invalid("bad_resource", "the body is no resource of FHIR R4") from error
