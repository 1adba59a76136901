"""`lamelle import`: everything once, and what is left after an interruption."""

import os
import select
import signal
import subprocess
import sys
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from lamelle.access import places
from lamelle.access.model import FIRST_PLACE, WHOLE
from lamelle.archive import imports
from lamelle.archive.store import Archive
from lamelle.base import confined
from lamelle.base.errors import NotFound, Unavailable
from lamelle.base.ids import uid_from
from lamelle.doors.files import importing, sandbox
from lamelle.doors.files.importing import ImportReport, Progress, import_paths
from lamelle.doors.files.settings import FilesSettings, WatchedFolder
from lamelle.doors.files.sources import Member, Source

from .conftest import part10, slide

pytestmark = pytest.mark.usefixtures("reader_here")


def fill(inbox: Path) -> None:
    for number in range(3):
        (inbox / f"{number}.tif").write_bytes(slide(f"case-{number}"))
    (inbox / "ct").mkdir()
    for number in range(5):
        (inbox / "ct" / f"IM{number}").write_bytes(part10("ct", "1", str(number)))
    (inbox / "broken.tif").write_bytes(slide("broken", wrong="refuses"))
    (inbox / "README.txt").write_text("hello")


def test_a_folders_files_are_committed_together(monkeypatch: pytest.MonkeyPatch) -> None:
    def of(name: str, size: int) -> Source:
        return Source(Path(name), (Member(Path(name), size, 0),))

    kinds = {".svs": "svs", ".dcm": "dicom"}
    monkeypatch.setattr(importing, "_kind", lambda source: kinds[source.path.suffix])
    sizes = {
        "ct/1.dcm": 1, "ct/2.dcm": 1,
        "slide/1.dcm": 50, "slide/a.svs": 99, "slide/2.dcm": 5, "slide/3.dcm": 5,
        "two/1.dcm": 4, "three/1.dcm": 4, "four/1.dcm": 4,
        "many/1.dcm": 1, "many/2.dcm": 1, "many/3.dcm": 1, "many/4.dcm": 1, "many/5.dcm": 1,
        "huge/1.dcm": 70, "huge/2.dcm": 70,
    }  # fmt: skip
    limits = FilesSettings(batch_files=4, batch_bytes=10, folder_bytes=100)
    units = importing.grouped([of(*item) for item in sizes.items()], limits, lambda source, why: None)
    assert [" ".join(str(source.path) for source in unit.sources) for unit in units] == [
        "slide/a.svs",
        "ct/1.dcm ct/2.dcm",
        "slide/1.dcm slide/2.dcm slide/3.dcm",
        "two/1.dcm three/1.dcm",
        "four/1.dcm",
        "many/1.dcm many/2.dcm many/3.dcm many/4.dcm",
        "many/5.dcm",
        "huge/1.dcm",
        "huge/2.dcm",
    ]


def counts(report: ImportReport) -> dict[str, int]:
    return dict(Counter(file.status for file in report.files))


def test_a_folder_goes_in_and_a_second_run_does_nothing(
    archive: Archive, settings: FilesSettings, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(inbox)
    report = import_paths(archive, settings, [inbox])
    assert counts(report) == {"stored": 8, "refused": 1, "ignored": 1}
    assert [(file.path.name, file.code) for file in report.failed] == [("broken.tif", "bad_tile")]
    monkeypatch.setattr(sandbox, "run", lambda *_, **__: pytest.fail("a known slide is converted again"))
    assert counts(import_paths(archive, settings, [inbox])) == {"known": 8, "refused": 1, "ignored": 1}


def test_a_slide_in_a_watched_folder_is_imported_by_the_folders_rule(
    archive: Archive, settings: FilesSettings, inbox: Path
) -> None:
    (inbox / "H1-2.tif").write_bytes(slide("case", wrong="facts"))
    folder = WatchedFolder(inbox, r"(?P<accession_number>H\d)-(?P<block>\d)", facts={"institution": "CHU"})
    [file] = import_paths(archive, replace(settings, watch=(folder,)), [inbox / "H1-2.tif"]).files
    assert file.message == "H1 2 CHU"


def test_what_was_refused_is_tried_again_when_asked_or_changed(
    archive: Archive, settings: FilesSettings, inbox: Path
) -> None:
    path = inbox / "a.tif"
    path.write_bytes(slide("case", wrong="refuses"))
    import_paths(archive, settings, [path])
    assert counts(import_paths(archive, settings, [path])) == {"refused": 1}
    assert [record.attempts for record in imports.recent(archive.db, WHOLE)] == [1]
    assert counts(import_paths(archive, settings, [path], retry=True)) == {"refused": 1}
    assert [record.attempts for record in imports.recent(archive.db, WHOLE)] == [2]
    path.write_bytes(slide("case"))
    assert counts(import_paths(archive, settings, [path])) == {"stored": 1}


def test_a_replaced_file_of_the_same_size_and_time_is_seen(
    archive: Archive, settings: FilesSettings, inbox: Path
) -> None:
    path = inbox / "a.dcm"
    path.write_bytes(part10("one", "1", "1"))
    os.utime(path, ns=(1, 1))
    import_paths(archive, settings, [path])
    path.write_bytes(path.read_bytes().replace(b"SECRET^NAME", b"SECRET^LAME"))
    os.utime(path, ns=(1, 1))
    assert counts(import_paths(archive, settings, [path])) == {"conflict": 1}


def test_a_file_named_by_hand_must_be_a_slide(archive: Archive, settings: FilesSettings, inbox: Path) -> None:
    fill(inbox)
    report = import_paths(archive, settings, [inbox / "README.txt"])
    assert [(file.status, file.code) for file in report.files] == [("refused", "unknown_format")]
    (inbox / "index").write_bytes(b"\0" * 128 + b"DICM\2\0\2\0UI\x14\0" + b"1.2.840.10008.1.3.10\2\0\3\0")
    report = import_paths(archive, settings, [inbox / "index"])
    assert [(file.status, file.code) for file in report.files] == [("refused", "dicomdir")]
    with pytest.raises(NotFound):
        import_paths(archive, settings, [inbox / "nothing"])


def test_a_path_given_twice_is_taken_once(archive: Archive, settings: FilesSettings, inbox: Path) -> None:
    fill(inbox)
    report = import_paths(archive, settings, [inbox, inbox / "0.tif", inbox])
    assert counts(report) == {"stored": 8, "refused": 1, "ignored": 1}


def test_progress_grows_to_the_whole(archive: Archive, settings: FilesSettings, inbox: Path) -> None:
    fill(inbox)
    moments: list[Progress] = []
    report = import_paths(archive, settings, [inbox], moments.append)
    assert moments[0].event == "found"
    assert moments[0].files == moments[-1].files_done == 10
    assert [moment.report for moment in moments if moment.event == "ended"] == list(report.files)
    assert moments[-1].all_done == moments[-1].all_size
    assert moments[-1].eta_s == 0
    assert all(0 <= moment.done <= moment.size for moment in moments)
    advanced = {moment.path.name for moment in moments if moment.event == "advanced"}
    assert advanced >= {"0.tif", "1.tif", "2.tif", "IM0"}


def test_stop_ends_the_import_and_the_next_run_does_the_rest(
    archive: Archive, settings: FilesSettings, inbox: Path
) -> None:
    fill(inbox)
    stop = threading.Event()

    def after_one(moment: Progress) -> None:
        if moment.event == "ended":
            stop.set()

    first = import_paths(archive, replace(settings, slides_at_once=1, batch_files=1), [inbox], after_one, stop=stop)
    assert first.stopped == "import_stopped"
    assert len(first.files) < 10
    again = counts(import_paths(archive, settings, [inbox]))
    assert again["stored"] + again["known"] == 8
    assert again["known"] == first.count("stored")


def test_ctrl_c_ends_the_import_and_the_next_run_does_the_rest(
    archive: Archive, settings: FilesSettings, inbox: Path
) -> None:
    fill(inbox)

    def interrupted(moment: Progress) -> None:
        if moment.event == "ended" and moment.report is not None and moment.report.status == "stored":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_paths(archive, settings, [inbox], interrupted)
    again = counts(import_paths(archive, settings, [inbox]))
    assert again["known"] >= 1
    assert again["stored"] + again["known"] == 8


def test_full_storage_ends_the_import(
    archive: Archive, settings: FilesSettings, inbox: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(inbox)

    def full(*_: object) -> None:
        raise Unavailable("storage_full", "no room is left on the storage")

    with monkeypatch.context() as patched:
        patched.setattr(type(archive.ingest), "commit", full)
        report = import_paths(archive, replace(settings, slides_at_once=1), [inbox])
    assert report.stopped == "storage_full"
    assert report.count("stored") == 0
    assert import_paths(archive, settings, [inbox]).count("stored") == 8


SCRIPT = """
import dataclasses, os, pathlib, sys
from lamelle.archive.settings import ArchiveSettings
from lamelle.archive.store import Archive
from lamelle.doors.files.importing import import_paths
from lamelle.doors.files.settings import FilesSettings, WatchedFolder

archive = Archive.open(ArchiveSettings(pathlib.Path(sys.argv[1]), reserve_bytes=0))
def tell(moment):
    if moment.event == "advanced" and moment.path.name == "hangs.tif":
        os.write(int(sys.argv[3]), b"!")
settings = FilesSettings(reader="lamelle_test_slides:convert", slides_at_once=1)
import_paths(archive, settings, [pathlib.Path(sys.argv[2])], tell)
"""


def test_an_import_killed_in_the_middle_is_resumed(archive: Archive, settings: FilesSettings, inbox: Path) -> None:
    """SIGKILL while the second slide is half received: the first stays, of the second nothing is seen, then all."""
    (inbox / "a.tif").write_bytes(slide("first"))
    path = inbox / "hangs.tif"
    path.write_bytes(slide("second", wrong="hangs"))
    (inbox / "z.dcm").write_bytes(part10("third", "1", "1"))
    ours, theirs = os.pipe()
    command = [sys.executable, "-c", SCRIPT, str(archive.settings.data_dir), str(inbox), str(theirs)]
    importer = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=dict(confined.environment()), pass_fds=[theirs])
    os.close(theirs)
    try:
        assert select.select([ours], [], [], 60)[0]
        assert os.read(ours, 1) == b"!"
    finally:
        os.kill(importer.pid, signal.SIGKILL)
        importer.wait()
        os.close(ours)
    assert len(archive.retrieve.instances(WHOLE, uid_from("first"))) == 3
    with pytest.raises(NotFound):
        archive.retrieve.instances(WHOLE, uid_from("second"))
    path.write_bytes(slide("second"))
    assert counts(import_paths(archive, settings, [inbox])) == {"known": 1, "stored": 2}
    assert len(archive.retrieve.instances(WHOLE, uid_from("second"))) == 3


def test_what_is_new_belongs_to_the_place_asked_for_or_of_the_folder(
    archive: Archive, settings: FilesSettings, inbox: Path
) -> None:
    for name in ("a", "b"):
        (inbox / name).mkdir()
        (inbox / name / "x.dcm").write_bytes(part10(name))
    watching = replace(settings, watch=(WatchedFolder(inbox / "a", place=3),))
    import_paths(archive, watching, [inbox])
    found = [archive.retrieve.instances(WHOLE, uid_from(name))[0].place for name in ("a", "b")]
    assert found == [3, FIRST_PLACE]
    (inbox / "c.dcm").write_bytes(part10("c"))
    with archive.db.write() as conn:
        number = places.add(conn, "site", "Annex", FIRST_PLACE)
    import_paths(archive, watching, [inbox / "c.dcm"], place=number)
    assert archive.retrieve.instances(WHOLE, uid_from("c"))[0].place == number
    with pytest.raises(NotFound, match="no place 99"):
        import_paths(archive, watching, [inbox], place=99)
