"""What a node says of itself: metrics of all workers, logs that hold no patient."""

import http.client
import json
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from lamelle.base.ids import new_uid
from lamelle.testing.node import Node

NAME, IDENTIFIER, ACCESSION = "QUIXOTE^ALONSO", "PID-LAMANCHA-1605", "ACC-ROCINANTE"


def until(true: Callable[[], bool], wait_s: float = 30.0) -> None:
    pause, end = threading.Event(), time.monotonic() + wait_s
    while not true():
        assert time.monotonic() < end, "it never came true"
        pause.wait(0.05)


def part10(study: str) -> bytes:
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.SOPClassUID, data.SOPInstanceUID = SecondaryCaptureImageStorage, new_uid()
    data.StudyInstanceUID, data.SeriesInstanceUID = study, new_uid()
    data.PatientName, data.PatientID, data.AccessionNumber = NAME, IDENTIFIER, ACCESSION
    data.PatientBirthDate, data.Modality = "15470929", "OT"
    data.StudyDate, data.StudyTime, data.StudyID, data.SeriesNumber, data.InstanceNumber = "", "", "", 1, 1
    data.Rows = data.Columns = 2
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, "MONOCHROME2", 0
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelData = 7, b"\0\1\2\3"
    out = DicomBytesIO()
    dcmwrite(out, data, enforce_file_format=True)
    return bytes(out.getvalue())


def store(node: Node, *files: bytes) -> int:
    boundary = b"lamelle"
    parts = b"".join(b"--lamelle\r\nContent-Type: application/dicom\r\n\r\n" + file + b"\r\n" for file in files)
    host = node.url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=30)
    kind = f'multipart/related; type="application/dicom"; boundary={boundary.decode()}'
    headers = {"Content-Type": kind, "Accept": "application/dicom+json"}
    connection.request("POST", "/dicomweb/studies", parts + b"--lamelle--\r\n", headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path / "data", environment={"LAMELLE_LOG_LEVEL": "debug", "LAMELLE_SERVE_ACCESS_LOG": "all"})


def test_logs_never_hold_the_patient(node: Node) -> None:
    study = new_uid()
    with node:
        assert store(node, part10(study), part10(study)) == 200
        assert store(node, part10(study)[:-3]) == 409
        for path in (
            f"/dicomweb/studies?PatientName={NAME}&PatientID={IDENTIFIER}",
            f"/dicomweb/studies?AccessionNumber={ACCESSION}&includefield=all",
            f"/dicomweb/studies/{study}/metadata",
            f"/dicomweb/studies/{study}",
        ):
            node.get(path)
        for path in (f"/dicomweb/studies/{NAME}/series", f"/{IDENTIFIER}", f"/dicomweb/studies?{NAME}=x&limit={NAME}"):
            _ask(node, path)
        _ask(node, "/dicomweb/studies", {"X-Request-ID": "my-request-7", "User-Agent": NAME, "Referer": IDENTIFIER})
        assert node.stop() == 0
    log = node.log()
    for secret in (NAME, "QUIXOTE", "ALONSO", IDENTIFIER, "LAMANCHA", ACCESSION, "15470929"):
        assert secret.lower() not in log.lower()
    lines = [json.loads(line) for line in log.splitlines()]
    answered = [line for line in lines if line["event"] == "http.answered"]
    assert {"/dicomweb/studies", f"/dicomweb/studies/{study}/metadata", "/*"} <= {line["path"] for line in answered}
    assert any(line["request"] == "my-request-7" for line in answered)
    assert all("timestamp" in line and "level" in line for line in lines)


def _ask(node: Node, path: str, headers: dict[str, str] | None = None) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(node.url.removeprefix("http://"), timeout=30)
    connection.request("GET", path.replace("^", "%5E"), headers=headers or {})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer


def test_an_answer_carries_the_request_id(node: Node) -> None:
    with node:
        assert _ask(node, "/health", {"X-Request-ID": "abc-1"}).headers["x-request-id"] == "abc-1"
        odd = _ask(node, "/health", {"X-Request-ID": "<script>"}).headers["x-request-id"]
        assert odd != "<script>" and len(odd) == 16


def counted(node: Node) -> float:
    lines = node.get("/metrics").decode().splitlines()
    start = 'lamelle_requests_total{method="GET",route="/dicomweb/*/*"'
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(start))


def test_metrics_are_the_sum_over_the_workers(node: Node) -> None:
    with node:
        workers = [c for c in psutil.Process(node.process.pid).children() if c.name() == "lamelle worker"]
        asked = 0
        served: set[int] = set()
        while len(served) < 2:  # the kernel spreads connections by their ports
            assert asked < 500
            _ask(node, "/dicomweb/nothing/here")
            asked += 1
            lines = [json.loads(line) for line in node.log().splitlines()]
            served = {line["pid"] for line in lines if line.get("event") == "http.answered"}
        assert served <= {worker.pid for worker in workers}
        until(lambda: counted(node) == float(asked))  # each worker gathers its counts for half a second
        text = node.get("/metrics").decode()
    assert "lamelle_free_bytes" in text
    assert 'lamelle_request_seconds_bucket{le="+Inf",route="/dicomweb/*/*"}' in text


EXAMPLE = re.compile(r"^```python server\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("page", ["docs/quickstart.md"])
def test_the_examples_of_the_documentation_run(
    page: str, node: Node, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    examples = EXAMPLE.findall((Path(__file__).parents[3] / page).read_text(encoding="utf-8"))
    assert examples
    study = new_uid()
    with node:
        assert store(node, part10(study)) == 200
        for example in examples:
            exec(compile(example.replace("http://127.0.0.1:8042", node.url), page, "exec"), {})
    assert study in capsys.readouterr().out
