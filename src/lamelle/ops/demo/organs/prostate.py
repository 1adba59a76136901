"""Prostate: needle cores with papillary glands in muscle, and small crowded glands of acinar carcinoma."""

import numpy as np

from lamelle.ops.demo import places, tissue
from lamelle.ops.demo.noise import Array
from lamelle.ops.demo.scene import Coat, Scene
from lamelle.ops.demo.tissue import Staining


def prostate(scene: Scene, staining: Staining) -> None:
    """Three cores, about a millimetre wide; carcinoma in the middle one."""
    width, height = scene.width * scene.mpp, scene.height * scene.mpp
    gx, gy = scene.grid()
    whole = np.full(scene.shape, -500.0, np.float32)
    cancer = whole.copy()
    for k, (middle, left, right) in enumerate([(0.2, 0.06, 0.9), (0.5, 0.1, 0.95), (0.8, 0.05, 0.84)]):
        line = middle * height + 90 * np.sin(gx / 1500 + k * 2) + 40 * np.sin(gx / 420 + k)
        half = 0.088 * height * (1 + 0.1 * np.sin(gx / 600 + k * 3))
        core = np.minimum(half - np.abs(gy - line), np.minimum(gx - left * width, right * width - gx))
        whole = np.maximum(whole, core)
        if k == 1:
            reach = np.minimum(gx - 0.34 * width, 0.68 * width - gx) + scene.noise(250) * 90
            cancer = np.minimum(core, reach)
    tissue.silhouette(scene, whole, 9)
    assert scene.tissue is not None
    benign = _benign(scene, np.minimum(scene.tissue - 40, -cancer - 60))
    crowded = places.spread(scene, np.where(cancer > 18, 0.97, 0), 44, rounds=9)
    small = places.rings(scene, crowded, scene.rng.uniform(15, 27, len(crowded)), 0.13, (2, 3))
    glands = np.maximum(benign, small)
    tissue.currents(scene, np.clip(glands, -45, 5), 40)
    plane, base = staining.muscle
    scene.layer(scene.tissue, Coat(plane, base * 0.8, "muscle"), Coat(0, 0.05))
    loose = places.distance_of(scene.noise(260), 0.35, 120)
    scene.layer(loose, Coat(staining.collagen[0], staining.collagen[1] * 0.8, "collagen"), soft=20)
    cigars = places.spread(scene, np.where((scene.tissue > 4) & (glands < -5), 0.7, 0), 19)
    scene.stamp("muscle", cigars, tissue.fibres(scene, cigars), gain=staining.nuclei)
    tissue.vessels(scene, staining, np.where(glands < -28, scene.tissue, -1), 170, (7, 15))
    tissue.immune(
        scene, staining, np.where((glands < -5) & (scene.tissue > 5), 0.5 * (scene.noise(240) - 1.5), 0), 8.5, 0.1
    )
    _glands(scene, staining, benign, 17.0, tumour=False)
    _glands(scene, staining, small, 12.0, tumour=True)


def _benign(scene: Scene, where: Array) -> Array:
    centres = places.spread(scene, np.where(where > 45, 0.9, 0), 190, rounds=8)
    depth = places.rings(scene, centres, scene.rng.uniform(48, 92, len(centres)), 0.12, (2, 3, 5, 7, 9))
    out: Array = np.minimum(depth + np.clip(scene.noise(45), -2, 2) * 7, where + 30)
    return out


def _glands(scene: Scene, staining: Staining, depth: Array, thick: float, *, tumour: bool) -> None:
    """Tall pale cells; benign glands have papillary folds and a basal layer, carcinoma has neither but has nucleoli."""
    plane, base = staining.cytoplasm
    fold = 0.0 if tumour else np.clip(scene.noise(28), -1.5, 2) * 8
    lumen = depth - thick - fold
    scene.layer(depth + 1.5, Coat(staining.membrane[0], staining.membrane[1] * 0.8))
    scene.layer(
        depth,
        Coat(plane, base * (0.72 if tumour else 0.5), gain=0.3),
        Coat(0, staining.basophilia * (1.2 if tumour else 0.7)),
    )
    scene.layer(lumen, Coat(plane, 0.045, gain=0.7), soft=1.7, rough=0.8)
    if tumour:
        nuclei = places.spread(scene, np.where((depth > 2.5) & (depth < 7), 1.0, 0), 6.8, rounds=6)
        scene.stamp("hepatocyte", nuclei, gain=staining.nuclei * 1.1)
        crystals = places.spread(scene, np.where(lumen > 5, 0.12, 0), 16)
        scene.stamp("red", crystals, plane=1, gain=0.9)
        return
    nuclei = places.spread(scene, np.where((depth > 3.5) & (depth < 9) & (lumen < -2), 1.0, 0), 5.8, rounds=7)
    scene.stamp("cuboidal", nuclei, places.slope(depth, nuclei), gain=staining.nuclei)
    folds = places.spread(scene, np.where((depth > 10) & (lumen < -4) & (lumen > -10), 0.8, 0), 6.5)
    scene.stamp("cuboidal", folds, places.slope(lumen, folds), gain=staining.nuclei)
    basal = places.spread(scene, np.where((depth > 0.5) & (depth < 2.5), 0.6, 0), 9)
    scene.stamp("basal", basal, places.slope(depth, basal) + np.pi / 2, gain=staining.nuclei * 0.9)
    bodies = places.spread(scene, np.where(lumen > 14, 0.05, 0), 60)
    rings = places.rings(scene, bodies, scene.rng.uniform(8, 17, len(bodies)), 0.04)
    waves = 0.75 + 0.2 * np.sin(rings * 2.2)
    scene.layer(np.where(rings > -20, rings, -20), Coat(1, 0.75))
    scene.layer(np.where(rings > 0, waves - 0.8, -1) * 2, Coat(1, 0.45), soft=1.0)
