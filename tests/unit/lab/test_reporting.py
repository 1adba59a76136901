"""Reports: what is signed never changes, nobody's words are written over, the other system's messages end alike."""

from dataclasses import replace
from itertools import permutations
from typing import Any, Literal

import pytest
import sqlalchemy as sa

from lamelle.access.model import WHOLE
from lamelle.base.errors import Conflict, Denied, Invalid, NotFound
from lamelle.base.events import event
from lamelle.lab import cases, reporting
from lamelle.lab.orders import Identifier, Order, ReportSaid
from lamelle.lab.room import Lab
from lamelle.testing.archives import SetClock
from lamelle.testing.laboratory import CASE, DOCTOR, ORDER, RESIDENT, at


def row_of(lab: Lab, case_id: int) -> sa.Row[Any]:
    with lab.db.read() as conn:
        return cases.one(conn, WHOLE, case_id)


def versions(lab: Lab, case_id: int) -> list[tuple[int, str, str]]:
    with lab.db.read() as conn:
        return [(row.version, row.state, row.text) for row in reporting.of(conn, case_id)]


def told(lab: Lab) -> int:
    """How often it was told that a report is valid."""
    with lab.db.read() as conn:
        count = sa.select(sa.func.count()).where(event.c.name == "ReportValidated")
        return int(conn.execute(count.select_from(event)).scalar_one())


def test_a_writer_saves_in_the_place_of_the_last_draft(lab: Lab) -> None:
    number = cases.take(lab, ORDER)
    assert reporting.write(lab, WHOLE, DOCTOR, number, "a", seen=0) == 1
    assert reporting.write(lab, WHOLE, DOCTOR, number, "b", seen=1) == 1
    assert versions(lab, number) == [(1, "draft", "b")]


def test_nobody_writes_over_what_they_have_not_seen(lab: Lab) -> None:
    number = cases.take(lab, ORDER)
    reporting.write(lab, WHOLE, DOCTOR, number, "a", seen=0)
    assert reporting.write(lab, WHOLE, RESIDENT, number, "b", seen=1) == 2
    with pytest.raises(Conflict) as refused:
        reporting.write(lab, WHOLE, DOCTOR, number, "c", seen=1)
    assert refused.value.code == "stale_report"
    assert versions(lab, number) == [(1, "cancelled", "a"), (2, "draft", "b")]


def test_a_signed_version_never_changes_and_a_correction_is_a_new_one(lab: Lab, clock: SetClock) -> None:
    number = cases.take(lab, ORDER)
    reporting.write(lab, WHOLE, DOCTOR, number, "benign")
    reporting.finish(lab, WHOLE, DOCTOR, number, 1, "preliminary")
    assert row_of(lab, number).state == "preliminary"
    reporting.finish(lab, WHOLE, DOCTOR, number, 1, "final")
    first = row_of(lab, number)
    assert (first.state, first.validated_at, told(lab)) == ("validated", clock.now(), 1)
    with pytest.raises(Conflict):
        reporting.finish(lab, WHOLE, DOCTOR, number, 1, "final")
    with pytest.raises(Conflict):
        reporting.finish(lab, WHOLE, DOCTOR, number, 1, "preliminary")
    assert reporting.write(lab, WHOLE, DOCTOR, number, "malignant") == 2
    assert (row_of(lab, number).state, row_of(lab, number).validated_at) == ("reopened", first.validated_at)
    reporting.finish(lab, WHOLE, DOCTOR, number, 2, "final")
    assert row_of(lab, number).state == "validated"
    assert versions(lab, number) == [(1, "final", "benign"), (2, "final", "malignant")]
    assert told(lab) == 2


def test_who_may_not_sign_does_not(lab: Lab) -> None:
    number = cases.take(lab, ORDER)
    reporting.write(lab, WHOLE, RESIDENT, number, "benign")
    with pytest.raises(Denied) as refused:
        reporting.finish(lab, WHOLE, RESIDENT, number, 1, "final")
    assert refused.value.code == "may_not_validate"
    reporting.finish(lab, WHOLE, RESIDENT, number, 1, "preliminary")
    reporting.finish(lab, WHOLE, DOCTOR, number, 1, "final")
    assert row_of(lab, number).state == "validated"


def test_only_the_newest_version_with_words_is_given_out(lab: Lab) -> None:
    number = cases.take(lab, ORDER)
    reporting.write(lab, WHOLE, DOCTOR, number, " ")
    with pytest.raises(Invalid):
        reporting.finish(lab, WHOLE, DOCTOR, number, 1, "final")
    reporting.write(lab, WHOLE, DOCTOR, number, "a")
    reporting.take(lab, said(1, "preliminary", "theirs"))
    with pytest.raises(Conflict) as refused:
        reporting.finish(lab, WHOLE, DOCTOR, number, 1, "final")
    assert refused.value.code == "stale_report"
    with pytest.raises(NotFound):
        reporting.finish(lab, WHOLE, DOCTOR, number, 2, "final")
    with pytest.raises(Invalid):
        reporting.finish(lab, WHOLE, DOCTOR, number, 1, "corrected")  # type: ignore[arg-type]


def test_a_cancelled_case_is_not_reported(lab: Lab) -> None:
    number = cases.take(lab, ORDER)
    cases.take(lab, Order(CASE, at(1), control="cancel"))
    with pytest.raises(Conflict):
        reporting.write(lab, WHOLE, DOCTOR, number, "a")


State = Literal["draft", "preliminary", "final", "corrected", "cancelled"]


def said(minutes: float, state: State, text: str) -> ReportSaid:
    return ReportSaid(CASE, at(minutes), "DIAMIC", state, text=text, author="Dr Martin")


STORY = (
    said(1, "draft", "one"),
    said(2, "preliminary", "two"),
    said(3, "final", "three"),
    said(4, "corrected", "four"),
    said(5, "preliminary", "five"),
)


def test_reports_of_another_system_end_alike_in_any_order(lab: Lab) -> None:
    for count, order in enumerate(list(permutations(STORY))[::7], 1):
        name = Identifier(f"25P{count}", "DIAMIC")
        messages = [replace(message, case=name) for message in (*order, *order[::2])]
        number = [reporting.take(lab, message) for message in messages][-1]
        assert [found[1:] for found in versions(lab, number)] == [
            ("final", "three"),
            ("final", "four"),
            ("preliminary", "five"),
        ]
        row = row_of(lab, number)
        assert (row.state, row.validated_at, row.accession) == ("reopened", at(4), name.value)
        assert told(lab) == 2 * count


def test_a_report_said_twice_is_kept_once(lab: Lab) -> None:
    for _ in range(2):
        number = reporting.take(lab, said(3, "final", "three"))
        reporting.take(lab, said(3, "final", ""))
    before = row_of(lab, number)
    reporting.take(lab, said(2, "final", "three"))
    assert len(versions(lab, number)) == 2
    assert before.validated_at == row_of(lab, number).validated_at


def test_a_report_that_is_withdrawn_is_kept_as_cancelled(lab: Lab) -> None:
    number = cases.take(lab, ORDER)
    reporting.take(lab, said(2, "preliminary", "two"))
    reporting.take(lab, said(3, "cancelled", ""))
    assert versions(lab, number) == [(1, "cancelled", "two")]
    assert row_of(lab, number).state == "registered"
    reporting.take(lab, said(4, "preliminary", "four"))
    assert row_of(lab, number).state == "preliminary"


def test_a_report_that_names_no_case_is_refused(lab: Lab) -> None:
    with pytest.raises(Invalid):
        reporting.take(lab, ReportSaid(Identifier(""), at(1), "DIAMIC", "final", text="x"))
