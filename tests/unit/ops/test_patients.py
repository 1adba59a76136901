"""Merges of patients by commands: listed, undone."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from lamelle.lab import patients
from lamelle.lab.orders import Identifier, Identity, MergeSaid
from lamelle.ops import cli, config, wiring
from lamelle.testing.laboratory import at

KEPT, GONE = Identifier("000003", "CHU-X"), Identifier("000077", "CHU-X")


def run(*words: str) -> str:
    result = CliRunner().invoke(cli.app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_a_merge_is_listed_and_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMELLE_ARCHIVE_DATA_DIR", str(tmp_path / "data"))
    with wiring.laboratory(config.load()) as lab:
        number = patients.merge(lab, MergeSaid(Identity((KEPT,), family="PAT-TROIS"), GONE, at(0)))
    listed = run("patient", "merges", "000077")
    assert f"{number}" in listed and "2025-03-12T12:00:00+00:00" in listed and "PAT-TROIS" not in listed
    run("patient", "unmerge", str(number))
    assert run("patient", "merges", "000077", "--issuer", "CHU-X").count("+00:00") == 2
    with wiring.laboratory(config.load()) as lab, lab.db.read() as conn:
        assert [row.identifier for row in patients.found(conn, "000077")] == ["000077"]
