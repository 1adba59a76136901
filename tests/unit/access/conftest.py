"""A fresh catalogue for each test, and the room on it with hashes that cost next to nothing."""

from collections.abc import Iterator

import pytest

from lamelle.access.room import Access
from lamelle.access.settings import AccessSettings
from lamelle.base.db import Database
from lamelle.testing.archives import SetClock
from lamelle.testing.people import CHEAP


@pytest.fixture
def db(catalogue_url: str) -> Iterator[Database]:
    opened = Database(catalogue_url)
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
