"""Where each frame's bytes stand in the file; what the bytes mean lives in `pixels`."""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lamelle.base.errors import Invalid, NotFound

_HEAD = struct.Struct("<BBQII")  # version, flags, first fragment's item, fragments, frames
_VERSION = 1
_TRIMMED, _GROUPED = 1, 2
_MAX_FRAGMENTS = 1 << 28
_ITEM_HEADER = 8

Integers = npt.NDArray[np.int64]


class FrameIndex:
    """Byte ranges of the frames of encapsulated pixel data. Immutable.

    Fragments stand one behind the other, 8 bytes of item header before each, so their lengths say it all.
    """

    __slots__ = ("_counts", "_first", "_lengths", "_offsets", "_starts", "_trims")

    def __init__(
        self,
        first_item: int,
        lengths: npt.ArrayLike,
        starts: npt.ArrayLike | None = None,
        counts: npt.ArrayLike | None = None,
        trims: npt.ArrayLike | None = None,
    ) -> None:
        """`first_item`: file offset of the first fragment's item tag; `lengths`: of every fragment, in file order.

        `starts`, `counts`: first fragment (0-based) and number of fragments of each frame; without them one each.
        `trims`: padding bytes at the end of each frame that do not belong to it.
        """
        self._first = first_item
        self._lengths = np.asarray(lengths, dtype=np.uint32)
        steps = self._lengths.astype(np.int64) + _ITEM_HEADER
        self._offsets: Integers = np.cumsum(steps) - steps + (first_item + _ITEM_HEADER)
        self._starts = None if starts is None else np.asarray(starts, dtype=np.uint32)
        self._counts = None if counts is None else np.asarray(counts, dtype=np.uint32)
        self._trims = None if trims is None else np.asarray(trims, dtype=np.uint8)

    def __len__(self) -> int:
        return len(self._lengths if self._starts is None else self._starts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FrameIndex) and self.pack() == other.pack()

    def __hash__(self) -> int:
        return hash((self._first, len(self)))

    def __repr__(self) -> str:
        return f"FrameIndex({len(self)} frames, {len(self._lengths)} fragments from {self._first})"

    def ranges(self, number: int) -> tuple[tuple[int, int], ...]:
        """(offset in the file, length) of each fragment of one frame; frames count from 1.

        Raises: NotFound `no_such_frame`.
        """
        if not 1 <= number <= len(self):
            raise NotFound("no_such_frame", f"frame {number} of {len(self)}")
        at = number - 1
        start = at if self._starts is None else self._starts.item(at)
        trim = 0 if self._trims is None else self._trims.item(at)
        if self._counts is None:
            return ((self._offsets.item(start), self._lengths.item(start) - trim),)
        last = start + self._counts.item(at) - 1
        found = [(self._offsets.item(i), self._lengths.item(i)) for i in range(start, last + 1)]
        if trim and found:
            found[-1] = (found[-1][0], found[-1][1] - trim)
        return tuple(found)

    def pack(self) -> bytes:
        """A compact form for the catalogue: some 2 bytes a frame."""
        flags = (_TRIMMED if self._trims is not None else 0) | (_GROUPED if self._starts is not None else 0)
        parts = [_planes(self._lengths)]
        if self._starts is not None and self._counts is not None:
            parts += [_planes(self._starts), _planes(self._counts)]
        if self._trims is not None:
            parts.append(self._trims.tobytes())
        head = _HEAD.pack(_VERSION, flags, self._first, len(self._lengths), len(self))
        return head + zlib.compress(b"".join(parts), 6)

    @classmethod
    def unpack(cls, data: bytes) -> "FrameIndex":
        """The index `pack` wrote.

        Raises: Invalid `bad_frame_index`.
        """
        try:
            version, flags, first, fragments, frames = _HEAD.unpack_from(data)
            if version != _VERSION or max(fragments, frames) > _MAX_FRAGMENTS or first > 1 << 62:
                raise ValueError("unknown version or absurd size")
            body = zlib.decompress(data[_HEAD.size :])
            sizes = [4 * fragments] + [4 * frames] * (2 * bool(flags & _GROUPED)) + [frames] * (flags & _TRIMMED)
            if len(body) != sum(sizes):
                raise ValueError("size")
        except (struct.error, zlib.error, ValueError) as error:
            raise Invalid("bad_frame_index", "a frame index in the catalogue is damaged") from error
        cuts = np.cumsum([0, *sizes])
        parts = [body[cuts[i] : cuts[i + 1]] for i in range(len(sizes))]
        starts, counts = (_from_planes(parts[1]), _from_planes(parts[2])) if flags & _GROUPED else (None, None)
        trims = np.frombuffer(parts[-1], np.uint8) if flags & _TRIMMED else None
        return cls(first, _from_planes(parts[0]), starts, counts, trims)


def _planes(values: npt.NDArray[np.uint32]) -> bytes:
    """All lowest bytes, then all second bytes ...: the upper planes shrink to nothing."""
    return values.astype("<u4").view(np.uint8).reshape(-1, 4).T.tobytes()


def _from_planes(data: bytes) -> npt.NDArray[np.uint32]:
    return np.ascontiguousarray(np.frombuffer(data, np.uint8).reshape(4, -1).T).view("<u4").reshape(-1)


def index(
    first_item: int,
    lengths: Sequence[int],
    codestreams: bytes | bytearray,
    *,
    frames: int,
    basic: bytes = b"",
    extended: bytes = b"",
    extended_lengths: bytes = b"",
) -> tuple[FrameIndex, tuple[str, ...]]:
    """Assign fragments to frames, and say what was wrong with the tables.

    `codestreams`: 1 for every fragment that begins a codestream (SOI, SOC ...), else 0. `basic`, `extended`,
    `extended_lengths`: the values of the offset tables, little-endian. A table that does not hit item tags, names
    another number of frames or leaves fragments out is not believed.

    Source: PS3.5 A.4, PS3.3 C.7.6.3.1.8.
    """
    warnings: list[str] = []
    sizes = np.asarray(lengths, dtype=np.uint32)
    if extended:
        starts = _starts_of(np.frombuffer(extended[: len(extended) & ~7], "<u8"), sizes, frames)
        if starts is not None and len(starts) == len(sizes):
            trims = _trims_of(extended_lengths, sizes[starts])
            if trims is None and extended_lengths:
                warnings.append("bad_extended_offset_table_lengths")
            return _grouped(first_item, sizes, starts, trims), tuple(warnings)
        warnings.append("bad_extended_offset_table")
    if basic:
        starts = _starts_of(np.frombuffer(basic[: len(basic) & ~3], "<u4"), sizes, frames)
        if starts is not None:
            return _grouped(first_item, sizes, starts), tuple(warnings)
        warnings.append("bad_basic_offset_table")
    starts = _starts_by_fragments(sizes, codestreams, frames)
    if starts is None:
        return FrameIndex(first_item, sizes, [], []), (*warnings, "frames_unknown")
    return _grouped(first_item, sizes, starts), tuple(warnings)


def _starts_of(table: npt.NDArray[np.unsignedinteger], sizes: npt.NDArray[np.uint32], frames: int) -> Integers | None:
    """The fragments a table points at; None if it lies."""
    steps = sizes.astype(np.uint64) + np.uint64(_ITEM_HEADER)
    items = np.cumsum(steps) - steps
    if len(table) != frames or not len(items):
        return None
    wide = table.astype(np.uint64)
    starts = np.searchsorted(items, wide)
    honest = starts.max() < len(items) and bool((items[starts] == wide).all())
    if not honest or len(np.unique(starts)) != len(starts) or starts.min() != 0:
        return None
    return starts.astype(np.int64)


def _trims_of(extended_lengths: bytes, sizes: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8] | None:
    """How much shorter than its fragment each frame is: nothing or the one padding byte."""
    if len(extended_lengths) != 8 * len(sizes):
        return None
    true = np.frombuffer(extended_lengths, "<u8").astype(np.int64)
    trims = sizes.astype(np.int64) - true
    return trims.astype(np.uint8) if bool(((trims == 0) | (trims == 1)).all()) else None


def _starts_by_fragments(sizes: npt.NDArray[np.uint32], codestreams: bytes | bytearray, frames: int) -> Integers | None:
    """Without a table: one fragment each, or one frame, or every beginning of a codestream."""
    if frames == len(sizes):
        return np.arange(frames)
    if frames == 1 and len(sizes):
        return np.zeros(1, dtype=np.int64)
    starts = np.flatnonzero(np.frombuffer(codestreams, np.uint8))
    return starts if len(starts) == frames and frames and starts[0] == 0 else None


def _grouped(
    first_item: int,
    sizes: npt.NDArray[np.uint32],
    starts: Integers,
    trims: npt.NDArray[np.uint8] | None = None,
) -> FrameIndex:
    """Each frame ends where the next one in the file begins."""
    if trims is not None and not trims.any():
        trims = None
    if len(starts) == len(sizes) and bool((starts == np.arange(len(starts))).all()):
        return FrameIndex(first_item, sizes, trims=trims)
    ordered = np.append(np.sort(starts), len(sizes))
    ends = ordered[np.searchsorted(ordered, starts) + 1]
    return FrameIndex(first_item, sizes, starts, ends - starts, trims)


@dataclass(frozen=True, slots=True)
class PixelData:
    """Where the pixel data's value stands.

    `offset`: of the value in the file, -1 if the file is deflated; `length`: None if undefined; `encapsulated`: in
    fragments, whatever the transfer syntax says.
    """

    tag: int
    vr: str
    offset: int
    length: int | None
    encapsulated: bool


def native(
    pixels: PixelData, rows: int, columns: int, samples: int, bits_allocated: int, frames: int
) -> "NativeFrames":
    """Ranges of native frames. For native YBR_FULL_422 give 2 samples: chroma is kept for every second pixel.

    Raises: Invalid `pixels_too_short` when the value is shorter than the frames.
    Source: PS3.5 8.1.1, PS3.3 C.7.6.6.
    """
    bits = rows * columns * samples * bits_allocated
    if bits <= 0 or frames < 1 or pixels.length is None or (bits * frames + 7) // 8 > pixels.length:
        raise Invalid("pixels_too_short", f"{frames} frames of {bits} bits in {pixels.length} bytes")
    return NativeFrames(pixels.offset, bits, frames)


@dataclass(frozen=True, slots=True)
class NativeFrames:
    """Frames of `bits` bits each, one behind the other, without padding between them."""

    offset: int
    bits: int
    count: int

    def __len__(self) -> int:
        return self.count

    def range(self, number: int) -> tuple[int, int, int]:
        """(offset in the file, length in bytes, first bit 0-7) of one frame; frames count from 1.

        A frame of 1-bit pixels may begin in the middle of a byte: its bits start at that bit, lowest first.

        Raises: NotFound `no_such_frame`.
        """
        if not 1 <= number <= self.count:
            raise NotFound("no_such_frame", f"frame {number} of {self.count}")
        start = (number - 1) * self.bits
        return self.offset + start // 8, (start % 8 + self.bits + 7) // 8, start % 8

    def cut(self, number: int, data: bytes) -> bytes:
        """The frame alone, from the bytes of its range: shifted to begin at bit 0, bits of neighbours cleared."""
        first = self.range(number)[2]
        if first == 0 and self.bits % 8 == 0:
            return data
        value = int.from_bytes(data, "little") >> first & ((1 << self.bits) - 1)
        return value.to_bytes((self.bits + 7) // 8, "little")
