"""How SQLite means to find what is asked: no search of a standard key reads every row of a table."""

import re
from typing import Any

import pytest
import sqlalchemy as sa

from lamelle.access.model import WHOLE
from lamelle.archive import query
from lamelle.archive.query import Level, Match, Query, search
from lamelle.archive.store import Archive
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


@pytest.mark.parametrize("few", [0, 2_000])
@pytest.mark.parametrize(("tag", "value"), KEYS.values(), ids=KEYS.keys())
def test_no_standard_key_scans(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, few: int, tag: str, value: str
) -> None:
    if archive.db.dialect != "sqlite":
        pytest.skip("the plans of SQLite")
    stored(archive, [instance(str(n), StudyDate=f"2026010{n}") for n in range(1, 4)])
    monkeypatch.setattr(query, "FEW", few)
    asked: list[tuple[str, Any]] = []
    remember = lambda conn, cursor, statement, parameters, *rest: asked.append((statement, parameters))  # noqa: E731
    sa.event.listen(archive.db.engine, "before_cursor_execute", remember)
    search(archive.db, WHOLE, Query(Level.STUDY, (Match((tag,), value),), limit=1))
    sa.event.remove(archive.db.engine, "before_cursor_execute", remember)
    plans = []
    with archive.db.read() as conn:
        for statement, parameters in asked:
            if statement.startswith("SELECT"):
                rows = conn.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters)
                plans += [str(row[3]) for row in rows]
    assert plans
    scans = [plan for plan in plans if re.match(r"SCAN (study|series|instance|metadata)\b(?!.* INDEX )", plan)]
    assert scans == []
