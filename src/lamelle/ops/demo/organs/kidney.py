"""Kidney: glomeruli among tubules, their basement membranes magenta in PAS."""

import numpy as np

from lamelle.ops.demo import places, tissue
from lamelle.ops.demo.scene import Coat, Scene
from lamelle.ops.demo.tissue import Staining


def kidney(scene: Scene, staining: Staining) -> None:
    """A cortical biopsy: a core of tubules and some twenty glomeruli."""
    width, height = scene.width * scene.mpp, scene.height * scene.mpp
    gx, gy = scene.grid()
    line = 0.5 * height + 0.12 * height * np.sin(gx / width * 3.6 + 1)
    core = np.minimum(0.31 * height - np.abs(gy - line), np.minimum(gx - 0.05 * width, 0.95 * width - gx))
    tissue.silhouette(scene, core, 8)
    assert scene.tissue is not None
    balls = places.spread(scene, np.where(scene.tissue > 115, 0.8, 0), 300, rounds=9)
    capsule = places.rings(scene, balls, scene.rng.uniform(88, 118, len(balls)), 0.04, (2, 3))
    tissue.currents(scene, None, 40)
    hubs = places.spread(scene, np.where((scene.tissue > -10) & (capsule < -18), 1.0, 0), 41, rounds=10)
    edge, nearest = places.borders(scene, hubs, 41.0, scene.tissue + 10)
    size = 33 + 4 * scene.noise(90)
    depth = np.minimum(np.minimum(edge - 1.3, size - nearest), np.minimum(-capsule - 5, scene.tissue))
    depth = depth + scene.noise(24) * 1.2
    tissue.stroma(scene, staining, scene.tissue, np.maximum(capsule, depth), loose=True, cells=0.8)
    tissue.immune(scene, staining, np.where((capsule < -5) & (depth < -3), 0.12 * (1 + scene.noise(200)), 0), 9, 0.2)
    _tubules(scene, staining, depth)
    _glomeruli(scene, staining, capsule)
    tissue.bubble(scene, 0.86 * width, 0.2 * height, 0.09 * height)


def _tubules(scene: Scene, staining: Staining, depth: np.typing.NDArray[np.float32]) -> None:
    plane, base = staining.cytoplasm
    scene.layer(depth + 1.6, Coat(staining.membrane[0], staining.membrane[1] * 0.75, gain=0.1), soft=0.9, rough=0.15)
    scene.layer(depth, Coat(plane, base * 1.1, gain=0.35), Coat(0, staining.basophilia * 1.2, gain=0.4), rough=0.2)
    thick = 12.5 + 2.5 * scene.noise(140)
    scene.layer(depth - thick + 2.2, Coat(plane, base * 2.2, gain=0.3), soft=2.2, rough=0.7, opacity=0.7)
    scene.layer(depth - thick, Coat(plane, 0.02), soft=1.4, rough=0.7)
    nuclei = places.spread(scene, np.where((depth > 4.2) & (depth < 8), 1.0, 0), 9.5, rounds=7)
    scene.stamp("cuboidal", nuclei, gain=staining.nuclei)


def _glomeruli(scene: Scene, staining: Staining, capsule: np.typing.NDArray[np.float32]) -> None:
    """Bowman's capsule and space, the tuft as lobes of capillary loops around a mesangium."""
    plane, base = staining.cytoplasm
    scene.layer(capsule + 2.4, Coat(staining.membrane[0], staining.membrane[1]), soft=0.9, rough=0.15)
    scene.layer(capsule, Coat(plane, 0.02), rough=0.15)
    tuft = capsule - 13 + np.clip(scene.noise(42), -2, 1) * 8
    scene.layer(tuft, Coat(plane, base * 1.7, gain=0.3), Coat(0, 0.06), rough=0.4)
    loops = places.spread(scene, np.where(tuft > 2, 1.0, 0), 12.5, rounds=8)
    edge, _ = places.borders(scene, loops, 12.5, tuft + 5)
    lumen = np.minimum(edge - 1.9 + np.clip(scene.noise(30), -1.5, 1) * 1.1, tuft - 1)
    scene.layer(lumen + 1.5, Coat(staining.membrane[0], staining.membrane[1] * 0.62), soft=0.9, rough=0.15)
    scene.layer(lumen, Coat(plane, 0.03), rough=0.15)
    cells = places.spread(scene, np.where((tuft > 2) & (lumen < 0.5), 0.8, 0), 9.0, rounds=6)
    scene.stamp("cuboidal", cells, gain=staining.nuclei)
    outer = places.spread(scene, np.where((tuft > -3) & (tuft < 1), 0.5, 0), 12)
    scene.stamp("squamous", outer, gain=staining.nuclei)
    parietal = places.spread(scene, np.where((capsule > 0) & (capsule < 2.5), 0.6, 0), 17)
    scene.stamp("basal", parietal, places.slope(capsule, parietal) + np.pi / 2, gain=staining.nuclei)
    blood = places.spread(scene, np.where(lumen > 2.2, 0.25, 0), 7)
    scene.stamp("red", blood, plane=staining.red_cells[0], gain=staining.red_cells[1])
