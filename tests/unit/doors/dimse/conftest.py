"""Two archives on one network: LAMELLE, and OTHER that it knows."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

from lamelle.archive.settings import ArchiveSettings, ForwardRule
from lamelle.archive.store import Archive
from lamelle.doors.dimse import association
from lamelle.doors.dimse.node import Node
from lamelle.doors.dimse.settings import DimseSettings, Peer, Right
from lamelle.testing.archives import SetClock, catalogue
from lamelle.testing.associations import Network

SETTINGS = DimseSettings(acse_timeout_s=10, idle_timeout_s=10, network_timeout_s=10, find_limit=5)
ALL = frozenset(get_args(Right))
LAMELLE, OTHER = Peer("LAMELLE", "127.0.0.1", 1, ALL), Peer("OTHER", "127.0.0.1", 2, ALL)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Iterator[Network]:
    made = Network()
    monkeypatch.setattr(association, "connect", made.connect)
    yield made
    made.close()


@pytest.fixture
def make(tmp_path: Path, clock: SetClock, network: Network) -> Iterator[Callable[..., Node]]:
    """Makes nodes that know each other, and puts them on the network."""
    archives: list[Archive] = []

    def made(aet: str, *rules: ForwardRule) -> Node:
        settings = ArchiveSettings(tmp_path / aet, catalogue(tmp_path / aet), reserve_bytes=0, forward=rules)
        archives.append(Archive.open(settings, clock))
        return network.join(Node(archives[-1], replace(SETTINGS, aet=aet, peers=(LAMELLE, OTHER))))

    yield made
    for archive in archives:
        archive.close()


@pytest.fixture
def node(make: Callable[..., Node]) -> Node:
    return make("LAMELLE")


@pytest.fixture
def other(make: Callable[..., Node]) -> Node:
    return make("OTHER")
