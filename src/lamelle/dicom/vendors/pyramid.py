"""Levels made of directories, and the levels a file lacks: built so that every slide opens fast."""

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from lamelle.dicom.vendors import images, tiles
from lamelle.dicom.vendors.slide import Level
from lamelle.dicom.vendors.tiff import Directory, TiffFile

TOP_SIDE = 2048
"""A pyramid ends at a level no side of which is longer, in pixels."""
WIDEST_GAP = 4.5
"""Largest step between two levels that a viewer bridges without delay."""

_SAMPLE = 4 << 20


def fingerprint(path: Path, facts: Iterable[bytes | str] = ()) -> str:
    """A slide file's identity without reading all of it: size, first and last 4 MiB, and the `facts` of its reader.

    TIFF readers give the directories' offsets and tile byte counts, so that two scans differ even if their
    ends are alike. UIDs are derived from it: changing it changes every UID.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        digest.update(size.to_bytes(8, "big") + file.read(_SAMPLE))
        file.seek(max(0, size - _SAMPLE))
        digest.update(file.read(_SAMPLE))
    for fact in facts:
        data = fact.encode() if isinstance(fact, str) else fact
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def tiff_fingerprint(file: TiffFile, directories: Sequence[Directory]) -> str:
    """`fingerprint` with each directory's offset and byte counts."""
    facts = []
    for directory in directories:
        facts.append(directory.offset.to_bytes(8, "big"))
        facts.append(directory.raw(325 if directory.tiled else 279) or b"")
    return fingerprint(file.path, facts)


def of(directories: Sequence[Directory], mm: float) -> list[Level]:
    """Levels of one plane and channel, largest first; spacing follows from the sizes (imaged area is the same)."""
    ordered = sorted(directories, key=lambda d: -d.width)
    width, height = ordered[0].width, ordered[0].height
    levels = []
    for number, one in enumerate(ordered):
        source = images.frames(one)
        levels.append(
            Level(
                one.width,
                one.height,
                spacing((width, height), (one.width, one.height), mm),
                source,
                derived=derived(source),
                resampled=number > 0,
            )
        )
    return levels


def spacing(base: tuple[int, int], size: tuple[int, int], mm: float) -> tuple[float, float]:
    """mm per pixel of a level of `size` below `base`, both (width, height).

    A level that is the base divided by a whole number and rounded has exactly that multiple of its spacing; of
    any other the sizes tell. (Readers of pyramids expect powers of two, which rounded sizes of small levels miss.)
    """
    factor = max(1, round(base[0] / size[0]))
    if all(b // factor <= s <= -(-b // factor) for b, s in zip(base, size, strict=True)):
        return mm * factor, mm * factor
    return mm * base[0] / size[0], mm * base[1] / size[1]


def derived(frames: object) -> bool:
    """True if the frames are encoded by us with loss."""
    return hasattr(frames, "encode") and bool(frames.encoding.lossy)  # type: ignore[attr-defined]


def same_shape(directory: Directory, base: Directory) -> bool:
    """True if the image may be a smaller level of `base`: same proportions within two pixels, same kind."""
    scale = base.width / directory.width
    return (
        directory.width < base.width
        and abs(base.height / scale - directory.height) <= max(2.0, directory.height * 0.02)
        and directory.samples == base.samples
    )


def completed(levels: Sequence[Level], stack: int = 1) -> list[Level]:
    """The levels with those added that a viewer needs: gaps of more than 4 halved, and a top of at most 2048 px.

    `stack` is the number of planes times optical paths. Added levels are 2 x 2 averages, JPEG (16 bit: lossless),
    and say that they are derived.
    """
    result: list[Level] = []
    for index, level in enumerate(levels):
        result.append(level)
        following = levels[index + 1].width if index + 1 < len(levels) else 0
        while _needs_more(result[-1], following):
            result.append(_halved(result[-1], stack))
    return result


def _needs_more(level: Level, following: int) -> bool:
    if min(level.width, level.height) < 4:
        return False
    if following:
        return level.width / following > WIDEST_GAP
    return max(level.width, level.height) > TOP_SIDE


def _halved(level: Level, stack: int) -> Level:
    tile = level.frames.rows, level.frames.columns
    frames = tiles.reduced(level.frames, (level.width, level.height), stack, level.frames.encoding.samples, tile)
    spacing = level.mm_per_pixel[0] * 2, level.mm_per_pixel[1] * 2
    note = "2 x 2 average of the next larger level"
    return Level(level.width // 2, level.height // 2, spacing, frames, derived=True, resampled=True, note=note)
