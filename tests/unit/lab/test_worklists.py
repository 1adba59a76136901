"""A worklist shows what its view says, in its order, within reach; its counts are those of the list."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from lamelle.access import places
from lamelle.access.model import FIRST_PLACE, NOTHING, WHOLE, Caller, Guest, Purpose, Reach, Role
from lamelle.base.errors import Conflict, Invalid, NotFound
from lamelle.lab import assignment, worklists
from lamelle.lab.records import case
from lamelle.lab.room import Lab
from lamelle.lab.worklists import COUNTED, AnyView, Asked, Looker
from lamelle.testing.archives import SetClock
from lamelle.testing.casework import glass, known, placed, reach, worker


@pytest.fixture
def ann(lab: Lab) -> Caller:
    return worker(lab, "ann")


def listed(lab: Lab, caller: Caller, asked: Asked, within: Reach | None = None) -> list[str]:
    """Accession numbers of a list, whose total must be its length."""
    with lab.db.read() as conn:
        found = worklists.find(conn, reach(caller) if within is None else within, worklists.looker(conn, caller), asked)
        rows = conn.execute(sa.select(case.c.id, case.c.accession).where(case.c.id.in_(found.ids)))
        named = {row.id: row.accession for row in rows}
    if not asked.offset and asked.limit > len(found.ids):
        assert found.total == len(found.ids)
    return [named[number] for number in found.ids]


def shown(lab: Lab, caller: Caller, view: AnyView) -> list[str]:
    return listed(lab, caller, Asked(view))


def counted(lab: Lab, caller: Caller) -> dict[str, tuple[int, int]]:
    with lab.db.read() as conn:
        found = worklists.counts(conn, reach(caller), worklists.looker(conn, caller))
    return {one.view: (one.count, one.unread) for one in found}


def living(lab: Lab, mine: int) -> None:
    """A case for every view."""
    placed(lab, "READY", waited_h=10)
    placed(lab, "MINE", assigned_to=mine, state="reading", waited_h=20)
    placed(lab, "STAT", urgency="stat", assigned_to=99)
    placed(lab, "FROZEN", frozen=True, assigned_to=99)
    placed(lab, "AWAITED", state="registered", waiting_count=2, slide_count=3, assigned_to=99)
    placed(lab, "ASKED", state="waiting", techniques=["requested", "done"], assigned_to=mine)
    placed(lab, "ANSWERED", techniques=["done", "refused"], assigned_to=99)
    placed(lab, "DRAFT", state="reading", reports=["draft"], assigned_to=99)
    placed(lab, "CORRECTED", state="reopened", reports=["final", "draft"], assigned_to=mine)
    placed(lab, "SIGNED", state="validated", reports=["final"], assigned_to=mine, validated_at=lab.clock.now())
    placed(lab, "GONE", state="cancelled")


VIEWS: dict[AnyView, set[str]] = {
    "mine": {"MINE", "ASKED", "CORRECTED"},
    "urgent": {"STAT"},
    "frozen": {"FROZEN"},
    "waiting_slides": {"AWAITED"},
    "waiting_techniques": {"ASKED"},
    "to_sign": {"DRAFT", "CORRECTED"},
    "unassigned": {"READY"},
    "done": {"SIGNED"},
}


def test_each_view_shows_what_it_says_and_counts_what_it_shows(lab: Lab, ann: Caller) -> None:
    living(lab, ann.actor.id)
    counts = counted(lab, ann)
    for view, accessions in VIEWS.items():
        assert set(shown(lab, ann, view)) == accessions, view
        assert counts[view][0] == len(accessions), view
    everything = {"READY", "MINE", "STAT", "FROZEN", "AWAITED", "ASKED", "ANSWERED", "DRAFT", "CORRECTED"}
    assert set(shown(lab, ann, "all")) == set(shown(lab, ann, "team")) == everything
    assert counts["all"] == counts["team"] == (9, 9)
    assert set(shown(lab, ann, "")) == everything | {"SIGNED", "GONE"}
    assert counts.keys() == {*COUNTED, "done"}


def test_what_comes_first_comes_first(lab: Lab, ann: Caller) -> None:
    living(lab, ann.actor.id)
    assert shown(lab, ann, "all")[:4] == ["FROZEN", "STAT", "MINE", "READY"]


def test_a_list_is_read_page_by_page(lab: Lab, ann: Caller, clock: SetClock) -> None:
    for number in range(7):
        clock.move(60)
        placed(lab, f"A{number}", state="validated" if number % 2 else "ready", validated_at=clock.now())
    pages_of: dict[AnyView, str] = {"": "A6 A5 A4 A3 A2 A1 A0", "done": "A5 A3 A1", "all": "A0 A2 A4 A6"}
    for view, order in pages_of.items():
        pages = [listed(lab, ann, Asked(view, limit=2, offset=offset)) for offset in (0, 2, 4, 6)]
        assert " ".join(" ".join(page) for page in pages).strip() == order, view
    assert listed(lab, ann, Asked("all", sort="newest")) == ["A6", "A4", "A2", "A0"]
    assert listed(lab, ann, Asked("", sort="oldest", limit=3)) == ["A0", "A1", "A2"]


def test_only_cases_of_places_within_reach_are_seen(lab: Lab, ann: Caller) -> None:
    with lab.db.write() as conn:
        elsewhere = places.add(conn, "establishment", "Elsewhere")
    for place in (FIRST_PLACE, elsewhere):
        placed(lab, f"A{place}", place=place)
        placed(lab, f"D{place}", place=place, state="validated", validated_at=lab.clock.now())
    guests = Reach(guests=frozenset({Guest("actor", ann.actor.id, Purpose.RESEARCH)}))
    views: list[AnyView] = ["all", "team", "", "done", "unassigned"]
    for view in views:
        assert all(name.endswith("1") for name in shown(lab, ann, view))
        for blind in (NOTHING, guests):
            assert listed(lab, ann, Asked(view), blind) == []
        assert len(listed(lab, ann, Asked(view, "D"), WHOLE)) == (view in {"", "done"}) * 2
    assert counted(lab, ann)["all"] == (1, 1)
    with lab.db.read() as conn:
        who = worklists.looker(conn, ann)
        assert {one.count for one in worklists.counts(conn, guests, who)} == {0}
        assert {one.view: one.count for one in worklists.counts(conn, WHOLE, who)}["done"] == 2


def test_a_researcher_reads_no_case(lab: Lab) -> None:
    assert not reach(worker(lab, "rita", Role.RESEARCHER))


def test_a_team_reads_its_specialties_and_what_has_none(lab: Lab, ann: Caller) -> None:
    for specialty in ("uro", "derm", ""):
        placed(lab, specialty or "NONE", specialty=specialty, reports=["draft"])
    assignment.put_specialties(lab, WHOLE, ann, ann.actor.id, ["uro"])
    assert set(shown(lab, ann, "team")) == set(shown(lab, ann, "to_sign")) == {"uro", "NONE"}
    assert len(shown(lab, ann, "all")) == 3
    assert counted(lab, ann)["team"] == counted(lab, ann)["to_sign"] == (2, 2)


def test_filters_narrow_every_view(lab: Lab, ann: Caller) -> None:
    for state in ("ready", "validated"):
        placed(lab, f"U {state}", specialty="uro", department="URO", urgency="urgent", state=state, assigned_to=7)
        placed(lab, f"D {state}", specialty="derm", department="DER", state=state)
    views: list[AnyView] = ["all", "done", ""]
    for view in views:
        state = "validated" if view == "done" else "ready"
        some = {"specialty": "uro"}, {"department": "URO"}, {"urgency": "urgent"}, {"assigned": 7}
        for only in some:
            assert f"U {state}" in listed(lab, ann, Asked(view, **only))
            assert f"D {state}" not in listed(lab, ann, Asked(view, **only))
        assert f"D {state}" in listed(lab, ann, Asked(view, assigned=0))
    assert listed(lab, ann, Asked("", state="validated", specialty="uro")) == ["U validated"]
    with lab.db.read() as conn:
        assert worklists.choices(conn, reach(ann)) == (["derm", "uro"], ["DER", "URO"])


@pytest.mark.parametrize(
    "word",
    ["25P0123", "25p01234", "25P01234-A", "IPP7", "OLD9", "DUPONT", "dupont", "Dupont hél", "dupont_", "DUPONT X"],
)
def test_a_case_is_found_by_what_a_person_has_at_hand(lab: Lab, ann: Caller, word: str) -> None:
    number = known(lab, "IPP7", "DUPONT", "Hélène")
    other = known(lab, "IPP8", "MARTIN", "Paul")
    with lab.db.write() as conn:
        conn.execute(
            sa.text(f"INSERT INTO patient_identifier (issuer, value, patient_id) VALUES ('x', 'OLD9', {number})")
        )
    found = placed(lab, "25P01234", patient_id=number, state="validated")
    glass(lab, found, "25P01234-A-1-1")
    placed(lab, "26P9", patient_id=other)
    assert listed(lab, ann, Asked("", word)) == ([] if word in {"dupont_", "DUPONT X"} else ["25P01234"])
    assert listed(lab, ann, Asked("all", word)) == []


def test_a_case_is_unread_until_it_is_opened_and_again_when_it_changes(lab: Lab, ann: Caller, clock: SetClock) -> None:
    bob = worker(lab, "bob")
    number = placed(lab, "A1")
    assert (counted(lab, ann)["all"], counted(lab, bob)["all"]) == ((1, 1), (1, 1))
    worklists.seen(lab, ann.actor.id, number)
    assert (counted(lab, ann)["all"], counted(lab, bob)["all"]) == ((1, 0), (1, 1))
    clock.move(5)
    with lab.db.write() as conn:
        conn.execute(sa.update(case).values(updated_at=clock.now()))
    assert counted(lab, ann)["all"] == (1, 1)
    with lab.db.read() as conn:
        assert worklists.unread(conn, worklists.looker(conn, ann), [number]) == {number}
    worklists.seen(lab, ann.actor.id, number)
    with lab.db.read() as conn:
        assert worklists.unread(conn, worklists.looker(conn, ann), [number]) == set()


def test_what_is_done_is_counted_so_far_and_no_further(lab: Lab, ann: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worklists, "ENOUGH", 3)
    for number in range(5):
        placed(lab, f"A{number}", state="validated", validated_at=lab.clock.now() + timedelta(hours=number))
    with lab.db.read() as conn:
        who = worklists.looker(conn, ann)
        done = worklists.counts(conn, WHOLE, who)[-1]
        assert (done.count, done.exact) == (3, False)
        found = worklists.find(conn, WHOLE, who, Asked("done", limit=10))
    assert (len(found.ids), found.total, found.exact) == (5, 5, False)


def test_views_are_kept_by_name_and_are_ones_own(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    first = worklists.save(lab, 1, " Urgent uro ", "view=urgent&specialty=uro")
    assert worklists.save(lab, 1, "Urgent uro", "view=all") == first
    worklists.save(lab, 2, "Urgent uro", "view=mine")
    with lab.db.read() as conn:
        assert [(one.name, one.query) for one in worklists.saved(conn, 1)] == [("Urgent uro", "view=all")]
    with pytest.raises(NotFound):
        worklists.drop(lab, 2, first)
    worklists.drop(lab, 1, first)
    with lab.db.read() as conn:
        assert worklists.saved(conn, 1) == []
    for name, query in (("", "x"), ("n" * 101, "x"), ("n", "q" * 2001)):
        with pytest.raises(Invalid):
            worklists.save(lab, 1, name, query)
    monkeypatch.setattr(worklists, "MOST_VIEWS", 1)
    worklists.save(lab, 2, "Urgent uro", "view=done")
    with pytest.raises(Conflict):
        worklists.save(lab, 2, "Another", "view=done")


def test_the_installation_itself_has_everything_for_a_team(lab: Lab) -> None:
    living(lab, 1)
    with lab.db.read() as conn:
        counts = {one.view: one.count for one in worklists.counts(conn, WHOLE, Looker(0, WHOLE))}
    assert counts["team"] == counts["all"] == 9
    assert counts["mine"] == 0
