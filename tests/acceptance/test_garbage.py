"""Addresses, queries and headers nobody would send: an answer below 500 each time, and the server lives."""

import contextlib
import http.client
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from lamelle.testing import instances
from lamelle.testing.client import Answer, Client
from lamelle.testing.node import Node

MADE = instances.dataset("garbage")
UIDS = [str(MADE.StudyInstanceUID), str(MADE.SeriesInstanceUID), str(MADE.SOPInstanceUID)]
SLIDE = instances.dataset("garbage", "slide")
words = [
    *("dicomweb", "api", "studies", "series", "instances", "frames", "metadata", "bulkdata", "rendered", "thumbnail"),
    *("slides", "levels", "tiles", "label", "overview", "stack", "file", "imports", "session", "pixeldata", "assets"),
    *(
        "1",
        "0",
        "-1",
        "1,2",
        "99999999999999999999",
        "1e9",
        "1.2.3",
        "..",
        ".",
        "%",
        "%00",
        "7FE00010",
        "\u0661",
        "NaN",
    ),
    *UIDS,
    str(SLIDE.SeriesInstanceUID),
]
keys = [
    *("limit", "offset", "includefield", "fuzzymatching", "PatientName", "PatientID", "StudyDate", "StudyTime", "q"),
    *("00100010", "00081140.00081155", "0040A730.0040A168.00080100", "00280010", "NumberOfFrames", "ModalitiesInStudy"),
    *("window", "viewport", "quality", "iccprofile", "annotation", "accept", "z", "path", "from", "to", "modality"),
    *("SliceThickness", "AcquisitionDateTime", "emptyvaluematching", "multiplevaluematching", "00091001", "FFFFFFFF"),
]
values = [
    *(
        "",
        "*",
        "?",
        "\\",
        "^",
        "=",
        '""',
        "-",
        "20240101-",
        "-20240101",
        "20240230",
        "999999",
        "0",
        "-1",
        "1e400",
        "NaN",
    ),
    *(
        "1,2,3",
        "0,0",
        "1,1,1,1,1,1",
        "-5,-5,0,0,0,0",
        "99999,99999",
        "100000000000000000000",
        "all",
        "true",
        "a*b?c[d]",
    ),
    *("inf,1,linear", "0,0,sigmoid", "1.2\\1.3", "\ud7ff", "\U0001f52c", "%_", "\x00", "٣", "application/dicom"),
]
text = st.one_of(st.sampled_from(values), st.text(st.characters(codec="utf-8"), max_size=12))
segment = st.one_of(st.sampled_from(words), st.sampled_from(words), text)
real = st.sampled_from(
    [
        f"dicomweb/studies/{UIDS[0]}/series/{UIDS[1]}/instances/{UIDS[2]}",
        f"dicomweb/studies/{UIDS[0]}",
        f"dicomweb/studies/{UIDS[0]}/series/{SLIDE.SeriesInstanceUID}",
        f"api/slides/{SLIDE.SeriesInstanceUID}",
        f"api/studies/{UIDS[0]}",
        f"api/series/{UIDS[1]}",
        "dicomweb",
        "api",
        "",
    ]
)
tail = st.lists(segment, max_size=5).map(lambda parts: "/".join(quote(part, safe="") for part in parts))
queries = st.lists(st.tuples(st.one_of(st.sampled_from(keys), text), text), max_size=4)
headers = st.dictionaries(
    st.sampled_from(["Accept", "Range", "If-None-Match", "Content-Type", "Accept-Charset", "Origin", "X-Request-ID"]),
    st.one_of(
        st.sampled_from(
            [
                *(
                    "*/*",
                    "application/dicom+json",
                    "image/jpeg",
                    "image/png;q=0.1",
                    "application/dicom; transfer-syntax=1.2",
                ),
                *(
                    "multipart/related; type=application/octet-stream; transfer-syntax=*",
                    "text/html",
                    "video/mp4",
                    ";;;",
                ),
                *(
                    "bytes=0-1",
                    "bytes=-1",
                    "bytes=5-2",
                    "bytes=0-0,5-6",
                    "bytes=99999999999-",
                    "image/gif",
                    "image/jp2",
                ),
                *(
                    "multipart/related; type=application/dicom; boundary=x",
                    "application/json",
                    "a" * 300,
                    "q=9;",
                    "null",
                ),
            ]
        ),
        st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20),
    ),
    max_size=3,
)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    data: Path = tmp_path_factory.mktemp("garbage") / "data"
    with Node(data, workers=1, environment={"LAMELLE_ARCHIVE_RESERVE_BYTES": "0"}) as started:
        with Client(started.url) as client:
            files = instances.instance("garbage"), instances.slide([b"\xff\xd8\xff\xd9"] * 4, "garbage", "slide")
            assert client.store(*files).status == 200
        yield started
        assert "http.crashed" not in started.log()
        assert "Traceback" not in started.log()


@pytest.fixture(scope="module")
def client(node: Node) -> Iterator[Client]:
    with Client(node.url, 30) as opened:
        yield opened


def ask(client: Client, method: str, path: str, sent: dict[str, str], body: bytes | None = None) -> Answer | None:
    """The answer; None when the server hung up, as it may on what is no HTTP."""
    with contextlib.suppress(http.client.BadStatusLine, ConnectionError):
        return client.ask(method, path, sent, body)
    return None


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@example(method="GET", base="dicomweb", rest="studies", query=[("limit", "9" * 30)], sent={})
@example(method="GET", base="dicomweb", rest="studies", query=[("PatientName", "\x00")], sent={})
@example(method="GET", base="dicomweb", rest="instances", query=[("00280010", "9" * 30)], sent={})
@example(method="GET", base="api", rest="studies", query=[("offset", "9" * 30)], sent={})
@example(
    method="GET", base=f"api/slides/{SLIDE.SeriesInstanceUID}", rest="levels/0/tiles/0/" + "9" * 30, query=[], sent={}
)
@given(
    method=st.sampled_from(["GET", "GET", "GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH"]),
    base=real,
    rest=tail,
    query=queries,
    sent=headers,
)
def test_no_address_is_answered_with_500(
    client: Client, method: str, base: str, rest: str, query: list[tuple[str, str]], sent: dict[str, str]
) -> None:
    path = "/" + "/".join(part for part in (base, rest) if part)
    if query:
        path += "?" + "&".join(f"{quote(key, safe='')}={quote(value, safe='')}" for key, value in query)
    answer = ask(client, method, path, sent)
    if answer is not None and answer.status == 503 and answer.code is None:
        return  # the viewer is not built here
    assert answer is None or answer.status < 500 or answer.status == 501, (method, path, sent, answer)
    if answer is not None and answer.status >= 400 and method == "GET" and path.startswith(("/dicomweb/", "/api/")):
        assert answer.code, (path, answer)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    kind=st.sampled_from(
        [
            'multipart/related; type="application/dicom"; boundary=x',
            'multipart/related; type="application/dicom+json"; boundary=x',
            'multipart/related; type="application/dicom+xml"; boundary=x',
            "application/dicom",
            "application/dicom+json",
        ]
    ),
    pieces=st.lists(
        st.one_of(
            st.sampled_from(
                [
                    *(
                        b"--x\r\n",
                        b"--x--",
                        b"\r\n\r\n",
                        b"Content-Type: application/dicom\r\n",
                        b"\r\n",
                        b"[{}]",
                        b"[",
                    ),
                    *(
                        b"Content-Type: application/dicom+json\r\n",
                        b'[{"00080018":{"vr":"UI","Value":["1"]}}]',
                        b"DICM",
                    ),
                    *(b"Content-Type: application/dicom+xml\r\n", b"<NativeDicomModel/>", b"<!DOCTYPE a>", b"\0" * 128),
                    *(
                        b'[{"7FE00010":{"vr":"OW","BulkDataURI":"y"}}]',
                        b'[{"00080018":{"vr":"XX","Value":{}}}]',
                        b"null",
                    ),
                    b"--x\r\nContent-Type: application/dicom\r\n\r\n",
                    instances.instance("garbage", number=7)[:700],
                    instances.instance("garbage", number=8),
                ]
            ),
            st.binary(max_size=40),
        ),
        max_size=8,
    ),
)
def test_no_body_is_answered_with_500(client: Client, kind: str, pieces: list[bytes]) -> None:
    answer = ask(client, "POST", "/dicomweb/studies", {"Content-Type": kind}, b"".join(pieces))
    assert answer is not None
    assert answer.status in {200, 202, 400, 409, 413, 415}, answer
