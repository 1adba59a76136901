"""Requests for techniques: asked, answered in any order, done when their slides are there."""

from typing import Any

import pytest
import sqlalchemy as sa

from lamelle.access.model import WHOLE, Reach
from lamelle.base.errors import Conflict, Invalid, NotFound
from lamelle.lab import cases, techniques
from lamelle.lab.orders import Identifier, Order, SlideSaid
from lamelle.lab.records import block, slide, technique
from lamelle.lab.room import Lab
from lamelle.testing.laboratory import CASE, DOCTOR, ORDER, at, scanned

IHC = SlideSaid(Identifier("25P01234-A-1-3", "DIAMIC"), stain_text="CK7")


def row_of(lab: Lab, case_id: int) -> sa.Row[Any]:
    with lab.db.read() as conn:
        return cases.one(conn, WHOLE, case_id)


def state_of(lab: Lab, number: int) -> str:
    with lab.db.read() as conn:
        return str(conn.execute(sa.select(technique.c.state).where(technique.c.id == number)).scalar_one())


def test_a_case_waits_until_the_slides_of_its_technique_are_there(lab: Lab) -> None:
    case_id = cases.take(lab, ORDER)
    number = techniques.ask(lab, WHOLE, DOCTOR, case_id, "CK7", "Cytokeratin 7")
    assert row_of(lab, case_id).state == "waiting"
    with lab.db.read() as conn:
        (asked,) = techniques.of(conn, case_id)
    assert (asked.identifier, asked.requested_by) == (f"T{number}", DOCTOR.actor.id)
    techniques.answered(lab, f"T{number}", "accepted", filler="DIAMIC-77")
    assert row_of(lab, case_id).state == "waiting"
    made = SlideSaid(IHC.id, technique=f"T{number}")
    cases.take(lab, Order(CASE, at(5), slides=(made,)))
    scanned(lab, IHC.id.value, "1.9")
    assert state_of(lab, number) == "done"
    assert row_of(lab, case_id).state == "registered"
    with lab.db.read() as conn:
        assert conn.execute(sa.select(slide.c.technique_id).where(slide.c.technique_id == number)).scalar_one()


@pytest.mark.parametrize("answers", [("accepted", "done"), ("done", "accepted"), ("done", "done", "accepted")])
def test_answers_out_of_order_end_alike(lab: Lab, answers: tuple[str, ...]) -> None:
    case_id = cases.take(lab, ORDER)
    number = techniques.ask(lab, WHOLE, DOCTOR, case_id, "", "Recut")
    for answer in answers:
        techniques.answered(lab, f"T{number}", answer)
    assert state_of(lab, number) == "done"
    assert row_of(lab, case_id).state == "registered"


def test_a_refusal_keeps_its_reason_and_the_case_goes_on(lab: Lab) -> None:
    case_id = cases.take(lab, ORDER)
    number = techniques.ask(lab, WHOLE, DOCTOR, case_id, "HER2", "")
    techniques.answered(lab, f"T{number}", "refused", reason="block exhausted")
    with lab.db.read() as conn:
        (asked,) = techniques.of(conn, case_id)
    assert (asked.state, asked.reason) == ("refused", "block exhausted")
    assert row_of(lab, case_id).state == "registered"


def test_a_request_is_taken_back_before_it_is_done(lab: Lab) -> None:
    case_id = cases.take(lab, ORDER)
    number = techniques.ask(lab, WHOLE, DOCTOR, case_id, "HER2", "")
    techniques.cancel(lab, WHOLE, DOCTOR, number)
    assert state_of(lab, number) == "cancelled"
    done = techniques.ask(lab, WHOLE, DOCTOR, case_id, "HER2", "")
    techniques.answered(lab, f"T{done}", "done")
    with pytest.raises(Conflict):
        techniques.cancel(lab, WHOLE, DOCTOR, done)


def test_what_is_asked_for_is_checked(lab: Lab) -> None:
    case_id = cases.take(lab, ORDER)
    other = cases.take(lab, Order(Identifier("25P2", "DIAMIC"), at(0), slides=(SlideSaid(Identifier("S9", "DIAMIC")),)))
    with lab.db.read() as conn:
        cassette = conn.execute(sa.select(block.c.id)).scalar_one()
    techniques.ask(lab, WHOLE, DOCTOR, case_id, "CK7", "", block_id=cassette)
    with pytest.raises(NotFound) as refused:
        techniques.ask(lab, WHOLE, DOCTOR, other, "CK7", "", block_id=cassette)
    assert refused.value.code == "no_such_block"
    with pytest.raises(Invalid):
        techniques.ask(lab, WHOLE, DOCTOR, case_id, " ", "")
    with pytest.raises(NotFound):
        techniques.ask(lab, Reach(places=frozenset({9})), DOCTOR, case_id, "CK7", "")
    with pytest.raises(NotFound):
        techniques.answered(lab, "T999", "done")
    with pytest.raises(Invalid):
        techniques.answered(lab, "T1", "perhaps")
    cases.take(lab, Order(CASE, at(9), control="cancel"))
    with pytest.raises(Conflict):
        techniques.ask(lab, WHOLE, DOCTOR, case_id, "CK7", "")
