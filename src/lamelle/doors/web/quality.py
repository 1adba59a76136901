"""How good a scan is: what was measured, where, against which thresholds; and the thresholds."""

from typing import Literal

from fastapi import APIRouter, Request
from starlette.responses import Response

from lamelle.doors import guard
from lamelle.doors.web.desk import slide_of
from lamelle.doors.web.deskmodels import Limit, Measure, ScanQuality, Threshold
from lamelle.doors.web.reading import instant
from lamelle.lab import desk, quality
from lamelle.lab.room import Lab


def router(lab: Lab) -> APIRouter:
    routes = APIRouter()

    @routes.get("/scans/{number}/quality")
    def measured(request: Request, number: int) -> ScanQuality:
        """What was measured of a scan; nothing yet, and there is no `measured_at`."""
        reach = guard.reach(request)
        with lab.db.read() as conn:
            scan, slide = desk.one(conn, reach, number)
            found = quality.of(conn, reach, number)
            scans = desk.scans_of(conn, reach, [slide.id]) if slide is not None else {}
        shown = None if slide is None else slide_of(slide, scans)
        told(request, guard.Found(scan.study_uid, shown.patient.id if shown else "", place=scan.place))
        return ScanQuality(
            scan=scan.id,
            series_uid=scan.series_uid,
            verdict=found.verdict if found else "",
            reasons=list(found.reasons) if found else [],
            measures=[
                Measure(name=m.name, value=m.value, unit=m.unit, warn=m.warn, fail=m.fail, verdict=m.verdict)
                for m in (found.measures if found else ())
            ],
            heatmaps=["focus", "tissue"] if found and found.rows else [],
            stain=shown.stain if shown else "",
            scanner=scan.scanner,
            measured_at=instant(found.checked_at) if found else None,
            slide=shown,
        )

    @routes.post("/scans/{number}/quality", status_code=202)
    def again(request: Request, number: int) -> None:
        """Have a scan looked at again, soon: after its thresholds changed."""
        quality.again(lab, guard.reach(request), guard.caller(request), number)

    @routes.get("/scans/{number}/heatmap.png", response_class=Response)
    def heatmap(request: Request, number: int, kind: Literal["focus", "tissue"] = "focus") -> Response:
        """A picture that covers the slide: red where it is blurred, green where it is sharp, nothing off the tissue."""
        with lab.db.read() as conn:
            data = quality.heatmap(conn, guard.reach(request), number, kind)
        return Response(data, media_type="image/png", headers={"cache-control": "private, no-cache"})

    @routes.get("/quality/thresholds")
    def thresholds() -> list[Threshold]:
        """From where each measure warns and fails, the exceptions of stains and scanners included."""
        with lab.db.read() as conn:
            found = quality.thresholds(conn)
        return [
            Threshold(
                stain=one.stain,
                scanner=one.scanner,
                measure=one.measure,
                warn=one.warn,
                fail=one.fail,
                unit=one.unit,
                higher=one.higher,
                default=one.default,
            )
            for one in found
        ]

    @routes.put("/quality/thresholds", status_code=204)
    def put(request: Request, limits: list[Limit]) -> None:
        """Set some; what is not named stays."""
        given = tuple(quality.Limit(one.stain, one.scanner, one.measure, one.warn, one.fail) for one in limits)
        quality.put(lab, guard.caller(request), given)

    return routes


def told(request: Request, found: guard.Found) -> None:
    """Who the scan is of is shown: entered once in a quarter of an hour."""
    visit = guard.visit(request)
    if visit.known is not None and visit.callers.is_new(visit.known, f"quality {found.study_uid}"):
        visit.note("view", found=found, detail={"what": "quality"})
