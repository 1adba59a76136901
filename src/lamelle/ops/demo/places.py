"""Where things are on a map: signed distances, gland outlines, cell positions, cell borders.

All lengths in micrometres. Signed distances are positive inside. Points are (n, 2) arrays of x, y.
"""

from collections.abc import Sequence

import numpy as np

from lamelle.ops.demo.noise import Array
from lamelle.ops.demo.scene import CELL_UM, Scene


def at(chart: Array, points: Array) -> Array:
    """The map's values at points, bilinear."""
    column = np.clip(points[:, 0] / CELL_UM - 0.5, 0, chart.shape[1] - 1.001)
    row = np.clip(points[:, 1] / CELL_UM - 0.5, 0, chart.shape[0] - 1.001)
    c, r = column.astype(int), row.astype(int)
    fc, fr = column - c, row - r
    top = chart[r, c] * (1 - fc) + chart[r, c + 1] * fc
    low = chart[r + 1, c] * (1 - fc) + chart[r + 1, c + 1] * fc
    out: Array = top * (1 - fr) + low * fr
    return out


def slope(chart: Array, points: Array) -> Array:
    """The direction of steepest ascent at points, radians from x towards y."""
    step = 3.0
    dx = at(chart, points + np.array([step, 0])) - at(chart, points - np.array([step, 0]))
    dy = at(chart, points + np.array([0, step])) - at(chart, points - np.array([0, step]))
    out: Array = np.arctan2(dy, dx)
    return out


def ellipse(scene: Scene, x: float, y: float, long: float, wide: float, angle: float = 0.0) -> Array:
    """Signed distance (nearly) to an ellipse with half axes `long` and `wide`."""
    gx, gy = scene.grid()
    u = (gx - x) * np.cos(angle) + (gy - y) * np.sin(angle)
    v = (gy - y) * np.cos(angle) - (gx - x) * np.sin(angle)
    out: Array = (1 - np.hypot(u / long, v / wide)) * min(long, wide)
    return out


def distance_of(field: Array, level: float, size_um: float) -> Array:
    """A signed distance to the level line of a smooth field with features of `size_um`."""
    gy, gx = np.gradient(field, CELL_UM)
    steep = np.hypot(gx, gy)
    out: Array = (field - level) / np.maximum(steep, 0.6 / size_um)
    return np.clip(out, -size_um, size_um)


def spread(scene: Scene, where: Array, apart: float, *, rounds: int = 5) -> Array:
    """Points at least `apart` from each other; the map `where`, up to 1, is the chance of one being taken."""
    rng = scene.rng
    rows, columns = scene.shape
    count = (int(rows * CELL_UM / apart) + 3, int(columns * CELL_UM / apart) + 3)
    found = np.full((*count, 2), -1e6, np.float32)
    taken = np.zeros(count, bool)
    for _ in range(rounds):
        r, c = np.nonzero(~taken)
        points = (np.stack([c, r], 1) + rng.random((len(r), 2), dtype=np.float32) - 1) * np.float32(apart)
        keep = at(where, points) > rng.random(len(r), dtype=np.float32)
        keep &= (points > 0).all(1) & (points[:, 0] < columns * CELL_UM) & (points[:, 1] < rows * CELL_UM)
        r, c, points = r[keep], c[keep], points[keep]
        rank = np.zeros((count[0] + 2, count[1] + 2), np.float32)
        mine = rng.random(len(r), dtype=np.float32) + 0.001
        rank[r + 1, c + 1] = mine
        near = np.pad(found, ((1, 1), (1, 1), (0, 0)), constant_values=-1e6)
        good = np.ones(len(r), bool)
        trial = np.full((count[0] + 2, count[1] + 2, 2), -1e6, np.float32)
        trial[r + 1, c + 1] = points
        for dr in (0, 1, 2):
            for dc in (0, 1, 2):
                good &= ((near[r + dr, c + dc] - points) ** 2).sum(1) >= apart * apart
                if dr != 1 or dc != 1:
                    close = ((trial[r + dr, c + dc] - points) ** 2).sum(1) < apart * apart
                    good &= ~(close & (rank[r + dr, c + dc] > mine))
        found[r[good], c[good]] = points[good]
        taken[r[good], c[good]] = True
    out: Array = found[taken]
    return out


def borders(scene: Scene, points: Array, apart: float, where: Array | None = None) -> tuple[Array, Array]:
    """Distance to the nearest border between the cells around points, and to the nearest point.

    Far from all points both are large. `apart` is the points' least distance; `where` limits the work to its positive
    places.
    """
    rows, columns = scene.shape
    size = apart
    count = (int(rows * CELL_UM / size) + 5, int(columns * CELL_UM / size) + 5)
    slots = np.full((*count, 2, 2), -1e5, np.float32)
    r, c = (points[:, 1] / size).astype(int) + 2, (points[:, 0] / size).astype(int) + 2
    second = slots[..., 0, 0][r, c] > -1e4
    slots[r, c, 0] = points
    lost = (slots[r, c, 0] != points).any(1) | second
    slots[r[lost], c[lost], 1] = points[lost]
    gx, gy = scene.grid()
    rr, cc = np.nonzero(np.ones(scene.shape, bool) if where is None else where > 0)
    x, y = gx[rr, cc], gy[rr, cc]
    br, bc = (y / size).astype(np.int32) + 2, (x / size).astype(np.int32) + 2
    first, second_d = np.full(len(rr), 1e9, np.float32), np.full(len(rr), 1e9, np.float32)
    for dr in (-2, -1, 0, 1, 2):
        for dc in (-2, -1, 0, 1, 2):
            if abs(dr) + abs(dc) == 4:
                continue
            for k in (0, 1):
                p = slots[br + dr, bc + dc, k]
                d = (p[:, 0] - x) ** 2 + (p[:, 1] - y) ** 2
                np.minimum(second_d, np.maximum(first, d), out=second_d)
                np.minimum(first, d, out=first)
    first, second_d = np.sqrt(first), np.sqrt(second_d)
    edge, nearest = np.full(scene.shape, 1e3, np.float32), np.full(scene.shape, 1e3, np.float32)
    edge[rr, cc] = (second_d - first) / 2
    nearest[rr, cc] = first
    return edge, nearest


def rings(
    scene: Scene,
    centres: Array,
    radius: Array | Sequence[float],
    uneven: float = 0.12,
    waves: Sequence[int] = (2, 3, 4, 5),
) -> Array:
    """Signed distance to the union of uneven discs; far outside it is about -60."""
    out = np.full(scene.shape, -60.0, np.float32)
    rng = scene.rng
    for (x, y), r in zip(centres.tolist(), np.asarray(radius).tolist(), strict=True):
        reach = int((r * (1 + 3 * uneven) + 50) / CELL_UM) + 1
        c0, r0 = int(x / CELL_UM), int(y / CELL_UM)
        left, top = max(0, c0 - reach), max(0, r0 - reach)
        window = out[top : r0 + reach, left : c0 + reach]
        if window.size == 0:
            continue
        dy = (np.arange(top, top + window.shape[0], dtype=np.float32) + 0.5)[:, None] * CELL_UM - y
        dx = (np.arange(left, left + window.shape[1], dtype=np.float32) + 0.5)[None] * CELL_UM - x
        theta = np.arctan2(dy, dx)
        edge = np.full(window.shape, r, np.float32)
        for k in waves:
            edge += r * uneven * rng.normal() / k**0.5 * np.cos(k * theta + rng.uniform(0, 6.3))
        np.maximum(window, edge - np.hypot(dx, dy), out=window)
    return out
