"""The desk: what waits, what people decide, and how it is taken back."""

import json
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from tests.unit.lab.test_matching import MATCHED, arrived, order, ordered, slides, stands

from lamelle.access.model import WHOLE, Reach
from lamelle.audit.tables import pending
from lamelle.base.db import Database
from lamelle.base.errors import Conflict, Invalid, NotFound
from lamelle.base.events import event
from lamelle.lab import candidates, desk, fleet, scanning
from lamelle.lab.records import decision, scan, slide
from lamelle.lab.room import Lab, LabSettings
from lamelle.testing.archives import SetClock
from lamelle.testing.laboratory import TECHNICIAN

TODAY = "20260102"


def slide_id(lab: Lab, identifier: str) -> int:
    with lab.db.read() as conn:
        return int(conn.execute(sa.select(slide.c.id).where(slide.c.identifier == identifier)).scalar_one())


def decide(lab: Lab, kind: Any, scan_id: int | None = None, named: str = "", reason: str = "") -> int:
    number = slide_id(lab, named) if named else None
    return desk.decide(lab, WHOLE, TECHNICIAN, kind, scan_id, number, reason)


def undo(lab: Lab, number: int) -> None:
    desk.undo(lab, WHOLE, TECHNICIAN, number)


def waiting(lab: Lab, **asked: Any) -> desk.Waiting:
    with lab.db.read() as conn:
        return desk.waiting(conn, asked.pop("reach", WHOLE), asked.pop("today", TODAY), **asked)


def entered(lab: Lab) -> dict[str, Any]:
    with lab.db.read() as conn:
        newest = sa.select(pending.c.entry).order_by(pending.c.id.desc()).limit(1)
        found: dict[str, Any] = json.loads(str(conn.execute(newest).scalar_one()))
        return found


def told(lab: Lab, name: str) -> list[Any]:
    with lab.db.read() as conn:
        return [json.loads(row.payload) for row in conn.execute(sa.select(event).where(event.c.name == name))]


def test_matched_by_hand_and_taken_back(lab: Lab) -> None:
    ordered(lab, order())
    number = arrived(lab, "1", "S7")
    before = stands(lab), slides(lab)
    made = decide(lab, "match", number, "S1", " torn label ")
    assert stands(lab) == {"1": MATCHED}
    assert slides(lab) == {"S1": "scanned"}
    said = entered(lab)
    assert (said["action"], said["reason"], said["actor"]) == ("reconcile", "torn label", TECHNICIAN.actor.login)
    assert said["detail"] == {"case": 1, "decision": made, "kind": "match", "series": "1", "slide": "S1"}
    undo(lab, made)
    assert (stands(lab), slides(lab)) == before
    assert entered(lab)["detail"]["undone"] is True
    with lab.db.read() as conn:
        [row] = desk.decisions(conn, WHOLE)
    assert (row.identifier, row.accession, row.series_uid, row.undone_by) == ("S1", "C1", "1", TECHNICIAN.actor.name)
    with pytest.raises(Conflict, match="before") as caught:
        undo(lab, made)
    assert caught.value.code == "undone_already"


def test_a_scan_without_slide_or_code_is_ignored(lab: Lab) -> None:
    number = arrived(lab, "1")
    made = decide(lab, "ignore", number)
    assert stands(lab) == {"1": ("ignored", "", "", False)}
    assert entered(lab)["study_uid"] == "1.2"
    scanning.match_waiting(lab, 1)
    assert stands(lab)["1"][0] == "ignored"
    undo(lab, made)
    assert stands(lab) == {"1": ("unmatched", "unreadable", "", False)}


def test_a_rescan_is_asked_for_and_the_next_scan_is_it(lab: Lab, clock: SetClock) -> None:
    ordered(lab, order())
    first = arrived(lab, "1", "S1")
    clock.move(60)
    made = decide(lab, "rescan", first)
    assert stands(lab) == {"1": ("rejected", "", "S1", False)}
    assert slides(lab) == {"S1": "rejected"}
    assert told(lab, "RescanAsked") == [{"slide": slide_id(lab, "S1")}]
    clock.move(60)
    arrived(lab, "2", "S1", minute=4)
    assert stands(lab)["2"] == MATCHED
    assert slides(lab) == {"S1": "scanned"}
    undo(lab, made)
    assert stands(lab) == {"1": MATCHED, "2": ("duplicate", "scanned", "", False)}


def test_what_waited_before_a_rescan_goes_on_waiting(lab: Lab, clock: SetClock) -> None:
    ordered(lab, order())
    first = arrived(lab, "1", "S1")
    clock.move(60)
    second = arrived(lab, "2", "S1")
    clock.move(60)
    decide(lab, "rescan", first)
    assert stands(lab)["2"][0] == "duplicate"
    decide(lab, "current", second)
    assert stands(lab)["2"] == MATCHED


def test_a_waiting_scan_can_be_matched_and_no_good_at_once(lab: Lab) -> None:
    ordered(lab, order())
    made = decide(lab, "rescan", arrived(lab, "1"), "S1")
    assert stands(lab) == {"1": ("rejected", "", "S1", False)}
    undo(lab, made)
    assert stands(lab)["1"][:2] == ("unmatched", "unreadable")


def test_of_several_scans_one_is_current(lab: Lab, clock: SetClock) -> None:
    ordered(lab, order())
    first = arrived(lab, "1", "S1")
    clock.move(60)
    second = arrived(lab, "2", "S1")
    made = decide(lab, "current", second)
    assert stands(lab) == {"1": ("matched", "", "S1", False), "2": MATCHED}
    with lab.db.read() as conn:
        found = desk.scans_of(conn, WHOLE, [slide_id(lab, "S1"), 99])
    assert [row.series_uid for row in found[slide_id(lab, "S1")]] == ["2", "1"]
    back = decide(lab, "current", first)
    assert stands(lab)["1"] == MATCHED and not stands(lab)["2"][3]
    with pytest.raises(Conflict) as caught:
        undo(lab, made)
    assert caught.value.code == "decided_since"
    undo(lab, back)
    undo(lab, made)
    assert stands(lab) == {"1": MATCHED, "2": ("duplicate", "scanned", "", False)}


def test_a_second_scan_of_a_slide_is_matched_beside_the_first(lab: Lab, clock: SetClock) -> None:
    ordered(lab, order())
    first = arrived(lab, "1", "S1")
    clock.move(60)
    second = arrived(lab, "2", "S1")
    clock.move(60)
    decide(lab, "match", second, "S1")
    assert stands(lab) == {"1": MATCHED, "2": ("matched", "", "S1", False)}
    decide(lab, "ignore", first)
    assert stands(lab) == {"1": ("ignored", "", "", False), "2": MATCHED}


def test_a_slide_that_will_not_come_is_cancelled(lab: Lab, clock: SetClock) -> None:
    ordered(lab, order(slides=("S1", "S2"), due_on="20260101"))
    assert [item.slide.identifier for item in waiting(lab).items if item.slide] == ["S1", "S2"]
    clock.move(60)
    made = decide(lab, "cancel_slide", named="S1")
    assert slides(lab) == {"S1": "cancelled", "S2": "ordered"}
    assert waiting(lab).counts["missing"] == 1
    arrived(lab, "1", "S1")
    assert stands(lab)["1"] == ("unexpected", "cancelled", "S1", True)
    undo(lab, made)
    assert slides(lab)["S1"] == "scanned"


def test_what_the_laboratory_cancelled_since_stays_cancelled(lab: Lab, clock: SetClock) -> None:
    ordered(lab, order())
    clock.move(60)
    made = decide(lab, "cancel_slide", named="S1")
    ordered(lab, order(minute=60, control="cancel"))
    undo(lab, made)
    assert slides(lab) == {"S1": "cancelled"}


def test_a_person_keeps_the_scan_of_a_cancelled_slide(lab: Lab) -> None:
    ordered(lab, order(), order(minute=1, control="cancel"))
    number = arrived(lab, "1", "S1")
    decide(lab, "match", number, "S1")
    assert stands(lab)["1"] == ("matched", "decided", "S1", True)
    assert slides(lab) == {"S1": "scanned"}


@pytest.mark.parametrize(
    ("kind", "about", "code"),
    [
        ("match", (True, ""), "bad_decision"),
        ("match", (False, "S1"), "bad_decision"),
        ("current", (True, ""), "bad_decision"),
        ("rescan", (True, ""), "bad_decision"),
        ("cancel_slide", (False, ""), "bad_decision"),
        ("guess", (True, "S1"), "bad_decision"),
    ],
)
def test_a_decision_names_what_it_is_about(lab: Lab, kind: Any, about: tuple[bool, str], code: str) -> None:
    ordered(lab, order())
    number = arrived(lab, "1")
    with pytest.raises(Invalid) as caught:
        decide(lab, kind, number if about[0] else None, about[1])
    assert caught.value.code == code


def test_out_of_reach_is_not_there(lab: Lab) -> None:
    ordered(lab, order(due_on="20260101"))
    number = arrived(lab, "1")
    made = decide(lab, "match", number, "S1")
    elsewhere = Reach(places=frozenset({77}))
    for call in (
        lambda: desk.decide(lab, elsewhere, TECHNICIAN, "ignore", number),
        lambda: desk.decide(lab, elsewhere, TECHNICIAN, "cancel_slide", None, slide_id(lab, "S1")),
        lambda: desk.undo(lab, elsewhere, TECHNICIAN, made),
    ):
        with pytest.raises(NotFound):
            call()
    with lab.db.read() as conn:
        assert desk.decisions(conn, elsewhere) == [] == desk.sought(conn, elsewhere, "S")
        assert desk.scans_of(conn, elsewhere, [1]) == {}
        assert scanning.expected(conn, elsewhere, TODAY) == []
        assert fleet.listed(conn, elsewhere) == []
    found = waiting(lab, reach=elsewhere)
    assert (set(found.counts.values()), found.items) == ({0}, [])


def test_the_desk_counts_and_pages(lab: Lab, clock: SetClock) -> None:
    ordered(lab, order(slides=("S1", "S2", "S3"), due_on="20260101"))
    for series, barcode in (("1", "S1"), ("2", "S1"), ("3", "X1"), ("4", "")):
        arrived(lab, series, barcode)
        clock.move(60)
    found = waiting(lab)
    assert found.counts == {"unmatched": 2, "duplicate": 1, "unexpected": 0, "missing": 2}
    assert [item.scan.series_uid for item in found.items if item.scan] == ["2", "3", "4"]
    assert [item.slide.identifier for item in found.items if item.slide] == ["S2", "S3"]
    assert [item.reason for item in found.items] == ["scanned", "unknown", "unreadable", "missing", "missing"]
    page = waiting(lab, limit=2, offset=2)
    assert [item.reason for item in page.items] == ["unreadable", "missing"]
    assert [item.reason for item in waiting(lab, limit=2, offset=4).items] == ["missing"]
    assert [item.reason for item in waiting(lab, kind="missing", limit=1, offset=1).items] == ["missing"]
    assert [item.reason for item in waiting(lab, kind="duplicate").items] == ["scanned"]
    assert [item.reason for item in waiting(lab, q="X").items] == ["unknown"]
    assert waiting(lab, today="20260101").counts["missing"] == 0
    with lab.db.read() as conn:
        assert [row.identifier for row in desk.sought(conn, WHOLE, " S", 2)] == ["S1", "S2"]
        assert [row.identifier for row in desk.sought(conn, WHOLE, "C1")] == ["S1", "S2", "S3"]
        assert desk.sought(conn, WHOLE, " ") == []
        day = scanning.expected(conn, WHOLE, "20260101")
        assert [(row.identifier, row.scans, bool(row.overdue)) for row in day] == [
            ("S1", 1, False), ("S2", 0, False), ("S3", 0, False),
        ]  # fmt: skip
        late = scanning.expected(conn, WHOLE, TODAY)
    assert [(row.identifier, bool(row.overdue)) for row in late] == [("S2", True), ("S3", True)]


def test_candidates_are_ranked_and_say_why(lab: Lab, clock: SetClock) -> None:
    ordered(lab, order(slides=("26P001-A-1", "26P001-A-2")), order("C2", ("26P001-B-1", "99")), order("C3", ("ZZ",)))
    arrived(lab, "1", "26P001-A-1")
    number = arrived(lab, "2", "26P001-A-7", minute=10)
    with lab.db.write() as conn:
        conn.execute(sa.update(scan).values(scanner="ONE"))
        row = conn.execute(sa.select(scan).where(scan.c.id == number)).one()
        found = candidates.of(conn, WHOLE, row)
    assert [(found.slide.identifier, found.why, found.exact) for found in found] == [
        ("26P001-A-2", ("near", "same_run"), False),
        ("26P001-B-1", ("near",), False),
        ("26P001-A-1", ("near",), False),
    ]
    arrived(lab, "3", "26P001-A-1", minute=12)
    [item] = waiting(lab, kind="duplicate").items
    assert [(found.slide.identifier, found.exact) for found in item.candidates][:1] == [("26P001-A-1", True)]


@pytest.mark.parametrize(
    ("one", "other", "far"),
    [("", "", 0), ("abc", "abc", 0), ("abc", "abd", 1), ("abc", "bc", 1), ("kitten", "sitting", 3)],
)
def test_how_far_texts_are_apart(one: str, other: str, far: int) -> None:
    assert candidates.distance(one, other) == candidates.distance(other, one) == far


KINDS = ("match", "ignore", "rescan", "current", "cancel_slide", "undo")
STEP = st.tuples(st.sampled_from(KINDS), st.integers(0, 3), st.integers(0, 2))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Database:
    db = Database(f"sqlite:///{tmp_path_factory.mktemp('desk') / 'one.sqlite3'}")
    db.migrate()
    return db


def everything(lab: Lab) -> Any:
    """All of scans and slides that a decision may change."""
    columns = [column for column in scan.c if column.name != "updated_at"]
    with lab.db.read() as conn:
        scans = [tuple(row) for row in conn.execute(sa.select(*columns).order_by(scan.c.id))]
        glass = conn.execute(sa.select(slide.c.id, slide.c.state, slide.c.said, slide.c.said_at).order_by(slide.c.id))
        return scans, [tuple(row) for row in glass]


@settings(max_examples=8, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(st.lists(STEP, min_size=1, max_size=8))
def test_decisions_are_undone_exactly(shared: Database, steps: list[tuple[str, int, int]]) -> None:
    """Whatever is decided and undone in whatever order; then what still stands, the last first: all is as it was."""
    clock = SetClock()
    lab = Lab(shared, clock, LabSettings())
    with shared.write() as conn:
        for table in ("decision", "scan", "slide_alias", "slide", "pathology_case", "event", "audit_pending"):
            conn.execute(sa.text(f"DELETE FROM {table}"))
    ordered(lab, order("C1", ("S1", "S2")), order("C2", ("S3",)))
    numbers = []
    for series, barcode in (("1", "S1"), ("2", "S1"), ("3", "S3"), ("4", "X")):
        clock.move(60)
        numbers.append(arrived(lab, series, barcode))
    stack = [everything(lab)]
    made: list[int] = []
    for kind, which, glass in steps:
        clock.move(60)
        try:
            if kind == "undo":
                if made:
                    undo(lab, made[which % len(made)])
                    del made[which % len(made)]
            else:
                about = None if kind == "cancel_slide" else numbers[which]
                made.append(decide(lab, kind, about, f"S{glass + 1}"))
        except (Conflict, Invalid) as error:
            assert error.code in ("wrong_state", "bad_decision", "decided_since")
    for number in reversed(made):
        undo(lab, number)
    assert everything(lab) == stack[0]
    with lab.db.read() as conn:
        assert conn.execute(sa.select(decision.c.id).where(decision.c.undone_at.is_(None))).all() == []
