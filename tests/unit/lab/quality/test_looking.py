"""Tissue, blank tiles, missing stripes, the photograph of the glass."""

import numpy as np
import pytest
from scipy import ndimage
from tests.unit.lab.quality.conftest import Picture, drawn, on_glass

from lamelle.lab.quality import artefacts, overview, tissue
from lamelle.lab.quality.pixels import Small

PART = slice(60, 260), slice(80, 380)


def small(picture: Picture, um: float = 8.0) -> Small:
    return Small(picture, np.ones(picture.shape[:2], np.bool_), um)


# -- tissue ----------------------------------------------------------------------------------------------------------


def test_tissue_is_found_where_it_lies() -> None:
    found = tissue.find(small(on_glass(320, 460, PART))).tissue
    wanted = np.zeros_like(found)
    wanted[PART] = True
    assert np.mean(found == wanted) > 0.97


@pytest.mark.parametrize("contrast", [0.5, 0.2, 0.1])
def test_pale_tissue_is_found(contrast: float) -> None:
    picture = on_glass(320, 460, PART).astype(np.float32)
    pale = 243 - (243 - picture) * contrast
    pale += np.random.default_rng(3).normal(0, 1.5, pale.shape)
    found = tissue.find(small(pale.clip(0, 255).astype(np.uint8))).tissue
    assert found[PART].mean() > 0.9
    assert found.sum() < 1.2 * found[PART].sum()


def test_glass_with_noise_has_none() -> None:
    rng = np.random.default_rng(1)
    glass = np.clip(rng.normal(240, 3, (300, 400, 3)), 0, 255).astype(np.uint8)
    assert not tissue.find(small(glass)).tissue.any()


def test_white_that_fills_what_was_not_scanned_is_no_other_glass() -> None:
    picture = on_glass(320, 460, PART)
    picture[:, 400:] = 255
    found = tissue.find(small(picture)).tissue
    assert found[PART].mean() > 0.95
    assert not found[:, 390:].any()


def test_tissue_from_edge_to_edge() -> None:
    assert tissue.find(small(drawn(300, 300))).tissue.mean() > 0.95


def test_blue_ink_is_no_tissue() -> None:
    picture = on_glass(320, 460, PART)
    picture[280:310, 100:300] = np.random.default_rng(4).integers(-4, 5, (30, 200, 3)) + np.array((25, 60, 190))
    found = tissue.find(small(picture))
    assert found.ink[285:305, 110:290].all()
    assert not found.tissue[280:310].any()
    assert not found.ink[PART].any()


# -- tiles and stripes -----------------------------------------------------------------------------------------------


def tiles() -> tuple[np.ndarray, np.ndarray]:
    """Stored lengths and shares of tissue of 10 x 12 tiles: tissue in the middle."""
    lengths, share = np.full((10, 12), 900, np.int64), np.zeros((10, 12), np.float32)
    lengths[2:8, 2:10], share[2:8, 2:10] = 20_000, 1.0
    return lengths, share


def test_a_blank_tile_in_tissue_is_found() -> None:
    lengths, share = tiles()
    lengths[4, 5], share[4, 5] = 700, 0.0
    found = artefacts.blank(lengths, 256 * 256, share, lambda column, row: lengths[row, column] < 1000)
    assert np.argwhere(found).tolist() == [[4, 5]]


def test_a_tile_that_is_not_there_is_found() -> None:
    lengths, share = tiles()
    lengths[4:6, 5], share[4:6, 5] = -1, 0.0
    found = artefacts.blank(lengths, 256 * 256, share, lambda column, row: False)
    assert found.sum() == 2


def test_a_tile_the_small_picture_still_shows_is_found_at_the_edge_too() -> None:
    lengths, share = tiles()
    lengths[2, 2] = 700
    assert artefacts.blank(lengths, 256 * 256, share, lambda column, row: True)[2, 2]


def test_glass_around_tissue_is_not_blank() -> None:
    lengths, share = tiles()
    assert not artefacts.blank(lengths, 256 * 256, share, lambda column, row: lengths[row, column] < 1000).any()


def test_a_lumen_with_the_noise_of_glass_is_not_blank() -> None:
    lengths, share = tiles()
    lengths[4, 5], share[4, 5] = 700, 0.0
    assert not artefacts.blank(lengths, 256 * 256, share, lambda column, row: False).any()


@pytest.mark.parametrize("fill", [0, 243, 255])
@pytest.mark.parametrize("turned", [False, True])
def test_a_missing_stripe_is_found(fill: int, turned: bool) -> None:
    picture = on_glass(320, 460, PART)
    picture[:, 200:206] = fill
    if fill == 0:
        picture[:, 200:206] = 243
    picture = np.ascontiguousarray(np.rot90(picture)) if turned else picture
    assert artefacts.stripes(tissue.find(small(picture)), 8.0) == pytest.approx(1.6, rel=0.2)


def test_whole_tissue_and_two_ragged_pieces_have_no_stripe() -> None:
    assert artefacts.stripes(tissue.find(small(on_glass(320, 460, PART))), 8.0) == 0
    picture = on_glass(320, 460, PART)
    for row in range(320):
        middle = 200 + round(12 * np.sin(row / 15)) + row // 20
        picture[row, middle : middle + 8] = 243
    assert artefacts.stripes(tissue.find(small(picture)), 8.0) == 0


@pytest.mark.parametrize(
    ("spacing", "power", "ratio"), [(0.25, 40, 1.0), (0.5, 40, 2.0), (0.243, 20, 0.486), (0, 40, None), (0.5, 0, None)]
)
def test_a_scale_its_objective_can_not_give(spacing: float, power: float, ratio: float | None) -> None:
    assert artefacts.objective_ratio(spacing, power) == (None if ratio is None else pytest.approx(ratio))


# -- the photograph --------------------------------------------------------------------------------------------------


def photograph(pieces: list[tuple[slice, slice]]) -> Small:
    """A glass of 75 x 25 mm at 60 micrometres a pixel, its label at the left, with pieces of tissue."""
    rng = np.random.default_rng(5)
    picture = rng.normal(225, 1.5, (417, 1250, 3))
    picture[20:390, 20:330] = 245
    for row in range(40, 380, 24):
        picture[row : row + 12, 40:300:2] = 30
    for rows, columns in pieces:
        shape = rows.stop - rows.start, columns.stop - columns.start
        blob = ndimage.gaussian_filter(rng.normal(0, 1, shape), 8)[..., None]
        inked = rng.normal((190, 110, 150), 2, (*shape, 3))
        picture[rows, columns] = np.where(blob > -0.02, inked, picture[rows, columns])
    return Small(picture.clip(0, 255).astype(np.uint8), np.ones(picture.shape[:2], np.bool_), 60.0)


FIRST, SECOND = (slice(120, 260), slice(480, 640)), (slice(140, 280), slice(800, 960))


def scan_of(glass: Small, part: tuple[slice, slice]) -> tissue.Found:
    """What a scan of that part of the photograph would show, at the photograph's own scale."""
    return tissue.find(Small(np.ascontiguousarray(glass.picture[part]), glass.there[part], glass.um))


def test_a_scan_of_all_tissue_covers_it() -> None:
    glass = photograph([FIRST, SECOND])
    found = overview.compare(scan_of(glass, (slice(100, 300), slice(460, 980))), glass.um, glass)
    assert found is not None and found.sure
    assert found.covered > 0.98


def test_a_piece_that_was_not_scanned_is_missed() -> None:
    glass = photograph([FIRST, SECOND])
    found = overview.compare(scan_of(glass, (slice(100, 300), slice(460, 660))), glass.um, glass)
    assert found is not None and found.sure
    assert found.covered < 0.7
    assert found.missing_mm2 > 10


def test_without_tissue_on_the_photograph_nothing_is_said() -> None:
    glass = photograph([])
    scan = tissue.find(small(on_glass(320, 460, PART)))
    assert overview.compare(scan, 8.0, glass) is None
