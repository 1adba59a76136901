"""How the laboratory flows: figures for who works in it or runs it; nothing of a patient."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request

from lamelle.access.model import Action
from lamelle.doors.web.cases import either
from lamelle.doors.web.labmodels import DepartmentFlow, Flow, FlowQueue, FlowTime, ScanHour, ScannerFlow
from lamelle.doors.web.worklists import instant
from lamelle.lab import flow as flowing
from lamelle.lab.flow import Time
from lamelle.lab.room import Lab


def router(lab: Lab) -> APIRouter:
    routes = APIRouter()

    @routes.get("/flow")
    def flow(
        request: Request,
        days: Annotated[int, Query(ge=1, le=flowing.MOST_DAYS)] = 30,
        department: Annotated[str, Query(max_length=200)] = "",
    ) -> Flow:
        """How long steps took, what scanners did, what waits: of what one reads, or runs."""
        reach = either(request, Action.READ, Action.OPERATE)
        with lab.db.read() as conn:
            found = flowing.figures(conn, reach, lab.clock.now(), days, department)
        return Flow(
            days=days,
            times=_times(found.times),
            departments=[
                DepartmentFlow(department=name, times=_times(times)) for name, times in found.departments.items()
            ],
            scans=[ScanHour(hour=one.hour.isoformat(), scanner=one.scanner, count=one.count) for one in found.hours],
            scanners=[
                ScannerFlow(
                    id=one.id,
                    name=one.name,
                    station=one.station,
                    today=one.today,
                    scans=one.scans,
                    failures=one.failures,
                    rescans=one.rescans,
                    last=instant(one.last),
                )
                for one in found.scanners
            ],
            queue=FlowQueue(
                to_scan=found.queue.to_scan,
                overdue=found.queue.overdue,
                on_desk=found.queue.on_desk,
                unread_cases=found.queue.to_open,
                to_sign=found.queue.to_sign,
            ),
        )

    return routes


def _times(times: Sequence[Time]) -> list[FlowTime]:
    return [FlowTime(step=one.step, median_s=one.median_s, p90_s=one.p90_s, n=one.n) for one in times]
