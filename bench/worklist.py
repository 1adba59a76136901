"""How fast worklists, their counts and a case's page are with a hospital's years of cases in the catalogue.

    python -m bench.worklist --cases 250000                      # SQLite, in .cache/bench/worklist
    python -m bench.worklist --cases 250000 --database postgresql+psycopg://USER@HOST/NAME
    python -m bench.worklist --cases 5000 --asks 5               # to see that it runs; the figures mean nothing

Fills a catalogue once (rows only: four slides and scans a case, no images), starts a real node on it and asks as two
pathologists do, over HTTP with sign-in and the ledger: one of the whole establishment, one of one department in eight.
"""

import argparse
import random
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from lamelle.access import people, places, scopes, tokens
from lamelle.access.model import FIRST_PLACE, Action, Purpose, Role
from lamelle.access.settings import AccessSettings
from lamelle.archive.settings import ArchiveSettings
from lamelle.base.clock import SystemClock
from lamelle.base.db import Database
from lamelle.lab import assignment, priorities
from lamelle.lab.records import block, case, patient, patient_identifier, report, scan, slide, specimen, technique
from lamelle.lab.working import case_seen
from lamelle.testing.client import Client
from lamelle.testing.node import Node

BATCH: Final = 5_000
SLIDES: Final = 4
OPEN: Final = 0.02
"""Of all cases: a hospital of 50,000 a year has some five thousand that are not done."""
DEPARTMENTS: Final = 8
SPECIALTIES: Final = ("uro", "gyn", "derm", "dig", "breast", "haem", "neuro", "thorax")
FAMILY: Final = ("MARTIN", "BERNARD", "DUPONT", "PETIT", "ROBERT", "MOREAU", "SIMON", "LEROY", "GARCIA", "ROUX")
READERS: Final = 40
VIEWS: Final = (
    *("mine", "team", "urgent", "frozen", "waiting_slides", "waiting_techniques", "to_sign", "unassigned", "all"),
    *("done", ""),
)
Rows = dict[sa.Table, list[dict[str, Any]]]


def fill(db: Database, cases: int) -> None:
    """Years of cases; the newest are not done. A catalogue that has some is left as it is."""
    with db.read() as conn:
        if conn.execute(sa.select(case.c.id).limit(1)).first() is not None:
            return
    now = datetime.now(UTC)
    with db.write() as conn:
        wards = [places.add(conn, "department", f"Ward {one}", FIRST_PLACE) for one in range(DEPARTMENTS)]
        readers = []
        for number in range(READERS):
            readers.append(people.add(conn, f"reader{number}", now, name=f"Reader {number}"))
            people.appoint(conn, readers[-1], Role.PATHOLOGIST, wards[number % DEPARTMENTS])
    chance = random.Random(7)
    for begin in range(0, cases, BATCH):
        rows: Rows = {table: [] for table in (patient, patient_identifier, case, specimen, block, slide, scan)}
        rows |= {technique: [], report: [], case_seen: []}
        for number in range(begin + 1, min(begin + BATCH, cases) + 1):
            _case(rows, number, cases, chance, now, wards, readers)
        with db.write() as conn:
            for table, some in rows.items():
                if some:
                    conn.execute(sa.insert(table), some)
        print(f"  {min(begin + BATCH, cases):,} cases", flush=True)
    with db.write() as conn:
        conn.exec_driver_sql("ANALYZE")


def _case(
    rows: Rows, number: int, cases: int, chance: random.Random, now: datetime, wards: list[int], readers: list[int]
) -> None:
    """One case with all that belongs to it."""
    is_open = number > cases * (1 - OPEN)
    at = now - timedelta(hours=(cases - number) * 6 * 365 * 24 / cases + 1)
    who = number * 7 // 10 + 1
    if number == 1 or (number - 1) * 7 // 10 + 1 != who:
        named: dict[str, Any] = {
            "id": who,
            "identifier": f"P{who:08d}",
            "issuer": "CHU",
            "family": FAMILY[who % 10] + str(who % 997),
        }
        rows[patient].append(named | {"given": "MARIE", "birth_date": "19600101", "sex": "F", "updated_at": at})
        rows[patient_identifier].append({"issuer": "CHU", "value": f"P{who:08d}", "patient_id": who})
    place, specialty = wards[number % DEPARTMENTS], chance.choice(SPECIALTIES)
    state = chance.choice(("registered", "ready", "reading", "waiting", "preliminary")) if is_open else "validated"
    urgency = chance.choices(("routine", "urgent", "stat"), (90, 8, 2))[0]
    said: dict[str, Any] = {
        "id": number,
        "accession": f"{at:%y}P{number:07d}",
        "issuer": "LIS",
        "place": place,
        "patient_id": who,
    }
    said |= {"state": state, "urgency": urgency, "frozen": is_open and number % 50 == 0, "specialty": specialty}
    said |= {"department": f"D{number % 30}", "description": "Biopsy", "study_uid": f"2.25.{number}", "slide_count": 4}
    said |= {"requester": "Dr WHO", "adicap": "BHGS0040", "waiting_count": 4 if state == "registered" else 0}
    said |= {"assigned_to": chance.choice(readers) if not is_open or number % 3 else None, "priority": priorities.DONE}
    moments = ("ordered_at", "received_at", "ready_at", "opened_at", "validated_at")
    done = {name: at + timedelta(hours=8 * step) for step, name in enumerate(moments)}
    said |= {name: None if is_open and step > 1 else done[name] for step, name in enumerate(moments)}
    said |= {"created_at": at, "updated_at": at if is_open else done["validated_at"]}
    if is_open:
        said["priority"] = -int((at - priorities.EPOCH) / timedelta(minutes=1)) + 60 * 72 * (urgency != "routine")
        rows[case_seen].append({"actor_id": readers[0], "case_id": number, "seen_at": at + timedelta(number % 2)})
    rows[case].append(said)
    rows[specimen].append({"id": number, "case_id": number, "identifier": f"{number}-A", "part": "A"})
    rows[block].append({"id": number, "case_id": number, "specimen_id": number, "identifier": f"{number}-A-1"})
    for at_slide in range(SLIDES):
        key = number * SLIDES + at_slide
        glass: dict[str, Any] = {
            "id": key,
            "case_id": number,
            "specimen_id": number,
            "block_id": number,
            "place": place,
        }
        glass |= {"identifier": f"{number}-A-1-{at_slide}", "stain_text": "HES", "updated_at": at}
        rows[slide].append(glass | {"state": "to_scan" if state == "registered" else "available"})
        if state != "registered":
            shown: dict[str, Any] = {
                "id": key,
                "slide_id": key,
                "place": place,
                "study_uid": f"2.25.{number}",
                "current": True,
            }
            shown |= {"series_uid": f"2.25.{number}.{at_slide}", "state": "matched", "scanner": f"S{key % 5}"}
            rows[scan].append(shown | {"arrived_at": at, "updated_at": at, "quality": "pass"})
    if state != "registered":
        final = "draft" if state == "reading" else "preliminary" if state == "preliminary" else "final"
        written = {"id": number, "case_id": number, "version": 1, "state": final, "text": "Benign. " * 40}
        if not is_open or state in {"reading", "preliminary"}:
            rows[report].append(written | {"author": "Reader", "written_at": at})
    if state == "waiting":
        wanted: dict[str, Any] = {
            "id": number,
            "case_id": number,
            "identifier": f"T{number}",
            "text": "Ki-67",
            "requested_at": at,
        }
        rows[technique].append(wanted | {"updated_at": at})


def token(db: Database, login: str, place: int) -> str:
    """What a pathologist of that place shows."""
    clock = SystemClock()
    with db.write() as conn:
        number = people.add(conn, f"{login}-{time.time_ns()}", clock.now(), kind="service")
        people.appoint(conn, number, Role.PATHOLOGIST, place)
        every = " ".join(word for action in Action if scopes.actions(word := f"lamelle/{action.value}"))
        return tokens.make(conn, number, login, every, Purpose.CARE, 1, clock.now(), AccessSettings())[0]


def asked(cases: int, chance: random.Random) -> Iterator[tuple[str, Callable[[], str]]]:
    """What is measured: a name, and what makes one address of it."""
    yield "counts of all views", lambda: "/api/worklists"
    for view in VIEWS:
        yield f"view {view or '(every case)'}", partial("/api/cases?view={}&limit=50".format, view)
    yield "view done, one specialty", lambda: f"/api/cases?view=done&specialty={chance.choice(SPECIALTIES)}"
    yield "view all, newest first", lambda: "/api/cases?view=all&sort=newest"
    yield "search, accession", lambda: f"/api/cases?q={_accession(cases, chance)}"
    yield "search, name", lambda: f"/api/cases?q={chance.choice(FAMILY)}{chance.randrange(997)}"
    yield "search, patient's number", lambda: f"/api/cases?q=P{chance.randrange(1, cases * 7 // 10):08d}"
    yield "case page", lambda: f"/api/cases/{chance.randrange(1, cases + 1)}"
    yield "flow of 30 days", lambda: "/api/flow?days=30"


def _accession(cases: int, chance: random.Random) -> str:
    return f"2{chance.randrange(10)}P{chance.randrange(1, cases + 1):07d}"


def measure(url: str, secret: str, cases: int, asks: int) -> None:
    """Ask each address and print its median and 95th part, in milliseconds; one client."""
    with Client(url) as client:
        for name, address in asked(cases, random.Random(11)):
            took, found = [], 0
            for _ in range(asks + 3):
                begun = time.perf_counter()
                answer = client.get(address(), authorization=f"Bearer {secret}")
                took.append((time.perf_counter() - begun) * 1000)
                found += answer.status == 200
            if found < asks + 3 and "case page" not in name:
                raise SystemExit(f"{name}: {answer.status} {answer.body[:200]!r}")
            took = sorted(took[3:])
            p50, p95 = took[len(took) // 2], took[min(len(took) - 1, int(len(took) * 0.95))]
            print(f"  {name:28} p50 {p50:8.1f} ms   p95 {p95:8.1f} ms", flush=True)


def main() -> None:
    """Reads the command line, fills what is empty, measures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=250_000)
    parser.add_argument("--asks", type=int, default=200, help="of each address")
    parser.add_argument("--database", default="", help="a URL of SQLAlchemy; SQLite in the folder when none is given")
    parser.add_argument("--data", type=Path, default=Path(".cache/bench/worklist"))
    given = parser.parse_args()
    folder = given.data.absolute() / f"cases{given.cases}"
    folder.mkdir(parents=True, exist_ok=True)
    url = given.database or ArchiveSettings(folder).database
    db = Database(url)
    db.migrate()
    begun = time.perf_counter()
    fill(db, given.cases)
    print(f"{given.cases:,} cases, {given.cases * SLIDES:,} slides, filled in {time.perf_counter() - begun:.0f} s")
    with db.read() as conn:
        ward = conn.execute(sa.select(case.c.place).limit(1)).scalar_one()
        load = assignment.load(conn, range(1, READERS + 2))
    print(f"{db.dialect}; {sum(load.values()):,} open cases are somebody's")
    shown = {"the establishment": token(db, "all", FIRST_PLACE), "one department": token(db, "one", ward)}
    db.close()
    with Node(folder, environment={"LAMELLE_ARCHIVE_DATABASE_URL": given.database}, sign_in=True) as node:
        for name, secret in shown.items():
            print(f"pathologist of {name}")
            measure(node.url, secret, given.cases, given.asks)


if __name__ == "__main__":
    main()
