"""Emergency access: opened by who may, seen by who opened it, reviewed by the data-protection officer."""

from dataclasses import replace

from fastapi import APIRouter, Request

from lamelle.access.model import Action, Caller
from lamelle.access.room import Access
from lamelle.archive import emergency
from lamelle.archive.emergency import Opened
from lamelle.archive.store import Archive
from lamelle.base.errors import Conflict, NotFound
from lamelle.doors import guard
from lamelle.doors.web.identity import Emergency, EmergencyNew, EmergencyOpened, EmergencyReview


def router(archive: Archive, access: Access) -> APIRouter:
    routes = APIRouter()

    @routes.get("/emergency")
    def mine(request: Request) -> list[EmergencyOpened]:
        """One's own emergencies that are not over."""
        return [_opened(found) for found in emergency.mine(archive.db, guard.caller(request), archive.clock)]

    @routes.post("/emergency")
    def open_patient(request: Request, asked: EmergencyNew) -> EmergencyOpened:
        """Open one patient's studies; by identifier or by accession number."""
        guard.reach(request, Action.BREAK_GLASS)
        caller = asks(request)
        wanted = {"patient_id": asked.patient_id, "accession": asked.accession}
        lasts_s = access.settings.emergency_s
        try:
            return _opened(emergency.open_patient(archive.db, caller, archive.clock, lasts_s, asked.reason, **wanted))
        except (NotFound, Conflict):
            guard.visit(request).note("break_glass", "failed", detail=dict(wanted), reason=asked.reason)
            raise

    @routes.get("/emergencies")
    def emergencies(request: Request, open: bool = True) -> list[Emergency]:
        """For review; `open=false` shows those reviewed too."""
        found = emergency.for_review(archive.db, guard.reach(request, Action.AUDIT), open_only=open)
        return [_emergency(one) for one in found]

    @routes.post("/emergencies/{number}/review", status_code=204)
    def review(request: Request, number: int, said: EmergencyReview) -> None:
        """Say what came of looking at it."""
        reach, caller = guard.reach(request, Action.AUDIT), asks(request)
        emergency.review(archive.db, reach, caller, archive.clock, number, said.note)

    return routes


def asks(request: Request) -> Caller:
    """Who asks, and from where."""
    return replace(guard.caller(request), address=guard.visit(request).address)


def _opened(found: Opened) -> EmergencyOpened:
    return EmergencyOpened(studies=list(found.studies), until=found.until.isoformat())


def _emergency(found: emergency.Emergency) -> Emergency:
    return Emergency(
        id=found.id,
        actor=found.login,
        name=found.name,
        patient_id=found.patient_id,
        issuer=found.issuer,
        reason=found.reason,
        at=found.at.isoformat(),
        until=found.until.isoformat(),
        studies=found.studies,
        reviewed_at=found.reviewed_at.isoformat() if found.reviewed_at else None,
        reviewed_by=found.reviewed_by,
        note=found.note,
    )
