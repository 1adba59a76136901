"""Frames that are byte ranges of a file, and frames that are encoded into a spool and then are just that.

No format is known here. See `slide.Frames`.
"""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from lamelle.base.errors import Invalid
from lamelle.dicom.vendors import codec
from lamelle.dicom.vendors.slide import Buffer, Counts, Encoding, Frames, Lazy, Pixels, Work

WINDOW = 4 << 20
"""One read, in bytes: large enough to be sequential, small enough to stay in the cache."""
GAP = 64 << 10


class Stored:
    """Frames read from a file by range; the first bytes of each may be replaced, empty ones are `blank`.

    `lead` must be what every stored tile begins with; `prefix` takes its place. `proof` is (offset, bytes)
    that each tile must hold, else `verify` looks closer and raises.
    """

    def __init__(
        self,
        read: Callable[[int, int], bytes],
        offsets: Counts,
        sizes: Counts,
        encoding: Encoding,
        *,
        rows: int,
        columns: int,
        lead: bytes = b"",
        prefix: bytes = b"",
        blank: bytes = b"",
        proof: tuple[int, bytes] = (0, b""),
        verify: Callable[[bytes], None] | None = None,
    ) -> None:
        self.encoding, self.rows, self.columns = encoding, rows, columns
        self._read, self._offsets, self._sizes = read, offsets, sizes
        self._lead, self._prefix, self._blank = lead, prefix, blank
        self._proof, self._verify = proof, verify
        self.lengths = np.where(sizes == 0, len(blank), sizes - len(lead) + len(prefix)).astype(np.int64)
        if (self.lengths <= 0).any():
            raise Invalid("bad_tile", "a tile is too short to be one")

    def pieces(self) -> Iterator[Sequence[Buffer]]:
        lead, prefix, skip = self._lead, self._prefix, len(self._lead)
        at, proof = self._proof
        stop = at + len(proof)
        for first, last in self._windows():
            offsets, sizes = self._offsets[first:last].tolist(), self._sizes[first:last].tolist()
            spans = [(o, o + s) for o, s in zip(offsets, sizes, strict=True) if s]
            start = min((o for o, _ in spans), default=0)
            data = self._read(start, max((e for _, e in spans), default=0) - start)
            view = memoryview(data)
            for offset, size in zip(offsets, sizes, strict=True):
                if not size:
                    yield (self._blank,)
                    continue
                begin = offset - start
                if data[begin : begin + skip] != lead or data[begin + at : begin + stop] != proof:
                    self._look(data[begin : begin + size])
                yield (prefix, view[begin + skip : begin + size]) if prefix else (view[begin + skip : begin + size],)

    def _look(self, tile: bytes) -> None:
        if not tile.startswith(self._lead):
            raise Invalid("bad_tile", "a tile does not begin as its neighbours do")
        if self._verify is not None:
            self._verify(tile)

    def _windows(self) -> Iterator[tuple[int, int]]:
        count, first = len(self._sizes), 0
        while first < count:
            block = slice(first, min(first + 4096, count))
            offsets, sizes = self._offsets[block].tolist(), self._sizes[block].tolist()
            low = high = offsets[0]
            high += sizes[0]
            last = 1
            for offset, size in zip(offsets[1:], sizes[1:], strict=True):
                if size:
                    if high == low:
                        low = high = offset
                    if offset < low or offset > high + GAP or max(high, offset + size) - low > WINDOW:
                        break
                    high = max(high, offset + size)
                last += 1
            yield first, first + last
            first += last

    def frame(self, index: int) -> bytes:
        size = int(self._sizes[index])
        if not size:
            return self._blank
        tile = self._read(int(self._offsets[index]), size)
        self._look(tile)
        return self._prefix + tile[len(self._lead) :]


class Stacked:
    """Several images' frames one after the other: planes and optical paths of one level."""

    def __init__(self, parts: Sequence[Frames]) -> None:
        first = parts[0]
        for part in parts:
            if (part.encoding, part.rows, part.columns) != (first.encoding, first.rows, first.columns):
                raise Invalid("mixed_encoding", "the planes or channels of one level are not encoded alike")
        self.encoding, self.rows, self.columns = first.encoding, first.rows, first.columns
        self._parts = parts
        self.lengths = np.concatenate([part.lengths for part in parts])

    def pieces(self) -> Iterator[Sequence[Buffer]]:
        for part in self._parts:
            yield from part.pieces()

    def frame(self, index: int) -> bytes:
        for part in self._parts:
            if index < len(part.lengths):
                return part.frame(index)
            index -= len(part.lengths)
        raise IndexError(index)


class Encoded:
    """Frames made by `make(index)` in worker threads, written in order to a spool.

    `serial`: `make` runs in the calling thread, one after the other.
    """

    def __init__(
        self,
        encoding: Encoding,
        rows: int,
        columns: int,
        count: int,
        make: Callable[[int, Work], Pixels],
        *,
        serial: bool = False,
    ) -> None:
        self.encoding, self.rows, self.columns = encoding, rows, columns
        self._count, self._make, self._serial = count, make, serial
        self._done: Stored | None = None

    def encode(self, work: Work) -> Frames:
        if self._done is None:
            self._done = spooled(self._tasks(work), self, work)
        return self._done

    def _tasks(self, work: Work) -> Iterator[Callable[[], Sequence[bytes]]]:
        for index in range(self._count):
            if self._serial:
                yield partial(self._encoded, self._make(index, work), work)
            else:
                yield partial(self._one, index, work)

    def _one(self, index: int, work: Work) -> Sequence[bytes]:
        return self._encoded(self._make(index, work), work)

    def _encoded(self, pixels: Pixels, work: Work) -> Sequence[bytes]:
        return [codec.encode(fill(pixels, self.rows, self.columns), self.encoding, work.jpeg_quality)]


def spooled(tasks: Iterable[Callable[[], Sequence[bytes]]], like: Lazy, work: Work) -> Stored:
    """The frames that `tasks` make in worker threads, in order, of `like`'s encoding and size; at most 4 a thread wait.

    `tasks` itself is asked in the calling thread, as far ahead as may wait.
    """
    sizes: list[int] = []
    spool = work.scratch()
    waiting: deque[Future[Sequence[bytes]]] = deque()

    def keep() -> None:
        for data in waiting.popleft().result():
            sizes.append(len(data))
            spool.write(data)

    with ThreadPoolExecutor(work.threads) as pool:
        try:
            for task in tasks:
                if len(waiting) == work.threads * 4:
                    keep()
                waiting.append(pool.submit(task))
            while waiting:
                keep()
        finally:
            for future in waiting:
                future.cancel()
    spool.flush()

    def read(offset: int, size: int) -> bytes:
        return os.pread(spool.fileno(), size, offset)

    counts = np.array(sizes, np.int64)
    offsets = np.concatenate(([0], np.cumsum(counts)[:-1]))
    return Stored(read, offsets, counts, like.encoding, rows=like.rows, columns=like.columns)


class StackedLater:
    """`Stacked` of parts of which some must be encoded first."""

    def __init__(self, parts: Sequence[Frames | Lazy]) -> None:
        self.encoding, self.rows, self.columns = parts[0].encoding, parts[0].rows, parts[0].columns
        self._parts = parts
        self._done: Frames | None = None

    def encode(self, work: Work) -> Frames:
        if self._done is None:
            self._done = Stacked([ready(part, work) for part in self._parts])
        return self._done


def stacked(parts: Sequence[Frames | Lazy]) -> Frames | Lazy:
    """One image out of its planes and paths."""
    return parts[0] if len(parts) == 1 else StackedLater(parts)


def ready(frames: Frames | Lazy, work: Work) -> Frames:
    """The frames with known lengths, encoded first if they must be; encoded once however often asked."""
    return frames if not hasattr(frames, "encode") else frames.encode(work)


def fill(pixels: Pixels, rows: int, columns: int) -> Pixels:
    """The tile at its full size; what is missing at the right and bottom repeats the edge."""
    missing = (rows - pixels.shape[0], columns - pixels.shape[1])
    if missing == (0, 0):
        return pixels
    widths = ((0, missing[0]), (0, missing[1]), (0, 0))[: pixels.ndim]
    padded: Pixels = np.pad(pixels, widths, mode="edge")
    return padded


def reduced(parent: Frames | Lazy, size: tuple[int, int], stack: int, samples: int, tile: tuple[int, int]) -> Encoded:
    """The next level: every tile is the 2 x 2 average of four of `parent`'s, which is `size` (width, height)."""
    rows, columns = tile
    across, down = -(-size[0] // columns), -(-size[1] // rows)
    half_across, half_down = -(-(size[0] // 2) // columns), -(-(size[1] // 2) // rows)
    encoding = codec.lossy(samples) if parent.encoding.bits == 8 else codec.lossless(samples, parent.encoding.bits)

    def make(index: int, work: Work) -> Pixels:
        source = ready(parent, work)
        layer, place = divmod(index, half_across * half_down)
        row, column = divmod(place, half_across)
        shape = (2 * rows, 2 * columns, 3)[: 3 if samples == 3 else 2]
        whole = np.zeros(shape, np.uint8 if parent.encoding.bits == 8 else np.uint16)
        for y in (0, 1):
            for x in (0, 1):
                r, c = 2 * row + y, 2 * column + x
                if r < down and c < across:
                    one = codec.decode(source.frame((layer * down + r) * across + c), source.encoding)
                    whole[y * rows : (y + 1) * rows, x * columns : (x + 1) * columns] = one[:rows, :columns]
        # the source's padding must not bleed into the last pixels: repeat the true edge
        high, wide = min(2 * rows, size[1] - 2 * row * rows), min(2 * columns, size[0] - 2 * column * columns)
        whole = np.asarray(fill(whole[:high, :wide], 2 * rows, 2 * columns))
        wider: Any = np.uint16 if whole.dtype == np.uint8 else np.uint32
        total: npt.NDArray[np.uint32] = whole[0::2, 0::2].astype(wider)
        for y, x in ((0, 1), (1, 0), (1, 1)):
            total += whole[y::2, x::2]
        total += 2
        total >>= 2
        result: Pixels = total.astype(whole.dtype)
        return result

    return Encoded(encoding, rows, columns, stack * half_across * half_down, make)
