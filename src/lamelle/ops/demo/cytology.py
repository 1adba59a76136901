"""A cervical smear in focal planes: cells lie at their own depths and blur away from them. No tissue sections here."""

from dataclasses import dataclass, replace

import numpy as np

from lamelle.ops.demo.noise import Array
from lamelle.ops.demo.scene import HAEMATOXYLIN, Scene
from lamelle.ops.demo.sprites import KINDS, Kind, Sheet, draw

PLANES_UM = (-6.0, -3.0, 0.0, 3.0, 6.0)
BLURS = (0.0, 0.9, 2.0)  # micrometres of extra edge: in focus, near, far
LIGHT_GREEN = (0.86, 0.30, 0.41)
ORANGE = (0.10, 0.62, 0.78)
STAINS = (HAEMATOXYLIN, LIGHT_GREEN, ORANGE)
SQUAME = Kind(
    50.0,
    42.0,
    0.12,
    0.07,
    density=0.34,
    pale=0.12,
    rim=0.25,
    clump=2.2,
    contrast=0.14,
    nucleoli=(0, 0),
    soft=0.8,
    cover=0.2,
)
PARABASAL = replace(SQUAME, long=24.0, wide=21.0, density=0.5)
NUCLEUS = Kind(8.6, 7.6, 0.14, 0.04, density=0.75, pale=0.35, rim=0.45, clump=0.7, contrast=0.3, nucleoli=(0, 2))
PYKNOTIC = Kind(5.4, 5.0, 0.1, 0.05, density=1.5, pale=0.0, rim=0.0, nucleoli=(0, 0))
DYSKARYOTIC = Kind(15.0, 12.5, 0.2, 0.1, density=1.15, pale=0.1, rim=0.5, clump=1.3, contrast=0.5, nucleoli=(0, 1))


@dataclass(frozen=True, slots=True)
class _Cells:
    """Cells of one kind: where, how deep, and which shape of each sheet."""

    kind: Kind
    points: Array
    depth: Array
    index: Array
    plane: int
    variants: int


class Smear:
    """The same cells for every plane; `scene(z)` is what the camera sees focused at z micrometres."""

    def __init__(self, size: int, mpp: float, seed: int) -> None:
        self.size, self.mpp, self.rng = size, mpp, np.random.default_rng(seed)
        self._sheets: dict[tuple[Kind, float], Sheet] = {}
        self._cells = self._spread()

    def scene(self, z: float) -> Scene:
        """The plane at depth z."""
        scene = Scene(self.size, self.size, self.mpp, STAINS, 1, glass=(243.0, 244.0, 241.0))
        scene.tissue = np.full(scene.shape, 20.0, np.float32)
        for cells in self._cells:
            away = np.abs(cells.depth - z)
            for blur, low, high in zip(BLURS, (0.0, 1.6, 4.6), (1.6, 4.6, 99.0), strict=True):
                here = (away >= low) & (away < high)
                if here.any():
                    scene.press(self._sheet(cells, blur), cells.points[here], cells.index[here], cells.plane)
        return scene

    def _sheet(self, cells: _Cells, blur: float) -> Sheet:
        key = (cells.kind, blur)
        if key not in self._sheets:
            k = cells.kind
            faint = 1 / (1 + 1.2 * blur)
            blurred = replace(
                k,
                soft=k.soft + 1.5 * blur,
                rim=k.rim * faint,
                contrast=k.contrast * faint,
                density=k.density * faint**0.25,
            )
            rng = np.random.default_rng([9, int(k.long * 10)])
            self._sheets[key] = draw(blurred, self.mpp, rng, cells.variants, reach=4.0)
        return self._sheets[key]

    def _spread(self) -> list[_Cells]:
        rng, extent = self.rng, self.size * self.mpp
        per_mm2 = (extent / 1000) ** 2
        hubs = rng.random((max(3, int(14 * per_mm2)), 2)) * extent
        cells: list[_Cells] = []

        def some(density: float, clumped: float) -> Array:
            n = int(density * per_mm2)
            free = rng.random((n, 2)) * extent
            near = hubs[rng.integers(0, len(hubs), n)] + rng.normal(0, 75, (n, 2))
            out: Array = np.where(rng.random((n, 1)) < clumped, near, free)
            return out

        def add(kind: Kind, points: Array, depth: Array, plane: int, variants: int) -> None:
            index = rng.integers(0, variants * 16, len(points))
            cells.append(_Cells(kind, points, depth, index, plane, variants))

        for kind, density, plane, clumped in (
            (SQUAME, 125, 1, 0.55),
            (SQUAME, 75, 2, 0.45),
            (PARABASAL, 40, 1, 0.6),
        ):
            points = some(density, clumped)
            depth = rng.normal(0, 3.2, len(points))
            add(kind, points, depth, plane, 4)
            core = PYKNOTIC if plane == 2 else NUCLEUS
            add(core, points + rng.normal(0, 2.5, points.shape), depth, 0, 16)
        ill = hubs[:: max(1, len(hubs) // 5)]
        group = np.repeat(ill, 16, axis=0) + rng.normal(0, 24, (len(ill) * 16, 2))
        depth = rng.normal(1.5, 3.0, len(group))
        add(PARABASAL, group, depth, 1, 4)
        add(DYSKARYOTIC, group + rng.normal(0, 1.5, group.shape), depth, 0, 16)
        white = some(420, 0.75)
        add(KINDS["lymphocyte"], white, rng.normal(0, 3.0, len(white)), 0, 16)
        return cells
