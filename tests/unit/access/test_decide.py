"""The table's two questions agree, and it says what a hospital expects."""

from hypothesis import given, settings
from hypothesis import strategies as st

from lamelle.access.decide import TABLE, decide, purposes, reach
from lamelle.access.model import (
    NOTHING,
    WHOLE,
    Action,
    Actor,
    Guest,
    Membership,
    Purpose,
    Resource,
    Role,
    Within,
)

PLACES = st.frozensets(st.integers(1, 6))


@st.composite
def memberships(draw: st.DrawFn) -> Membership:
    department = draw(PLACES)
    return Membership(draw(st.sampled_from(Role)), department, department | draw(PLACES), draw(st.integers(0, 7)) == 0)


@st.composite
def actors(draw: st.DrawFn) -> Actor:
    actions = draw(st.none() | st.frozensets(st.sampled_from(Action)))
    held = tuple(draw(st.lists(memberships(), max_size=3)))
    number = draw(st.integers(1, 4))
    if draw(st.integers(0, 9)) == 0:
        return Actor(number, "a", kind="system", memberships=held, actions=actions)
    return Actor(number, "a", memberships=held, actions=actions)


GUESTS = st.builds(Guest, st.sampled_from(("actor", "place")), st.integers(1, 6), st.sampled_from(Purpose))
RESOURCES = st.builds(Resource, st.integers(1, 7), st.frozensets(GUESTS, max_size=3))


@settings(max_examples=500, deadline=None)
@given(actors(), st.sampled_from(Action), RESOURCES, st.sampled_from(Purpose))
def test_the_filter_holds_exactly_what_is_decided(
    actor: Actor, action: Action, resource: Resource, purpose: Purpose
) -> None:
    assert reach(actor, action, purpose).holds(resource) == decide(actor, action, resource, purpose)


@settings(deadline=None)
@given(actors(), RESOURCES, st.sampled_from(Purpose))
def test_labels_are_seen_only_where_they_may(actor: Actor, resource: Resource, purpose: Purpose) -> None:
    found = reach(actor, Action.VIEW, purpose)
    if found.labels and found.holds(resource):
        assert decide(actor, Action.VIEW_LABEL, resource, purpose)


def somebody(role: Role, *places: int, whole: tuple[int, ...] = ()) -> Actor:
    department = frozenset(places)
    return Actor(7, "somebody", memberships=(Membership(role, department, department | frozenset(whole)),))


def test_nobody_may_anything() -> None:
    nobody = Actor(7, "nobody")
    assert all(reach(nobody, action, purpose) == NOTHING for action in Action for purpose in Purpose)
    assert purposes(nobody) == ()


def test_the_installation_may_everything() -> None:
    assert reach(Actor(0, "system", kind="system"), Action.DELETE, Purpose.CARE) == WHOLE


def test_a_pathologist_sees_the_department_and_no_other() -> None:
    doctor = somebody(Role.PATHOLOGIST, 2, whole=(1, 3))
    assert decide(doctor, Action.VIEW, Resource(2), Purpose.CARE)
    assert not decide(doctor, Action.VIEW, Resource(3), Purpose.CARE)
    assert not decide(doctor, Action.VIEW, Resource(2), Purpose.RESEARCH)


def test_the_care_team_is_let_in_by_a_share_for_care_only() -> None:
    doctor = somebody(Role.PATHOLOGIST, 2)
    elsewhere = Resource(9, frozenset({Guest("actor", 7, Purpose.CARE)}))
    assert decide(doctor, Action.VIEW, elsewhere, Purpose.CARE)
    assert not decide(doctor, Action.VIEW, elsewhere, Purpose.OPINION)
    assert not decide(somebody(Role.RESEARCHER, 2), Action.VIEW, elsewhere, Purpose.RESEARCH)


def test_an_expert_sees_what_was_shared_and_no_label() -> None:
    expert = somebody(Role.EXPERT, 5)
    shared = Resource(2, frozenset({Guest("place", 5, Purpose.OPINION)}))
    assert decide(expert, Action.VIEW, shared, Purpose.OPINION)
    assert not reach(expert, Action.VIEW, Purpose.OPINION).labels
    assert not decide(expert, Action.VIEW, Resource(5), Purpose.OPINION)


def test_a_share_with_a_place_is_for_those_whose_role_there_knows_the_purpose() -> None:
    both = Actor(
        7, "both", memberships=(Membership(Role.SECRETARY, frozenset({5})), Membership(Role.EXPERT, frozenset({6})))
    )
    shared = Resource(2, frozenset({Guest("place", 5, Purpose.OPINION)}))
    assert not decide(both, Action.VIEW, shared, Purpose.OPINION)


def test_who_runs_the_machines_sees_no_image() -> None:
    for role in (Role.ADMINISTRATOR, Role.PROTECTION_OFFICER, Role.MANAGER):
        assert all(within in (None, Within.NOWHERE) for within in _of(role, Action.VIEW))


def test_every_role_is_in_the_table() -> None:
    assert {role for role, _ in TABLE} == set(Role)


def test_what_a_token_leaves_out_is_refused() -> None:
    reader = Actor(7, "a", memberships=(Membership(Role.ARCHIVIST, everywhere=True),), actions=frozenset({Action.VIEW}))
    assert reach(reader, Action.VIEW, Purpose.OPERATIONS).everything
    assert not reach(reader, Action.VIEW, Purpose.OPERATIONS).labels
    assert not decide(reader, Action.DELETE, Resource(), Purpose.OPERATIONS)


def _of(role: Role, action: Action) -> list[Within | None]:
    return [actions.get(action) for (who, _), actions in TABLE.items() if who is role]
