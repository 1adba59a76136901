"""Broken and foreign files: a clear code, never another exception."""

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamelle.base.errors import Invalid, LamelleError, TooLarge, Unsupported
from lamelle.dicom.vendors import SiteRule, SlideFacts
from lamelle.dicom.vendors.conversion import convert
from lamelle.dicom.vendors.sniffing import sniff
from lamelle.testing import tiffs

Convert = Callable[..., Any]

BAD = {
    "openslide_CMU-1-Saved-1_16.mrxs": "unreadable",
    "histolab_e2c24c_broken.svs": "not_a_tiff",
    "histolab_ef8472_broken.svs": "not_a_tiff",
    "openslide_7765c4a247493328160b37b6f94c79c36f58c2d2-4": "tiff_truncated",
}


@pytest.mark.parametrize("name", sorted(BAD))
def test_every_bad_file_has_its_code(converted: Convert, shared_data: Path, name: str) -> None:
    with pytest.raises(LamelleError) as caught:
        converted(shared_data / "wsi" / "bad" / name)
    assert caught.value.code == BAD[name]


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("openslide-python/unopenable.tiff", "tiff_compression"),
        ("openslide-python/unreadable.svs", "bad_jpeg"),
        ("openslide-python/boxes.png", "not_a_slide"),
        ("large_image/sample_float32_8bit_range.zarr.zip", "not_a_slide"),
    ],
)
def test_fixtures_that_cannot_be_read(converted: Convert, shared_data: Path, name: str, code: str) -> None:
    with pytest.raises(LamelleError) as caught:
        converted(shared_data / "wsi" / name)
    assert caught.value.code == code


def test_cut_file(converted: Convert, tmp_path: Path) -> None:
    tiffs.svs(tmp_path / "whole.svs")
    data = (tmp_path / "whole.svs").read_bytes()
    (tmp_path / "cut.svs").write_bytes(data[: len(data) - 3000])
    with pytest.raises(Invalid):
        converted(tmp_path / "cut.svs")


def test_directories_in_a_circle(converted: Convert, tmp_path: Path) -> None:
    path = tmp_path / "circle.tif"
    entry = struct.pack("<HHII", 256, 4, 1, 10)
    path.write_bytes(struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<H", 1) + entry + struct.pack("<I", 8))
    with pytest.raises(Invalid) as caught:
        converted(path)
    assert caught.value.code == "tiff_cycle"


def test_absurd_sizes_are_refused_before_memory_is_taken(converted: Convert, tmp_path: Path) -> None:
    path = tmp_path / "huge.tif"
    tags: dict[int, tiffs.Value] = {
        256: 16_000_000,
        257: 16_000_000,
        258: [8],
        259: 7,
        262: 1,
        277: 1,
        322: 16,
        323: 16,
    }
    tiffs.write(path, [tiffs.Image(tags, [b"x"])])
    with pytest.raises(TooLarge):
        converted(path)
    tiffs.write(path, [tiffs.Image({**tags, 256: 0xFFFFFFFF}, [b"x"])])
    with pytest.raises(Invalid) as caught:
        converted(path)
    assert caught.value.code == "tiff_bad_size"


def test_float_samples_are_unsupported(converted: Convert, tmp_path: Path) -> None:
    path = tmp_path / "float.tif"
    tags: dict[int, tiffs.Value] = {256: 16, 257: 16, 258: [32], 259: 1, 262: 1, 277: 1, 322: 16, 323: 16, 339: 3}
    tiffs.write(path, [tiffs.Image(tags, [bytes(1024)])])
    with pytest.raises(Unsupported) as caught:
        converted(path)
    assert caught.value.code == "sample_format"


def ome(path: Path) -> None:
    with tifffile.TiffWriter(path, ome=True) as writer:
        writer.write(tiffs.tissue(200, 150)[:, :, 0], tile=(64, 64), metadata={"axes": "YX"})


MAKERS = {
    "svs": lambda path: tiffs.svs(path, 300, 280),
    "ndpi": lambda path: tiffs.ndpi(path, 512, 192),
    "ome.tif": ome,
}


class _Nowhere:
    def __enter__(self) -> "_Nowhere":
        return self

    def __exit__(self, *_: object) -> None: ...

    def write(self, data: bytes, /) -> object:
        return None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    kind=st.sampled_from(["svs", "ndpi", "ome.tif"]),
    flips=st.lists(st.tuples(st.floats(0, 0.9999), st.integers(0, 255)), min_size=1, max_size=6),
    tail=st.booleans(),
)
def test_damaged_files_raise_only_our_errors(
    tmp_path: Path, kind: str, flips: list[tuple[float, int]], tail: bool
) -> None:
    whole = tmp_path / f"whole.{kind}"
    if not whole.exists():
        MAKERS[kind](whole)
    data = bytearray(whole.read_bytes())
    first = len(data) - 2600 if tail else 0
    for place, value in flips:
        data[first + int(place * (len(data) - first))] = value
    path = tmp_path / f"damaged.{kind}"
    path.write_bytes(data)
    sniff(path)
    try:
        convert(path, lambda name: _Nowhere())
    except LamelleError as exc:
        assert exc.code


def test_site_rule_reads_the_name() -> None:
    rule = SiteRule(r"(?P<accession_number>S\d+-\d+)-(?P<block>\w+)_(?P<stain>.+)", defaults={"institution": "Here"})
    facts = rule.facts("S24-0001-A1_PAS", "", SlideFacts(block="B9"))
    assert (facts.accession_number, facts.block, facts.stain, facts.institution) == ("S24-0001", "B9", "PAS", "Here")


@pytest.mark.parametrize("pattern", ["(", "(?P<nonsense>.)"])
def test_bad_site_rules_are_refused(pattern: str) -> None:
    with pytest.raises(Invalid):
        SiteRule(pattern)


def test_facts_too_long_for_dicom_are_refused() -> None:
    with pytest.raises(Invalid):
        SlideFacts(accession_number="x" * 17)


def test_hostile_text_is_cleaned(converted: Convert, tmp_path: Path) -> None:
    path = tmp_path / "text.svs"
    pixels = tiffs.tissue(64, 64)
    said = "Aperio\x07 Lib\\rary\r\n|MPP = 0.5|Barcode = A\\B\x01" + "x" * 300 + "|Date = 01/01/0001|Time = 00:00:00"
    tiffs.write(path, [tiffs.level(pixels, 64, more={270: said})])
    ds = converted(path).dataset("level-0")
    assert ds.ContainerIdentifier.startswith("A/B") and len(ds.ContainerIdentifier) == 64
    assert ds.SoftwareVersions == "Aperio  Lib/rary"
    assert ds.AcquisitionDateTime == "19000101000000"
