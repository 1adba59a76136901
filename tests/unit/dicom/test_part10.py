"""The scanner on real files, odd files and broken files."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.dicom import build

from lamelle.base.errors import Invalid, LamelleError, TooLarge
from lamelle.dicom import validate
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


def test_what_stands_behind_pixel_data_is_read_too() -> None:
    data = build.SAMPLES["bare jpeg"] + build.element(0xFFFCFFFC, b"OB", b"\0" * 2000)
    found = scan(data, 11)
    (bulk,) = [bulk for bulk in found.bulk if bulk.path == "FFFCFFFC"]
    assert data[bulk.offset : bulk.offset + bulk.length] == b"\0" * 2000
