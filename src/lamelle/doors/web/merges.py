"""Merges of patients: what was merged into what, when and by whom, and the way back."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request

from lamelle.doors import guard
from lamelle.doors.web.desk import told
from lamelle.doors.web.labmodels import MergeItem
from lamelle.doors.web.worklists import instant, patient_of
from lamelle.lab import patients
from lamelle.lab.patients import Merged
from lamelle.lab.room import Lab

MERGES: Final = 100


def router(lab: Lab) -> APIRouter:
    routes = APIRouter()

    @routes.get("/merges")
    def listed(
        request: Request,
        q: Annotated[str, Query(max_length=64, description="An identifier, or how the family name begins.")] = "",
    ) -> list[MergeItem]:
        """Merges of patients who have cases within reach, the newest first."""
        if q.strip():
            guard.note(request, "search", detail={"route": "GET /api/merges", "keys": {"q": q}})
        else:
            told(request)
        with lab.db.read() as conn:
            return [_item(one) for one in patients.listed(conn, guard.reach(request), q.strip(), MERGES)]

    @routes.post("/merges/{number}/undo", status_code=204)
    def undo(request: Request, number: int) -> None:
        """Identifiers and cases are again whose they were, those that came meanwhile included."""
        patients.unmerge(lab, guard.reach(request), guard.caller(request), number)

    return routes


def _item(one: Merged) -> MergeItem:
    return MergeItem(
        id=one.row.id,
        gone=patient_of(one.gone),
        kept=patient_of(one.kept),
        source=one.row.source,
        cases=one.cases,
        said_at=instant(one.row.said_at),
        merged_at=one.row.merged_at.isoformat(),
        undone_at=instant(one.row.undone_at),
        undone_by=one.row.undone_by,
        undoable=one.undoable,
    )
