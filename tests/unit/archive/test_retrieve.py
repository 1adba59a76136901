"""The way out: frames, metadata, bulk values, what is missing and what was there."""

import json
import zlib

import pytest

from lamelle.access.model import WHOLE
from lamelle.archive.store import Archive
from lamelle.base.errors import NotFound
from lamelle.testing.archives import store
from lamelle.testing.instances import dataset, instance, part10, slide


def _only(archive: Archive, data: bytes) -> tuple[str, str, str]:
    [outcome] = store(archive, data)
    assert outcome.status == "stored"
    return str(outcome.study_uid), str(outcome.series_uid), str(outcome.sop_instance_uid)


def test_encapsulated_frames(archive: Archive) -> None:
    frames = [b"\xff\xd8" + bytes([n]) * (2 * n) for n in range(1, 6)]
    opened = archive.retrieve.opened(WHOLE, *_only(archive, slide(frames)))
    assert opened.count == 5
    assert [opened.frame(n) for n in range(1, 6)] == frames
    for number in (0, 6, -1):
        with pytest.raises(NotFound) as caught:
            opened.frame(number)
        assert caught.value.code == "no_such_frame"


def test_native_frames(archive: Archive) -> None:
    opened = archive.retrieve.opened(
        WHOLE, *_only(archive, instance(NumberOfFrames=2, Rows=2, PixelData=bytes(range(32))))
    )
    assert (opened.frame(1), opened.frame(2)) == (bytes(range(16)), bytes(range(16, 32)))


def test_packed_bits_are_cut_out(archive: Archive) -> None:
    made = dataset(NumberOfFrames=2, Rows=3, Columns=3, BitsAllocated=1, BitsStored=1, HighBit=0)
    made.PixelData = (0b101010101_110011001 & 0x3FFFF).to_bytes(4, "little")
    opened = archive.retrieve.opened(WHOLE, *_only(archive, part10(made)))
    assert int.from_bytes(opened.frame(1), "little") == 0b110011001
    assert int.from_bytes(opened.frame(2), "little") == 0b101010101


def test_a_deflated_file_gives_frames_and_bulk(archive: Archive) -> None:
    plain = part10(dataset(Rows=64, Columns=64, PixelData=bytes(range(256)) * 32, EncapsulatedDocument=bytes(5000)))
    offset = 144 + int.from_bytes(plain[140:144], "little")
    head, syntax = plain[:offset], b"1.2.840.10008.1.2.1\0"
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    body = packer.compress(plain[offset:]) + packer.flush()
    at = head.index(syntax)
    head = head[: at - 2] + (22).to_bytes(2, "little") + b"1.2.840.10008.1.2.1.99" + head[at + 20 :]
    name = _only(archive, head + body)
    opened = archive.retrieve.opened(WHOLE, *name)
    assert opened.frame(1) == bytes(range(256)) * 32
    [ref] = archive.retrieve.instances(WHOLE, *name)
    bulk = archive.retrieve.bulk(ref, "00420011")
    assert b"".join(archive.retrieve.stream(ref, bulk.offset, bulk.length)) == bytes(5000)


def test_metadata_points_at_bulk_by_path(archive: Archive) -> None:
    name = _only(archive, instance(EncapsulatedDocument=b"x" * 5000))
    [(ref, data)] = archive.retrieve.metadata(WHOLE, *name)
    found = json.loads(data)
    assert found["00100010"]["Value"] == [{"Alphabetic": "Doe^Jane"}]
    for tag, size in (("00420011", 5000), ("7FE00010", 32)):
        uri = found[tag].get("BulkDataURI")
        assert uri is None or uri == f"@{tag}"
        bulk = archive.retrieve.bulk(ref, tag)
        assert len(b"".join(archive.retrieve.stream(ref, bulk.offset, bulk.length))) == size
    with pytest.raises(NotFound):
        archive.retrieve.bulk(ref, "00100010")


def test_ranges(archive: Archive) -> None:
    data = instance()
    [ref] = archive.retrieve.instances(WHOLE, *_only(archive, data))
    assert b"".join(archive.retrieve.stream(ref, 10, 20)) == data[10:30]
    assert b"".join(archive.retrieve.stream(ref, len(data) - 3)) == data[-3:]


def test_header_is_a_dataset_without_pixels(archive: Archive) -> None:
    [ref] = archive.retrieve.instances(WHOLE, *_only(archive, instance()))
    header = archive.retrieve.header(ref)
    assert header.PatientID == "P1" and "PixelData" not in header


def test_nothing_by_that_name(archive: Archive) -> None:
    study, series, _ = _only(archive, instance())
    for args, code in (
        (("1.2",), "no_such_study"),
        ((study, "1.2"), "no_such_series"),
        ((study, series, "1.2"), "no_such_instance"),
    ):
        with pytest.raises(NotFound) as caught:
            archive.retrieve.instances(WHOLE, *args)
        assert caught.value.code == code
