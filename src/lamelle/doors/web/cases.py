"""One case: all that belongs to it, opened, given to somebody, reported on, techniques asked for."""

from collections.abc import Iterable
from typing import Any, cast

from fastapi import APIRouter, Request

from lamelle.access.model import Action, Reach, Resource
from lamelle.doors import guard
from lamelle.doors.guard import Found
from lamelle.doors.web.labmodels import (
    AssignmentNew,
    AttachmentItem,
    BlockNode,
    Case,
    HistoryItem,
    Made,
    May,
    PriorCase,
    Proposal,
    ReportItem,
    ReportState,
    ReportText,
    ReportVersion,
    ScanNode,
    SlideNode,
    SpecimenNode,
    TechniqueItem,
    TechniqueNew,
)
from lamelle.doors.web.worklists import Row, day, instant, items
from lamelle.lab import assignment, cases, dossier, reporting, techniques, worklists
from lamelle.lab.dossier import Dossier
from lamelle.lab.room import Lab


def router(lab: Lab) -> APIRouter:
    routes = APIRouter()

    def seen(request: Request, number: int) -> None:
        """What one did oneself is not unread."""
        worklists.seen(lab, guard.caller(request).actor.id, number)

    @routes.get("/cases/{number}")
    def case(request: Request, number: int) -> Case:
        """A case with all that belongs to it."""
        reach, caller = guard.reach(request), guard.caller(request)
        with lab.db.read() as conn:
            found = dossier.one(conn, reach, number)
            listed = dossier.listed(conn, [number])
            (item,) = items(conn, worklists.looker(conn, caller), listed, lab.clock.now())
        told(request, found, listed.patients.get(found.case.patient_id))
        return Case(**item.model_dump(), **belongings(found), may=may(request, found.case.place))

    @routes.post("/cases/{number}/open", status_code=204)
    def open_case(request: Request, number: int) -> None:
        """It is before one's eyes: read from now on, and no longer unread."""
        cases.opened(lab, guard.reach(request), guard.caller(request), number)
        seen(request, number)

    @routes.get("/cases/{number}/proposals")
    def proposals(request: Request, number: int) -> list[Proposal]:
        """Who could take it: those of its specialty first, then who has least to do."""
        with lab.db.read() as conn:
            row = cases.one(conn, guard.reach(request), number)
            found = assignment.proposals(conn, row, lab.clock.now())
        return [
            Proposal(
                id=one.id,
                name=one.name,
                specialties=list(one.specialties),
                load=one.load,
                fits=one.fits(row.specialty),
            )
            for one in found
        ]

    @routes.post("/cases/{number}/assign", status_code=204)
    def assign(request: Request, number: int, given: AssignmentNew) -> None:
        """Take it, give it to somebody, or to nobody."""
        assignment.assign(lab, guard.reach(request), guard.caller(request), number, given.actor)
        seen(request, number)

    @routes.put("/cases/{number}/report")
    def write(request: Request, number: int, given: ReportText) -> ReportVersion:
        """Write the draft; refused as stale_report when somebody else wrote since `version`."""
        reach, caller = guard.reach(request), guard.caller(request)
        version = reporting.write(lab, reach, caller, number, given.text, given.version)
        seen(request, number)
        return ReportVersion(version=version)

    @routes.post("/cases/{number}/report/{version}/finish", status_code=204)
    def finish(request: Request, number: int, version: int, given: ReportState) -> None:
        """Make a draft preliminary, or sign it: that takes the right to validate."""
        action = Action.VALIDATE if given.state == "final" else Action.REPORT
        reporting.finish(lab, guard.reach(request, action), guard.caller(request), number, version, given.state)
        seen(request, number)

    @routes.post("/cases/{number}/techniques", status_code=201)
    def ask(request: Request, number: int, given: TechniqueNew) -> Made:
        """Ask the laboratory for a technique."""
        reach, caller = guard.reach(request), guard.caller(request)
        said = (given.code, given.text, given.block, given.slide, given.comment)
        made = techniques.ask(lab, reach, caller, number, *said)
        seen(request, number)
        return Made(id=made)

    @routes.delete("/cases/{number}/techniques/{technique}", status_code=204)
    def cancel(request: Request, number: int, technique: int) -> None:
        """Take a request back before it is done."""
        techniques.cancel(lab, guard.reach(request), guard.caller(request), technique)
        seen(request, number)

    return routes


def told(request: Request, found: Dossier, patient: Row | None) -> None:
    """Enter that somebody reads a case, once in a quarter of an hour."""
    visit, row = guard.visit(request), found.case
    if visit.known is None or not visit.callers.is_new(visit.known, f"case {row.id}"):
        return
    who, issuer = (patient.identifier, patient.issuer) if patient else ("", "")
    detail = {"case": row.id, "accession": row.accession}
    visit.note("read", found=Found(row.study_uid, who, issuer, row.place), detail=detail)


def may(request: Request, place: int) -> May:
    """What who asks may do with a case of that place."""
    visit, here = guard.visit(request), Resource(place)
    report, validate, schedule = (
        visit.extent(action).holds(here) for action in (Action.REPORT, Action.VALIDATE, Action.SCHEDULE)
    )
    return May(report=report, validate=validate, schedule=schedule)


def either(request: Request, *actions: Action) -> Reach:
    """Everything within reach of one of these."""
    found = [guard.visit(request).extent(action) for action in actions]
    everything = any(one.everything for one in found)
    return Reach(everything, frozenset[int]().union(*(one.places for one in found)))


# -- what belongs to it ----------------------------------------------------------------------------------------------


def belongings(found: Dossier) -> dict[str, Any]:
    """Everything but what lists show."""
    row = found.case
    scans = grouped(found.scans, "slide_id")
    return {
        "specimens": [_specimen(found, one, scans) for one in found.specimens],
        "loose": [
            _slide(one, scans)
            for one in found.slides
            if not found.specimens or (one.specimen_id is None and one.block_id is None)
        ],
        "techniques": [_technique(one) for one in found.techniques],
        "reports": [_report(one) for one in found.reports],
        "attachments": [_attachment(one) for one in found.attachments],
        "prior": [
            PriorCase(
                id=one.id,
                accession=one.accession,
                description=one.description,
                date=instant(one.received_at or one.ordered_at),
                state=one.state,
            )
            for one in found.prior
        ],
        "history": [
            HistoryItem(at=one.at.isoformat(), who=one.who, what=one.what, text=one.text) for one in found.history
        ],
        "study_uid": row.study_uid,
        "requester": row.requester,
        "adicap": row.adicap,
        "place": row.place,
    }


def grouped(rows: Iterable[Row], column: str) -> dict[int | None, list[Row]]:
    """Rows by one of their values, in their order."""
    found: dict[int | None, list[Row]] = {}
    for row in rows:
        found.setdefault(getattr(row, column), []).append(row)
    return found


def _specimen(found: Dossier, row: Row, scans: dict[int | None, list[Row]]) -> SpecimenNode:
    """With its blocks and slides; a block of no specimen stands with the first."""
    first = found.specimens[0].id == row.id
    blocks = [one for one in found.blocks if one.specimen_id == row.id or (first and one.specimen_id is None)]
    loose = [one for one in found.slides if one.block_id is None and one.specimen_id == row.id]
    return SpecimenNode(
        id=row.id,
        identifier=row.identifier,
        part=row.part,
        type=row.type_text or row.type_code,
        site=row.site_text or row.site_code,
        description=row.description,
        collected_at=instant(row.collected_at),
        received_at=instant(row.received_at),
        blocks=[_block(found, one, scans) for one in blocks],
        slides=[_slide(one, scans) for one in loose],
    )


def _block(found: Dossier, row: Row, scans: dict[int | None, list[Row]]) -> BlockNode:
    return BlockNode(
        id=row.id,
        identifier=row.identifier,
        state=row.state,
        description=row.description,
        location=row.location,
        destroy_on=day(row.destroy_on),
        slides=[_slide(one, scans) for one in found.slides if one.block_id == row.id],
    )


def _slide(row: Row, scans: dict[int | None, list[Row]]) -> SlideNode:
    return SlideNode(
        id=row.id,
        identifier=row.identifier,
        stain=row.stain_text or row.stain_code,
        level=row.level,
        state=row.state,
        due_on=day(row.due_on),
        location=row.location,
        scans=[
            ScanNode(
                id=one.id,
                series_uid=one.series_uid,
                study_uid=one.study_uid,
                current=one.current,
                quality=one.quality,
                scanner=one.scanner,
                scanned_at=instant(one.scanned_at),
            )
            for one in scans.get(row.id, ())
        ],
    )


def _technique(row: Row) -> TechniqueItem:
    return TechniqueItem(
        id=row.id,
        identifier=row.identifier,
        filler=row.filler,
        code=row.code,
        text=row.text,
        comment=row.comment,
        block=row.block_id,
        slide=row.slide_id,
        state=row.state,
        reason=row.reason,
        requester=row.requester,
        requested_at=row.requested_at.isoformat(),
        updated_at=row.updated_at.isoformat(),
    )


def _report(row: Row) -> ReportItem:
    return ReportItem(
        version=row.version,
        state=row.state,
        source=row.source,
        code=row.code,
        text=row.text,
        author=row.author,
        written_at=row.written_at.isoformat(),
        validator=row.validator,
        validated_at=instant(row.validated_at),
    )


def _attachment(row: Row) -> AttachmentItem:
    names = ("id", "kind", "title", "media_type", "study_uid", "series_uid", "sop_uid", "added_by")
    said = {name: cast(Any, getattr(row, name)) for name in names}
    return AttachmentItem(**said, added_at=row.added_at.isoformat())
