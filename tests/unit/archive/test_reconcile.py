"""Verify finds every difference; rebuild gives the same catalogue whatever the order of arrival."""

import os
import random
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from lamelle.access import places
from lamelle.access.model import FIRST_PLACE, WHOLE
from lamelle.access.room import SYSTEM
from lamelle.archive import catalogue, lifecycle, moving, reconcile
from lamelle.archive.reconcile import catalogue_fingerprint, rebuild, verify
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.base.ids import uid_from
from lamelle.testing.archives import SetClock, store, stored
from lamelle.testing.instances import dataset, instance, part10, slide


def _blobs(archive: Archive) -> list[Path]:
    return sorted((archive.settings.data_dir / "blobs/instances").rglob("*.dcm"))


def test_a_sound_archive(archive: Archive) -> None:
    stored(archive, [instance(), slide([b"\xff\xd8a"], "2")])
    store(archive, instance(PatientName="Other"), b"no dicom" * 50)
    seen: list[tuple[int, int]] = []
    report = verify(archive.db, archive.blobs, lambda done, total: seen.append((done, total)))
    assert report.sound and report.instances == 2 and report.orphaned == []
    assert seen == [(at, 4) for at in (1, 2, 3, 4)], "two are kept aside"


def test_verify_names_what_is_missing_altered_and_orphaned(archive: Archive) -> None:
    stored(archive, [instance(str(n)) for n in range(4)])
    first, second, third, _ = _blobs(archive)
    first.unlink()
    data = bytearray(second.read_bytes())
    data[-1] ^= 1
    second.write_bytes(data)
    data = bytearray(third.read_bytes())
    data[0] ^= 1  # in the preamble, outside the dataset
    third.write_bytes(data)
    orphan = first.parent / f"{'0' * 64}.dcm"
    orphan.write_bytes(b"x")
    report = verify(archive.db, archive.blobs)
    assert not report.sound
    assert [Path(key).name for key in report.missing] == [first.name]
    assert sorted(Path(key).name for key in report.altered) == [second.name, third.name]
    assert [Path(key).name for key in report.orphaned] == [orphan.name]


def test_verify_reads_what_was_put_aside(archive: Archive) -> None:
    store(archive, b"no dicom" * 50)
    [aside] = (archive.settings.data_dir / "blobs/aside").glob("*.dcm")
    aside.write_bytes(b"altered")
    assert verify(archive.db, archive.blobs).altered == [f"aside/{aside.name}"]


def test_verify_names_what_was_put_aside_and_not_written_down(archive: Archive) -> None:
    """The note was cut off."""
    archive.blobs.put("aside/" + "0" * 64 + ".dcm", b"x")
    report = verify(archive.db, archive.blobs)
    assert report.sound and report.orphaned == ["aside/" + "0" * 64 + ".dcm"]


def test_rebuild_gives_the_same_catalogue(archive: Archive) -> None:
    files = [instance("1", str(s), n, PatientName=f"N{n}^{s}") for s in (1, 2) for n in range(1, 5)]
    files += [slide([b"\xff\xd8a"] * 4, "2"), instance("3", StudyDate="", Modality="SR")]
    random.Random(1).shuffle(files)
    for file in files:
        store(archive, file)
    store(archive, instance("3", StudyDate="20200101", Modality="SR"), b"no dicom" * 50)
    before = catalogue_fingerprint(archive.db)
    with archive.db.write() as conn:
        conn.execute(sa.update(catalogue.study).values(patient_name="lost"))
    assert catalogue_fingerprint(archive.db) != before
    report = rebuild(archive.db, archive.blobs)
    assert report.sound and report.instances == len(files)
    assert catalogue_fingerprint(archive.db) == before


def test_rebuild_leaves_every_study_in_its_place(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what was deleted, and also when the first attempt is cut off."""
    stored(archive, [instance(str(n)) for n in range(5)])
    uids = [uid_from("study", str(n)) for n in range(5)]
    with archive.db.write() as conn:
        places.add(conn, "establishment", "Another")
    for place, uid in enumerate(uids):
        moving.move(archive.db, archive.clock, SYSTEM, uid, place % 2 + 1)
    lifecycle.delete(archive.db, archive.blobs, archive.clock, WHOLE, uids[1])
    before = catalogue_fingerprint(archive.db)
    monkeypatch.setattr(reconcile, "BATCH", 1)
    monkeypatch.setattr(reconcile, "_scan", _cut_off(reconcile._scan, 3))
    with pytest.raises(KeyboardInterrupt):
        rebuild(archive.db, archive.blobs)
    monkeypatch.undo()
    assert catalogue_fingerprint(archive.db) != before
    assert rebuild(archive.db, archive.blobs).sound
    assert catalogue_fingerprint(archive.db) == before
    with archive.db.read() as conn:
        assert conn.execute(sa.select(catalogue.remembered_place)).all() == []


def _cut_off(scan: Any, after: int) -> Any:
    def scanning(*given: Any) -> Any:
        left.pop() if left else pytest.fail("it went on")
        if not left:
            raise KeyboardInterrupt
        return scan(*given)

    left = [None] * after
    return scanning


@pytest.mark.parametrize(("establishments", "place"), [(1, FIRST_PLACE), (2, catalogue.NO_PLACE)])
def test_a_study_nobody_knows_the_place_of(archive: Archive, establishments: int, place: int) -> None:
    """As after a loss of the catalogue: of several establishments nobody can tell whose it is."""
    stored(archive, [instance()])
    with archive.db.write() as conn:
        for _ in range(establishments - 1):
            places.add(conn, "establishment", "Another")
        conn.execute(sa.delete(catalogue.study))
    rebuild(archive.db, archive.blobs)
    [ref] = archive.retrieve.instances(WHOLE, uid_from("study", "1"))
    assert ref.place == place


@pytest.mark.parametrize("seed", range(6))
def test_the_order_of_arrival_leaves_no_trace(tmp_path: Path, seed: int) -> None:
    """Instances of one study that disagree about it, in any order and any batches."""
    choice = random.Random(seed)
    files = []
    for n in range(12):
        made = dataset(series=str(n % 3), number=n, Modality=choice.choice(["CT", "MR", ""]))
        for keyword in ("PatientName", "StudyDate", "AccessionNumber", "StudyDescription", "SeriesNumber"):
            if choice.random() < 0.5:
                setattr(made, keyword, "" if keyword != "SeriesNumber" else None)
            elif keyword != "SeriesNumber":
                setattr(made, keyword, f"2024010{n % 9 + 1}" if keyword == "StudyDate" else f"{keyword[:4]}{n}")
        files.append(part10(made))
    prints = set()
    for run in range(2):
        archive = Archive.open(ArchiveSettings(tmp_path / str(run), reserve_bytes=0), SetClock())
        choice.shuffle(files)
        at = 0
        while at < len(files):
            size = choice.randint(1, 5)
            store(archive, *files[at : at + size])
            at += size
        prints.add(catalogue_fingerprint(archive.db))
        assert rebuild(archive.db, archive.blobs).sound
        prints.add(catalogue_fingerprint(archive.db))
        archive.close()
    assert len(prints) == 1


def test_rebuild_names_what_it_can_not_read(archive: Archive) -> None:
    stored(archive, [instance(str(n)) for n in range(2)])
    first, _ = _blobs(archive)
    first.write_bytes(first.read_bytes()[:-5])
    report = rebuild(archive.db, archive.blobs)
    assert [Path(key).name for key in report.unreadable] == [first.name] and report.instances == 1


def test_a_damaged_note_does_not_end_a_rebuild(archive: Archive) -> None:
    stored(archive, [instance()])
    store(archive, instance(PatientName="Other"))
    [note] = (archive.settings.data_dir / "blobs/aside").glob("*.json")
    note.write_text("{")
    report = rebuild(archive.db, archive.blobs)
    assert report.unreadable == [f"aside/{note.name}"] and report.instances == 1


def test_of_two_blobs_under_one_uid_the_later_is_filed_and_the_other_told(archive: Archive) -> None:
    """The first was placed and its commit failed; then other bytes came and were acknowledged."""
    stored(archive, [instance(), instance("2")])
    [failed, *_] = [path for path in _blobs(archive) if path.read_bytes() == instance()]
    with archive.db.write() as conn:
        for table in (catalogue.instance, catalogue.series, catalogue.study):
            conn.execute(sa.delete(table))
    kept = instance(PatientName="Other")
    stored(archive, [kept])
    os.utime(failed, (1, 1))
    report = rebuild(archive.db, archive.blobs)
    assert [Path(key).name for key in report.orphaned] == [failed.name]
    [ref] = archive.retrieve.instances(WHOLE, dataset().StudyInstanceUID)
    assert b"".join(archive.retrieve.stream(ref)) == kept


def test_a_rebuilt_study_has_the_times_of_its_instances(archive: Archive) -> None:
    stored(archive, [instance(number=n) for n in (1, 2, 3)])
    for at, path in enumerate(_blobs(archive)):
        os.utime(path, (1000 + at, 1000 + at))
    rebuild(archive.db, archive.blobs)
    with archive.db.read() as conn:
        for table in (catalogue.study, catalogue.series):
            row = conn.execute(sa.select(table.c.created_at, table.c.updated_at)).one()
            assert [at.timestamp() for at in row] == [1000, 1002]
