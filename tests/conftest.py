"""What every test may ask for."""

import os
from pathlib import Path

import pytest

from lamelle.testing import postgres

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real test files that stands beside a developer's checkout; never part of the project."""
    if not SHARED.is_dir():
        pytest.skip("no ../shared/data beside the checkout")
    return SHARED


@pytest.fixture
def catalogue_url(tmp_path: Path) -> str:
    """The URL of an empty database: SQLite, or PostgreSQL when TEST_CATALOGUE says so."""
    if os.environ.get("TEST_CATALOGUE") == "postgresql":
        return postgres.new_database()
    return f"sqlite:///{tmp_path / 'catalogue.sqlite3'}"
