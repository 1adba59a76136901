"""When peers are told of a study, and how long it is tried."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.base import events
from lamelle.base.errors import Unavailable
from lamelle.base.ids import uid_from
from lamelle.base.jobs import Runner, job
from lamelle.doors.dimse import notifying
from lamelle.doors.dimse.node import Node
from lamelle.doors.dimse.settings import DimseSettings, Peer
from lamelle.lab.settings import LabSettings
from lamelle.ops import config, wiring
from lamelle.testing import archives, instances
from lamelle.testing.archives import SetClock

STUDY = uid_from("study", "1")
MANAGER = Peer("MANAGER", "127.0.0.1", 104, frozenset({"notify"}))
OTHERS = (Peer("SILENT", rights=frozenset({"notify"})), Peer("STORE", "127.0.0.1", 105, frozenset({"store"})))
SETTINGS = DimseSettings(peers=(MANAGER, *OTHERS))


class Peers:
    """What is told, and whether anybody listens."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.deaf = False

    def tell(self, node: Node, peer: Peer, study_uid: str) -> None:
        if self.deaf:
            raise Unavailable("peer_unreachable", "nobody there")
        self.told.append((peer.aet, study_uid))


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> Peers:
    made = Peers()
    monkeypatch.setattr(notifying, "tell", made.tell)
    return made


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def archive(tmp_path: Path, clock: SetClock, catalogue_url: str) -> Iterator[Archive]:
    opened = Archive.open(ArchiveSettings(tmp_path / "data", catalogue_url, reserve_bytes=0), clock)
    yield opened
    opened.close()


def work(archive: Archive, clock: SetClock) -> None:
    """Relay the news and run what is due."""
    settings = config.Settings(dimse=SETTINGS, lab=LabSettings(settle_s=30, notify_days=1))
    node = Node(archive, SETTINGS, settings.lab)
    handlers: dict[str, Any] = {
        notifying.SETTLE: partial(notifying.settle, node),
        notifying.NOTIFY: partial(notifying.notify, node),
    }
    events.relay(archive.db, wiring.subscriptions(settings), clock)
    Runner(archive.db, handlers, clock).run_pending()


def waiting(archive: Archive) -> list[str]:
    with archive.db.read() as conn:
        return list(conn.execute(sa.select(job.c.state).where(job.c.kind == notifying.NOTIFY)).scalars())


def store(archive: Archive, number: int) -> None:
    archives.stored(archive, [instances.instance("1", "1", number)])


def test_peers_that_listen_are_told_once_a_study_rests(archive: Archive, clock: SetClock, peers: Peers) -> None:
    store(archive, 1)
    work(archive, clock)
    clock.move(20)
    store(archive, 2)
    work(archive, clock)
    clock.move(20)
    work(archive, clock)
    assert peers.told == [], "20 s after the last instance"
    clock.move(10)
    work(archive, clock)
    assert peers.told == [("MANAGER", STUDY)]
    clock.move(100)
    work(archive, clock)
    assert peers.told == [("MANAGER", STUDY)], "told once"
    store(archive, 3)
    work(archive, clock)
    clock.move(30)
    work(archive, clock)
    assert peers.told == [("MANAGER", STUDY)] * 2


def test_a_peer_that_does_not_answer_is_tried_again(archive: Archive, clock: SetClock, peers: Peers) -> None:
    peers.deaf = True
    store(archive, 1)
    work(archive, clock)
    clock.move(30)
    for seconds in (0, 10, 20, 40, 80, 160, 320, 640, 1280, 2560):
        clock.move(seconds)
        work(archive, clock)
        assert waiting(archive) == ["todo"]
    peers.deaf = False
    work(archive, clock)
    assert peers.told == [], "the next attempt is in an hour"
    clock.move(3600)
    work(archive, clock)
    assert peers.told == [("MANAGER", STUDY)]
    assert waiting(archive) == []


def test_in_the_end_it_lies_with_the_dead(archive: Archive, clock: SetClock, peers: Peers) -> None:
    peers.deaf = True
    store(archive, 1)
    work(archive, clock)
    clock.move(30)
    for _ in range(40):
        work(archive, clock)
        clock.move(3600)
    assert waiting(archive) == ["dead"]


def test_nobody_waits_when_nobody_listens() -> None:
    for settings in (config.Settings(), config.Settings(dimse=DimseSettings(peers=OTHERS))):
        followed = wiring.subscriptions(settings)["InstanceStored"]
        assert notifying.SETTLE not in [follow.kind for follow in followed if isinstance(follow, events.Follow)]
