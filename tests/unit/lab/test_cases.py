"""Cases: orders are kept whichever came first, states follow from the facts."""

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from lamelle.access import places
from lamelle.access.model import FIRST_PLACE, WHOLE, Reach
from lamelle.audit import model
from lamelle.audit.tables import pending
from lamelle.base.errors import Conflict, Invalid, NotFound
from lamelle.lab import cases, reporting
from lamelle.lab.orders import Identifier, Order, ReportSaid, SlideSaid
from lamelle.lab.records import block, case, scan, slide
from lamelle.lab.room import Lab
from lamelle.testing.laboratory import CASE, DOCTOR, ORDER, SPECIMEN, TECHNICIAN, WHO, at, glass, scanned


def row_of(lab: Lab, case_id: int) -> sa.Row[Any]:
    with lab.db.read() as conn:
        return cases.one(conn, WHOLE, case_id)


def slides_of(lab: Lab, case_id: int) -> dict[str, str]:
    with lab.db.read() as conn:
        rows = conn.execute(sa.select(slide).where(slide.c.case_id == case_id))
        return {row.identifier: row.state for row in rows}


def scan_states(lab: Lab) -> list[tuple[str, str]]:
    with lab.db.read() as conn:
        return sorted((row.state, row.reason) for row in conn.execute(sa.select(scan)))


def test_an_order_makes_a_case_with_all_that_it_names(lab: Lab) -> None:
    number = cases.take(lab, ORDER)
    row = row_of(lab, number)
    assert (row.state, row.slide_count, row.waiting_count) == ("registered", 2, 2)
    assert row.study_uid.startswith("2.25.")
    assert slides_of(lab, number) == {"25P01234-A-1-1": "ordered", "25P01234-A-1-2": "ordered"}


def test_the_same_order_again_changes_nothing(lab: Lab) -> None:
    number = cases.take(lab, ORDER)
    before = row_of(lab, number)
    assert cases.take(lab, ORDER) == number
    assert row_of(lab, number) == before


def test_the_later_word_holds_whichever_comes_first(lab: Lab) -> None:
    late = replace(ORDER, said_at=at(9), description="late", department="URO")
    early = replace(ORDER, said_at=at(1), description="early", requester="Dr Early")
    for first, second in ((late, early), (early, late)):
        number = cases.take(lab, first)
        cases.take(lab, second)
        row = row_of(lab, number)
        assert (row.description, row.department, row.requester) == ("late", "URO", "Dr Early")


def test_an_accession_number_longer_than_dicom_allows_stays_whole(lab: Lab) -> None:
    long = Identifier("GROUPE-HOSPITALIER-25P01234", "DIAMIC")
    cases.take(lab, Order(long, at(0)))
    with lab.db.read() as conn:
        assert cases.found(conn, WHOLE, long.value).accession == long.value
        with pytest.raises(NotFound) as refused:
            cases.found(conn, WHOLE, long.value[:16])
    assert refused.value.code == "no_such_case"


def test_two_issuers_of_one_accession_number_are_two_cases(lab: Lab) -> None:
    first, second = (cases.take(lab, Order(Identifier("25P1", issuer), at(0))) for issuer in ("A", "B"))
    with lab.db.read() as conn:
        assert cases.found(conn, WHOLE, "25P1", "B").id == second != first
        with pytest.raises(Conflict) as refused:
            cases.found(conn, WHOLE, "25P1")
    assert refused.value.code == "ambiguous_case"


def test_what_is_out_of_reach_is_not_there(lab: Lab) -> None:
    number = cases.take(lab, ORDER)
    with lab.db.read() as conn:
        assert cases.one(conn, Reach(places=frozenset({FIRST_PLACE})), number).id == number
        with pytest.raises(NotFound):
            cases.one(conn, Reach(places=frozenset({9})), number)


@pytest.mark.parametrize("issuer", ["DIAMIC", ""])
def test_a_container_of_another_case_stops_the_whole_order(lab: Lab, issuer: str) -> None:
    number = cases.take(lab, ORDER)
    before = row_of(lab, number), slides_of(lab, number)
    other = Order(
        Identifier("25P09999", "DIAMIC"), at(5), patient=WHO, slides=(SlideSaid(Identifier("25P01234-A-1-1", issuer)),)
    )
    with pytest.raises(Conflict) as refused:
        cases.take(lab, other)
    assert refused.value.code == "duplicate_container"
    assert (row_of(lab, number), slides_of(lab, number)) == before
    with lab.db.read() as conn:
        assert conn.execute(sa.select(sa.func.count()).select_from(case)).scalar_one() == 1


def test_an_alias_that_is_another_slides_barcode_stops_it_too(lab: Lab) -> None:
    cases.take(lab, ORDER)
    for said in (glass(3, aliases=("25P01234-A-1-1",)), glass(4, aliases=("IHC-7",))):
        order = Order(CASE, at(5), slides=(said,))
        if said.aliases == ("IHC-7",):
            cases.take(lab, order)
            order = Order(Identifier("25P2", "DIAMIC"), at(6), slides=(SlideSaid(Identifier("IHC-7", "DIAMIC")),))
        with pytest.raises(Conflict) as refused:
            cases.take(lab, order)
        assert refused.value.code == "duplicate_container"


def test_a_scan_that_is_matched_makes_the_case_ready(lab: Lab) -> None:
    number = cases.take(lab, ORDER)
    scanned(lab, "25P01234-A-1-1", "1.1")
    assert (row_of(lab, number).state, row_of(lab, number).waiting_count) == ("registered", 1)
    scanned(lab, "25P01234-A-1-2", "1.2")
    row = row_of(lab, number)
    assert (row.state, row.waiting_count) == ("ready", 0)
    assert row.ready_at is not None


def test_a_scan_that_is_no_good_leaves_its_slide_awaited(lab: Lab) -> None:
    number = scanned(lab, "25P01234-A-1-1", "1.1", "rejected") if cases.take(lab, ORDER) else 0
    assert slides_of(lab, number)["25P01234-A-1-1"] == "rejected"
    assert row_of(lab, number).waiting_count == 2


def test_a_slide_cancelled_after_its_scan_keeps_it_marked(lab: Lab) -> None:
    number = cases.take(lab, ORDER)
    scanned(lab, "25P01234-A-1-1", "1.1")
    cases.take(lab, Order(CASE, at(5), slides=(glass(1, control="cancel"),)))
    assert slides_of(lab, number)["25P01234-A-1-1"] == "cancelled"
    assert scan_states(lab) == [("unexpected", "cancelled")]
    assert row_of(lab, number).slide_count == 1
    cases.take(lab, Order(CASE, at(6), slides=(glass(1),)))
    assert slides_of(lab, number)["25P01234-A-1-1"] == "scanned"
    assert scan_states(lab) == [("matched", "")]


def test_a_scan_that_a_person_matched_to_a_cancelled_slide_stays(lab: Lab) -> None:
    number = cases.take(lab, ORDER)
    cases.take(lab, Order(CASE, at(5), slides=(glass(1, control="cancel"),)))
    scanned(lab, "25P01234-A-1-1", "1.1", reason=cases.DECIDED)
    assert slides_of(lab, number)["25P01234-A-1-1"] == "scanned"


def test_cancelling_a_specimen_or_block_cancels_what_was_made_of_it(lab: Lab) -> None:
    number = cases.take(lab, ORDER)
    for part in (replace(SPECIMEN, control="cancel"),):
        cases.take(lab, Order(CASE, at(5), specimens=(part,)))
    assert set(slides_of(lab, number).values()) == {"cancelled"}
    with lab.db.read() as conn:
        assert conn.execute(sa.select(block.c.state)).scalars().all() == ["cancelled"]


def test_a_cancelled_case_is_not_revived_by_cancelling_its_slides(lab: Lab) -> None:
    number = cases.take(lab, ORDER)
    cases.take(lab, Order(CASE, at(5), control="cancel"))
    assert (row_of(lab, number).state, row_of(lab, number).cancelled_at) == ("cancelled", at(5))
    cases.take(lab, Order(CASE, at(6), slides=(glass(1, control="cancel"),)))
    assert row_of(lab, number).state == "cancelled"
    cases.take(lab, Order(CASE, at(7), slides=(glass(2),)))
    assert row_of(lab, number).state == "registered"


def test_an_order_without_an_accession_number_is_refused(lab: Lab) -> None:
    with pytest.raises(Invalid):
        cases.take(lab, Order(Identifier(""), at(0)))


def test_quality_control_makes_a_slide_available(lab: Lab) -> None:
    number = cases.take(lab, ORDER)
    for index, (quality, state) in enumerate([("fail", "scanned"), ("", "scanned"), ("warn", "available")]):
        scanned(lab, "25P01234-A-1-1", f"1.{index}", quality=quality)
        assert slides_of(lab, number)["25P01234-A-1-1"] == state


def test_a_case_is_read_once_who_may_report_opens_it(lab: Lab) -> None:
    number = cases.take(lab, ORDER)
    cases.opened(lab, WHOLE, TECHNICIAN, number)
    assert row_of(lab, number).opened_at is None
    cases.opened(lab, WHOLE, DOCTOR, number)
    assert row_of(lab, number).state == "reading"
    cases.opened(lab, WHOLE, DOCTOR, number)
    with lab.db.read() as conn:
        entries = conn.execute(sa.select(pending.c.entry)).scalars().all()
    assert [model.read(text).patient_id for text in entries] == ["000003"]


def test_the_furthest_the_laboratory_said_of_a_slide_holds(lab: Lab) -> None:
    number = cases.take(lab, ORDER)
    for minutes, state in ((9, "stained"), (10, "cut"), (11, "scanned"), (12, "coverslipped")):
        cases.take(lab, Order(CASE, at(minutes), slides=(glass(1, state=state),)))
    assert slides_of(lab, number)["25P01234-A-1-1"] == "to_scan"
    cases.take(lab, Order(CASE, at(1), slides=(glass(1, state="archived"),)))
    assert slides_of(lab, number)["25P01234-A-1-1"] == "archived"
    with pytest.raises(Invalid):
        cases.take(lab, Order(CASE, at(13), slides=(glass(1, state="lost"),)))


def test_no_sender_speaks_of_another_establishments_case(lab: Lab) -> None:
    number = cases.take(lab, ORDER)
    with lab.db.write() as conn:
        department = places.add(conn, "department", "Pathologie", FIRST_PLACE)
        elsewhere = places.add(conn, "establishment", "Elsewhere")
    before = row_of(lab, number)
    with pytest.raises(Conflict) as refused:
        cases.take(lab, Order(CASE, at(9), place=elsewhere, description="taken"))
    assert refused.value.code == "case_elsewhere"
    with pytest.raises(Conflict):
        reporting.take(lab, ReportSaid(CASE, at(9), "OTHER", "final", text="taken", place=elsewhere))
    assert row_of(lab, number) == before
    cases.take(lab, Order(CASE, at(10), place=department))
    assert row_of(lab, number).place == department
    assert set(slide_places(lab)) == {department}


def slide_places(lab: Lab) -> list[int]:
    with lab.db.read() as conn:
        return list(conn.execute(sa.select(slide.c.place)).scalars())
