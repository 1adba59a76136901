"""Fill a catalogue with synthetic studies (rows only, no blobs) and time searches on it.

python bench/qido_fill.py sqlite:////tmp/bench/catalogue.sqlite3 1000000
"""

import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from lamelle.access.model import FIRST_PLACE, WHOLE
from lamelle.archive import catalogue, facts, filing, names
from lamelle.archive.query import Level, Match, Query, search
from lamelle.base.db import Database

BATCH = 10_000
_FAMILY = (
    "MARTIN BERNARD THOMAS PETIT ROBERT RICHARD DURAND DUBOIS MOREAU LAURENT SIMON MICHEL LEFEBVRE LEROY ROUX DAVID "
    "BERTRAND MOREL FOURNIER GIRARD BONNET DUPONT LAMBERT FONTAINE ROUSSEAU VINCENT MULLER LEFÈVRE FAURE ANDRÉ BLANC "
    "GUÉRIN BOYER GARNIER CHEVALIER FRANÇOIS LEGRAND GAUTHIER GARCIA PERRIN ROBIN CLÉMENT MORIN NICOLAS HENRY ROUSSEL"
)
_GIVEN = (
    "MARIE JEAN PIERRE MICHEL ANDRÉ PHILIPPE NATHALIE ISABELLE SYLVIE CATHERINE LOUIS EMMA JADE LOUISE ALICE CHLOÉ "
    "GABRIEL LÉO RAPHAËL ARTHUR HUGO JULES LINA ROSE ANNA"
)
FAMILY, GIVEN = _FAMILY.split(), _GIVEN.split()
SETS = ["SM"] * 6 + ["CT"] * 2 + ["MR", "CT\\SR", "SM\\SR"]


def fill(db: Database, count: int) -> None:
    """Write `count` studies of one series and one instance; a realistic spread of names, days and modalities."""
    chance = random.Random(7)
    first, now = date(2016, 1, 1), datetime(2026, 1, 1, tzinfo=UTC)
    blank = facts.read({})
    for at in range(0, count, BATCH):
        rows, words, parts, instances = [], [], [], []
        cells: dict[tuple[str, str, int], int] = defaultdict(int)
        for n in range(at + 1, min(at + BATCH, count) + 1):
            patient = chance.randrange(count // 2 + 1)
            spread = random.Random(patient)
            name = f"{spread.choice(FAMILY)}{spread.choice(['', '', 'EAU', 'ET', 'ON'])}^{spread.choice(GIVEN)}"
            day = (first + timedelta(days=chance.randrange(3650))).strftime("%Y%m%d")
            modalities = facts.many(chance.choice(SETS).split("\\"))
            values = blank.study | {
                "study_date": day,
                "study_time": f"{chance.randrange(24):02d}{chance.randrange(60):02d}{chance.randrange(60):02d}",
                "accession_number": f"A{n:08d}",
                "patient_id": f"P{patient:08d}",
                "patient_name": name,
                "patient_birth_date": f"{1930 + patient % 90}0101",
                "patient_sex": "MF"[patient % 2],
                "referring_physician": f"DR{chance.randrange(300):03d}^WHO",
                "study_id": str(n),
            }
            for column in facts.NAMES:
                values[column + "_key"], values[column + "_other"] = names.keys(values[column])
            uid = f"1.2.826.0.1.3680043.10.1.{n}"
            extra = {"id": n, "uid": uid, "modalities": modalities, "series_count": 1, "instance_count": 1}
            rows.append(values | extra | {"lead": f"{uid}.1.1", "fills": None, "created_at": now, "updated_at": now})
            words += [{"word": w, "role": r, "study_id": n} for r in facts.NAMES for w in names.words(values[r])]
            series = blank.series | {"id": n, "study_id": n, "uid": f"{uid}.1", "instance_count": 1, "number": 1}
            series |= {"modality": modalities.split("\\")[1], "lead": f"{uid}.1.1", "fills": None}
            parts.append(series | {"created_at": now, "updated_at": now})
            instance = blank.instance | {"id": n, "series_id": n, "study_id": n, "uid": f"{uid}.1.1", "number": 1}
            instance |= {"transfer_syntax": "1.2.840.10008.1.2.4.50", "size": 1, "digest": f"{n:064x}"}
            instance |= {"meta_digest": "", "dataset_offset": 0, "container_id": f"S{n:08d}", "received_at": now}
            instances.append(instance)
            cells[day, modalities, FIRST_PLACE] += 1
        with db.write() as conn:
            for table, values_of in (
                (catalogue.study, rows),
                (catalogue.name_word, words),
                (catalogue.series, parts),
                (catalogue.instance, instances),
            ):
                conn.execute(sa.insert(table), values_of)
            changes = filing.no_changes()
            for cell, number in cells.items():
                changes[cell] = [number, number, number]
            filing.add_to_tally(conn, changes)
    with db.write() as conn:
        conn.execute(sa.text("ANALYZE"))


def queries(count: int) -> dict[str, Callable[[random.Random], Query]]:
    """What clients ask, each with other values every time; pages of 25 as a worklist shows, 101 as a viewer."""

    def study(**keys: str) -> Query:
        options: dict[str, Any] = {"limit": 25}
        return Query(Level.STUDY, tuple(Match((tag[1:],), value) for tag, value in keys.items()), **options)

    def one(chance: random.Random) -> str:
        return f"1.2.826.0.1.3680043.10.1.{chance.randrange(count) + 1}"

    def day(chance: random.Random) -> str:
        return (date(2016, 1, 1) + timedelta(days=chance.randrange(3600))).strftime("%Y%m%d")

    return {
        "all, first page": lambda c: Query(Level.STUDY, limit=101),
        "patient id": lambda c: study(_00100020=f"P{c.randrange(count // 2):08d}"),
        "accession": lambda c: study(_00080050=f"A{c.randrange(count):08d}"),
        "name exact": lambda c: study(_00100010=f"{c.choice(FAMILY)}^{c.choice(GIVEN)}"),
        "name prefix": lambda c: study(_00100010=f"{c.choice(FAMILY)}*"),
        "name two letters": lambda c: study(_00100010=f"{c.choice(FAMILY)[:2]}*"),
        "name infix": lambda c: study(_00100010=f"*{c.choice(FAMILY)[1:5]}*"),
        "name fuzzy": lambda c: replace(study(_00100010=f"{c.choice(FAMILY)[:5]} {c.choice(GIVEN)[:4]}"), fuzzy=True),
        "one day": lambda c: study(_00080020=day(c)),
        "a year": lambda c: study(_00080020=f"{2016 + c.randrange(9)}0101-{2016 + c.randrange(9) + 1}1231"),
        "day and modality": lambda c: study(_00080020=day(c), _00080061="SM"),
        "modality": lambda c: study(_00080061=c.choice(["SM", "CT", "SR"])),
        "name and day range": lambda c: study(_00100010=f"{c.choice(FAMILY)[:4]}*", _00080020=f"{day(c)}-"),
        "slide barcode": lambda c: study(_00400512=f"S{c.randrange(count):08d}"),
        "series of a study": lambda c: Query(Level.SERIES, study_uid=one(c)),
        "instances of a study": lambda c: Query(Level.INSTANCE, study_uid=one(c)),
        "offset 5000": lambda c: Query(Level.STUDY, limit=25, offset=5000),
    }


def measure(db: Database, count: int, runs: int = 40) -> None:
    """Print p50, p95 and worst of each kind of search, in milliseconds."""
    chance = random.Random(1)
    for name, make in queries(count).items():
        took = []
        for _ in range(runs):
            start = time.perf_counter()
            page = search(db, WHOLE, make(chance))
            took.append((time.perf_counter() - start) * 1e3)
        took.sort()
        p95 = took[int(len(took) * 0.95) - 1]
        found = len(page.items) + page.remaining
        middle, worst = statistics.median(took), took[-1]
        print(f"{name:22} p50 {middle:8.1f}  p95 {p95:8.1f}  worst {worst:8.1f} ms   last found {found}")


if __name__ == "__main__":
    catalogue_url, studies = sys.argv[1], int(sys.argv[2])
    database = Database(catalogue_url)
    database.migrate()
    with database.read() as connection:
        there = connection.execute(sa.select(sa.func.count()).select_from(catalogue.study)).scalar_one()
    if there < studies:
        began = time.perf_counter()
        fill(database, studies)
        print(f"filled {studies} studies in {time.perf_counter() - began:.0f} s")
    measure(database, studies)
