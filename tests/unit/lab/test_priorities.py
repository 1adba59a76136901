"""Cases come in the order of what they waited and what their department's rules add, at every moment alike."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from lamelle.access import places
from lamelle.access.model import FIRST_PLACE, NOTHING, WHOLE, Reach
from lamelle.access.room import SYSTEM
from lamelle.audit.tables import pending
from lamelle.base.errors import Invalid, NotFound
from lamelle.lab import priorities
from lamelle.lab.priorities import DONE, Rule
from lamelle.lab.records import case
from lamelle.lab.room import Lab

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)


def row(**given: Any) -> Any:
    usual = {"place": 1, "urgency": "routine", "frozen": False, "specialty": "uro", "department": "", "adicap": ""}
    told = {"requester": "", "received_at": NOW, "ordered_at": None, "created_at": NOW, "priority": 0}
    return SimpleNamespace(**usual | told | given)


def placed(lab: Lab, accession: str, **given: Any) -> int:
    values = {"accession": accession, "created_at": NOW, "updated_at": NOW, "received_at": NOW, **given}
    with lab.db.write() as conn:
        return int(conn.execute(sa.insert(case).values(values).returning(case.c.id)).scalar_one())


def kept(lab: Lab, number: int) -> int:
    with lab.db.read() as conn:
        return int(conn.execute(sa.select(case.c.priority).where(case.c.id == number)).scalar_one())


def test_frozen_comes_before_stat_before_urgent_before_what_waited_longest(lab: Lab) -> None:
    old = row(received_at=NOW - timedelta(hours=48))
    rows = [row(), old, row(urgency="urgent"), row(urgency="stat"), row(frozen=True)]
    with lab.db.read() as conn:
        found = [priorities.of(conn, one, "ready") for one in rows]
    assert found == sorted(found)
    assert [priorities.hours(one, NOW) for one in found] == [0, 48, 72, 500, 1000]


@given(st.lists(st.tuples(st.integers(0, 5000), st.sampled_from(["routine", "urgent", "stat"])), min_size=2))
def test_the_order_is_the_same_at_every_moment(waits: list[tuple[int, str]]) -> None:
    rows = [row(received_at=NOW - timedelta(hours=age), urgency=urgency) for age, urgency in waits]
    found = [priorities._kept(priorities.USUAL, one, "ready") for one in rows]
    for later in (NOW, NOW + timedelta(days=400)):
        said = [sum(part.hours for part in priorities.why(priorities.USUAL, one, later)) for one in rows]
        assert [priorities.hours(one, later) for one in found] == said


def test_what_is_done_comes_last_and_has_no_reasons(lab: Lab) -> None:
    with lab.db.read() as conn:
        assert priorities.of(conn, row(frozen=True), "validated") == DONE
    assert priorities.why(priorities.USUAL, row(priority=DONE), NOW) == []
    assert priorities.hours(DONE, NOW) == 0


def test_reasons_say_what_adds_and_how_long_it_waited() -> None:
    rules = [Rule("specialty", "uro", 5), Rule("adicap", "BH", -3), Rule("urgency", "stat", 500)]
    found = priorities.why(rules, row(adicap="BHGS0040", received_at=NOW - timedelta(hours=7)), NOW)
    assert [(one.field, one.value, one.hours) for one in found] == [
        ("specialty", "uro", 5),
        ("adicap", "BH", -3),
        ("age", "", 7),
    ]


def test_a_department_has_its_own_rules_or_those_of_where_it_is(lab: Lab) -> None:
    with lab.db.write() as conn:
        site = places.add(conn, "site", "North", FIRST_PLACE)
        ward = places.add(conn, "department", "Uropathology", site)
    first, second = placed(lab, "A1", place=ward, specialty="uro"), placed(lab, "A2", place=ward, state="validated")
    before = kept(lab, second)
    priorities.put(lab, WHOLE, SYSTEM, site, [Rule("specialty", "uro", 10)])
    assert priorities.hours(kept(lab, first), NOW) == 10
    assert kept(lab, second) == before, "what is done stays where it is"
    priorities.put(lab, WHOLE, SYSTEM, ward, [Rule("specialty", "uro", 20)])
    assert priorities.hours(kept(lab, first), NOW) == 20
    priorities.put(lab, WHOLE, SYSTEM, ward, [])
    assert priorities.hours(kept(lab, first), NOW) == 10
    with lab.db.read() as conn:
        assert priorities.rules_of(conn, FIRST_PLACE) == priorities.USUAL
        assert "priorities" in str(conn.execute(sa.select(pending.c.entry)).scalars().all())


def test_every_place_within_reach_says_whose_rules_it_goes_by(lab: Lab) -> None:
    with lab.db.write() as conn:
        site = places.add(conn, "site", "North", FIRST_PLACE)
        ward = places.add(conn, "department", "Uropathology", site)
        other = places.add(conn, "establishment", "Elsewhere")
    own = [Rule("specialty", "uro", 10)]
    priorities.put(lab, WHOLE, SYSTEM, site, own)
    with lab.db.read() as conn:
        found = {one.place: (one.source, list(one.rules)) for one in priorities.held(conn, WHOLE)}
        narrow = [one.place for one in priorities.held(conn, Reach(places=frozenset({ward})))]
    usual = (None, list(priorities.USUAL))
    assert found == {FIRST_PLACE: usual, site: (site, own), ward: (site, own), other: usual}
    assert narrow == [ward]


def test_nobody_edits_the_rules_of_a_place_out_of_reach(lab: Lab) -> None:
    for reach in (NOTHING, Reach(places=frozenset({7}))):
        with pytest.raises(NotFound):
            priorities.put(lab, reach, SYSTEM, FIRST_PLACE, [])


@pytest.mark.parametrize(
    ("field", "value", "hours"),
    [("priority", "1", 1), ("frozen", "no", 1), ("urgency", "", 1), ("urgency", "stat", 100_001)],
)
def test_a_rule_that_says_nothing_is_none(field: Any, value: str, hours: int) -> None:
    with pytest.raises(Invalid):
        Rule(field, value, hours)
