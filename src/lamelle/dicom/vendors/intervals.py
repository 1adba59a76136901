"""One giant JPEG cut into DICOM tiles at its restart markers, without decoding: the entropy-coded bytes stay.

A restart interval starts with fresh predictors, so any intervals of one width, row under row, make a new JPEG.
Source: ITU-T T.81 E.1.4, F.2.1.3.1.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from lamelle.base.errors import Invalid, Unsupported
from lamelle.dicom.vendors import jpeg
from lamelle.dicom.vendors.slide import Buffer, Counts, Encoding

MAX_WIDTH = 8192
"""Widest tile worth keeping, in pixels; wider intervals are decoded and encoded again."""
_AREA = 1 << 19
_SCAN = 16 << 20


class Intervals:
    """Frames of whole restart intervals. `starts` and `sizes` are absolute, in scan order, markers left out.

    `tile_width` asks for tiles of several intervals side by side, a multiple of one's width in pixels; none may be
    wider than `widest`.
    """

    def __init__(
        self,
        read: Callable[[int, int], bytes],
        head: bytes,
        size: tuple[int, int],
        starts: Counts,
        sizes: Counts,
        encoding: Encoding,
        tile_width: int = 0,
        tile_height: int = 0,
        widest: int = MAX_WIDTH,
    ) -> None:
        parsed = jpeg.parse(head)
        self._across, self._down = grid(parsed, size, widest)
        if len(starts) != self._across * self._down:
            raise Invalid("bad_restart_intervals", f"{len(starts)} restart intervals, not {self._across * self._down}")
        self.encoding, self._read = encoding, read
        interval, unit = parsed.interval, parsed.mcu[1]
        self._wide = max(1, (tile_width or natural_width(parsed)) // interval)
        self.columns = interval * self._wide
        self._high = (tile_height or natural_height(self.columns)) // unit
        self.rows = self._high * unit
        self._head = jpeg.resized(head, parsed, self.columns, self.rows, parsed.restart)
        self._starts, self._sizes = starts.reshape(self._down, -1), sizes.reshape(self._down, -1)
        self.lengths = self._lengths()

    def _lengths(self) -> Counts:
        pad = (0, -self._down % self._high), (0, -self._across % self._wide)
        whole = np.pad(self._sizes, pad, mode="edge")
        blocks = whole.reshape(whole.shape[0] // self._high, self._high, whole.shape[1] // self._wide, self._wide)
        lengths: Counts = blocks.sum(axis=(1, 3)).ravel() + len(self._head) + 2 * self._high * self._wide
        return lengths

    def pieces(self) -> Iterator[Sequence[Buffer]]:
        for band in range(-(-self._down // self._high)):
            rows = slice(band * self._high, min((band + 1) * self._high, self._down))
            starts, sizes = self._starts[rows], self._sizes[rows]
            first, last = int(starts.min()), int((starts + sizes).max())
            data = bytearray(self._read(first - 2, last - first + 2))
            starts = starts - first + 2
            self._check(data, starts.ravel(), first_ever=band == 0)
            data += jpeg.EOI  # in the place of the marker behind the last one
            whole = self._across // self._wide if len(starts) == self._high else 0
            yield from self._runs(data, starts[:, : whole * self._wide], sizes[:, : whole * self._wide])
            view, places, counts = memoryview(data), starts.tolist(), sizes.tolist()
            for column in range(whole * self._wide, self._across, self._wide):
                yield self._tile(view, places, counts, column)

    def _runs(self, data: bytearray, starts: Counts, sizes: Counts) -> Iterator[Sequence[Buffer]]:
        """Frames wholly inside the image: a row's intervals stand side by side, so that only the markers between them,
        and behind them, are numbered anew, all of the band at once."""
        if not starts.size:
            return
        view, octets = memoryview(data), np.frombuffer(data, np.uint8)
        behind = starts + sizes
        number = np.arange(self._high)[:, None] * self._wide + np.arange(starts.shape[1]) % self._wide
        octets[behind], octets[behind + 1] = 0xFF, 0xD0 + number % 8
        begins = starts[:, :: self._wide].T.tolist()
        ends = (behind[:, self._wide - 1 :: self._wide] + 2).T.tolist()
        for begin, end in zip(begins, ends, strict=True):
            end[-1] -= 2
            yield [self._head, *(view[a:b] for a, b in zip(begin, end, strict=True)), jpeg.EOI]

    def _tile(
        self, view: memoryview, places: list[list[int]], counts: list[list[int]], column: int
    ) -> Sequence[Buffer]:
        """One frame; outside the image the last row and column of intervals are repeated."""
        chosen: list[Buffer] = []
        for row in range(self._high):
            y = min(row, len(places) - 1)
            for x in range(column, column + self._wide):
                start = places[y][min(x, self._across - 1)]
                chosen.append(view[start : start + counts[y][min(x, self._across - 1)]])
        return jpeg.join(self._head, chosen)

    def _check(self, data: bytearray, places: Counts, *, first_ever: bool) -> None:
        octets = np.frombuffer(data, np.uint8)
        places = places[1:] if first_ever else places
        if len(places) and ((octets[places - 2] != 0xFF) | (octets[places - 1] & 0xF8 != 0xD0)).any():
            raise Invalid("bad_restart_intervals", "a restart interval does not follow a restart marker")

    def frame(self, index: int) -> bytes:
        band, column = divmod(index, -(-self._across // self._wide))
        rows = slice(band * self._high, min((band + 1) * self._high, self._down))
        columns = slice(column * self._wide, min((column + 1) * self._wide, self._across))
        starts, sizes = self._starts[rows, columns].tolist(), self._sizes[rows, columns].tolist()
        chosen: list[Buffer] = []
        for row in range(self._high):
            y = min(row, len(starts) - 1)
            for x in range(self._wide):
                x = min(x, len(starts[y]) - 1)  # noqa: PLW2901
                chosen.append(self._read(starts[y][x], sizes[y][x]))
        return b"".join(jpeg.join(self._head, chosen))


def natural_width(parsed: jpeg.Header) -> int:
    """Tile width in pixels that fits the intervals: one, or as many as make 512."""
    return parsed.interval * max(1, 512 // parsed.interval)


def natural_height(width: int) -> int:
    """Tile height in pixels: 512, less for wide tiles."""
    return max(128, min(512, _AREA // width))


def grid(parsed: jpeg.Header, size: tuple[int, int], widest: int = MAX_WIDTH) -> tuple[int, int]:
    """(intervals across, down). Raises: Unsupported("ndpi_intervals") if they do not make columns or are too wide."""
    units = -(-size[0] // parsed.mcu[0])
    if not parsed.restart or units % parsed.restart:
        raise Unsupported("ndpi_intervals", "the restart intervals of a JPEG do not make columns")
    if parsed.interval > widest:
        raise Unsupported("ndpi_intervals", f"restart intervals of {parsed.interval} pixels")
    return units // parsed.restart, -(-size[1] // parsed.mcu[1])


def scan(read: Callable[[int, int], bytes], start: int, end: int) -> tuple[Counts, Counts]:
    """(starts, sizes) of the intervals in entropy-coded data, by looking for the markers."""
    starts = [np.array([start], np.int64)]
    for at in range(start, end - 1, _SCAN):
        block = np.frombuffer(read(at, min(_SCAN + 1, end - at)), np.uint8)
        found = np.flatnonzero((block[:-1] == 0xFF) & (block[1:] & 0xF8 == 0xD0))
        starts.append(found.astype(np.int64) + at + 2)
    places = np.concatenate(starts)
    return places, np.diff(places, append=end + 2) - 2
