"""What every organ has: stroma, vessels, lymphocytes, fat, a silhouette, pen marks and bubbles."""

from dataclasses import dataclass

import numpy as np

from lamelle.ops.demo import places
from lamelle.ops.demo.noise import Array
from lamelle.ops.demo.scene import Coat, Scene


@dataclass(frozen=True, slots=True)
class Staining:
    """Which plane of the scene takes up what, and how strongly; the organs ask here and so work in any stain."""

    name: str
    stains: tuple[tuple[float, float, float], ...]
    nuclei: float = 1.0
    cytoplasm: tuple[int, float] = (1, 0.42)
    collagen: tuple[int, float] = (1, 0.55)
    muscle: tuple[int, float] = (1, 0.62)
    keratin: tuple[int, float] = (1, 0.95)
    membrane: tuple[int, float] = (1, 0.45)  # basement membranes
    red_cells: tuple[int, float] = (1, 1.0)
    mucin: tuple[int, float] = (0, 1.0)
    basophilia: float = 0.12  # haematoxylin in busy cytoplasm
    marks: str = ""  # what the brown of immunohistochemistry shows: ki67 her2 cd3


def silhouette(scene: Scene, depth: Array, ragged: float = 14.0) -> None:
    """Makes `depth` the tissue's outline, roughened, with sections of slightly uneven thickness."""
    scene.tissue = (depth + scene.noise(90) * ragged + scene.noise(25) * ragged * 0.35 + scene.noise(8) * 2.0).astype(
        np.float32
    )
    scene.thickness = (1 + 0.06 * scene.noise(900) + 0.035 * scene.noise(140)).astype(np.float32)


def currents(scene: Scene, along: Array | None = None, wander: float = 40.0) -> None:
    """Fibres wander, more or less along the level lines of `along` (a depth)."""
    x, y = scene.grid()
    angle = scene.rng.uniform(0, np.pi)
    v = x * np.cos(angle) + y * np.sin(angle) + wander * 3 * scene.noise(420) + wander * 0.5 * scene.noise(130)
    if along is not None:
        v = 0.7 * v + 0.9 * along
    u = y * np.cos(angle) - x * np.sin(angle) + wander * scene.noise(400)
    scene.flow = (u.astype(np.float32) + 8192, v.astype(np.float32) + 8192)


def stroma(
    scene: Scene, staining: Staining, where: Array, other: Array, *, loose: bool = False, cells: float = 0.6
) -> None:
    """Collagen over all of `where` (depth) and its fibroblasts outside `other` (depth)."""
    plane, base = staining.collagen
    coats = [Coat(plane, base * (0.62 if loose else 1.0), "collagen")]
    if plane != 0:
        coats.append(Coat(0, 0.035))
    scene.layer(where, *coats)
    points = places.spread(scene, np.where((where > 4) & (other < -3), cells * 0.75, 0), 17 if loose else 20)
    scene.stamp("fibroblast", points, fibres(scene, points), gain=staining.nuclei)


def fibres(scene: Scene, points: Array) -> Array:
    """The direction of the fibres at points."""
    assert scene.flow is not None
    return places.slope(scene.flow[1], points) + np.pi / 2 + scene.rng.normal(0, 0.25, len(points))


def immune(scene: Scene, staining: Staining, where: Array, apart: float = 9.0, plasma: float = 0.3) -> Array:
    """Lymphocytes and plasma cells where the map `where` (a chance) says; returns their points."""
    points = places.spread(scene, where, apart)
    split = scene.rng.random(len(points)) < plasma
    if staining.cytoplasm[1] > 0.2:
        scene.stamp("body", points[split] + scene.rng.normal(0, 1.5, (split.sum(), 2)), plane=0, gain=0.42)
    scene.stamp("plasma", points[split], gain=staining.nuclei)
    scene.stamp("lymphocyte", points[~split], gain=staining.nuclei)
    return points[~split]


def vessels(
    scene: Scene, staining: Staining, where: Array, apart: float, radius: tuple[float, float] = (8, 22)
) -> Array:
    """Small vessels with endothelium and red cells; returns their depth map."""
    rng = scene.rng
    centres = places.spread(scene, np.where(where > radius[1], 0.5, 0), apart)
    radii = rng.uniform(*radius, len(centres))
    depth = places.rings(scene, centres, radii, 0.2)
    plane, base = staining.muscle
    scene.layer(np.minimum(depth + 5, 1e3), Coat(plane, base * 0.9), Coat(0, 0.1))
    scene.layer(depth - 1, Coat(1, 0.03), opacity=0.95)
    inside = places.spread(scene, np.where(depth > 3, 0.85, 0), 5.6)
    scene.stamp("red", inside, plane=staining.red_cells[0], gain=staining.red_cells[1])
    wall = places.spread(scene, np.where((depth > -3) & (depth < 1), 0.8, 0), 11)
    scene.stamp("fibroblast", wall, places.slope(depth, wall) + np.pi / 2, gain=staining.nuclei)
    return depth


def fat(scene: Scene, staining: Staining, where: Array, apart: float = 52.0) -> None:
    """Adipocytes: empty cells with thin walls, a flat nucleus here and there."""
    points = places.spread(scene, np.where(where > -60, 1.0, 0), apart, rounds=8)
    edge, nearest = places.borders(scene, points, apart, where + 10)
    round_off = 46 - nearest * 1.0
    hollow = np.minimum(np.minimum(edge - 2.2, round_off), where)
    plane, base = staining.collagen
    scene.layer(where, Coat(plane, base), Coat(0, 0.03), soft=2)
    scene.layer(hollow, Coat(1, 0.012), soft=1.1, rough=0.15)
    walls = places.spread(scene, np.where((edge < 1.6) & (where > 6), 0.3, 0), 26)
    scene.stamp("fibroblast", walls, places.slope(edge, walls) + np.pi / 2, gain=staining.nuclei * 0.9)


def pen(scene: Scene, x: float, y: float, length: float, angle: float, colour: tuple[float, float, float]) -> None:
    """A felt-pen stroke on the cover glass."""
    gx, gy = scene.grid()
    u = (gx - x) * np.cos(angle) + (gy - y) * np.sin(angle)
    v = (gy - y) * np.cos(angle) - (gx - x) * np.sin(angle) + 60 * np.sin(u / 500) + scene.noise(500) * 25
    inside = np.minimum(130 + scene.noise(200) * 14 - np.abs(v), length / 2 - np.abs(u)) + scene.noise(12) * 5
    streaks = 0.95 + 0.2 * scene.noise(60) + 0.12 * scene.noise(10)
    scene.ink.append(((np.clip(inside / 25, 0, 1) * streaks).astype(np.float32), colour))


def bubble(scene: Scene, x: float, y: float, radius: float) -> None:
    """An air bubble under the cover glass: a dark bright-edged rim."""
    depth = places.ellipse(scene, x, y, radius, radius * 0.86, 0.4) + scene.noise(400) * 12
    rim = np.exp(-((depth / 9) ** 2)) * 0.9 + np.exp(-(((depth - 26) / 10) ** 2)) * 0.22 + (depth > 0) * 0.03
    scene.ink.append((rim.astype(np.float32), (0.75, 0.7, 0.66)))
