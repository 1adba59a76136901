"""The officer's questions, page by page, each answered along an index."""

import random
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from lamelle.audit import ledger, search
from lamelle.audit.checkpoints import Rhythm
from lamelle.audit.keys import Key
from lamelle.audit.model import Entry
from lamelle.audit.search import Found, Wanted
from lamelle.base.db import Database
from lamelle.testing.archives import SetClock

ACTORS = ("alice", "bob", "PACS1")
ACTIONS = ("view", "search", "retrieve", "break_glass", "sign_in")


def entries(clock: SetClock, count: int = 200) -> Iterator[Entry]:
    """Invented ones, several of the same instant and some that came late."""
    dice = random.Random(7)
    for number in range(count):
        patient = dice.choice(("", "P1", "P2", "P3"))
        yield Entry(
            dice.choice(ACTORS),
            dice.choice(ACTIONS),
            dice.choice(("success", "success", "success", "refused", "failed")),
            patient_id=patient,
            issuer=dice.choice(("A", "B")) if patient else "",
            study_uid=f"1.{patient[1:]}" if patient else "",
            subject=str(number),
            at=clock.now() + timedelta(seconds=number // 3 - dice.choice((0, 0, 0, 30))),
        )


@pytest.fixture
def filled(db: Database, folder: Path, clock: SetClock, key: Key) -> Database:
    with db.write() as conn:
        for one in entries(clock):
            ledger.record(conn, one, clock)
    ledger.seal(db, folder, clock, key)
    with db.write() as conn:
        ledger.record(conn, Entry("alice", "view", patient_id="P1", issuer="A", at=clock.now()), clock)
    ledger.seal(db, folder, clock, key, Rhythm(seconds=0))
    return db


def everything(db: Database) -> list[Found]:
    return list(search.walk(db, Wanted()))


def paged(db: Database, wanted: Wanted, limit: int) -> list[Found]:
    found: list[Found] = []
    before = None
    while True:
        with db.read() as conn:
            page = search.search(conn, wanted, limit=limit, before=before)
        found += page
        if len(page) < limit:
            return found
        before = page[-1].number


ASKED: dict[str, tuple[dict[str, Any], Callable[[Entry], bool]]] = {
    "all": ({}, lambda e: True),
    "who saw this patient": ({"patient_id": "P1"}, lambda e: e.patient_id == "P1"),
    "of this issuer": ({"patient_id": "P1", "issuer": "B"}, lambda e: (e.patient_id, e.issuer) == ("P1", "B")),
    "who saw this study": ({"study_uid": "1.2"}, lambda e: e.study_uid == "1.2"),
    "what did this person see": (
        {"actor": "alice", "actions": frozenset({"view", "retrieve"})},
        lambda e: e.actor == "alice" and e.action in ("view", "retrieve"),
    ),
    "refusals": ({"outcomes": frozenset({"refused"})}, lambda e: e.outcome == "refused"),
    "all that went wrong": ({"outcomes": frozenset({"refused", "failed"})}, lambda e: e.outcome != "success"),
    "broken glasses": ({"actions": frozenset({"break_glass"})}, lambda e: e.action == "break_glass"),
    "nobody": ({"actor": "nobody"}, lambda e: False),
}


@pytest.mark.parametrize("limit", [7, 500])
@pytest.mark.parametrize("asked", ASKED)
def test_what_is_asked_is_found_newest_first_each_once(filled: Database, asked: str, limit: int) -> None:
    wanted, fits = ASKED[asked]
    expected = [one for one in everything(filled) if fits(one.entry)]
    expected.sort(key=lambda one: (one.entry.at, one.number), reverse=True)
    assert paged(filled, Wanted(**wanted), limit) == expected
    with filled.read() as conn:
        assert search.count(conn, Wanted(**wanted), most=1000) == len(expected)


def test_a_span_of_time_has_its_start_and_not_its_end(filled: Database, clock: SetClock) -> None:
    since, until = clock.now() + timedelta(seconds=10), clock.now() + timedelta(seconds=20)
    found = paged(filled, Wanted(since=since, until=until), 10)
    times = [one.entry.at for one in found]
    assert found
    assert all(at and since <= at < until for at in times)
    assert times == sorted(times, reverse=True)  # type: ignore[type-var]
    assert len(found) == sum(1 for one in everything(filled) if one.entry.at and since <= one.entry.at < until)


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (Wanted(), "ix_ledger_at"),
        (Wanted(patient_id="P1", issuer="A"), "ix_ledger_patient"),
        (Wanted(study_uid="1.1"), "ix_ledger_study"),
        (Wanted(actor="alice"), "ix_ledger_actor"),
        (Wanted(actions=frozenset({"break_glass"})), "ix_ledger_action"),
        (Wanted(outcomes=frozenset({"refused"})), "ix_ledger_not_well"),
    ],
)
def test_a_page_is_read_along_an_index(filled: Database, wanted: Wanted, index: str) -> None:
    if filled.dialect != "sqlite":
        pytest.skip("PostgreSQL plans by what a table of this size holds")
    told: list[tuple[str, Any]] = []
    with filled.read() as conn:
        sa.event.listen(conn, "before_cursor_execute", lambda *args: told.append((args[2], args[3])))
        search.search(conn, wanted, limit=10, before=100)
        text, parameters = told[0]
        plan = conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", parameters).all()
    steps = " / ".join(row[3] for row in plan)
    assert f"USING INDEX {index}" in steps, steps
    assert "TEMP B-TREE" not in steps, steps
