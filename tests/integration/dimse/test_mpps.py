"""A scanner says what it does, by pynetdicom, and the worklist follows."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pynetdicom import AE
from typer.testing import CliRunner

from lamelle.base.db import Database
from lamelle.base.ids import new_uid
from lamelle.lab import steps
from lamelle.lab.room import Lab, LabSettings
from lamelle.ops import cli
from lamelle.testing.archives import SetClock
from lamelle.testing.node import Node
from lamelle.testing.worklists import begun, ended, said, scheduled

STEP, WORKLIST = "1.2.840.10008.3.1.2.3.3", "1.2.840.10008.5.1.4.31"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("mpps")
    with Node(folder / "data", workers=1, dimse=True) as served:
        yield served


class Scanner:
    """A modality on one association."""

    def __init__(self, node: Node) -> None:
        scanner = AE("SCANNER1")
        scanner.add_requested_context(STEP)
        scanner.add_requested_context(WORKLIST)
        self.association = scanner.associate("127.0.0.1", node.dimse_port, ae_title="LAMELLE")
        assert self.association.is_established

    def create(self, dataset: dict[str, Any], uid: str | None) -> pydicom.Dataset:
        sent = pydicom.Dataset.from_json(dataset)
        status: pydicom.Dataset = self.association.send_n_create(sent, STEP, uid)[0]
        return status

    def set(self, changes: dict[str, Any], uid: str) -> pydicom.Dataset:
        sent = pydicom.Dataset.from_json(changes)
        status: pydicom.Dataset = self.association.send_n_set(sent, STEP, uid)[0]
        return status

    def listed(self, study_uid: str) -> list[str]:
        """The status of each item of a study on the worklist."""
        asked = said(StudyInstanceUID=study_uid, ScheduledProcedureStepSequence=None)
        found = self.association.send_c_find(pydicom.Dataset.from_json(asked), WORKLIST)
        items = [item.ScheduledProcedureStepSequence[0] for _, item in found if item is not None]
        return [item.ScheduledProcedureStepStatus for item in items]


@pytest.fixture
def scanner(node: Node) -> Iterator[Scanner]:
    made = Scanner(node)
    yield made
    made.association.release()


def put(node: Node, folder: Path, study_uid: str) -> None:
    path = folder / "item.json"
    path.write_text(json.dumps(scheduled(study_uid=study_uid, date="29990102")))
    done = CliRunner().invoke(cli.app, ["worklist", "put", str(path), "--data", str(node.data_dir)])
    assert done.exit_code == 0, done.output


def test_a_slide_is_scanned(node: Node, scanner: Scanner, tmp_path: Path) -> None:
    put(node, tmp_path, "2.25.1")
    assert scanner.listed("2.25.1") == ["SCHEDULED"]
    uid = new_uid()
    assert scanner.create(begun(study_uid="2.25.1"), uid).Status == 0x0000
    assert scanner.listed("2.25.1") == ["STARTED"]
    assert scanner.set(said(PerformedProcedureStepDescription="Numérisation"), uid).Status == 0x0000
    assert scanner.set(ended("COMPLETED", "2.25.50"), uid).Status == 0x0000
    assert scanner.listed("2.25.1") == []
    db = Database(f"sqlite:///{node.data_dir / 'catalogue.sqlite3'}")
    kept = steps.get(Lab(db, SetClock(), LabSettings()), uid)
    db.close()
    assert kept.status == "COMPLETED"
    assert kept.dataset["00100010"]["Value"] == [{"Alphabetic": "Dupont^Hélène"}]
    assert kept.dataset["00400254"]["Value"] == ["Numérisation"]


def test_a_wrong_slide_stays_on_the_worklist(node: Node, scanner: Scanner, tmp_path: Path) -> None:
    put(node, tmp_path, "2.25.2")
    uid = new_uid()
    scanner.create(begun(study_uid="2.25.2"), uid)
    assert scanner.set(ended("DISCONTINUED"), uid).Status == 0x0000
    assert scanner.listed("2.25.2") == ["SCHEDULED"]


def test_statuses_say_what_is_wrong(scanner: Scanner) -> None:
    uid = new_uid()
    absent, empty = begun(), begun(PerformedProcedureStepID=None)
    del absent["00400253"]
    assert scanner.create(absent, uid).Status == 0x0120
    assert scanner.create(empty, uid).Status == 0x0121
    assert scanner.create(begun(PerformedProcedureStepStatus="COMPLETED"), uid).Status == 0x0106
    assert scanner.set(ended("COMPLETED", "2.25.5"), uid).Status == 0x0112
    assert scanner.create(begun(), uid).Status == 0x0000
    assert scanner.create(begun(), uid).Status == 0x0111
    assert scanner.set(ended("SCHEDULED", "2.25.5"), uid).Status == 0x0106
    assert scanner.set(ended("COMPLETED"), uid).Status == 0x0121
    assert scanner.set(ended("COMPLETED", "2.25.5"), uid).Status == 0x0000


def test_an_ended_step_may_no_longer_be_updated(scanner: Scanner) -> None:
    uid = new_uid()
    scanner.create(begun(), uid)
    scanner.set(ended("DISCONTINUED"), uid)
    refused = scanner.set(ended("COMPLETED", "2.25.5"), uid)
    assert (refused.Status, refused.ErrorID) == (0x0110, 0xA710)
    assert "may no longer be updated" in refused.ErrorComment


def test_what_may_not_change_is_named(scanner: Scanner) -> None:
    uid = new_uid()
    scanner.create(begun(), uid)
    warned = scanner.set(ended("COMPLETED", "2.25.5") | said(PatientID="PAT9"), uid)
    assert warned.Status == 0x0107
    assert scanner.set(said(PatientID="PAT1"), uid).Status == 0x0110


def test_a_step_without_uid_is_given_one(scanner: Scanner) -> None:
    assert scanner.create(begun(), None).Status == 0x0000
