"""Pixels of a scene: the same whichever block is asked, light on glass, dyes that absorb as Beer-Lambert says."""

import numpy as np
import pytest

from lamelle.ops.demo.noise import smooth, spline
from lamelle.ops.demo.organs import ORGANS
from lamelle.ops.demo.places import borders, spread
from lamelle.ops.demo.scene import HAEMATOXYLIN, Coat, Scene
from lamelle.ops.demo.stainings import STAININGS


def small(organ: str, stain: str, seed: int = 3) -> Scene:
    staining = STAININGS[stain]
    scene = Scene(900, 700, 0.5, staining.stains, seed)
    ORGANS[organ](scene, staining)
    return scene


@pytest.fixture(scope="module")
def colon() -> Scene:
    return small("colon", "HES")


def test_blocks_join_without_a_seam(colon: Scene) -> None:
    whole = colon.block(100, 80, 400, 300).astype(int)
    for x, y, width, height in [(100, 80, 130, 90), (230, 170, 170, 210), (371, 299, 129, 81)]:
        part = colon.block(x, y, width, height)
        seen = whole[y - 80 : y - 80 + height, x - 100 : x - 100 + width]
        assert np.abs(part - seen).max() <= 1  # sums in another order may round differently


def test_the_same_seed_gives_the_same_tissue(colon: Scene) -> None:
    again, other = small("colon", "HES"), small("colon", "HES", seed=4)
    region = (200, 100, 256, 256)
    assert (again.block(*region) == colon.block(*region)).all()
    assert (other.block(*region) != colon.block(*region)).mean() > 0.3


@pytest.mark.parametrize(("organ", "stain"), [
    ("breast", "HE"), ("breast", "KI67"), ("breast", "HER2"), ("prostate", "HES"), ("skin", "HE"),
    ("liver", "TRICHROME"), ("node", "CD3"), ("node", "HE"), ("kidney", "PAS"),
])  # fmt: skip
def test_every_organ_has_tissue_and_glass(organ: str, stain: str) -> None:
    scene = small(organ, stain)
    pixels = scene.block(0, 0, 900, 700)
    bright = (pixels.min(2) > 225).mean()
    assert 0.02 < bright < 0.995
    assert pixels.min() < 130
    assert len(scene.stamps) >= 2


def test_glass_is_near_white_and_quiet(colon: Scene) -> None:
    corner = colon.block(0, 0, 64, 64).astype(float)
    assert corner.mean() == pytest.approx(243.5, abs=1)
    assert corner.std() < 2


def test_twice_the_dye_passes_the_square_of_the_light() -> None:
    light = {}
    for density in (0.4, 0.8):
        scene = Scene(256, 256, 0.5, (HAEMATOXYLIN,), 1)
        scene.tissue = np.full(scene.shape, 50.0, np.float32)
        scene.layer(np.full(scene.shape, 50.0), Coat(0, density, gain=0.0))
        light[density] = scene.block(64, 64, 64, 64).mean((0, 1)) / np.array(scene.glass)
    assert light[0.8] == pytest.approx(light[0.4] ** 2, abs=0.01)


def test_splines_add_up_to_one_and_reproduce_lines() -> None:
    weights, rows = spline(3.2, 0.25, 40, 60)
    assert weights.sum(1) == pytest.approx(1, abs=1e-5)
    assert weights @ np.arange(60.0)[rows] == pytest.approx(3.2 + 0.25 * np.arange(40), abs=1e-4)


def test_smooth_fields_are_normal() -> None:
    field = smooth((600, 600), 9, np.random.default_rng(1))
    assert abs(field.mean()) < 0.1
    assert field.std() == pytest.approx(1, abs=0.15)


def test_points_keep_their_distance_and_fill_the_place() -> None:
    scene = Scene(800, 800, 0.5, (HAEMATOXYLIN,), 1)
    points = spread(scene, np.ones(scene.shape), 10.0, rounds=8)
    gaps = np.hypot(*(points[:, None] - points[None]).transpose(2, 0, 1))
    np.fill_diagonal(gaps, 99)
    assert gaps.min() >= 10
    assert len(points) > 0.55 * 400 * 400 / 100


def test_borders_lie_between_neighbours() -> None:
    scene = Scene(400, 400, 0.5, (HAEMATOXYLIN,), 1)
    edge, nearest = borders(scene, np.array([[60.0, 101.0], [140.0, 101.0]], np.float32), 80.0)
    assert edge[50, 50] == pytest.approx(0, abs=1.1)
    assert edge[50, 30] == pytest.approx(40, abs=1.1)
    assert nearest[50, 30] == pytest.approx(1, abs=1.1)
