"""The scanners of the laboratory: what they say of themselves, and what they are called here."""

from typing import Any

from fastapi import APIRouter, Request

from lamelle.doors import guard
from lamelle.doors.web.labmodels import ScannerChange, ScannerItem
from lamelle.doors.web.reading import instant, iso_day
from lamelle.lab import fleet
from lamelle.lab.room import Lab


def router(lab: Lab) -> APIRouter:
    routes = APIRouter()

    @routes.get("/scanners")
    def scanners(request: Request) -> list[ScannerItem]:
        with lab.db.read() as conn:
            return [_item(row) for row in fleet.listed(conn, guard.reach(request))]

    @routes.patch("/scanners/{number}", status_code=204)
    def change(request: Request, number: int, values: ScannerChange) -> None:
        """Name a scanner anew, say where it stands and since when."""
        installed_on = None if values.installed_on is None else values.installed_on.replace("-", "")
        asks = guard.reach(request), guard.caller(request)
        fleet.change(lab, *asks, number, values.name, values.place, installed_on)

    return routes


def _item(row: Any) -> ScannerItem:
    return ScannerItem(
        id=row.id,
        name=row.name,
        place=row.place,
        station=row.station,
        serial=row.serial,
        manufacturer=row.manufacturer,
        model=row.model,
        installed_on=iso_day(row.installed_on),
        seen_at=instant(row.seen_at),
    )
