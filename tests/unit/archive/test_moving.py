"""A study given to another place: seen there from then on, by whose right, and written down."""

import pytest
import sqlalchemy as sa

from lamelle.access import places
from lamelle.access.model import FIRST_PLACE, WHOLE, Actor, Caller, Membership, Purpose, Reach, Role
from lamelle.archive import lifecycle, moving
from lamelle.archive.query import Level, Page, Query, search
from lamelle.archive.store import Archive
from lamelle.audit.tables import pending
from lamelle.base.errors import Denied, Gone, NotFound
from lamelle.base.ids import uid_from
from lamelle.testing.archives import stored
from lamelle.testing.instances import instance

UID = uid_from("study", "1")


def somebody(role: Role, *held: int, purpose: Purpose = Purpose.OPERATIONS) -> Caller:
    return Caller(Actor(7, "ann", memberships=(Membership(role, frozenset(held), frozenset(held)),)), purpose)


@pytest.fixture
def other(archive: Archive) -> int:
    stored(archive, [instance(), instance(number=2)])
    with archive.db.write() as conn:
        return places.add(conn, "department", "Biopsies", FIRST_PLACE)


def counted(archive: Archive, place: int) -> Page:
    return search(archive.db, Reach(False, frozenset({place})), Query(Level.INSTANCE, limit=0))


def test_it_is_found_and_counted_in_its_new_place_only(archive: Archive, other: int) -> None:
    lifecycle.delete(archive.db, archive.blobs, archive.clock, WHOLE, UID, uid_from("series", "1", "1"), _second())
    archivist = somebody(Role.ARCHIVIST, FIRST_PLACE, other)
    moving.move(archive.db, archive.clock, archivist, UID, other, "they made it")
    assert (counted(archive, FIRST_PLACE).remaining, counted(archive, other).remaining) == (0, 1)
    with pytest.raises(NotFound, match="no such study"):
        archive.retrieve.instances(Reach(False, frozenset({FIRST_PLACE})), UID)
    with pytest.raises(Gone):
        archive.retrieve.instances(Reach(False, frozenset({other})), UID, uid_from("series", "1", "1"), _second())
    with archive.db.read() as conn:
        [entry] = conn.execute(sa.select(pending.c.entry)).scalars()
    assert all(word in entry for word in ('"change"', '"ann"', UID, '"P1"', "they made it", f'"place":{other}'))


def _second() -> str:
    return uid_from("instance", "1", "1", "2")


def test_only_by_who_administers_or_deletes_in_both_places(archive: Archive, other: int) -> None:
    def refused(caller: Caller, kind: type[Exception], place: int = other) -> None:
        with pytest.raises(kind):
            moving.move(archive.db, archive.clock, caller, UID, place)

    refused(somebody(Role.ARCHIVIST, FIRST_PLACE), Denied)
    refused(somebody(Role.PATHOLOGIST, FIRST_PLACE, other, purpose=Purpose.CARE), Denied)
    refused(somebody(Role.ARCHIVIST, other), NotFound)
    refused(somebody(Role.ARCHIVIST, FIRST_PLACE, 99), NotFound, place=99)
    assert counted(archive, FIRST_PLACE).remaining == 2
    moving.move(archive.db, archive.clock, somebody(Role.ADMINISTRATOR, FIRST_PLACE, other), UID, other)
    assert counted(archive, other).remaining == 2
