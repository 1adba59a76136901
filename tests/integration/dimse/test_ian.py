"""Availability is told to a pynetdicom SCP when a study came to rest, and taken from a pynetdicom SCU."""

import json
import queue
from collections.abc import Iterator
from typing import Any

import pydicom
import pytest
from pynetdicom import AE, evt

from lamelle.base.db import Database
from lamelle.base.ids import new_uid, uid_from
from lamelle.lab import notices
from lamelle.lab.room import Lab, LabSettings
from lamelle.testing import instances
from lamelle.testing.archives import SetClock
from lamelle.testing.node import Node
from lamelle.testing.worklists import begun

NOTIFICATION = "1.2.840.10008.5.1.4.33"
STEP = "1.2.840.10008.3.1.2.3.3"
Told = tuple[str, pydicom.Dataset]


class Listener:
    """A workflow manager that is told what is available."""

    def __init__(self) -> None:
        self.told: queue.Queue[Told] = queue.Queue()
        manager = AE("MANAGER")
        manager.add_supported_context(NOTIFICATION)
        handlers = [(evt.EVT_N_CREATE, self._take)]
        self.server = manager.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.port = self.server.socket.getsockname()[1]

    def _take(self, event: Any) -> tuple[int, None]:
        self.told.put((str(event.request.AffectedSOPInstanceUID), event.attribute_list))
        return 0x0000, None

    def next(self) -> Told:
        return self.told.get(timeout=60)


@pytest.fixture(scope="module")
def listener() -> Iterator[Listener]:
    made = Listener()
    yield made
    made.server.shutdown()


@pytest.fixture(scope="module")
def node(listener: Listener, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    peers = [
        {"aet": "MANAGER", "host": "127.0.0.1", "port": listener.port, "rights": ["notify"]},
        {"aet": "SCANNER1", "rights": ["store", "mpps"]},
    ]
    environment = {"LAMELLE_DIMSE_PEERS": json.dumps(peers), "LAMELLE_LAB_SETTLE_S": "0.2"}
    with Node(tmp_path_factory.mktemp("ian") / "data", workers=1, dimse=True, environment=environment) as served:
        yield served


def associate(node: Node, title: str, *classes: str) -> Any:
    client = AE(title)
    for uid in classes:
        client.add_requested_context(uid)
    return client.associate("127.0.0.1", node.dimse_port, ae_title="LAMELLE")


def store(node: Node, *datasets: pydicom.Dataset) -> None:
    association = associate(node, "SCANNER1", instances.CT, STEP)
    for dataset in datasets:
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = pydicom.uid.ImplicitVRLittleEndian
        assert association.send_c_store(dataset).Status == 0
    association.release()


def listed(dataset: pydicom.Dataset) -> dict[str, list[tuple[str, str, str]]]:
    return {
        series.SeriesInstanceUID: [
            (one.ReferencedSOPInstanceUID, one.InstanceAvailability, one.RetrieveAETitle)
            for one in series.ReferencedSOPSequence
        ]
        for series in dataset.ReferencedSeriesSequence
    }


def test_a_study_at_rest_is_told(node: Node, listener: Listener) -> None:
    study = uid_from("study", "1")
    association = associate(node, "SCANNER1", STEP)
    performed = pydicom.Dataset.from_json(begun(study_uid=study))
    status, _ = association.send_n_create(performed, STEP, "2.25.77")
    assert status.Status == 0
    association.release()
    store(node, *(instances.dataset("1", "1", number) for number in (1, 2)))
    first, told = listener.next()
    while len(listed(told)[uid_from("series", "1", "1")]) < 2:  # the two came apart by more than the rest asked for
        first, told = listener.next()
    assert told.StudyInstanceUID == study
    assert listed(told) == {
        uid_from("series", "1", "1"): [
            (uid, "ONLINE", "LAMELLE") for uid in sorted(uid_from("instance", "1", "1", str(n)) for n in (1, 2))
        ]
    }
    [step] = told.ReferencedPerformedProcedureStepSequence
    assert step.ReferencedSOPInstanceUID == "2.25.77"
    store(node, instances.dataset("1", "2", 1))
    second, told = listener.next()
    assert second != first
    assert len(listed(told)) == 2


def test_what_others_tell_is_kept(node: Node) -> None:
    told = pydicom.Dataset()
    told.StudyInstanceUID = "2.25.9"
    told.ReferencedPerformedProcedureStepSequence = []
    one, series = pydicom.Dataset(), pydicom.Dataset()
    one.ReferencedSOPClassUID, one.ReferencedSOPInstanceUID = instances.CT, "2.25.91"
    one.InstanceAvailability, one.RetrieveAETitle = "NEARLINE", "ELSEWHERE"
    series.SeriesInstanceUID, series.ReferencedSOPSequence = "2.25.90", [one]
    told.ReferencedSeriesSequence = [series]
    uid = new_uid()
    association = associate(node, "MANAGER", NOTIFICATION)
    statuses = [association.send_n_create(told, NOTIFICATION, uid)[0].Status for _ in range(2)]
    del told.StudyInstanceUID
    statuses.append(association.send_n_create(told, NOTIFICATION, new_uid())[0].Status)
    association.release()
    assert statuses == [0x0000, 0x0111, 0x0120]
    db = Database(f"sqlite:///{node.data_dir / 'catalogue.sqlite3'}")
    kept = notices.told(Lab(db, SetClock(), LabSettings()), uid)
    db.close()
    assert kept["0020000D"]["Value"] == ["2.25.9"]


def test_only_who_may_is_heard(node: Node) -> None:
    association = associate(node, "SCANNER1", NOTIFICATION, STEP)
    assert [str(context.abstract_syntax) for context in association.accepted_contexts] == [STEP]
    association.release()
