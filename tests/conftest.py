"""What every test may ask for."""

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import structlog

from lamelle.testing import archives, postgres

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared" / "data"

hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Commands configure the logs of their process; the next test gets them as if none had run."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level
    logging.captureWarnings(False)
    structlog.reset_defaults()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real test files that stands beside a developer's checkout; never part of the project."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared/data beside the checkout")
    return SHARED


@pytest.fixture
def catalogue_url(tmp_path: Path) -> str:
    """The URL of an empty database, migrated: SQLite, or PostgreSQL when TEST_CATALOGUE says so."""
    if os.environ.get("TEST_CATALOGUE") == "postgresql":
        return postgres.new_database()
    return archives.catalogue(tmp_path)
