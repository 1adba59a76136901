"""The reconciliation desk, what is decided on it, and the slides a day expects on the scanners."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Final, Literal, cast

from fastapi import APIRouter, Query, Request

from lamelle.access.model import Reach
from lamelle.archive import thumbnails
from lamelle.archive.store import Archive
from lamelle.base.errors import LamelleError
from lamelle.doors import guard
from lamelle.doors.web.deskmodels import (
    Candidate,
    DecisionItem,
    DecisionNew,
    DeskCounts,
    DeskItem,
    DeskKind,
    DeskPage,
    DeskScan,
    DeskSlide,
    ExpectedPage,
    ExpectedScanner,
)
from lamelle.doors.web.labmodels import CasePatient, Made, ScanNode
from lamelle.doors.web.reading import instant, iso_day
from lamelle.doors.web.settings import WebSettings
from lamelle.lab import desk, fleet, matching, scanning
from lamelle.lab.room import Lab

Row = Any  # a row of the catalogue, whose driver stays behind base.db
Scans = Mapping[int, Sequence[Row]]
Text = Annotated[str, Query(max_length=64)]
DECISIONS: Final = 100
SOUGHT: Final = 9
"""As many as there are keys for."""


def router(lab: Lab, archive: Archive, settings: WebSettings) -> APIRouter:
    routes = APIRouter()

    @routes.get("/desk")
    def waiting(
        request: Request,
        kind: DeskKind | Literal[""] = "",
        q: Text = "",
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        offset: Annotated[int, Query(ge=0, le=100_000)] = 0,
    ) -> DeskPage:
        """What waits for a decision, the oldest first, each scan with the slides it may be of."""
        told(request)
        reach = guard.reach(request)
        with lab.db.read() as conn:
            found = desk.waiting(conn, reach, f"{_today(lab):%Y%m%d}", kind, q.strip(), limit, offset)
            rows = [one.slide for item in found.items for one in item.candidates]
            scans = desk.scans_of(conn, reach, [row.id for row in rows])
        pictures = _Pictures(archive, reach, settings.show_labels)
        return DeskPage(counts=DeskCounts(**found.counts), items=[_item(item, scans, pictures) for item in found.items])

    @routes.get("/desk/slides")
    def sought(request: Request, q: Annotated[str, Query(min_length=2, max_length=64)]) -> list[DeskSlide]:
        """Slides whose identifier or accession number begins so."""
        guard.note(request, "search", detail={"route": "GET /api/desk/slides", "keys": {"q": q}})
        reach = guard.reach(request)
        with lab.db.read() as conn:
            rows = desk.sought(conn, reach, q, SOUGHT)
            scans = desk.scans_of(conn, reach, [row.id for row in rows])
        return [slide_of(row, scans) for row in rows]

    @routes.get("/desk/decisions")
    def decisions(request: Request) -> list[DecisionItem]:
        """What was decided, the newest first."""
        with lab.db.read() as conn:
            return [_decision(row) for row in desk.decisions(conn, guard.reach(request), DECISIONS)]

    @routes.post("/desk/decisions", status_code=201)
    def decide(request: Request, asked: DecisionNew) -> Made:
        reach, caller = guard.reach(request), guard.caller(request)
        return Made(id=desk.decide(lab, reach, caller, asked.kind, asked.scan, asked.slide, asked.reason))

    @routes.delete("/desk/decisions/{number}", status_code=204)
    def undo(request: Request, number: int) -> None:
        """Take a decision back, as long as nothing was decided since about the same scan or slide."""
        desk.undo(lab, guard.reach(request), guard.caller(request), number)

    @routes.get("/expected")
    def expected(
        request: Request, day: Annotated[date | None, Query(description="Without one: today.")] = None
    ) -> ExpectedPage:
        """The slides of a day, whatever became of them, those that are late, and what each scanner did."""
        told(request)
        return _expected(lab, guard.reach(request), day or _today(lab))

    return routes


def _expected(lab: Lab, reach: Reach, day: date) -> ExpectedPage:
    begin = datetime.combine(day, time()).astimezone()
    with lab.db.read() as conn:
        rows = scanning.expected(conn, reach, f"{day:%Y%m%d}")
        scans = desk.scans_of(conn, reach, [row.id for row in rows])
        did = fleet.day(conn, reach, begin, begin + timedelta(days=1))
    due = [row for row in rows if not row.overdue]
    return ExpectedPage(
        day=day.isoformat(),
        expected=len(due),
        scanned=sum(1 for row in due if scans.get(row.id)),
        overdue=len(rows) - len(due),
        scanners=[ExpectedScanner(name=n, scanned=done, failed=bad, last=instant(last)) for n, done, bad, last in did],
        items=[slide_of(row, scans) for row in rows],
    )


def _today(lab: Lab) -> date:
    """The day of the clock on this machine's wall."""
    return lab.clock.now().astimezone().date()


def told(request: Request) -> None:
    """Names of patients are listed: entered once in a quarter of an hour."""
    visit = guard.visit(request)
    route = f"{request.method} {request.url.path}"
    if visit.known is not None and visit.callers.is_new(visit.known, route):
        visit.note("search", detail={"route": route})


# -- rows to what pages show -----------------------------------------------------------------------------------------


class _Pictures:
    """Which pictures a scan has that who looks may see."""

    def __init__(self, archive: Archive, reach: Reach, shown: bool) -> None:
        self._archive, self._reach, self._shown = archive, reach, shown and reach.labels

    def of(self, row: Row) -> frozenset[str]:
        if not self._shown:
            return frozenset()
        try:
            refs = self._archive.retrieve.instances(self._reach, row.study_uid, row.series_uid)
        except LamelleError:  # deleted meanwhile
            return frozenset()
        return frozenset(thumbnails.flavor(ref) for ref in refs)


def _item(item: desk.Item, scans: Scans, pictures: _Pictures) -> DeskItem:
    return DeskItem(
        kind=cast(DeskKind, "missing" if item.scan is None else item.scan.state),
        reason=item.reason,
        scan=None if item.scan is None else scan_of(item.scan, pictures.of(item.scan)),
        slide=None if item.slide is None else slide_of(item.slide, {}),
        candidates=[
            Candidate(slide=slide_of(one.slide, scans), why=list(one.why), exact=one.exact) for one in item.candidates
        ],
    )


def scan_of(row: Row, pictures: frozenset[str]) -> DeskScan:
    return DeskScan(
        id=row.id,
        study_uid=row.study_uid,
        series_uid=row.series_uid,
        state=row.state,
        barcode=", ".join(matching.codes(row.barcode)),
        label_text=row.label_text,
        said_container=row.said_container,
        scanner=row.scanner,
        scanned_at=instant(row.scanned_at),
        arrived_at=row.arrived_at.isoformat(),
        quality=row.quality,
        has_label="LABEL" in pictures,
        has_overview="OVERVIEW" in pictures,
    )


def slide_of(row: Row, scans: Scans) -> DeskSlide:
    """A row of `candidates.slides`."""
    return DeskSlide(
        id=row.id,
        identifier=row.identifier,
        case=row.case_id,
        accession=row.accession,
        patient=CasePatient(
            id=row.patient_identifier or "",
            name=" ".join(filter(None, (row.patient_family, row.patient_given))),
            birth_date=iso_day(row.patient_birth_date),
            sex=row.patient_sex or "",
            ins="",
        ),
        specimen=row.specimen or "",
        block=row.block or "",
        stain=row.stain_text or row.stain_code,
        level=row.level,
        state=row.state,
        due_on=iso_day(row.due_on),
        scans=[node(one) for one in scans.get(row.id, ())],
    )


def node(row: Row) -> ScanNode:
    return ScanNode(
        id=row.id,
        series_uid=row.series_uid,
        study_uid=row.study_uid,
        current=row.current,
        quality=row.quality,
        scanner=row.scanner,
        scanned_at=instant(row.scanned_at),
    )


def _decision(row: Row) -> DecisionItem:
    return DecisionItem(
        id=row.id,
        kind=row.kind,
        scan=row.scan_id,
        slide=row.slide_id,
        identifier=row.identifier or "",
        accession=row.accession or "",
        series_uid=row.series_uid or "",
        actor=row.actor,
        reason=row.reason,
        decided_at=row.decided_at.isoformat(),
        undone_at=instant(row.undone_at),
        undone_by=row.undone_by,
    )
