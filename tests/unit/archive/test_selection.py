"""Many instances at once: by names at any level, in order, however many."""

import pytest

from lamelle.access.model import WHOLE
from lamelle.archive import lifecycle, selection
from lamelle.archive.selection import Wanted
from lamelle.archive.store import Archive
from lamelle.base.ids import uid_from
from lamelle.testing.archives import stored
from lamelle.testing.instances import CT, EXPLICIT_LITTLE, JPEG_BASELINE, SLIDE, instance, slide


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "BATCH", 2)
    monkeypatch.setattr(selection, "CHUNK", 2)


def fill(archive: Archive) -> None:
    stored(archive, [instance("1", "1", number) for number in (3, 1, 2)])
    stored(archive, [instance("1", "2", SeriesNumber=0), instance("2", PatientID="P1"), slide([b"ab"], "3")])


def numbers(archive: Archive, wanted: Wanted) -> list[tuple[str, int | None]]:
    found = selection.select(archive.db, WHOLE, wanted)
    return [(ref.study_uid, ref.number) for ref in selection.refs(archive.db, WHOLE, found.ids) if ref is not None]


def test_names_at_every_level(archive: Archive) -> None:
    fill(archive)
    one, two, three = (uid_from("study", str(n)) for n in (1, 2, 3))
    assert numbers(archive, Wanted(study_uids=(one,))) == [(one, 1), (one, 1), (one, 2), (one, 3)], "series 0 first"
    assert numbers(archive, Wanted(patient_ids=("P1",))) == [*[(one, n) for n in (1, 1, 2, 3)], (two, 1)]
    everything = [*[(one, n) for n in (1, 1, 2, 3)], (two, 1), (three, 1)]
    assert sorted(numbers(archive, Wanted(study_uids=(three, two, "1.2", one)))) == sorted(everything)
    series = uid_from("series", "1", "1")
    assert numbers(archive, Wanted(study_uids=(one,), series_uids=(series,))) == [(one, 1), (one, 2), (one, 3)]
    assert numbers(archive, Wanted(study_uids=(two,), series_uids=(series,))) == []
    uids = tuple(uid_from("instance", "1", "1", str(n)) for n in (1, 2, 3))
    assert len(numbers(archive, Wanted(sop_uids=uids, series_uids=(series,)))) == 3
    assert numbers(archive, Wanted()) == [], "no name is not every name"


def test_kinds_are_counted(archive: Archive) -> None:
    fill(archive)
    found = selection.select(archive.db, WHOLE, Wanted(patient_ids=("P1", "P3")))
    assert found.kinds == {(CT, EXPLICIT_LITTLE): 5, (SLIDE, JPEG_BASELINE): 1} and len(found) == 6


def test_what_is_deleted_meanwhile_leaves_a_gap(archive: Archive) -> None:
    fill(archive)
    found = selection.select(archive.db, WHOLE, Wanted(study_uids=(uid_from("study", "1"),)))
    names = uid_from("study", "1"), uid_from("series", "1", "1"), uid_from("instance", "1", "1", "2")
    lifecycle.delete(archive.db, archive.blobs, archive.clock, WHOLE, *names)
    assert [ref and ref.number for ref in selection.refs(archive.db, WHOLE, found.ids)] == [1, 1, None, 3]
