"""Metadata made to exhaust whoever reads them: each is refused at once, in a few bytes of memory."""

import json
import tracemalloc
from collections.abc import Sequence
from typing import Any

import pytest

from lamelle.base.errors import Invalid, LamelleError, TooLarge
from lamelle.doors.dicomweb import assemble, xml
from lamelle.doors.dicomweb.assemble import Part

LAUGHS = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 9))
BOMB = f'<!DOCTYPE x [<!ENTITY a0 "ha">{LAUGHS}]><NativeDicomModel>&a8;</NativeDicomModel>'
OUTSIDE = '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><NativeDicomModel>&f;</NativeDicomModel>'
PARAMETER = '<!DOCTYPE x [<!ENTITY % p SYSTEM "http://127.0.0.1:9/x.dtd">%p;]><NativeDicomModel/>'
BARE = "<!DOCTYPE x><NativeDicomModel/>"
LIMIT = 1 << 20
JSON = {"content-type": "application/dicom+json"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("document", [BOMB, OUTSIDE, PARAMETER, BARE])
def test_no_document_type_in_any_encoding(document: str, encoding: str) -> None:
    head = f'<?xml version="1.0" encoding="{encoding[:6]}"?>'
    with pytest.raises(Invalid, match="document type"):
        xml.read((head + document).encode(encoding))


def test_items_in_items_without_end() -> None:
    opened = '<DicomAttribute tag="00081115" vr="SQ"><Item number="1">' * 20_000
    closed = "</Item></DicomAttribute>" * 20_000
    with pytest.raises(Invalid, match="without end"):
        xml.read(f"<NativeDicomModel>{opened}{closed}</NativeDicomModel>".encode())
    with pytest.raises(Invalid) as caught:
        made(Part(JSON, b'{"00081115":{"vr":"SQ","Value":[' * 100_000))
    assert caught.value.code == "bad_json"
    deep = b'{"00081115":{"vr":"SQ","Value":[' * 300 + b"]}}" * 300
    assert isinstance(made(Part(JSON, deep))[0], LamelleError)


@pytest.mark.parametrize("kind", ["application/dicom+json", "application/dicom+xml"])
def test_metadata_are_limited_before_they_are_read(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assemble, "METADATA_LIMIT", 1000)
    with pytest.raises(TooLarge) as caught:
        made(Part({"content-type": kind}, b" " * 1001))
    assert caught.value.code == "metadata_too_large"


def test_one_part_used_many_times_does_not_grow_without_end() -> None:
    item: dict[str, Any] = {f"0009{n:04X}": {"vr": "OB", "BulkDataURI": "x"} for n in range(0x1000, 0x3000)}
    parts = [Part(JSON, json.dumps([item]).encode()), Part({"content-location": "x"}, b"\0" * (LIMIT // 4))]
    tracemalloc.start()
    try:
        (outcome,) = made(*parts)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert isinstance(outcome, TooLarge) and outcome.code == "bulk_too_large"
    assert peak < 40 * LIMIT, "8,192 times the part would be 2 GiB"


def made(*parts: Part) -> Sequence[bytes | LamelleError]:
    return list(assemble.files(parts, LIMIT))
