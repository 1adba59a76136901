"""Slides read through OpenSlide: a bad tile stays alone, the DICOM says what was done."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import openslide
import pytest

from lamelle.base.errors import Invalid
from lamelle.dicom.vendors import decoded
from lamelle.dicom.vendors.sniffing import sniff
from lamelle.testing import slides, tiffs

Convert = Callable[..., Any]


def contradictory(path: Path, spoilt: tuple[int, ...] = ()) -> None:
    """Tiles whose APP14 says YCbCr in a TIFF that says RGB: only a decoder that believes the TIFF reads them."""
    pixels = tiffs.tissue(1100, 800)
    data = []
    for index, tile in enumerate(tiffs.tiles(pixels, 256)):
        _, one = tiffs.abbreviated(tiffs.jpeg(tile, rgb=True))
        marker = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x01"
        one = one[:2] + marker + one[2:]
        data.append(b"\xff\xd8" + b"spoilt" * 20 if index in spoilt else one)
    tables, _ = tiffs.abbreviated(tiffs.jpeg(np.ascontiguousarray(pixels[:256, :256]), rgb=True))
    said = tiffs.APERIO.format(w=1100, h=800)
    tags = {**tiffs.tags(pixels, 7, 2), 322: 256, 323: 256, 347: tables, 270: said}
    tiffs.write(path, [tiffs.Image(tags, data)])


def mosaic(result: Any, name: str) -> Any:
    ds = result.dataset(name)
    across = -(-ds.TotalPixelMatrixColumns // ds.Columns)
    frames = [imagecodecs.imread(frame).astype(int) for frame in result.frames(name)]
    rows = [np.hstack(frames[i : i + across]) for i in range(0, len(frames), across)]
    return np.vstack(rows)[: ds.TotalPixelMatrixRows, : ds.TotalPixelMatrixColumns]


def test_what_dicom_cannot_take_is_decoded_and_says_so(converted: Convert, tmp_path: Path) -> None:
    path = tmp_path / "slide.svs"
    contradictory(path)
    result = converted(path)
    assert "decoded:contradictory_colors" in result.slide.warnings
    ds = result.dataset("level-0")
    assert list(ds.ImageType) == ["DERIVED", "PRIMARY", "VOLUME", "NONE"]
    assert len(ds.LossyImageCompressionMethod) == len(ds.LossyImageCompressionRatio) == 2
    reference = np.asarray(openslide.OpenSlide(path).read_region((0, 0), 0, (1100, 800)).convert("RGB")).astype(int)
    assert np.abs(mosaic(result, "level-0") - reference).mean() < 2


def whole(slide: openslide.OpenSlide, left: int, top: int, size: tuple[int, int]) -> Any:
    return np.asarray(slide.read_region((left, top), 0, size).convert("RGB")).astype(int)


def test_czi(converted: Convert, tmp_path: Path) -> None:
    path = tmp_path / "slide.czi"
    slides.czi(path, tiffs.tissue(1100, 800))
    path.rename(tmp_path / "unnamed")
    assert sniff(tmp_path / "unnamed") == "czi"
    result = converted(tmp_path / "unnamed")
    ds = result.dataset("level-0")
    assert list(ds.ImageType) == ["DERIVED", "PRIMARY", "VOLUME", "NONE"]
    assert (ds.Manufacturer, ds.LossyImageCompressionMethod) == ("Carl Zeiss", "ISO_10918_1")  # once: it was lossless
    assert float(ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing[0]) == 0.00025
    assert float(ds.OpticalPathSequence[0].ObjectiveLensPower) == 20
    assert [(one.columns, one.rows) for one in result.slide.instances] == [(1100, 800), (550, 400)]
    assert np.abs(mosaic(result, "level-0") - tiffs.tissue(1100, 800)).mean() < 2
    assert np.abs(mosaic(result, "level-1") - tiffs.tissue(1100, 800)[::2, ::2]).mean() < 2


def test_a_czi_cut_short_is_refused(converted: Convert, tmp_path: Path) -> None:
    path = tmp_path / "slide.czi"
    slides.czi(path, tiffs.tissue(600, 400))
    data = path.read_bytes()
    for size in (len(data) // 2, 600, 12):
        path.write_bytes(data[:size])
        with pytest.raises(Invalid) as caught:
            converted(path)
        assert caught.value.code == "unreadable"


def test_scn(converted: Convert, tmp_path: Path) -> None:
    path = tmp_path / "slide.scn"
    slides.scn(path, tiffs.tissue(1100, 800))
    result = converted(path)
    ds = result.dataset("level-0")
    assert (ds.Manufacturer, ds.ManufacturerModelName, ds.ContainerIdentifier) == (
        "Leica Biosystems",
        "SCN400",
        "S24-1",
    )
    assert ds.AcquisitionDateTime == "20240305101112+0000"
    assert len(ds.LossyImageCompressionMethod) == 2
    # of the glass, 26 x 76 mm, only what was scanned is kept
    assert [(one.flavor, one.columns, one.rows) for one in result.slide.instances] == [
        ("OVERVIEW", 130, 380), ("VOLUME", 1100, 800), ("VOLUME", 275, 200),
    ]  # fmt: skip
    assert float(ds.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing[0]) == 0.0005
    reference = whole(openslide.OpenSlide(path), 10000, 18000, (1100, 800))
    assert np.abs(mosaic(result, "level-0") - reference).mean() < 2


def test_a_bad_tile_stays_alone(converted: Convert, tmp_path: Path) -> None:
    path = tmp_path / "slide.svs"
    contradictory(path, spoilt=(7,))  # second row, third column: in the first row's second 512 pixel tile
    result = converted(path)
    assert "unreadable_tiles" in result.slide.warnings
    frames = [imagecodecs.imread(frame) for frame in result.frames("level-0")]
    assert (frames[1] == 255).all()
    assert not any((frame == 255).all() for number, frame in enumerate(frames) if number != 1)


def test_a_slide_of_bad_tiles_is_refused(converted: Convert, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "slide.svs"
    contradictory(path, spoilt=(2, 7))
    monkeypatch.setattr(decoded, "MAX_BAD_TILES", 0)
    with pytest.raises(Invalid) as caught:
        converted(path)
    assert caught.value.code == "too_many_bad_tiles"


def test_transparency_lies_over_the_background() -> None:
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0, :, 3] = (0, 255, 128)
    assert decoded.flatten(pixels, (255, 0, 10)).tolist() == [[[255, 0, 10], [0, 0, 0], [127, 0, 5]]]
