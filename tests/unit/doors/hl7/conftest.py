"""The HL7 door on a fresh catalogue, with peers that speak each dialect."""

from collections.abc import Iterator

import pytest

from lamelle.base.db import Database
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
def exchange(catalogue_url: str, clock: SetClock) -> Iterator[Exchange]:
    db = Database(catalogue_url)
    yield Exchange(Lab(db, clock, LabSettings()), Hl7Settings(peers=(LIS, OLD)), "https://lamelle.example/")
    db.close()
