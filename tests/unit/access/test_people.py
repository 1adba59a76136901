"""Places, people with their roles, and shares, as the database keeps them."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from lamelle.access import people, places, shares
from lamelle.access.decide import decide, reach
from lamelle.access.model import FIRST_PLACE, Action, Guest, Purpose, Resource, Role
from lamelle.base.db import Database
from lamelle.base.errors import Conflict, Invalid, NotFound

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def test_a_role_reaches_the_places_below_its_own(db: Database) -> None:
    with db.write() as conn:
        site = places.add(conn, "site", "Hôpital Nord", FIRST_PLACE, "590000618")
        north = places.add(conn, "department", "Pathologie", site)
        south = places.add(conn, "department", "Radiologie", FIRST_PLACE)
        other = places.add(conn, "establishment", "Autre hôpital")
        people.appoint(conn, people.add(conn, "p", NOW), Role.PATHOLOGIST, site)
        people.appoint(conn, people.add(conn, "a", NOW), Role.ARCHIVIST, north)
    with db.read() as conn:
        doctor = people.load(conn, people.number(conn, "p"), NOW)
        archivist = people.load(conn, people.number(conn, "a"), NOW)
    assert reach(doctor, Action.VIEW, Purpose.CARE).places == {site, north}
    assert reach(archivist, Action.VIEW, Purpose.OPERATIONS).places == {FIRST_PLACE, site, north, south}
    assert other not in reach(archivist, Action.VIEW, Purpose.OPERATIONS).places


def test_a_role_ends_and_an_account_is_switched_off(db: Database) -> None:
    with db.write() as conn:
        number = people.add(conn, "p", NOW, rpps="10101485653")
        people.appoint(conn, number, Role.RESIDENT, None, until=NOW + timedelta(days=1))
    with db.read() as conn:
        assert people.load(conn, number, NOW).memberships
        assert people.load(conn, number, NOW + timedelta(days=1)).memberships == ()
    with db.write() as conn:
        people.switch(conn, number, NOW)
    with db.read() as conn, pytest.raises(NotFound):
        people.load(conn, number, NOW)


@pytest.mark.parametrize(
    ("given", "code"),
    [(("A b", ""), "bad_login"), (("p", ""), "login_taken"), (("q", "123"), "bad_rpps")],
)
def test_a_bad_account_is_refused(db: Database, given: tuple[str, str], code: str) -> None:
    with db.write() as conn:
        people.add(conn, "p", NOW)
    with db.write() as conn, pytest.raises((Invalid, Conflict)) as error:
        people.add(conn, given[0], NOW, rpps=given[1])
    assert error.value.code == code


def test_a_bad_place_is_refused(db: Database) -> None:
    with db.write() as conn:
        with pytest.raises(Invalid):
            places.add(conn, "department", "X")
        with pytest.raises(Invalid):
            places.add(conn, "establishment", " ")
        with pytest.raises(Invalid):
            places.add(conn, "establishment", "X", None, "590000619")
        with pytest.raises(NotFound):
            places.add(conn, "site", "X", 9)


def test_a_share_ends_and_is_the_same_for_the_filter(db: Database) -> None:
    with db.write() as conn:
        expert = people.add(conn, "x", NOW)
        people.appoint(conn, expert, Role.EXPERT, FIRST_PLACE)
        guest = Guest("actor", expert, Purpose.OPINION)
        shares.give(conn, ["1.2", "1.3"], guest, 1, NOW, until=NOW + timedelta(days=1), reason="avis")
        shares.give(conn, ["1.4"], Guest("place", FIRST_PLACE, Purpose.OPINION), 1, NOW)
        shares.give(conn, ["1.5"], Guest("actor", expert, Purpose.CARE), 1, NOW)
    for now, seen in ((NOW, {"1.2", "1.3", "1.4"}), (NOW + timedelta(days=2), {"1.4"})):
        with db.read() as conn:
            actor = people.load(conn, expert, now)
            filtered = set(conn.execute(shares.within(reach(actor, Action.VIEW, Purpose.OPINION), now)).scalars())
            decided = {
                uid
                for uid in ("1.2", "1.3", "1.4", "1.5")
                if decide(actor, Action.VIEW, Resource(99, shares.guests(conn, uid, now)), Purpose.OPINION)
            }
        assert filtered == decided == seen


def test_a_withdrawn_share_has_ended(db: Database) -> None:
    guest = Guest("actor", 1, Purpose.CARE)
    with db.write() as conn:
        shares.give(conn, ["1.2"], guest, 1, NOW, emergency=True)
        number = int(conn.execute(sa.text("select id from share")).scalar_one())
        shares.withdraw(conn, number, NOW)
        assert shares.guests(conn, "1.2", NOW) == frozenset()
        with pytest.raises(NotFound):
            shares.withdraw(conn, number, NOW)
