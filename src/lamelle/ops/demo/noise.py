"""Smooth random fields and the fibrous textures made of them.

Fields are arrays (rows, columns) of float32, zero mean and unit deviation unless said otherwise.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
SMOOTH_GAIN = 4.2  # brings a binomially smoothed, splined white lattice back to unit deviation


@lru_cache(maxsize=256)
def spline(start: float, step: float, count: int, size: int) -> tuple[Array, slice]:
    """Cubic B-spline weights (count, n) of samples start, start + step, ... and the lattice rows they weigh."""
    at = start + step * np.arange(count)
    low = np.floor(at).astype(int)
    f = (at - low).astype(np.float32)
    first, last = max(0, int(low[0]) - 1), min(size, int(low[-1]) + 3)
    first = min(first, size - 1)
    last = max(last, first + 1)
    weights = np.zeros((count, last - first), np.float32)
    rows = np.arange(count)
    parts = ((1 - f) ** 3, 3 * f**3 - 6 * f**2 + 4, -3 * f**3 + 3 * f**2 + 3 * f + 1, f**3)
    for k, part in enumerate(parts):
        np.add.at(weights, (rows, np.clip(low - 1 + k, first, last - 1) - first), part / 6)
    return weights, slice(first, last)


def _soften(lattice: Array) -> Array:
    """Binomial smoothing over five rows; it hides the lattice's axes."""
    out: Array = (lattice[:-4] + lattice[4:] + 4 * (lattice[1:-3] + lattice[3:-1]) + 6 * lattice[2:-2]) / 16
    return out


def smooth(shape: tuple[int, int], step: float, rng: np.random.Generator) -> Array:
    """A smooth field whose features are about `step` samples wide."""
    step = step / 2
    rows, columns = (int(n / step) + 5 for n in shape)
    lattice = _soften(_soften(rng.standard_normal((rows + 4, columns + 4), dtype=np.float32)).T).T
    down, _ = spline(1.0, 1 / step, shape[0], rows)
    across, _ = spline(1.0, 1 / step, shape[1], columns)
    field: Array = (down @ lattice[: down.shape[1], : across.shape[1]] @ across.T) * SMOOTH_GAIN
    return field


def spectral(n: int, rng: np.random.Generator, across: float, down: float | None = None) -> Array:
    """A periodic field (n, n), Gaussian-correlated over `across` columns and `down` rows."""
    down = across if down is None else down
    fy, fx = np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)[None]
    spectrum = np.fft.rfft2(rng.standard_normal((n, n))) * np.exp(
        -2 * np.pi**2 * ((fx * across) ** 2 + (fy * down) ** 2)
    )
    field = np.fft.irfft2(spectrum, (n, n))
    out: Array = ((field - field.mean()) / field.std()).astype(np.float32)
    return out


def ramp(distance: Array, width: float) -> Array:
    """0 outside, 1 inside, over `width` around distance 0."""
    out: Array = np.clip(distance / width + 0.5, 0, 1)
    return out


@dataclass(frozen=True, slots=True)
class Textures:
    """Periodic textures of one resolution: `grain` and `cyto` lie on the grid, the others along the tissue's flow."""

    grain: Array
    cyto: Array
    collagen: Array  # 0 cleft .. 1 fibre
    muscle: Array
    keratin: Array


def _wavy(n: int, rng: np.random.Generator, u: float, amplitude: float) -> Array:
    """Row displacement (n, n) that makes fibres wave along u."""
    out: Array = spectral(n, rng, u, u * 0.6) * amplitude
    return out


def _bend(field: Array, shift: Array) -> Array:
    n = field.shape[0]
    rows = (np.arange(n)[:, None] + shift.astype(int)) % n
    out: Array = field[rows, np.arange(n)[None]]
    return out


@lru_cache(maxsize=2)
def textures(mpp: float, n: int = 1024) -> Textures:
    """The textures for pixels of `mpp` micrometres; the same for ever."""
    rng = np.random.default_rng(77)
    um = 1 / mpp
    fibre = 0.55 * spectral(n, rng, 26 * um, 0.45 * um) + 0.5 * spectral(n, rng, 40 * um, 1.6 * um)
    cleft = spectral(n, rng, 22 * um, 2.3 * um) + 0.35 * spectral(n, rng, 3 * um, 1.0 * um)
    collagen = np.clip(0.72 + 0.2 * fibre, 0.25, 1.25) * np.clip((cleft + 1.15) * 2.2, 0.03, 1)
    collagen = _bend(collagen.astype(np.float32), _wavy(n, rng, 14 * um, 3.2 * um))
    lines = 0.6 * spectral(n, rng, 30 * um, 0.5 * um) + 0.5 * spectral(n, rng, 50 * um, 1.8 * um)
    gap = spectral(n, rng, 30 * um, 1.4 * um)
    muscle = np.clip(0.8 + 0.14 * lines, 0.4, 1.2) * np.clip((gap + 1.9) * 2.5, 0.15, 1)
    muscle = _bend(muscle.astype(np.float32), _wavy(n, rng, 30 * um, 2.0 * um))
    sheet = spectral(n, rng, 18 * um, 0.9 * um)
    keratin = np.clip(1.0 - np.abs(sheet) * 1.5, 0, 1) ** 1.2 * np.clip(
        0.9 + 0.2 * spectral(n, rng, 4 * um, 2 * um), 0.3, 1.4
    )
    keratin = _bend(keratin.astype(np.float32), _wavy(n, rng, 12 * um, 5 * um))
    cyto = 0.6 * spectral(n, rng, 0.45 * um) + 0.5 * spectral(n, rng, 1.4 * um) + 0.35 * spectral(n, rng, 5 * um)
    return Textures(spectral(n, rng, 0.5), cyto.astype(np.float32), collagen, muscle, keratin)
