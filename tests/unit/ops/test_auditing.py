"""`lamelle audit`: exit codes, the first bad entry named, exports as files; each is an entry itself."""

import json
import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.audit import ledger, tables
from lamelle.audit.model import Entry
from lamelle.base import telemetry
from lamelle.base.errors import Invalid
from lamelle.ops import cli


@pytest.fixture(autouse=True)
def unchanged_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telemetry, "configure", lambda *_: None)


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli.app, ["audit", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


@pytest.fixture
def data(tmp_path: Path) -> Path:
    archive = Archive.open(ArchiveSettings(tmp_path / "data", reserve_bytes=0))
    with archive.db.write() as conn:
        for number in range(5):
            ledger.record(conn, Entry("alice", "view", patient_id=f"P{number}"), archive.clock)
    archive.close()
    return tmp_path / "data"


def test_a_sound_ledger(data: Path) -> None:
    status, said = run("verify", "--data", str(data))
    assert status == 0
    assert re.search(r"^5 entries, signed up to 5 with \S{44}: sound$", said, re.MULTILINE)
    assert "6 entries" in run("verify", "--data", str(data))[1], "the verification is an entry"


def test_the_first_bad_entry_is_named(data: Path) -> None:
    run("verify", "--data", str(data))
    archive = Archive.open(ArchiveSettings(data, reserve_bytes=0))
    with archive.db.write() as conn:
        conn.execute(sa.delete(tables.ledger).where(tables.ledger.c.number == 3))
    archive.close()
    status, said = run("verify", "--data", str(data))
    assert status == 1
    assert said.splitlines()[0] == "entry 3: is missing"
    assert "NOT sound, first at entry 3" in said


def test_an_export_to_a_file_or_to_the_terminal(data: Path, tmp_path: Path) -> None:
    target = tmp_path / "ledger.jsonl"
    assert run("export", "--data", str(data), "--output", str(target))[0] == 0
    told = [json.loads(line) for line in target.read_text().splitlines()]
    assert [one["number"] for one in told if "number" in one] == [1, 2, 3, 4, 5]
    assert any("checkpoint" in one for one in told)
    assert run("verify", "--data", str(data), "--against", str(target))[0] == 0
    status, said = run("export", "--data", str(data), "--format", "fhir", "--patient", "P3")
    assert status == 0
    found = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert [one["type"]["code"] for one in found] == ["110103"]
    assert run("export", "--data", str(data), "--to", "2020-01-01", "--format", "csv")[1].count("\n") == 1


def test_a_time_that_is_none_is_refused(data: Path) -> None:
    with pytest.raises(Invalid):
        run("export", "--data", str(data), "--from", "yesterday")
