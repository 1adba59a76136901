"""Establishments, their sites and departments: made, renamed, and read as a tree."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from lamelle.access.tables import place
from lamelle.base.errors import Invalid, NotFound

Kind = Literal["establishment", "site", "department"]
FINESS = re.compile(r"\d[0-9AB]\d{7}")
"""Nine characters, the second a letter in Corsica."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where people work and what produced a study."""

    id: int
    kind: Kind
    parent_id: int | None
    name: str
    finess: str = ""


class Tree:
    """All places, as they were read; there are few."""

    def __init__(self, places: Iterable[Place]) -> None:
        self._places = {found.id: found for found in places}

    def __iter__(self) -> Iterator[Place]:
        return iter(self._places.values())

    def below(self, number: int) -> frozenset[int]:
        """The place and all places it holds."""
        return frozenset(found for found in self._places if number in self.above(found))

    def establishment(self, number: int) -> frozenset[int]:
        """All places of the establishment that the place is in."""
        return self.below(self.above(number)[-1])

    def above(self, number: int) -> list[int]:
        """The place and those it is in, the nearest first."""
        line = [number]
        while (found := self._places.get(line[-1])) is not None and found.parent_id is not None:
            line.append(found.parent_id)
        return line


def tree(conn: sa.Connection) -> Tree:
    """The places there are."""
    return Tree(Place(*row) for row in conn.execute(sa.select(place).order_by(place.c.id)))


def establishment_of(conn: sa.Connection, number: int | None) -> str:
    """What the establishment of a place is called; empty for no place."""
    known = {found.id: found for found in tree(conn)}
    above = known.get(number or 0)
    while above is not None and above.parent_id is not None:
        above = known.get(above.parent_id)
    return above.name if above else ""


def add(conn: sa.Connection, kind: Kind, name: str, parent_id: int | None = None, finess: str = "") -> int:
    """Make a place; its number. Raises: Invalid("bad_place" | "bad_finess"), NotFound("no_such_place")."""
    if (kind == "establishment") != (parent_id is None) or not name.strip():
        raise Invalid("bad_place", "a site or department is in a place, an establishment in none; each has a name")
    check_finess(finess)
    if parent_id is not None:
        check(conn, parent_id)
    row = {"kind": kind, "name": name.strip(), "parent_id": parent_id, "finess": finess}
    return int(conn.execute(sa.insert(place).values(row).returning(place.c.id)).scalar_one())


def check(conn: sa.Connection, number: int) -> None:
    """Raises: NotFound("no_such_place")."""
    if conn.execute(sa.select(place.c.id).where(place.c.id == number)).first() is None:
        raise NotFound("no_such_place", f"there is no place {number}")


def change(conn: sa.Connection, number: int, name: str, finess: str = "") -> None:
    """Name a place anew. Raises: Invalid("bad_place" | "bad_finess"), NotFound("no_such_place")."""
    if not name.strip():
        raise Invalid("bad_place", "a place has a name")
    check_finess(finess)
    changed = conn.execute(sa.update(place).where(place.c.id == number).values(name=name.strip(), finess=finess))
    if not changed.rowcount:
        raise NotFound("no_such_place", f"there is no place {number}")


def check_finess(text: str) -> None:
    """Empty, or a number whose last digit is right (Luhn; a letter counts as 0). Raises: Invalid("bad_finess")."""
    if text and not (FINESS.fullmatch(text) and luhn(text.replace("A", "0").replace("B", "0"))):
        raise Invalid("bad_finess", "a FINESS number has nine characters, the last a check digit")


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others. Source: ISO/IEC 7812-1 annex B."""
    doubled = (int(digit) * (1 + at % 2) for at, digit in enumerate(reversed(digits)))
    return sum(number - 9 * (number > 9) for number in doubled) % 10 == 0
