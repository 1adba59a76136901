"""Colon: mucosa with its crypts, and adenocarcinoma."""

import numpy as np

from lamelle.ops.demo import places, tissue
from lamelle.ops.demo.noise import Array
from lamelle.ops.demo.scene import Coat, Scene
from lamelle.ops.demo.tissue import Staining


def _strip(scene: Scene, x: float, y: float, long: float, wide: float, angle: float) -> tuple[Array, Array]:
    """Coordinates along and across a gently curved strip centred at x, y."""
    gx, gy = scene.grid()
    u = (gx - x) * np.cos(angle) + (gy - y) * np.sin(angle)
    v = (gy - y) * np.cos(angle) - (gx - x) * np.sin(angle)
    bow = scene.rng.uniform(0.05, 0.2) * scene.rng.choice([-1, 1])
    return u, v + bow * u * u / long - wide * 0.1


def colon(scene: Scene, staining: Staining) -> None:
    """Biopsies of colon: crypts cut lengthwise and across, one fragment of adenocarcinoma."""
    width, height = scene.width * scene.mpp, scene.height * scene.mpp
    crypt = np.full(scene.shape, -60.0, np.float32)
    lumen, whole, muscle, deep = crypt.copy(), np.full(scene.shape, -500.0, np.float32), crypt.copy(), crypt.copy()
    places_of = [(0.27, 0.24, 0.20, -0.15), (0.71, 0.26, 0.2, 0.3), (0.25, 0.68, 0.19, 0.5)]
    for cx, cy, size, angle in places_of:
        long, wide = size * width, 0.165 * height
        s, t = _strip(scene, cx * width, cy * height, long, wide, angle)
        body = np.minimum((1 - np.abs(s / long) ** 3) * 300, wide - np.abs(t)) + scene.noise(220) * 18
        depth = t + wide + scene.noise(260) * 16
        crypt_here, lumen_here = _crypts(scene, s, depth)
        inside = body > -40
        crypt = np.where(inside, np.minimum(crypt_here, body), crypt)
        lumen = np.where(inside, np.minimum(lumen_here, body + 20), lumen)
        muscle = np.where(inside, np.minimum(22 - np.abs(depth - 500 - scene.noise(200) * 10), body), muscle)
        deep = np.where(inside, depth - 500, deep)
        whole = np.maximum(whole, body)
    # the fragment cut across: rosettes of crypts
    cross = places.ellipse(scene, 0.62 * width, 0.55 * height, 0.1 * width, 0.13 * height, 0.7) + scene.noise(220) * 25
    centres = places.spread(scene, np.where(cross > 45, 1.0, 0), 92, rounds=8)
    radii = scene.rng.normal(36, 3.0, len(centres))
    rosettes = places.rings(scene, centres, radii, 0.05)
    crypt, lumen = np.maximum(crypt, rosettes), np.maximum(lumen, rosettes - 28)
    whole = np.maximum(whole, cross)
    # carcinoma
    tumour_where = (
        places.ellipse(scene, 0.76 * width, 0.76 * height, 0.17 * width, 0.16 * height, -0.2) + scene.noise(260) * 35
    )
    whole = np.maximum(whole, tumour_where)
    tissue.silhouette(scene, whole, 6)
    assert scene.tissue is not None
    glands = np.maximum(crypt, np.where(tumour_where > -60, -30, -60))
    tissue.currents(scene, np.where(muscle > -30, muscle * 1.0, glands), 34)
    tumour, holes = _cribriform(scene, tumour_where)
    tissue.stroma(scene, staining, scene.tissue, np.maximum(np.maximum(crypt, tumour), muscle), loose=True, cells=0.45)
    normal = (tumour_where < 0) & (scene.tissue > 6)
    tissue.vessels(scene, staining, np.where(normal & (crypt < -9) & (muscle < -8), 30.0, -1), 75, (5, 10))
    scene.layer(muscle, Coat(staining.muscle[0], staining.muscle[1], "muscle"), Coat(0, 0.05))
    cigars = places.spread(scene, np.where(muscle > 2, 0.6, 0), 12)
    scene.stamp("muscle", cigars, tissue.fibres(scene, cigars), gain=staining.nuclei)
    lamina = np.where(
        normal & (crypt < -6) & (muscle < -4), np.where(deep > 20, 0.06, 0.5) * (1 + 0.6 * scene.noise(70)), 0
    )
    tissue.immune(scene, staining, lamina, 8.5, plasma=0.55)
    _crypt_cells(scene, staining, crypt, lumen)
    _carcinoma(scene, staining, tumour_where, tumour, holes)
    tissue.pen(scene, 0.56 * width, 0.965 * height, 0.3 * width, 0.02, (1.5, 0.75, 0.12))


def _crypts(scene: Scene, s: Array, depth: Array) -> tuple[Array, Array]:
    """Crypts cut lengthwise: depth in the epithelium, depth in the lumen."""
    period = 88.0
    bent = s + scene.noise(240) * 22 + scene.noise(90) * 5
    number = np.floor(bent / period).astype(int)
    across = bent - (number + 0.5) * period
    ends = scene.rng.normal(430, 22, 4096)[number % 4096]
    waist = 32 + scene.noise(120) * 2.0 + np.clip((depth - 300) / 60, 0, 3)
    tip = np.maximum(depth - (ends - 34), 0)
    tube = waist - np.hypot(across, tip)
    surface = 26 - depth
    crypt = np.maximum(tube, surface)
    lumen = (
        5 + 2.0 * scene.noise(60) + np.clip((70 - depth) / 6, 0, 8) - np.hypot(across, np.maximum(depth - ends + 60, 0))
    )
    return crypt.astype(np.float32), lumen.astype(np.float32)


def _crypt_cells(scene: Scene, staining: Staining, crypt: Array, lumen: Array) -> None:
    plane, base = staining.cytoplasm
    scene.layer(crypt + 2.0, Coat(staining.membrane[0], staining.membrane[1], "cyto", 0.05), soft=1.0)
    scene.layer(crypt, Coat(plane, base * 0.85, gain=0.2), Coat(0, staining.basophilia, gain=0.3))
    scene.layer(lumen, Coat(0, 0.05, gain=0.5), Coat(plane, 0.03), soft=1.6)
    goblets = places.spread(scene, np.where((crypt > 12) & (lumen < -6), 1.0, 0), 9.8)
    scene.stamp("goblet", goblets, places.slope(crypt, goblets), plane=staining.mucin[0], gain=staining.mucin[1])
    nuclei = places.spread(scene, np.where((crypt > 3.2) & (crypt < 8.5) & (lumen < -3), 1.0, 0), 5.2, rounds=7)
    scene.stamp(
        "columnar", nuclei, places.slope(crypt, nuclei) + scene.rng.normal(0, 0.12, len(nuclei)), gain=staining.nuclei
    )
    intruders = places.spread(scene, np.where((crypt > 3) & (crypt < 14), 0.08, 0), 14)
    scene.stamp("lymphocyte", intruders, gain=staining.nuclei * 0.9)


def _cribriform(scene: Scene, where: Array) -> tuple[Array, Array]:
    """Irregular glands with sieve-like lumens: depth in the glands, depth in the lumens."""
    field = scene.noise(95) + 0.45 * scene.noise(40)
    glands = np.minimum(places.distance_of(field, -0.05, 90), where - 12)
    holes = np.minimum(places.distance_of(scene.noise(58) + 0.25 * scene.noise(20), 0.75, 40), glands - 17)
    return glands, holes


def _carcinoma(scene: Scene, staining: Staining, where: Array, glands: Array, holes: Array) -> None:
    """Crowded uneven cells in the glands, necrosis in the lumens, lymphocytes around."""
    plane, base = staining.cytoplasm
    scene.layer(glands + 1.5, Coat(staining.membrane[0], staining.membrane[1] * 0.7))
    scene.layer(glands, Coat(plane, base * 0.95, gain=0.25), Coat(0, staining.basophilia * 1.7, gain=0.3))
    scene.layer(holes, Coat(plane, 0.06, gain=0.6), soft=1.6, rough=0.8)
    debris = places.spread(scene, np.where(holes > 6, 0.55 * (scene.noise(60) > 0.1), 0), 4.5)
    scene.stamp("body", debris[::3], plane=plane, gain=0.5)
    scene.stamp("debris", debris, gain=staining.nuclei)
    immune = np.where((glands < -5) & (where > 8), 0.25 + 0.35 * scene.noise(150), 0)
    tissue.immune(scene, staining, immune, 9.5, 0.2)
    nuclei = places.spread(scene, np.where((glands > 3) & (holes < -4), 0.95, 0), 8.2, rounds=6)
    toward = np.where(places.at(holes, nuclei) > -18, places.slope(holes, nuclei), places.slope(glands, nuclei))
    lean = toward + scene.rng.normal(0, 0.35, len(nuclei))
    scene.stamp("tumour", nuclei, lean, gain=staining.nuclei)
    mitoses = places.spread(scene, np.where((glands > 8) & (holes < -6), 0.12, 0), 70)
    scene.stamp("halo", mitoses)
    scene.stamp("mitosis", mitoses, gain=staining.nuclei)
