"""The sum of the migrations is the schema the rooms declare."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from lamelle.access import proofs
from lamelle.access.model import FIRST_PLACE
from lamelle.archive import catalogue, commitment, emergency, forwarding, grams
from lamelle.audit import tables as audit
from lamelle.base import events
from lamelle.base.db import Database, schema
from lamelle.lab import messages, records, tables, working
from lamelle.lab.quality import tables as quality
from lamelle.testing import postgres

ROOMS = (
    proofs,
    catalogue,
    commitment,
    emergency,
    forwarding,
    audit,
    events,
    messages,
    records,
    tables,
    working,
    quality,
)


def _described(db: Database) -> dict[str, Any]:
    """Tables, columns and indexes as the database itself tells them."""
    found: dict[str, Any] = {}
    inspector = sa.inspect(db.engine)
    for table in inspector.get_table_names():
        if table == "alembic_version" or table.startswith(grams.TABLE):
            continue
        indexes = sorted((i for i in inspector.get_indexes(table) if i["name"] != grams.INDEX), key=str)
        found[table] = {
            "columns": {
                c["name"]: (repr(c["type"]), c["nullable"], c["default"], c.get("autoincrement"))
                for c in inspector.get_columns(table)
            },
            "indexes": [(i["name"], i["column_names"], i["unique"], _options(i)) for i in indexes],
            "key": inspector.get_pk_constraint(table),
            "foreign": sorted(map(str, inspector.get_foreign_keys(table))),
            "unique": sorted(map(str, inspector.get_unique_constraints(table))),
        }
    return found


def _options(index: Any) -> list[tuple[str, str]]:
    return sorted((name, str(value)) for name, value in index.get("dialect_options", {}).items())


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Database, Database]]:
    on_postgres = os.environ.get("TEST_CATALOGUE") == "postgresql"
    urls = [
        postgres.new_database(migrated=False) if on_postgres else f"sqlite:///{tmp_path}/{n}.sqlite3" for n in range(2)
    ]
    made = Database(urls[0]), Database(urls[1])
    yield made
    for db in made:
        db.close()


def test_migrations_add_up_to_the_schema(pair: tuple[Database, Database]) -> None:
    migrated, declared = pair
    migrated.migrate()
    with declared.write() as conn:
        schema.create_all(conn)
    assert _described(migrated) == _described(declared)
    assert len(_described(declared)) == len(schema.tables)


def test_migrating_again_changes_nothing(pair: tuple[Database, Database]) -> None:
    migrated, _ = pair
    migrated.migrate()
    before = _described(migrated)
    migrated.migrate()
    assert _described(migrated) == before


def test_studies_that_were_there_belong_to_the_first_place(pair: tuple[Database, Database]) -> None:
    """And the sums, which are made anew, say the same as before."""
    db, _ = pair
    _upgrade(db, "0007")
    rows = [("1.1", "20260102", "\\CT\\", 1, 2), ("1.2", "20260109", "\\CT\\", 2, 5), ("1.3", "", "\\SM\\", 1, 1)]
    with db.write() as conn:
        for uid, day, modalities, series, instances in rows:
            conn.execute(
                sa.text(
                    "INSERT INTO study (uid, study_date, modalities, series_count, instance_count, lead, created_at,"
                    " updated_at) VALUES (:uid, :day, :modalities, :series, :instances, '', 0, 0)"
                ),
                {"uid": uid, "day": day, "modalities": modalities, "series": series, "instances": instances},
            )
    _upgrade(db, "head")
    with db.read() as conn:
        assert set(conn.execute(sa.select(catalogue.study.c.place)).scalars()) == {FIRST_PLACE}
        days = conn.execute(sa.select(catalogue.tally).order_by(catalogue.tally.c.study_date)).all()
        months = conn.execute(sa.select(catalogue.tally_month).order_by(catalogue.tally_month.c.month)).all()
    assert days == [
        ("", "\\SM\\", 1, 1, 1, 1),
        ("20260102", "\\CT\\", 1, 1, 1, 2),
        ("20260109", "\\CT\\", 1, 1, 2, 5),
    ]
    assert months == [("", "\\SM\\", 1, 1, 1, 1), ("202601", "\\CT\\", 1, 2, 3, 7)]


def _upgrade(db: Database, revision: str) -> None:
    config = Config()
    config.set_main_option("script_location", "lamelle.archive:migrations")
    with db.write() as conn:
        config.attributes["connection"] = conn
        command.upgrade(config, revision)
