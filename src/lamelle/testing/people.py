"""People with passwords for tests, and settings under which hashing one costs next to nothing."""

from typing import Final

from lamelle.access import passwords, people
from lamelle.access.model import FIRST_PLACE, Role
from lamelle.access.room import Access
from lamelle.access.settings import AccessSettings

CHEAP: Final = AccessSettings(hash_mib=8, hash_rounds=1)
PASSWORD: Final = "a violet heron at dusk"


def person(
    access: Access, login: str, *roles: Role, place: int | None = FIRST_PLACE, password: str = PASSWORD, email: str = ""
) -> int:
    """An account with a password and roles in one place; its number."""
    with access.db.write() as conn:
        number = people.add(conn, login, access.clock.now(), email=email)
        for role in roles:
            people.appoint(conn, number, role, place)
        passwords.put(conn, number, access.hashing.make(password), access.clock.now())
    return number
