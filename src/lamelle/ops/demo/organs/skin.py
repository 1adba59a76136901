"""Skin: horn, epidermis with its ridges, dermis, hair follicles, sweat glands, fat."""

import numpy as np

from lamelle.ops.demo import places, tissue
from lamelle.ops.demo.noise import Array
from lamelle.ops.demo.scene import Coat, Scene
from lamelle.ops.demo.tissue import Staining


def skin(scene: Scene, staining: Staining) -> None:
    """An excision, surface up; a melanocytic naevus in the middle."""
    width, height = scene.width * scene.mpp, scene.height * scene.mpp
    gx, gy = scene.grid()
    top = 0.2 * height + 130 * np.sin(gx / 1100) + scene.noise(320)[0] * 18
    depth = (gy - top).astype(np.float32)
    sides = np.minimum(gx - 0.05 * width, 0.95 * width - gx) + scene.noise(400) * 30
    floor = 0.9 * height + scene.noise(900) * 60 - gy
    bulk = np.minimum(np.minimum(sides, floor), depth + 60)
    ridges = (
        78
        + 26 * np.cos((gx + scene.noise(300) * 60) / 17.5) * np.clip(1 + 0.5 * scene.noise(350), 0, 1.7)
        + scene.noise(60) * 5
    )
    hair_x = np.array([0.22, 0.78]) * width
    follicle, shaft, sebum = _follicles(scene, hair_x, depth, gx)
    epidermis = np.minimum(np.maximum(ridges - depth, follicle), np.minimum(depth, sides))
    horn = np.minimum(np.minimum(-depth + 2, depth + 34 + scene.noise(150) * 8 + scene.noise(25) * 4), sides)
    tissue.silhouette(scene, np.minimum(bulk, np.minimum(sides, depth + 40)), 3)
    assert scene.tissue is not None
    fatty = np.minimum(gy - 0.72 * height + scene.noise(700) * 130, np.minimum(sides - 5, scene.tissue))
    sweat = _coils(scene, np.minimum(-fatty + 120, np.minimum(fatty + 330, sides - 100)))
    other = np.maximum(np.maximum(epidermis, fatty), np.maximum(sweat, sebum))
    tissue.currents(scene, np.where(depth < 0, depth * 2.4, depth * 0.3), 45)
    tissue.stroma(scene, staining, np.minimum(scene.tissue, depth - 4), other, cells=0.34)
    papillary = np.minimum(160 + scene.noise(200) * 20 - depth, depth - 40)
    plane, base = staining.collagen
    scene.layer(papillary, Coat(plane, base * 0.62, "muscle"), Coat(0, 0.05), soft=40)
    tissue.fat(scene, staining, fatty)
    tissue.vessels(scene, staining, np.where((other < -30) & (depth > 110), scene.tissue, -1), 190, (7, 20))
    around = np.clip(1 - np.abs(depth - 150) / 80, 0, 1) * np.clip(scene.noise(160) - 0.5, 0, 1)
    tissue.immune(scene, staining, np.where((other < -6) & (depth > 60), around * 0.7, 0), 8, 0.08)
    _naevus(
        scene,
        staining,
        np.minimum(
            places.ellipse(scene, 0.5 * width, 0.2 * height + 190, 520, 150) + scene.noise(90) * 28,
            np.minimum(depth - 42, -other - 4),
        ),
    )
    _epidermis(scene, staining, epidermis, depth, np.maximum(follicle, 3 * shaft))
    scene.layer(np.minimum(shaft, sides), Coat(1, 0.7), Coat(0, 0.55), soft=1.2)
    scene.layer(horn, Coat(staining.keratin[0], staining.keratin[1], "keratin"), Coat(0, 0.06), rough=0.8)
    _sebaceous(scene, staining, sebum)
    _sweat(scene, staining, sweat)


def _follicles(scene: Scene, xs: Array, depth: Array, gx: Array) -> tuple[Array, Array, Array]:
    """Depth in the follicles' epithelium, their hair shafts and sebaceous glands."""
    follicle = np.full(scene.shape, -60.0, np.float32)
    shaft, sebum = follicle.copy(), follicle.copy()
    for x in xs.tolist():
        off = gx - x - 0.24 * depth - 12 * np.sin(depth / 160)
        half = 46 + 14 * np.clip((depth - 900) / 150, 0, 1) + scene.noise(120) * 3
        follicle = np.maximum(follicle, np.minimum(half - np.abs(off), 1150 - depth))
        shaft = np.maximum(shaft, np.minimum(11 - np.abs(off), np.minimum(1060 - depth, depth + 20)))
        cx = x + 0.24 * 480 + 120
        gy_centre = depth - 480
        blob = 110 - np.hypot((gx - cx) * 0.85, gy_centre * 0.8) + scene.noise(70) * 16
        sebum = np.maximum(sebum, blob)
    return follicle.astype(np.float32), shaft.astype(np.float32), sebum.astype(np.float32)


def _coils(scene: Scene, where: Array) -> Array:
    clusters = places.spread(scene, np.where(where > 0, 0.8, 0), 900, rounds=6)
    spots = places.spread(
        scene, np.where(places.rings(scene, clusters, np.full(len(clusters), 130.0), 0.2) > 0, 1.0, 0), 46, rounds=8
    )
    return places.rings(scene, spots, scene.rng.uniform(16, 24, len(spots)), 0.1, (2, 3))


def _epidermis(scene: Scene, staining: Staining, epidermis: Array, depth: Array, follicle: Array) -> None:
    plane, base = staining.cytoplasm
    scene.layer(epidermis, Coat(plane, base * 1.15, gain=0.12), Coat(0, staining.basophilia * 1.9, gain=0.2))
    granular = np.minimum(np.minimum(depth, 13 + scene.noise(80) * 2 - depth), 40 - follicle)
    scene.layer(np.minimum(granular, epidermis + 1), Coat(plane, base), Coat(0, 0.5, "grain", 0.5), soft=4)
    basal = places.spread(scene, np.where((epidermis > 2.5) & (epidermis < 7) & (depth > 14), 1.0, 0), 5.6, rounds=6)
    scene.stamp("basal", basal, places.slope(epidermis, basal), gain=staining.nuclei)
    middle = places.spread(scene, np.where((epidermis > 10) & (depth > 12) & (follicle < 110), 1.0, 0), 12.5, rounds=7)
    edge, _ = places.borders(scene, np.concatenate([middle, basal[::2]]), 9.0, epidermis)
    scene.layer(np.minimum(0.7 - edge, epidermis - 8), Coat(plane, base * 0.45), Coat(0, 0.04), soft=1.3, opacity=0.7)
    flat = np.clip((depth - 10) / 60, 0, 1)
    angle = np.where(places.at(flat, middle) < 0.45, 0.0, scene.rng.uniform(0, np.pi, len(middle)))
    halo = scene.rng.random(len(middle)) < 0.25
    scene.stamp("halo", middle[halo], gain=0.0)
    scene.stamp("squamous", middle, angle, gain=staining.nuclei)


def _naevus(scene: Scene, staining: Staining, where: Array) -> None:
    """Nests of small round naevus cells in the upper dermis."""
    nests = np.minimum(places.distance_of(scene.noise(62), 0.1, 50), where)
    plane, base = staining.cytoplasm
    scene.layer(nests, Coat(plane, base * 0.75, gain=0.25), Coat(0, staining.basophilia * 1.2), soft=2)
    cells = places.spread(scene, np.where(nests > 1, 0.95, 0), 8.2, rounds=6)
    scene.stamp("cuboidal", cells, gain=staining.nuclei)


def _sebaceous(scene: Scene, staining: Staining, sebum: Array) -> None:
    plane, base = staining.cytoplasm
    scene.layer(sebum, Coat(plane, base * 0.55), Coat(0, 0.1))
    foam = places.spread(scene, np.where(sebum > 4, 1.0, 0), 4.6, rounds=5)
    scene.stamp("vacuole", foam, gain=0.5)
    cells = places.spread(scene, np.where(sebum > 8, 1.0, 0), 19, rounds=7)
    scene.stamp("cuboidal", cells, gain=staining.nuclei * 0.9)
    rim = places.spread(scene, np.where((sebum > 1) & (sebum < 5), 1.0, 0), 8)
    scene.stamp("basal", rim, places.slope(sebum, rim) + np.pi / 2, gain=staining.nuclei)


def _sweat(scene: Scene, staining: Staining, sweat: Array) -> None:
    plane, base = staining.cytoplasm
    scene.layer(sweat + 1.5, Coat(staining.membrane[0], staining.membrane[1]))
    scene.layer(sweat, Coat(plane, base * 0.8), Coat(0, staining.basophilia * 1.5))
    scene.layer(sweat - 14, Coat(plane, 0.03), soft=1.5)
    cells = places.spread(scene, np.where((sweat > 2.5) & (sweat < 11), 1.0, 0), 6.3, rounds=6)
    scene.stamp("cuboidal", cells, gain=staining.nuclei)
