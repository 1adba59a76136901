"""A laboratory on one fresh catalogue a test."""

from collections.abc import Iterator

import pytest

from lamelle.base.db import Database
from lamelle.lab.room import Lab, LabSettings
from lamelle.testing.archives import SetClock


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def lab(catalogue_url: str, clock: SetClock) -> Iterator[Lab]:
    db = Database(catalogue_url)
    yield Lab(db, clock, LabSettings(worklist_limit=5))
    db.close()
