"""Scans find their slides, whichever came first; what is unclear waits on the desk."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from itertools import permutations
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from lamelle.access import places
from lamelle.base.db import Database
from lamelle.lab import cases, matching, scanning
from lamelle.lab.orders import Identifier, Order, SlideSaid
from lamelle.lab.records import scan, slide
from lamelle.lab.room import Lab, LabSettings
from lamelle.lab.settings import CodeRule
from lamelle.testing.archives import SetClock

START = SetClock().now()


def order(case: str = "C1", slides: tuple[str, ...] = ("S1",), minute: int = 0, **said: Any) -> Order:
    place = said.pop("place", 1)
    glasses = tuple(SlideSaid(Identifier(name), **said) for name in slides)
    return Order(Identifier(case), START + timedelta(minutes=minute), place=place, slides=glasses)


def ordered(lab: Lab, *orders: Order) -> None:
    """Take orders, and do the job that follows."""
    for said in orders:
        cases.take(lab, said)
        with lab.db.read() as conn:
            numbers = conn.execute(sa.select(slide.c.id).order_by(slide.c.id)).scalars().all()
        for number in numbers:
            scanning.match_waiting(lab, number)


def arrived(lab: Lab, series: str, barcode: str = "", container: str = "", minute: int = 0, place: int = 1) -> int:
    """A scan as its label and its DICOM say it is."""
    at = START + timedelta(minutes=minute)
    values = {"barcode": barcode, "said_container": container, "place": place, "study_uid": "1.2", "scanned_at": at}
    with lab.db.write() as conn:
        adding = sa.insert(scan).values(**values, series_uid=series, arrived_at=lab.clock.now(), updated_at=at)
        number = int(conn.execute(adding.returning(scan.c.id)).scalar_one())
        matching.settle(conn, lab, [number])
    return number


def stands(lab: Lab) -> dict[str, tuple[str, str, str, bool]]:
    """Series to state, reason, slide and whether the slide is shown by it."""
    named = sa.select(scan, slide.c.identifier).outerjoin(slide, slide.c.id == scan.c.slide_id)
    with lab.db.read() as conn:
        rows = conn.execute(named)
        return {row.series_uid: (row.state, row.reason, row.identifier or "", row.current) for row in rows}


def slides(lab: Lab) -> dict[str, str]:
    with lab.db.read() as conn:
        return {row.identifier: row.state for row in conn.execute(sa.select(slide))}


MATCHED = ("matched", "", "S1", True)


@pytest.mark.parametrize("order_first", [True, False])
def test_a_scan_finds_its_slide(lab: Lab, order_first: bool) -> None:
    steps: list[Callable[[], object]] = [partial(ordered, lab, order()), partial(arrived, lab, "1", "S1")]
    for step in steps if order_first else reversed(steps):
        step()
    assert stands(lab) == {"1": MATCHED}
    assert slides(lab) == {"S1": "scanned"}


def test_until_the_order_comes_it_waits(lab: Lab) -> None:
    arrived(lab, "1", "S1")
    assert stands(lab)["1"] == ("unmatched", "unknown", "", False)


def test_what_has_no_code_waits(lab: Lab) -> None:
    ordered(lab, order())
    arrived(lab, "1")
    assert stands(lab)["1"] == ("unmatched", "unreadable", "", False)


@pytest.mark.parametrize(
    ("label", "container", "end"),
    [
        ("S1", "S1", MATCHED),
        ("", "S1", MATCHED),
        ("S1", "", MATCHED),
        ("S1", "file name", MATCHED),
        ("S1", "S2", ("unmatched", "contradiction", "", False)),
        ("X9", "S1", ("unmatched", "contradiction", "", False)),
        ("\\S1\\X9\\", "", MATCHED),
        ("\\S1\\S2\\", "", ("unmatched", "several_codes", "", False)),
        ("\\S1\\S2\\", "S1", ("unmatched", "several_codes", "", False)),
        ("ALIAS", "S1", MATCHED),
    ],
)
@pytest.mark.parametrize("order_first", [True, False])
def test_label_and_dicom_together(
    lab: Lab, label: str, container: str, end: tuple[str, str, str, bool], order_first: bool
) -> None:
    said = (order(slides=("S1",), aliases=("ALIAS",)), order("C2", ("S2",)))
    if order_first:
        ordered(lab, *said)
    arrived(lab, "1", label, container)
    if not order_first:
        ordered(lab, *said)
    assert stands(lab) == {"1": end}


@pytest.mark.parametrize(
    ("rule", "end"),
    [
        (CodeRule(trust=("container", "label")), MATCHED),
        (CodeRule(trust=("container",)), MATCHED),
        (CodeRule(trust=("label",)), ("unmatched", "unknown", "", False)),
    ],
)
def test_whom_a_site_believes(lab: Lab, rule: CodeRule, end: tuple[str, str, str, bool]) -> None:
    room = Lab(lab.db, lab.clock, LabSettings(codes=(rule,)))
    ordered(room, order())
    arrived(room, "1", "X9", "S1")
    assert stands(room) == {"1": end}


def test_a_strict_site_lets_nothing_contradict(lab: Lab) -> None:
    room = Lab(lab.db, lab.clock, LabSettings(codes=(CodeRule(strict=True),)))
    ordered(room, order())
    arrived(room, "1", "S1", "file name")
    assert stands(room)["1"][1] == "contradiction"


def test_a_code_is_what_the_rule_takes_out_of_it() -> None:
    rule = CodeRule(pattern=r"(\d\dP\d+)(?:;.*)?", prefixes=("CHU:", "CH"))
    assert [rule.code(text) for text in ("CHU:25P12", " 25P12;HES ", "STAINER")] == ["25P12", "25P12", ""]
    assert CodeRule(pattern=r"S\d").code("S1") == "S1"


def test_a_slide_of_another_establishment_is_for_a_person(lab: Lab) -> None:
    with lab.db.write() as conn:
        elsewhere = places.add(conn, "establishment", "Elsewhere")
        site = places.add(conn, "site", "Across the street", 1)
    ordered(lab, order(place=elsewhere))
    arrived(lab, "1", "S1")
    assert stands(lab)["1"] == ("unmatched", "other_place", "", False)
    ordered(lab, order("C2", ("S2",), place=site))
    arrived(lab, "2", "S2")
    assert stands(lab)["2"][0] == "matched"


def test_the_rule_of_the_nearest_place_counts(lab: Lab) -> None:
    with lab.db.write() as conn:
        site = places.add(conn, "site", "A site", 1)
        tree = places.tree(conn)
    rules = (CodeRule(pattern="all"), CodeRule(1, pattern="house"), CodeRule(site, pattern="site"))
    room = Lab(lab.db, lab.clock, LabSettings(codes=rules))
    assert [matching.rule(room, tree, place).pattern for place in (site, 1, 99)] == ["site", "house", "all"]


def test_one_identifier_of_two_issuers_is_for_a_person(lab: Lab) -> None:
    for issuer in ("A", "B"):
        glass = SlideSaid(Identifier("S1", issuer))
        ordered(lab, Order(Identifier(f"C{issuer}"), START, slides=(glass,)))
    arrived(lab, "1", "S1")
    assert stands(lab)["1"] == ("unmatched", "ambiguous", "", False)


@pytest.mark.parametrize(("minute", "state"), [(5, "duplicate"), (5000, "unexpected")])
def test_a_second_scan_nobody_asked_for_waits(lab: Lab, clock: SetClock, minute: int, state: str) -> None:
    ordered(lab, order())
    arrived(lab, "1", "S1")
    clock.move(60)
    arrived(lab, "2", "S1", minute=minute)
    assert stands(lab) == {"1": MATCHED, "2": (state, "scanned", "", False)}


def test_a_site_may_take_the_newest(lab: Lab, clock: SetClock) -> None:
    room = Lab(lab.db, lab.clock, LabSettings(codes=(CodeRule(rescans="newest"),)))
    ordered(room, order())
    arrived(room, "1", "S1")
    clock.move(60)
    arrived(room, "2", "S1", minute=9)
    assert stands(room) == {"1": ("matched", "", "S1", False), "2": MATCHED}


@pytest.mark.parametrize("steps", list(permutations(["order", "scan", "cancel"])), ids="-".join)
def test_a_cancelled_slide_keeps_its_scan_marked(lab: Lab, steps: tuple[str, ...]) -> None:
    does: dict[str, Callable[[], object]] = {
        "order": partial(ordered, lab, order()),
        "scan": partial(arrived, lab, "1", "S1"),
        "cancel": partial(ordered, lab, order(minute=5, control="cancel")),
    }
    for step in steps:
        does[step]()
    assert stands(lab) == {"1": ("unexpected", "cancelled", "S1", True)}
    assert slides(lab) == {"S1": "cancelled"}
    ordered(lab, order(minute=9))
    assert stands(lab) == {"1": MATCHED}


def test_what_quality_control_rejected_stays_so(lab: Lab, clock: SetClock) -> None:
    ordered(lab, order())
    number = arrived(lab, "1", "S1")
    with lab.db.write() as conn:
        conn.execute(sa.update(scan).where(scan.c.id == number).values(state="rejected", reason="quality"))
        matching.touch(conn, lab, {1})
    scanning.match_waiting(lab, 1)
    assert stands(lab) == {"1": ("rejected", "quality", "S1", False)}
    clock.move(60)
    arrived(lab, "2", "S1", minute=5)
    assert stands(lab)["2"] == MATCHED
    assert slides(lab) == {"S1": "scanned"}


SCANS = (
    ("1", "S1", ""),
    ("2", "S1", "S2"),
    ("3", "", "S2"),
    ("4", "S3", "x"),
    ("5", "S1", ""),
    ("6", "\\S4\\A3\\", ""),
)
ORDERS = (
    order("C1", ("S1", "S2")),
    order("C2", ("S3",), aliases=("A3",)),
    order("C2", ("S4",)),
    order("C1", ("S2",), minute=3, control="cancel"),
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Database:
    db = Database(f"sqlite:///{tmp_path_factory.mktemp('lab') / 'one.sqlite3'}")
    db.migrate()
    return db


@settings(max_examples=8, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(st.permutations(range(len(ORDERS))), st.lists(st.integers(0, len(SCANS)), min_size=4, max_size=4))
def test_whenever_orders_come_the_end_is_the_same(shared: Database, orders: list[int], after: list[int]) -> None:
    """Each order comes after so many scans; the scans come as they were made."""

    def end(plan: list[tuple[int, int]]) -> tuple[Any, Any]:
        clock = SetClock()
        lab = Lab(shared, clock, LabSettings())
        with shared.write() as conn:
            for table in ("scan", "slide_alias", "slide", "pathology_case", "event"):
                conn.execute(sa.text(f"DELETE FROM {table}"))
        for number in range(len(SCANS) + 1):
            for at, which in plan:
                if at == number:
                    ordered(lab, ORDERS[which])
            if number < len(SCANS):
                clock.move(60)
                arrived(lab, *SCANS[number], minute=number)
        return stands(lab), slides(lab)

    assert end(list(zip(after, orders, strict=True))) == end([(0, which) for which in range(len(ORDERS))])
