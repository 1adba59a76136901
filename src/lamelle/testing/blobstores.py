"""What every BlobStore must do. Subclass it in a test module and give a `store` fixture."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamelle.archive.blobs import BlobStore, Spool
from lamelle.base.errors import NotFound

KEY = "instances/ab/cd/abcd.dcm"


class BlobStoreContract:
    """The contract as tests."""

    @pytest.fixture
    def filled(self, store: BlobStore) -> Iterator[Spool]:
        with store.spool() as spool:
            spool.write(b"0123456789")
            yield spool

    def test_placed_bytes_come_back(self, store: BlobStore, filled: Spool) -> None:
        assert store.place([(filled, KEY)]) == [True]
        assert store.read(KEY) == b"0123456789"
        found = store.stat(KEY)
        assert found is not None and (found.key, found.size) == (KEY, 10)
        assert found.modified.tzinfo is not None

    def test_placing_never_overwrites(self, store: BlobStore, filled: Spool) -> None:
        assert store.put(KEY, b"first")
        assert store.place([(filled, KEY)]) == [False]
        assert not store.put(KEY, b"second")
        assert store.read(KEY) == b"first"

    def test_holds_tells_whose_bytes_they_are(self, store: BlobStore, filled: Spool) -> None:
        assert not store.holds(filled, KEY)
        store.place([(filled, KEY)])
        assert store.holds(filled, KEY)
        store.put(KEY, b"other", overwrite=True)
        assert not store.holds(filled, KEY)
        store.replace(filled, KEY)
        assert store.holds(filled, KEY) and store.read(KEY) == b"0123456789"

    def test_a_placed_blob_outlives_its_spool(self, store: BlobStore) -> None:
        with store.spool() as spool:
            spool.write(b"x" * 1000)
            store.place([(spool, KEY)])
        assert not spool.path.exists()
        assert store.read(KEY) == b"x" * 1000

    def test_ranges(self, store: BlobStore, filled: Spool) -> None:
        store.place([(filled, KEY)])
        reader = store.open(KEY)
        assert reader.size == 10
        for start, length, data in ((0, 10, b"0123456789"), (3, 2, b"34"), (8, 5, b"89"), (10, 1, b""), (0, 0, b"")):
            assert reader.read_at(start, length) == data
            assert reader.read_now(start, length) in ((None, data) if len(data) == length else (None,))
        reader.close()

    def test_readers_share_a_blob(self, store: BlobStore, filled: Spool) -> None:
        store.place([(filled, KEY)])
        reader, wrong = store.open(KEY), []

        def read(at: int) -> None:
            for _ in range(20):
                if reader.read_at(at, 1) != b"0123456789"[at : at + 1]:
                    wrong.append(at)

        threads = [threading.Thread(target=read, args=(at,)) for at in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        reader.close()
        assert wrong == []

    def test_nothing_there(self, store: BlobStore) -> None:
        assert store.stat(KEY) is None and not store.delete(KEY)
        with pytest.raises(NotFound):
            store.open(KEY)
        with pytest.raises(NotFound):
            store.read(KEY)

    def test_deleted_is_away(self, store: BlobStore) -> None:
        store.put(KEY, b"x")
        assert store.delete(KEY) and not store.delete(KEY)
        assert store.stat(KEY) is None

    def test_listing(self, store: BlobStore, filled: Spool) -> None:
        keys = {"a/1", "a/12", "a/b/3", "ab/4", "c"}
        for key in keys:
            store.put(key, key.encode())
        assert {blob.key for blob in store.list()} == keys, "spools are not listed"
        assert {blob.key for blob in store.list("a/")} == {"a/1", "a/12", "a/b/3"}
        assert {blob.key for blob in store.list("a/1")} == {"a/1", "a/12"}
        assert {blob.size for blob in store.list("c")} == {1}
        assert list(store.list("none/")) == []

    def test_large_blobs(self, store: BlobStore) -> None:
        data = bytes(range(256)) * (80 << 10)
        with store.spool() as spool:
            for at in range(0, len(data), 1 << 20):
                spool.write(data[at : at + (1 << 20)])
            store.place([(spool, KEY)])
        reader = store.open(KEY)
        assert reader.size == len(data) and reader.read_at(len(data) - 300, 300) == data[-300:]
        reader.close()

    def test_a_dropped_spool_leaves_nothing(self, store: BlobStore, tmp_path: Path) -> None:
        spool = store.spool()
        spool.write(b"x")
        spool.drop()
        spool.drop()
        assert not spool.path.exists() and list(store.list()) == []
