"""A small TIFF writer for tests that must say exactly what stands in a file: SVS, NDPI, broken ones.

Not a way to write good TIFF files. Source: TIFF 6.0; NDPI layout as seen in files.
"""

import io
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import imagecodecs
import numpy as np
import numpy.typing as npt
import PIL.Image


@dataclass(frozen=True, slots=True)
class Typed:
    """A tag value of a given TIFF type, already packed."""

    kind: int
    count: int
    data: bytes


Value = int | str | bytes | float | Sequence[int] | Typed


@dataclass(frozen=True, slots=True)
class Image:
    """One directory: its `tags` without offsets and counts, and the `data` of its tiles or strips in order."""

    tags: Mapping[int, Value]
    data: Iterable[bytes]
    tiled: bool = True


def write(path: Path, images: Sequence[Image], *, big: bool = False, ndpi: bool = False) -> None:
    """Write the images' data, then their directories."""
    with path.open("wb") as file:
        file.write(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 0) if big else struct.pack("<2sHQ", b"II", 42, 0))
        directories = []
        for image in images:
            offsets, lengths = [], []
            for part in image.data:
                offsets.append(file.tell() if part else 0)
                lengths.append(len(part))
                file.write(part)
            places = (324, 325) if image.tiled else (273, 279)
            directories.append({**image.tags, places[0]: offsets, places[1]: lengths})
        link = 8 if big else 4
        for tags in directories:
            at = file.tell() + file.tell() % 2
            file.seek(link)
            file.write(struct.pack("<Q" if big or ndpi else "<I", at))
            file.seek(at)
            link = _directory(file, tags, big=big, ndpi=ndpi)
        file.seek(0, 2)


def _directory(file: BinaryIO, tags: Mapping[int, Value], *, big: bool, ndpi: bool) -> int:
    start, count = file.tell(), len(tags)
    entry, inline = (20, 8) if big else (12, 4)
    body = start + (8 if big else 2) + count * entry
    values = body + (8 if big or ndpi else 4) + (4 * count if ndpi else 0)
    table, highs, extra = b"", b"", b""
    for tag in sorted(tags):
        kind, number, data = _value(tags[tag], big)
        place = values + len(extra)
        high = 0
        if len(data) > inline:
            extra += data + bytes(len(data) % 2)
            high = place >> 32 if ndpi else 0
            data = struct.pack("<Q" if big else "<I", place & 0xFFFFFFFF if ndpi else place)
        table += struct.pack("<HHQ" if big else "<HHI", tag, kind, number) + data.ljust(inline, b"\0")
        highs += struct.pack("<I", high)
    following = b"\0" * (8 if big or ndpi else 4)
    file.write(struct.pack("<Q" if big else "<H", count) + table + following + (highs if ndpi else b"") + extra)
    return body


def _value(value: Value, big: bool) -> tuple[int, int, bytes]:
    if isinstance(value, Typed):
        return value.kind, value.count, value.data
    if isinstance(value, str):
        data = value.encode() + b"\0"
        return 2, len(data), data
    if isinstance(value, bytes):
        return 7, len(value), value
    if isinstance(value, float):
        return 5, 1, struct.pack("<2I", round(value * 1000), 1000)
    numbers = [value] if isinstance(value, int) else list(value)
    if all(n < 65536 for n in numbers) and len(numbers) <= 4:
        return 3, len(numbers), struct.pack(f"<{len(numbers)}H", *numbers)
    if max(numbers) < 1 << 32:
        return 4, len(numbers), struct.pack(f"<{len(numbers)}I", *numbers)
    return 16, len(numbers), struct.pack(f"<{len(numbers)}Q", *numbers)


def tissue(width: int, height: int, seed: int = 1) -> npt.NDArray[np.uint8]:
    """A smooth picture in pinks and violets, (height, width, 3): compresses and decodes as tissue does."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    waves = np.sin(x / 17 + seed) + np.sin(y / 23 - seed) + np.sin((x + y) / 31)
    red, green, blue = 205 + 15 * waves, 160 + 30 * waves, 200 + 18 * np.cos(waves * 2)
    picture: npt.NDArray[np.uint8] = np.clip(np.stack([red, green, blue], -1), 0, 255).astype(np.uint8)
    return picture


def tiles(pixels: npt.NDArray[np.uint8], size: int) -> list[npt.NDArray[np.uint8]]:
    """The picture's tiles in order, padded to full size with its edge."""
    height, width = pixels.shape[:2]
    pad = ((0, -height % size), (0, -width % size), (0, 0))[: pixels.ndim]
    whole = np.pad(pixels, pad, mode="edge")
    return [
        np.ascontiguousarray(whole[y : y + size, x : x + size])
        for y in range(0, whole.shape[0], size)
        for x in range(0, whole.shape[1], size)
    ]


def jpeg(pixels: npt.NDArray[np.uint8], *, rgb: bool = False, quality: int = 80, subsampling: str = "422") -> bytes:
    """One JPEG; `rgb` leaves out the colour transform."""
    if rgb:
        return bytes(imagecodecs.jpeg8_encode(pixels, level=quality, colorspace="RGB", outcolorspace="RGB"))
    return bytes(imagecodecs.jpeg8_encode(pixels, level=quality, subsampling=subsampling))


def abbreviated(data: bytes) -> tuple[bytes, bytes]:
    """(JPEGTables, the stream without its tables, APP0 and APP14): how TIFF keeps JPEG.

    Components are named 1, 2, 3 even if they are red, green and blue: as Aperio does.
    """
    shared, rest, at = b"", b"", 2
    names = bytes.maketrans(b"RGB", b"\1\2\3")
    while data[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if data[at + 1] in (0xDB, 0xC4):
            shared += data[at:end]
        elif data[at + 1] == 0xC0:
            rest += data[at : at + 10] + data[at + 10 : end].translate(names)
        elif data[at + 1] not in (0xE0, 0xEE):
            rest += data[at:end]
        at = end
    scan = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    data = data[:at] + data[at:scan].translate(names) + data[scan:]
    return b"\xff\xd8" + shared + b"\xff\xd9", b"\xff\xd8" + rest + data[at:]


def level(
    pixels: npt.NDArray[np.uint8],
    size: int = 256,
    *,
    rgb: bool = False,
    sparse: Sequence[int] = (),
    more: Mapping[int, Value] | None = None,
) -> Image:
    """A tiled JPEG image with shared tables; tiles numbered in `sparse` are left empty."""
    pairs = [abbreviated(jpeg(tile, rgb=rgb)) for tile in tiles(pixels, size)]
    data = [b"" if i in sparse else one for i, (_, one) in enumerate(pairs)]
    return Image({**tags(pixels, 7, 2 if rgb else 6), 322: size, 323: size, 347: pairs[0][0], **(more or {})}, data)


def tags(pixels: npt.NDArray[np.uint8], compression: int, photometric: int) -> dict[int, Value]:
    """The tags every image needs."""
    samples = pixels.shape[2] if pixels.ndim == 3 else 1
    bits: Value = [8 * pixels.dtype.itemsize] * samples
    return {
        256: pixels.shape[1], 257: pixels.shape[0], 258: bits, 259: compression, 262: photometric, 277: samples,
    }  # fmt: skip


APERIO = (
    "Aperio Image Library v12.0.15\r\n{w}x{h} [0,0 {w}x{h}] (256x256) JPEG/RGB Q=80|AppMag = 20|MPP = 0.5"
    "|Date = 03/05/24|Time = 10:11:12|Time Zone = GMT+01:00|ScanScope ID = SS1234|Barcode = S24-0001-A1"
)


def svs(path: Path, width: int = 900, height: int = 700, *, rgb: bool = True, sparse: Sequence[int] = ()) -> None:
    """An SVS with two levels 4 apart, thumbnail, label and macro."""
    base = tissue(width, height)
    small, thumb = base[::4, ::4], np.ascontiguousarray(base[::8, ::8])
    said = APERIO.format(w=width, h=height)
    label = np.full((60, 80, 3), 240, np.uint8)
    images = [
        level(base, rgb=rgb, sparse=sparse, more={270: said}),
        Image({**tags(thumb, 7, 6), 278: thumb.shape[0], 270: said}, [jpeg(thumb)], tiled=False),
        level(np.ascontiguousarray(small), rgb=rgb, more={270: said}),
        Image({**tags(label, 1, 2), 278: 60, 270: "Aperio\r\nlabel 80x60", 254: 1}, [label.tobytes()], tiled=False),
        Image({**tags(thumb, 7, 6), 278: thumb.shape[0], 270: "Aperio\r\nmacro", 254: 9}, [jpeg(thumb)], tiled=False),
    ]
    write(path, images)


def restarting(pixels: npt.NDArray[np.uint8], interval: int, subsampling: int = 0) -> bytes:
    """One JPEG with a restart marker every `interval` minimum coded units; `subsampling` as Pillow counts."""
    buffer = io.BytesIO()
    picture = PIL.Image.fromarray(pixels)
    picture.save(buffer, "JPEG", quality=85, subsampling=subsampling, restart_marker_blocks=interval)
    return buffer.getvalue()


def ndpi_level(
    pixels: npt.NDArray[np.uint8],
    lens: float,
    plane_nm: int = 0,
    interval: int = 32,
    *,
    starts: bool = True,
    subsampling: int = 0,
) -> Image:
    """One NDPI directory; `starts` writes the table of restart intervals."""
    data = restarting(pixels, interval, subsampling) if interval else jpeg(pixels, subsampling="444")
    scan = data.index(b"\xff\xda")
    first = scan + 2 + int.from_bytes(data[scan + 2 : scan + 4], "big")
    octets = np.frombuffer(data, np.uint8)
    markers = np.flatnonzero((octets[:-1] == 0xFF) & (octets[1:] & 0xF8 == 0xD0))
    places = [first, *(int(m) + 2 for m in markers if m >= first)]
    extra: dict[int, Value] = {65426: Typed(4, len(places), struct.pack(f"<{len(places)}I", *places))} if starts else {}
    return Image(
        {
            **tags(pixels, 7, 6), 278: pixels.shape[0], 282: 20000.0, 283: 20000.0, 296: 3, 271: "Hamamatsu",
            272: "NanoZoomer", 305: "NDP.scan 3", 306: "2024:03:05 10:11:12", 530: [1, 1], 65420: 1,
            65421: Typed(11, 1, struct.pack("<f", lens)), 65422: Typed(9, 1, struct.pack("<i", 0)),
            65423: Typed(9, 1, struct.pack("<i", 0)), 65424: Typed(9, 1, struct.pack("<i", plane_nm)),
            65427: "S24-0002-B1", 65442: "N1234", **extra,
        },
        [data],
        tiled=False,
    )  # fmt: skip


def ndpi(
    path: Path,
    width: int = 1536,
    height: int = 992,
    planes: Sequence[int] = (0,),
    *,
    starts: bool = True,
    interval: int = 32,
    subsampling: int = 0,
) -> None:
    """An NDPI with two levels 4 apart, each plane of it, and a macro image; `interval` of the base in coded units.

    (Heights are whole coding units at both levels: OpenSlide leaves a last partial row of them blank.)
    """
    images = []
    for number, plane in enumerate(planes):
        base = tissue(width, height, seed=number + 1)
        small = np.ascontiguousarray(base[::4, ::4])
        images += [
            ndpi_level(base, 20.0, plane, interval, starts=starts, subsampling=subsampling),
            ndpi_level(small, 5.0, plane, interval=16 if width % 512 == 0 else 0, starts=starts),
        ]
    macro = tissue(600, 200, seed=9)
    images.append(ndpi_level(macro, -1.0, interval=0, starts=False))
    write(path, images, ndpi=True)
