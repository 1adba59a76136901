"""Patients: the INS, identities that change, merges and their way back."""

from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from lamelle.access import decide
from lamelle.access.model import FIRST_PLACE, WHOLE, Action, Caller, Reach, Role
from lamelle.access.room import SYSTEM
from lamelle.audit import model
from lamelle.audit.tables import pending
from lamelle.base.errors import Conflict, Denied, Invalid, NotFound
from lamelle.base.events import event
from lamelle.lab import cases, patients
from lamelle.lab.orders import Identifier, Identity, MergeSaid, Order
from lamelle.lab.room import Lab, LabSettings
from lamelle.testing.laboratory import CASE, DOCTOR, ORDER, WHO, at, caller

NIR, TEST = "1.2.250.1.213.1.4.8", "1.2.250.1.213.1.4.10"
MATRICULE = "279035121518989"
QUALIFIED = replace(WHO, ins=MATRICULE, ins_oid=NIR, ins_status="VALI")
A, B, C = (Identity((Identifier(letter, "CHU-X"),), family=letter) for letter in "ABC")


def row_of(lab: Lab, number: int) -> sa.Row[Any]:
    with lab.db.read() as conn:
        return patients.one(conn, number)


def of_case(lab: Lab, accession: str) -> str:
    """Whose a case is, by the name that is shown."""
    with lab.db.read() as conn:
        return str(patients.one(conn, cases.found(conn, WHOLE, accession).patient_id).family)


def ordered(lab: Lab, identity: Identity, place: int = FIRST_PLACE) -> str:
    accession = f"25P-{identity.family}"
    cases.take(lab, Order(Identifier(accession, "DIAMIC"), at(0), patient=identity, place=place))
    return accession


def reach(who: Caller) -> Reach:
    return decide.reach(who.actor, Action.SCHEDULE, who.purpose)


def unmerge(lab: Lab, who: Caller, number: int) -> None:
    patients.unmerge(lab, reach(who), who, number)


def listed(lab: Lab, who: Caller, text: str = "") -> list[tuple[str, str, int, bool]]:
    """The names a list shows, how many cases are of who is gone, and whether it may be undone."""
    with lab.db.read() as conn:
        found = patients.listed(conn, reach(who), text, 10)
    names = [(one.gone.identifier if one.gone else "", one.kept.identifier if one.kept else "") for one in found]
    return [(*pair, one.cases, one.undoable) for pair, one in zip(names, found, strict=True)]


def merged(kept: Identity, gone: Identity, minutes: float = 1) -> MergeSaid:
    return MergeSaid(kept, gone.identifiers[0], at(minutes))


# -- the INS ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("matricule", "sound"),
    [
        (MATRICULE, True),
        ("279035121518988", False),
        ("27903512151898", False),
        ("2790351215189 9", False),
        ("180032A12345646", False),
    ],
)
def test_a_matricule_ends_in_its_key(matricule: str, sound: bool) -> None:
    assert patients.is_matricule(matricule) is sound


@pytest.mark.parametrize(("letters", "digits"), [("2A", "19"), ("2B", "18")])
def test_the_departments_of_corsica_count_as_numbers(letters: str, digits: str) -> None:
    key = 97 - int(f"18003{digits}123456") % 97
    assert patients.is_matricule(f"18003{letters}123456{key:02}")


def test_a_matricule_is_shown_only_of_a_qualified_identity(lab: Lab) -> None:
    number = patients.say(lab, replace(QUALIFIED, ins_status="PROV"), at(0))
    assert (row_of(lab, number).ins, patients.shown(row_of(lab, number))) == (MATRICULE, "")
    patients.say(lab, QUALIFIED, at(1))
    assert patients.shown(row_of(lab, number)) == MATRICULE
    patients.say(lab, replace(WHO, ins_status="DOUT"), at(2))
    assert patients.shown(row_of(lab, number)) == ""


def test_another_matricule_does_not_inherit_the_qualification(lab: Lab) -> None:
    number = patients.say(lab, QUALIFIED, at(0))
    patients.say(lab, replace(WHO, ins=MATRICULE, ins_oid="1.2.250.1.213.1.4.9"), at(1))
    assert patients.shown(row_of(lab, number)) == ""


@pytest.mark.parametrize("said", [{"ins": "279035121518988"}, {"ins_oid": TEST}, {"ins_oid": "1.2.250.1.213.1.4.2"}])
def test_a_wrong_key_or_a_foreign_oid_is_not_qualified(lab: Lab, said: dict[str, str]) -> None:
    row = row_of(lab, patients.say(lab, replace(QUALIFIED, **said), at(0)))  # type: ignore[arg-type]
    assert (row.ins, row.ins_oid, row.ins_status) == ("", "", "")


def test_test_oids_are_taken_where_settings_say_so(lab: Lab) -> None:
    tests = Lab(lab.db, lab.clock, LabSettings(test_ins=True))
    number = patients.say(tests, replace(QUALIFIED, ins_oid=TEST), at(0))
    assert patients.shown(row_of(lab, number)) == MATRICULE


# -- identities ------------------------------------------------------------------------------------------------------


def test_an_identity_is_corrected_and_its_cases_tell_so(lab: Lab) -> None:
    case_id = cases.take(lab, ORDER)
    with lab.db.write() as conn:
        conn.execute(sa.delete(event))
    number = patients.say(lab, replace(WHO, given="DOMINIQUE MARIE", birth_date="19790300"), at(1))
    assert (row_of(lab, number).family, row_of(lab, number).birth_date) == ("PAT-TROIS", "19790300")
    with lab.db.read() as conn:
        assert conn.execute(sa.select(event.c.payload)).scalars().all() == [f'{{"case": {case_id}}}']


def test_a_patient_is_found_by_every_identifier(lab: Lab) -> None:
    number = patients.say(lab, replace(A, identifiers=(*A.identifiers, Identifier("LAB7", "LIS"))), at(0))
    with lab.db.read() as conn:
        assert [row.id for row in patients.found(conn, "LAB7")] == [number]
        assert patients.found(conn, "LAB7", "OTHER") == []
        assert patients.identifiers(conn, number) == [*A.identifiers, Identifier("LAB7", "LIS")]


def test_nobody_is_without_identifier(lab: Lab) -> None:
    for identity in (Identity(()), Identity((Identifier(""),))):
        with pytest.raises(Invalid):
            patients.say(lab, identity, at(0))


# -- merges ----------------------------------------------------------------------------------------------------------


def test_cases_and_identifiers_move_and_come_back(lab: Lab) -> None:
    of_a, of_b = ordered(lab, A), ordered(lab, B)
    number = patients.merge(lab, merged(A, B))
    assert (of_case(lab, of_a), of_case(lab, of_b)) == ("A", "A")
    with lab.db.read() as conn:
        (kept,) = patients.found(conn, "B")
        assert (kept.family, [one.value for one in patients.identifiers(conn, kept.id)]) == ("A", ["A", "B"])
    later = Identifier("25P-later", "DIAMIC")
    cases.take(lab, Order(later, at(5), patient=B))
    assert of_case(lab, later.value) == "A"
    unmerge(lab, DOCTOR, number)
    assert [of_case(lab, name) for name in (of_a, of_b, later.value)] == ["A", "B", "B"]
    with pytest.raises(Conflict) as refused:
        unmerge(lab, DOCTOR, number)
    assert refused.value.code == "already_undone"
    assert patients.merge(lab, merged(A, B)) == number
    assert of_case(lab, of_b) == "B"


def test_a_merge_the_wrong_way_round_is_put_right_by_the_next(lab: Lab) -> None:
    of_a, of_b = ordered(lab, A), ordered(lab, B)
    patients.merge(lab, merged(B, A, 1))
    patients.merge(lab, merged(A, B, 2))
    assert (of_case(lab, of_a), of_case(lab, of_b)) == ("A", "A")


def test_chains_of_merges_lead_to_their_end_and_break_where_one_is_undone(lab: Lab) -> None:
    of_a, of_b, of_c = (ordered(lab, who) for who in (A, B, C))
    first = patients.merge(lab, merged(B, A, 1))
    patients.merge(lab, merged(C, B, 2))
    assert [of_case(lab, name) for name in (of_a, of_b, of_c)] == ["C", "C", "C"]
    unmerge(lab, DOCTOR, first)
    assert [of_case(lab, name) for name in (of_a, of_b, of_c)] == ["A", "C", "C"]


def test_a_merge_before_its_patients_are_known_holds_when_they_come(lab: Lab) -> None:
    patients.merge(lab, merged(replace(A, family=""), B))
    of_b = ordered(lab, B)
    patients.say(lab, A, at(5))
    assert of_case(lab, of_b) == "A"


def test_a_merge_is_entered_and_nobody_is_merged_into_themselves(lab: Lab) -> None:
    number = patients.merge(lab, merged(A, B))
    with lab.db.read() as conn:
        (text,) = conn.execute(sa.select(pending.c.entry)).scalars()
        assert [row.id for row in patients.merges(conn, patients.found(conn, "A")[0].id)] == [number]
    entry = model.read(text)
    assert (entry.actor, entry.action, entry.patient_id, entry.subject) == ("system", "patient_merged", "A", "B")
    with pytest.raises(Invalid):
        patients.merge(lab, merged(A, A))


def test_who_may_not_move_the_cases_does_not_undo_a_merge(lab: Lab) -> None:
    ordered(lab, B)
    number = patients.merge(lab, merged(A, B))
    for somebody in (caller(Role.TECHNICIAN, place=9), caller(Role.RESIDENT)):
        with pytest.raises(NotFound):
            unmerge(lab, somebody, number)
    unmerge(lab, caller(Role.SECRETARY), number)
    with pytest.raises(NotFound):
        unmerge(lab, DOCTOR, number + 1)


def test_who_has_cases_of_only_one_of_the_two_sees_the_merge_and_does_not_undo_it(lab: Lab) -> None:
    ordered(lab, A)
    ordered(lab, B, place=9)
    number = patients.merge(lab, replace(merged(A, B), source="DIAMIC"))
    elsewhere, nowhere = caller(Role.TECHNICIAN, place=9), caller(Role.TECHNICIAN, place=77)
    assert (listed(lab, DOCTOR), listed(lab, elsewhere)) == ([("B", "A", 0, False)], [("B", "A", 1, False)])
    assert listed(lab, nowhere) == []
    with pytest.raises(Denied) as refused:
        unmerge(lab, DOCTOR, number)
    assert refused.value.code == "cases_beyond"
    patients.unmerge(lab, WHOLE, SYSTEM, number)
    assert (listed(lab, DOCTOR), listed(lab, elsewhere)) == ([("", "A", 0, False)], [("B", "", 1, False)])
    assert (listed(lab, DOCTOR, "a"), listed(lab, DOCTOR, "B"), listed(lab, elsewhere, "B")[0][0]) == (
        [("", "A", 0, False)],
        [],
        "B",
    )


def test_cases_further_down_a_chain_count_as_those_of_its_end(lab: Lab) -> None:
    ordered(lab, A, place=9)
    ordered(lab, C)
    first = patients.merge(lab, merged(B, A, 1))
    patients.merge(lab, merged(C, B, 2))
    assert [(gone, undoable) for gone, _, _, undoable in listed(lab, DOCTOR)] == [("B", False), ("A", False)]
    with pytest.raises(Denied):
        unmerge(lab, DOCTOR, first)


def test_the_newest_merge_stands_first_and_says_whose_word_it_was(lab: Lab) -> None:
    for who in (A, B, C):
        ordered(lab, who)
    patients.merge(lab, replace(merged(A, B), source="DIAMIC"))
    number = patients.merge(lab, merged(A, C, 2), DOCTOR)
    unmerge(lab, caller(Role.SECRETARY, name="Zoé"), number)
    with lab.db.read() as conn:
        rows = [one.row for one in patients.listed(conn, WHOLE, "", 10)]
        assert len(patients.listed(conn, WHOLE, "", 1)) == 1
    assert [(row.source, row.undone_by) for row in rows] == [(DOCTOR.actor.name, "Zoé"), ("DIAMIC", "")]
    assert [name for name, *_ in listed(lab, DOCTOR, "C")] == ["C"]


def test_the_case_of_an_order_is_of_the_patient_said_last(lab: Lab) -> None:
    cases.take(lab, Order(CASE, at(2), patient=A))
    cases.take(lab, Order(CASE, at(1), patient=B))
    assert of_case(lab, CASE.value) == "A"
