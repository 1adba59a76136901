"""The way in: what is stored, duplicate, in conflict or refused, and what a failing disk does."""

import hashlib
import json
import os

import pytest
import sqlalchemy as sa

from lamelle.access.model import FIRST_PLACE, WHOLE
from lamelle.archive import catalogue
from lamelle.archive.model import Origin
from lamelle.archive.store import Archive
from lamelle.base.errors import Unavailable
from lamelle.testing.archives import store
from lamelle.testing.instances import dataset, instance, part10, slide


def test_stored_bytes_come_back_as_they_were(archive: Archive) -> None:
    data = instance()
    [outcome] = store(archive, data, chunk=7)
    assert (outcome.status, outcome.code, outcome.size) == ("stored", None, len(data))
    [ref] = archive.retrieve.instances(WHOLE, str(outcome.study_uid))
    assert b"".join(archive.retrieve.stream(ref)) == data
    assert ref.key.endswith(f"{outcome.digest}.dcm")
    assert hashlib.sha256(data[ref.dataset_offset :]).hexdigest() == ref.digest


def test_a_caller_may_use_its_buffer_again(archive: Archive) -> None:
    """Large instances are scanned in a thread of their own; what it reads must not change under it."""
    data = slide([b"\xff\xd8" + os.urandom(1 << 20) + b"\xff\xd9"] * 8, "buffer")
    buffer = bytearray(1 << 19)
    with archive.ingest.receive(Origin("files")) as reception:
        for start in range(0, len(data), len(buffer)):
            piece = data[start : start + len(buffer)]
            buffer[: len(piece)] = piece
            reception.write(memoryview(buffer)[: len(piece)])
            buffer[:] = bytes(len(buffer))
        reception.close()
        (outcome,) = archive.ingest.commit([reception])
    assert outcome.status == "stored"
    with archive.ingest.receive(Origin("files")) as again:
        again.write(data)
        again.close()
        assert archive.ingest.commit([again])[0].digest == outcome.digest


def test_the_same_bytes_again_change_nothing(archive: Archive) -> None:
    store(archive, instance())
    before = list(archive.blobs.list())
    assert [o.status for o in store(archive, instance(), instance())] == ["duplicate", "duplicate"]
    assert list(archive.blobs.list()) == before
    with archive.db.read() as conn:
        assert conn.execute(sa.select(catalogue.study.c.instance_count)).scalar() == 1


def test_twice_in_one_batch_is_stored_once(archive: Archive) -> None:
    assert [o.status for o in store(archive, instance(), instance())] == ["stored", "duplicate"]


def test_other_bytes_under_a_known_uid_are_put_aside(archive: Archive) -> None:
    first, second = instance(), instance(PatientName="Other")
    [kept], [outcome] = store(archive, first), store(archive, second)
    assert (outcome.status, outcome.code) == ("conflict", "instance_differs")
    [ref] = archive.retrieve.instances(WHOLE, str(kept.study_uid))
    assert b"".join(archive.retrieve.stream(ref)) == first
    aside = f"aside/{hashlib.sha256(second).hexdigest()}"
    assert archive.blobs.read(aside + ".dcm") == second
    note = json.loads(archive.blobs.read(aside + ".json"))
    assert (note["status"], note["code"]) == ("conflict", "instance_differs")
    assert "Other" not in json.dumps(note)


def test_what_is_no_dicom_is_quarantined_with_its_reason(archive: Archive) -> None:
    bad = b"GIF89a" + bytes(400)
    good = instance()
    refused, stored = store(archive, bad, good)
    assert (refused.status, refused.code, stored.status) == ("refused", "no_preamble", "stored")
    assert archive.blobs.read(f"aside/{hashlib.sha256(bad).hexdigest()}.dcm") == bad
    with archive.db.read() as conn:
        row = conn.execute(sa.select(catalogue.aside)).one()
    assert (row.status, row.code, row.size) == ("refused", "no_preamble", len(bad))


def test_an_instance_of_another_study_is_refused_and_not_kept(archive: Archive) -> None:
    [outcome] = store(archive, instance(), study_uid="1.2.3")
    assert (outcome.status, outcome.code) == ("refused", "study_mismatch")
    assert list(archive.blobs.list()) == []


def test_too_large_an_instance_is_refused(archive: Archive) -> None:
    object.__setattr__(archive.settings, "instance_limit_bytes", 400)
    [outcome] = store(archive, instance(), chunk=100)
    assert (outcome.status, outcome.code) == ("refused", "instance_too_large")


def test_leaving_without_commit_leaves_nothing(archive: Archive) -> None:
    with archive.ingest.receive(Origin("test")) as reception:
        reception.write(instance())
        path = reception.spool.path
        assert path.exists()
    assert not path.exists()


def test_a_full_storage_takes_nothing_in(archive: Archive) -> None:
    object.__setattr__(archive.settings, "reserve_bytes", 1 << 60)
    with pytest.raises(Unavailable, match="reserve"):
        archive.ingest.receive(Origin("test"))


def test_counts_and_modalities_follow(archive: Archive) -> None:
    store(archive, *(instance(number=n) for n in range(1, 4)), instance(series="2", Modality="SR"))
    store(archive, instance(series="2", number=2, Modality="SR"))
    with archive.db.read() as conn:
        row = conn.execute(sa.select(catalogue.study)).one()
        assert (row.series_count, row.instance_count, row.modalities) == (2, 5, "\\CT\\SR\\")
        tally = conn.execute(sa.select(catalogue.tally).where(catalogue.tally.c.studies != 0)).all()
        assert tally == [("20260102", "\\CT\\SR\\", FIRST_PLACE, 1, 2, 5)]


def test_a_study_is_told_and_a_thumbnail_asked_for(archive: Archive) -> None:
    store(archive, instance(number=1), instance(number=2))
    with archive.db.read() as conn:
        assert conn.execute(sa.text("SELECT count(*) FROM event WHERE name = 'InstanceStored'")).scalar() == 2
        assert conn.execute(sa.text("SELECT count(*) FROM job WHERE kind = 'thumbnail'")).scalar() == 1


def test_the_order_of_arrival_does_not_matter(archive: Archive) -> None:
    names = ["Zed^Z", "", "Abel^A", "Mid^M"]
    files = [part10(dataset(number=n, PatientName=name)) for n, name in enumerate(names, 1)]
    for file in files:
        store(archive, file)
    with archive.db.read() as conn:
        one = conn.execute(sa.select(catalogue.study.c.patient_name, catalogue.study.c.lead)).one()
    lead = min(dataset(number=n).SOPInstanceUID for n in range(1, 5))
    assert one.lead == lead
