"""An empty catalogue, an audit folder and its key."""

import os
from collections.abc import Iterator
from pathlib import Path
from shutil import copy2

import pytest
import sqlalchemy as sa

from lamelle.audit import keys, tables
from lamelle.audit.keys import Key
from lamelle.base.db import Database
from lamelle.testing import postgres
from lamelle.testing.archives import SetClock


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A catalogue made once: of SQLite a file to copy, of PostgreSQL a database to empty."""
    path = tmp_path_factory.mktemp("migrated") / "catalogue.sqlite3"
    on_postgres = os.environ.get("TEST_CATALOGUE") == "postgresql"
    made = Database(postgres.new_database() if on_postgres else f"sqlite:///{path}")
    made.migrate()
    made.close()
    return made.url.render_as_string(hide_password=False)


@pytest.fixture
def db(tmp_path: Path, migrated: str) -> Iterator[Database]:
    opened = Database(migrated)
    if opened.dialect == "sqlite":
        opened.close()
        copy2(str(opened.url.database), tmp_path / "catalogue.sqlite3")
        opened = Database(f"sqlite:///{tmp_path / 'catalogue.sqlite3'}")
    else:
        with opened.write() as conn:
            for table in (tables.ledger, tables.pending, tables.taken, tables.checkpoint, tables.sent):
                conn.execute(sa.delete(table))
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "audit"


@pytest.fixture
def key(folder: Path) -> Key:
    return keys.load(folder / "key.pem")


@pytest.fixture
def clock() -> SetClock:
    return SetClock()
