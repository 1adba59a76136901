"""What was acknowledged survives kills and failing disks, through the real doors of a real node.

bench/crash.py kills more often; tests/integration/archive/test_power_cut.py cuts the power.
"""

import errno
import random
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from lamelle.archive import reconcile
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.testing.client import Client
from lamelle.testing.crash import shim
from lamelle.testing.crash.kills import QUICK, Killer
from lamelle.testing.crash.load import Load, Maker, Sent, digest_of
from lamelle.testing.crash.shim import Kind, Orders
from lamelle.testing.node import Node

KILLS = 50
MINUTES = 4.0
"""A machine too busy for so many kills in this time is told, and proves less."""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_fifty_kills_lose_nothing(tmp_path: Path) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")
    report = Killer(tmp_path, seed, whole=0.06).run(KILLS, stow=2, dimse=1, minutes=MINUTES)
    print(report)
    assert report.wrong == []
    assert report.acknowledged > 100
    if report.count < KILLS:
        pytest.skip(f"only {report.count} kills in {MINUTES} minutes on this machine; none lost anything")


@dataclass
class Watched:
    """A node whose disk does as it is told."""

    node: Node
    orders: Orders
    load: Load
    maker: Maker
    numbers: Iterator[int]

    def made(self, *, large: bool = False, says: int = 0) -> Sent:
        return self.maker.make(5, next(self.numbers), says, large=large)

    def stow(self, *sent: Sent) -> int:
        with Client(self.node.url) as client:
            return client.store(*(one.data for one in sent)).status

    def dimse(self, sent: Sent) -> str:
        """What C-STORE answers: kept, conflict, or the status."""
        return self.load.store(sent)

    def fetched(self, sent: Sent) -> str | None:
        """The digest of what comes back, None when nothing does."""
        with Client(self.node.url) as client:
            answer = client.instance(sent.study, sent.series, sent.uid)
        return digest_of(answer.body) if answer.status == 200 else None


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    if shim.compiler() is None:
        pytest.skip("no C compiler to build the shim between the node and its disk: apt-get install gcc")
    work = tmp_path_factory.mktemp("watched")
    orders = Orders(work / "orders")
    environment = QUICK | orders.environment(shim.build(work), work / "data")
    with Node(work / "data", workers=1, dimse=True, environment=environment) as node:
        load = Load(lambda: (node.url, node.dimse_port), 1)
        yield Watched(node, orders, load, Maker(), iter(range(1000, 2000)))
    orders.close()


FULL = [Kind.WRITE_SPOOL, Kind.LINK, Kind.WRITE_LOG]
SYNCS = [Kind.SYNC_SPOOL, Kind.SYNC_ALL], [Kind.SYNC_FOLDER, Kind.SYNC_ALL], [Kind.SYNC_LOG]
TROUBLES = [
    *(pytest.param([kind], errno.ENOSPC, 507, id=f"full-{kind.name.lower()}") for kind in FULL),
    *(pytest.param(kinds, errno.EIO, 503, id=f"failing-{kinds[0].name.lower()}") for kinds in SYNCS),
    pytest.param([Kind.WRITE_SPOOL], errno.EIO, 503, id="failing-write_spool"),
]


@pytest.mark.parametrize(("kinds", "number", "status"), TROUBLES)
def test_a_full_or_failing_disk_refuses_and_recovers(
    watched: Watched, kinds: list[Kind], number: int, status: int
) -> None:
    before, first, second, third = watched.made(), watched.made(), watched.made(large=True), watched.made()
    assert watched.stow(before) == 200
    watched.orders.fail(kinds, number)
    try:
        assert watched.stow(first) == status
        assert watched.stow(*[first] * 4) == status, "also where all is synced at once"
        assert watched.dimse(second) == "A700"
        assert watched.dimse(third) == "A700"
        assert watched.fetched(before) == before.digest, "what is kept is served meanwhile"
        assert watched.fetched(first) is None
    finally:
        watched.orders.forget()
    assert watched.orders.failed > 0
    assert watched.stow(first) == 200
    assert watched.dimse(second) == watched.dimse(third) == "kept"
    assert [watched.fetched(sent) for sent in (before, first, second, third)] == [
        sent.digest for sent in (before, first, second, third)
    ]


def test_after_one_failed_sync_the_same_bytes_are_not_filed_by_a_second_try(watched: Watched) -> None:
    sent = watched.made()
    watched.orders.fail([Kind.SYNC_SPOOL, Kind.SYNC_ALL], times=1)
    assert watched.stow(sent) == 503
    assert watched.fetched(sent) is None
    assert watched.stow(sent) == 200 and watched.fetched(sent) == sent.digest


def test_the_same_instance_through_two_doors_at_once_is_stored_once(watched: Watched) -> None:
    for _ in range(10):
        sent = watched.made()
        doors: list[Callable[[], int | str]] = [partial(watched.stow, sent), partial(watched.dimse, sent)]
        said = _at_once(*doors * 2)
        assert said == [200, "kept", 200, "kept"]
        assert watched.fetched(sent) == sent.digest


def test_other_bytes_at_once_through_two_doors_leave_one_and_keep_the_other_aside(watched: Watched) -> None:
    for _ in range(10):
        number = next(watched.numbers)
        one, other = (watched.maker.make(6, number, says) for says in (1, 2))
        said = _at_once(partial(watched.stow, one), partial(watched.dimse, other))
        assert said in ([200, "conflict"], [409, "kept"])
        winner, loser = (one, other) if said[0] == 200 else (other, one)
        assert watched.fetched(winner) == winner.digest
        asides = list((watched.node.data_dir / "blobs/aside").glob("*.dcm"))
        assert loser.digest in {digest_of(path.read_bytes()) for path in asides}
    archive = Archive.open(ArchiveSettings(watched.node.data_dir, reserve_bytes=0))
    report = reconcile.verify(archive.db, archive.blobs)
    archive.close()
    assert report.sound and report.orphaned == []


def _at_once(*works: Callable[[], int | str]) -> list[int | str]:
    with ThreadPoolExecutor(len(works)) as pool:
        return [started.result() for started in [pool.submit(work) for work in works]]


def test_a_small_disk_that_is_really_full(tmp_path: Path) -> None:
    """A file system of 24 MB: it refuses when full, serves what it has, and takes in again when there is room."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system can be mounted by root only")
    try:
        _fill(folder)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def _fill(folder: Path) -> None:
    ballast = folder / "ballast"
    ballast.write_bytes(bytes(8 << 20))
    maker = Maker()
    kept: list[Sent] = []
    refused: list[Sent] = []
    with Node(folder / "data", workers=1, dimse=True, environment=QUICK) as node:
        load = Load(lambda: (node.url, node.dimse_port), 1)
        for number in range(12):
            sent = maker.make(7, number, large=True)
            if number % 2:
                said = load.store(sent)
                (kept if said == "kept" else refused).append(sent)
                assert said in ("kept", "A700")
            else:
                with Client(node.url) as client:
                    status = client.store(sent.data).status
                (kept if status == 200 else refused).append(sent)
                assert status in (200, 507)
        assert kept and refused
        ballast.unlink()
        with Client(node.url) as client:
            assert client.store(refused[0].data).status == 200
            for sent in [*kept, refused[0]]:
                assert digest_of(client.instance(sent.study, sent.series, sent.uid).body) == sent.digest
    archive = Archive.open(ArchiveSettings(folder / "data", reserve_bytes=0))
    report = reconcile.verify(archive.db, archive.blobs)
    archive.close()
    assert report.sound and report.instances == len(kept) + 1
