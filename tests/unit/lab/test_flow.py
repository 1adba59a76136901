"""Figures of the laboratory are of what ended in the days asked for, within reach, and say how many they are of."""

from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from lamelle.access.model import NOTHING, WHOLE, Reach
from lamelle.base.errors import Invalid
from lamelle.lab import flow
from lamelle.lab.flow import Figures
from lamelle.lab.records import decision, scan, scanner
from lamelle.lab.room import Lab
from lamelle.testing.casework import glass, placed


def done(lab: Lab, accession: str, hours: float, **given: Any) -> None:
    """A case ordered so long ago that took a quarter of it for each step, and is signed now."""
    now = lab.clock.now()
    at: dict[str, Any] = {
        name: now - timedelta(hours=hours) * left
        for name, left in (("ordered_at", 1), ("ready_at", 0.5), ("opened_at", 0.25), ("validated_at", 0))
    }
    placed(lab, accession, state="validated", **at, **given)


def figures(lab: Lab, reach: Reach = WHOLE, days: int = 7, department: str = "") -> Figures:
    with lab.db.read() as conn:
        return flow.figures(conn, reach, lab.clock.now(), days, department)


def scanned(lab: Lab, uid: str, hours_ago: float, name: str = "S1", **given: Any) -> int:
    at = lab.clock.now() - timedelta(hours=hours_ago)
    values = {"study_uid": "1.2", "series_uid": uid, "scanner": name, "arrived_at": at, "updated_at": at, **given}
    with lab.db.write() as conn:
        return int(conn.execute(sa.insert(scan).values(values).returning(scan.c.id)).scalar_one())


def test_times_are_medians_and_ninetieth_parts_of_steps_that_ended(lab: Lab) -> None:
    for number in range(1, 11):
        done(lab, f"A{number}", number, department="URO" if number > 5 else "DER")
    placed(lab, "OPEN", ordered_at=lab.clock.now() - timedelta(days=90))
    found = {one.step: one for one in figures(lab).times}
    hour = 3600
    assert (found["ordered_validated"].median_s, found["ordered_validated"].p90_s) == (5 * hour, 9 * hour)
    assert (found["ordered_scanned"].median_s, found["ordered_scanned"].n) == (2.5 * hour, 10)
    assert found["scanned_opened"].p90_s == found["opened_validated"].p90_s == 2.25 * hour
    assert {one.step: one.n for one in figures(lab, department="URO").times}["ordered_validated"] == 5
    assert figures(lab).departments["DER"][3].median_s == 3 * hour
    assert figures(lab, NOTHING).times[3] == flow.Time("ordered_validated", None, None, 0)


def test_what_ended_before_counts_no_more_even_if_the_case_changed_since(lab: Lab) -> None:
    now = lab.clock.now()
    old: dict[str, Any] = {"ordered_at": now - timedelta(days=20), "ready_at": now - timedelta(days=10)}
    placed(lab, "A1", opened_at=now - timedelta(hours=1), **old)
    found = {one.step: one.n for one in figures(lab).times}
    assert found == {"ordered_scanned": 0, "scanned_opened": 1, "opened_validated": 0, "ordered_validated": 0}


def test_scans_are_counted_by_hour_and_scanner(lab: Lab) -> None:
    for uid, ago, name in (("1", 0, "S1"), ("2", 0, "S1"), ("3", 0, "S2"), ("4", 2, "S1"), ("5", 24 * 8, "S1")):
        scanned(lab, f"1.{uid}", ago, name)
    scanned(lab, "1.9", 0, "S9", place=77)
    found = figures(lab, Reach(places=frozenset({1}))).hours
    assert [(one.hour.hour, one.scanner, one.count) for one in found] == [(1, "S1", 1), (3, "S1", 2), (3, "S2", 1)]
    assert all(one.hour.minute == 0 for one in found)


def test_a_scanner_has_its_failures_and_rescans(lab: Lab) -> None:
    now = lab.clock.now()
    scanned(lab, "1.1", 0, quality="pass")
    scanned(lab, "1.2", 0, quality="fail")
    bad = scanned(lab, "1.3", 30, state="rejected")
    with lab.db.write() as conn:
        conn.execute(sa.insert(scanner).values(name="S1", station="ST1", seen_at=now))
        conn.execute(sa.insert(scanner).values(name="S0", station="ST0"))
        for undone in (None, now):
            said = {"kind": "rescan", "scan_id": bad, "actor_id": 1, "before": "", "decided_at": now}
            conn.execute(sa.insert(decision).values(**said, undone_at=undone))
    quiet, busy = figures(lab).scanners
    assert (quiet.name, quiet.scans, quiet.last) == ("S0", 0, None)
    assert (busy.today, busy.scans, busy.failures, busy.rescans, busy.last) == (2, 3, 2, 1, now)


def test_the_queue_is_what_waits_now(lab: Lab) -> None:
    number = placed(lab, "A1", state="ready")
    placed(lab, "A2", state="reading", reports=["draft"])
    glass(lab, number, "S1", state="to_scan", due_on="20260101")
    glass(lab, number, "S2", state="ordered", due_on="20260102")
    glass(lab, number, "S3", state="available")
    scanned(lab, "1.1", 0, state="unmatched")
    assert figures(lab).queue == flow.Queue(2, 1, 1, 1, 1)


@pytest.mark.parametrize("days", [0, 367])
def test_days_are_some_and_not_too_many(lab: Lab, days: int) -> None:
    with pytest.raises(Invalid):
        figures(lab, days=days)


def test_a_quantile_is_a_value_that_was_measured() -> None:
    assert flow.quantile([], 0.5) is None
    assert [flow.quantile([1.0, 2.0, 3.0, 4.0], share) for share in (0.25, 0.5, 0.9, 1.0)] == [1.0, 2.0, 4.0, 4.0]
