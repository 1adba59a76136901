"""The scanners: each known by what its images say of it, named and placed by a person."""

from datetime import datetime
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from lamelle.access import telling
from lamelle.access.model import Caller, Reach
from lamelle.archive import within
from lamelle.audit import ledger
from lamelle.base.db import Instant
from lamelle.base.errors import Conflict, Invalid, NotFound
from lamelle.lab.records import scan, scanner
from lamelle.lab.room import Lab

Row = sa.Row[Any]

UNKNOWN: Final = "unknown"
"""What stands where DICOM wants a word that nobody knows: our own conversions write it."""


class Day(NamedTuple):
    """What a scanner did in a time: scans, those that are no good, the last one."""

    scanner: str
    scanned: int
    failed: int
    last: datetime


def seen(conn: sa.Connection, lab: Lab, place: int, station: str, serial: str, manufacturer: str, model: str) -> str:
    """The name of the scanner that says this of itself, made known if it is new; "" when it says nothing.

    A serial number tells it from others of its maker; without one, its station and model do.
    """
    said = {"station": station, "serial": serial, "manufacturer": manufacturer, "model": model}
    said = {name: "" if value == UNKNOWN else value for name, value in said.items()}
    if not any(said.values()):
        return ""
    named = ("serial", "manufacturer") if serial else tuple(said)
    this = sa.select(scanner).where(*(scanner.c[name] == said[name] for name in named))
    row = conn.execute(this.order_by(scanner.c.id).limit(1)).first()
    values = said | {"seen_at": lab.clock.now()}
    if row is not None:
        conn.execute(sa.update(scanner).where(scanner.c.id == row.id).values(**values))
        return str(row.name)
    name = _free(conn, station or " ".join(filter(None, (model or manufacturer, serial))))
    conn.execute(sa.insert(scanner).values(name=name, place=place, **values))
    return name


def _free(conn: sa.Connection, name: str) -> str:
    """The name, with a number where another has it."""
    taken = set(
        conn.execute(sa.select(scanner.c.name).where(scanner.c.name.startswith(name, autoescape=True))).scalars()
    )
    names = (name if number == 1 else f"{name} {number}" for number in range(1, len(taken) + 2))
    return next(free for free in names if free not in taken)


def listed(conn: sa.Connection, reach: Reach) -> list[Row]:
    """The fleet of the places of a reach, by name."""
    here = within.placed(reach, scanner.c.place)
    return list(conn.execute(sa.select(scanner).where(*here).order_by(scanner.c.name)).all())


def day(conn: sa.Connection, reach: Reach, begin: datetime, end: datetime) -> list[Day]:
    """What each scanner did from one instant to another, by name; those that did nothing are left out."""
    at = sa.func.coalesce(scan.c.scanned_at, scan.c.arrived_at)
    failed = sa.func.sum(sa.case((sa.or_(scan.c.quality == "fail", scan.c.state == "rejected"), 1), else_=0))
    query = sa.select(scan.c.scanner, sa.func.count(), failed, sa.func.max(at, type_=Instant))
    query = query.where(at >= begin, at < end, *within.placed(reach, scan.c.place))
    return [Day(*row) for row in conn.execute(query.group_by(scan.c.scanner).order_by(scan.c.scanner))]


def change(
    lab: Lab,
    reach: Reach,
    caller: Caller,
    scanner_id: int,
    name: str | None = None,
    place: int | None = None,
    installed_on: str | None = None,
) -> None:
    """Name a scanner anew, say where it stands and since when (YYYYMMDD); what is None stays.

    Raises: NotFound("no_such_scanner" | "no_such_place"), also of what is out of reach; Invalid("bad_scanner");
    Conflict("scanner_exists").
    """
    given = {"name": name, "place": place, "installed_on": installed_on}
    values: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    if name is not None and not name.strip():
        raise Invalid("bad_scanner", "a scanner has a name")
    if place is not None and not (reach.everything or place in reach.places):
        raise NotFound("no_such_place", "there is no such place")
    with lab.db.write() as conn:
        here = within.placed(reach, scanner.c.place)
        row = conn.execute(sa.select(scanner).where(scanner.c.id == scanner_id, *here).with_for_update()).first()
        if row is None:
            raise NotFound("no_such_scanner", "there is no such scanner")
        if name is not None and name != row.name:
            values["name"] = name.strip()
            if conn.execute(sa.select(scanner.c.id).where(scanner.c.name == values["name"])).first() is not None:
                raise Conflict("scanner_exists", "another scanner has that name")
            conn.execute(sa.update(scan).where(scan.c.scanner == row.name).values(scanner=values["name"]))
        if values:
            conn.execute(sa.update(scanner).where(scanner.c.id == row.id).values(**values))
            told = telling.entry(caller, "schedule", place=row.place, subject=f"scanner {row.name}", detail=values)
            ledger.record(conn, told, lab.clock)
