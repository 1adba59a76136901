"""The sum of the migrations is the schema the rooms declare."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from lamelle.archive import catalogue, commitment, emergency, forwarding, grams
from lamelle.audit import tables as audit
from lamelle.base import events
from lamelle.base.db import Database, schema
from lamelle.lab import tables
from lamelle.testing import postgres

ROOMS = (catalogue, commitment, emergency, forwarding, audit, events, tables)


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
    urls = [postgres.new_database() if on_postgres else f"sqlite:///{tmp_path}/{n}.sqlite3" for n in range(2)]
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
