"""Opening an archive."""

from pathlib import Path

import pytest

from lamelle.archive.store import Archive, ArchiveSettings


def test_a_folder_named_from_here_is_the_same_from_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    archive = Archive.open(ArchiveSettings(Path("kept")))
    archive.close()
    assert archive.settings.data_dir == tmp_path / "kept"
