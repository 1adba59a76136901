"""Frames to byte ranges: tables, fragments, native bits, and the packed form."""

import struct
from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.encaps import generate_frames
from tests.unit.dicom import build
from tests.unit.dicom.test_part10 import files, scan

from lamelle.base.errors import Invalid, NotFound
from lamelle.dicom import frames
from lamelle.dicom.frames import FrameIndex, PixelData
from lamelle.dicom.part10 import Scan


def contents(data: bytes, found: Scan) -> list[bytes]:
    assert found.frames is not None
    numbers = range(1, len(found.frames) + 1)
    return [b"".join(data[at : at + size] for at, size in found.frames.ranges(number)) for number in numbers]


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_frames_of_real_files_are_those_of_pydicom(shared_data: Path) -> None:
    seen = 0
    for path in files(shared_data / "dicom"):
        data = path.read_bytes()
        if "malformed" in str(path) and path.suffix == ".dcm" and b"DICM" not in data[:132]:
            continue
        try:
            found = scan(data)
        except Invalid:
            continue
        if found.frames is None:
            continue
        read = pydicom.dcmread(path, force=True)
        expected = list(generate_frames(read.PixelData, number_of_frames=int(read.get("NumberOfFrames") or 1)))
        assert contents(data, found) == expected, path
        assert FrameIndex.unpack(found.frames.pack()) == found.frames
        seen += 1
    assert seen > 100


def test_frames_of_slides_are_those_of_pydicom(shared_data: Path) -> None:
    paths = [path for path in (shared_data / "wsi").rglob("*.dcm") if 0 < path.stat().st_size < 40 << 20]
    for path in paths[:8]:
        data = path.read_bytes()
        found = scan(data, 1 << 20)
        if found.frames is None:
            continue
        read = pydicom.dcmread(path)
        tables = (read.ExtendedOffsetTable, read.ExtendedOffsetTableLengths) if "ExtendedOffsetTable" in read else None
        count = int(read.get("NumberOfFrames") or 1)
        expected = list(generate_frames(read.PixelData, number_of_frames=count, extended_offsets=tables))
        assert contents(data, found) == expected, path


JPEGS = [build.jpeg(100), build.jpeg(60), build.jpeg(80)]
X, Y = b"x" * 60, b"yy"


@pytest.mark.parametrize(
    ("name", "expected", "warnings"),
    [
        ("bare jpeg", JPEGS, ()),
        ("table", [JPEGS[0] + X, JPEGS[2]], ()),
        ("codestreams", [JPEGS[0] + X, JPEGS[2] + Y], ()),
        ("extended", [JPEGS[0][:99], JPEGS[1]], ()),
        ("lying table", JPEGS[:2], ("bad_basic_offset_table",)),
    ],
)
def test_frames_of_generated_files(name: str, expected: list[bytes], warnings: tuple[str, ...]) -> None:
    data = build.SAMPLES[name]
    found = scan(data)
    assert contents(data, found) == expected
    assert found.warnings == warnings


def table(*offsets: int, code: str = "I") -> bytes:
    return struct.pack(f"<{len(offsets)}{code}", *offsets)


def test_a_table_may_name_frames_in_another_order() -> None:
    found, warnings = frames.index(0, [10, 20, 30], bytes(3), frames=2, basic=table(46, 0))
    assert [found.ranges(1), found.ranges(2)] == [((54, 30),), ((8, 10), (26, 20))]
    assert warnings == ()
    assert FrameIndex.unpack(found.pack()) == found


@pytest.mark.parametrize(
    "lies",
    [(0, 1), (0, 0), (8, 18), (0, 9999), (0,), (0, 18, 46), (18, 46), (0, 0xFFFFFFFF)],
)
def test_a_lying_table_falls_back_on_the_fragments(lies: tuple[int, ...]) -> None:
    found, warnings = frames.index(0, [10, 20], b"\1\1", frames=2, basic=table(*lies))
    assert [found.ranges(1), found.ranges(2)] == [((8, 10),), ((26, 20),)]
    assert warnings == ("bad_basic_offset_table",)


def test_lengths_of_an_extended_table_that_contradict_are_not_believed() -> None:
    lengths = table(10, 5, code="Q")
    found, warnings = frames.index(
        0, [10, 20], b"\1\1", frames=2, extended=table(0, 18, code="Q"), extended_lengths=lengths
    )
    assert found.ranges(2) == ((26, 20),)
    assert warnings == ("bad_extended_offset_table_lengths",)


def test_an_extended_table_may_name_frames_in_another_order_and_take_padding_off() -> None:
    found, warnings = frames.index(
        0,
        [10, 20],
        b"\1\1",
        frames=2,
        extended=table(18, 0, code="Q"),
        extended_lengths=table(19, 10, code="Q"),
    )
    assert [found.ranges(1), found.ranges(2)] == [((26, 19),), ((8, 10),)]
    assert warnings == ()
    assert FrameIndex.unpack(found.pack()) == found


def test_frames_nobody_can_tell_apart() -> None:
    found, warnings = frames.index(0, [10, 20, 30], b"\1\0\0", frames=2)
    assert len(found) == 0
    assert warnings == ("frames_unknown",)
    with pytest.raises(NotFound):
        found.ranges(1)


@pytest.mark.parametrize("number", [0, -1, 3])
def test_frames_count_from_one(number: int) -> None:
    with pytest.raises(NotFound) as caught:
        FrameIndex(0, [10, 20]).ranges(number)
    assert caught.value.code == "no_such_frame"


@given(st.data())
def test_pack_and_unpack_are_a_round_trip(data: st.DataObject) -> None:
    lengths = data.draw(st.lists(st.integers(0, 0xFFFFFFFF), min_size=1, max_size=50))
    first = data.draw(st.integers(0, 1 << 40))
    count = data.draw(st.integers(1, len(lengths)))
    starts = sorted(data.draw(st.sets(st.integers(1, len(lengths)), max_size=count)) - {len(lengths)} | {0})
    counts = [after - before for before, after in zip(starts, [*starts[1:], len(lengths)], strict=True)]
    index = data.draw(st.sampled_from([FrameIndex(first, lengths), FrameIndex(first, lengths, starts, counts)]))
    again = FrameIndex.unpack(index.pack())
    assert again == index
    assert [again.ranges(n + 1) for n in range(len(again))] == [index.ranges(n + 1) for n in range(len(index))]


@given(st.binary(max_size=60), st.integers(0, 30))
def test_a_damaged_index_is_invalid(noise: bytes, at: int) -> None:
    packed = FrameIndex(100, [10, 20, 30], [0, 2], [2, 1]).pack()
    for broken in (noise, packed[:at], packed[:at] + noise + packed[at + len(noise) :]):
        try:
            found = FrameIndex.unpack(broken)
        except Invalid as error:
            assert error.code == "bad_frame_index"
        else:
            for number in range(1, len(found) + 1):
                found.ranges(number)


def test_an_index_is_small() -> None:
    lengths = np.random.default_rng(1).integers(15_000, 40_000, 25_600)
    assert len(FrameIndex(5_000_000, lengths).pack()) < 52_000


def pixels(length: int) -> PixelData:
    return PixelData(0x7FE00010, "OW", 1000, length, encapsulated=False)


def test_native_frames_stand_one_behind_the_other() -> None:
    found = frames.native(pixels(600), 10, 10, 3, 8, 2)
    assert [found.range(1), found.range(2)] == [(1000, 300, 0), (1300, 300, 0)]


def test_frames_of_single_bits_begin_in_the_middle_of_a_byte() -> None:
    # 3 x 3 pixels: 9 bits a frame (PS3.5 8.1.1: packed without padding, lowest bit first).
    bits = np.random.default_rng(2).integers(0, 2, (5, 9), dtype=np.uint8)
    packed = np.packbits(bits.reshape(-1), bitorder="little").tobytes()
    found = frames.native(PixelData(0x7FE00010, "OB", 0, 6, encapsulated=False), 3, 3, 1, 1, 5)
    assert found.range(2) == (1, 2, 1)
    for number in range(1, 6):
        offset, length, _ = found.range(number)
        frame = found.cut(number, packed[offset : offset + length])
        unpacked = np.unpackbits(np.frombuffer(frame, np.uint8), bitorder="little")
        assert unpacked[:9].tolist() == bits[number - 1].tolist()
        assert not unpacked[9:].any()


@pytest.mark.parametrize("facts", [(10, 10, 3, 8, 3), (0, 10, 3, 8, 1), (10, 10, 1, 8, 0), (65535, 65535, 4, 64, 1)])
def test_native_pixels_shorter_than_their_frames(facts: tuple[int, int, int, int, int]) -> None:
    with pytest.raises(Invalid) as caught:
        frames.native(pixels(600), *facts)
    assert caught.value.code == "pixels_too_short"
