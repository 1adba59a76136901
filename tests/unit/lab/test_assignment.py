"""A case is taken, given and proposed: to who may report it, whose specialty it is, who has least to do."""

import pytest
import sqlalchemy as sa

from lamelle.access import places
from lamelle.access.model import NOTHING, WHOLE, Action, Role
from lamelle.audit.tables import pending
from lamelle.base.errors import Denied, Invalid, NotFound
from lamelle.lab import assignment, cases
from lamelle.lab.room import Lab
from lamelle.testing.casework import placed, reach, worker


def whose(lab: Lab, number: int) -> int | None:
    with lab.db.read() as conn:
        found: int | None = cases.one(conn, WHOLE, number).assigned_to
        return found


def proposed(lab: Lab, number: int) -> list[str]:
    with lab.db.read() as conn:
        row = cases.one(conn, WHOLE, number)
        return [one.login for one in assignment.proposals(conn, row, lab.clock.now())]


def test_a_case_is_taken_given_and_put_back(lab: Lab) -> None:
    ann, bob = worker(lab, "ann"), worker(lab, "bob", Role.RESIDENT)
    number = placed(lab, "A1")
    within = reach(ann, Action.REPORT)
    for who in (ann.actor.id, bob.actor.id, None):
        assignment.assign(lab, within, ann, number, who)
        assert whose(lab, number) == who
    with lab.db.read() as conn:
        told = " ".join(conn.execute(sa.select(pending.c.entry)).scalars())
    assert told.count('"assigned_to"') == 3
    assert '"subject":"bob"' in told


def test_nobody_gets_a_case_that_they_may_not_report(lab: Lab) -> None:
    with lab.db.write() as conn:
        elsewhere = places.add(conn, "establishment", "Elsewhere")
    ann, number = worker(lab, "ann"), placed(lab, "A1")
    for other in (worker(lab, "tom", Role.TECHNICIAN), worker(lab, "eve", place=elsewhere)):
        with pytest.raises(Denied):
            assignment.assign(lab, WHOLE, ann, number, other.actor.id)
    with pytest.raises(NotFound):
        assignment.assign(lab, WHOLE, ann, number, 999)
    with pytest.raises(NotFound):
        assignment.assign(lab, reach(worker(lab, "zoe", place=elsewhere), Action.REPORT), ann, number, None)
    assert whose(lab, number) is None


def test_who_reads_the_specialty_comes_first_then_who_has_least_to_do(lab: Lab) -> None:
    ann, bob, eve, joe = (worker(lab, login) for login in ("ann", "bob", "eve", "joe"))
    worker(lab, "tom", Role.TECHNICIAN)
    for who, what in ((ann, ["uro"]), (bob, ["uro", "derm"]), (joe, ["derm"])):
        assignment.put_specialties(lab, WHOLE, ann, who.actor.id, what)
    placed(lab, "A0", assigned_to=ann.actor.id)
    placed(lab, "A9", assigned_to=bob.actor.id, state="validated")
    assert proposed(lab, placed(lab, "A1", specialty="uro")) == ["bob", "ann", "eve", "joe"]
    assert proposed(lab, placed(lab, "A2", specialty="derm"))[:2] == ["bob", "joe"]
    assert eve.actor.login in proposed(lab, placed(lab, "A3"))


def test_what_is_ready_goes_to_the_first_who_fits(lab: Lab) -> None:
    ann = worker(lab, "ann")
    assignment.put_specialties(lab, WHOLE, ann, ann.actor.id, ["uro"])
    uro, derm = placed(lab, "A1", specialty="uro", state="ready"), placed(lab, "A2", specialty="derm", state="ready")
    early = placed(lab, "A3", specialty="uro", state="registered")
    for number in (uro, derm, early, 999):
        assignment.automatic(lab, {"case": number})
    assert (whose(lab, uro), whose(lab, derm), whose(lab, early)) == (ann.actor.id, None, None)


def test_one_says_what_one_reads_and_nobody_out_of_reach_does(lab: Lab) -> None:
    ann, tom = worker(lab, "ann"), worker(lab, "tom", Role.TECHNICIAN)
    assignment.put_specialties(lab, reach(ann, Action.REPORT), ann, ann.actor.id, [" uro ", "uro", ""])
    with lab.db.read() as conn:
        assert assignment.specialties(conn, [ann.actor.id]) == {ann.actor.id: ("uro",)}
        assert [one.login for one in assignment.colleagues(conn, reach(ann), lab.clock.now())] == ["ann"]
    for who, within in ((ann.actor.id, NOTHING), (tom.actor.id, WHOLE)):
        with pytest.raises(NotFound):
            assignment.put_specialties(lab, within, ann, who, ["derm"])
    with pytest.raises(Invalid):
        assignment.put_specialties(lab, WHOLE, ann, ann.actor.id, ["x" * 101])
