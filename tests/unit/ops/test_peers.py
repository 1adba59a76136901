"""`lamelle dicom`: each command against another archive in this process."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lamelle.access.model import WHOLE
from lamelle.archive.settings import ArchiveSettings
from lamelle.archive.store import Archive
from lamelle.base.ids import uid_from
from lamelle.doors.dimse import association, commitment
from lamelle.doors.dimse.node import Node
from lamelle.doors.dimse.settings import DimseSettings
from lamelle.ops import cli
from lamelle.testing.archives import stored
from lamelle.testing.associations import Network
from lamelle.testing.instances import instance

STUDY = uid_from("study", "1")


@pytest.fixture
def other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    """An archive called OTHER that the commands reach."""
    network = Network()
    monkeypatch.setattr(association, "connect", network.connect)
    monkeypatch.setattr(commitment, "PAUSE_S", 0.0)
    peers = [{"aet": "OTHER", "host": "127.0.0.1", "port": 1}]
    monkeypatch.setenv("LAMELLE_DIMSE_PEERS", json.dumps(peers))
    monkeypatch.setenv("LAMELLE_ARCHIVE_DATA_DIR", str(tmp_path / "ours"))
    monkeypatch.setenv("LAMELLE_ARCHIVE_RESERVE_BYTES", "0")
    archive = Archive.open(ArchiveSettings(tmp_path / "other", reserve_bytes=0))
    yield network.join(Node(archive, DimseSettings(aet="OTHER")))
    network.close()
    archive.close()


def run(*words: str, status: int = 0) -> str:
    done: Any = CliRunner().invoke(cli.app, ["dicom", *words], catch_exceptions=False)
    assert done.exit_code == status, done.output
    return str(done.output)


def test_ask(other: Node) -> None:
    assert "OTHER answers in" in run("echo", "OTHER")
    stored(other.archive, [instance("1", PatientName="Léa^Doe"), instance("2", PatientName="Foe")])
    said = run("find", "OTHER", "PatientName=*doe", "PatientID")
    assert "Léa^Doe" in said and "P1" in said and "Foe" not in said
    assert "P2" in run("find", "OTHER", "PatientID=P2", "--level", "patient", "--patient-root")
    run("find", "OTHER", "--level", "FRAME", status=2)


def test_fetch_and_send(other: Node, tmp_path: Path) -> None:
    stored(other.archive, [instance("1"), instance("1", number=2)])
    assert "2 completed, 0 with warnings, 0 failed" in run("get", "OTHER", "--study", STUDY)
    ours = Archive.open(ArchiveSettings(tmp_path / "ours", reserve_bytes=0))
    try:
        assert len(ours.retrieve.instances(WHOLE, STUDY)) == 2
        stored(ours, [instance("3")])
    finally:
        ours.close()
    assert "1 sent" in run("send", "OTHER", "--patient", "P3")
    assert "0 not committed" in run("send", "OTHER", "--study", STUDY, "--commit")
    assert len(other.archive.retrieve.instances(WHOLE, uid_from("study", "3"))) == 1
    run("get", "OTHER", status=2)


def test_move_says_why_not(other: Node) -> None:
    said = run("move", "OTHER", "--to", "NOBODY", "--study", STUDY, status=1)
    assert "A801" in said and "NOBODY" in said


def test_the_queue_is_shown(other: Node, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "waiting" in run("queue")
    monkeypatch.setenv("LAMELLE_ARCHIVE_FORWARD", json.dumps([{"to": "PACS"}]))
    from lamelle.ops import config, wiring

    archive = wiring.opened(config.load())
    try:
        stored(archive, [instance("1")])
    finally:
        archive.close()
    assert "PACS" in run("queue") and "1 to be tried again" in run("queue", "--retry")
