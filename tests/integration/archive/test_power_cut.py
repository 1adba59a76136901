"""The power cut at any moment: what was acknowledged is there and whole, and so is everything the catalogue shows.

The disk is made again from what the archive did to it, without what it did not sync (lamelle.testing.crash).
"""

import random
from pathlib import Path

import pytest

from lamelle.testing.crash import power, shim
from lamelle.testing.crash.journal import Disk, Op, Record
from lamelle.testing.crash.shim import Kind

CUTS = 12


@pytest.fixture(autouse=True)
def compiler() -> None:
    if shim.compiler() is None:
        pytest.skip("no C compiler to build the shim between the archive and its disk: apt-get install gcc")


@pytest.mark.parametrize(("way", "seed"), [("each", 1), ("whole", 2)])
def test_nothing_acknowledged_is_lost(tmp_path: Path, way: str, seed: int) -> None:
    """Whether each file is synced by itself or the file system as a whole; a rebuild then loses nothing either."""
    records = power.written_down(tmp_path, seed, [way])
    print(f"{way}: seed {seed}, {len(records)} calls, {CUTS} cuts")
    assert sum(record.op is Op.NOTE for record in records) > 50
    assert list(power.losses(records, CUTS, random.Random(seed))) == []


SYNCS = (Kind.SYNC_SPOOL, Kind.SYNC_FOLDER, Kind.SYNC_ALL, Kind.SYNC_LOG, Kind.SYNC_DATABASE)


@pytest.mark.parametrize("way", ["each", "whole"])
def test_nothing_is_lost_when_syncs_fail_and_then_the_power(tmp_path: Path, way: str) -> None:
    """What could not be synced never reaches the disk, though a later sync of it says all is well."""
    records = power.written_down(tmp_path, 3, [way], failing=SYNCS)
    assert any(record.op is Op.SYNC_FAILED for record in records)
    assert list(power.losses(records, CUTS, random.Random(3))) == []


def test_bytes_trusted_after_a_failed_sync_are_noticed(tmp_path: Path) -> None:
    records = power.written_down(tmp_path, 1, ["each", "failures-forgotten"], failing=[Kind.SYNC_SPOOL])
    assert next(power.losses(records, 400, random.Random(1)), None) is not None  # which cuts lose one is chance


@pytest.mark.parametrize(
    "breaks",
    [
        ["each", "bytes-not-synced"],
        ["each", "folders-not-synced"],
        ["each", "named-before-synced"],
        ["each", "answered-before-committed"],
        ["each", "catalogue-not-synced"],
        ["whole-pretended"],
    ],
    ids=lambda breaks: breaks[-1],
)
def test_a_promise_taken_away_is_noticed(tmp_path: Path, breaks: list[str]) -> None:
    records = power.written_down(tmp_path, 1, breaks)
    assert next(power.losses(records, 400, random.Random(1)), None) is not None  # which cuts lose one is chance


def replayed(*records: Record) -> Disk:
    disk = Disk()
    for record in records:
        disk.take(record)
    return disk


def record(op: Op, path: str = "", second: bytes = b"", inode: int = 0, at: int = 0) -> Record:
    return Record(op, inode, at, path, second)


def test_a_synced_file_has_no_name_before_its_folder_is_synced() -> None:
    written = [record(Op.CREATE, "/a", inode=1), record(Op.WRITTEN, second=b"xyz", inode=1)]
    assert replayed(*written, record(Op.SYNCED, inode=1)).cut() == {"": None}
    assert replayed(*written, record(Op.FOLDER_SYNCED)).cut() == {"": None, "/a": b""}
    assert replayed(*written, record(Op.SYNCED, inode=1), record(Op.FOLDER_SYNCED)).cut() == {"": None, "/a": b"xyz"}


def test_what_stands_in_a_lost_folder_is_lost() -> None:
    made = [record(Op.MADE, "/d"), record(Op.CREATE, "/d/a", inode=1), record(Op.FOLDER_SYNCED, "/d")]
    assert replayed(*made).cut() == {"": None}
    assert replayed(*made, record(Op.FOLDER_SYNCED)).cut() == {"": None, "/d": None, "/d/a": b""}


def test_bytes_whose_sync_failed_are_gone_whatever_is_synced_later() -> None:
    calls = [record(Op.CREATE, "/a", inode=1), record(Op.WRITTEN, second=b"x", inode=1)]
    calls += [record(Op.SYNC_FAILED, inode=1), record(Op.SYNCED, inode=1), record(Op.FOLDER_SYNCED)]
    assert replayed(*calls).cut()["/a"] == b""


def test_a_rename_is_one_step() -> None:
    calls = [record(Op.CREATE, "/a", inode=1), record(Op.FOLDER_SYNCED), record(Op.RENAMED, "/a", b"/b")]
    for seed in range(20):
        left = set(replayed(*calls).cut(random.Random(seed), 0.5)) - {""}
        assert left in ({"/a"}, {"/b"})
