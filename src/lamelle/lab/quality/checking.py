"""The quality of scans: looked at once they have arrived, judged, kept, shown, looked at again when a person asks.

Looking is `measuring`'s and reads the slide; judging needs only what was measured, so that a stain that becomes known
later, by the match with its slide, changes the verdict without reading anything.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Any, Final

import sqlalchemy as sa

from lamelle.access import telling
from lamelle.access.model import Caller, Reach
from lamelle.archive import within
from lamelle.archive.store import Archive
from lamelle.audit import ledger
from lamelle.base import events, jobs
from lamelle.base.db import insert
from lamelle.base.errors import Invalid, LamelleError, NotFound, Unavailable
from lamelle.lab import cases, states
from lamelle.lab.quality import drawing, judging, limits, measuring
from lamelle.lab.quality.drawing import Kind
from lamelle.lab.quality.judging import Measure, Verdict
from lamelle.lab.quality.measuring import Grids, Seen
from lamelle.lab.quality.pixels import Pixels
from lamelle.lab.quality.tables import quality
from lamelle.lab.records import decision, scan, slide
from lamelle.lab.room import Lab, in_write

JOB: Final = "quality"
JUDGE: Final = "quality_judged"
Row = Any


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a scan's quality; `verdict` "" when it can't be judged, and `reasons` then say why."""

    verdict: Verdict
    reasons: tuple[str, ...]
    measures: tuple[Measure, ...]
    rows: int
    columns: int
    """Of its heat maps; 0 without any."""
    checked_at: datetime
    seconds: float


# -- jobs ------------------------------------------------------------------------------------------------------------


def check(lab: Lab, archive: Archive, payload: Mapping[str, Any]) -> None:
    """Handler of the job `quality`: look at a scan and judge it. What can't be looked at is told, and no failure."""
    number = int(payload["scan"])
    with lab.db.read() as conn:
        row = conn.execute(sa.select(scan).where(scan.c.id == number)).one_or_none()
    if row is None:
        return
    began = perf_counter()
    seen, stain = _look(archive, row)
    _keep(lab, number, seen, stain, perf_counter() - began)
    judged(lab, payload)


def _look(archive: Archive, row: Row) -> tuple[Seen, str]:
    """What is seen of a scan, and the stain its images name."""
    try:
        pixels = Pixels(archive, row.study_uid, row.series_uid)
        return measuring.measure(pixels), pixels.slide.stain
    except Unavailable:
        raise
    except LamelleError as error:
        return Seen({}, None, error.code), ""


def _keep(lab: Lab, number: int, seen: Seen, stain: str, seconds: float) -> None:
    grids = seen.grids
    values: dict[str, Any] = {
        "measured": json.dumps(seen.values),
        "why": seen.why,
        "rows": 0 if grids is None else grids.focus.shape[0],
        "columns": 0 if grids is None else grids.focus.shape[1],
        "across": 0.0 if grids is None else grids.across,
        "down": 0.0 if grids is None else grids.down,
        "cell_mm2": 0.0 if grids is None else grids.cell_mm2,
        "grids": b"" if grids is None else drawing.packed(grids),
        "stain": stain,
        "seconds": seconds,
        "checked_at": lab.clock.now(),
    }
    with lab.db.write() as conn:
        if conn.execute(sa.select(scan.c.id).where(scan.c.id == number)).first() is not None:
            adding = insert(conn, quality).values(scan_id=number, **values)
            conn.execute(adding.on_conflict_do_update(index_elements=["scan_id"], set_=values))


def judged(lab: Lab, payload: Mapping[str, Any]) -> None:
    """Handler of the job `quality_judged`: a scan's verdict from what was measured of it, and what follows from it."""
    number = int(payload["scan"])
    in_write(lab, lambda conn: _judge(conn, lab, number))


def _judge(conn: sa.Connection, lab: Lab, number: int) -> None:
    row = conn.execute(_JOINED.where(scan.c.id == number).with_for_update(of=scan)).one_or_none()
    if row is None or row.measured is None:
        return
    verdict, _ = judging.verdict(_measures(conn, row), row.why)
    values: dict[str, str] = {"quality": verdict}
    if verdict == "fail" and row.state == "matched" and lab.settings.rescan == "automatic" and not _decided(conn, row):
        states.check(states.SCAN, row.state, "rejected")
        values |= {"state": "rejected", "reason": "quality"}
        events.record(conn, "RescanAsked", {"slide": row.slide_id}, clock=lab.clock)
    if any(getattr(row, name) != value for name, value in values.items()):
        conn.execute(sa.update(scan).where(scan.c.id == number).values(**values, updated_at=lab.clock.now()))
        if row.case_id is not None:
            cases.touch(conn, lab, row.case_id)
    events.record(conn, "ScanChecked", {"scan": number}, clock=lab.clock)


def _decided(conn: sa.Connection, row: Row) -> bool:
    """Whether a person said of this scan what is to become of it: nothing is decided over their head."""
    mine = sa.select(decision.c.id).where(decision.c.scan_id == row.id, decision.c.undone_at.is_(None))
    return conn.execute(mine.limit(1)).first() is not None


# -- reading ---------------------------------------------------------------------------------------------------------

_JOINED = (
    sa.select(
        scan.c.id, scan.c.slide_id, scan.c.place, scan.c.study_uid, scan.c.state, scan.c.reason, scan.c.quality,
        scan.c.scanner, slide.c.case_id, slide.c.stain_code, slide.c.stain_text,
        *(quality.c[name] for name in quality.c.keys() if name != "scan_id"),  # noqa: SIM118
    )
    .outerjoin(slide, slide.c.id == scan.c.slide_id)
    .outerjoin(quality, quality.c.scan_id == scan.c.id)
)  # fmt: skip


def _row(conn: sa.Connection, reach: Reach, scan_id: int) -> Row:
    """Raises: NotFound("no_such_scan"), also of what is out of reach."""
    row = conn.execute(_JOINED.where(scan.c.id == scan_id, *within.placed(reach, scan.c.place))).one_or_none()
    if row is None:
        raise NotFound("no_such_scan", "there is no such scan")
    return row


def of(conn: sa.Connection, reach: Reach, scan_id: int) -> Found | None:
    """What is known of a scan's quality by the thresholds of now; None when it was not looked at yet.

    Raises: NotFound("no_such_scan").
    """
    row = _row(conn, reach, scan_id)
    if row.measured is None:
        return None
    measures = _measures(conn, row)
    verdict, reasons = judging.verdict(measures, row.why)
    return Found(verdict, reasons, measures, row.rows, row.columns, row.checked_at, row.seconds)


def heatmap(conn: sa.Connection, reach: Reach, scan_id: int, kind: Kind) -> bytes:
    """A PNG to be laid over the whole slide.

    Raises: NotFound("no_such_scan" | "no_heatmap"); Invalid("bad_heatmap").
    """
    if kind not in ("focus", "tissue"):
        raise Invalid("bad_heatmap", "a heat map is of focus or of tissue")
    row = _row(conn, reach, scan_id)
    grids = None if row.measured is None else _grids(row)
    if grids is None:
        raise NotFound("no_heatmap", "nothing was measured that could be drawn")
    limit = _rules(conn, row)["field_blur_um"].warn or judging.DEFAULTS["field_blur_um"].warn
    return drawing.png(grids, kind, limit or 1.0)


def _measures(conn: sa.Connection, row: Row) -> tuple[Measure, ...]:
    return judging.judge(json.loads(row.measured), _grids(row), _rules(conn, row))


def _rules(conn: sa.Connection, row: Row) -> dict[str, judging.Rule]:
    """By the stain the laboratory says; by the one the images name where it says none."""
    said = [text for text in (row.stain_code, row.stain_text) if text]
    return limits.rules(conn, said or [row.stain or ""], row.scanner)


def _grids(row: Row) -> Grids | None:
    if not row.rows:
        return None
    return drawing.unpacked(bytes(row.grids), row.rows, row.columns, row.across, row.down, row.cell_mm2)


# -- asked by a person -----------------------------------------------------------------------------------------------


def again(lab: Lab, reach: Reach, caller: Caller, scan_id: int) -> None:
    """Have a scan looked at once more. Raises: NotFound("no_such_scan")."""
    with lab.db.write() as conn:
        row = _row(conn, reach, scan_id)
        jobs.enqueue(conn, JOB, {"scan": scan_id}, key=f"{JOB}:{scan_id}", clock=lab.clock)
        told = telling.entry(
            caller, "schedule", place=row.place, study_uid=row.study_uid, subject="quality", detail={"scan": scan_id}
        )
        ledger.record(conn, told, lab.clock)
