"""The command line: exit codes, sentences instead of tracebacks, an import that says what it did."""

import io
import re
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lamelle import __version__
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.base import telemetry
from lamelle.base.errors import NotFound, Unavailable
from lamelle.ops import cli
from lamelle.testing import archives, pictures


@pytest.fixture(autouse=True)
def unchanged_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "configure", lambda *_: None)


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, list(arguments))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_version() -> None:
    assert run("version") == (0, f"{__version__}\n")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_is_said_meanwhile_stands_above_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "TERM", "TTY_COMPATIBLE", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with cli.bar("Importing") as advance:
        advance(1, 2)
        for _ in range(2):
            print("files_taken", file=sys.stderr)
    drawn = terminal.getvalue()
    assert drawn.count("files_taken") == 2
    assert not any("Importing" in re.split(r"[\r\n]", before)[-1] for before in drawn.split("files_taken")[:-1])


def test_wrong_use_is_2() -> None:
    assert run("serve", "--nonsense")[0] == 2
    assert run("import")[0] == 2


def test_settings_are_shown_with_their_variables(tmp_path: Path) -> None:
    status, text = run("settings", "--data", str(tmp_path))
    assert status == 0
    assert "serve.port" in text and "LAMELLE_SERVE_PORT" in text


def test_an_empty_archive_is_sound_and_can_be_rebuilt(tmp_path: Path) -> None:
    (tmp_path / "data" / "blobs").mkdir(parents=True)
    for command in ("rebuild", "verify"):
        status, text = run(command, "--data", str(tmp_path / "data"))
        assert (status, "0 instances, 0 bytes: sound" in text) == (0, True)


@pytest.mark.parametrize("command", ["verify", "rebuild"])
def test_a_wrong_folder_is_no_sound_archive(tmp_path: Path, command: str) -> None:
    with pytest.raises(NotFound, match="there is no archive in") as caught:
        run(command, "--data", str(tmp_path / "tyop"))
    assert caught.value.code == "no_such_archive"
    assert not (tmp_path / "tyop").exists()


def test_a_lost_catalogue_is_not_sound(tmp_path: Path) -> None:
    (tmp_path / "blobs").mkdir()
    with pytest.raises(NotFound) as caught:
        run("verify", "--data", str(tmp_path))
    assert caught.value.code == "no_catalogue"


def test_stored_slides_are_looked_at_again(tmp_path: Path) -> None:
    archive = Archive.open(ArchiveSettings(tmp_path, reserve_bytes=0))
    archives.stored(archive, pictures.slide("1", "1"))
    archive.close()
    assert run("match", "--data", str(tmp_path)) == (0, "1 slides will be looked at\n")


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unavailable) as caught:
        run("import", "--data", str(tmp_path / "file" / "data"), str(tmp_path / "file"))
    assert caught.value.code == "data_dir_not_writable"


def test_a_misspelt_variable_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[object] = []
    monkeypatch.setattr(telemetry, "log", lambda event, **facts: said.append((event, facts.get("name"))))
    monkeypatch.setenv("LAMELLE_SERVE_PROT", "1")
    run("settings", "--data", str(tmp_path))
    assert ("settings.unknown_variable", "LAMELLE_SERVE_PROT") in said


def test_an_import_says_what_became_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "broken.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"nothing more")
    status, text = run("import", "--data", str(tmp_path / "data"), str(tmp_path / "in"))
    assert status == 1
    assert "refused" in text


def test_an_error_of_ours_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["lamelle", "serve", "--data", str(tmp_path), "--host", "0.0.0.0"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 1
    said = capsys.readouterr().err
    assert said.startswith("lamelle: ") and said.endswith("(no_tls)\n") and said.count("\n") == 1
    monkeypatch.setenv("LAMELLE_SERVE_PORT", "x")
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
