"""How the laboratory flows: how long its steps take, what its scanners do, what waits. Figures, and nobody's name."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import sqlalchemy as sa

from lamelle.access.model import Reach
from lamelle.archive import within
from lamelle.base.db import EPOCH
from lamelle.base.errors import Invalid
from lamelle.lab.records import case, decision, report, scan, scanner, slide
from lamelle.lab.working import OPEN, UNSIGNED, said

Row = Any
Step = Literal["ordered_scanned", "scanned_opened", "opened_validated", "ordered_validated"]

STEPS: Final[tuple[tuple[Step, str, str], ...]] = (
    ("ordered_scanned", "ordered_at", "ready_at"),
    ("scanned_opened", "ready_at", "opened_at"),
    ("opened_validated", "opened_at", "validated_at"),
    ("ordered_validated", "ordered_at", "validated_at"),
)
"""scanned: the last slide that was waited for is there."""
MOST_DAYS: Final = 366
HOURS_SHOWN: Final = 14 * 24
"""Scans are counted by the hour for so long back."""
HOUR_US: Final = 3_600_000_000
TO_SCAN: Final = ("ordered", "cut", "stained", "coverslipped", "to_scan", "rejected")
ON_DESK: Final = ("unmatched", "duplicate", "unexpected")


@dataclass(frozen=True, slots=True)
class Time:
    """How long a step took of the cases that ended it; None where there is none."""

    step: Step
    median_s: float | None
    p90_s: float | None
    n: int


@dataclass(frozen=True, slots=True)
class Hour:
    """Scans of a scanner in the hour that begins at `hour`."""

    hour: datetime
    scanner: str
    count: int


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a scanner did; `failures` are scans no good, `rescans` slides asked for again."""

    id: int
    name: str
    station: str
    today: int
    scans: int
    failures: int
    rescans: int
    last: datetime | None


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits at this moment."""

    to_scan: int
    overdue: int
    on_desk: int
    to_open: int
    to_sign: int


@dataclass(frozen=True, slots=True)
class Figures:
    """All of it; `departments` has the times of each, by name."""

    times: Sequence[Time]
    departments: dict[str, Sequence[Time]]
    hours: Sequence[Hour]
    scanners: Sequence[Scanned]
    queue: Queue


def figures(conn: sa.Connection, reach: Reach, now: datetime, days: int, department: str = "") -> Figures:
    """The figures of the last `days`; times are of one department, if it is named. Raises: Invalid("bad_days")."""
    if not 1 <= days <= MOST_DAYS:
        raise Invalid("bad_days", f"figures are of 1 to {MOST_DAYS} days")
    since = now - timedelta(days=days)
    rows = _ended(conn, reach, since)
    chosen = [row for row in rows if department in ("", row.department)]
    names = sorted({row.department for row in rows})
    return Figures(
        _times(chosen, since),
        {name: _times([row for row in rows if row.department == name], since) for name in names},
        _hours(conn, reach, max(since, now - timedelta(hours=HOURS_SHOWN))),
        _scanners(conn, reach, now, since),
        _queue(conn, reach, now),
    )


# -- times -----------------------------------------------------------------------------------------------------------


def _ended(conn: sa.Connection, reach: Reach, since: datetime) -> Sequence[Row]:
    """Cases of which a step may have ended since then: whatever ends one changes the case."""
    moments = (case.c.ordered_at, case.c.ready_at, case.c.opened_at, case.c.validated_at)
    asked = sa.select(case.c.department, *moments).where(case.c.updated_at >= since)
    return conn.execute(asked.where(*within.placed(reach, case.c.place))).all()


def _times(rows: Iterable[Row], since: datetime) -> list[Time]:
    """Of each step that ended in these days: a step that is still going on is in no figure."""
    took: dict[Step, list[float]] = {step: [] for step, _, _ in STEPS}
    for row in rows:
        for step, begin, end in STEPS:
            began, ended = getattr(row, begin), getattr(row, end)
            if began is not None and ended is not None and ended >= since and ended >= began:
                took[step].append((ended - began).total_seconds())
    return [
        Time(step, quantile(sorted(took[step]), 0.5), quantile(sorted(took[step]), 0.9), len(took[step]))
        for step in took
    ]


def quantile(values: Sequence[float], share: float) -> float | None:
    """Of values in order, the least that so great a share of them does not exceed."""
    return values[max(0, -int(-share * len(values) // 1) - 1)] if values else None


# -- scanners ----------------------------------------------------------------------------------------------------------


def _hours(conn: sa.Connection, reach: Reach, since: datetime) -> list[Hour]:
    hour = sa.cast(sa.type_coerce(scan.c.arrived_at, sa.BigInteger).op("/")(HOUR_US), sa.BigInteger)
    asked = (
        sa.select(hour, scan.c.scanner, sa.func.count())
        .where(scan.c.arrived_at >= since, *within.placed(reach, scan.c.place))
        .group_by(sa.text("1"), scan.c.scanner)
        .order_by(sa.text("1"), scan.c.scanner)
    )
    return [Hour(EPOCH + timedelta(hours=row[0]), row[1], row[2]) for row in conn.execute(asked)]


def _scanners(conn: sa.Connection, reach: Reach, now: datetime, since: datetime) -> list[Scanned]:
    here = within.placed(reach, scan.c.place)
    bad = sa.or_(scan.c.state == "rejected", scan.c.quality == "fail")
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    counted = sa.select(
        scan.c.scanner,
        sa.func.count(),
        sa.func.sum(sa.case((bad, 1), else_=0)),
        sa.func.sum(sa.case((scan.c.arrived_at >= midnight, 1), else_=0)),
        sa.func.max(scan.c.arrived_at),
    )
    done = {
        row[0]: row for row in conn.execute(counted.where(scan.c.arrived_at >= since, *here).group_by(scan.c.scanner))
    }
    again = (
        sa.select(scan.c.scanner, sa.func.count())
        .select_from(decision.join(scan, scan.c.id == decision.c.scan_id))
        .where(
            sa.text("decision.kind = 'rescan'"), decision.c.decided_at >= since, decision.c.undone_at.is_(None), *here
        )
    )
    rescans = {row[0]: row[1] for row in conn.execute(again.group_by(scan.c.scanner))}
    fleet = {row.name: row for row in conn.execute(sa.select(scanner).where(*within.placed(reach, scanner.c.place)))}
    return [_scanned(name, fleet.get(name), done.get(name), rescans.get(name, 0)) for name in sorted(fleet | done)]


def _scanned(name: str, known: Row | None, done: Row | None, rescans: int) -> Scanned:
    number, station = (known.id, known.station) if known is not None else (0, "")
    if done is None:
        return Scanned(number, name, station, 0, 0, 0, rescans, known.seen_at if known is not None else None)
    return Scanned(number, name, station, done[3] or 0, done[1], done[2] or 0, rescans, done[4])


# -- what waits --------------------------------------------------------------------------------------------------------


def _queue(conn: sa.Connection, reach: Reach, now: datetime) -> Queue:
    today = f"{now:%Y%m%d}"
    late = sa.and_(slide.c.due_on != "", slide.c.due_on < today)
    slides = sa.select(sa.func.count(), sa.func.sum(sa.case((late, 1), else_=0)))
    waiting = conn.execute(slides.where(slide.c.state.in_(TO_SCAN), *within.placed(reach, slide.c.place))).one()
    desk = sa.select(sa.func.count()).where(scan.c.state.in_(ON_DESK), *within.placed(reach, scan.c.place))
    unsigned = case.c.id.in_(sa.select(report.c.case_id).where(said("report", UNSIGNED)))
    cases = sa.select(
        sa.func.sum(sa.case((case.c.state == "ready", 1), else_=0)), sa.func.sum(sa.case((unsigned, 1), else_=0))
    )
    ready, to_sign = conn.execute(cases.where(said("pathology_case", OPEN), *within.placed(reach, case.c.place))).one()
    return Queue(waiting[0], waiting[1] or 0, conn.execute(desk).scalar_one(), ready or 0, to_sign or 0)
