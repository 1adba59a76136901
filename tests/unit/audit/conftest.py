"""An empty catalogue, an audit folder and its key."""

from collections.abc import Iterator
from pathlib import Path
from shutil import copy2

import pytest

from lamelle.audit import keys
from lamelle.audit.keys import Key
from lamelle.base.db import Database
from lamelle.testing.archives import SetClock


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite catalogue, made once and copied."""
    path = tmp_path_factory.mktemp("migrated") / "catalogue.sqlite3"
    made = Database(f"sqlite:///{path}")
    made.migrate()
    made.close()
    return path


@pytest.fixture
def db(catalogue_url: str, migrated: Path) -> Iterator[Database]:
    opened = Database(catalogue_url)
    if opened.dialect == "sqlite":
        copy2(migrated, str(opened.url.database))
    opened.migrate()
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
