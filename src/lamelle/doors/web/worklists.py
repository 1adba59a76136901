"""Worklists: views with their counts, the cases of one, views somebody keeps, what comes first, who reads what."""

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Request
from fastapi import Query as Parameter

from lamelle.access.model import Action, Resource
from lamelle.doors import guard
from lamelle.doors.web.labmodels import (
    CaseItem,
    CasePage,
    CasePatient,
    CaseState,
    Made,
    PlaceRules,
    PriorityReason,
    PriorityRuleNew,
    PriorityRules,
    SavedView,
    SavedViewNew,
    SlideFace,
    Someone,
    Specialties,
    SpecialtiesNew,
    Urgency,
    ViewCount,
    Worklists,
)
from lamelle.lab import assignment, dossier, patients, priorities
from lamelle.lab import worklists as lists
from lamelle.lab.dossier import Listed
from lamelle.lab.priorities import Rule, Rules
from lamelle.lab.room import Lab
from lamelle.lab.worklists import Asked, Looker

LAST: Final = 1 << 40
Text = Annotated[str, Parameter(max_length=200)]
Row = Any  # a row of the catalogue, whose driver stays behind base.db


def router(lab: Lab) -> APIRouter:
    routes = APIRouter()

    @routes.get("/worklists")
    def worklists(request: Request) -> Worklists:
        """Every view with its counts, the views one keeps, and what lists can be narrowed by."""
        reach, caller = guard.reach(request), guard.caller(request)
        with lab.db.read() as conn:
            found = lists.counts(conn, reach, lists.looker(conn, caller))
            specialties, departments = lists.choices(conn, reach)
            saved = lists.saved(conn, caller.actor.id)
        return Worklists(
            views=[ViewCount(key=one.view, count=one.count, unread=one.unread, exact=one.exact) for one in found],
            saved=[SavedView(id=one.id, name=one.name, query=one.query) for one in saved],
            specialties=specialties,
            departments=departments,
        )

    @routes.get("/cases")
    def cases(
        request: Request,
        view: lists.AnyView = "",
        q: Annotated[str, Parameter(max_length=64)] = "",
        specialty: Text = "",
        department: Text = "",
        urgency: Urgency | None = None,
        state: CaseState | None = None,
        assigned: Annotated[int | None, Parameter(ge=0, le=LAST, description="0: nobody's.")] = None,
        sort: lists.Sort | Literal[""] = "",
        limit: Annotated[int, Parameter(ge=1, le=200)] = 50,
        offset: Annotated[int, Parameter(ge=0, le=100_000)] = 0,
    ) -> CasePage:
        """The cases of a view; without one, of all, whatever their state."""
        narrowed = (specialty, department, urgency or "", state or "", assigned)
        asked = Asked(view, q, *narrowed, sort, limit, offset)
        told(request, asked)
        reach, caller = guard.reach(request), guard.caller(request)
        with lab.db.read() as conn:
            who = lists.looker(conn, caller)
            found = lists.find(conn, reach, who, asked)
            rows = dossier.listed(conn, found.ids)
            listed = items(conn, who, rows, lab.clock.now())
        return CasePage(items=listed, total=found.total, exact=found.exact)

    @routes.get("/views")
    def views(request: Request) -> list[SavedView]:
        """The views one keeps."""
        with lab.db.read() as conn:
            found = lists.saved(conn, guard.caller(request).actor.id)
        return [SavedView(id=one.id, name=one.name, query=one.query) for one in found]

    @routes.post("/views", status_code=201)
    def keep(request: Request, given: SavedViewNew) -> Made:
        """Keep a view; one of the same name is replaced."""
        return Made(id=lists.save(lab, guard.caller(request).actor.id, given.name, given.query))

    @routes.delete("/views/{number}", status_code=204)
    def drop(request: Request, number: int) -> None:
        lists.drop(lab, guard.caller(request).actor.id, number)

    @routes.get("/priorities")
    def rules(request: Request) -> list[PlaceRules]:
        """The rules by which each place within reach goes, and whose they are."""
        edits = guard.visit(request).extent(Action.VALIDATE)
        with lab.db.read() as conn:
            found = priorities.held(conn, guard.reach(request))
        return [
            PlaceRules(
                place=one.place,
                source=one.source,
                rules=[PriorityRuleNew(field=rule.field, value=rule.value, hours=rule.hours) for rule in one.rules],
                editable=edits.holds(Resource(one.place)),
            )
            for one in found
        ]

    @routes.put("/priorities", status_code=204)
    def put_rules(request: Request, given: PriorityRules) -> None:
        """Replace the rules of a place; none at all, and those of the place it is in hold again."""
        rules = [Rule(one.field, one.value, one.hours) for one in given.rules]
        priorities.put(lab, guard.reach(request), guard.caller(request), given.place, rules)

    @routes.get("/specialties")
    def specialties(request: Request) -> list[Specialties]:
        """Who reads what, of those who report cases within reach."""
        visit, now = guard.visit(request), lab.clock.now()
        signs, reports = visit.extent(Action.VALIDATE), visit.extent(Action.REPORT)
        with lab.db.read() as conn:
            found = assignment.colleagues(conn, guard.reach(request), now)
            theirs = {one.id for one in assignment.colleagues(conn, signs, now)} if signs else set()
        theirs |= {guard.caller(request).actor.id} if reports else set()
        return [
            Specialties(
                id=one.id,
                login=one.login,
                name=one.name,
                specialties=list(one.specialties),
                load=one.load,
                editable=one.id in theirs,
            )
            for one in found
        ]

    @routes.put("/specialties", status_code=204)
    def put_specialties(request: Request, given: SpecialtiesNew) -> None:
        """Say what one reads; what a colleague reads, who may sign reports where they work."""
        caller = guard.caller(request)
        action = Action.REPORT if given.id == caller.actor.id else Action.VALIDATE
        assignment.put_specialties(lab, guard.reach(request, action), caller, given.id, given.specialties)

    return routes


def told(request: Request, asked: Asked) -> None:
    """Names were listed: entered once in a quarter of an hour, and always when somebody was searched for."""
    visit = guard.visit(request)
    keys = {name: value for name, value in request.query_params.multi_items() if value and name != "offset"}
    if visit.known is not None and (asked.q or visit.callers.is_new(visit.known, f"cases {sorted(keys.items())}")):
        visit.note(
            "search", detail={"route": "GET /api/cases", "keys": {key: text[:256] for key, text in keys.items()}}
        )


# -- what is said of a case ------------------------------------------------------------------------------------------


def items(conn: Any, who: Looker, listed: Listed, now: datetime) -> list[CaseItem]:
    """Cases as lists show them."""
    unread = lists.unread(conn, who, [row.id for row in listed.cases])
    rules = {place: priorities.rules_of(conn, place) for place in {row.place for row in listed.cases}}
    return [item(listed, row, rules[row.place], now, unread=row.id in unread) for row in listed.cases]


def item(listed: Listed, row: Row, rules: Rules, now: datetime, *, unread: bool) -> CaseItem:
    """One case of a list."""
    name = listed.people.get(row.assigned_to)
    return CaseItem(
        id=row.id,
        accession=row.accession,
        patient=patient_of(listed.patients.get(row.patient_id)),
        state=row.state,
        urgency=row.urgency,
        frozen=row.frozen,
        department=row.department,
        specialty=row.specialty,
        description=row.description,
        assigned_to=Someone(id=row.assigned_to, name=name or "") if row.assigned_to is not None else None,
        priority=priorities.hours(row.priority, now),
        why=[
            PriorityReason(field=one.field, value=one.value, hours=one.hours) for one in priorities.why(rules, row, now)
        ],
        slide_count=row.slide_count,
        waiting_count=row.waiting_count,
        techniques_open=listed.techniques.get(row.id, 0),
        unread=unread,
        ordered_at=instant(row.ordered_at),
        received_at=instant(row.received_at),
        ready_at=instant(row.ready_at),
        opened_at=instant(row.opened_at),
        validated_at=instant(row.validated_at),
        updated_at=row.updated_at.isoformat(),
        slides=[SlideFace(series_uid=one.series_uid, stain=one.stain) for one in listed.faces.get(row.id, ())],
    )


def patient_of(row: Row | None) -> CasePatient:
    """Whose a case is; the matricule only of a qualified identity."""
    if row is None:
        return CasePatient(id="", name="", birth_date=None, sex="", ins="")
    return CasePatient(
        id=row.identifier,
        name=" ".join(filter(None, (row.family or row.birth_name, row.given))),
        birth_date=day(row.birth_date),
        sex=row.sex,
        ins=patients.shown(row),
    )


def instant(moment: datetime | None) -> str | None:
    """ISO 8601."""
    return moment.isoformat() if moment else None


def day(text: str) -> str | None:
    """YYYYMMDD as `YYYY-MM-DD`; parts that nobody knows stay 00."""
    return f"{text[:4]}-{text[4:6]}-{text[6:8]}" if len(text) == 8 and text.isdigit() else None
