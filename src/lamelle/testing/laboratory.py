"""A small laboratory for tests: an order of one case with two slides, scans of them, people who work on it."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from lamelle.access.model import FIRST_PLACE, Actor, Caller, Membership, Purpose, Role
from lamelle.lab import cases
from lamelle.lab.orders import BlockSaid, Identifier, Identity, Order, SlideSaid, SpecimenSaid
from lamelle.lab.records import scan, slide
from lamelle.lab.room import Lab

NOON: Final = datetime(2025, 3, 12, 12, tzinfo=UTC)
CASE: Final = Identifier("25P01234", "DIAMIC")
WHO: Final = Identity(
    (Identifier("000003", "CHU-X"),), family="PAT-TROIS", given="DOMINIQUE", birth_date="19790314", sex="F"
)
SPECIMEN: Final = SpecimenSaid(Identifier("25P01234-A", "DIAMIC"), part="A")
BLOCK: Final = BlockSaid(Identifier("25P01234-A-1", "DIAMIC"), specimen=SPECIMEN.id)


def at(minutes: float) -> datetime:
    """So long after noon."""
    return NOON + timedelta(minutes=minutes)


def glass(number: int, **said: Any) -> SlideSaid:
    """A slide of the block."""
    return SlideSaid(Identifier(f"25P01234-A-1-{number}", "DIAMIC"), block=BLOCK.id, **said)


ORDER: Final = Order(CASE, at(0), patient=WHO, specimens=(SPECIMEN,), blocks=(BLOCK,), slides=(glass(1), glass(2)))


def caller(role: Role, number: int = 7, place: int = FIRST_PLACE, name: str = "") -> Caller:
    """Somebody with a role in a place, for care."""
    places = frozenset({place})
    actor = Actor(
        number, f"{role}{number}", name or f"{role} {number}", memberships=(Membership(role, places, places),)
    )
    return Caller(actor, Purpose.CARE)


DOCTOR: Final = caller(Role.PATHOLOGIST, 7)
RESIDENT: Final = caller(Role.RESIDENT, 8)
TECHNICIAN: Final = caller(Role.TECHNICIAN, 9)


def scanned(
    lab: Lab, identifier: str, series_uid: str, state: str = "matched", *, reason: str = "", quality: str = ""
) -> int:
    """A scan of a slide, as matching leaves it; the case's number."""
    now = lab.clock.now()
    with lab.db.write() as conn:
        row = conn.execute(sa.select(slide).where(slide.c.identifier == identifier)).one()
        values = {"slide_id": row.id, "study_uid": "1.2", "series_uid": series_uid, "state": state, "reason": reason}
        values |= {"quality": quality, "arrived_at": now, "updated_at": now, "current": True}
        conn.execute(sa.insert(scan).values(**values))
        cases.touch(conn, lab, row.case_id)
        return int(row.case_id)
