"""WADO-RS: instances, metadata, bulk values, frames; negotiation and statuses. Source: PS3.18 8.7, 10.4."""

import io
from typing import Any
from xml.etree import ElementTree

import httpx
import numpy as np
import pydicom
import pytest
from pydicom.uid import ExplicitVRBigEndian, ImplicitVRLittleEndian
from tests.integration.dicomweb.conftest import Client, application

from lamelle.archive.store import Archive
from lamelle.dicom import render
from lamelle.doors.dicomweb.multipart import Parser, PartBegin, PartData
from lamelle.doors.dicomweb.settings import DicomwebSettings
from lamelle.testing import instances
from lamelle.testing.archives import stored

EVLE = "1.2.840.10008.1.2.1"
JPEG = "1.2.840.10008.1.2.4.50"


def url_of(made: pydicom.Dataset) -> str:
    return f"/studies/{made.StudyInstanceUID}/series/{made.SeriesInstanceUID}/instances/{made.SOPInstanceUID}"


def parts(answer: httpx.Response) -> list[tuple[dict[str, str], bytes]]:
    parser = Parser(answer.headers["content-type"].split("boundary=")[1])
    found: list[tuple[dict[str, str], bytes]] = []
    for event in parser.feed(answer.content):
        if isinstance(event, PartBegin):
            found.append((dict(event.headers), b""))
        elif isinstance(event, PartData):
            found[-1] = (found[-1][0], found[-1][1] + bytes(event.data))
    parser.finish()
    return found


def jpegs(count: int) -> list[bytes]:
    tiles = [np.full((256, 256, 3), 20 * n + 10, np.uint8) for n in range(count)]
    return [render.encoded([tile], "image/jpeg", quality=80) for tile in tiles]


def slide(archive: Archive, count: int = 4) -> tuple[str, list[bytes]]:
    tiles = jpegs(count)
    stored(archive, [instances.slide(tiles)])
    return url_of(instances.dataset()), tiles


@pytest.fixture
def ct(archive: Archive) -> str:
    stored(archive, [instances.instance()])
    return url_of(instances.dataset())


# -- instances ---------------------------------------------------------------------------------------


def test_a_study_comes_as_parts_byte_for_byte(client: Client, archive: Archive) -> None:
    files = [instances.instance(number=n) for n in (1, 2, 3)]
    stored(archive, files)
    study = instances.dataset().StudyInstanceUID
    answer = client.get(f"/studies/{study}", {"accept": "multipart/related; type=application/dicom"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith('multipart/related; type="application/dicom"; boundary=')
    found = parts(answer)
    assert [data for _, data in found] == files
    assert found[0][0]["content-type"] == f"application/dicom; transfer-syntax={EVLE}"
    assert found[0][0]["content-location"].endswith(url_of(instances.dataset()))


@pytest.mark.parametrize("accept", [None, "*/*", 'multipart/related; type="application/dicom"', "multipart/related"])
def test_the_default_of_an_instance_is_multipart(client: Client, ct: str, accept: str | None) -> None:
    answer = client.get(ct, {"accept": accept} if accept else None)
    assert [data for _, data in parts(answer)] == [instances.instance()]


def test_a_single_part_has_ranges_and_an_etag(client: Client, ct: str) -> None:
    whole = instances.instance()
    answer = client.get(ct, {"accept": "application/dicom"})
    assert (answer.status_code, answer.content) == (200, whole)
    assert answer.headers["accept-ranges"] == "bytes"
    part = client.get(ct, {"accept": "application/dicom", "range": "bytes=128-131"})
    assert (part.status_code, part.content) == (206, b"DICM")
    assert part.headers["content-range"] == f"bytes 128-131/{len(whole)}"
    outside = client.get(ct, {"accept": "application/dicom", "range": "bytes=99999999-"})
    assert outside.status_code == 416
    assert outside.headers["content-range"] == f"bytes */{len(whole)}"
    again = client.get(ct, {"accept": "application/dicom", "if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = client.get(ct, {"accept": "application/dicom", "range": "bytes=0-1", "if-range": '"other"'})
    assert other.status_code == 200


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_unwelcome_syntaxes_are_answered_as_explicit_little_endian(
    client: Client, archive: Archive, syntax: Any
) -> None:
    made = instances.dataset()
    pixels = np.frombuffer(made.PixelData, "<u2")
    little = syntax.is_little_endian
    made.PixelData = pixels.astype("<u2" if little else ">u2").tobytes()
    made["PixelData"].VR = "OW"
    meta = pydicom.dataset.FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    made.file_meta = meta
    out = io.BytesIO()
    made.save_as(out, enforce_file_format=True, implicit_vr=syntax.is_implicit_VR, little_endian=little)
    stored(archive, [out.getvalue()])
    url = url_of(made)
    answer = client.get(url, {"accept": "application/dicom"})
    assert answer.headers["content-type"] == f"application/dicom; transfer-syntax={EVLE}"
    read = pydicom.dcmread(io.BytesIO(answer.content))
    assert read.file_meta.TransferSyntaxUID == EVLE
    assert read.PixelData == pixels.tobytes()
    assert read.PatientName == made.PatientName
    as_stored = client.get(url, {"accept": "application/dicom; transfer-syntax=*"})
    assert as_stored.content == out.getvalue()
    frame = client.get(f"{url}/frames/1", {"accept": "application/octet-stream"})
    assert frame.content == pixels.tobytes()


def test_compressed_pixels_are_decoded_only_when_asked(client: Client, archive: Archive) -> None:
    url, _ = slide(archive, 2)
    kept = client.get(url, {"accept": "application/dicom"})
    assert kept.headers["content-type"].endswith(JPEG)
    answer = client.get(url, {"accept": f"application/dicom; transfer-syntax={EVLE}"})
    read = pydicom.dcmread(io.BytesIO(answer.content))
    assert (read.file_meta.TransferSyntaxUID, read.PhotometricInterpretation) == (EVLE, "RGB")
    assert abs(int(read.pixel_array[1, 0, 0, 0]) - 30) <= 1
    assert len(read.PixelData) == 2 * 256 * 256 * 3


def test_decoding_over_the_limit_is_406_and_says_what_there_is(archive: Archive) -> None:
    url, _ = slide(archive, 2)
    client = Client(application(archive, DicomwebSettings(convert_limit_bytes=1000)))
    answer = client.get(url, {"accept": f"application/dicom; transfer-syntax={EVLE}"})
    assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")
    assert answer.json()["available"] == [f'multipart/related; type="application/dicom"; transfer-syntax={JPEG}']


# -- negotiation and errors --------------------------------------------------------------------------


def test_without_accept_a_strict_door_answers_406(archive: Archive, ct: str) -> None:
    client = Client(application(archive, DicomwebSettings(strict_accept=True)))
    for path in (ct, f"{ct}/metadata", f"{ct}/frames/1", f"{ct}/frames/1?accept=application/octet-stream"):
        assert client.get(path).status_code == 406, path
        assert client.get(path, {"accept": "*/*"}).status_code == 200, path


@pytest.mark.parametrize(
    "accept", ["text/plain", "image/jpeg", 'multipart/related; type="image/jls"', "application/pdf"]
)
def test_what_there_is_not_is_406_with_what_there_is(client: Client, ct: str, accept: str) -> None:
    for path in (ct, f"{ct}/frames/1"):
        answer = client.get(path, {"accept": accept})
        assert answer.status_code == 406
        assert answer.headers["content-type"] == "application/problem+json"
        assert any("multipart/related" in available for available in answer.json()["available"])


def test_a_query_accept_comes_before_the_header_and_has_no_wildcards(client: Client, ct: str) -> None:
    answer = client.get(f"{ct}?accept=application/dicom", {"accept": "*/*"})
    assert answer.headers["content-type"].startswith("application/dicom;")
    answer = client.get(f"{ct}?accept=application/*", {"accept": "multipart/related; type=application/dicom"})
    assert answer.headers["content-type"].startswith("multipart/related")
    answer = client.get(f"{ct}/metadata?accept=application/dicom+json", {"accept": "*/*"})
    assert answer.headers["content-type"] == "application/dicom+json"


def test_dicom_and_rendered_types_do_not_mix(client: Client, ct: str) -> None:
    answer = client.get(ct, {"accept": "application/dicom, image/png"})
    assert (answer.status_code, answer.json()["code"]) == (400, "mixed_media_types")


def test_quality_values_choose(client: Client, ct: str) -> None:
    accept = 'multipart/related; type="application/dicom"; q=0.2, application/dicom; q=0.9'
    assert client.get(ct, {"accept": accept}).headers["content-type"].startswith("application/dicom")


@pytest.mark.parametrize(
    "path", ["/studies/1.2.x", "/studies/1.2/series/abc", f"/studies/{'1' * 65}", "/studies/1.2/metadata"]
)
def test_bad_uids_are_400_and_unknown_ones_404(client: Client, path: str) -> None:
    answer = client.get(path)
    expected = 404 if path.endswith("metadata") else 400
    assert answer.status_code == expected
    assert "code" in answer.json()


# -- metadata ----------------------------------------------------------------------------------------


def test_metadata_are_an_array_without_group_2_whose_bulk_resolves(client: Client, archive: Archive) -> None:
    made = instances.dataset(PatientName="Doe^Jane")
    made.add_new(0x00420011, "OB", bytes(range(256)) * 300)
    stored(archive, [instances.part10(made)])
    url = url_of(made)
    answer = client.get(f"{url}/metadata", {"accept": "application/dicom+json"})
    assert answer.headers["content-type"] == "application/dicom+json"
    [item] = answer.json()
    assert not [tag for tag in item if tag.startswith("0002")]
    assert list(item) == sorted(item)
    assert item["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "Doe^Jane"}]}
    bulk = client.get(item["00420011"]["BulkDataURI"], {"accept": "application/octet-stream"})
    assert bulk.content == bytes(range(256)) * 300
    part = client.get(item["00420011"]["BulkDataURI"], {"accept": "application/octet-stream", "range": "bytes=2-4"})
    assert (part.status_code, part.content) == (206, b"\2\3\4")
    pixels = client.get(item["7FE00010"]["BulkDataURI"], {"accept": "application/octet-stream"})
    assert pixels.content == made.PixelData
    many = client.get(item["00420011"]["BulkDataURI"], {"accept": 'multipart/related; type="application/octet-stream"'})
    assert parts(many)[0][1] == bytes(range(256)) * 300
    assert client.get(f"{url}/bulkdata/00420012").status_code == 404


def test_metadata_of_a_study_are_gzipped_for_who_takes_it(client: Client, archive: Archive) -> None:
    stored(archive, [instances.instance(number=n) for n in range(40)])
    study = instances.dataset().StudyInstanceUID
    plain = client.get(f"/studies/{study}/metadata")
    assert "content-encoding" not in plain.headers
    assert len(plain.json()) == 40
    packed = client.get(f"/studies/{study}/metadata", {"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.json() == plain.json()


def test_metadata_are_xml_for_who_asks(client: Client, archive: Archive) -> None:
    made = instances.dataset(PatientName="D<o>e^J&ne")
    made.ReferencedStudySequence = [pydicom.Dataset(), pydicom.Dataset()]
    made.ReferencedStudySequence[1].ReferencedSOPInstanceUID = "1.2.3"
    stored(archive, [instances.part10(made)])
    answer = client.get(f"{url_of(made)}/metadata", {"accept": 'multipart/related; type="application/dicom+xml"'})
    [(headers, document)] = parts(answer)
    assert headers["content-type"] == "application/dicom+xml"
    root = ElementTree.fromstring(document)
    space = {"n": "http://dicom.nema.org/PS3.19/models/NativeDICOM"}
    assert root.tag == "{http://dicom.nema.org/PS3.19/models/NativeDICOM}NativeDicomModel"
    family = root.find('n:DicomAttribute[@tag="00100010"]/n:PersonName/n:Alphabetic/n:FamilyName', space)
    assert family is not None and family.text == "D<o>e"
    inner = root.find(
        'n:DicomAttribute[@keyword="ReferencedStudySequence"]/n:Item[@number="2"]/n:DicomAttribute/n:Value', space
    )
    assert inner is not None and inner.text == "1.2.3"


# -- frames ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("image/jpeg", f"image/jpeg; transfer-syntax={JPEG}"),
        (f"image/jpeg; transfer-syntax={JPEG}", f"image/jpeg; transfer-syntax={JPEG}"),
        ("image/avif,image/webp,image/*,*/*;q=0.8", f"image/jpeg; transfer-syntax={JPEG}"),
        ("application/octet-stream; transfer-syntax=*", f"application/octet-stream; transfer-syntax={JPEG}"),
    ],
)
def test_a_frame_as_stored_in_a_single_part(client: Client, archive: Archive, accept: str, kind: str) -> None:
    url, tiles = slide(archive)
    answer = client.get(f"{url}/frames/2", {"accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == kind
    assert answer.content.rstrip(b"\0") == tiles[1].rstrip(b"\0")
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    again = client.get(f"{url}/frames/2", {"accept": accept, "if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "accept",
    [
        None,
        "*/*",
        'multipart/related; type="image/jpeg"',
        "multipart/related; type=image/jpeg; transfer-syntax=*",
        f'multipart/related; type="image/jpeg"; transfer-syntax={JPEG}',
        'multipart/related; type="image/*"',
    ],
)
def test_a_frame_as_stored_in_a_part(client: Client, archive: Archive, accept: str | None) -> None:
    url, tiles = slide(archive)
    for number in ("3", "3?slow=1"):
        answer = client.get(f"{url}/frames/{number}", {"accept": accept} if accept else None)
        [(headers, data)] = parts(answer)
        assert headers["content-type"] == f"image/jpeg; transfer-syntax={JPEG}"
        assert data.rstrip(b"\0") == tiles[2].rstrip(b"\0")


def test_frames_come_in_the_order_asked_as_often_as_asked(client: Client, archive: Archive) -> None:
    url, tiles = slide(archive)
    found = parts(client.get(f"{url}/frames/3,1,1"))
    assert [data.rstrip(b"\0") for _, data in found] == [tiles[n].rstrip(b"\0") for n in (2, 0, 0)]
    assert found[1][0]["content-location"].endswith("/frames/1")


def test_uncompressed_octets_are_decoded(client: Client, archive: Archive) -> None:
    url, _ = slide(archive)
    answer = client.get(f"{url}/frames/2", {"accept": 'multipart/related; type="application/octet-stream"'})
    [(headers, data)] = parts(answer)
    assert headers["content-type"] == f"application/octet-stream; transfer-syntax={EVLE}"
    pixels = np.frombuffer(data, np.uint8)
    assert pixels.size == 256 * 256 * 3
    assert abs(int(pixels[0]) - 30) <= 1


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90", "1.2.3"])
def test_another_compression_is_406(client: Client, archive: Archive, syntax: str) -> None:
    url, _ = slide(archive)
    accept = f'multipart/related; type="image/jpeg"; transfer-syntax={syntax}'
    assert client.get(f"{url}/frames/1", {"accept": accept}).status_code == 406


@pytest.mark.parametrize(
    ("list_", "status"), [("0", 400), ("-1", 400), ("a", 400), ("1,,2", 400), ("5", 404), ("1,5", 404), ("1,", 400)]
)
def test_frames_that_are_not_there(client: Client, archive: Archive, list_: str, status: int) -> None:
    url, _ = slide(archive)
    assert client.get(f"{url}/frames/{list_}").status_code == status


def test_native_frames_and_pixel_data(client: Client, archive: Archive) -> None:
    made = instances.dataset(NumberOfFrames=3, PixelData=bytes(range(96)))
    stored(archive, [instances.part10(made)])
    url = url_of(made)
    octets = {"accept": "application/octet-stream"}
    assert client.get(f"{url}/frames/2", octets).content == bytes(range(32, 64))
    assert client.get(f"{url}/pixeldata", octets).content == bytes(range(96))
    part = client.get(f"{url}/frames/2", {**octets, "range": "bytes=1-2"})
    assert (part.status_code, part.content) == (206, bytes([33, 34]))
    legacy = client.get(url, {"accept": 'multipart/related; type="application/octet-stream"'})
    assert [data for _, data in parts(legacy)] == [bytes(range(96))]


def test_pixel_data_of_a_slide_are_a_part_for_each_frame(client: Client, archive: Archive) -> None:
    url, tiles = slide(archive)
    found = parts(client.get(f"{url}/pixeldata"))
    assert [data.rstrip(b"\0") for _, data in found] == [tile.rstrip(b"\0") for tile in tiles]


def test_an_instance_without_pixels_has_no_frames(client: Client, archive: Archive) -> None:
    stored(archive, [instances.instance(PixelData=None)])
    url = url_of(instances.dataset())
    for path in ("frames/1", "pixeldata", "rendered", "thumbnail", "frames/1/rendered"):
        assert client.get(f"{url}/{path}").status_code == 404, path


# -- the rest ----------------------------------------------------------------------------------------


def test_capabilities_are_wadl_or_json(client: Client) -> None:
    answer = client.request("OPTIONS", "/")
    assert answer.headers["content-type"].startswith("application/vnd.sun.wadl+xml")
    root = ElementTree.fromstring(answer.content)
    space = {"w": "http://wadl.dev.java.net/2009/02"}
    [resources] = root.findall("w:resources", space)
    assert resources.get("base") == "http://archive.test/dicomweb"
    assert {"studies", "series", "instances"} <= {r.get("path") for r in resources.findall("w:resource", space)}
    described = client.request("OPTIONS", "/", headers={"accept": "application/json"}).json()
    paths = {(r["path"], r["method"]) for r in described["application"]["resources"]["resource"]}
    assert ("/studies/{study}", "POST") in paths


def test_other_origins_are_let_in_by_setting_only(archive: Archive, ct: str) -> None:
    origin = {"origin": "https://viewer.example", "accept": "application/dicom"}
    closed = Client(application(archive))
    assert "access-control-allow-origin" not in closed.get(ct, origin).headers
    opened = Client(application(archive, DicomwebSettings(cors_origins=("https://viewer.example",))))
    for path in (ct, f"{ct}/frames/1"):
        answer = opened.get(path, {**origin, "accept": "*/*"})
        assert answer.headers["access-control-allow-origin"] == "https://viewer.example"
    preflight = {**origin, "access-control-request-method": "GET", "access-control-request-headers": "range"}
    assert opened.request("OPTIONS", ct, headers=preflight).status_code == 200
    other = opened.get(ct, {**origin, "origin": "https://evil.example"})
    assert "access-control-allow-origin" not in other.headers


def test_a_public_url_is_told_behind_a_proxy(archive: Archive, ct: str) -> None:
    client = Client(application(archive, DicomwebSettings(public_url="https://archive.example")))
    [item] = client.get(f"{ct}/metadata").json()
    assert item["7FE00010"]["BulkDataURI"].startswith("https://archive.example/dicomweb/studies/")
