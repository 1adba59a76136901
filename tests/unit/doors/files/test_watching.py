"""Watched folders, look after look."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lamelle.access.model import WHOLE
from lamelle.archive import imports
from lamelle.archive.imports import State
from lamelle.archive.store import Archive
from lamelle.base.errors import Invalid, NotFound, Unavailable
from lamelle.base.ids import uid_from
from lamelle.doors.files import clearing, sandbox, sources
from lamelle.doors.files.intake import Taken
from lamelle.doors.files.settings import FilesSettings, WatchedFolder
from lamelle.doors.files.watching import UNITS_A_LOOK, Look, Watcher

from .conftest import StillClock, part10, slide

Watch = Callable[..., Watcher]

pytestmark = pytest.mark.usefixtures("reader_here")


@pytest.fixture
def watch(archive: Archive, settings: FilesSettings, inbox: Path, clock: StillClock) -> Watch:
    def watcher(**options: Any) -> Watcher:
        folder = WatchedFolder(inbox, **options)
        return Watcher(archive, replace(settings, watch=(folder,)), clock)

    return watcher


def states(look: Look) -> list[str | None]:
    return [taken.state for taken in look.taken]


def test_a_slide_is_taken_when_it_has_settled_and_only_once(watch: Watch, inbox: Path) -> None:
    watcher = watch()
    (inbox / "a.tif").write_bytes(slide("case"))
    looks = [watcher.poll() for _ in range(4)]
    assert [states(look) for look in looks] == [[], ["stored"], [], []]
    assert [look.waiting for look in looks] == [1, 0, 0, 0]
    assert (inbox / "a.tif").exists()


def test_a_file_that_grows_is_not_taken_before_it_rests(watch: Watch, inbox: Path, archive: Archive) -> None:
    watcher, path, whole = watch(), inbox / "a.tif", slide("case")
    for end in range(0, len(whole), len(whole) // 5):
        path.write_bytes(whole[:end])
        assert states(watcher.poll()) == []
    path.write_bytes(whole)
    assert [states(watcher.poll()) for _ in range(2)] == [[], ["stored"]]
    assert [record.state for record in imports.recent(archive.db, WHOLE)] == ["stored"]


def test_a_file_being_written_is_not_taken_however_long_it_rests(watch: Watch, inbox: Path) -> None:
    watcher = watch()
    with (inbox / "a.tif").open("wb") as file:
        file.write(slide("case"))
        file.flush()
        assert [states(watcher.poll()) for _ in range(5)] == [[]] * 5
    assert states(watcher.poll()) == ["stored"]


def test_an_mrxs_is_taken_when_its_folder_is_whole(watch: Watch, inbox: Path) -> None:
    watcher, folder = watch(), inbox / "m"
    (inbox / "m.mrxs").write_bytes(slide("case"))
    assert [states(watcher.poll()) for _ in range(4)] == [[]] * 4
    folder.mkdir()
    for name in ("Data0000.dat", "Index.dat"):
        (folder / name).write_bytes(b"data")
        assert [states(watcher.poll()) for _ in range(3)] == [[]] * 3
    (folder / "Slidedat.ini").write_text(
        "[HIERARCHICAL]\nINDEXFILE=Index.dat\n[DATAFILE]\nFILE_COUNT=1\nFILE_0=Data0000.dat\n"
    )
    assert [states(watcher.poll()) for _ in range(2)] == [[], ["stored"]]


def test_after_a_restart_nothing_is_taken_twice(watch: Watch, inbox: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (inbox / "a.tif").write_bytes(slide("case"))
    (inbox / "b.tif").write_bytes(slide("bad", wrong="refuses"))
    first = watch()
    assert [states(first.poll()) for _ in range(2)] == [[], ["stored", "refused"]]
    monkeypatch.setattr(sandbox, "run", lambda *_, **__: pytest.fail("taken twice"))
    second = watch()
    assert [states(second.poll()) for _ in range(3)] == [[]] * 3
    assert second.poll().waiting == 0


def test_a_file_that_changed_is_taken_again(watch: Watch, inbox: Path) -> None:
    watcher, path = watch(), inbox / "a.tif"
    path.write_bytes(slide("bad", wrong="refuses"))
    assert [states(watcher.poll()) for _ in range(2)] == [[], ["refused"]]
    path.write_bytes(slide("case"))
    assert [states(watcher.poll()) for _ in range(2)] == [[], ["stored"]]


def test_a_share_that_goes_and_comes_back_loses_nothing(watch: Watch, inbox: Path) -> None:
    watcher, away = watch(), inbox.with_name("away")
    (inbox / "a.tif").write_bytes(slide("case"))
    watcher.poll()
    inbox.rename(away)
    gone = watcher.poll()
    assert (gone.lost, states(gone)) == ((inbox,), [])
    away.rename(inbox)
    back = watcher.poll()
    assert (back.lost, states(back)) == ((), ["stored"])


def test_a_file_that_cannot_be_read_is_tried_again_when_due(
    watch: Watch, inbox: Path, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    (inbox / "a.dcm").write_bytes(part10("a", "1", "1"))
    real, watcher = Path.open, watch()

    def locked(self: Path, *args: Any, **options: Any) -> Any:
        if self.name == "a.dcm":
            raise PermissionError(13, "Permission denied")
        return real(self, *args, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", locked)
        assert [states(watcher.poll()) for _ in range(2)] == [[], ["retry"]]
        assert states(watcher.poll()) == []
        clock.pass_(60)
        assert states(watcher.poll()) == ["retry"]
        clock.pass_(60)
        assert states(watcher.poll()) == []
    clock.pass_(60)
    assert states(watcher.poll()) == ["stored"]


def test_two_watchers_take_a_slide_once(watch: Watch, inbox: Path, archive: Archive, clock: StillClock) -> None:
    one, two = watch(), watch()
    (inbox / "a.tif").write_bytes(slide("case"))
    one.poll(), two.poll()
    seen = imports.Seen(str(inbox / "a.tif"), 1, 1, "")
    imports.claim(archive.db, [seen], "a third", clock.now(), clock.now().replace(year=2030))
    assert [taken.code for taken in two.poll().taken] == ["busy"]
    clock.pass_(10 * 365 * 86400)
    assert states(one.poll()) == ["stored"]
    assert states(two.poll()) == []


@pytest.mark.parametrize("after", ["move", "delete"])
def test_what_is_in_the_archive_is_cleared_away_when_told(watch: Watch, inbox: Path, after: str) -> None:
    (inbox / "case").mkdir()
    (inbox / "case" / "v.vsi").write_bytes(slide("case"))
    (inbox / "case" / "_v_").mkdir()
    (inbox / "case" / "_v_" / "frame_t.ets").write_bytes(b"data")
    (inbox / "IM1").write_bytes(part10("ct", "1", "1"))
    (inbox / "bad.tif").write_bytes(slide("bad", wrong="refuses"))
    watcher = watch(after=after)
    assert [sorted(map(str, states(watcher.poll()))) for _ in range(2)] == [[], ["refused", "stored", "stored"]]
    left = sorted(path.relative_to(inbox).as_posix() for path in inbox.rglob("*") if path.is_file())
    moved = ["done/IM1", "done/case/_v_/frame_t.ets", "done/case/v.vsi"] if after == "move" else []
    assert left == ["bad.tif", *moved]
    assert [states(watcher.poll()) for _ in range(3)] == [[]] * 3


def test_what_was_refused_is_moved_when_told(watch: Watch, inbox: Path) -> None:
    watcher = watch(refused="move")
    for _ in range(2):
        (inbox / "bad.tif").write_bytes(slide("bad", wrong="refuses"))
        os.utime(inbox / "bad.tif")
        watcher.poll(), watcher.poll(), watcher.poll()
    left = sorted(path.relative_to(inbox).as_posix() for path in inbox.rglob("*") if path.is_file())
    assert left == ["refused/1/bad.tif", "refused/bad.tif"]


def test_a_slide_taken_before_a_crash_is_cleared_away_after_it(watch: Watch, inbox: Path) -> None:
    (inbox / "a.tif").write_bytes(slide("case"))
    before = watch()
    before.poll(), before.poll()
    after = watch(after="move")
    after.poll(), after.poll()
    assert [path.relative_to(inbox).as_posix() for path in inbox.rglob("*.tif")] == ["done/a.tif"]


@pytest.mark.parametrize("name", ["a.tif", "a.dcm"])
def test_nothing_is_deleted_that_the_archive_does_not_hold(
    watch: Watch, inbox: Path, archive: Archive, name: str
) -> None:
    (inbox / name).write_bytes(slide("case") if name == "a.tif" else part10("case", "1", "1"))
    first = watch()
    first.poll(), first.poll()
    for blob in list(archive.blobs.list("instances/"))[:1]:
        archive.blobs.delete(blob.key)
    second = watch(after="delete")
    second.poll(), second.poll(), second.poll()
    assert (inbox / name).exists()


def test_a_blob_with_other_bytes_does_not_count(archive: Archive, inbox: Path, settings: FilesSettings) -> None:
    path = inbox / "a.dcm"
    path.write_bytes(part10("case", "1", "1"))
    taken = Taken(sources.whole(path), State.STORED)
    with pytest.raises(Unavailable):
        clearing.verify(archive, taken, "dicom")


def test_a_folders_rule_gives_facts(watch: Watch, inbox: Path, archive: Archive) -> None:
    (inbox / "H24001234-2").mkdir()
    (inbox / "H24001234-2" / "HES.tif").write_bytes(slide("case", wrong="facts"))
    pattern = r"^(?P<accession_number>\w+)-(?P<block>\d+)/(?P<stain>\w+)$"
    watcher = watch(pattern=pattern, facts={"institution": "CHU"})
    watcher.poll(), watcher.poll()
    assert [record.reason for record in imports.recent(archive.db, WHOLE)] == ["H24001234 2 CHU"]


def test_a_folder_may_be_named_from_where_the_server_runs(
    archive: Archive, settings: FilesSettings, inbox: Path, clock: StillClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(inbox.parent)
    (inbox / "H1.tif").write_bytes(slide("case", wrong="facts"))
    folder = WatchedFolder(Path(inbox.name), r"(?P<accession_number>H\d)", refused="move")
    watcher = Watcher(archive, replace(settings, watch=(folder,)), clock)
    assert [states(watcher.poll()) for _ in range(2)] == [[], ["refused"]]
    assert [record.reason for record in imports.recent(archive.db, WHOLE)] == ["H1  "]
    assert (inbox / "refused" / "H1.tif").exists()


def test_a_rule_that_makes_no_sense_is_refused_at_once(inbox: Path) -> None:
    for pattern in ("(", "(?P<shoe_size>.)"):
        with pytest.raises(Invalid):
            WatchedFolder(inbox, pattern)


def test_facts_that_dicom_forbids_refuse_the_slide_not_the_watcher(watch: Watch, inbox: Path, archive: Archive) -> None:
    (inbox / "a-name-much-longer-than-sixteen-letters.tif").write_bytes(slide("case"))
    watcher = watch(pattern="(?P<accession_number>.+)")
    assert [states(watcher.poll()) for _ in range(2)] == [[], ["refused"]]
    with pytest.raises(NotFound):
        archive.retrieve.instances(WHOLE, uid_from("case"))


def test_what_is_no_slide_is_left_alone(watch: Watch, inbox: Path, archive: Archive) -> None:
    (inbox / "notes.txt").write_text("hello")
    watcher = watch(refused="move")
    assert [(look.waiting, states(look)) for look in (watcher.poll() for _ in range(3))] == [(1, []), (0, []), (0, [])]
    assert imports.recent(archive.db, WHOLE) == []
    assert (inbox / "notes.txt").exists()


def test_a_backlog_is_taken_in_parts(watch: Watch, inbox: Path, settings: FilesSettings) -> None:
    """So that the slides of another folder need not wait for all of these."""
    part = UNITS_A_LOOK * settings.slides_at_once
    for number in range(part + 3):
        (inbox / f"{number:02}.tif").write_bytes(slide(f"case-{number}", 1, 1))
    watcher = watch()
    looks = [watcher.poll() for _ in range(4)]
    assert [len(look.taken) for look in looks] == [0, part, 3, 0]
    assert [look.more for look in looks] == [False, True, False, False]
    assert [look.waiting for look in looks] == [part + 3, 3, 0, 0]


def test_stop_leaves_what_is_not_begun(watch: Watch, inbox: Path) -> None:
    (inbox / "a.tif").write_bytes(slide("case"))
    watcher = watch()
    watcher.poll()
    watcher._stop.set()
    assert watcher.poll().taken == ()
    watcher.run_forever()
