"""A study shared with a person or a place: seen for the purpose until it ends, listed, withdrawn, entered."""

from datetime import timedelta

import pytest
import sqlalchemy as sa

from lamelle.access import decide, people, places
from lamelle.access.model import FIRST_PLACE, NOTHING, WHOLE, Action, Caller, Guest, Purpose, Reach, Role
from lamelle.archive import sharing
from lamelle.archive.query import Level, Query, search
from lamelle.archive.store import Archive
from lamelle.audit import tables
from lamelle.base.errors import NotFound
from lamelle.testing.archives import SetClock, stored
from lamelle.testing.instances import dataset, instance

STUDY = dataset("1").StudyInstanceUID


def person(archive: Archive, login: str, role: Role, purpose: Purpose, place: int | None = None) -> Caller:
    with archive.db.write() as conn:
        number = people.add(conn, login, archive.clock.now(), name=login.title())
        people.appoint(conn, number, role, place or places.add(conn, "establishment", f"of {login}"))
        return Caller(people.load(conn, number, archive.clock.now()), purpose)


@pytest.fixture
def owner(archive: Archive) -> Caller:
    stored(archive, [instance("1", PatientID="P1"), instance("2")])
    return person(archive, "owner", Role.PATHOLOGIST, Purpose.CARE, FIRST_PLACE)


@pytest.fixture
def expert(archive: Archive) -> Caller:
    return person(archive, "expert", Role.EXPERT, Purpose.OPINION)


def reach(caller: Caller, action: Action = Action.SHARE) -> Reach:
    return decide.reach(caller.actor, action, caller.purpose)


def seen(archive: Archive, caller: Caller) -> int:
    return len(search(archive.db, reach(caller, Action.VIEW), Query(Level.STUDY), clock=archive.clock).items)


def entered(archive: Archive) -> str:
    with archive.db.read() as conn:
        return str(conn.execute(sa.select(tables.pending.c.entry).order_by(tables.pending.c.id.desc())).scalar())


def test_shared_for_an_opinion_until_it_ends(archive: Archive, clock: SetClock, owner: Caller, expert: Caller) -> None:
    guest = Guest("actor", expert.actor.id, Purpose.OPINION)
    until = clock.now() + timedelta(days=1)
    sharing.give(archive.db, reach(owner), owner, clock, STUDY, guest, until, " grade? ")
    assert seen(archive, expert) == 1
    [found] = sharing.of_study(archive.db, reach(owner), clock, STUDY)
    assert (found.guest, found.guest_name, found.granted_by, found.reason) == (guest, "Expert", "Owner", "grade?")
    assert '"share"' in entered(archive) and "actor expert" in entered(archive) and '"P1"' in entered(archive)
    clock.move(90_000)
    assert seen(archive, expert) == 0
    assert sharing.of_study(archive.db, reach(owner), clock, STUDY) == []


def test_withdrawn_at_once(archive: Archive, clock: SetClock, owner: Caller, expert: Caller) -> None:
    guest = Guest("actor", expert.actor.id, Purpose.OPINION)
    number = sharing.give(archive.db, WHOLE, owner, clock, STUDY, guest)
    with pytest.raises(NotFound):
        sharing.withdraw(archive.db, NOTHING, expert, clock, number)
    sharing.withdraw(archive.db, reach(owner), owner, clock, number)
    assert seen(archive, expert) == 0
    assert '"share_ended"' in entered(archive)
    for gone in (number, 99):
        with pytest.raises(NotFound):
            sharing.withdraw(archive.db, reach(owner), owner, clock, gone)


def test_shared_with_a_place_by_name(archive: Archive, clock: SetClock, owner: Caller) -> None:
    with archive.db.write() as conn:
        house = places.add(conn, "establishment", "Clinique")
    sharing.give(archive.db, WHOLE, owner, clock, STUDY, Guest("place", house, Purpose.CARE))
    [found] = sharing.of_study(archive.db, WHOLE, clock, STUDY)
    assert (found.guest_name, found.until) == ("Clinique", None)
    assert seen(archive, person(archive, "doctor", Role.PATHOLOGIST, Purpose.CARE, house)) == 1


def test_who_was_shown_it_does_not_give_it_on(archive: Archive, clock: SetClock, owner: Caller) -> None:
    colleague = person(archive, "colleague", Role.PATHOLOGIST, Purpose.CARE)
    sharing.give(archive.db, WHOLE, owner, clock, STUDY, Guest("actor", colleague.actor.id, Purpose.CARE))
    assert seen(archive, colleague) == 1
    for refused in (
        lambda: sharing.give(archive.db, reach(colleague), colleague, clock, STUDY, Guest("actor", 1, Purpose.CARE)),
        lambda: sharing.of_study(archive.db, reach(colleague), clock, STUDY),
    ):
        with pytest.raises(NotFound):
            refused()


def test_nobody_to_share_with(archive: Archive, clock: SetClock, owner: Caller) -> None:
    for guest in (Guest("actor", 99, Purpose.CARE), Guest("place", 99, Purpose.CARE)):
        with pytest.raises(NotFound):
            sharing.give(archive.db, WHOLE, owner, clock, STUDY, guest)


def test_people_are_found_by_the_beginning_of_a_word(archive: Archive, owner: Caller, expert: Caller) -> None:
    with archive.db.write() as conn:
        gone = people.add(conn, "owen", archive.clock.now(), name="Marie Owen")
        assert [one.login for one in people.named(conn, "OW", 9)] == ["owen", "owner"]
        people.switch(conn, gone, archive.clock.now())
        assert [one.login for one in people.named(conn, "ow", 9)] == ["owner"]
        assert people.named(conn, "%", 9) == people.named(conn, "_w", 9) == []
