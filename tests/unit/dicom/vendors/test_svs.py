"""SVS and tiled TIFF: the tiles that come out are the tiles that went in."""

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import openslide
import pytest
import tifffile

from lamelle.dicom.vendors import Code, SiteRule, SlideFacts
from lamelle.testing import tiffs

Convert = Callable[..., Any]


@pytest.fixture
def svs(tmp_path: Path) -> Path:
    tiffs.svs(tmp_path / "slide.svs")
    return tmp_path / "slide.svs"


def source_tiles(path: Path, page: int) -> tuple[bytes, list[bytes]]:
    with tifffile.TiffFile(path) as tiff:
        one = tiff.pages[page]
        with path.open("rb") as file:
            data = []
            for offset, size in zip(one.dataoffsets, one.databytecounts, strict=True):
                file.seek(offset)
                data.append(file.read(size))
        return one.jpegtables or b"", data


def entropy(data: bytes) -> bytes:
    """Everything from the scan header on, without the padding byte."""
    start = data.index(b"\xff\xda")
    return data[start : data.rindex(b"\xff\xd9") + 2]


@pytest.mark.parametrize(("page", "name"), [(0, "level-0"), (2, "level-1")])
def test_tiles_are_the_source_tiles_with_their_tables(converted: Convert, svs: Path, page: int, name: str) -> None:
    tables, tiles = source_tiles(svs, page)
    app14 = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
    for frame, tile in zip(converted(svs).frames(name), tiles, strict=True):
        expected = b"\xff\xd8" + app14 + tables[2:-2] + tile[2:]
        assert frame == expected + bytes(len(expected) % 2)


def test_pixels_equal_openslide(converted: Convert, svs: Path) -> None:
    result = converted(svs)
    slide = openslide.OpenSlide(svs)
    for number in range(2):
        ds = result.dataset(f"level-{number}")
        assert (ds.TotalPixelMatrixColumns, ds.TotalPixelMatrixRows) == slide.level_dimensions[number]
        size = slide.level_dimensions[number]
        reference = np.asarray(slide.read_region((0, 0), number, size).convert("RGB")).astype(int)
        whole = mosaic(result, f"level-{number}")
        assert np.abs(whole - reference).max() <= 1


def mosaic(result: Any, name: str) -> Any:
    ds = result.dataset(name)
    across = -(-ds.TotalPixelMatrixColumns // ds.Columns)
    frames = [imagecodecs.imread(frame).astype(int) for frame in result.frames(name)]
    rows = [np.hstack(frames[i : i + across]) for i in range(0, len(frames), across)]
    return np.vstack(rows)[: ds.TotalPixelMatrixRows, : ds.TotalPixelMatrixColumns]


def test_rgb_coded_tiles_say_so(converted: Convert, svs: Path) -> None:
    assert converted(svs).dataset("level-0").PhotometricInterpretation == "RGB"


def test_ycbcr_tiles_say_so_and_get_no_marker(converted: Convert, tmp_path: Path) -> None:
    path = tmp_path / "y.svs"
    tiffs.svs(path, rgb=False)
    result = converted(path)
    assert result.dataset("level-0").PhotometricInterpretation == "YBR_FULL_422"
    assert b"Adobe" not in result.frames("level-0")[0]
    slide = openslide.OpenSlide(path)
    reference = np.asarray(slide.read_region((0, 0), 0, slide.dimensions).convert("RGB")).astype(int)
    assert np.abs(mosaic(result, "level-0") - reference).max() <= 1


def test_sparse_tiles_become_background(converted: Convert, tmp_path: Path) -> None:
    path = tmp_path / "sparse.svs"
    tiffs.svs(path, sparse=(1, 2, 5))
    frames = converted(path).frames("level-0")
    assert (imagecodecs.imread(frames[5]) == 255).all()
    assert imagecodecs.imread(frames[0]).mean() < 240
    assert len(frames) == 12


def test_the_same_file_gives_the_same_bytes(converted: Convert, svs: Path) -> None:
    assert converted(svs).files == converted(svs).files


def test_another_file_gets_other_uids(converted: Convert, svs: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.svs"
    tiffs.svs(other, width=901)
    assert not {i.sop_instance_uid for i in converted(svs).slide.instances} & {
        i.sop_instance_uid for i in converted(other).slide.instances
    }


def test_what_the_scanner_said(converted: Convert, svs: Path) -> None:
    result = converted(svs)
    ds = result.dataset("level-0")
    assert ds.AcquisitionDateTime == "20240305101112+0100"
    assert ds.ContainerIdentifier == result.slide.barcode == "S24-0001-A1"
    assert ds.DeviceSerialNumber == "SS1234"
    assert [float(v) for v in ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing] == [5e-4] * 2
    assert ds.OpticalPathSequence[0].ObjectiveLensPower == 20
    assert (ds.ImagedVolumeWidth, ds.ImagedVolumeHeight) == pytest.approx((0.45, 0.35))
    assert ds.PatientName == ds.PatientID == ds.PatientBirthDate == ds.PatientSex == ""


def test_flavors(converted: Convert, svs: Path) -> None:
    result = converted(svs)
    seen = {name: list(result.dataset(name).ImageType) for name in result.files}
    assert seen == {
        "thumbnail": ["ORIGINAL", "PRIMARY", "THUMBNAIL", "RESAMPLED"],
        "label": ["ORIGINAL", "PRIMARY", "LABEL", "NONE"],
        "overview": ["ORIGINAL", "PRIMARY", "OVERVIEW", "NONE"],
        "level-0": ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"],
        "level-1": ["ORIGINAL", "PRIMARY", "VOLUME", "RESAMPLED"],
    }
    for name, label in (("label", "YES"), ("overview", "YES"), ("thumbnail", "NO"), ("level-0", "NO")):
        ds = result.dataset(name)
        assert ds.SpecimenLabelInImage == ds.BurnedInAnnotation == label
    assert result.dataset("label").BarcodeValue == "S24-0001-A1"
    assert len({result.dataset(name).SeriesInstanceUID for name in seen}) == 1
    volumes = [result.dataset(name) for name in ("thumbnail", "level-0", "level-1")]
    assert len({(ds.FrameOfReferenceUID, ds.PyramidUID) for ds in volumes}) == 1


def test_facts_of_the_laboratory(converted: Convert, svs: Path) -> None:
    facts = SlideFacts(
        accession_number="S24-0001", patient_id="P1", patient_name="Doe^Jane", patient_birth_date=date(1970, 1, 2),
        container_id="S24-0001-A1-1", block="S24-0001-A1", part="S24-0001-A", stain="H&E",
        anatomic_site=Code("76752008", "SCT", "Breast"),
    )  # fmt: skip
    ds = converted(svs, facts).dataset("level-0")
    assert (ds.AccessionNumber, ds.PatientID, ds.PatientBirthDate) == ("S24-0001", "P1", "19700102")
    item = ds.SpecimenDescriptionSequence[0]
    assert item.SpecimenIdentifier == ds.ContainerIdentifier == "S24-0001-A1-1"
    assert item.PrimaryAnatomicStructureSequence[0].CodeMeaning == "Breast"
    steps = [step.SpecimenPreparationStepContentItemSequence for step in item.SpecimenPreparationSequence]
    parents = [i.TextValue for step in steps for i in step if i.ConceptNameCodeSequence[0].CodeValue == "111705"]
    assert parents == ["S24-0001-A", "S24-0001-A1"]
    assert [i.ConceptCodeSequence[0].CodeValue for i in steps[2][2:]] == ["12710003", "36879007"]


def test_offset_table_points_at_items(converted: Convert, svs: Path) -> None:
    result = converted(svs)
    data = result.files["level-0"]
    ds = result.dataset("level-0")
    offsets = np.frombuffer(ds.ExtendedOffsetTable, "<u8")
    start = data.index(b"\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff") + 20
    assert len(offsets) == ds.NumberOfFrames
    for offset in offsets.tolist():
        assert data[start + offset : start + offset + 4] == b"\xfe\xff\x00\xe0"


def test_lossy_facts(converted: Convert, svs: Path) -> None:
    ds = converted(svs).dataset("level-0")
    assert (ds.LossyImageCompression, ds.LossyImageCompressionMethod) == ("01", "ISO_10918_1")
    assert converted(svs).dataset("label").LossyImageCompression == "00"


def test_a_rule_reads_facts_from_the_barcode_in_the_file(converted: Convert, svs: Path) -> None:
    rule = SiteRule(r"(?P<accession_number>S\d+-\d+)-(?P<block>\w+)", on="barcode", defaults={"institution": "CHU"})
    found = converted(svs, rule).dataset("level-0")
    assert (found.AccessionNumber, found.InstitutionName, found.ContainerIdentifier) == (
        "S24-0001",
        "CHU",
        "S24-0001-A1",
    )
