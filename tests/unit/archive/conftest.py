"""One fresh archive a test, on files and SQLite, or PostgreSQL when TEST_CATALOGUE says so."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.testing.archives import SetClock


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def settings(tmp_path: Path, catalogue_url: str) -> ArchiveSettings:
    return ArchiveSettings(tmp_path / "data", catalogue_url, reserve_bytes=0)


@pytest.fixture
def archive(settings: ArchiveSettings, clock: SetClock) -> Iterator[Archive]:
    opened = Archive.open(settings, clock)
    yield opened
    opened.close()
