"""A fresh catalogue for each test, and the room on it with hashes that cost next to nothing."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamelle.access.room import Access
from lamelle.access.settings import AccessSettings
from lamelle.base.db import Database
from lamelle.testing.archives import SetClock
from lamelle.testing.people import CHEAP


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue made once, to be copied."""
    path = tmp_path_factory.mktemp("migrated") / "catalogue.sqlite3"
    opened = Database(f"sqlite:///{path}")
    opened.migrate()
    opened.close()
    return path


@pytest.fixture
def db(catalogue_url: str, migrated: Path) -> Iterator[Database]:
    opened = Database(catalogue_url)
    if opened.dialect == "sqlite":
        shutil.copy(migrated, str(opened.url.database))
    opened.migrate()
    yield opened
    opened.close()


@pytest.fixture
def settings() -> AccessSettings:
    return CHEAP


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def access(db: Database, clock: SetClock, settings: AccessSettings) -> Access:
    return Access.open(db, clock, settings)
