"""One series of whole-slide images as a viewer sees it: pyramids, levels, tiles, planes, optical paths.

Reads the DICOM JSON kept in the catalogue; no pixels, no files, no network. Which frame holds a tile is
answered here; reading the frame is the archive's work.

Tiles count from 0, from the top left; planes from the glass upward; frames from 1. Lengths are millimetres
unless the name says otherwise.
Source: PS3.3 C.8.12.4 (image), C.8.12.6 (tiles), C.8.12.14 (positions), C.7.6.16 (concatenations).
"""

from base64 import b64decode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from lamelle.base.errors import Invalid, NotFound

Json = Mapping[str, Any]

WSI_STORAGE = "1.2.840.10008.5.1.4.1.1.77.1.6"
SHOWS_LABEL = frozenset({"LABEL", "OVERVIEW", "LOCALIZER"})
TISSUE = frozenset({"VOLUME", "THUMBNAIL"})
PALETTE = (("00281201", "00281221"), ("00281202", "00281222"), ("00281203", "00281223"))
LIGHT = ((430.0, "0000ff"), (520.0, "00ff00"), (560.0, "ffff00"), (620.0, "ff0000"))
"""Longest exciting wavelength in nm, and the colour such dyes are shown in (DAPI, FITC, Cy3, Texas red)."""
SPARE = ("0000ff", "00ff00", "ff0000", "ff00ff", "ffff00", "00ffff")


@dataclass(frozen=True, slots=True)
class Piece:
    """One stored frame and where its top left corner falls in the tile, in pixels (0, 0 when it is the tile)."""

    sop_uid: str
    frame: int
    x: int = 0
    y: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """One instance of a concatenation, or the only instance; frames before it are `offset`."""

    sop_uid: str
    offset: int
    frames: int


@dataclass(frozen=True, slots=True)
class OpticalPath:
    """`rgb` is the colour a grey channel is shown in, as six hexadecimal digits; None when the image has its own."""

    identifier: str
    description: str
    color: str | None
    icc: bool
    rgb: str | None = None


@dataclass(frozen=True, slots=True)
class Image:
    """One logical image: an instance, or all parts of a concatenation."""

    sop_uid: str
    flavor: str
    width: int
    height: int
    tile_width: int
    tile_height: int
    spacing: tuple[float, float] | None
    planes_um: tuple[float, ...]
    paths: tuple[OpticalPath, ...]
    parts: tuple[Part, ...]
    full: bool
    grid: Mapping[tuple[int, int, int, int], int]
    loose: tuple[tuple[int, int, int, int, int], ...]
    photometric: str
    bits: int
    background: tuple[int, int, int] | None

    @property
    def columns(self) -> int:
        return -(-self.width // self.tile_width)

    @property
    def rows(self) -> int:
        return -(-self.height // self.tile_height)

    def pieces(self, column: int, row: int, plane: int, path: int) -> tuple[Piece, ...]:
        """The frames that show one tile, lowest first; empty where nothing was scanned."""
        if self.full:
            number = ((path * len(self.planes_um) + plane) * self.rows + row) * self.columns + column + 1
            return (self._piece(number),) if number <= self._frames else ()
        if not self.loose:
            found = self.grid.get((path, plane, row, column))
            return (self._piece(found),) if found else ()
        left, top = column * self.tile_width, row * self.tile_height
        return tuple(
            self._piece(number, x - left, y - top)
            for at_path, at_plane, x, y, number in self.loose
            if (at_path, at_plane) == (path, plane)
            and abs(x - left) < self.tile_width
            and abs(y - top) < self.tile_height
        )

    @property
    def _frames(self) -> int:
        return self.parts[-1].offset + self.parts[-1].frames

    def _piece(self, number: int, x: int = 0, y: int = 0) -> Piece:
        for part in reversed(self.parts):
            if number > part.offset:
                return Piece(part.sop_uid, number - part.offset, x, y)
        raise NotFound("no_such_frame", f"frame {number} is before the first part")


@dataclass(frozen=True, slots=True)
class Level:
    """One resolution: one image, or several that share their size and differ in plane or optical path."""

    images: tuple[Image, ...]
    spacing: tuple[float, float] | None

    @property
    def width(self) -> int:
        return self.images[0].width

    @property
    def height(self) -> int:
        return self.images[0].height

    @property
    def tile_width(self) -> int:
        return self.images[0].tile_width

    @property
    def tile_height(self) -> int:
        return self.images[0].tile_height

    @property
    def columns(self) -> int:
        return self.images[0].columns

    @property
    def rows(self) -> int:
        return self.images[0].rows


@dataclass(frozen=True, slots=True)
class Pyramid:
    """Levels of one scanned area, largest first."""

    uid: str
    label: str
    levels: tuple[Level, ...]
    planes_um: tuple[float, ...]
    paths: tuple[OpticalPath, ...]
    orientation: tuple[float, ...]
    origin: tuple[float, float]
    objective: float | None

    def tile(
        self, level: int, column: int, row: int, plane: int = 0, path: str = ""
    ) -> tuple[Image, tuple[Piece, ...]]:
        """The image and the frames of one tile; a plane this level lacks is answered by the nearest one it has.

        Raises: NotFound outside of the pyramid, the planes or the optical paths.
        """
        if not (0 <= level < len(self.levels) and 0 <= plane < len(self.planes_um)):
            raise NotFound("no_such_tile", f"no level {level} with plane {plane}")
        found = self.levels[level]
        if not (0 <= column < found.columns and 0 <= row < found.rows):
            raise NotFound("no_such_tile", f"level {level} has {found.columns} x {found.rows} tiles")
        wanted = path or self.paths[0].identifier
        height = self.planes_um[plane]
        holding = [image for image in found.images if any(p.identifier == wanted for p in image.paths)]
        if not holding:
            raise NotFound("no_such_path", f"level {level} has no such optical path")
        image = min(holding, key=lambda i: min(abs(z - height) for z in i.planes_um))
        at_plane = min(range(len(image.planes_um)), key=lambda i: abs(image.planes_um[i] - height))
        at_path = next(i for i, p in enumerate(image.paths) if p.identifier == wanted)
        return image, image.pieces(column, row, at_plane, at_path)


@dataclass(frozen=True, slots=True)
class Slide:
    """All of one series: its pyramids (largest first), and the images that may show the label."""

    pyramids: tuple[Pyramid, ...]
    label: Image | None
    overview: Image | None
    container: str
    stain: str


def read(instances: Iterable[Json]) -> Slide:
    """The slide of one series, from the DICOM JSON of its instances in any order.

    Raises: Invalid when no instance is a whole-slide image that can be tiled.
    """
    objects = [ds for ds in instances if first(ds, "00080016") == WSI_STORAGE]
    images = [(_image(group), group[0]) for group in _concatenated(objects)]
    tissue = [(image, ds) for image, ds in images if image.flavor in TISSUE]
    if not tissue:
        raise Invalid("not_a_slide", "the series holds no whole-slide image")
    pyramids = sorted(map(_pyramid, _grouped(tissue)), key=lambda p: -p.levels[0].width * p.levels[0].height)
    head = tissue[0][1]
    return Slide(
        tuple(pyramids),
        next((i for i, _ in images if i.flavor == "LABEL"), None),
        next((i for i, _ in images if i.flavor in {"OVERVIEW", "LOCALIZER"}), None),
        str(first(head, "00400512") or ""),
        stain(head),
    )


def values(ds: Json, tag: str) -> list[Any]:
    """The values of one element; none if absent, empty or kept apart as bulk data."""
    found = ds.get(tag)
    return list(found.get("Value") or ()) if found else []


def first(ds: Json, tag: str) -> Any:
    found = values(ds, tag)
    return found[0] if found else None


def inside(ds: Json, *tags: str) -> Any:
    """The first value at the end of a path of sequences, always through their first item."""
    for tag in tags[:-1]:
        ds = first(ds, tag) or {}
    return first(ds, tags[-1])


def stain(ds: Json) -> str:
    """What the specimen preparation says was used to stain, as "hematoxylin, eosin"; empty if it does not say.

    Source: PS3.16 TID 8003, concept 424361007 (Using substance).
    """
    found: dict[str, None] = {}
    for specimen in values(ds, "00400560"):
        for step in values(specimen, "00400610"):
            for item in values(step, "00400612"):
                if inside(item, "0040A043", "00080100") in {"424361007", "G-C350"}:
                    meaning = inside(item, "0040A168", "00080104") or first(item, "0040A160")
                    is_stain = any(
                        inside(i, "0040A168", "00080100") in {"127790008", "P3-00003"} for i in values(step, "00400612")
                    )
                    if meaning and is_stain:
                        found[str(meaning)] = None
    return ", ".join(found)


def _flavor(ds: Json) -> str:
    kind = [str(v) for v in values(ds, "00080008")]
    return kind[2] if len(kind) > 2 else "VOLUME"


def _concatenated(objects: Sequence[Json]) -> list[list[Json]]:
    def key(ds: Json) -> tuple[str, int]:
        return str(first(ds, "00209161") or first(ds, "00080018")), _int(first(ds, "00209162"), 1)

    return [list(parts) for _, parts in groupby(sorted(objects, key=key), key=lambda ds: key(ds)[0])]


def _image(group: Sequence[Json]) -> Image:
    ds = group[0]
    tile_width, tile_height = _int(first(ds, "00280011"), 1), _int(first(ds, "00280010"), 1)
    width, height = _int(first(ds, "00480006"), tile_width), _int(first(ds, "00480007"), tile_height)
    parts: list[Part] = []
    before = 0
    for part in group:
        frames = _int(first(part, "00280008"), 1)
        parts.append(Part(str(first(part, "00080018")), _int(first(part, "00209228"), before), frames))
        before = parts[-1].offset + frames
    paths = _paths(ds)
    full = first(ds, "00209311") == "TILED_FULL" or not any(values(part, "52009230") for part in group)
    positions = [] if full else [_position(item, n, ds) for n, item in _per_frame(group, parts)]
    heights = sorted({p[1] for p in positions}) or _planes(ds)
    used = {path: i for i, path in enumerate(p.identifier for p in paths)}
    placed = [(used.get(p[0], 0), heights.index(p[1]), p[2], p[3], p[4]) for p in positions]
    aligned = all(x % tile_width == 0 and y % tile_height == 0 for _, _, x, y, _ in placed)
    return Image(
        sop_uid=str(first(ds, "00080018")),
        flavor=_flavor(ds),
        width=width,
        height=height,
        tile_width=tile_width,
        tile_height=tile_height,
        spacing=_spacing(ds, width, height),
        planes_um=tuple(heights),
        paths=paths,
        parts=tuple(parts),
        full=full,
        grid={(p, z, y // tile_height, x // tile_width): n for p, z, x, y, n in placed} if aligned else {},
        loose=() if aligned else tuple(placed),
        photometric=str(first(ds, "00280004") or ""),
        bits=_int(first(ds, "00280101"), 8),
        background=_background(ds),
    )


def _per_frame(group: Sequence[Json], parts: Sequence[Part]) -> Iterable[tuple[int, Json]]:
    for ds, part in zip(group, parts, strict=True):
        yield from enumerate(values(ds, "52009230"), part.offset + 1)


def _position(item: Json, number: int, ds: Json) -> tuple[str, float, int, int, int]:
    """Optical path, height in µm, x and y from 0, frame number."""
    place = first(item, "0048021A") or inside(ds, "52009229", "0048021A") or {}
    path = inside(item, "00480207", "00480106") or inside(ds, "52009229", "00480207", "00480106")
    path = path or inside(ds, "00480105", "00480106")
    height = round(_float(first(place, "0040074A"), 0.0), 4)
    return (
        str(path or ""),
        height,
        _int(first(place, "0048021E"), 1) - 1,
        _int(first(place, "0048021F"), 1) - 1,
        number,
    )


def _planes(ds: Json) -> list[float]:
    count = max(1, _int(first(ds, "00480303"), 1))
    step = _float(inside(ds, "52009229", "00289110", "00180088"), 0.001) * 1000
    start = _float(inside(ds, "00480008", "0040074A"), 0.0)
    return [round(start + i * step, 4) for i in range(count)]


def _paths(ds: Json) -> tuple[OpticalPath, ...]:
    grey = first(ds, "00280004") == "MONOCHROME2"
    return tuple(_path(item, n, grey) for n, item in enumerate(values(ds, "00480105"))) or (
        OpticalPath("", "", None, False),
    )


def _path(item: Json, number: int, grey: bool) -> OpticalPath:
    channel = inside(item, "0022001A", "00080104")
    text = first(item, "00480107") or channel or inside(item, "00220016", "00080104") or ""
    wave = first(item, "00220055")
    color = inside(item, "00480108", "00080104") or (f"{_float(wave, 0):.0f} nm" if wave else None)
    return OpticalPath(
        str(first(item, "00480106") or ""), str(text), color, "00282000" in item, _rgb(item, number) if grey else None
    )


def _rgb(item: Json, number: int) -> str:
    """The brightest colour of the channel's palette, else the usual colour of its dye's light, else the next unused.

    Both forms of a palette end with the value of the brightest sample. Source: PS3.3 C.7.9, C.8.12.5.
    """
    palette = first(item, "00480120") or {}
    ends = [_last(palette, plain) or _last(palette, segmented) for plain, segmented in PALETTE]
    if all(ends) and any(map(any, ends)):
        return "".join(f"{end[-1]:02x}" for end in ends)
    wave = _float(first(item, "00220055"), 0.0)
    if wave:
        return next((rgb for longest, rgb in LIGHT if wave <= longest), "ff00ff")
    return SPARE[number % len(SPARE)]


def _last(palette: Json, tag: str) -> bytes:
    """The last 16-bit value of one colour's table, little-endian; empty if there is none here."""
    return b64decode((palette.get(tag) or {}).get("InlineBinary") or "")[-2:]


def _spacing(ds: Json, width: int, height: int) -> tuple[float, float] | None:
    """(x, y): distance between neighbouring columns, between neighbouring rows."""
    measures = inside(ds, "52009229", "00289110") or inside(ds, "52009230", "00289110") or {}
    found = [_float(v, 0.0) for v in values(measures, "00280030")]
    if len(found) == 2 and min(found) > 0:
        return found[1], found[0]
    size = _float(first(ds, "00480001"), 0.0), _float(first(ds, "00480002"), 0.0)
    return (size[0] / width, size[1] / height) if min(size) > 0 else None


def _background(ds: Json) -> tuple[int, int, int] | None:
    """Recommended Absent Pixel CIELab Value as sRGB. Source: PS3.3 C.10.7.1.1 (encoding), IEC 61966-2-1."""
    lab = [_int(v, 0) / 65535 for v in values(ds, "00480015")]
    if len(lab) != 3:
        return None
    light = (lab[0] * 100 + 16) / 116
    steps = light + (lab[1] * 255 - 128) / 500, light, light - (lab[2] * 255 - 128) / 200
    x, y, z = (
        white * (step**3 if step > 6 / 29 else (step - 16 / 116) * 108 / 841)
        for white, step in zip((0.9505, 1.0, 1.089), steps, strict=True)
    )
    linear = (
        3.2406 * x - 1.5372 * y - 0.4986 * z,
        -0.9689 * x + 1.8758 * y + 0.0415 * z,
        0.0557 * x - 0.2040 * y + 1.0570 * z,
    )
    red, green, blue = (
        round(255 * min(1.0, max(0.0, 12.92 * c if c <= 0.0031308 else 1.055 * c ** (1 / 2.4) - 0.055))) for c in linear
    )
    return red, green, blue


def _grouped(tissue: Sequence[tuple[Image, Json]]) -> list[list[tuple[Image, Json]]]:
    """Images of one scanned area together: by Pyramid UID, else by frame of reference and shape."""
    groups: list[tuple[str, str, list[tuple[Image, Json]]]] = []
    for image, ds in sorted(tissue, key=lambda pair: _largest_first(pair[0])):
        uid, frame = str(first(ds, "00080019") or ""), str(first(ds, "00200052") or "")
        for of_uid, of_frame, members in groups:
            if (uid, frame) == (of_uid, of_frame) and (uid or _same_shape(members[0][0], image)):
                members.append((image, ds))
                break
        else:
            groups.append((uid, frame, [(image, ds)]))
    return [members for _, _, members in groups]


def _largest_first(image: Image) -> tuple[int, int, bool, str]:
    return -image.width * image.height, image.width, image.flavor != "VOLUME", image.sop_uid


def _same_shape(base: Image, image: Image) -> bool:
    """Rounding moves an edge by a pixel; a whole tile of padding happens in the smallest levels."""
    expected = base.height * image.width / base.width
    return abs(expected - image.height) <= max(2.0, 0.02 * expected)


def _pyramid(members: list[tuple[Image, Json]]) -> Pyramid:
    base, ds = members[0]
    sized = groupby([image for image, _ in members], key=lambda i: (i.width, i.height))
    levels = tuple(_level(list(images), base) for _, images in sized)
    paths = {path.identifier: path for image in levels[0].images for path in image.paths}
    return Pyramid(
        uid=str(first(ds, "00080019") or ""),
        label=str(first(ds, "00200027") or ""),
        levels=levels,
        planes_um=tuple(sorted({z for image in levels[0].images for z in image.planes_um})),
        paths=tuple(paths.values()),
        orientation=tuple(_float(v, 0.0) for v in values(ds, "00480102")) or (0.0, -1.0, 0.0, -1.0, 0.0, 0.0),
        origin=(_float(inside(ds, "00480008", "0040072A"), 0.0), _float(inside(ds, "00480008", "0040073A"), 0.0)),
        objective=_float(inside(ds, "00480105", "00480112"), 0.0) or None,
    )


def _level(images: list[Image], base: Image) -> Level:
    """A thumbnail may repeat a level's size with other tiles: the tiles of the first image count."""
    tiles = images[0].tile_width, images[0].tile_height
    images = [image for image in images if (image.tile_width, image.tile_height) == tiles]
    if base.spacing:
        x, y = base.spacing
        return Level(tuple(images), (x * base.width / images[0].width, y * base.height / images[0].height))
    return Level(tuple(images), images[0].spacing)


def _int(value: Any, default: int) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return default


def _float(value: Any, default: float) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return default
