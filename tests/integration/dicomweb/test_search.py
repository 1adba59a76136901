"""QIDO-RS through the door. Source: PS3.18 8.3.4, 10.6."""

from typing import Any

import pytest
from tests.integration.dicomweb.conftest import Client, application

from lamelle.archive.query import Level
from lamelle.archive.store import Archive
from lamelle.base.errors import Invalid
from lamelle.doors.dicomweb.search import attribute_path, parsed
from lamelle.doors.dicomweb.settings import DicomwebSettings
from lamelle.testing import instances
from lamelle.testing.archives import stored

STUDIES = 5


@pytest.fixture
def full(archive: Archive) -> Archive:
    files = [
        instances.instance(
            str(s), str(r), n, PatientName=f"Name{s}^Given", StudyDate=f"2026010{s}", StudyInstanceUID=f"1.2.{s}"
        )
        for s in range(1, STUDIES + 1)
        for r in (1, 2)
        for n in (1, 2)
    ]
    stored(archive, files)
    return archive


def values(items: list[dict[str, Any]], tag: str) -> list[Any]:
    return [item[tag]["Value"][0] for item in items]


def test_the_six_resources(client: Client, full: Archive) -> None:
    series = str(instances.dataset("1", "1").SeriesInstanceUID)
    counts = {
        "/studies": 5,
        "/series": 10,
        "/instances": 20,
        "/studies/1.2.1/series": 2,
        "/studies/1.2.1/instances": 4,
        f"/studies/1.2.1/series/{series}/instances": 2,
    }
    for path, count in counts.items():
        answer = client.get(path, {"accept": "application/dicom+json"})
        assert (answer.status_code, len(answer.json())) == (200, count), path
        assert answer.headers["content-type"] == "application/dicom+json"


def test_results_hold_what_must_be_returned_and_where_to_get_it(client: Client, full: Archive) -> None:
    [study] = client.get("/studies?StudyInstanceUID=1.2.3").json()
    assert {"00080020", "00080030", "00080050", "00080061", "00080090", "00100010", "00100020"} <= set(study)
    assert (study["00201206"]["Value"], study["00201208"]["Value"]) == ([2], [4])
    assert study["00081190"] == {"vr": "UR", "Value": ["http://archive.test/dicomweb/studies/1.2.3"]}
    assert list(study) == sorted(study)
    found = client.get("/studies/1.2.3/instances").json()
    for url in values(found, "00081190"):
        assert client.get(url).status_code == 200
    assert values(found, "00080016") == [instances.CT] * 4


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("PatientID=P1", 1),
        ("00100020=P1", 1),
        ("PatientID=P*", 5),
        ("PatientID=P?", 5),
        ("StudyDate=20260102-20260103", 2),
        ("StudyDate=-20260102", 2),
        ("StudyDate=20260104-", 2),
        ("StudyInstanceUID=1.2.1,1.2.2", 2),
        ("StudyInstanceUID=1.2.1%2C1.2.2", 2),
        ("PatientName=", 5),
        ("PatientName=name1*", 1),
        ("ModalitiesInStudy=CT", 5),
        ("ModalitiesInStudy=MR", 0),
        ("PatientName=given&fuzzymatching=true", 5),
        ("PatientID=P1\\P2&multiplevaluematching=true", 2),
    ],
)
def test_keys_match(client: Client, full: Archive, query: str, count: int) -> None:
    answer = client.get(f"/studies?{query}")
    assert answer.status_code == (200 if count else 204)
    assert len(answer.json() if count else []) == count


def test_nothing_is_204_without_a_body(client: Client, full: Archive) -> None:
    answer = client.get("/studies?PatientID=nobody")
    assert (answer.status_code, answer.content) == (204, b"")
    assert client.get("/studies?offset=5").status_code == 204


def test_pages_and_the_warning_of_more(client: Client, full: Archive) -> None:
    seen: list[str] = []
    for offset in (0, 2, 4):
        answer = client.get(f"/studies?limit=2&offset={offset}")
        seen += values(answer.json(), "0020000D")
        left = STUDIES - len(seen)
        text = f"299 http://archive.test/dicomweb: There are {left} additional results that can be requested"
        assert answer.headers.get("warning") == (text if left else None)
    assert sorted(seen) == [f"1.2.{n}" for n in range(1, 6)]


def test_a_limit_of_nothing_is_204_with_the_warning(client: Client, full: Archive) -> None:
    answer = client.get("/studies?limit=0")
    assert answer.status_code == 204
    assert "There are 5 additional results" in answer.headers["warning"]


def test_the_doors_own_limit(full: Archive) -> None:
    client = Client(application(full, DicomwebSettings(max_results=3)))
    answer = client.get("/studies?limit=100")
    assert len(answer.json()) == 3
    assert "There are 2 additional results" in answer.headers["warning"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("PatientID=1&PatientID=2", "duplicate_key"),
        ("PatientID=1&00100020=2", "duplicate_key"),
        ("limit=1&limit=2", "duplicate_key"),
        ("NoSuchKeyword=1", "unknown_key"),
        ("patientid=1", "unknown_key"),
        ("limit=-1", "bad_limit"),
        ("limit=abc", "bad_limit"),
        ("offset=1.5", "bad_limit"),
        ("fuzzymatching=maybe", "bad_flag"),
    ],
)
def test_bad_queries_are_400(client: Client, query: str, code: str) -> None:
    answer = client.get(f"/studies?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_fields_are_included_when_asked(client: Client, full: Archive) -> None:
    plain = client.get("/instances?limit=1").json()[0]
    assert "00280101" not in plain
    for fields in ("BitsStored", "00280101,SliceThickness", "all"):
        [item] = client.get(f"/instances?limit=1&includefield={fields}").json()
        assert item["00280101"]["Value"] == [12], fields
    [item] = client.get("/instances?limit=1&includefield=all").json()
    assert item["7FE00010"]["BulkDataURI"].startswith("http://archive.test/dicomweb/studies/")
    assert client.get("/studies?includefield=NoSuchThing").status_code == 200


def test_results_are_xml_for_who_asks(client: Client, full: Archive) -> None:
    answer = client.get("/studies", {"accept": 'multipart/related; type="application/dicom+xml"'})
    assert answer.headers["content-type"].startswith('multipart/related; type="application/dicom+xml"')
    assert answer.content.count(b"<NativeDicomModel") == STUDIES
    assert client.get("/studies", {"accept": "application/pdf"}).status_code == 406


def test_keys_go_through_sequences() -> None:
    assert attribute_path("RequestAttributesSequence.RequestedProcedureID") == ("00400275", "00401001")
    assert attribute_path("00400275.00401001") == ("00400275", "00401001")
    assert attribute_path("Nothing.RequestedProcedureID") is None
    query = parsed([("00400275.00401001", "x")], Level.SERIES, {"study": "1.2"}, 10)
    assert (query.matches[0].path, query.study_uid) == (("00400275", "00401001"), "1.2")
    with pytest.raises(Invalid):
        parsed([("PatientID", "x")] * 201, Level.STUDY, {}, 10)
