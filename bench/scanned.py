"""Scanners' files of any size: an SVS and an NDPI, their tiles drawn by the demonstration and repeated."""

import struct
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import tifffile

from bench import material
from lamelle.ops.demo import labels, svs
from lamelle.testing import tiffs


def svs_of(work: Path, megabytes: int) -> Path:
    """An SVS of about this size, its tiles drawn by the demonstration, with a pyramid, label and macro."""
    path = work / f"slide-{megabytes}.svs"
    if path.exists():
        return path
    tiles = [svs.split_tables(tile)[1] for tile in material.pool(work)]
    tables = svs.split_tables(material.pool(work)[0])[0]
    side = max(4, round((megabytes * 1e6 / 1.0625 / (sum(map(len, tiles)) / len(tiles))) ** 0.5) // 4 * 4)
    kind = {
        "dtype": np.uint8, "photometric": "ycbcr", "subsampling": (2, 2), "compression": "jpeg", "jpegtables": tables,
        "tile": (256, 256), "metadata": None, "software": False,
    }  # fmt: skip
    width = side * 256
    text = f"Aperio Image Library v12.0.15 \r\n{width}x{width} [0,0 {width}x{width}] (256x256) JPEG/YCC Q=92"
    facts = "|AppMag = 40|MPP = 0.2500|ScanScope ID = BENCH1|Date = 03/16/26|Time = 09:12:33"
    draft = path.with_suffix(".part")
    with tifffile.TiffWriter(draft, bigtiff=megabytes > 3900) as tif:
        for step in (1, 4, 16):
            across = -(-side // step)
            data = (tiles[(k * 7 + k // across) % len(tiles)] for k in range(across * across))
            size = width // step
            reduced = "" if step == 1 else f" -> {size}x{size} JPEG/YCC Q=92"
            tif.write(data, shape=(size, size, 3), description=text + reduced + facts, **kind)
            if step == 1:
                thumbnail = np.full((512, 512, 3), 200, np.uint8)
                tif.write(
                    thumbnail, description=f"{text} -> 512x512 - {facts}", compression="jpeg", photometric="rgb",
                    metadata=None, rowsperstrip=16, software=False,
                )  # fmt: skip
        printed = labels.label(labels.LabelText("BENCH", "BENCH-1", "FICTIF", "HE", "16/03/2026"))
        plain = {"photometric": "rgb", "metadata": None, "rowsperstrip": 16, "software": False}
        tif.write(
            printed,
            description="Aperio Image Library v12.0.15 \r\nlabel 400x460",
            subfiletype=1,
            compression="lzw",
            **plain,
        )
        tif.write(
            printed,
            description="Aperio Image Library v12.0.15 \r\nmacro 400x460",
            subfiletype=9,
            compression="jpeg",
            **plain,
        )
    draft.rename(path)
    return path


NARROW, WIDE, ROWS = 256, 1536, 8  # pixels of a restart interval: columns of a narrow and of a wide one, rows


def ndpi_of(work: Path, megabytes: int, interval: int = NARROW) -> Path:
    """An NDPI of about this size: one JPEG a level, 4 apart, cut by restart markers, and a macro."""
    path = work / f"slide-{megabytes}{'' if interval == NARROW else '-wide'}.ndpi"
    if path.exists():
        return path
    header, intervals = _intervals(interval)
    mean = sum(map(len, intervals)) / len(intervals) + 2
    grain = max(16 * NARROW, 4 * interval)
    side = max(1, round((megabytes * 1e6 / 1.07 / mean * interval * ROWS) ** 0.5 / grain)) * grain
    steps = [step for step in (1, 4, 16) if side % (step * interval) == 0]
    levels = [_level(header, intervals, side // step, interval, 40.0 / step) for step in steps]
    macro = tiffs.ndpi_level(tiffs.tissue(600, 200, seed=9), -1.0, interval=0, starts=False)
    draft = path.with_suffix(".part")
    tiffs.write(draft, [*levels, macro], ndpi=True)
    draft.rename(path)
    return path


def _intervals(interval: int) -> tuple[bytes, list[bytes]]:
    """The header of a grainy picture's JPEG and its restart intervals without markers."""
    width = max(1024, interval)
    noise = np.random.default_rng(1).normal(0, 6, (1024, width, 3))
    data = tiffs.restarting(np.clip(tiffs.tissue(width, 1024) + noise, 0, 255).astype(np.uint8), interval // 8)
    scan = data.index(b"\xff\xda")
    first = scan + 2 + int.from_bytes(data[scan + 2 : scan + 4])
    octets = np.frombuffer(data, np.uint8)
    markers = np.flatnonzero((octets[:-1] == 0xFF) & (octets[1:] & 0xF8 == 0xD0))
    places = [int(at) for at in markers if at >= first]
    starts = [first, *(at + 2 for at in places)]
    return data[:first], [data[a:b] for a, b in zip(starts, [*places, len(data) - 2], strict=True)]


def _level(header: bytes, intervals: list[bytes], side: int, interval: int, lens: float) -> tiffs.Image:
    """A level of side x side pixels."""
    count = side * side // interval // ROWS
    frame = header.index(b"\xff\xc0")
    size = struct.pack(">HH", side, side)
    header = header[: frame + 5] + size + header[frame + 9 :]
    lengths = np.array([len(part) for part in islice(cycle(intervals), count)], np.int64) + 2
    starts = len(header) + np.concatenate([[0], np.cumsum(lengths)[:-1]])

    def scan() -> Iterator[bytes]:
        yield header
        for number, part in enumerate(islice(cycle(intervals), count)):
            yield part
            yield bytes((0xFF, 0xD0 + number % 8)) if number < count - 1 else b"\xff\xd9"

    small = tiffs.ndpi_level(tiffs.tissue(256, 64), lens)
    table = tiffs.Typed(4, count, starts.astype("<u4").tobytes())
    scale = {282: lens * 1000.0, 283: lens * 1000.0}  # pixels a centimetre
    tags = {**small.tags, **scale, 256: side, 257: side, 278: side, 65426: table}
    return tiffs.Image(tags, [b"".join(scan())], tiled=False)
