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
from lamelle.testing import tiffs

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
