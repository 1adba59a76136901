"""An empty catalogue, an audit folder and its key."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamelle.audit import keys
from lamelle.audit.keys import Key
from lamelle.base.db import Database
from lamelle.testing.archives import SetClock


@pytest.fixture
def db(catalogue_url: str) -> Iterator[Database]:
    opened = Database(catalogue_url)
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
