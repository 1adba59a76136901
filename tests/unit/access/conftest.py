"""A fresh catalogue for each test."""

from collections.abc import Iterator

import pytest

from lamelle.base.db import Database


@pytest.fixture
def db(catalogue_url: str) -> Iterator[Database]:
    opened = Database(catalogue_url)
    opened.migrate()
    yield opened
    opened.close()
