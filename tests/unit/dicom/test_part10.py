"""The scanner on real files, odd files and broken files."""

import hashlib
import struct
import tracemalloc
import zlib
from pathlib import Path

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.dicom import build

from lamelle.base.errors import Invalid, LamelleError, TooLarge
from lamelle.dicom import part10, validate
from lamelle.dicom.part10 import Scan, Scanner


def scan(data: bytes, *sizes: int) -> Scan:
    """Feed `data` in chunks of these sizes, over and over; whole without sizes."""
    scanner, at, turn = Scanner(), 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)] if sizes else len(data)
        scanner.feed(memoryview(data)[at : at + size])
        at, turn = at + size, turn + 1
    return scanner.finish()


def files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_every_real_file_scans(shared_data: Path) -> None:
    for path in files(shared_data / "dicom" / "ok"):
        data = path.read_bytes()
        found = scan(data)
        assert found.size == len(data), path
        assert data.startswith(found.meta), path


# What becomes of the files other libraries keep as malformed: the scanner's code, or what keeps it from being filed,
# or None where it is merely odd and is kept as it is.
MALFORMED = {
    "D_CLUNIE_CT1_RLE_FRAGS.dcm": None,
    "GH177_D_CLUNIE_CT1_IVRLE_BigEndian_ELE_undefinded_length.dcm": None,
    "Issue1097_FailToOpenDeflatedFileWithSQ.dcm": None,
    "genFile.dcm": None,
    "2026-05-26-oob-monochrome-65535.dcm": None,  # warning pixels_too_short
    "Issue137.dcm": None,
    "Issue140.dcm": None,
    "Issue154-d2.dcm": None,
    "Issue195-bis.dcm": "no_sop_class",
    "MultiframeWindowing.dcm": None,
    "ExplVR_BigEndNoMeta.dcm": None,  # bare data set, begins as one must
    "ExplVR_LitEndNoMeta.dcm": None,
    "J2K_pixelrep_mismatch.dcm": None,
    "JPEG2000-embedded-sequence-delimiter.dcm": None,
    "MR_truncated.dcm": "truncated",
    "UN_sequence.dcm": "no_sop_class",
    "badVR.dcm": None,
    "DICOMDIR-empty.dcm": "dicomdir",
    "DICOMDIR-nooffset": "dicomdir",
    "empty_charset_LEI.dcm": "no_sop_class",
    "meta_missing_tsyntax.dcm": "no_sop_class",
    "nested_priv_SQ.dcm": "no_sop_class",
    "no_meta.dcm": "no_preamble",
    "no_meta_group_length.dcm": "no_sop_class",
    "reportsi_with_empty_number_tags.dcm": None,
    "rtplan_truncated.dcm": "truncated",
    "966.dcm": None,
}


def test_malformed_files_are_refused_or_kept_as_written_here(shared_data: Path) -> None:
    paths = files(shared_data / "dicom" / "malformed")
    assert {path.name for path in paths} == set(MALFORMED)
    for path in paths:
        try:
            errors = validate.check(scan(path.read_bytes())).errors
            code = errors[0].code if errors else None
        except LamelleError as error:
            code = error.code
        assert code == MALFORMED[path.name], path.name


@pytest.mark.parametrize("sizes", [(1,), (7,), (2, 3, 5), (4096,), (8, 65_536)])
def test_chunks_do_not_matter(sizes: tuple[int, ...]) -> None:
    for data in build.SAMPLES.values():
        assert scan(data, *sizes) == scan(data)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(sorted(build.SAMPLES)), st.lists(st.integers(1, 200), min_size=1, max_size=20))
def test_any_chunks_do_not_matter(name: str, sizes: list[int]) -> None:
    data = build.SAMPLES[name]
    assert scan(data, *sizes) == scan(data)


def test_chunks_do_not_matter_for_real_files(shared_data: Path) -> None:
    for path in files(shared_data / "dicom" / "ok"):
        data = path.read_bytes()
        assert scan(data, 1000, 1, 13) == scan(data), path


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(build.SAMPLES)), st.data())
def test_damage_gives_an_error_of_ours_or_a_scan(name: str, data: st.DataObject) -> None:
    broken = bytearray(build.SAMPLES[name])
    for _ in range(data.draw(st.integers(0, 4))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(broken)))
    try:
        found = scan(bytes(broken[: cut or len(broken)]))
    except LamelleError:
        return
    validate.check(found)
    if found.frames is not None:
        for number in range(1, len(found.frames) + 1):
            for offset, length in found.frames.ranges(number):
                assert 0 <= offset <= offset + length <= found.size


@pytest.mark.parametrize("name", sorted(build.SAMPLES))
def test_every_truncation_is_noticed_or_ends_between_elements(name: str) -> None:
    data = build.SAMPLES[name]
    whole = scan(data)
    for size in range(0, len(data), max(1, len(data) // 400)):
        try:
            found = scan(data[:size])
        except LamelleError as error:
            assert error.code in ("truncated", "no_preamble", "bad_deflate")
        else:
            assert len(found.elements) <= len(whole.elements)


def test_text_files_are_not_dicom() -> None:
    for data in (b"", b"hello", b"\x89PNG" + b"\0" * 200, b"II*\0" + b"\0" * 500, b"a" * 5000):
        with pytest.raises(Invalid, match="not a DICOM file"):
            scan(data)


def test_a_header_over_the_limit_is_refused_at_once() -> None:
    scanner = Scanner(header_limit=1000)
    with pytest.raises(TooLarge) as caught:
        scanner.feed(build.file(build.element(0x00081030, b"UT", b"x" * 2000)))
    assert caught.value.code == "header_too_large"


def test_endless_nesting_is_refused() -> None:
    level = build.head(0x00081140, b"SQ", 0xFFFFFFFF) + build.item_head(0xFFFFFFFF)
    with pytest.raises(Invalid) as caught:
        scan(build.file(level * 10_000))
    assert caught.value.code == "too_deep"


def test_large_values_are_cut_out_of_the_header_and_found_in_the_file() -> None:
    blob = bytes(range(256)) * 1000
    data = build.file(
        build.IDENTITY + build.element(0x00420011, b"OB", blob) + build.element(0x00420012, b"LO", b"application/pdf ")
    )
    found = scan(data, 1000)
    assert len(found.header) < 1000
    (bulk,) = found.bulk
    assert (bulk.path, bulk.vr) == ("00420011", "OB")
    assert data[bulk.offset : bulk.offset + bulk.length] == blob
    assert found.text(0x00420012) == "application/pdf"
    assert b'"00420011":{"vr":"OB","BulkDataURI":"@00420011"}' in found.json()


def test_values_behind_a_cut_and_behind_native_pixels_are_found_too() -> None:
    blobs = [bytes([fill]) * 3000 for fill in range(4)]
    nested = build.sequence(0x00480105, [build.element(0x00282000, b"OB", blobs[1])], undefined=True)
    data = build.file(
        build.IDENTITY
        + build.element(0x00420011, b"OB", blobs[0] * 30)
        + nested
        + build.element(0x7FE00010, b"OW", bytes(100_000))
        + build.element(0xFFFCFFFC, b"OB", blobs[2])
    )
    for sizes in ((), (1000,)):
        found = scan(data, *sizes)
        values = {bulk.path: data[bulk.offset : bulk.offset + bulk.length] for bulk in found.bulk}
        assert values == {"00420011": blobs[0] * 30, "00480105/1/00282000": blobs[1], "FFFCFFFC": blobs[2]}
        assert found.pixels is not None
        assert (found.pixels.length, data[found.pixels.offset - 12 :][:4]) == (100_000, b"\xe0\x7f\x10\0")


def test_absurd_numbers_of_elements_and_fragments_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamelle.dicom.stream.MAX_ELEMENTS", 50)
    monkeypatch.setattr("lamelle.dicom.stream.MAX_FRAGMENTS", 50)
    many = b"".join(build.element(0x00090000 + at, b"LO", b"") for at in range(0x10, 0x80))
    for data, code in ((many, "too_many_elements"), (build.fragments([b"ab"] * 99), "too_many_fragments")):
        with pytest.raises(TooLarge) as caught:
            scan(build.file(data, build.JPEG_BASELINE))
        assert caught.value.code == code


def test_what_stands_behind_pixel_data_is_read_too() -> None:
    data = build.SAMPLES["bare jpeg"] + build.element(0xFFFCFFFC, b"OB", b"\0" * 2000)
    found = scan(data, 11)
    (bulk,) = [bulk for bulk in found.bulk if bulk.path == "FFFCFFFC"]
    assert data[bulk.offset : bulk.offset + bulk.length] == b"\0" * 2000


class NoDigest:
    """Stands in for sha256, so that gigabytes pass in a moment."""

    def __init__(self, data: bytes = b"") -> None:
        self.size = len(data)

    def update(self, data: memoryview) -> None:
        self.size += len(data)

    def hexdigest(self) -> str:
        return f"{self.size} bytes"


def test_six_gigabytes_pass_in_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hashlib.sha256", NoDigest)
    frame, count = build.jpeg(280_000), 24_000
    piece = (build.item_head(len(frame)) + frame) * 4
    start, end = build.IDENTITY + build.frames(count) + build.fragments([])[: 12 + 8], build.SEQUENCE_END
    scanner = Scanner()
    head = build.file(start, build.JPEG_BASELINE)
    tracemalloc.start()
    scanner.feed(head)
    for _ in range(count // 4):
        scanner.feed(piece)
    scanner.feed(end)
    found = scanner.finish()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.size == len(head) + count * 280_008 + 8 > 6 << 30
    assert found.frames is not None
    assert found.frames.ranges(count) == ((found.size - 8 - 280_000, 280_000),)
    assert peak < 16 << 20


def test_native_pixels_beyond_the_limit_of_four_gigabytes_are_truncated_not_believed() -> None:
    scanner = Scanner()
    scanner.feed(build.file(build.IDENTITY + build.head(0x7FE00010, b"OW", 0xFFFFFFFE)))
    scanner.feed(bytes(1000))
    with pytest.raises(Invalid) as caught:
        scanner.finish()
    assert caught.value.code == "truncated"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (build.SAMPLES["no pixels"] + b"\x08\0", "truncated"),
        (build.file(build.IDENTITY + build.head(0x00081030, b"LO", 500)), "truncated"),
        (build.file(build.IDENTITY + build.fragments([build.jpeg(10)])[:-8]), "truncated"),
        (build.file(build.fragments([b"ab"])[:-8] + build.element(0x00100010, b"PN", b"x" * 9)), "bad_fragment"),
        (build.file(build.fragments([])[:-8] + build.item_head(0xFFFFFFFF) + bytes(99)), "bad_length"),
        (build.file(build.element(0x7FE00010, b"OB", b"") * 2), "two_pixel_data"),
        (build.file(b"garbage!" * 10, "1.2.840.10008.1.2.1.99"), "bad_deflate"),
        (build.file(build.IDENTITY + bytes(100) + b"x" * 40), "bad_element"),
        (build.meta("1.2.840.10008.1.2.1")[:-3], "truncated"),
        (bytes(128) + b"DICM" + build.element(0x00020102, b"OB", bytes(2 << 20)), "bad_meta"),
        (bytes(128) + b"DICM" + build.IDENTITY + build.fragments([build.jpeg(10)]), "no_transfer_syntax"),
    ],
)
def test_refusals_have_stable_codes(data: bytes, code: str) -> None:
    for sizes in ((), (1,), (3, 100)):
        with pytest.raises(Invalid) as caught:
            scan(data, *sizes)
        assert caught.value.code == code


def test_zeros_after_the_data_set_are_tolerated() -> None:
    for count in (4, 8, 1000):
        scanned = scan(build.SAMPLES["no pixels"] + bytes(count), 7)
        assert scanned.header == build.IDENTITY
        assert scanned.warnings == ("trailing_bytes",)


def test_digests_cover_every_byte_once() -> None:
    data = build.SAMPLES["table"]
    found = scan(data, 5)
    assert found.meta == data[: found.dataset_offset]
    assert found.meta_sha256 == hashlib.sha256(found.meta).hexdigest()
    assert found.dataset_sha256 == hashlib.sha256(data[found.dataset_offset :]).hexdigest()


def test_values_at_the_top_can_be_asked() -> None:
    found = scan(build.SAMPLES["table"])
    assert (found.text(0x00080018), found.number(0x00280008), found.value(0x00100020)) == ("1.2.3.4", 2, None)
    assert found.dataset().PatientName == "Éluard^Paul"
    assert scan(build.SAMPLES["big endian"]).number(0x00280010) == 4


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_header_of_real_files_is_read_by_pydicom_as_the_file_is(shared_data: Path) -> None:
    for path in files(shared_data / "dicom" / "ok"):
        found = scan(path.read_bytes())
        header, whole = found.dataset(), pydicom.dcmread(path, force=True)
        for keyword in ("SOPInstanceUID", "StudyInstanceUID", "PatientName", "PatientID", "ImageType", "StudyDate"):
            assert header.get(keyword) == whole.get(keyword), (path, keyword)
        assert (0x7FE00010 in whole) == (found.pixels is not None), path
        assert 0x7FE00010 not in header


def test_a_deflate_bomb_is_refused_while_it_unfolds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part10, "MAX_INFLATED", 8 << 20)
    machine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    value = b"\x09\x00\x10\x10OB\0\0" + struct.pack("<L", 1 << 30)
    packed = machine.compress(value) + b"".join(machine.compress(bytes(1 << 20)) for _ in range(64)) + machine.flush()
    scanner = Scanner()
    with pytest.raises(TooLarge) as caught:
        scanner.feed(build.file(packed, "1.2.840.10008.1.2.1.99"))
        scanner.finish()
    assert caught.value.code == "inflated_too_large" and len(packed) < 100_000
