"""The blob store contract, and a whole archive, on a real S3 server."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamelle.access.model import WHOLE
from lamelle.archive import lifecycle
from lamelle.archive.blobs import BlobStore
from lamelle.archive.blobstores import s3
from lamelle.archive.reconcile import catalogue_fingerprint, rebuild, verify
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.testing import swift
from lamelle.testing.archives import SetClock, store, stored
from lamelle.testing.blobstores import BlobStoreContract
from lamelle.testing.instances import dataset, instance, slide

CACHE = Path(os.environ.get("LAMELLE_TEST_CACHE") or Path(__file__).parents[3] / ".cache")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[swift.Server]:
    binaries = swift.installed(CACHE)
    if binaries is None:
        pytest.skip("OpenStack Swift can't be installed here")
    with swift.running(binaries, tmp_path_factory.mktemp("swift")) as running:
        yield running


@pytest.fixture
def bucket(server: swift.Server) -> str:
    name = f"b{uuid.uuid4().hex[:20]}"
    swift.make_bucket(server, name)
    return name


class TestS3(BlobStoreContract):
    @pytest.fixture
    def store(self, server: swift.Server, bucket: str, tmp_path: Path) -> Iterator[BlobStore]:
        made = s3.connect(
            bucket,
            "deep/prefix",
            spool=tmp_path / "spool",
            endpoint=server.endpoint,
            region="us-east-1",
            access_key=server.access_key,
            secret_key=server.secret_key,
        )
        yield made
        made.close()


def test_an_archive_on_s3(server: swift.Server, bucket: str, tmp_path: Path) -> None:
    settings = ArchiveSettings(
        tmp_path,
        blob_url=f"s3://{bucket}/archive",
        s3_endpoint=server.endpoint,
        s3_access_key=server.access_key,
        s3_secret_key=server.secret_key,
        reserve_bytes=0,
    )
    archive = Archive.open(settings, SetClock())
    frames = [b"\xff\xd8" + bytes([n]) * 1000 for n in range(20)]
    file = slide(frames)
    stored(archive, [file, instance("2"), instance("3")])
    assert [o.status for o in store(archive, file, instance("2", PatientName="Other"))] == ["duplicate", "conflict"]
    [ref] = archive.retrieve.instances(WHOLE, dataset().StudyInstanceUID)
    assert b"".join(archive.retrieve.stream(ref)) == file
    opened = archive.retrieve.opened(WHOLE, ref.study_uid, ref.series_uid, ref.sop_uid)
    assert [opened.frame(n) for n in range(1, 21)] == frames
    lifecycle.delete(archive.db, archive.blobs, archive.clock, WHOLE, dataset("3").StudyInstanceUID)
    assert verify(archive.db, archive.blobs).sound
    before = catalogue_fingerprint(archive.db)
    assert rebuild(archive.db, archive.blobs).sound
    assert catalogue_fingerprint(archive.db) == before
    archive.close()
