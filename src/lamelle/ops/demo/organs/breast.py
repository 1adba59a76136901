"""Breast: lobules and ducts in fibrous stroma and fat, and an invasive carcinoma.

The same seed in another staining is the next section of the same block: HE, Ki-67 and HER2 line up.
"""

import numpy as np

from lamelle.ops.demo import places, tissue
from lamelle.ops.demo.noise import Array
from lamelle.ops.demo.scene import Coat, Scene
from lamelle.ops.demo.tissue import Staining


def breast(scene: Scene, staining: Staining) -> None:
    """A resection: carcinoma on the right, lobules on the left, fat between."""
    width, height = scene.width * scene.mpp, scene.height * scene.mpp
    whole = (
        places.ellipse(scene, 0.5 * width, 0.5 * height, 0.46 * width, 0.44 * height, 0.05) + scene.noise(1400) * 110
    )
    tissue.silhouette(scene, whole, 16)
    assert scene.tissue is not None
    cancer = (
        places.ellipse(scene, 0.66 * width, 0.52 * height, 0.22 * width, 0.26 * height, 0.4) + scene.noise(420) * 90
    )
    cancer = np.minimum(cancer, scene.tissue)
    fatty = places.distance_of(
        scene.noise(1100) + 0.35 * scene.noise(300) + 0.2 * scene.noise(110) - cancer / 700, 1.05, 250
    )
    fatty = np.minimum(fatty, scene.tissue)
    acini, lobules = _lobules(scene, np.minimum(scene.tissue - 150, np.minimum(-fatty - 60, -cancer - 90)))
    ducts = _ducts(scene, np.minimum(scene.tissue - 200, np.minimum(-fatty - 90, -cancer - 120)))
    nests = np.minimum(places.distance_of(scene.noise(85) + 0.5 * scene.noise(38), 0.12, 70), cancer - 15)
    epithelium = np.maximum(np.maximum(acini, ducts), nests)
    tissue.currents(scene, epithelium * 1.0, 45)
    tissue.stroma(scene, staining, scene.tissue, np.maximum(epithelium, fatty), cells=0.5)
    plane, _ = staining.collagen
    scene.layer(lobules, Coat(plane, 0.22 if staining.marks == "" else 0.04, "collagen"), Coat(0, 0.06), soft=30)
    tissue.fat(scene, staining, fatty)
    tissue.vessels(scene, staining, np.where(np.maximum(epithelium, fatty) < -30, scene.tissue, -1), 240, (9, 26))
    lymphoid = np.where((epithelium < -6) & (fatty < -4) & (scene.tissue > 5), 0.55 * (scene.noise(320) - 0.9), 0)
    tissue.immune(scene, staining, lymphoid + np.where((lobules > 0) & (acini < -4), 0.06, 0), 8, 0.15)
    _epithelium(scene, staining, acini, 9.0)
    _epithelium(scene, staining, ducts, 13.0)
    _carcinoma(scene, staining, nests)


def _lobules(scene: Scene, where: Array) -> tuple[Array, Array]:
    """Depth in acini, depth in lobules."""
    centres = places.spread(scene, np.where(where > 0, 1.0, 0), 420, rounds=8)
    lobules = places.rings(scene, centres, scene.rng.uniform(120, 210, len(centres)), 0.14)
    spots = places.spread(scene, np.where(lobules > 8, 1.0, 0), 36, rounds=8)
    return places.rings(scene, spots, scene.rng.uniform(13, 21, len(spots)), 0.1, (2, 3)), lobules


def _ducts(scene: Scene, where: Array) -> Array:
    centres = places.spread(scene, np.where(where > 0, 0.7, 0), 760, rounds=6)
    return places.rings(scene, centres, scene.rng.uniform(55, 120, len(centres)), 0.16)


def _epithelium(scene: Scene, staining: Staining, depth: Array, thick: float) -> None:
    """Two layers: flat myoepithelium outside, cuboidal cells inside, an open lumen."""
    plane, base = staining.cytoplasm
    scene.layer(depth + 2.5, Coat(staining.membrane[0], staining.membrane[1]))
    scene.layer(depth, Coat(plane, base * 0.85), Coat(0, staining.basophilia))
    lumen = depth - thick - 2
    scene.layer(lumen, Coat(plane, 0.05 if staining.marks == "" else 0.01, gain=0.6), soft=1.5, rough=0.7)
    outer = places.spread(scene, np.where((depth > 0.5) & (depth < 3), 0.55, 0), 9)
    scene.stamp("basal", outer, places.slope(depth, outer) + np.pi / 2, gain=staining.nuclei * 0.9)
    inner = places.spread(scene, np.where((depth > 4.5) & (depth < thick - 1.5), 1.0, 0), 6.4, rounds=6)
    towards = places.slope(depth, inner) + scene.rng.normal(0, 0.3, len(inner))
    brown = scene.rng.random(len(inner)) < (0.03 if staining.marks == "ki67" else 0)
    scene.stamp("cuboidal", inner[~brown], towards[~brown], gain=staining.nuclei)
    scene.stamp("cuboidal", inner[brown], towards[brown], plane=len(scene.stains) - 1, gain=1.2)


def _carcinoma(scene: Scene, staining: Staining, nests: Array) -> None:
    """Cohesive nests of uneven cells; Ki-67 in a third of the nuclei, HER2 around every cell."""
    plane, base = staining.cytoplasm
    scene.layer(nests, Coat(plane, base * 0.9, gain=0.25), Coat(0, staining.basophilia * 1.3, gain=0.3))
    apart = 10.0
    cells = places.spread(scene, np.where(nests > 3, 1.0, 0), apart, rounds=8)
    edge, _ = places.borders(scene, cells, apart, nests + 4)
    wall = np.minimum(1.1 - edge, nests + 1)
    if staining.marks == "her2":
        patchy = np.clip(0.85 + 0.12 * scene.noise(300), 0, 1)
        scene.layer(wall + 0.35 * patchy, Coat(2, 1.05, gain=0.35), Coat(0, 0.05), soft=1.2, rough=0.3)
    else:
        scene.layer(wall - 0.4, Coat(plane, base * 1.25), Coat(0, 0.1), soft=1.4, opacity=0.6)
    angles = scene.rng.uniform(0, np.pi, len(cells))
    hot = 0.34 + 0.16 * places.at(scene.noise(350), cells)
    brown = scene.rng.random(len(cells)) < (hot if staining.marks == "ki67" else 0)
    scene.stamp("tumour", cells[~brown], angles[~brown], gain=staining.nuclei * 0.95)
    strong = np.exp(scene.rng.normal(0.15, 0.3, int(brown.sum())))
    scene.stamp("tumour", cells[brown], angles[brown], plane=len(scene.stains) - 1, gain=strong)
    if staining.marks == "":
        mitoses = places.spread(scene, np.where(nests > 8, 0.15, 0), 90)
        scene.stamp("halo", mitoses)
        scene.stamp("mitosis", mitoses, gain=staining.nuclei)
