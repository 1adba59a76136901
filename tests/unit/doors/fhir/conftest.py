"""The door on a laboratory of one case, asked as anybody who may do everything."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette

from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.audit.model import Entry
from lamelle.doors.fhir import routes
from lamelle.doors.fhir.settings import FhirSettings
from lamelle.lab.room import Lab, LabSettings
from lamelle.testing import biopsy, browser
from lamelle.testing.archives import SetClock
from lamelle.testing.browser import Client
from lamelle.testing.guarded import open_to_all

SETTINGS = FhirSettings(systems={"DIAMIC": "http://diamic.example/ids"})


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The laboratory's folder, filled once; each test has a copy."""
    folder = tmp_path_factory.mktemp("laboratory") / "data"
    archive = Archive.open(ArchiveSettings(folder), clock=SetClock(biopsy.NOW))
    biopsy.fill(Lab(archive.db, archive.clock, LabSettings()), archive)
    archive.close()
    return folder


@pytest.fixture
def archive(tmp_path: Path, filled: Path) -> Iterator[Archive]:
    shutil.copytree(filled, tmp_path / "data")
    made = Archive.open(ArchiveSettings(tmp_path / "data"), clock=SetClock(biopsy.NOW))
    yield made
    made.close()


@pytest.fixture
def lab(archive: Archive) -> Lab:
    return Lab(archive.db, archive.clock, LabSettings())


@pytest.fixture
def told() -> list[Entry]:
    """What the ledger was told."""
    return []


@pytest.fixture
def client(archive: Archive, lab: Lab, told: list[Entry]) -> Client:
    app = Starlette(routes=routes.mounted(archive, lab, SETTINGS))
    return browser.client(open_to_all(app, told))


@pytest.fixture
def found(client: Client) -> Any:
    """The resources that a search finds, those included apart."""

    def ask(target: str, mode: str = "match") -> list[dict[str, Any]]:
        answer = client(f"/fhir/{target}")
        assert answer.status_code == 200, answer.text
        return [one["resource"] for one in answer.json().get("entry", []) if one["search"]["mode"] == mode]

    return ask
