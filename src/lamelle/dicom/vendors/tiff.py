"""Bounded reading of TIFF, BigTIFF and NDPI directories: offsets and tag values, never pixels.

Every count and offset is checked against the file's size and a limit before anything is allocated.
Source: TIFF 6.0; BigTIFF; NDPI as seen in files (64-bit offsets in a version 42 file).
"""

import os
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from lamelle.base.errors import Invalid, TooLarge

MAX_DIRECTORIES = 4096
MAX_ENTRIES = 1024
MAX_TAG_BYTES = 256 << 20
MAX_SIDE = 1 << 24
MAX_SEGMENTS = 1 << 24

NDPI_FILE_FORMAT = 65420

_TYPES: Mapping[int, tuple[int, str]] = {
    1: (1, "u1"), 2: (1, "S"), 3: (2, "u2"), 4: (4, "u4"), 5: (8, "rational"), 6: (1, "i1"), 7: (1, "bytes"),
    8: (2, "i2"), 9: (4, "i4"), 10: (8, "srational"), 11: (4, "f4"), 12: (8, "f8"), 13: (4, "u4"),
    16: (8, "u8"), 17: (8, "i8"), 18: (8, "u8"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Entry:
    """One tag as it stands in the directory; `offset` is where its value lies in the file."""

    type: int
    count: int
    offset: int
    high: int = 0
    """NDPI: the upper 32 bits of a single inline LONG."""


@dataclass(frozen=True, slots=True)
class Segments:
    """Where an image's tiles or strips lie: byte ranges of the file, all inside it; length 0 is a sparse tile."""

    offsets: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Directory:
    """One image file directory; numbers and texts are read when asked for."""

    file: "TiffFile"
    offset: int
    entries: Mapping[int, Entry]

    def __contains__(self, tag: int) -> bool:
        return tag in self.entries

    def raw(self, tag: int) -> bytes | None:
        """The tag's value bytes, or None if it is absent."""
        entry = self.entries.get(tag)
        if entry is None:
            return None
        size = _TYPES[entry.type][0] * entry.count
        if size > MAX_TAG_BYTES:
            raise TooLarge("tiff_tag_too_large", f"TIFF tag {tag} claims {size} bytes")
        return self.file.read(entry.offset, size)

    def numbers(self, tag: int) -> npt.NDArray[np.int64]:
        """An integer tag's values; empty if absent."""
        data = self.raw(tag)
        if data is None:
            return np.zeros(0, np.int64)
        entry = self.entries[tag]
        kind = _TYPES[entry.type][1]
        if kind in ("S", "bytes"):
            kind = "u1"
        if kind[0] not in "ui":
            raise Invalid("tiff_bad_tag", f"TIFF tag {tag} is not made of integers")
        values = np.frombuffer(data, np.dtype(self.file.order + kind)).astype(np.int64)
        if entry.high and len(values) == 1:
            values = values + (np.int64(entry.high) << 32)
        return values

    def number(self, tag: int, default: int | None = None) -> int:
        """An integer tag's first value, or `default`."""
        values = self.numbers(tag)
        if len(values):
            return int(values[0])
        if default is None:
            raise Invalid("tiff_missing_tag", f"TIFF tag {tag} is missing")
        return default

    def real(self, tag: int, default: float = 0.0) -> float:
        """A number of any type, the first value; a rational is divided out."""
        entry, data = self.entries.get(tag), self.raw(tag)
        if entry is None or not data:
            return default
        kind = _TYPES[entry.type][1]
        if kind.endswith("rational"):
            top, bottom = struct.unpack_from(self.file.order + ("ii" if kind[0] == "s" else "II"), data)
            return top / bottom if bottom else default
        if kind in ("f4", "f8"):
            return float(np.frombuffer(data, np.dtype(self.file.order + kind))[0])
        return float(self.number(tag))

    def text(self, tag: int) -> str:
        """A text tag up to its first NUL, "" if absent; never raises on bad bytes."""
        data = self.raw(tag) or b""
        return data.split(b"\0", 1)[0].decode("utf-8", "replace").strip()

    @property
    def width(self) -> int:
        return self._side(256)

    @property
    def height(self) -> int:
        return self._side(257)

    def _side(self, tag: int) -> int:
        side = self.number(tag)
        if not 0 < side <= MAX_SIDE:
            raise Invalid("tiff_bad_size", f"TIFF tag {tag}: an image side of {side} pixels")
        return side

    @property
    def tiled(self) -> bool:
        return 322 in self.entries

    @property
    def tile(self) -> tuple[int, int]:
        """(columns, rows) of a tile."""
        columns, rows = self.number(322), self.number(323)
        if not (0 < columns <= 65535 and 0 < rows <= 65535):
            raise Invalid("tiff_bad_tile_size", f"tiles of {columns} x {rows} pixels")
        return columns, rows

    @property
    def compression(self) -> int:
        return self.number(259, 1)

    @property
    def photometric(self) -> int:
        return self.number(262, 1)

    @property
    def samples(self) -> int:
        return self.number(277, 1)

    @property
    def bits(self) -> int:
        values = self.numbers(258)
        if len(values) and (values != values[0]).any():
            raise Invalid("tiff_mixed_bits", "samples of different depths")
        return int(values[0]) if len(values) else 1

    @property
    def subdirectories(self) -> list["Directory"]:
        """The SubIFDs (tag 330), in order."""
        return [self.file.directory(int(offset))[0] for offset in self.numbers(330)[:64]]

    def segments(self) -> Segments:
        """The tiles or strips. Raises: Invalid if one lies outside the file or their number is wrong."""
        tags = (324, 325) if self.tiled else (273, 279)
        offsets, lengths = (self.numbers(tag) for tag in tags)
        if not self.tiled and len(offsets) == 1 and not len(lengths):
            lengths = np.array([self.file.size - offsets[0]])
        if len(offsets) != len(lengths):
            raise Invalid("tiff_bad_segments", f"{len(offsets)} offsets but {len(lengths)} byte counts")
        offsets = np.where(lengths == 0, 0, offsets)
        if len(offsets) and ((offsets < 0) | (lengths < 0) | (lengths > self.file.size - offsets)).any():
            raise Invalid("tiff_truncated", "image data lie outside the file")
        expected = self.segment_count()
        if len(offsets) < expected:
            raise Invalid("tiff_bad_segments", f"{len(offsets)} tiles or strips where {expected} are needed")
        return Segments(offsets[:expected], lengths[:expected])

    def segment_count(self) -> int:
        """How many tiles or strips the sizes ask for."""
        if self.tiled:
            columns, rows = self.tile
            count = -(-self.width // columns) * -(-self.height // rows)
        else:
            count = -(-self.height // min(self.number(278, self.height) or self.height, self.height))
        if self.number(284, 1) == 2:
            count *= self.samples
        if count > MAX_SEGMENTS:
            raise TooLarge("tiff_too_many_tiles", f"{count} tiles or strips")
        return count


@dataclass(slots=True)
class TiffFile:
    """An open TIFF; `read` is the only way to its bytes and never reads outside it."""

    path: Path
    fd: int
    size: int
    order: str = "<"
    big: bool = False
    ndpi: bool = False
    first: int = 0

    @classmethod
    def open(cls, path: Path) -> "TiffFile":
        """Open and read the header. Raises: Invalid("not_a_tiff")."""
        fd = os.open(path, os.O_RDONLY)
        try:
            self = cls(path, fd, os.fstat(fd).st_size)
            self._header()
        except BaseException:
            os.close(fd)
            raise
        return self

    def close(self) -> None:
        """Close the file; calling twice does nothing."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def read(self, offset: int, size: int) -> bytes:
        """Exactly `size` bytes. Raises: Invalid("tiff_truncated") outside the file."""
        if offset < 0 or size < 0 or offset + size > self.size:
            raise Invalid("tiff_truncated", f"{size} bytes at {offset} lie outside the file")
        data = os.pread(self.fd, size, offset)
        while len(data) < size:
            more = os.pread(self.fd, size - len(data), offset + len(data))
            if not more:
                raise Invalid("tiff_truncated", "the file became shorter while it was read")
            data += more
        return data

    def _header(self) -> None:
        head = os.pread(self.fd, 16, 0)
        marks = {b"II*\0": ("<", False), b"MM\0*": (">", False), b"II+\0": ("<", True), b"MM\0+": (">", True)}
        if len(head) < 8 or head[:4] not in marks:
            raise Invalid("not_a_tiff", "the file does not begin like a TIFF")
        self.order, self.big = marks[head[:4]]
        if self.big:
            if len(head) < 16 or struct.unpack_from(self.order + "HH", head, 4) != (8, 0):
                raise Invalid("tiff_bad_header", "a BigTIFF header with a strange offset size")
            (self.first,) = struct.unpack_from(self.order + "Q", head, 8)
            return
        (self.first,) = struct.unpack_from(self.order + "I", head, 4)
        if self.order == "<" and len(head) >= 12:
            self.ndpi = self._looks_ndpi(*struct.unpack_from("<Q", head, 4))

    def _looks_ndpi(self, first: int) -> bool:
        if not 8 <= first <= self.size - 14:
            return False
        (count,) = struct.unpack("<H", self.read(first, 2))
        length = 2 + count * 12 + 8 + count * 4
        if not 0 < count <= MAX_ENTRIES or first + length > self.size:
            return False
        body = self.read(first + 2, count * 12)
        if NDPI_FILE_FORMAT not in struct.unpack("<" + "H10x" * count, body):
            return False
        self.first = first
        return True

    def directory(self, offset: int) -> tuple[Directory, int]:
        """The directory at `offset` and the next one's offset (0 at the end)."""
        wide = self.big or self.ndpi
        (count,) = struct.unpack(self.order + ("Q" if self.big else "H"), self.read(offset, 8 if self.big else 2))
        if not 0 < count <= MAX_ENTRIES:
            raise Invalid("tiff_bad_directory", f"a directory of {count} entries")
        start = offset + (8 if self.big else 2)
        step = 20 if self.big else 12
        body = self.read(start, count * step + (8 if wide else 4))
        (following,) = struct.unpack_from(self.order + ("Q" if wide else "I"), body, count * step)
        highs = struct.unpack(f"<{count}I", self.read(start + count * 12 + 8, count * 4)) if self.ndpi else (0,) * count
        entries = {}
        for i in range(count):
            tag, kind, length = struct.unpack_from(self.order + ("HHQ" if self.big else "HHI"), body, i * step)
            if kind not in _TYPES:
                continue
            entries[tag] = self._entry(start + (i + 1) * step, kind, length, highs[i], body[: (i + 1) * step])
        return Directory(self, offset, entries), int(following)

    def _entry(self, end: int, kind: int, length: int, high: int, body: bytes) -> Entry:
        inline = 8 if self.big else 4
        if _TYPES[kind][0] * length <= inline:
            return Entry(kind, length, end - inline, high if kind in (4, 9, 13) else 0)
        (place,) = struct.unpack(self.order + ("Q" if self.big else "I"), body[-inline:])
        return Entry(kind, length, place + (high << 32))

    def directories(self) -> Iterator[Directory]:
        """The main chain. Raises: Invalid on a cycle or too many."""
        offset, seen = self.first, set[int]()
        while offset:
            if offset in seen:
                raise Invalid("tiff_cycle", "the directories of this TIFF run in a circle")
            if len(seen) >= MAX_DIRECTORIES:
                raise TooLarge("tiff_too_many_directories", f"more than {MAX_DIRECTORIES} directories")
            seen.add(offset)
            directory, offset = self.directory(offset)
            yield directory
        if not seen:
            raise Invalid("tiff_empty", "a TIFF without a directory")
