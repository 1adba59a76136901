"""Liver: plates of hepatocytes between sinusoids, portal tracts, central veins, fibrous septa."""

import numpy as np

from lamelle.ops.demo import places, tissue
from lamelle.ops.demo.scene import Coat, Scene
from lamelle.ops.demo.tissue import Staining


def liver(scene: Scene, staining: Staining) -> None:
    """A biopsy with septal fibrosis and some steatosis."""
    width, height = scene.width * scene.mpp, scene.height * scene.mpp
    gx, gy = scene.grid()
    line = 0.5 * height + 0.13 * height * np.sin(gx / width * 4.2)
    core = np.minimum(
        0.3 * height * (1 + 0.08 * np.sin(gx / 500)) - np.abs(gy - line),
        np.minimum(gx - 0.05 * width, 0.95 * width - gx),
    )
    tissue.silhouette(scene, core, 11)
    assert scene.tissue is not None
    hubs = places.spread(scene, np.where(scene.tissue > 90, 1.0, 0), 640, rounds=8)
    portal = hubs[: len(hubs) // 2]
    central = hubs[len(hubs) // 2 :]
    tracts = places.rings(scene, portal, scene.rng.uniform(70, 130, len(portal)), 0.2)
    lobule_edge, _ = places.borders(
        scene, places.spread(scene, np.where(scene.tissue > -50, 1.0, 0), 700, rounds=8), 700.0
    )
    septa = 26 + scene.noise(160) * 20 + scene.noise(50) * 6 - lobule_edge
    fibrous = np.minimum(np.maximum(tracts, septa), scene.tissue)
    veins = places.rings(scene, central, scene.rng.uniform(22, 46, len(central)), 0.14)
    tissue.currents(scene, np.clip(fibrous, -30, 60), 35)
    _plates(scene, staining, np.minimum(scene.tissue, np.minimum(-fibrous + 3, -veins)))
    tissue.stroma(scene, staining, fibrous, np.full(scene.shape, -60.0), cells=0.6)
    tissue.vessels(scene, staining, np.where(fibrous > 26, fibrous, -1), 70, (9, 24))
    bile = places.spread(scene, np.where(fibrous > 22, 0.5, 0), 62)
    ducts = places.rings(scene, bile, scene.rng.uniform(11, 17, len(bile)), 0.07, (2, 3))
    plane, base = staining.cytoplasm
    scene.layer(ducts, Coat(plane, base * 0.7), Coat(0, staining.basophilia))
    scene.layer(ducts - 9, Coat(plane, 0.02), soft=1.4)
    lining = places.spread(scene, np.where((ducts > 2.5) & (ducts < 7), 1.0, 0), 5.6, rounds=6)
    scene.stamp("cuboidal", lining, places.slope(ducts, lining), gain=staining.nuclei)
    tissue.immune(scene, staining, np.where((fibrous > 2) & (ducts < -3), 0.4 + 0.4 * scene.noise(120), 0), 8, 0.15)
    scene.layer(veins + 5, Coat(staining.collagen[0], staining.collagen[1] * 0.8))
    scene.layer(veins, Coat(1, 0.02), opacity=0.95)
    blood = places.spread(scene, np.where(veins > 5, 0.5 * (scene.noise(60) > 0), 0), 5.8)
    scene.stamp("red", blood, plane=staining.red_cells[0], gain=staining.red_cells[1])


def _plates(scene: Scene, staining: Staining, where: np.typing.NDArray[np.float32]) -> None:
    """Polygonal cells with round nuclei; sinusoids wind between them."""
    plane, base = staining.cytoplasm
    cells = places.spread(scene, np.where(where > -4, 1.0, 0), 20.0, rounds=9)
    edge, _ = places.borders(scene, cells, 20.0, where + 4)
    ridge = np.abs(scene.noise(30) + 0.25 * scene.noise(14))
    sinusoid = np.minimum(np.minimum(3.2 - ridge * 11, where), 3.0)
    scene.layer(where, Coat(plane, base * 1.05, gain=0.3), Coat(0, staining.basophilia * 0.9, gain=0.6))
    scene.layer(np.minimum(1.5 - edge, where), Coat(plane, base * 1.35), Coat(0, 0.1), soft=1.4, opacity=0.55)
    fatty = places.spread(scene, np.where((where > 14) & (sinusoid < -3), 0.03 + 0.09 * scene.noise(300), 0), 17)
    drops = places.rings(scene, fatty, scene.rng.uniform(4, 12.5, len(fatty)), 0.03, (2,))
    scene.layer(sinusoid, Coat(plane, 0.05), soft=1.8, rough=0.6)
    inside = cells[(places.at(sinusoid, cells) < -2) & (places.at(where, cells) > 4) & (places.at(drops, cells) < -3)]
    scene.stamp("hepatocyte", inside + scene.rng.normal(0, 1.2, inside.shape), gain=staining.nuclei)
    twins = inside[scene.rng.random(len(inside)) < 0.14]
    scene.stamp("hepatocyte", twins + scene.rng.normal(0, 3.2, twins.shape), gain=staining.nuclei)
    scene.layer(drops, Coat(1, 0.015), soft=1.1, rough=0.1)
    lining = places.spread(scene, np.where((sinusoid > -1) & (sinusoid < 1.4) & (where > 4), 0.34, 0), 12)
    scene.stamp("fibroblast", lining, places.slope(sinusoid, lining) + np.pi / 2, gain=staining.nuclei * 1.1)
    blood = places.spread(scene, np.where(sinusoid > 2.0, 0.4, 0), 7)
    scene.stamp("red", blood, plane=staining.red_cells[0], gain=staining.red_cells[1])
