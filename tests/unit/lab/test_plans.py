"""How SQLite means to find what worklists ask: by an index at every step, however many cases there are."""

import re
from typing import Any

import pytest
import sqlalchemy as sa

from lamelle.access.model import WHOLE, Reach
from lamelle.lab import changes, dossier, flow, worklists
from lamelle.lab.room import Lab
from lamelle.lab.worklists import COUNTED, Asked, Looker
from lamelle.testing.casework import glass, known, placed

REACHES = {"everything": WHOLE, "a place": Reach(places=frozenset({1})), "places": Reach(places=frozenset({1, 3}))}
TABLES = "pathology_case|patient|patient_identifier|specimen|block|slide|scan|technique|report|attachment|case_seen"
SCAN = re.compile(rf"SCAN ({TABLES}|decision)\b(?!.* INDEX )")
WHO = Looker(1, Reach(places=frozenset({1})), ("uro",))


@pytest.fixture(params=list(REACHES.values()), ids=list(REACHES))
def within(request: pytest.FixtureRequest) -> Reach:
    found: Reach = request.param
    return found


def plans(lab: Lab, work: Any) -> list[str]:
    """How each SELECT of some work is done."""
    if lab.db.dialect != "sqlite":
        pytest.skip("the plans of SQLite")
    number = placed(lab, "A1", patient_id=known(lab, "P1", "DOE"), techniques=["requested"], reports=["draft"])
    glass(lab, number, "A1-1", "1.2.3")
    said: list[tuple[str, Any]] = []
    remember = lambda conn, cursor, statement, parameters, *rest: said.append((statement, parameters))  # noqa: E731
    with lab.db.read() as conn:
        sa.event.listen(lab.db.engine, "before_cursor_execute", remember)
        work(conn)
        sa.event.remove(lab.db.engine, "before_cursor_execute", remember)
        found = []
        for statement, parameters in said:
            if statement.startswith("SELECT"):
                rows = conn.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters)
                found += [str(row[3]) for row in rows]
    assert found
    return found


def of_cases(found: list[str]) -> list[str]:
    return [plan for plan in found if re.search(r"(SCAN|SEARCH) pathology_case\b", plan)]


@pytest.mark.parametrize("view", COUNTED)
def test_what_is_not_done_is_listed_out_of_its_own_index(lab: Lab, within: Reach, view: worklists.View) -> None:
    found = plans(lab, lambda conn: worklists.find(conn, within, WHO, Asked(view, specialty="uro", assigned=1)))
    assert [plan for plan in found if SCAN.search(plan)] == []
    for plan in of_cases(found):
        assert "COVERING INDEX ix_pathology_case_open" in plan or "INTEGER PRIMARY KEY" in plan, plan


def test_all_views_are_counted_in_one_walk(lab: Lab, within: Reach) -> None:
    found = plans(lab, lambda conn: (worklists.counts(conn, within, WHO), worklists.choices(conn, within)))
    assert [plan for plan in found if SCAN.search(plan)] == []
    walks = [plan for plan in of_cases(found) if "ix_pathology_case_open" in plan]
    assert walks and all("COVERING" in plan for plan in of_cases(found)), of_cases(found)


@pytest.mark.parametrize("asked", [Asked(""), Asked("done"), Asked("", sort="oldest"), Asked("done", urgency="stat")])
def test_what_has_no_end_is_walked_in_the_order_of_an_index(lab: Lab, within: Reach, asked: Asked) -> None:
    found = plans(lab, lambda conn: worklists.find(conn, within, WHO, asked))
    assert [plan for plan in found if SCAN.search(plan)] == []
    assert not any("TEMP B-TREE" in plan for plan in found), found
    assert all("COVERING INDEX ix_pathology_case_" in plan for plan in of_cases(found)), found


@pytest.mark.parametrize("view", ["", "all", "done"])
def test_every_way_of_searching_begins_at_an_index(lab: Lab, within: Reach, view: worklists.View) -> None:
    found = plans(lab, lambda conn: worklists.find(conn, within, WHO, Asked(view, "doe jane")))
    assert [plan for plan in found if SCAN.search(plan) or re.search(r"SCAN (slide|patient)\b", plan)] == []


def test_a_case_and_a_list_of_cases_are_read_by_their_numbers(lab: Lab, within: Reach) -> None:
    def read(conn: sa.Connection) -> None:
        dossier.one(conn, within, 1)
        dossier.listed(conn, [1, 2])
        worklists.unread(conn, WHO, [1, 2])

    found = plans(lab, read)
    assert [plan for plan in found if "SCAN" in plan and not plan.startswith("SCAN (")] == []


def test_figures_of_some_days_read_those_days(lab: Lab, within: Reach) -> None:
    found = plans(lab, lambda conn: flow.figures(conn, within, lab.clock.now(), 7))
    assert [plan for plan in found if SCAN.search(plan)] == []


def test_news_are_asked_of_an_index(lab: Lab) -> None:
    found = plans(lab, lambda conn: (changes.cases(conn, lab.clock.now()), changes.scans(conn, lab.clock.now())))
    assert all("INDEX ix_" in plan for plan in found), found
