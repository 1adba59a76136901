"""What on a disk makes one slide."""

import os
from pathlib import Path

import pytest

from lamelle.doors.files import sources
from lamelle.doors.files.sources import Source


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def names(folder: Path, **options: object) -> list[list[str]]:
    """The files of every source, relative to the folder."""
    found = sources.find([folder], **options)  # type: ignore[arg-type]
    return [[member.path.relative_to(folder).as_posix() for member in source.members] for source in found]


def test_files_and_folders_are_walked_in_order(tmp_path: Path) -> None:
    touch(tmp_path, "b.svs", "a.dcm", "deep/er/c.ndpi", "IM0001")
    assert names(tmp_path) == [["IM0001"], ["a.dcm"], ["b.svs"], ["deep/er/c.ndpi"]]


def test_a_slide_and_its_folder_are_one(tmp_path: Path) -> None:
    touch(tmp_path, "m.mrxs", "m/Slidedat.ini", "m/Data0000.dat", "v.vsi", "_v_/stack1/frame_t.ets", "other/x.svs")
    assert names(tmp_path) == [
        ["m.mrxs", "m/Data0000.dat", "m/Slidedat.ini"],
        ["v.vsi", "_v_/stack1/frame_t.ets"],
        ["other/x.svs"],
    ]


def test_a_slide_named_by_hand_brings_its_folder(tmp_path: Path) -> None:
    touch(tmp_path, "M.MRXS", "M/Index.dat")
    [source] = sources.find([tmp_path / "M.MRXS"])
    assert [member.path.name for member in source.members] == ["M.MRXS", "Index.dat"]
    assert source.size == len("M.MRXS") + len("M/Index.dat")


@pytest.mark.parametrize(
    "name",
    ["a.svs.part", "A.TMP", ".hidden.svs", "~lock.svs", "a.svs~", "x.filepart", "Thumbs.db", "DICOMDIR", ".snap/a.svs"],
)
def test_what_is_unfinished_hidden_or_clutter_is_passed_over(tmp_path: Path, name: str) -> None:
    touch(tmp_path, name, "good.svs")
    temporary = ("*.tmp", "*.part", "*.filepart", "*~", "~*")
    assert names(tmp_path, temporary=temporary) == [["good.svs"]]


def test_folders_of_ours_and_zarr_are_not_entered(tmp_path: Path) -> None:
    touch(tmp_path, "done/a.svs", "deep/done/b.svs", "image.zarr/0/0")
    assert names(tmp_path, skip=frozenset({tmp_path / "done"})) == [["deep/done/b.svs"]]


def test_links_to_folders_are_not_followed(tmp_path: Path) -> None:
    touch(tmp_path, "a.svs")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "dangling.svs").symlink_to(tmp_path / "nowhere")
    assert names(tmp_path) == [["a.svs"]]


def test_what_cannot_be_listed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a.svs", "gone/b.svs")
    scandir, lost = os.scandir, list[Path]()

    def broken(path: Path) -> object:
        if Path(path).name == "gone":
            raise OSError(112, "Host is down")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", broken)
    found = list(sources.find([tmp_path], lost=lambda path, error: lost.append(path)))
    assert [source.path.name for source in found] == ["a.svs"]
    assert lost == [tmp_path / "gone"]


def test_half_a_listing_of_a_slides_folder_is_no_slide(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "m.mrxs", "m/sub/Data.dat")
    monkeypatch.setattr(os, "walk", lambda folder, onerror: onerror(OSError(112, "Host is down")))
    lost = list[Path]()
    assert list(sources.find([tmp_path], lost=lambda path, error: lost.append(path))) == []
    assert lost == [tmp_path / "m.mrxs"]


SLIDEDAT = "\ufeff[HIERARCHICAL]\nINDEXFILE = Index.dat\n[DATAFILE]\nFILE_COUNT = 2\nFILE_0 = D0.dat\nFILE_1 = D1.dat\n"


def mrxs(folder: Path, *there: str) -> Source:
    touch(folder, "m.mrxs", *(f"m/{name}" for name in there))
    (folder / "m").mkdir(exist_ok=True)
    (folder / "m" / "Slidedat.ini").write_text(SLIDEDAT, encoding="utf-8")
    return sources.whole(folder / "m.mrxs")


def test_an_mrxs_is_there_when_all_its_index_names_is(tmp_path: Path) -> None:
    assert sources.missing(mrxs(tmp_path))
    assert sources.missing(mrxs(tmp_path, "D0.dat", "Index.dat"))
    assert sources.missing(mrxs(tmp_path, "D0.dat", "D1.dat")) is False
    (tmp_path / "m" / "Index.dat").unlink()
    assert sources.missing(sources.whole(tmp_path / "m.mrxs"))


@pytest.mark.parametrize(
    "text", ["", "[DATAFILE]\n", "[DATAFILE]\nFILE_COUNT = x", "\x00\x01", "[DATAFILE]\nFILE_COUNT=1"]
)
def test_an_mrxs_with_half_an_index_is_not_there(tmp_path: Path, text: str) -> None:
    mrxs(tmp_path, "D0.dat", "D1.dat", "Index.dat")
    (tmp_path / "m" / "Slidedat.ini").write_text(text)
    assert sources.missing(sources.whole(tmp_path / "m.mrxs"))


def test_an_mrxs_without_its_folder_is_not_there(tmp_path: Path) -> None:
    touch(tmp_path, "m.mrxs")
    assert sources.missing(sources.whole(tmp_path / "m.mrxs"))


def test_a_fingerprint_tells_files_of_one_size_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.svs"
    prints = set()
    for content in (b"x" * 200_000, b"y" + b"x" * 199_999, b"x" * 199_999 + b"y", b"x" * 5):
        path.write_bytes(content)
        prints.add(sources.fingerprint(sources.whole(path)))
    touch(tmp_path, "m.mrxs", "m/a.dat")
    alone = sources.fingerprint(sources.whole(tmp_path / "m.mrxs"))
    touch(tmp_path, "m/b.dat")
    assert len(prints) == 4
    assert sources.fingerprint(sources.whole(tmp_path / "m.mrxs")) != alone
