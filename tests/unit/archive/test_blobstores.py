"""The contract of blob stores on a folder and on obstore's memory, and what only a folder can show."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from errno import EIO, ENOSPC
from pathlib import Path
from typing import Any

import pytest
from obstore.store import MemoryStore

from lamelle.archive import disk
from lamelle.archive import spool as spool_module
from lamelle.archive.blobs import BlobStore, Spool
from lamelle.archive.blobstores import connect
from lamelle.archive.blobstores.files import FileStore
from lamelle.archive.blobstores.s3 import ObjectBlobs
from lamelle.archive.settings import ArchiveSettings
from lamelle.base.errors import Invalid, Unavailable
from lamelle.testing.blobstores import KEY, BlobStoreContract


class TestFiles(BlobStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[BlobStore]:
        made = FileStore(tmp_path / "blobs")
        yield made
        made.close()


class TestObjects(BlobStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[BlobStore]:
        made = ObjectBlobs(MemoryStore(), tmp_path / "spool")
        yield made
        made.close()


@pytest.fixture
def files(tmp_path: Path) -> Iterator[FileStore]:
    made = FileStore(tmp_path / "blobs")
    yield made
    made.close()


@pytest.mark.parametrize("key", ["", "/etc/x", "../x", "a/../../x", "spool/x"])
def test_keys_stay_inside(files: FileStore, key: str) -> None:
    with pytest.raises(Invalid):
        files.put(key, b"x")


@pytest.mark.parametrize(("number", "code"), [(ENOSPC, "storage_full"), (EIO, "storage_failed")])
@pytest.mark.parametrize("call", ["write", "fdatasync", "link", "fsync"])
def test_a_failing_disk_is_unavailable_and_leaves_no_spool(
    files: FileStore, monkeypatch: pytest.MonkeyPatch, call: str, number: int, code: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, "boom /secret/path")

    with pytest.raises(Unavailable) as caught, files.spool() as spool:
        if call != "write":
            spool.write(b"x")
        monkeypatch.setattr(os, call, fail)
        spool.write(b"x")
        files.place([(spool, KEY)])
    monkeypatch.undo()
    assert caught.value.code == code and "secret" not in caught.value.message
    assert not spool.path.exists()


def test_every_new_folder_is_synced(files: FileStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    synced: list[str] = []
    real = os.fsync

    def note(fd: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{fd}").readlink().relative_to(tmp_path)))
        real(fd)

    monkeypatch.setattr(os, "fsync", note)
    files.put("a/b/c", b"x")
    assert set(synced) == {"blobs", "blobs/a", "blobs/a/b"}
    synced.clear()
    files.put("a/b/d", b"x")
    assert synced == ["blobs/a/b"]


def test_a_folder_another_process_made_is_not_trusted_to_be_synced(
    files: FileStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "blobs/a/b").mkdir(parents=True)
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    files.put("a/b/c", b"x")
    assert len(synced) == 3


def test_spools_of_the_dead_are_reaped_and_of_the_living_kept(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from lamelle.archive.blobstores.files import FileStore\n"
        "spool = FileStore(Path(sys.argv[1])).spool(); spool.write(b'half'); os._exit(9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, env={**os.environ})
    assert done.returncode == 9
    living, other = FileStore(tmp_path), FileStore(tmp_path)
    spool = living.spool()
    spool.write(b"mine")
    assert other.reap() == 1
    assert spool.path.exists() and other.reap() == 0
    living.place([(spool, KEY)])
    assert other.read(KEY) == b"mine"


def test_the_address_chooses_the_store(tmp_path: Path) -> None:
    assert isinstance(connect(ArchiveSettings(tmp_path)), FileStore)
    s3 = ArchiveSettings(tmp_path, blob_url="s3://bucket/prefix", s3_access_key="a", s3_secret_key="b")
    assert isinstance(connect(s3), ObjectBlobs)
    with pytest.raises(Invalid):
        connect(ArchiveSettings(tmp_path, blob_url="ftp://x"))


class Calls:
    """Notes in which order a folder's disk is used."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, failing: int = 0, foreign: int = 0) -> None:
        self.made: list[str] = []
        self.first: list[int] = []
        self._failing = failing
        for name in ("fdatasync", "link", "fsync"):
            monkeypatch.setattr(os, name, self._noting(name, getattr(os, name)))
        monkeypatch.setattr(disk, "sync_whole", self._sync_whole)
        monkeypatch.setattr(disk, "unwritten", lambda: foreign)

    def _noting(self, name: str, real: Callable[..., None]) -> Callable[..., None]:
        def noting(*args: Any) -> None:
            self.made.append(name)
            real(*args)

        return noting

    def _sync_whole(self, fd: int) -> bool:
        self.made.append("syncfs")
        self.first.append(fd)
        return self.made.count("syncfs") != self._failing


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FileStore]:
    """A folder on a file system that is synced as a whole."""
    monkeypatch.setattr(disk, "syncs_whole", lambda _: True)
    made = FileStore(tmp_path / "blobs")
    yield made
    made.close()


def place_many(store: FileStore, count: int = 5) -> list[Spool]:
    spools = [store.spool() for _ in range(count)]
    for spool in spools:
        spool.write(b"x")
    assert store.place([(spool, f"a/{at}/b") for at, spool in enumerate(spools)][::-1]) == [True] * count
    for spool in spools:
        spool.drop()
    return spools


def test_many_files_are_durable_by_two_calls_around_their_naming(
    whole: FileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = Calls(monkeypatch)
    place_many(whole)
    assert calls.made == ["syncfs", *["link"] * 5, "syncfs"]
    calls.made.clear()
    whole.put("a/1/c", b"x")
    assert calls.made == ["fdatasync", "link", "fsync"], "one file alone, and its folders are sure"


def test_failures_are_asked_of_the_file_opened_first(whole: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Calls(monkeypatch)
    spools = [whole.spool() for _ in range(4)]
    whole.place([(spool, f"k/{at}") for at, spool in enumerate(spools)][::-1])
    assert calls.first == [spools[0].fileno()] * 2


@pytest.mark.parametrize(
    ("failing", "foreign", "order"),
    [
        (1, 0, ["syncfs", "fdatasync", "link", "fsync"]),
        (2, 0, ["syncfs", "link", "syncfs", "fsync"]),
        (0, 1 << 40, ["fdatasync", "link", "fsync"]),
    ],
)
def test_each_file_is_synced_when_all_at_once_failed_or_would_wait_for_others(
    whole: FileStore, monkeypatch: pytest.MonkeyPatch, failing: int, foreign: int, order: list[str]
) -> None:
    calls = Calls(monkeypatch, failing=failing, foreign=foreign)
    place_many(whole)
    assert list(dict.fromkeys(calls.made)) == list(dict.fromkeys(order))
    assert calls.made.count("syncfs") == order.count("syncfs")
    for call in set(order) - {"syncfs"}:
        assert calls.made.count(call) >= 5


def test_the_whole_file_system_is_trusted_only_where_that_is_known(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    system = os.uname()
    old = os.uname_result((system[0], system[1], "5.7.19-x", system[3], system[4]))
    monkeypatch.setattr(os, "uname", lambda: old)
    assert not disk.syncs_whole(tmp_path), "failures are not told"
    monkeypatch.undo()
    assert not disk.syncs_whole(Path("/proc")), "no such file system"
    with (tmp_path / "x").open("wb") as file:
        file.write(b"x")
        file.flush()
        assert disk.sync_whole(file.fileno())
    assert not disk.sync_whole(-1)
    assert disk.unwritten() >= 0


def test_writing_begins_while_more_is_received(files: FileStore, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[tuple[int, int]] = []
    real = disk.begin_writing

    def note(fd: int, start: int, length: int) -> None:
        begun.append((start, length))
        real(fd, start, length)

    monkeypatch.setattr(disk, "begin_writing", note)
    monkeypatch.setattr(spool_module, "WRITE_OUT", 1000)
    with files.spool() as spool:
        for _ in range(5):
            spool.write(b"x" * 600)
        spool.begin_writing()
        spool.begin_writing()
    assert begun == [(0, 1200), (1200, 1200), (2400, 600)]
