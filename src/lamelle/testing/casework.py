"""Cases put straight into the tables, in whatever state a test needs, and people who work on them."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from lamelle.access import decide, people
from lamelle.access.model import FIRST_PLACE, Action, Caller, Purpose, Reach, Role
from lamelle.lab import priorities
from lamelle.lab.records import case, patient, patient_identifier, report, scan, slide, technique
from lamelle.lab.room import Lab


def placed(lab: Lab, accession: str, *, waited_h: float = 0, reports: Iterable[str] = (), **given: Any) -> int:
    """A case as it is given, with its priority; `techniques` and `reports` are the states of some of it."""
    techniques, now = given.pop("techniques", ()), lab.clock.now()
    state = given.setdefault("state", "ready")
    values = {"accession": accession, "created_at": now, "updated_at": now, **given}
    values.setdefault("received_at", now - timedelta(hours=waited_h))
    with lab.db.write() as conn:
        number = int(conn.execute(sa.insert(case).values(values).returning(case.c.id)).scalar_one())
        row = conn.execute(sa.select(case).where(case.c.id == number)).one()
        kept = priorities.of(conn, row, state)
        conn.execute(sa.update(case).where(case.c.id == number).values(priority=kept))
        for at, said in enumerate(techniques):
            asked = {"case_id": number, "identifier": f"{accession}-T{at}", "state": said, "text": "Ki-67"}
            conn.execute(sa.insert(technique).values(**asked, requested_at=now, updated_at=now))
        for version, said in enumerate(reports, 1):
            conn.execute(sa.insert(report).values(case_id=number, version=version, state=said, written_at=now))
    return number


def glass(lab: Lab, case_id: int, identifier: str, series_uid: str = "", **given: Any) -> int:
    """A slide of a case, with a scan of that series if it has one."""
    now = lab.clock.now()
    with lab.db.write() as conn:
        values = {"case_id": case_id, "identifier": identifier, "updated_at": now, "stain_text": "HES", **given}
        number = int(conn.execute(sa.insert(slide).values(values).returning(slide.c.id)).scalar_one())
        if series_uid:
            said = {"slide_id": number, "study_uid": "1.2", "series_uid": series_uid, "state": "matched"}
            conn.execute(sa.insert(scan).values(**said, current=True, arrived_at=now, updated_at=now))
    return number


def known(lab: Lab, identifier: str, family: str, given: str = "", **more: Any) -> int:
    """A patient."""
    with lab.db.write() as conn:
        values = {"identifier": identifier, "family": family, "given": given, "updated_at": lab.clock.now(), **more}
        number = int(conn.execute(sa.insert(patient).values(values).returning(patient.c.id)).scalar_one())
        conn.execute(sa.insert(patient_identifier).values(value=identifier, issuer="", patient_id=number))
    return number


def worker(lab: Lab, login: str, role: Role = Role.PATHOLOGIST, place: int | None = FIRST_PLACE) -> Caller:
    """Somebody with a role, who looks for care."""
    with lab.db.write() as conn:
        number = people.add(conn, login, lab.clock.now(), name=login.title())
        people.appoint(conn, number, role, place)
        return Caller(people.load(conn, number, lab.clock.now()), Purpose.CARE)


def reach(caller: Caller, action: Action = Action.READ) -> Reach:
    """How far somebody reaches."""
    return decide.reach(caller.actor, action, caller.purpose)
