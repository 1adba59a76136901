"""The demonstration's people: one of each role, all invented, with what is shared with those who see nothing else."""

from typing import Final, NamedTuple

import sqlalchemy as sa

from lamelle.access import governing, people, places, shares
from lamelle.access.governing import Wanted
from lamelle.access.model import FIRST_PLACE, Guest, Purpose, Role
from lamelle.access.room import SYSTEM, Access
from lamelle.archive.catalogue import study
from lamelle.base.errors import NotFound
from lamelle.doors.web.settings import DemoAccount

PASSWORD: Final = "lame de verre 26"
"""Of all of them: the page shows it."""
HOSPITAL: Final = "CHU de démonstration"
ELSEWHERE: Final = "Centre expert de démonstration"


class Shown(NamedTuple):
    """Somebody whose role sees only what is shared, and what that is."""

    purpose: Purpose
    accessions: tuple[str, ...]


PEOPLE: Final[tuple[tuple[str, str, Role], ...]] = (
    ("morel", "Dr Claire Morel", Role.PATHOLOGIST),
    ("petit", "Hugo Petit", Role.RESIDENT),
    ("garnier", "Dr Paul Garnier", Role.RADIOLOGIST),
    ("leroy", "Sonia Leroy", Role.TECHNICIAN),
    ("blanc", "Marie Blanc", Role.SECRETARY),
    ("roche", "Luc Roche", Role.MANAGER),
    ("nguyen", "Dr Linh Nguyen", Role.RESEARCHER),
    ("faure", "Pr Anne Faure", Role.TEACHER),
    ("diallo", "Awa Diallo", Role.STUDENT),
    ("brun", "Marc Brun", Role.ARCHIVIST),
    ("admin", "Karim Haddad", Role.ADMINISTRATOR),
    ("colin", "Julie Colin", Role.PROTECTION_OFFICER),
    ("weber", "Dr Eva Weber", Role.EXPERT),
)
SHOWN: Final[dict[Role, Shown]] = {
    Role.EXPERT: Shown(Purpose.OPINION, ("26H01241",)),
    Role.RESEARCHER: Shown(Purpose.RESEARCH, ("26H01241", "26H01234")),
    Role.TEACHER: Shown(Purpose.TEACHING, ("26H01234", "26C00417", "26F00023")),
    Role.STUDENT: Shown(Purpose.TEACHING, ("26H01234", "26C00417", "26F00023")),
}
ACCOUNTS: Final = tuple(DemoAccount(login, PASSWORD, role) for login, _, role in PEOPLE)


def invite(access: Access) -> None:
    """Make those who are missing, each with the role, and share what is to be shared with them."""
    elsewhere = _place(access, ELSEWHERE)
    governing.change_place(access, SYSTEM, FIRST_PLACE, HOSPITAL)
    for login, name, role in PEOPLE:
        with access.db.read() as conn:
            if _is_there(conn, login):
                continue
        wanted = Wanted(role, elsewhere if role is Role.EXPERT else FIRST_PLACE)
        number, _ = governing.add(access, SYSTEM, login, [wanted], name=name, password=PASSWORD)
        if role in SHOWN:
            _share(access, number, SHOWN[role])


def _share(access: Access, number: int, shown: Shown) -> None:
    with access.db.write() as conn:
        uids = conn.execute(sa.select(study.c.uid).where(study.c.accession_number.in_(shown.accessions))).scalars()
        guest = Guest("actor", number, shown.purpose)
        shares.give(conn, list(uids), guest, SYSTEM.actor.id, access.clock.now(), reason="démonstration")


def _is_there(conn: sa.Connection, login: str) -> bool:
    try:
        return people.number(conn, login) > 0
    except NotFound:
        return False


def _place(access: Access, name: str) -> int:
    """The establishment of that name, made when it is missing."""
    with access.db.read() as conn:
        for one in places.tree(conn):
            if one.name == name:
                return one.id
    return governing.add_place(access, SYSTEM, "establishment", name)
