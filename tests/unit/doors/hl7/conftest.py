"""The HL7 door on a fresh catalogue, with peers that speak each dialect."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.doors.hl7.room import Exchange
from lamelle.doors.hl7.settings import Hl7Settings, Peer
from lamelle.lab.room import Lab, LabSettings
from lamelle.testing.archives import SetClock

LIS = Peer("LIS", application="DIAMIC")
OLD = Peer("OLD", dialect="orm", application="OLD")


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def exchange(tmp_path: Path, catalogue_url: str, clock: SetClock) -> Iterator[Exchange]:
    archive = Archive.open(ArchiveSettings(tmp_path / "data", catalogue_url, reserve_bytes=0), clock)
    settings = Hl7Settings(peers=(LIS, OLD))
    yield Exchange(Lab(archive.db, clock, LabSettings()), archive, settings, "https://lamelle.example/")
    archive.close()
