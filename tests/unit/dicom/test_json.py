"""Header bytes to the DICOM JSON Model, against pydicom and against the text of PS3.18 Annex F."""

import json
import logging
import struct
from base64 import b64encode
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.dicom import build
from tests.unit.dicom.build import element, head, item_head, sequence
from tests.unit.dicom.test_part10 import files, scan

from lamelle.base.errors import LamelleError
from lamelle.dicom.elements import SHORT, UNDEFINED
from lamelle.dicom.json import convert, number, parse, text, texts, to_json

EXPLICIT = "1.2.840.10008.1.2.1"


def read(*parts: bytes, explicit: bool = True, little: bool = True) -> Any:
    return json.loads(convert(b"".join(parts), explicit, little)[0])


def one(vr: bytes, value: bytes, tag: int = 0x00091001) -> Any:
    return read(element(tag, vr, value))[f"{tag:08X}"]


# -- against pydicom -------------------------------------------------------------------------------

# Where we differ from pydicom on purpose:
# - an empty value among several is null (F.2.5; pydicom: "" for CS, LO), and padding is taken from every value;
# - (0008,0005) says what the JSON is written in; group lengths and stray items are left out;
# - private elements of implicit VR files and of VR UN stay UN (pydicom guesses by a private dictionary);
# - pixel data is always a BulkDataURI; other values are above 1 KiB of bytes (pydicom: of base64);
# - elements pydicom gives up on, because one value inside is not well-formed, are there.


def comparable(dataset: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, member in dataset.items():
        if key.endswith("0000") or key.startswith("FFFE"):
            continue
        values = member.get("Value") or []
        vr = str(member["vr"])
        if vr == "SQ":
            values = [comparable(value) for value in values]
        elif key == "00080005":
            values = []
        elif vr not in ("ST", "LT", "UT"):
            values = [value.rstrip(" ") or None if isinstance(value, str) else value for value in values]
        blob = "InlineBinary" in member or "BulkDataURI" in member
        found[key] = [vr, values, blob]
    return found


def differences(ours: dict[str, Any], theirs: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any, Any]]:
    for key in sorted(ours.keys() | theirs.keys()):
        mine, peer = ours.get(key), theirs.get(key)
        if mine == peer:
            continue
        if mine is not None and peer is None:
            continue
        if mine is not None and peer is not None:
            if mine[0] == peer[0] == "SQ" and len(mine[1]) == len(peer[1]):
                for at, (item, other) in enumerate(zip(mine[1], peer[1], strict=True), 1):
                    yield from differences(item, other, f"{path}{key}/{at}/")
                continue
            if mine[0] == "UN" and int(key[3], 16) % 2:
                continue
        yield path + key, mine, peer


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_json_of_real_files_is_that_of_pydicom(shared_data: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    for path in files(shared_data / "dicom" / "ok"):
        ours = scan(path.read_bytes()).json()
        peer = pydicom.dcmread(path, force=True)
        theirs = peer.to_json_dict(bulk_data_element_handler=lambda _: "x", suppress_invalid_tags=True)
        found = list(differences(comparable(json.loads(ours)), comparable(theirs)))
        assert found == [], path


def test_keys_are_ascending_in_real_files(shared_data: Path) -> None:
    def ascending(dataset: dict[str, Any]) -> bool:
        keys = list(dataset)
        items = (item for member in dataset.values() if member["vr"] == "SQ" for item in member.get("Value", []))
        return keys == sorted(keys) and all(ascending(item) for item in items)

    for path in files(shared_data / "dicom" / "ok"):
        assert ascending(parse(scan(path.read_bytes()).json())), path


# -- the rules of Annex F --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("vr", "value", "expected"),
    [
        (b"LO", b"a\\\\b ", ["a", None, "b"]),
        (b"LO", b"  ", None),
        (b"SH", b" a \\ b ", [" a", " b"]),
        (b"LT", b" a\\b\r\n  ", [" a\\b\r\n"]),
        (b"UT", b'"quoted"\x00', ['"quoted"']),
        (b"UR", b"http://a/b\\c ", ["http://a/b\\c"]),
        (b"CS", b"ORIGINAL\\PRIMARY\\VOLUME\\NONE ", ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]),
        (b"UI", b"1.2\\1.3\0", ["1.2", "1.3"]),
        (b"DS", b"0.00025\\+1.5\\.5\\1.\\1e-3\\ ", [0.00025, 1.5, 0.5, 1.0, 0.001, None]),
        (b"DS", b"1,5\\nan\\inf\\1e999\\1_0", ["1,5", "nan", "inf", "1e999", "1_0"]),
        (b"IS", b"+1\\-2\\007\\\\x\\1.0", [1, -2, 7, None, "x", "1.0"]),
        (b"IS", b"99999999999999999999", ["99999999999999999999"]),
        (b"AT", b"\x28\x00\x0a\x00\xfe\xff\xdd\xe0", ["0028000A", "FFFEE0DD"]),
        (b"AT", b"\x28\x00\x0a\x00\x01\x02", None),
        (b"US", struct.pack("<2H", 1, 65535), [1, 65535]),
        (b"US", b"\1\0\2", [1, 8194]),  # padded by the helper to 4 bytes
        (b"SS", struct.pack("<h", -2), [-2]),
        (b"UL", struct.pack("<I", 1 << 31), [1 << 31]),
        (b"UL", b"\1\2", None),
        (b"SL", struct.pack("<i", -5), [-5]),
        (
            b"FD",
            struct.pack("<4d", 0.1, float("nan"), float("inf"), -float("inf")),
            [0.1, "NaN", "Infinity", "-Infinity"],
        ),
        (b"FL", struct.pack("<f", 0.5), [0.5]),
        (b"UV", struct.pack("<2Q", 1 << 53, (1 << 53) + 1), [1 << 53, "9007199254740993"]),
        (b"SV", struct.pack("<q", -(1 << 63)), ["-9223372036854775808"]),
        (b"PN", b"A^B=\xe9^C\\D", [{"Alphabetic": "A^B", "Ideographic": "\xe9^C"}, {"Alphabetic": "D"}]),
        (b"PN", b"==X\\\\Y", [{"Phonetic": "X"}, None, {"Alphabetic": "Y"}]),
        (b"PN", b"", None),
    ],
)
def test_values(vr: bytes, value: bytes, expected: object) -> None:
    wanted = {"vr": vr.decode()} | ({} if expected is None else {"Value": expected})
    assert one(vr, value) == wanted


def test_decimals_keep_the_digits_they_were_written_with() -> None:
    assert b"[0.000250]" in convert(element(0x00280030, b"DS", b"0.000250"), True, True)[0]


@pytest.mark.parametrize(("vr", "size"), [(b"OB", 1), (b"OW", 2), (b"OF", 4), (b"OL", 4), (b"OD", 8), (b"OV", 8)])
def test_inline_binary_is_little_endian(vr: bytes, size: int) -> None:
    value = bytes(range(16))
    swapped = b"".join(value[at : at + size][::-1] for at in range(0, 16, size))
    assert one(vr, value) == {"vr": vr.decode(), "InlineBinary": b64encode(value).decode()}
    big = read(element(0x00091001, vr, value, order=">"), little=False)
    assert big["00091001"]["InlineBinary"] == b64encode(swapped).decode()


def test_values_over_one_kibibyte_are_bulk_with_their_path() -> None:
    icc = element(0x00282000, b"OB", b"i" * 1026)
    data = sequence(0x00480105, [b"", icc], undefined=False) + element(0x00660016, b"OF", b"o" * 1024)
    found, bulk = convert(data, True, True, locate=lambda place: place + 5000)
    parsed = json.loads(found)
    assert parsed["00480105"]["Value"] == [{}, {"00282000": {"vr": "OB", "BulkDataURI": "@00480105/2/00282000"}}]
    assert "InlineBinary" in parsed["00660016"]
    (only,) = bulk
    assert (only.path, only.vr, only.length) == ("00480105/2/00282000", "OB", 1026)
    assert data[only.offset - 5000 :][:1026] == b"i" * 1026


def test_equal_items_with_pixels_have_paths_of_their_own() -> None:
    icon = sequence(0x00880200, [element(0x7FE00010, b"OB", b"pp")], undefined=False)
    found = read(sequence(0x00081140, [icon, icon], undefined=True))
    uris = [item["00880200"]["Value"][0]["7FE00010"]["BulkDataURI"] for item in found["00081140"]["Value"]]
    assert uris == ["@00081140/1/00880200/1/7FE00010", "@00081140/2/00880200/1/7FE00010"]


@pytest.mark.parametrize("name", ["bare jpeg", "implicit", "deflated", "big endian"])
def test_pixel_data_is_always_bulk(name: str) -> None:
    assert parse(scan(build.SAMPLES[name]).json())["7FE00010"]["BulkDataURI"] == "@7FE00010"


def test_bulk_values_of_deflated_files_have_no_place() -> None:
    found = scan(build.SAMPLES["deflated"])
    assert found.pixels is not None
    assert found.pixels.offset == -1


def test_groups_that_are_not_metadata_are_left_out_and_keys_sorted() -> None:
    parts = (
        element(0x00100020, b"LO", b"P2"),
        element(0x00080000, b"UL", bytes(4)),
        element(0x00020010, b"UI", b"1.2"),
        element(0x00080018, b"UI", b"1.2.3"),
        element(0x00100020, b"LO", b"P1"),
    )
    assert list(read(*parts).items()) == [
        ("00080018", {"vr": "UI", "Value": ["1.2.3"]}),
        ("00100020", {"vr": "LO", "Value": ["P1"]}),
    ]


def test_each_item_is_read_by_its_own_character_set_and_the_json_is_utf8() -> None:
    name = element(0x00100010, b"PN", b"\xe9")
    greek = element(0x00080005, b"CS", b"ISO_IR 126") + name
    found = read(
        element(0x00080005, b"CS", b"ISO_IR 100"), name, sequence(0x00081140, [name, greek, name], undefined=True)
    )
    names = [item["00100010"]["Value"][0]["Alphabetic"] for item in found["00081140"]["Value"]]
    assert names == ["é", "ι", "é"]
    assert found["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}
    assert found["00081140"]["Value"][1]["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}


def test_implicit_elements_take_their_vr_from_the_dictionary() -> None:
    parts = (
        build.implicit(0x00080018, b"1.2.3\0"),
        build.implicit(0x00091001, b"ab"),
        build.implicit(0x00280103, b"\1\0"),
        build.implicit(0x00280106, b"\xfe\xff"),
        build.implicit(0x00281201, b"\1\2"),
    )
    found = read(*parts, explicit=False)
    assert found["00091001"] == {"vr": "UN", "InlineBinary": "YWI="}
    assert found["00280106"] == {"vr": "SS", "Value": [-2]}
    assert found["00281201"]["vr"] == "OW"


def test_un_of_a_known_tag_and_un_of_undefined_length_are_read() -> None:
    inner = build.implicit(0x00100020, b"P1")
    hidden = head(0x00091001, b"UN", UNDEFINED) + item_head(len(inner)) + inner + build.SEQUENCE_END
    found = read(element(0x00100020, b"UN", b"P1"), hidden)
    assert found["00100020"] == {"vr": "LO", "Value": ["P1"]}
    assert found["00091001"] == {"vr": "SQ", "Value": [{"00100020": {"vr": "LO", "Value": ["P1"]}}]}


def test_a_sequence_longer_than_its_parent_leaves_the_rest_readable() -> None:
    broken = head(0x00081140, b"SQ", 18) + item_head(10) + element(0x00100020, b"LO", b"ab")[:6] + b"\xff\xff\0\0"
    found = read(broken, element(0x00200010, b"SH", b"S1"))
    assert found["00081140"]["vr"] == "SQ"
    assert found["00200010"] == {"vr": "SH", "Value": ["S1"]}


def test_header_alone() -> None:
    assert json.loads(to_json(element(0x00200010, b"SH", b"S1"), EXPLICIT)) == {
        "00200010": {"vr": "SH", "Value": ["S1"]}
    }


def test_helpers_read_parsed_json() -> None:
    found = read(element(0x00100010, b"PN", b"A^B==C"), element(0x00280030, b"DS", b"0.5\\x"))
    assert text(found, "00100010") == "A^B==C"
    assert texts(found, "00280030") == ["0.5", "x"]
    assert number(found, "00280030") == 0.5
    assert (text(found, "00200010"), number(found, "00200010"), texts(found, "00200010")) == ("", None, [])


# -- anything at all -------------------------------------------------------------------------------

VRS = sorted({*SHORT, b"OB", b"OW", b"SQ", b"UN", b"UT", b"\0\0", b"ZZ"})


@settings(max_examples=400, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 0xFFFFFFFF), st.sampled_from(VRS), st.binary(max_size=20)), max_size=6),
    st.integers(0, 100),
    st.booleans(),
    st.booleans(),
)
def test_any_bytes_give_json(parts: list[tuple[int, bytes, bytes]], cut: int, explicit: bool, little: bool) -> None:
    data = b"".join(element(tag, vr, value) for tag, vr, value in parts)
    for header in (data, data[:cut], data[cut:]):
        json.loads(convert(header, explicit, little)[0])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_noise_gives_json(noise: bytes) -> None:
    for explicit in (True, False):
        json.loads(convert(noise, explicit, True)[0])


@pytest.mark.parametrize("undefined", [True, False])
def test_deep_nesting_ends(undefined: bool) -> None:
    data = b""
    for _ in range(100):
        data = sequence(0x00081140, [data], undefined=undefined)
    json.loads(convert(data, True, True)[0])


def test_damaged_real_files_give_our_errors_or_json(shared_data: Path) -> None:
    paths = [path for path in files(shared_data / "dicom" / "ok") if path.stat().st_size < 20_000]
    for turn, path in enumerate(paths):
        data = bytearray(path.read_bytes())
        for step in range(12):
            place = (turn * 7919 + step * 104_729) % len(data)
            kept, data[place] = data[place], (data[place] + 1 + step * 37) % 256
            with suppress(LamelleError):
                json.loads(scan(bytes(data)).json())
            data[place] = kept
