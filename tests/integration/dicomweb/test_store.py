"""STOW-RS: what is taken, what is refused, and that nothing is lost or left. Source: PS3.18 10.5."""

import asyncio
import gzip
import io
import json
from collections.abc import Iterator, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import pydicom
import pytest
from tests.integration.dicomweb.conftest import Client, application

from lamelle.access.model import WHOLE
from lamelle.archive.store import Archive
from lamelle.base.errors import Unavailable
from lamelle.doors.dicomweb.multipart import written
from lamelle.doors.dicomweb.settings import DicomwebSettings
from lamelle.testing import instances

DICOM = [("Content-Type", "application/dicom")]
MULTIPART = {"content-type": 'multipart/related; type="application/dicom"; boundary="a b:c"'}


def body(*files: bytes) -> bytes:
    return b"".join(written("a b:c", [(DICOM, [data]) for data in files]))


def reasons(answer: dict[str, Any], tag: str) -> list[int]:
    return [item["00081197"]["Value"][0] for item in answer.get(tag, {}).get("Value", ())]


def left_in_spool(archive: Archive) -> list[Path]:
    return [
        path
        for path in archive.settings.data_dir.rglob("*")
        if "spool" in path.parts and path.is_file() and path.suffix != ".lock"
    ]


def test_instances_are_kept_and_answered_with_their_urls(client: Client) -> None:
    answer = client.post(
        "/studies", content=body(instances.instance(number=1), instances.instance(number=2)), headers=MULTIPART
    )
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/dicom+json"
    said = answer.json()
    made = instances.dataset(number=2)
    item = said["00081199"]["Value"][1]
    assert item["00081150"]["Value"] == [made.SOPClassUID]
    assert item["00081155"]["Value"] == [made.SOPInstanceUID]
    assert client.get(item["00081190"]["Value"][0]).status_code == 200
    assert said["00081190"]["Value"] == [f"http://archive.test/dicomweb/studies/{made.StudyInstanceUID}"]
    assert "00081198" not in said


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_any_chunking_gives_the_same_bytes_back(client: Client, size: int) -> None:
    file = instances.instance()
    whole = body(file)

    def chunks() -> Iterator[bytes]:
        for at in range(0, len(whole), size):
            yield whole[at : at + size]

    answer = client.post("/studies", content=chunks(), headers=MULTIPART)
    assert answer.status_code == 200
    url = answer.json()["00081199"]["Value"][0]["00081190"]["Value"][0]
    assert client.get(url, headers={"accept": "application/dicom; transfer-syntax=*"}).content == file


def test_a_bare_instance_is_a_body(client: Client) -> None:
    answer = client.post("/studies", content=instances.instance(), headers={"content-type": "application/dicom"})
    assert answer.status_code == 200


def test_the_same_bytes_again_are_a_success_and_other_bytes_a_conflict(client: Client) -> None:
    file = instances.instance()
    for _ in range(2):
        assert client.post("/studies", content=body(file), headers=MULTIPART).status_code == 200
    answer = client.post("/studies", content=body(instances.instance(PatientName="Other^One")), headers=MULTIPART)
    assert answer.status_code == 409
    assert reasons(answer.json(), "00081198") == [0x0111]


def test_three_good_and_one_bad_are_202_with_both_sequences(client: Client) -> None:
    good = [instances.instance(number=n) for n in range(3)]
    answer = client.post("/studies", content=body(*good, b"this is no DICOM"), headers=MULTIPART)
    assert answer.status_code == 202
    said = answer.json()
    assert len(said["00081199"]["Value"]) == 3
    assert reasons(said, "0008119A") == [0xC000]


def test_another_study_than_the_urls_is_a_conflict(client: Client) -> None:
    answer = client.post("/studies/1.2.3", content=body(instances.instance()), headers=MULTIPART)
    assert answer.status_code == 409
    assert reasons(answer.json(), "00081198") == [0xA901]
    study = instances.dataset().StudyInstanceUID
    assert client.get(f"/studies/{study}").status_code == 404
    assert client.post(f"/studies/{study}", content=body(instances.instance()), headers=MULTIPART).status_code == 200


@pytest.mark.parametrize(
    ("content_type", "code"),
    [
        ("text/plain", "unsupported_media_type"),
        ("", "unsupported_media_type"),
        ("multipart/form-data; boundary=x", "unsupported_media_type"),
        ('multipart/related; type="image/jpeg"; boundary=x', "unsupported_media_type"),
    ],
)
def test_other_bodies_are_415(client: Client, content_type: str, code: str) -> None:
    answer = client.post("/studies", content=b"x", headers={"content-type": content_type})
    assert (answer.status_code, answer.json()["code"]) == (415, code)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (b"", MULTIPART),
        (b"no delimiter", MULTIPART),
        (b"--a b:c--\r\n", MULTIPART),
        (b"x", {"content-type": 'multipart/related; type="application/dicom"'}),
        (b"", {"content-type": "application/dicom"}),
    ],
)
def test_bodies_without_parts_are_400(client: Client, content: bytes, headers: dict[str, str]) -> None:
    assert client.post("/studies", content=content, headers=headers).status_code == 400


def test_a_body_that_ends_within_a_part_keeps_what_came_before(client: Client, archive: Archive) -> None:
    first, second = instances.instance(number=1), instances.instance(number=2)
    answer = client.post("/studies", content=body(first, second)[:-100], headers=MULTIPART)
    assert answer.status_code == 202
    assert len(answer.json()["00081199"]["Value"]) == 1
    assert left_in_spool(archive) == []


def test_a_client_that_disconnects_leaves_no_spool_and_loses_no_complete_instance(archive: Archive) -> None:
    first, second = instances.instance(number=1), instances.instance(number=2, PixelData=bytes(1 << 20))
    whole = body(first, second)
    messages: Sequence[MutableMapping[str, Any]] = [
        {"type": "http.request", "body": whole[: len(whole) - 1000], "more_body": True},
        {"type": "http.disconnect"},
    ]
    waiting = iter(messages)

    async def receive() -> MutableMapping[str, Any]:
        return next(waiting)

    async def send(message: MutableMapping[str, Any]) -> None:
        pass

    headers = [(name.encode(), value.encode()) for name, value in MULTIPART.items()]
    scope = {"type": "http", "method": "POST", "path": "/dicomweb/studies", "raw_path": b"", "query_string": b""}
    scope |= {
        "headers": headers,
        "root_path": "",
        "scheme": "http",
        "server": ("archive.test", 80),
        "http_version": "1.1",
    }

    async def ask() -> None:
        await application(archive)(scope, receive, send)

    asyncio.run(ask())
    kept = archive.retrieve.instances(WHOLE, instances.dataset().StudyInstanceUID)
    assert [ref.sop_uid for ref in kept] == [instances.dataset(number=1).SOPInstanceUID]
    assert left_in_spool(archive) == []


def test_a_body_over_the_limit_is_413_and_leaves_nothing(archive: Archive) -> None:
    settings = DicomwebSettings(store_limit_bytes=100)
    client = Client(application(archive, settings))
    assert client.post("/studies", content=body(instances.instance()), headers=MULTIPART).status_code == 413
    chunks = iter([body(instances.instance())])
    assert client.post("/studies", content=chunks, headers=MULTIPART).status_code == 413
    assert left_in_spool(archive) == []


def test_a_full_store_is_507(client: Client, archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(receptions: object) -> list[object]:
        raise Unavailable("storage_full", "no room")

    monkeypatch.setattr(type(archive.ingest), "commit", lambda self, receptions: full(receptions))
    answer = client.post("/studies", content=body(instances.instance()), headers=MULTIPART)
    assert (answer.status_code, answer.json()["code"]) == (507, "storage_full")
    assert left_in_spool(archive) == []


def test_many_instances_are_committed_in_batches(client: Client) -> None:
    files = [instances.instance(number=n) for n in range(150)]
    answer = client.post("/studies", content=body(*files), headers=MULTIPART)
    assert answer.status_code == 200
    assert len(answer.json()["00081199"]["Value"]) == 150


def metadata_body(kind: str, metadata: bytes, bulk: bytes, bulk_type: str) -> tuple[bytes, dict[str, str]]:
    parts = [
        ([("Content-Type", kind)], [metadata]),
        ([("Content-Type", bulk_type), ("Content-Location", "bulk/1")], [bulk]),
    ]
    headers = {"content-type": f'multipart/related; type="{kind}"; boundary=xyz'}
    return b"".join(written("xyz", parts)), headers


def test_json_metadata_with_bulk_parts_become_an_instance(client: Client) -> None:
    made = instances.dataset(PatientName="Ünal^Zoë")
    pixels = made.PixelData
    item = json.loads(made.to_json(bulk_data_threshold=4, bulk_data_element_handler=lambda _: "bulk/1"))
    content, headers = metadata_body(
        "application/dicom+json", json.dumps([item]).encode(), pixels, "application/octet-stream"
    )
    answer = client.post("/studies", content=content, headers=headers)
    assert answer.status_code == 200, answer.text
    url = answer.json()["00081199"]["Value"][0]["00081190"]["Value"][0]
    kept = pydicom.dcmread(io.BytesIO(client.get(url, headers={"accept": "application/dicom"}).content))
    assert kept.PixelData == pixels
    assert kept.PatientName == "Ünal^Zoë"


def test_xml_metadata_as_we_write_them_are_taken_back(client: Client) -> None:
    made = instances.dataset(PatientName="Ünal^Zoë=山田^太郎")
    first = client.post("/studies", content=body(instances.part10(made)), headers=MULTIPART)
    url = first.json()["00081199"]["Value"][0]["00081190"]["Value"][0]
    answer = client.get(f"{url}/metadata", headers={"accept": 'multipart/related; type="application/dicom+xml"'})
    document = answer.content.split(b"\r\n\r\n", 1)[1].rsplit(b"\r\n--", 1)[0]
    link = answer.text.split('<BulkData uri="')[1].split('"')[0].encode()
    other = document.replace(link, b"bulk/1").replace(made.SOPInstanceUID.encode(), b"1.2.3.4")
    content, headers = metadata_body("application/dicom+xml", other, made.PixelData, "application/octet-stream")
    answer = client.post("/studies", content=content, headers=headers)
    assert answer.status_code == 200, answer.text
    url = answer.json()["00081199"]["Value"][0]["00081190"]["Value"][0]
    kept = pydicom.dcmread(io.BytesIO(client.get(url, headers={"accept": "application/dicom"}).content))
    assert kept.PatientName == "Ünal^Zoë=山田^太郎"
    assert kept.PixelData == made.PixelData


@pytest.mark.parametrize(
    "metadata",
    [
        b"{",
        b"[1]",
        b"[]",
        b'[{"00080018":{"vr":"UI","Value":["1.2"]}}]',
        b'[{"7FE00010":{"vr":"OW","BulkDataURI":"?"}}]',
    ],
)
def test_bad_metadata_are_refused(client: Client, metadata: bytes) -> None:
    content, headers = metadata_body("application/dicom+json", metadata, b"", "application/octet-stream")
    assert client.post("/studies", content=content, headers=headers).status_code in {400, 409}


def test_the_answer_can_be_xml(client: Client) -> None:
    headers = {**MULTIPART, "accept": "application/dicom+xml"}
    answer = client.post("/studies", content=body(instances.instance()), headers=headers)
    assert answer.headers["content-type"] == "application/dicom+xml"
    assert b"<NativeDicomModel" in answer.content and b'tag="00081199"' in answer.content


def test_a_file_of_the_wrong_length_is_refused_with_a_reason(client: Client, archive: Archive) -> None:
    broken = instances.instance()[:-9]
    answer = client.post("/studies", content=body(broken), headers=MULTIPART)
    assert answer.status_code == 409
    assert left_in_spool(archive) == []


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br"])
def test_a_compressed_body_is_not_unfolded(client: Client, coding: str) -> None:
    packed = gzip.compress(bytes(1 << 20))
    answer = client.post(
        "/studies", content=packed, headers={"content-type": "application/dicom", "content-encoding": coding}
    )
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
