"""Broken glass: one patient's studies, for care, for a time; seen by the officer, reviewed once."""

from collections.abc import Callable

import pytest

from lamelle.access import decide, people, places
from lamelle.access.model import WHOLE, Action, Caller, Guest, Purpose, Role
from lamelle.archive import emergency, sharing
from lamelle.archive.query import Level, Query, search
from lamelle.archive.store import Archive
from lamelle.audit import tables
from lamelle.base.errors import Conflict, Invalid, NotFound
from lamelle.testing.archives import SetClock, stored
from lamelle.testing.instances import dataset, instance

Made = Callable[..., Caller]
HOUR_S = 3600.0


@pytest.fixture
def caller(archive: Archive) -> Made:
    """A new person with a role, in a place beyond that of the studies unless said otherwise."""

    def made(login: str, role: Role = Role.RESIDENT, place: int | None = 0, purpose: Purpose = Purpose.CARE) -> Caller:
        with archive.db.write() as conn:
            number = people.add(conn, login, archive.clock.now(), name=login.title())
            elsewhere = places.add(conn, "establishment", f"of {login}") if place == 0 else place
            people.appoint(conn, number, role, elsewhere)
            return Caller(people.load(conn, number, archive.clock.now()), purpose)

    return made


@pytest.fixture(autouse=True)
def kept(archive: Archive) -> None:
    for study, patient in (("1", "P1"), ("2", "P1"), ("3", "P2")):
        stored(archive, [instance(study, PatientID=patient, IssuerOfPatientID="CHU", AccessionNumber=f"A{study}")])


def seen(archive: Archive, caller: Caller) -> int:
    reach = decide.reach(caller.actor, Action.VIEW, caller.purpose)
    return len(search(archive.db, reach, Query(Level.STUDY), clock=archive.clock).items)


def opened(archive: Archive, caller: Caller, **patient: str) -> emergency.Opened:
    return emergency.open_patient(archive.db, caller, archive.clock, HOUR_S, "on call", **patient)


def entered(archive: Archive) -> list[str]:
    with archive.db.read() as conn:
        return [row.entry for row in conn.execute(tables.pending.select().order_by(tables.pending.c.id))]


def test_one_patients_studies_open_for_an_hour(archive: Archive, clock: SetClock, caller: Made) -> None:
    resident, other = caller("resident"), caller("other")
    assert seen(archive, resident) == 0
    found = opened(archive, resident, accession="A2")
    assert set(found.studies) == {dataset("1").StudyInstanceUID, dataset("2").StudyInstanceUID}
    assert (seen(archive, resident), seen(archive, other)) == (2, 0)
    assert emergency.mine(archive.db, resident, clock) == [found]
    assert emergency.mine(archive.db, other, clock) == []
    [entry] = entered(archive)
    assert '"break_glass"' in entry and '"P1"' in entry and "on call" in entry
    clock.move(HOUR_S + 1)
    assert seen(archive, resident) == 0
    assert emergency.mine(archive.db, resident, clock) == []


def test_what_was_opened_is_for_care_alone(archive: Archive, caller: Made) -> None:
    resident = caller("resident")
    opened(archive, resident, patient_id="P1")
    assert seen(archive, Caller(resident.actor, Purpose.OPINION)) == 0


def test_what_cannot_be_opened(archive: Archive, caller: Made) -> None:
    resident = caller("resident")
    with pytest.raises(NotFound):
        opened(archive, resident, patient_id="P9")
    with pytest.raises(Invalid):
        opened(archive, resident)
    with pytest.raises(Invalid):
        emergency.open_patient(archive.db, resident, archive.clock, HOUR_S, "  ", patient_id="P1")
    stored(archive, [instance("4", PatientID="P1", IssuerOfPatientID="another house", AccessionNumber="A4")])
    with pytest.raises(Conflict):
        opened(archive, resident, patient_id="P1")
    assert opened(archive, resident, accession="A4").studies == (dataset("4").StudyInstanceUID,)


def test_the_officer_of_the_studies_reviews_once(archive: Archive, caller: Made) -> None:
    resident = caller("resident")
    officer = caller("officer", Role.PROTECTION_OFFICER, 1, Purpose.OPERATIONS)
    strange = caller("strange", Role.PROTECTION_OFFICER, 0, Purpose.OPERATIONS)
    opened(archive, resident, patient_id="P1")
    reach, beyond = (decide.reach(one.actor, Action.AUDIT, one.purpose) for one in (officer, strange))
    assert emergency.for_review(archive.db, beyond, open_only=True) == []
    [found] = emergency.for_review(archive.db, reach, open_only=True)
    assert (found.login, found.patient_id, found.studies, found.reviewed_at) == ("resident", "P1", 2, None)
    with pytest.raises(NotFound):
        emergency.review(archive.db, beyond, strange, archive.clock, found.id, "fine")
    with pytest.raises(Invalid):
        emergency.review(archive.db, reach, officer, archive.clock, found.id, " ")
    emergency.review(archive.db, reach, officer, archive.clock, found.id, "asked the ward")
    assert emergency.for_review(archive.db, reach, open_only=True) == []
    [done] = emergency.for_review(archive.db, WHOLE, open_only=False)
    assert (done.reviewed_by, done.note) == ("Officer", "asked the ward")
    assert '"break_glass_reviewed"' in entered(archive)[-1]
    with pytest.raises(NotFound):
        emergency.review(archive.db, reach, officer, archive.clock, found.id, "again")


def test_what_was_opened_in_an_emergency_is_not_passed_on(archive: Archive, caller: Made) -> None:
    doctor, friend = caller("doctor", Role.PATHOLOGIST), caller("friend")
    opened(archive, doctor, patient_id="P1")
    reach = decide.reach(doctor.actor, Action.SHARE, doctor.purpose)
    guest = Guest("actor", friend.actor.id, Purpose.CARE)
    with pytest.raises(NotFound):
        sharing.give(archive.db, reach, doctor, archive.clock, dataset("1").StudyInstanceUID, guest)
