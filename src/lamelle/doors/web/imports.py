"""What arrived lately, and what was put aside with the reason."""

from typing import Final

from fastapi import APIRouter, Request

from lamelle.access.model import Action, Reach
from lamelle.archive import arrivals, glance
from lamelle.archive.arrivals import Arrival, Aside
from lamelle.archive.query import Level, Query, search
from lamelle.archive.store import Archive
from lamelle.dicom.slide import first
from lamelle.doors import guard
from lamelle.doors.web import reading, studies
from lamelle.doors.web.models import ImportItem, ImportPage, ReceivedStudy

RECENT: Final = 40
ASIDE: Final = 200


def router(archive: Archive) -> APIRouter:
    routes = APIRouter()

    @routes.get("/imports")
    def imports(request: Request) -> ImportPage:
        """What arrived, as far as the caller may view it; what was put aside where they operate."""
        views = guard.visit(request).extent(Action.VIEW)
        found = [_received(archive, views, arrival) for arrival in arrivals.recent(archive.db, views, RECENT)]
        aside = [_item(item) for item in arrivals.put_aside(archive.db, guard.reach(request), ASIDE)]
        return ImportPage(recent=[study for study in found if study], aside=aside)

    return routes


def _received(archive: Archive, reach: Reach, arrival: Arrival) -> ReceivedStudy | None:
    """None when the study was deleted in between."""
    found = search(
        archive.db, reach, Query(Level.STUDY, study_uid=arrival.study_uid, include=studies.STUDY, limit=1)
    ).items
    series = glance.series_of(archive.db, reach, [arrival.study_uid])[arrival.study_uid]
    if not found or not series:
        return None
    shown = studies.series_item(series[0])
    return ReceivedStudy(
        uid=arrival.study_uid,
        patient_name=reading.name(first(found[0], "00100010")),
        accession=reading.text(found[0], "00080050"),
        description=reading.text(found[0], "00081030"),
        received_at=arrival.received_at.isoformat(),
        instances=reading.whole(found[0], "00201208") or 0,
        series_uid=shown.uid,
        kind=shown.kind,
    )


def _item(aside: Aside) -> ImportItem:
    return ImportItem(
        key=aside.key,
        received_at=aside.received_at.isoformat(),
        door=aside.door,
        status="conflict" if aside.status == "conflict" else "refused",
        code=aside.code,
        reason=aside.reason,
        name=aside.name,
        size=aside.size,
    )
