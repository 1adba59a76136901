"""Real files through the real readers: every one goes in or is refused with a reason, and the process lives."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lamelle.access.model import WHOLE
from lamelle.archive import imports
from lamelle.archive.settings import ArchiveSettings
from lamelle.archive.store import Archive
from lamelle.base.clock import SystemClock
from lamelle.doors.files.importing import FileReport, ImportReport, import_paths
from lamelle.doors.files.settings import FilesSettings, WatchedFolder
from lamelle.doors.files.sources import SLIDE_ENDINGS
from lamelle.doors.files.watching import Watcher

INSIDE = ("stored", "duplicate", "conflict")
NAMELESS = {"no_study", "no_series", "no_sop_class", "no_sop_instance"}
"""Files of dicom/ok that no archive can file, for they lack an identifier."""


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    opened = Archive.open(ArchiveSettings(tmp_path / "data", reserve_bytes=0))
    yield opened
    opened.close()


def files_of(report: ImportReport, folder: Path) -> dict[str, FileReport]:
    return {file.path.relative_to(folder).as_posix(): file for file in report.files}


def stored_bytes(archive: Archive, file: FileReport) -> set[bytes]:
    assert file.study_uid is not None
    refs = archive.retrieve.instances(WHOLE, file.study_uid, file.series_uid)
    return {b"".join(archive.retrieve.stream(ref)) for ref in refs}


@pytest.mark.slow
def test_dicom_goes_in_and_comes_out_byte_identical(archive: Archive, shared_data: Path) -> None:
    folder = shared_data / "dicom" / "ok"
    report = import_paths(archive, FilesSettings(), [folder])
    assert {file.code for file in report.files if file.status == "refused"} <= NAMELESS
    assert {file.code for file in report.files if file.status == "ignored"} <= {"dicomdir"}
    assert all(file.status in (*INSIDE, "refused", "ignored") for file in report.files)
    stored = [file for file in report.files if file.status == "stored"]
    assert len(stored) > 200
    for file in stored:
        assert file.path.read_bytes() in stored_bytes(archive, file)


def test_malformed_dicom_is_judged_file_by_file(archive: Archive, shared_data: Path) -> None:
    folder = shared_data / "dicom" / "malformed"
    found = files_of(import_paths(archive, FilesSettings(), [folder]), folder)
    refused = {name.rpartition("/")[2]: file.code for name, file in found.items() if file.status == "refused"}
    assert refused["MR_truncated.dcm"] == refused["rtplan_truncated.dcm"] == "truncated"
    assert refused["no_meta.dcm"] == "no_preamble"
    assert all(file.message for file in found.values() if file.code)
    assert all(file.status in (*INSIDE, "refused", "ignored") for file in found.values())


@pytest.mark.slow
def test_every_slide_goes_in_or_says_why_not(archive: Archive, shared_data: Path) -> None:
    folder = shared_data / "wsi"
    found = files_of(import_paths(archive, FilesSettings(), [folder]), folder)
    assert found["aperio/CMU-1-Small-Region.svs"].status == "stored"
    assert found["aperio/CMU-1-Small-Region.svs"].instances >= 4
    for name, file in found.items():
        if Path(name).suffix.lower() not in SLIDE_ENDINGS and not name.startswith("bad/"):
            assert (file.status, file.code) == ("ignored", "unknown_format"), name
        elif file.status not in INSIDE:
            assert file.status == "refused", name
            assert file.code not in {None, "reader_failed", "internal_error", "reader_crashed"}, name
            assert file.message, name
    assert all(file.status == "refused" for name, file in found.items() if name.startswith("bad/"))
    again = import_paths(archive, FilesSettings(), [folder])
    assert again.count("stored") == 0
    assert again.count("known") == sum(file.status == "stored" for file in found.values())


@pytest.mark.slow
def test_a_conversion_done_twice_is_a_duplicate(archive: Archive, shared_data: Path, tmp_path: Path) -> None:
    """What resuming after a crash between commit and note relies on: the same bytes from the same file."""
    slide = shared_data / "wsi" / "aperio" / "CMU-1-Small-Region.svs"
    first = import_paths(archive, FilesSettings(), [slide])
    copy = tmp_path / slide.name
    copy.write_bytes(slide.read_bytes())
    again = import_paths(archive, FilesSettings(), [copy])
    assert [file.status for file in (*first.files, *again.files)] == ["stored", "duplicate"]


def test_a_watched_folder_takes_a_real_slide_and_its_facts(archive: Archive, shared_data: Path, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox"
    inbox.mkdir()
    folder = WatchedFolder(
        inbox, r"^(?P<accession_number>H\d+)-(?P<block>\d+)", facts={"institution": "CHU"}, after="move"
    )
    watcher = Watcher(archive, FilesSettings(watch=(folder,), stable_polls=2), SystemClock())
    data = (shared_data / "wsi" / "aperio" / "CMU-1-Small-Region.svs").read_bytes()
    path = inbox / "H24001234-2.svs"
    for end in range(0, len(data), 1 << 19):
        path.write_bytes(data[:end])
        assert watcher.poll().taken == ()
    path.write_bytes(data)
    [taken] = [item for _ in range(2) for item in watcher.poll().taken]
    assert (taken.state, taken.code) == ("stored", None)
    assert (inbox / "done" / path.name).exists()
    assert taken.study_uid is not None
    [header, *_] = [archive.retrieve.header(ref) for ref in archive.retrieve.instances(WHOLE, taken.study_uid)]
    assert header.AccessionNumber == "H24001234"
    assert header.InstitutionName == "CHU"
    assert [record.state for record in imports.recent(archive.db, WHOLE)] == ["stored"]
