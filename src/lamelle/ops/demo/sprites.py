"""Pre-drawn nuclei, blood cells and vacuoles, to be stamped by the thousand.

A sheet holds `variants` shapes, each at `TURNS` angles over half or a whole turn.
"""

from dataclasses import dataclass

import numpy as np

from lamelle.ops.demo.noise import Array, spectral

TURNS = 16


@dataclass(frozen=True, slots=True)
class Kind:
    """What one kind of cell's stained body looks like. Lengths in micrometres, densities in optical density."""

    long: float
    wide: float
    spread: float = 0.12  # relative variation of size
    uneven: float = 0.05  # amplitude of the outline's harmonics
    bend: float = 0.0  # curvature of spindle cells
    density: float = 0.9
    pale: float = 0.35  # how much lighter the middle is (vesicular chromatin)
    rim: float = 0.25  # nuclear envelope
    clump: float = 0.7  # size of the chromatin clumps
    contrast: float = 0.3
    nucleoli: tuple[int, int] = (0, 1)
    soft: float = 0.35  # width of the edge
    cover: float = 0.85  # how far it hides what lies under it
    ring: float = 0.0  # > 0: only a shell of this width (membranes)


KINDS: dict[str, Kind] = {
    "columnar": Kind(9.0, 5.0, density=0.95, pale=0.3, nucleoli=(0, 2)),
    "cuboidal": Kind(7.0, 6.2, density=0.85, pale=0.35, nucleoli=(0, 2)),
    "basal": Kind(8.0, 4.2, density=1.15, pale=0.15, contrast=0.25),
    "squamous": Kind(9.0, 7.6, density=0.72, pale=0.5, rim=0.4, nucleoli=(1, 3)),
    "lymphocyte": Kind(6.6, 6.2, 0.1, density=1.25, pale=0.05, clump=0.9, contrast=0.4),
    "plasma": Kind(6.4, 6.0, 0.1, density=1.1, pale=0.2, clump=1.2, contrast=0.6),
    "centroblast": Kind(9.5, 8.8, 0.15, density=0.7, pale=0.55, rim=0.45, nucleoli=(1, 4)),
    "fibroblast": Kind(14.0, 3.0, 0.25, 0.1, bend=0.02, density=0.95, pale=0.1),
    "muscle": Kind(18.0, 3.0, 0.2, bend=0.006, density=0.8, pale=0.15),
    "hepatocyte": Kind(7.8, 7.5, 0.13, density=0.8, pale=0.45, rim=0.45, nucleoli=(1, 2)),
    "tumour": Kind(12.5, 9.5, 0.26, 0.11, density=0.9, pale=0.4, rim=0.35, clump=1.1, contrast=0.5, nucleoli=(1, 4)),
    "mitosis": Kind(9.0, 3.6, 0.2, 0.25, density=1.9, pale=0.0, rim=0.0, clump=0.6, contrast=0.3, nucleoli=(0, 0)),
    "debris": Kind(3.0, 2.4, 0.4, 0.2, density=1.3, pale=0.0, rim=0.0, nucleoli=(0, 0)),
    "urothelial": Kind(9.5, 8.0, 0.15, density=0.8, pale=0.3, rim=0.35, clump=0.8, nucleoli=(0, 2)),
    "atypical": Kind(15.0, 12.0, 0.22, 0.13, density=1.35, pale=0.1, rim=0.3, clump=1.6, contrast=0.5, nucleoli=(0, 3)),
    "red": Kind(6.8, 6.4, 0.08, 0.04, density=0.85, pale=0.3, rim=0.1, contrast=0.04, nucleoli=(0, 0), soft=0.5),
    "goblet": Kind(
        13.0,
        8.5,
        0.2,
        0.06,
        density=0.16,
        pale=0.3,
        rim=0.6,
        clump=1.4,
        contrast=0.3,
        nucleoli=(0, 0),
        soft=0.9,
        cover=0.9,
    ),
    "vacuole": Kind(
        9.0, 8.0, 0.35, 0.06, density=0.02, pale=0.0, rim=0.5, contrast=0.1, nucleoli=(0, 0), soft=0.6, cover=0.95
    ),
    "halo": Kind(14.0, 12.5, 0.12, 0.06, density=0.0, rim=0.0, nucleoli=(0, 0), soft=2.4, cover=0.55),
    "body": Kind(
        13.0, 11.0, 0.15, 0.08, density=0.5, pale=0.0, rim=0.1, contrast=0.12, nucleoli=(0, 0), soft=1.4, cover=0.5
    ),
    "shell": Kind(
        9.6,
        9.2,
        0.1,
        0.07,
        density=0.95,
        pale=0.0,
        rim=0.0,
        contrast=0.25,
        nucleoli=(0, 0),
        soft=0.8,
        cover=0.1,
        ring=1.5,
    ),
}


@dataclass(frozen=True, slots=True)
class Sheet:
    """Drawn sprites: `cover` hides, `density` stains; both (variants * TURNS, side, side), turns fastest."""

    cover: Array
    density: Array
    variants: int

    @property
    def side(self) -> int:
        return int(self.cover.shape[1])

    def index(self, angle: Array, rng: np.random.Generator) -> Array:
        """A sprite of random shape for each angle (radians, of the long axis, x towards y)."""
        turn = np.round(angle / np.pi * TURNS).astype(int) % TURNS
        out: Array = rng.integers(0, self.variants, len(angle)) * TURNS + turn
        return out


def draw(kind: Kind, mpp: float, rng: np.random.Generator, variants: int = 20, reach: float = 0.0) -> Sheet:
    """A sheet of sprites of one kind for pixels of `mpp` micrometres, with `reach` micrometres of room for blur."""
    reach += max(kind.long, kind.wide) / 2 * (1 + 2 * kind.spread) * (1 + 2 * kind.uneven) + 0.5 + kind.ring
    half = int(np.ceil(reach / mpp)) + 1
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32) * np.float32(mpp)
    angles = np.arange(TURNS, dtype=np.float32)[:, None, None] * np.float32(np.pi / TURNS)
    u, v = x * np.cos(angles) + y * np.sin(angles), y * np.cos(angles) - x * np.sin(angles)
    clumps = spectral(256, rng, kind.clump / mpp * 0.6)
    covers, densities = [], []
    for _ in range(variants):
        covers_of, density_of = _one(kind, u, v, clumps, rng)
        covers.append(covers_of)
        densities.append(density_of)
    return Sheet(np.concatenate(covers).astype(np.float32), np.concatenate(densities).astype(np.float32), variants)


def _one(kind: Kind, u: Array, v: Array, clumps: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    grow = np.exp(rng.normal(0, kind.spread, 2)).clip(1 - 2 * kind.spread, 1 + 2 * kind.spread)
    a, b = kind.long / 2 * grow[0], kind.wide / 2 * (0.5 * grow[0] + 0.5 * grow[1])
    v = v + rng.normal(0, 1) * kind.bend * (u * u - a * a / 3)
    theta = np.arctan2(v / b, u / a)
    outline = 1.0 + sum(
        kind.uneven * rng.normal(0, 1) / k**0.7 * np.cos(k * theta + rng.uniform(0, 6.3)) for k in (2, 3, 4, 5)
    )
    rho = np.hypot(u / a, v / b) / outline
    depth = (1 - rho) * min(a, b)
    inside = np.clip(depth / kind.soft + 0.5, 0, 1)
    if kind.ring:
        inside = inside * np.clip((kind.ring - depth) / kind.soft + 0.5, 0, 1)
    side = u.shape[1]
    oy, ox = rng.integers(0, 256, 2)
    wrapped = np.arange(side)
    chromatin = 1 + kind.contrast * clumps[np.ix_((wrapped + oy) % 256, (wrapped + ox) % 256)][None]
    body = (1 - kind.pale * (1 - np.clip(rho, 0, 1) ** 2)) * chromatin + kind.rim * np.exp(
        -(((depth - 0.45) / 0.4) ** 2)
    )
    spots = np.zeros_like(u)
    for _ in range(rng.integers(kind.nucleoli[0], kind.nucleoli[1] + 1)):
        cu, cv = rng.normal(0, a * 0.3), rng.normal(0, b * 0.3)
        spots += np.exp(-(((u - cu) ** 2 + (v - cv) ** 2) / rng.uniform(0.35, 0.9) ** 2)) * 0.8
    density = inside * kind.density * 1.15 * np.clip(body + spots, 0.1, 2.5) * np.exp(rng.normal(0, 0.12))
    return inside * kind.cover, density
