"""An administrator governs the places of his role, gives nothing beyond it, and leaves a trace of each change."""

from dataclasses import dataclass

import pytest
import sqlalchemy as sa

from lamelle.access import governing, identify, passwords, people, signing, tokens
from lamelle.access.governing import Wanted
from lamelle.access.model import FIRST_PLACE, Action, Caller, Purpose, Role
from lamelle.access.room import SYSTEM, Access
from lamelle.access.signing import Browser
from lamelle.audit import model
from lamelle.audit.tables import pending
from lamelle.base.errors import Denied, Invalid, LamelleError, NotFound, Unauthenticated
from lamelle.testing.people import PASSWORD, person


@dataclass(frozen=True, slots=True)
class Region:
    """Two establishments: 1 with a department, and another."""

    department: int
    other: int
    one: Caller
    """Administers establishment 1."""


@pytest.fixture
def region(access: Access) -> Region:
    department = governing.add_place(access, SYSTEM, "department", "Pathologie", FIRST_PLACE)
    other = governing.add_place(access, SYSTEM, "establishment", "Autre")
    return Region(department, other, caller(access, person(access, "one", Role.ADMINISTRATOR)))


def caller(access: Access, number: int) -> Caller:
    with access.db.read() as conn:
        return Caller(people.load(conn, number, access.clock.now()), Purpose.OPERATIONS, "192.0.2.7", "session:1")


def refused(work: object) -> str:
    assert callable(work)
    with pytest.raises(LamelleError) as error:
        work()
    return error.value.code


def test_whom_one_does_not_govern_is_told_from_nobody_by_nothing(access: Access, region: Region) -> None:
    by = region.one
    theirs = person(access, "theirs", Role.PATHOLOGIST, place=region.other)
    both = person(access, "both", Role.PATHOLOGIST)
    everywhere = person(access, "everywhere", Role.ADMINISTRATOR, place=None)
    with access.db.write() as conn:
        people.appoint(conn, both, Role.EXPERT, region.other)
    for number in (theirs, both, everywhere, 999):
        changes = (
            lambda number=number: governing.person(access, by, number),
            lambda number=number: governing.change(access, by, number, disabled=True),
            lambda number=number: governing.one_time_password(access, by, number),
            lambda number=number: governing.end_sessions(access, by, number),
            lambda number=number: governing.remove_factor(access, by, number),
            lambda number=number: governing.appoint(access, by, number, Wanted(Role.EXPERT, FIRST_PLACE)),
            lambda number=number: governing.dismiss(access, by, number, 1),
            lambda number=number: governing.make_token(access, by, number, "", "system/*.rs", 1),
        )
        assert {refused(work) for work in changes} == {"no_such_user"}
    found, total = governing.persons(access, by)
    assert ([one.login for one in found], total) == (["one"], 1)
    assert governing.persons(access, SYSTEM)[1] == 4


def test_no_role_reaches_further_than_his_own(access: Access, region: Region) -> None:
    by = region.one
    mine, _ = governing.add(access, by, "mine", [Wanted(Role.RESIDENT, region.department)])
    for place in (region.other, None):
        assert refused(lambda place=place: governing.appoint(access, by, mine, Wanted(Role.ADMINISTRATOR, place))) == (
            "beyond_your_reach"
        )
        assert refused(lambda place=place: governing.add(access, by, "x", [Wanted(Role.EXPERT, place)])) == (
            "beyond_your_reach"
        )
    assert refused(lambda: governing.add(access, by, "x")) == "no_role"
    assert refused(lambda: governing.add(access, by, "x", [Wanted(Role.EXPERT, 99)])) == "no_such_place"
    with pytest.raises(NotFound), access.db.read() as conn:
        people.number(conn, "x")  # what was refused is not half done
    governing.appoint(access, by, mine, Wanted(Role.ADMINISTRATOR, region.department))
    assert [one.role for one in governing.person(access, by, mine).roles] == [Role.RESIDENT, Role.ADMINISTRATOR]


def test_places_are_changed_within_his_own(access: Access, region: Region) -> None:
    by = region.one
    assert refused(lambda: governing.add_place(access, by, "establishment", "Mine")) == "beyond_your_reach"
    assert refused(lambda: governing.add_place(access, by, "site", "Nord", region.other)) == "beyond_your_reach"
    assert refused(lambda: governing.change_place(access, by, region.other, "Mine")) == "beyond_your_reach"
    assert governing.add_place(access, by, "site", "Nord", FIRST_PLACE)
    governing.change_place(access, by, region.department, "Anatomie pathologique")


def test_nobody_changes_his_own_rights(access: Access, region: Region) -> None:
    by, mine = region.one, region.one.actor.id
    held = governing.person(access, by, mine).roles[0].id
    for work in (
        lambda: governing.appoint(access, by, mine, Wanted(Role.PATHOLOGIST, FIRST_PLACE)),
        lambda: governing.dismiss(access, by, mine, held),
        lambda: governing.change(access, by, mine, disabled=False),
        lambda: governing.one_time_password(access, by, mine),
        lambda: governing.remove_factor(access, by, mine),
    ):
        assert refused(work) == "own_rights"


def test_who_administers_nothing_governs_nobody(access: Access, region: Region) -> None:
    doctor = caller(access, person(access, "doctor", Role.PATHOLOGIST))
    assert governing.persons(access, doctor) == ([], 0)
    assert refused(lambda: governing.add(access, doctor, "x", [Wanted(Role.EXPERT, FIRST_PLACE)])) == (
        "beyond_your_reach"
    )
    assert refused(lambda: governing.end_sessions(access, doctor, region.one.actor.id)) == "no_such_user"


def test_an_account_switched_off_loses_sessions_and_tokens_for_good(access: Access, region: Region) -> None:
    number = person(access, "doctor", Role.PATHOLOGIST)
    cookie, _ = signing.with_password(access, "doctor", PASSWORD, Browser())
    token, _ = governing.make_token(access, region.one, number, "", "system/ImagingStudy.rs", 1)
    assert identify.caller(access, cookie=cookie).actor.id == identify.caller(access, bearer=token).actor.id == number
    governing.change(access, region.one, number, disabled=True)
    governing.change(access, region.one, number, disabled=False)
    for shown in ({"cookie": cookie}, {"bearer": token}):
        with pytest.raises(Unauthenticated):
            identify.caller(access, **shown)


def test_a_password_given_ends_sessions_and_has_to_be_changed(access: Access, region: Region) -> None:
    number = person(access, "doctor", Role.PATHOLOGIST)
    cookie, _ = signing.with_password(access, "doctor", PASSWORD, Browser())
    given = governing.one_time_password(access, region.one, number)
    with pytest.raises(Unauthenticated):
        identify.caller(access, cookie=cookie)
    assert signing.with_password(access, "doctor", given, Browser())[1].step == "new_password"
    robot, _ = governing.add(access, region.one, "robot", [Wanted(Role.DEVICE, FIRST_PLACE)], kind="service")
    assert refused(lambda: governing.one_time_password(access, region.one, robot)) == "no_person"


def test_every_change_is_entered_with_who_made_it(access: Access, region: Region) -> None:
    with access.db.write() as conn:
        conn.execute(sa.delete(pending))
    by = region.one
    number, _ = governing.add(access, by, "doctor", [Wanted(Role.RESIDENT, FIRST_PLACE)])
    governing.change(access, by, number, name="Zoé", email="z@example.org")
    governing.dismiss(access, by, number, governing.person(access, by, number).roles[0].id)
    with access.db.read() as conn:
        entries = [model.read(row.entry) for row in conn.execute(sa.select(pending).order_by(pending.c.id))]
    assert [(e.action, e.subject, e.actor, e.address) for e in entries] == [
        (action, "doctor", "one", "192.0.2.7")
        for action in ("user_changed", "rights_changed", "user_changed", "rights_changed")
    ]


def test_what_a_search_holds_is_text_and_no_pattern(access: Access, region: Region) -> None:
    person(access, "a_b", Role.RESIDENT)
    person(access, "axb", Role.RESIDENT)
    assert [one.login for one in governing.persons(access, SYSTEM, "a_b")[0]] == ["a_b"]
    assert governing.persons(access, SYSTEM, "%") == ([], 0)


# -- tokens ----------------------------------------------------------------------------------------------------------


def test_a_token_is_its_account_less_what_its_scope_leaves_out(access: Access) -> None:
    number = person(access, "doctor", Role.PATHOLOGIST)
    mine = caller(access, number)
    secret, made = governing.make_token(access, mine, number, "script", "user/ImagingStudy.rs", 2, Purpose.OPINION)
    found = identify.caller(access, bearer=secret, address="192.0.2.9")
    assert (found.purpose, found.session, found.address) == (Purpose.OPINION, f"token:{made.id}", "192.0.2.9")
    assert found.actor.actions == frozenset({Action.VIEW, Action.VIEW_LABEL, Action.EXPORT})
    with access.db.read() as conn:
        (kept,) = tokens.of(conn, number, access.clock.now())
    assert kept.last_at == access.clock.now()
    with pytest.raises(Invalid):
        governing.make_token(access, mine, number, "", "user/ImagingStudy.rs", 2, Purpose.RESEARCH)
    with pytest.raises(Invalid):
        governing.make_token(access, mine, number, "", "user/ImagingStudy.rs", 100_000)


def test_a_token_ends_and_is_revoked_by_its_owner_or_who_governs(access: Access, region: Region) -> None:
    number = person(access, "doctor", Role.PATHOLOGIST)
    other = person(access, "other", Role.PATHOLOGIST)
    secret, made = governing.make_token(access, caller(access, number), number, "", "system/ImagingStudy.rs", 1)
    assert refused(lambda: governing.revoke_token(access, caller(access, other), made.id, other)) == "no_such_token"
    assert refused(lambda: governing.revoke_token(access, caller(access, other), made.id)) == "no_such_user"
    assert identify.caller(access, bearer=secret)
    governing.revoke_token(access, region.one, made.id)
    with pytest.raises(Unauthenticated):
        identify.caller(access, bearer=secret)


def test_a_password_is_never_kept_as_it_is(access: Access, region: Region) -> None:
    _, given = governing.add(access, region.one, "doctor", [Wanted(Role.RESIDENT, FIRST_PLACE)])
    assert len(set(given)) > 5
    with access.db.read() as conn:
        number = people.number(conn, "doctor")
        assert given not in str(passwords.kept(conn, number, access.clock.now()))
    with pytest.raises(Denied):
        governing.add(access, region.one, "boss", [Wanted(Role.ADMINISTRATOR, None)])
