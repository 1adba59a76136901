"""One source on its way into the archive."""

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from lamelle.access.model import WHOLE
from lamelle.archive import imports
from lamelle.archive.imports import Seen, State
from lamelle.archive.store import Archive
from lamelle.base.errors import NotFound, Unavailable, Unsupported
from lamelle.base.ids import uid_from
from lamelle.doors.files import identity, intake, originals, sources
from lamelle.doors.files.intake import Intake, Taken, Unit
from lamelle.doors.files.settings import FilesSettings

from .conftest import StillClock, part10, slide


def take(archive: Archive, settings: FilesSettings, *paths: Path, format_: str = "tiff") -> list[Taken]:
    found = tuple(sources.whole(path) for path in paths)
    return Intake(archive, settings).take(Unit(format_, found))


def put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def kept(archive: Archive, study: str) -> int:
    try:
        return len(archive.retrieve.instances(WHOLE, uid_from(study)))
    except NotFound:
        return 0


def test_a_slide_is_stored_with_all_its_instances(archive: Archive, settings: FilesSettings, inbox: Path) -> None:
    [taken] = take(archive, settings, put(inbox / "a.tif", slide("case", 1, 3)))
    assert (taken.state, taken.instances) == (State.STORED, 3)
    assert (taken.study_uid, taken.series_uid) == (uid_from("case"), uid_from("case", "1"))
    assert kept(archive, "case") == 3
    [again] = take(archive, settings, inbox / "a.tif")
    assert (again.state, again.instances) == (State.DUPLICATE, 3)


@pytest.mark.parametrize(
    ("wrong", "code"), [("dies", "reader_crashed"), ("hangs", "reader_timeout"), ("refuses", "bad_tile")]
)
def test_of_a_slide_that_breaks_off_nothing_is_kept(
    archive: Archive, with_limits: Callable[..., FilesSettings], inbox: Path, wrong: str, code: str
) -> None:
    path = put(inbox / "a.tif", slide("case", wrong=wrong))
    [taken] = take(archive, with_limits(silence_s=0.3), path)
    assert (taken.state, taken.code) == (State.REFUSED, code)
    assert kept(archive, "case") == 0
    [record] = imports.recent(archive.db, WHOLE)
    assert (record.path, record.state, record.code, record.reason) == (str(path), "refused", code, taken.message)
    assert list((archive.settings.data_dir / "scratch").iterdir()) == []
    assert path.exists()


def test_a_slide_with_one_bad_instance_is_not_shown_at_all(
    archive: Archive, settings: FilesSettings, inbox: Path
) -> None:
    good, bad = part10("case", "1", "1"), part10("case", "1", "2")[:-9]
    content = {name: base64.b64encode(data).decode() for name, data in (("good", good), ("bad", bad))}
    [taken] = take(archive, settings, put(inbox / "a.tif", json.dumps(content).encode()))
    assert taken.state is State.REFUSED
    assert kept(archive, "case") == 0


def test_a_slide_of_which_files_are_missing_is_refused(archive: Archive, settings: FilesSettings, inbox: Path) -> None:
    [taken] = take(archive, settings, put(inbox / "a.mrxs", slide("case")), format_="mrxs")
    assert (taken.state, taken.code) == (State.REFUSED, "incomplete")


@pytest.mark.usefixtures("reader_here")
def test_a_slide_without_instances_is_refused(archive: Archive, settings: FilesSettings, inbox: Path) -> None:
    [taken] = take(archive, settings, put(inbox / "a.tif", b"{}"))
    assert (taken.state, taken.code) == (State.REFUSED, "no_instances")


@pytest.mark.usefixtures("reader_here")
def test_a_slide_that_changes_meanwhile_is_for_later(archive: Archive, settings: FilesSettings, inbox: Path) -> None:
    [taken] = take(archive, settings, put(inbox / "a.tif", slide("case", wrong="touches")))
    assert (taken.state, taken.code) == (State.RETRY, "source_changed")
    assert kept(archive, "case") == 0


def test_dicom_files_are_committed_together_and_judged_apart(
    archive: Archive, settings: FilesSettings, inbox: Path
) -> None:
    good, other = put(inbox / "1", part10("a", "1", "1")), put(inbox / "2", part10("a", "1", "2"))
    bad, same = put(inbox / "3", part10("a", "1", "3")[:-5]), put(inbox / "4", part10("a", "1", "1"))
    conflict = put(inbox / "5", part10("a", "1", "1", rows=8))
    taken = take(archive, settings, good, other, bad, same, conflict, format_="dicom")
    assert [item.state for item in taken] == ["stored", "stored", "refused", "duplicate", "conflict"]
    assert [item.instances for item in taken] == [1, 1, 0, 1, 0]
    assert kept(archive, "a") == 2
    assert {record.state for record in imports.recent(archive.db, WHOLE)} == {
        "stored",
        "refused",
        "duplicate",
        "conflict",
    }


def test_an_unreadable_file_is_tried_again_then_refused(
    archive: Archive, settings: FilesSettings, inbox: Path, clock: StillClock
) -> None:
    path = put(inbox / "a.dcm", part10("a", "1", "1"))
    source = sources.whole(path)
    path.unlink()
    states, waits = [], []
    for _ in range(settings.retries):
        [taken] = Intake(archive, settings).take(Unit("dicom", (source,)))
        [record] = imports.recent(archive.db, WHOLE)
        states.append(taken.state)
        waits.append(record.lease_until and record.lease_until - clock.now())
    assert taken.code == "unreadable"
    assert states == [State.RETRY] * (settings.retries - 1) + [State.REFUSED]
    assert waits == [timedelta(seconds=s) for s in (60, 120, 240, 480)] + [None]


def test_one_unreadable_file_does_not_hold_the_others_up(
    archive: Archive, settings: FilesSettings, inbox: Path
) -> None:
    one, two = put(inbox / "1", part10("a", "1", "1")), put(inbox / "2", part10("a", "1", "2"))
    found = (sources.whole(one), sources.whole(two))
    one.unlink()
    taken = Intake(archive, settings).take(Unit("dicom", found))
    assert [item.state for item in taken] == [State.RETRY, State.STORED]


@pytest.mark.usefixtures("reader_here")
def test_full_storage_refuses_nothing(
    archive: Archive, settings: FilesSettings, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise Unavailable("storage_full", "no room is left on the storage")

    monkeypatch.setattr(type(archive.ingest), "commit", full)
    [taken] = take(archive, settings, put(inbox / "a.tif", slide("case")))
    assert (taken.state, taken.code) == (State.RETRY, "storage_full")


@pytest.mark.usefixtures("reader_here")
def test_a_surprise_is_for_later_and_says_no_name(
    archive: Archive, settings: FilesSettings, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def surprise(*_: object) -> None:
        raise KeyError("SECRET^NAME")

    monkeypatch.setattr(type(archive.ingest), "commit", surprise)
    [taken] = take(archive, settings, put(inbox / "a.tif", slide("case")))
    assert (taken.state, taken.code) == (State.RETRY, "internal_error")
    assert "SECRET" not in taken.message


@pytest.mark.usefixtures("reader_here")
def test_what_another_worker_holds_is_left_to_it_until_its_lease_ends(
    archive: Archive, settings: FilesSettings, inbox: Path, clock: StillClock
) -> None:
    path = put(inbox / "a.tif", slide("case"))
    lease = clock.now() + timedelta(seconds=100)
    seen = [Seen(str(path), 1, 1, "")]
    assert imports.claim(archive.db, seen, "other", clock.now(), lease) == {str(path): 1}
    assert [item.code for item in take(archive, settings, path)] == ["busy"]
    clock.pass_(100)
    assert [item.state for item in take(archive, settings, path)] == [State.STORED]


@pytest.mark.usefixtures("reader_here")
def test_what_a_dead_worker_held_is_taken_at_once(
    archive: Archive, settings: FilesSettings, inbox: Path, clock: StillClock
) -> None:
    path = put(inbox / "a.tif", slide("case"))
    dead = identity.worker_name() + "0"
    imports.claim(archive.db, [Seen(str(path), 1, 1, "")], dead, clock.now(), clock.now() + timedelta(days=1))
    assert [item.state for item in take(archive, settings, path)] == [State.STORED]


@pytest.mark.usefixtures("reader_here")
def test_a_long_slide_keeps_its_claim(
    archive: Archive, settings: FilesSettings, inbox: Path, clock: StillClock
) -> None:
    """While bytes come, time passes; another worker must not get the slide."""
    path = put(inbox / "a.tif", slide("case"))
    rivals = []

    def advance(source: sources.Source, size: int) -> None:
        clock.pass_(settings.lease_s * 0.6)
        seen = [Seen(str(path), source.size, source.mtime_ns, "")]
        rivals.append(imports.claim(archive.db, seen, "rival", clock.now(), clock.now() + timedelta(days=1)))

    worker = Intake(archive, settings, advance=advance)
    [taken] = worker.take(Unit("tiff", (sources.whole(path),)))
    assert taken.state is State.STORED
    assert rivals == [{}, {}, {}]
    assert [record.state for record in imports.recent(archive.db, WHOLE)] == [State.STORED]


@pytest.mark.usefixtures("reader_here")
def test_originals_are_kept_when_wanted(archive: Archive, settings: FilesSettings, inbox: Path) -> None:
    data = slide("case")
    take(archive, replace(settings, originals="keep"), put(inbox / "a.tif", data))
    [blob] = archive.blobs.list("originals/")
    assert archive.blobs.read(blob.key) == data
    assert blob.key.endswith("/a.tif")
    take(archive, settings, put(inbox / "b.tif", slide("other")))
    assert len(list(archive.blobs.list("originals/"))) == 1


def test_every_file_of_an_original_is_kept_once(archive: Archive, inbox: Path) -> None:
    (inbox / "m").mkdir()
    put(inbox / "m.mrxs", b"index")
    put(inbox / "m" / "Data.dat", b"data")
    source = sources.whole(inbox / "m.mrxs")
    prefix = originals.keep(archive.blobs, source)
    assert originals.keep(archive.blobs, source) == prefix
    kept = {blob.key.removeprefix(prefix): archive.blobs.read(blob.key) for blob in archive.blobs.list("originals/")}
    assert kept == {"/m.mrxs": b"index", "/m/Data.dat": b"data"}


@pytest.mark.usefixtures("reader_here")
def test_an_original_that_reads_back_wrong_is_not_kept(
    archive: Archive, settings: FilesSettings, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(originals, "_digest", lambda blobs, key: "other")
    [taken] = take(archive, replace(settings, originals="keep"), put(inbox / "a.tif", slide("case")))
    assert (taken.state, taken.code) == (State.RETRY, "original_not_kept")
    assert kept(archive, "case") == 0


def test_a_file_is_told_by_what_is_in_it(inbox: Path) -> None:
    def kind(name: str, data: bytes) -> str | None:
        return intake.kind(sources.whole(put(inbox / name, data)))

    directory = b"\0" * 128 + b"DICM\2\0\2\0UI\x14\0" + b"1.2.840.10008.1.3.10\2\0\3\0"
    assert kind("no-ending", part10("a", "1", "1")) == "dicom"
    assert kind("notes.txt", b"text") is None
    with pytest.raises(Unsupported):
        kind("directory", directory)
    assert kind("a.qptiff", b"nothing") == ""
