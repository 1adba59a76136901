"""When a file has settled."""

import fcntl
import os
from pathlib import Path

import pytest

from lamelle.doors.files import settling, sources
from lamelle.doors.files.settling import Settling
from lamelle.doors.files.sources import Member


def look(settled: Settling, path: Path) -> bool:
    return settled.settled(sources.whole(path))


def test_a_file_settles_after_so_many_equal_looks(tmp_path: Path) -> None:
    path, settled = tmp_path / "a.svs", Settling(3, 4)
    path.write_bytes(b"1")
    assert [look(settled, path) for _ in range(4)] == [False, False, True, True]


@pytest.mark.parametrize("change", ["size", "time"])
def test_every_change_starts_the_count_anew(tmp_path: Path, change: str) -> None:
    path, settled = tmp_path / "a.svs", Settling(2, 4)
    path.write_bytes(b"1")
    assert look(settled, path) is False
    if change == "size":
        path.write_bytes(b"12")
    else:
        os.utime(path, ns=(1, 1))
    assert [look(settled, path) for _ in range(2)] == [False, True]


def test_every_file_of_a_slide_counts(tmp_path: Path) -> None:
    (tmp_path / "_v_").mkdir()
    (tmp_path / "v.vsi").write_bytes(b"1")
    settled = Settling(2, 4)
    assert look(settled, tmp_path / "v.vsi") is False
    (tmp_path / "_v_" / "frame_t.ets").write_bytes(b"1")
    assert [look(settled, tmp_path / "v.vsi") for _ in range(2)] == [False, True]


def test_an_empty_file_never_settles(tmp_path: Path) -> None:
    path, settled = tmp_path / "a.svs", Settling(1, 4)
    path.touch()
    assert look(settled, path) is False


def test_a_slide_with_missing_files_is_waited_for_but_not_for_ever(tmp_path: Path) -> None:
    path, settled = tmp_path / "a.mrxs", Settling(1, 4)
    path.write_bytes(b"1")
    assert [look(settled, path) for _ in range(5)] == [False, False, False, True, True]


def test_a_file_open_for_writing_has_not_settled(tmp_path: Path) -> None:
    path, settled = tmp_path / "a.svs", Settling(1, 4)
    path.write_bytes(b"1")
    with path.open("ab"):
        assert look(settled, path) is False
    with path.open("rb"):
        assert look(settled, path) is True


def test_where_nobody_can_tell_looking_must_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, settled = tmp_path / "a.svs", Settling(1, 4)
    path.write_bytes(b"1")
    member = Member(path, 1, 1)
    with path.open("ab"):
        assert settling.is_written(member) is True

        def no_leases(*_: object) -> int:
            raise OSError(22, "Invalid argument")

        monkeypatch.setattr(fcntl, "fcntl", no_leases)
        assert settling.is_written(member) is None
        assert look(settled, path) is True
    assert settling.is_written(Member(tmp_path / "gone", 1, 1)) is None


def test_what_is_gone_is_forgotten(tmp_path: Path) -> None:
    path, settled = tmp_path / "a.svs", Settling(2, 4)
    path.write_bytes(b"1")
    assert look(settled, path) is False
    settled.keep([])
    assert look(settled, path) is False
    settled.keep([str(path)])
    assert look(settled, path) is True
