"""A scene of tissue and its pixels: layers painted in stain densities, cells stamped on them, light through them.

Not here: what tissue looks like in each organ (`organs`). Coordinates: micrometres from the image's top left, x right,
y down. Optics are Beer-Lambert: light = glass * exp(-sum of stain densities). Pixels do not depend on the block asked.
"""

from dataclasses import dataclass, field

import numpy as np

from lamelle.ops.demo.noise import Array, Textures, ramp, smooth, spline, textures
from lamelle.ops.demo.sprites import KINDS, Sheet, draw

CELL_UM = 2.0  # the sampling of maps


def _unit(*rgb: float) -> tuple[float, float, float]:
    norm = sum(v * v for v in rgb) ** 0.5
    return (rgb[0] / norm, rgb[1] / norm, rgb[2] / norm)


# Colours as optical densities in red, green, blue (Ruifrok and Johnston's method; values chosen here by eye).
HAEMATOXYLIN = _unit(0.59, 0.75, 0.30)
EOSIN = _unit(0.13, 0.84, 0.50)
SAFFRON = _unit(0.10, 0.50, 0.82)
DAB = _unit(0.27, 0.57, 0.78)
MAGENTA = _unit(0.28, 0.90, 0.36)
FUCHSIN = _unit(0.13, 0.84, 0.52)
ANILINE = _unit(0.86, 0.46, 0.20)


@dataclass(frozen=True, slots=True)
class Coat:
    """One stain of a layer: `base` density, varied by a texture."""

    plane: int
    base: float
    texture: str = "cyto"  # grain cyto collagen muscle keratin
    gain: float = 0.15  # for grain and cyto; the others multiply


@dataclass(frozen=True, slots=True)
class Layer:
    """Where (signed depth in micrometres on the map, positive inside) and in what stains."""

    depth: Array
    coats: tuple[Coat, ...]
    soft: float = 0.9
    rough: float = 0.35
    opacity: float = 1.0


@dataclass(frozen=True, slots=True)
class Stamps:
    sheet: Sheet
    x: Array
    y: Array
    index: Array
    plane: int
    gain: Array


@dataclass(slots=True)
class Scene:
    """A slide being composed: grow it by `layer` and `stamp`, then ask for `block`s."""

    width: int
    height: int
    mpp: float
    stains: tuple[tuple[float, float, float], ...]
    seed: int
    glass: tuple[float, float, float] = (244.0, 244.0, 243.0)
    layers: list[Layer] = field(default_factory=list)
    stamps: list[Stamps] = field(default_factory=list)
    tissue: Array | None = None
    flow: tuple[Array, Array] | None = None
    thickness: Array | None = None
    ink: list[tuple[Array, tuple[float, float, float]]] = field(default_factory=list)
    rng: np.random.Generator = field(init=False)
    _sheets: dict[str, Sheet] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.seed)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the maps."""
        return int(self.height * self.mpp / CELL_UM) + 2, int(self.width * self.mpp / CELL_UM) + 2

    def grid(self) -> tuple[Array, Array]:
        """x and y in micrometres at the maps' samples."""
        rows, columns = self.shape
        x = (np.arange(columns, dtype=np.float32) + 0.5) * CELL_UM
        y = (np.arange(rows, dtype=np.float32) + 0.5) * CELL_UM
        return np.broadcast_to(x[None], self.shape), np.broadcast_to(y[:, None], self.shape)

    def noise(self, size_um: float) -> Array:
        """A smooth field on the map with features of `size_um`."""
        return smooth(self.shape, max(1.0, size_um / CELL_UM), self.rng)

    def layer(self, depth: Array, *coats: Coat, soft: float = 0.9, rough: float = 0.35, opacity: float = 1.0) -> None:
        self.layers.append(Layer(depth.astype(np.float32), coats, soft, rough, opacity))

    def stamp(
        self, kind: str, points: Array, angle: Array | None = None, *, plane: int = 0, gain: float | Array = 1.0
    ) -> None:
        """Stamps `kind` at points (n, 2) of x, y off the glass; angle of the long axis in radians, None is random."""
        if len(points) == 0:
            return
        keep = self._inside(points)
        points = points[keep]
        angle = None if angle is None else angle[keep]
        gain = gain[keep] if isinstance(gain, np.ndarray) else gain
        if kind not in self._sheets:
            self._sheets[kind] = draw(
                KINDS[kind], self.mpp, np.random.default_rng([self.seed, len(kind), ord(kind[0])])
            )
        sheet = self._sheets[kind]
        turned = self.rng.uniform(0, np.pi, len(points)) if angle is None else angle
        self.press(sheet, points, sheet.index(turned, self.rng), plane, gain)

    def press(self, sheet: Sheet, points: Array, index: Array, plane: int, gain: float | Array = 1.0) -> None:
        """Stamps the sprites `index` of a sheet at points (n, 2) of x, y."""
        pixels = np.round(points / self.mpp).astype(int)
        gains = np.broadcast_to(np.asarray(gain, np.float32), (len(points),)).astype(np.float32)
        order = np.argsort(pixels[:, 1], kind="stable")
        self.stamps.append(Stamps(sheet, pixels[order, 0], pixels[order, 1], index[order], plane, gains[order]))

    def _inside(self, points: Array) -> Array:
        assert self.tissue is not None
        row = np.clip(points[:, 1] / CELL_UM, 0, self.shape[0] - 1).astype(int)
        column = np.clip(points[:, 0] / CELL_UM, 0, self.shape[1] - 1).astype(int)
        out: Array = self.tissue[row, column] > 1.5
        return out

    def block(self, x: int, y: int, width: int, height: int) -> Array:
        """Pixels (height, width, 3) uint8 of the region at x, y."""
        canvas = _Canvas(self, x, y, width, height)
        planes = canvas.full()
        return canvas.empty() if planes is None else canvas.light(planes)

    def densities(self, x: int, y: int, width: int, height: int) -> Array:
        """The stains' optical densities (stains, height, width) in the region at x, y."""
        planes = _Canvas(self, x, y, width, height).full()
        return np.zeros((len(self.stains), height, width), np.float32) if planes is None else planes


class _Canvas:
    """One block while it is painted."""

    def __init__(self, scene: Scene, x: int, y: int, width: int, height: int) -> None:
        self.scene, self.x, self.y, self.width, self.height = scene, x, y, width, height
        self.textures: Textures = textures(scene.mpp)
        step = scene.mpp / CELL_UM
        rows, columns = scene.shape
        self.down, self.rows = spline((y + 0.5) * step - 0.5, step, height, rows)
        self.across, self.columns = spline((x + 0.5) * step - 0.5, step, width, columns)
        self._index: Array | None = None

    def sample(self, chart: Array) -> Array:
        out: Array = self.down @ chart[self.rows, self.columns] @ self.across.T
        return out

    def grid_texture(self, texture: Array) -> Array:
        n = texture.shape[0]
        y, x = self.y % n, self.x % n
        if y + self.height <= n and x + self.width <= n:
            return texture[y : y + self.height, x : x + self.width]
        rows, columns = np.arange(y, y + self.height) % n, np.arange(x, x + self.width) % n
        out: Array = texture[rows][:, columns]
        return out

    def flow_texture(self, texture: Array) -> Array:
        if self._index is None:
            n = texture.shape[0]
            assert self.scene.flow is not None
            scale = 1 / self.scene.mpp
            u = (self.sample(self.scene.flow[0]) * scale).astype(np.int32) & (n - 1)
            v = (self.sample(self.scene.flow[1]) * scale).astype(np.int32) & (n - 1)
            self._index = v * n + u
        out: Array = texture.ravel().take(self._index)
        return out

    def full(self) -> Array | None:
        """Layers and stamps; None where there is only glass."""
        planes = self.paint()
        if planes is not None:
            for stamps in self.scene.stamps:
                self.press(planes, stamps)
        return planes

    def coat(self, coat: Coat) -> Array:
        texture: Array = getattr(self.textures, coat.texture)
        if coat.texture in ("grain", "cyto"):
            out: Array = self.grid_texture(texture) * np.float32(coat.base * coat.gain) + np.float32(coat.base)
        else:
            out = self.flow_texture(texture) * np.float32(coat.base)
        return out

    def paint(self) -> Array | None:
        """Stain densities (stains, height, width), or None where there is only glass."""
        scene = self.scene
        assert scene.tissue is not None
        if scene.tissue[self.rows, self.columns].max() < -8:
            return None
        planes = np.zeros((len(scene.stains), self.height, self.width), np.float32)
        grain = self.grid_texture(self.textures.cyto)
        for layer in self.visible():
            alpha = ramp(self.sample(layer.depth) + layer.rough * grain, layer.soft)
            if layer.opacity != 1:
                alpha *= np.float32(layer.opacity)
            planes *= 1 - alpha
            for coat in layer.coats:
                dye = self.coat(coat)
                dye *= alpha
                planes[coat.plane] += dye
        edge = ramp(self.sample(scene.tissue) + 1.2 * grain, 1.6)
        if scene.thickness is not None:
            edge *= self.sample(scene.thickness)
        planes *= edge
        return planes

    def visible(self) -> list[Layer]:
        """The layers that show in this block: those that reach into it and are not wholly covered."""
        shown: list[Layer] = []
        for layer in self.scene.layers:
            here = layer.depth[self.rows, self.columns]
            margin = 3 * layer.soft + 3 * layer.rough
            if here.max() < -margin:
                continue
            if here.min() > margin and layer.opacity == 1:
                shown.clear()
            shown.append(layer)
        return shown

    def press(self, planes: Array, stamps: Stamps) -> None:
        half = stamps.sheet.side // 2
        low, high = np.searchsorted(stamps.y, (self.y - half, self.y + self.height + half))
        near = (
            np.flatnonzero((stamps.x[low:high] >= self.x - half) & (stamps.x[low:high] < self.x + self.width + half))
            + low
        )
        cover, density = stamps.sheet.cover, stamps.sheet.density
        xs, ys = stamps.x[near] - self.x - half, stamps.y[near] - self.y - half
        side = stamps.sheet.side
        for left, top, which, gain in zip(
            xs.tolist(), ys.tolist(), stamps.index[near].tolist(), stamps.gain[near].tolist(), strict=True
        ):
            y0, x0, y1, x1 = max(top, 0), max(left, 0), min(top + side, self.height), min(left + side, self.width)
            if y0 >= y1 or x0 >= x1:
                continue
            part = (slice(y0 - top, y1 - top), slice(x0 - left, x1 - left))
            target = planes[:, y0:y1, x0:x1]
            target *= 1 - cover[which][part]
            target[stamps.plane] += density[which][part] * gain

    def light(self, planes: Array) -> Array:
        colours = np.array(self.scene.stains, np.float32)
        noise = self.grid_texture(self.textures.grain)
        planes = planes.reshape(len(planes), -1)
        out = np.empty((self.height, self.width, 3), np.uint8)
        marks = [
            (self.sample(where), colour) for where, colour in self.scene.ink if where[self.rows, self.columns].max() > 0
        ]
        for channel in range(3):
            density = (colours[:, channel] @ planes).reshape(self.height, self.width)
            for where, colour in marks:
                density += np.clip(where, 0, 2) * np.float32(colour[channel])
            np.negative(density, out=density)
            np.exp(density, out=density)
            density *= np.float32(self.scene.glass[channel])
            density += noise * np.float32((0.9, 0.7, 1.1)[channel])
            out[..., channel] = np.clip(density, 0, 255)
        return out

    def empty(self) -> Array:
        return (
            self.light(np.zeros((len(self.scene.stains), self.height, self.width), np.float32))
            if self.scene.ink
            else self._glass()
        )

    def _glass(self) -> Array:
        noise = self.grid_texture(self.textures.grain)[..., None] * np.array((0.9, 0.7, 1.1), np.float32)
        out: Array = (noise + np.array(self.scene.glass, np.float32)).astype(np.uint8)
        return out
