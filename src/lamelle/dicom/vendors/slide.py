"""The nouns of a scanned slide as its vendor wrote it: levels, flat images, channels, scanner.

No parsing here (one file a format) and no DICOM attributes (`dataset`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from types import TracebackType
from typing import Any, BinaryIO, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

Buffer = bytes | bytearray | memoryview
Pixels = npt.NDArray[Any]
"""(rows, columns[, samples]) of 8 or 16 bits"""
Counts = npt.NDArray[np.int64]

UPRIGHT = (0, -1, 0, -1, 0, 0)
"""Image Orientation (Slide) of pixels stored as they are to be seen: columns run to -Y, rows to -X."""

JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"
JPEG_2000 = "1.2.840.10008.1.2.4.91"


@dataclass(frozen=True, slots=True)
class Encoding:
    """How every frame of one image is encoded; `photometric` describes the encoded bytes (PS3.3 C.8.12.4.1.5)."""

    transfer_syntax: str
    photometric: str
    samples: int
    bits: int
    lossy: bool

    @property
    def method(self) -> str:
        """The Lossy Image Compression Method of this encoding. Source: PS3.3 C.7.6.1.1.5.2."""
        return "ISO_10918_1" if self.transfer_syntax == JPEG_BASELINE else "ISO_15444_1"


class Frames(Protocol):
    """All frames of one image in TILED_FULL order, with every length known before the first is read."""

    encoding: Encoding
    rows: int
    columns: int
    lengths: Counts

    def pieces(self) -> Iterator[Sequence[Buffer]]:
        """Each frame in order, as the buffers that make it up when joined."""

    def frame(self, index: int) -> bytes:
        """One frame, 0-based."""


def clean(text: str, limit: int = 64) -> str:
    """A file's text as a DICOM string can hold it: no control characters or backslashes, at most `limit` long."""
    return "".join("/" if c == "\\" else c if c.isprintable() else " " for c in text).strip()[:limit].strip()


class Lazy(Protocol):
    """Frames that must first be encoded: their lengths are known only afterwards."""

    encoding: Encoding
    rows: int
    columns: int

    def encode(self, work: "Work") -> Frames:
        """Encode every frame, in parallel and with bounded memory, into a spool."""


@dataclass(frozen=True, slots=True)
class Level:
    """One resolution of the scanned tissue: `frames` runs over optical paths, planes, rows, columns."""

    width: int
    height: int
    mm_per_pixel: tuple[float, float]
    """(between columns, between rows)"""
    frames: "Frames | Lazy"
    derived: bool = False
    """The pixels were encoded again or computed by Lamelle."""
    resampled: bool = False
    note: str = ""


class Flavor(StrEnum):
    """Image Type value 3. Source: PS3.3 C.8.12.4.1.1."""

    VOLUME = "VOLUME"
    THUMBNAIL = "THUMBNAIL"
    LABEL = "LABEL"
    OVERVIEW = "OVERVIEW"


@dataclass(frozen=True, slots=True)
class FlatImage:
    """One of the images beside the pyramid, in one frame."""

    flavor: Flavor
    width: int
    height: int
    frames: "Frames | Lazy"
    derived: bool = False


@dataclass(frozen=True, slots=True)
class Channel:
    """One optical path; brightfield unless a fluorochrome is named."""

    identifier: str = "1"
    name: str = ""
    brightfield: bool = True
    color: tuple[int, int, int] | None = None
    excitation_nm: float | None = None
    emission_nm: float | None = None


@dataclass(frozen=True, slots=True)
class Scanner:
    """The device; empty where the file does not say."""

    manufacturer: str = ""
    model: str = ""
    serial: str = ""
    software: str = ""


@dataclass(frozen=True, slots=True)
class Slide:
    """One scanned slide; `close` ends its hold on the source file."""

    format: str
    fingerprint: str
    levels: tuple[Level, ...]
    images: tuple[FlatImage, ...] = ()
    channels: tuple[Channel, ...] = (Channel(),)
    planes: int = 1
    plane_spacing_um: float = 0.0
    icc: bytes | None = None
    scanner: Scanner = Scanner()
    objective_power: float | None = None
    acquired: datetime | None = None
    barcode: str = ""
    properties: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    orientation: tuple[int, ...] = UPRIGHT
    """direction cosines (X, Y, Z) of the rows, then of the columns, of every level as stored"""
    history: tuple[tuple[str, float], ...] = ()
    """(method, ratio) of the scanner's own lossy compression, where its pixels had to be decoded"""
    close: Callable[[], None] = lambda: None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Closable(Protocol):
    """An open source file."""

    def close(self) -> None: ...


Source = TypeVar("Source", bound=Closable)


def held(source: Source, read: Callable[[Source], Slide]) -> Slide:
    """The slide that `read` finds in an open source: closed with it, or at once if nothing can be read."""
    try:
        return replace(read(source), close=source.close)
    except BaseException:
        source.close()
        raise


class Work(Protocol):
    """Where and how pixels are encoded: threads, quality, scratch space."""

    threads: int
    jpeg_quality: int
    tile_size: int

    def scratch(self) -> BinaryIO:
        """A nameless file for as long as the conversion lasts."""

    def warn(self, code: str) -> None:
        """Note something the person who asked should know; one stable word."""
