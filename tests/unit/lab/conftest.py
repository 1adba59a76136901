"""A laboratory on one fresh catalogue a test."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamelle.base.db import Database
from lamelle.lab.room import Lab, LabSettings
from lamelle.testing.archives import SetClock


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty catalogue, migrated once: a copy takes a tenth of the time."""
    path = tmp_path_factory.mktemp("migrated") / "catalogue.sqlite3"
    db = Database(f"sqlite:///{path}")
    db.migrate()
    db.close()
    return path


@pytest.fixture
def lab(catalogue_url: str, clock: SetClock, migrated: Path) -> Iterator[Lab]:
    db = Database(catalogue_url)
    if db.dialect == "sqlite":
        shutil.copy(migrated, str(db.url.database))
    db.migrate()
    yield Lab(db, clock, LabSettings(worklist_limit=5))
    db.close()
