"""Lymph node: capsule, follicles with germinal centres, paracortex, sinuses, and a small metastasis."""

import numpy as np

from lamelle.ops.demo import places, tissue
from lamelle.ops.demo.scene import Coat, Scene
from lamelle.ops.demo.tissue import Staining


def node(scene: Scene, staining: Staining) -> None:
    """A whole small node in its fat. CD3 marks the paracortex, spares the follicles."""
    width, height = scene.width * scene.mpp, scene.height * scene.mpp
    bean = places.ellipse(scene, 0.5 * width, 0.5 * height, 0.38 * width, 0.36 * height, 0.2) + scene.noise(1000) * 90
    tissue.silhouette(scene, bean + 210 + scene.noise(500) * 40, 14)
    assert scene.tissue is not None
    capsule = np.minimum(26 + scene.noise(200) * 6 - np.abs(bean), scene.tissue)
    fatty = np.minimum(-bean - 20, scene.tissue)
    tissue.currents(scene, np.clip(bean, -80, 80), 30)
    tissue.stroma(scene, staining, scene.tissue, np.full(scene.shape, -60.0), cells=0.3)
    tissue.fat(scene, staining, fatty, 44.0)
    plane, base = staining.cytoplasm
    inner = bean - 26
    scene.layer(inner, Coat(plane, base * 0.55, gain=0.3), Coat(0, staining.basophilia * 1.2), soft=3)
    rim = np.where((inner > 90) & (inner < 330), 1.0, 0)
    hubs = places.spread(scene, rim, 360, rounds=9)
    radii = scene.rng.uniform(80, 150, len(hubs))
    follicles = places.rings(scene, hubs, radii + 45, 0.07, (2, 3))
    centres = places.rings(scene, hubs, radii, 0.1, (2, 3))
    scene.layer(centres, Coat(plane, base * 0.75, gain=0.3), Coat(0, staining.basophilia), soft=8)
    sinus = np.minimum(np.minimum(places.distance_of(scene.noise(130), 1.5, 60), inner - 250), -follicles - 12)
    marginal = np.minimum(13 - np.abs(inner - 8), inner + 2)
    sinus = np.maximum(sinus, marginal)
    scene.layer(sinus, Coat(plane, base * 0.15, gain=0.5), soft=2, rough=0.9)
    deposit = places.ellipse(scene, 0.62 * width, 0.36 * height, 260, 170, 0.5) + scene.noise(160) * 40
    deposit = np.minimum(deposit, inner - 20)
    scene.layer(deposit, Coat(plane, base, gain=0.25), Coat(0, staining.basophilia * 1.6))
    sheet = np.where((inner > 3) & (sinus < -2) & (deposit < 0), 1.0, 0)
    dense = places.spread(scene, np.where(centres > 0, 0, sheet * np.where(follicles > 0, 1.0, 0.9)), 6.7, rounds=6)
    _lymphocytes(scene, staining, dense, places.at(follicles, dense))
    large = places.spread(scene, np.where(centres > 0, sheet, 0), 9.2, rounds=6)
    scene.stamp("centroblast", large, gain=staining.nuclei * 1.1)
    tingible = places.spread(scene, np.where(centres > 15, 0.7, 0), 55)
    scene.stamp("halo", tingible)
    scene.stamp("debris", tingible + scene.rng.normal(0, 2.5, tingible.shape), gain=staining.nuclei)
    few = places.spread(scene, np.where(sinus > 3, 0.5, 0), 13)
    scene.stamp("lymphocyte", few, gain=staining.nuclei)
    tissue.vessels(scene, staining, np.where((follicles < -30) & (deposit < -30), inner, -1), 210, (7, 15))
    cells = places.spread(scene, np.where(deposit > 4, 1.0, 0), 9.5, rounds=7)
    scene.stamp("tumour", cells, gain=staining.nuclei)
    wall = places.spread(scene, np.where(capsule > 3, 0.5, 0), 16)
    scene.stamp("fibroblast", wall, tissue.fibres(scene, wall), gain=staining.nuclei)


def _lymphocytes(
    scene: Scene, staining: Staining, points: np.typing.NDArray[np.float32], follicle: np.typing.NDArray[np.float32]
) -> None:
    if staining.marks == "cd3":
        share = np.where(follicle > 0, 0.07, 0.8)
        brown = scene.rng.random(len(points)) < share
        strong = np.exp(scene.rng.normal(0, 0.25, int(brown.sum())))
        scene.stamp("lymphocyte", points, gain=staining.nuclei)
        scene.stamp("shell", points[brown], plane=2, gain=strong)
        return
    scene.stamp("lymphocyte", points, gain=staining.nuclei)
