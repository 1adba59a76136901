"""Deletion: gone at once, bytes later, back when stored again."""

import pytest
import sqlalchemy as sa

from lamelle.access.model import WHOLE
from lamelle.archive import catalogue, lifecycle
from lamelle.archive.query import Level, Query, search
from lamelle.archive.reconcile import catalogue_fingerprint, rebuild
from lamelle.archive.retrieve import Retrieve
from lamelle.archive.store import Archive
from lamelle.base import jobs
from lamelle.base.errors import Gone, NotFound, Unavailable
from lamelle.testing.archives import SetClock, store, stored
from lamelle.testing.instances import dataset, instance, part10, slide


def delete(archive: Archive, *uids: str) -> int:
    return lifecycle.delete(archive.db, archive.blobs, archive.clock, WHOLE, *uids, grace_s=60)


def test_deleted_is_gone_at_every_level(archive: Archive) -> None:
    made = dataset()
    stored(archive, [part10(made), instance("2")])
    assert delete(archive, made.StudyInstanceUID) == 1
    for uids in (
        (made.StudyInstanceUID,),
        (made.StudyInstanceUID, made.SeriesInstanceUID),
        (made.StudyInstanceUID, made.SeriesInstanceUID, made.SOPInstanceUID),
    ):
        with pytest.raises(Gone):
            archive.retrieve.instances(WHOLE, *uids)
    with pytest.raises(Gone):
        delete(archive, made.StudyInstanceUID)
    assert len(search(archive.db, WHOLE, Query(Level.STUDY)).items) == 1
    assert search(archive.db, WHOLE, Query(Level.STUDY, limit=0)).remaining == 1


def test_unknown_is_not_found(archive: Archive) -> None:
    with pytest.raises(NotFound) as caught:
        delete(archive, "1.2.3")
    assert not isinstance(caught.value, Gone)


def test_what_remains_counts_right(archive: Archive) -> None:
    stored(archive, [instance(number=n) for n in (1, 2)] + [instance(series="2", Modality="SR")])
    made = dataset(series="2")
    assert delete(archive, made.StudyInstanceUID, made.SeriesInstanceUID) == 1
    [item] = search(archive.db, WHOLE, Query(Level.STUDY)).items
    assert (item["00201206"]["Value"], item["00201208"]["Value"]) == ([1], [2])
    assert item["00080061"]["Value"] == ["CT"]


def test_storing_again_brings_back_and_clears_the_trace(archive: Archive, clock: SetClock) -> None:
    data, made = instance(), dataset()
    stored(archive, [data])
    delete(archive, made.StudyInstanceUID)
    assert [o.status for o in store(archive, data)] == ["stored"]
    [ref] = archive.retrieve.instances(WHOLE, made.StudyInstanceUID)
    clock.move(100)
    assert lifecycle.purge(archive.db, archive.blobs, clock, grace_s=60) == 0
    assert b"".join(archive.retrieve.stream(ref)) == data
    assert list(archive.blobs.list("tombstones/")) == []


def test_purge_removes_the_bytes_after_the_grace_and_storing_brings_back(archive: Archive, clock: SetClock) -> None:
    data, made = instance(), dataset()
    stored(archive, [data])
    delete(archive, made.StudyInstanceUID)
    assert lifecycle.purge(archive.db, archive.blobs, clock, grace_s=60) == 0
    clock.move(61)
    assert lifecycle.purge(archive.db, archive.blobs, clock, grace_s=60) == 1
    assert list(archive.blobs.list("instances/")) == []
    with pytest.raises(Gone):
        archive.retrieve.instances(WHOLE, made.StudyInstanceUID)
    stored(archive, [data])
    [ref] = archive.retrieve.instances(WHOLE, made.StudyInstanceUID)
    assert b"".join(archive.retrieve.stream(ref)) == data


def test_an_open_instance_is_served_no_longer_than_the_recheck(archive: Archive) -> None:
    now_s = [0.0]
    retrieve = Retrieve(archive.db, archive.blobs, archive.settings, now_s=lambda: now_s[0])
    stored(archive, [slide([b"\xff\xd8a"])])
    [ref] = archive.retrieve.instances(WHOLE, dataset().StudyInstanceUID)
    name = (ref.study_uid, ref.series_uid, ref.sop_uid)
    retrieve.opened(WHOLE, *name)
    delete(archive, ref.study_uid)
    retrieve.opened(WHOLE, *name)
    now_s[0] = archive.settings.recheck_s
    with pytest.raises(Gone):
        retrieve.opened(WHOLE, *name)


def test_deletion_survives_a_rebuild(archive: Archive, clock: SetClock) -> None:
    stored(archive, [instance(number=n) for n in (1, 2, 3)] + [instance("2")])
    made = dataset(number=2)
    delete(archive, made.StudyInstanceUID, made.SeriesInstanceUID, made.SOPInstanceUID)
    delete(archive, dataset("2").StudyInstanceUID)
    before = catalogue_fingerprint(archive.db)
    assert rebuild(archive.db, archive.blobs).sound
    assert catalogue_fingerprint(archive.db) == before
    clock.move(61)
    lifecycle.purge(archive.db, archive.blobs, clock, grace_s=60)
    before = catalogue_fingerprint(archive.db)
    assert rebuild(archive.db, archive.blobs).sound
    assert catalogue_fingerprint(archive.db) == before


def test_the_purge_is_a_job_after_the_grace(archive: Archive) -> None:
    stored(archive, [instance()])
    delete(archive, dataset().StudyInstanceUID)
    with archive.db.read() as conn:
        run_at = conn.execute(sa.text("SELECT run_at FROM job WHERE kind = 'purge'")).scalar_one()
        rejected = conn.execute(sa.text("SELECT rejected_at FROM tombstone")).scalar_one()
        assert run_at - rejected == 60_000_000
        assert conn.execute(sa.select(catalogue.instance)).all() == []


def _unavailable(*_: object, **__: object) -> None:
    raise Unavailable("storage_failed", "away")


def test_a_deletion_that_failed_buries_nothing_in_a_rebuild(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    stored(archive, [instance()])
    with monkeypatch.context() as broken:
        broken.setattr(jobs, "enqueue", _unavailable)
        with pytest.raises(Unavailable):
            delete(archive, dataset().StudyInstanceUID)
    assert list(archive.blobs.list("tombstones/")) == []
    assert rebuild(archive.db, archive.blobs).instances == 1


def test_a_deletion_cut_off_before_its_tombstone_is_completed_by_the_next(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(archive, [instance()])
    with monkeypatch.context() as broken:
        broken.setattr(lifecycle, "bury", _unavailable)
        with pytest.raises(Unavailable):
            delete(archive, dataset().StudyInstanceUID)
    with pytest.raises(Gone):
        delete(archive, dataset().StudyInstanceUID)
    assert rebuild(archive.db, archive.blobs).instances == 0
    with pytest.raises(Gone):
        archive.retrieve.instances(WHOLE, dataset().StudyInstanceUID)
