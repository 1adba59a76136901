"""The contract of blob stores on a folder and on obstore's memory, and what only a folder can show."""

import os
import subprocess
import sys
from collections.abc import Iterator
from errno import EIO, ENOSPC
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from lamelle.archive.blobs import BlobStore
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
