"""NDPI: cut at restart markers, the entropy-coded bytes untouched; three foreign readers agree with the source."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import openslide
import opentile
import pytest
import tifffile

from lamelle.base.errors import Invalid
from lamelle.dicom.vendors import cropping
from lamelle.dicom.vendors.sniffing import sniff
from lamelle.testing import tiffs

Convert = Callable[..., Any]


@pytest.fixture
def ndpi(tmp_path: Path) -> Path:
    tiffs.ndpi(tmp_path / "slide.ndpi")
    return tmp_path / "slide.ndpi"


def mosaic(result: Any, name: str, plane: int = 0) -> Any:
    ds = result.dataset(name)
    across, down = -(-ds.TotalPixelMatrixColumns // ds.Columns), -(-ds.TotalPixelMatrixRows // ds.Rows)
    frames = [imagecodecs.imread(f).astype(int) for f in result.frames(name)][plane * across * down :][: across * down]
    rows = [np.hstack(frames[i : i + across]) for i in range(0, len(frames), across)]
    return np.vstack(rows)[: ds.TotalPixelMatrixRows, : ds.TotalPixelMatrixColumns]


def test_the_generated_file_is_ndpi_to_others(ndpi: Path) -> None:
    assert sniff(ndpi) == "ndpi"
    assert openslide.OpenSlide(ndpi).properties["openslide.vendor"] == "hamamatsu"
    with tifffile.TiffFile(ndpi) as tiff:
        assert tiff.is_ndpi
        assert tiff.pages[0].tilewidth == 256
    if cropping.library() is None:
        return  # opentile needs it
    with opentile.OpenTile.open(ndpi, 512) as tiler:
        assert type(tiler).__name__ == "NdpiTiler"
        assert tuple(tiler.get_level(0).image_size.to_tuple()) == (1536, 992)


@pytest.mark.parametrize("name", ["level-0", "level-1"])
def test_pixels_equal_openslide_and_tifffile(converted: Convert, ndpi: Path, name: str) -> None:
    result = converted(ndpi)
    whole = mosaic(result, name)
    slide = openslide.OpenSlide(ndpi)
    level = int(name[-1])
    same = slide.level_dimensions.index((whole.shape[1], whole.shape[0]))
    reference = np.asarray(slide.read_region((0, 0), same, slide.level_dimensions[same]).convert("RGB")).astype(int)
    assert np.abs(whole - reference).max() <= 1
    with tifffile.TiffFile(ndpi) as tiff:
        assert np.abs(whole - tiff.pages[level].asarray()).max() <= 1


def test_entropy_coded_bytes_are_the_sources(converted: Convert, ndpi: Path) -> None:
    with tifffile.TiffFile(ndpi) as tiff:
        page = tiff.pages[0]
        with ndpi.open("rb") as file:
            intervals = []
            for offset, size in zip(page.dataoffsets, page.databytecounts, strict=True):
                file.seek(offset)
                intervals.append(file.read(size)[:-2])
    result = converted(ndpi)
    ds = result.dataset("level-0")
    assert (ds.Columns, ds.Rows) == (512, 512)
    across, high = 6, 512 // 8
    for number, frame in enumerate(result.frames("level-0")):
        row, column = divmod(number, 3)
        scan = frame.index(b"\xff\xda")
        body = frame[scan + 2 + int.from_bytes(frame[scan + 2 : scan + 4], "big") : frame.rindex(b"\xff\xd9")]
        expected = []
        for y in range(row * high, (row + 1) * high):
            for x in (2 * column, 2 * column + 1):
                expected.append(intervals[min(y, 123) * across + x])
        joined = b""
        for index, part in enumerate(expected):
            joined += (bytes((0xFF, 0xD0 + (index - 1) % 8)) if index else b"") + part
        assert body == joined


def test_without_its_table_the_markers_are_found(converted: Convert, ndpi: Path, tmp_path: Path) -> None:
    other = tmp_path / "scan.ndpi"
    tiffs.ndpi(other, starts=False)
    assert converted(other).frames("level-0") == converted(ndpi).frames("level-0")


def test_a_table_that_does_not_fit_is_refused(converted: Convert, ndpi: Path, tmp_path: Path) -> None:
    data = bytearray(ndpi.read_bytes())
    with tifffile.TiffFile(ndpi) as tiff:
        place = tiff.pages[0].tags[65426].valueoffset
    data[place + 40] ^= 1
    (tmp_path / "bad.ndpi").write_bytes(data)
    with pytest.raises(Invalid) as caught:
        converted(tmp_path / "bad.ndpi")
    assert caught.value.code == "bad_restart_intervals"


def test_focal_planes_are_kept(converted: Convert, tmp_path: Path) -> None:
    path = tmp_path / "z.ndpi"
    tiffs.ndpi(path, width=1024, height=600, planes=(0, -2000, 2000))
    result = converted(path)
    ds = result.dataset("level-0")
    assert ds.TotalPixelMatrixFocalPlanes == 3
    assert ds.NumberOfFrames == 3 * 4
    measures = ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert float(measures.SpacingBetweenSlices) == 0.002
    with tifffile.TiffFile(path) as tiff:
        pages = {page.tags[65424].value: page for page in tiff.pages if page.imagewidth == 1024}
        for plane, z in enumerate((-2000, 0, 2000)):
            assert np.abs(mosaic(result, "level-0", plane) - pages[z].asarray()).max() <= 1


needs_cropping = pytest.mark.skipif(cropping.library() is None, reason="libturbojpeg is not installed")


@needs_cropping
@pytest.mark.parametrize(("interval", "width"), [(256, 512), (150, 400), (512, 512)])
def test_wide_intervals_are_cut_between_coded_units(
    converted: Convert, tmp_path: Path, interval: int, width: int
) -> None:
    path = tmp_path / "wide.ndpi"
    tiffs.ndpi(path, interval * 16, 520, interval=interval)
    result = converted(path)
    ds = result.dataset("level-0")
    assert (ds.Columns, ds.Rows, ds.NumberOfFrames) == (width, 512, 2 * interval * 16 // width)
    assert list(ds.ImageType) == ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    assert result.slide.warnings[:1] != ("wide_tiles",)
    with tifffile.TiffFile(path) as tiff:
        assert (mosaic(result, "level-0") == tiff.pages[0].asarray()).all()
    slide = openslide.OpenSlide(path)
    reference = np.asarray(slide.read_region((0, 0), 0, slide.dimensions).convert("RGB")).astype(int)
    assert np.abs(mosaic(result, "level-0") - reference).max() <= 1


@needs_cropping
@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_cut_tiles_are_those_of_opentile(converted: Convert, tmp_path: Path, subsampling: int) -> None:
    path = tmp_path / "wide.ndpi"
    tiffs.ndpi(path, 4096, 1024, interval=256 >> (subsampling > 0), subsampling=subsampling)
    frames = converted(path).frames("level-0")
    with opentile.OpenTile.open(path, 512) as tiler:
        theirs = [tiler.get_level(0).get_tile((x, y)) for y in range(2) for x in range(8)]
    assert [frame.rstrip(b"\0") for frame in frames] == theirs


@needs_cropping
def test_levels_and_planes_of_other_intervals_get_the_same_tiles(converted: Convert, tmp_path: Path) -> None:
    path = tmp_path / "wide.ndpi"
    tiffs.ndpi(path, 4096, 600, planes=(0, 2000), interval=256)  # 2048 pixels above 128
    result = converted(path)
    assert {(result.dataset(name).Columns, result.dataset(name).Rows) for name in ("level-0", "level-1")} == {
        (512, 512)
    }
    with tifffile.TiffFile(path) as tiff:
        pages = {page.tags[65424].value: page for page in tiff.pages if page.imagewidth == 4096}
        for plane, z in enumerate((0, 2000)):
            assert (mosaic(result, "level-0", plane) == pages[z].asarray()).all()


@needs_cropping
@pytest.mark.filterwarnings("ignore:Corrupt JPEG data")  # what libjpeg-turbo says; it goes on, as decoders do
def test_an_interval_cut_short_takes_no_other_with_it(converted: Convert, tmp_path: Path) -> None:
    path, spoilt = tmp_path / "wide.ndpi", tmp_path / "spoilt.ndpi"
    tiffs.ndpi(path, 4096, 512, interval=256)
    data = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as tiff:
        at, size = tiff.pages[0].dataoffsets[2], tiff.pages[0].databytecounts[2]
    data[at : at + size - 2] = bytes(size - 2)
    spoilt.write_bytes(data)
    whole, hurt = mosaic(converted(path), "level-0"), mosaic(converted(spoilt), "level-0")
    differ = np.argwhere((whole != hurt).any(axis=2))
    assert (
        differ.size and differ.min(axis=0).tolist() >= [8, 0] and differ[:, 0].max() < 16 and differ[:, 1].max() < 2048
    )


def test_without_libjpeg_turbo_wide_intervals_are_wide_tiles(
    converted: Convert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "wide.ndpi"
    tiffs.ndpi(path, 4096, 512, interval=256)
    cut = converted(path)
    monkeypatch.setattr(cropping, "library", lambda: None)
    wide = converted(path)
    assert wide.dataset("level-0").Columns == 2048
    assert wide.slide.warnings == ("wide_tiles",)
    assert wide.slide.series_uid != cut.slide.series_uid
    assert (mosaic(wide, "level-0") == mosaic(cut, "level-0")).all()


def test_what_the_scanner_said(converted: Convert, ndpi: Path) -> None:
    result = converted(ndpi)
    ds = result.dataset("level-0")
    assert (ds.Manufacturer, ds.DeviceSerialNumber, ds.ContainerIdentifier) == ("Hamamatsu", "N1234", "S24-0002-B1")
    assert float(ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing[0]) == 0.0005
    assert list(result.dataset("overview").ImageType) == ["ORIGINAL", "PRIMARY", "OVERVIEW", "NONE"]
