"""Scanners are known by what their images say, and named by people."""

from datetime import timedelta

import pytest
import sqlalchemy as sa
from tests.unit.lab.test_matching import START, arrived

from lamelle.access.model import WHOLE, Reach
from lamelle.audit.tables import pending
from lamelle.base.errors import Conflict, Invalid, NotFound
from lamelle.lab import fleet
from lamelle.lab.records import scan
from lamelle.lab.room import Lab
from lamelle.testing.laboratory import TECHNICIAN


def seen(lab: Lab, station: str = "", serial: str = "", manufacturer: str = "Maker", model: str = "M9") -> str:
    with lab.db.write() as conn:
        return fleet.seen(conn, lab, 1, station, serial, manufacturer, model)


def names(lab: Lab) -> list[str]:
    with lab.db.read() as conn:
        return [row.name for row in fleet.listed(conn, WHOLE)]


def test_one_scanner_is_one_whatever_its_station_is_called(lab: Lab) -> None:
    assert seen(lab, "SCAN-1", "SN1") == seen(lab, "SCAN-NEW", "SN1") == "SCAN-1"
    assert seen(lab, "SCAN-1", "SN2") == "SCAN-1 2"
    assert seen(lab, "", "SN3") == "M9 SN3"
    assert seen(lab, "", "", "", "") == seen(lab, "", "unknown", "unknown", "unknown") == ""
    assert seen(lab) == seen(lab) == "M9"
    assert names(lab) == ["M9", "M9 SN3", "SCAN-1", "SCAN-1 2"]


def test_renamed_with_its_scans(lab: Lab) -> None:
    seen(lab, "SCAN-1", "SN1")
    arrived(lab, "1")
    with lab.db.write() as conn:
        conn.execute(sa.update(scan).values(scanner="SCAN-1"))
        [row] = fleet.listed(conn, WHOLE)
    fleet.change(lab, WHOLE, TECHNICIAN, row.id, name=" Left ", installed_on="20200101")
    with lab.db.read() as conn:
        assert conn.execute(sa.select(scan.c.scanner)).scalar() == "Left"
        [row] = fleet.listed(conn, WHOLE)
        assert '"scanner SCAN-1"' in str(conn.execute(sa.select(pending.c.entry)).scalar())
    assert (row.name, row.installed_on, seen(lab, "SCAN-1", "SN1")) == ("Left", "20200101", "Left")


def test_what_may_not_be_said_of_it(lab: Lab) -> None:
    seen(lab, "A", "1"), seen(lab, "B", "2")
    with pytest.raises(Conflict, match="that name"):
        fleet.change(lab, WHOLE, TECHNICIAN, 1, name="B")
    with pytest.raises(Invalid, match="has a name"):
        fleet.change(lab, WHOLE, TECHNICIAN, 1, name=" ")
    elsewhere = Reach(places=frozenset({7}))
    with pytest.raises(NotFound):
        fleet.change(lab, elsewhere, TECHNICIAN, 1, name="C")
    with pytest.raises(NotFound):
        fleet.change(lab, Reach(places=frozenset({1})), TECHNICIAN, 1, place=7)


def test_what_scanners_did_in_a_day(lab: Lab) -> None:
    for number in range(3):
        arrived(lab, str(number), minute=number)
    with lab.db.write() as conn:
        conn.execute(sa.update(scan).values(scanner="A"))
        conn.execute(sa.update(scan).where(scan.c.series_uid == "1").values(quality="fail"))
        found = fleet.day(conn, WHOLE, START, START + timedelta(minutes=2))
        assert fleet.day(conn, Reach(places=frozenset({7})), START, START + timedelta(days=1)) == []
    assert found == [fleet.Day("A", 2, 1, START + timedelta(minutes=1))]
