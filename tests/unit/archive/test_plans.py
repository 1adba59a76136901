"""How SQLite means to find what is asked: no search of a standard key reads every row of a table."""

import re
from typing import Any

import pytest
import sqlalchemy as sa

from lamelle.access import shares
from lamelle.access.model import WHOLE, Guest, Purpose, Reach
from lamelle.archive import query
from lamelle.archive.query import Level, Match, Query, search
from lamelle.archive.store import Archive
from lamelle.base.ids import uid_from
from lamelle.testing.archives import stored
from lamelle.testing.instances import instance

KEYS = {
    "PatientID": ("00100020", "P1"),
    "PatientID prefix": ("00100020", "P*"),
    "AccessionNumber": ("00080050", "A1"),
    "PatientName": ("00100010", "doe^jane"),
    "PatientName prefix": ("00100010", "doe*"),
    "PatientName infix": ("00100010", "*jan*"),
    "StudyDate": ("00080020", "20260101"),
    "StudyDate range": ("00080020", "20260101-20261231"),
    "ModalitiesInStudy": ("00080061", "CT"),
    "ReferringPhysicianName": ("00080090", "who*"),
    "StudyID": ("00200010", "1"),
    "StudyInstanceUID": ("0020000D", "1.2.3"),
    "SeriesInstanceUID": ("0020000E", "1.2.3"),
    "SOPInstanceUID": ("00080018", "1.2.3"),
    "ContainerIdentifier": ("00400512", "S1"),
    "PatientBirthDate": ("00100030", "19700101"),
}


GUEST = Guest("actor", 7, Purpose.CARE)
REACHES = {
    "everything": WHOLE,
    "a place": Reach(False, frozenset({1}), labels=False),
    "places and shares": Reach(False, frozenset({1, 3}), frozenset({GUEST})),
    "shares": Reach(False, frozenset(), frozenset({GUEST})),
}


@pytest.mark.parametrize("reach", REACHES.values(), ids=REACHES.keys())
@pytest.mark.parametrize("few", [0, 2_000])
def test_no_standard_key_scans(archive: Archive, monkeypatch: pytest.MonkeyPatch, few: int, reach: Reach) -> None:
    if archive.db.dialect != "sqlite":
        pytest.skip("the plans of SQLite")
    _fill(archive)
    monkeypatch.setattr(query, "FEW", few)
    for name, (tag, value) in KEYS.items():
        plans = _plans(archive, reach, Query(Level.STUDY, (Match((tag,), value),), limit=1))
        assert plans
        scans = [plan for plan in plans if re.match(r"SCAN (study|series|instance|metadata)\b(?!.* INDEX )", plan)]
        assert scans == [], name


@pytest.mark.parametrize("reach", REACHES.values(), ids=REACHES.keys())
def test_a_list_is_counted_by_sums_and_walked_in_one_index(archive: Archive, reach: Reach) -> None:
    """Whoever asks: no row of a study is read but those of the page, and of what is shared."""
    if archive.db.dialect != "sqlite":
        pytest.skip("the plans of SQLite")
    _fill(archive)
    plans = _plans(archive, reach, Query(Level.STUDY, (Match(("00080020",), "20260101-"),), limit=2))
    walked = [plan for plan in plans if "ix_study_walk" in plan]
    assert walked and all("COVERING INDEX ix_study_walk" in plan for plan in walked)
    others = [plan for plan in plans if re.search(r"(SCAN|SEARCH) study\b", plan) and plan not in walked]
    assert all("INTEGER PRIMARY KEY" in plan or "(uid=?)" in plan for plan in others), others


def _fill(archive: Archive) -> None:
    stored(archive, [instance(str(n), StudyDate=f"2026010{n}") for n in range(1, 4)])
    with archive.db.write() as conn:
        shares.give(conn, [uid_from("study", "1")], GUEST, 1, archive.clock.now())


def _plans(archive: Archive, reach: Reach, asked: Query) -> list[str]:
    """How each SELECT of a search is done."""
    said: list[tuple[str, Any]] = []
    remember = lambda conn, cursor, statement, parameters, *rest: said.append((statement, parameters))  # noqa: E731
    sa.event.listen(archive.db.engine, "before_cursor_execute", remember)
    search(archive.db, reach, asked, clock=archive.clock)
    sa.event.remove(archive.db.engine, "before_cursor_execute", remember)
    plans = []
    with archive.db.read() as conn:
        for statement, parameters in said:
            if statement.startswith("SELECT"):
                rows = conn.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters)
                plans += [str(row[3]) for row in rows]
    return plans
