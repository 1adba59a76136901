"""From one TIFF directory to frames, whatever its compression: shared by all formats that are TIFF inside.

The decision table: baseline JPEG and JPEG 2000 tiles are passed on as they are; lossless storage becomes
JPEG 2000 lossless; strips are joined without decoding when they are JPEG of one kind, else encoded once.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime

import numpy as np

from lamelle.base.errors import Invalid, TooLarge, Unsupported
from lamelle.dicom.vendors import codec, jpeg, jpeg2000
from lamelle.dicom.vendors.slide import (
    JPEG_2000,
    JPEG_2000_LOSSLESS,
    Buffer,
    Encoding,
    Frames,
    Lazy,
    Pixels,
    Work,
)
from lamelle.dicom.vendors.tiff import Directory, Segments
from lamelle.dicom.vendors.tiles import Encoded, Stored

JPEG, JPEG_2000_APERIO_YCBCR, JPEG_2000_TIFF, JPEG_2000_APERIO_RGB = 7, 33003, 34712, 33005
ICC_TAG, JPEG_TABLES = 34675, 347
MAX_RASTER_BYTES = 4 << 30
IN_MEMORY_BYTES = 48 << 20


def frames(directory: Directory, tile_size: int = 512, size: tuple[int, int] | None = None) -> Frames | Lazy:
    """The directory's image as frames; `size` leaves out tiles outside (width, height).

    Raises: Invalid or Unsupported with the reason.
    """
    if not directory.tiled:
        return flat(directory, tile_size, tiled=True)
    if directory.compression == JPEG:
        return _jpeg_tiles(directory, size)
    if directory.compression in (JPEG_2000_APERIO_YCBCR, JPEG_2000_APERIO_RGB, JPEG_2000_TIFF):
        return _jpeg2000_tiles(directory, size)
    if codec.plain(directory):
        return _plain_tiles(directory)
    raise Unsupported("tiff_compression", f"TIFF compression {directory.compression} is not read")


def _within(directory: Directory, size: tuple[int, int] | None) -> Segments:
    segments = directory.segments()
    if size is None:
        return segments
    columns, rows = directory.tile
    across, down = -(-size[0] // columns), -(-size[1] // rows)
    shape = -(-directory.height // rows), -(-directory.width // columns)
    offsets, lengths = (part.reshape(shape)[:down, :across].ravel() for part in (segments.offsets, segments.lengths))
    return Segments(offsets, lengths)


def _first(directory: Directory, segments: Segments) -> bytes:
    filled = np.flatnonzero(segments.lengths)
    if not len(filled):
        raise Invalid("no_tiles", "every tile of the image is empty")
    index = filled[0]
    return directory.file.read(int(segments.offsets[index]), min(int(segments.lengths[index]), 1 << 16))


def color(directory: Directory, header: jpeg.Header) -> tuple[Encoding, bytes]:
    """The encoding that describes a JPEG of this directory, and the APP14 segment it needs to be read so.

    The TIFF's photometric interpretation is believed over a decoder's guess, as by the makers' own readers:
    RGB-coded Aperio tiles carry no marker and would else be taken for YCbCr.
    """
    if len(header.components) == 1:
        return codec.JPEG_GRAY, b""
    rgb = directory.photometric == 2
    if header.adobe is not None:
        if (header.adobe == 0) != rgb:
            raise Unsupported("contradictory_colors", "TIFF and JPEG disagree on the colour space")
        return (codec.JPEG_RGB if rgb else codec.JPEG_YCBCR), b""
    if header.jfif:
        # JFIF is YCbCr by definition and outranks APP14 in decoders; some writers call the TIFF RGB all the same
        return codec.JPEG_YCBCR, b""
    if rgb:
        return codec.JPEG_RGB, jpeg.adobe(0)
    named = bytes(c[0] for c in header.components) == b"RGB"
    return codec.JPEG_YCBCR, jpeg.adobe(1) if named else b""


def _jpeg_tiles(directory: Directory, size: tuple[int, int] | None) -> Frames:
    if directory.number(284, 1) == 2 and directory.samples > 1:
        raise Unsupported("planar_jpeg", "JPEG with one plane a colour is not read")
    segments = _within(directory, size)
    columns, rows = directory.tile
    shared = jpeg.tables(directory.raw(JPEG_TABLES) or b"")
    tile = _first(directory, segments)
    header = jpeg.parse(jpeg.SOI + shared + tile[2:])
    if tile[:2] != jpeg.SOI:
        raise Invalid("bad_jpeg", "a JPEG tile does not begin with SOI")
    if len(header.components) != directory.samples:
        raise Invalid("bad_jpeg", "a JPEG tile has another number of components than its TIFF says")
    encoding, marker = color(directory, header)
    prefix = jpeg.SOI + marker + shared
    start = header.frame[0] - len(shared)
    proof = tile[start : start + header.frame[1] - header.frame[0]]
    facts = header.width, header.height, header.components, header.adobe

    def verify(data: bytes) -> None:
        one = jpeg.parse(jpeg.SOI + shared + data[2:])
        if (one.width, one.height, one.components, one.adobe) != facts:
            raise Invalid("tile_mismatch", "a JPEG tile has another size or colour coding than its neighbours")

    if (header.width, header.height) != (columns, rows):
        raise Unsupported("tile_mismatch", "JPEG tiles of another size than the TIFF says")
    blank = codec.blank(encoding, rows, columns) if (segments.lengths == 0).any() else b""
    return Stored(
        directory.file.read, segments.offsets, segments.lengths, encoding, rows=rows, columns=columns,
        lead=jpeg.SOI, prefix=prefix, blank=blank, proof=(start, proof), verify=verify,
    )  # fmt: skip


def _jpeg2000_tiles(directory: Directory, size: tuple[int, int] | None) -> Frames:
    segments = _within(directory, size)
    columns, rows = directory.tile
    tile = _first(directory, segments)
    header = jpeg2000.parse(tile)
    if (header.width, header.height) != (columns, rows) or header.components != directory.samples:
        raise Unsupported("tile_mismatch", "JPEG 2000 tiles of another size or kind than the TIFF says")
    if header.subsampled:
        raise Unsupported("jpeg2000_subsampled", "JPEG 2000 with subsampled colours has no place in DICOM")
    lead, prefix = tile[: header.transform_at + 1], tile[: header.transform_at + 1]
    photometric = "RGB" if header.components == 3 else "MONOCHROME2"
    if header.transform:
        photometric = "YBR_RCT" if header.reversible else "YBR_ICT"
    elif directory.compression == JPEG_2000_APERIO_YCBCR or (header.components == 3 and directory.photometric == 6):
        # the components are YCbCr but the codestream does not say so; the irreversible transform is that very
        # conversion (T.800 G.3), so saying "it was applied" in one header byte makes the tile self-describing
        if header.reversible:
            raise Unsupported("jpeg2000_ycbcr", "reversible JPEG 2000 of YCbCr components has no place in DICOM")
        photometric = "YBR_ICT"
        prefix = lead[:-1] + b"\x01"
    syntax = JPEG_2000_LOSSLESS if header.reversible else JPEG_2000
    encoding = Encoding(
        syntax, photometric, header.components, 8 if header.bits <= 8 else 16, lossy=not header.reversible
    )
    blank = codec.blank(encoding, rows, columns) if (segments.lengths == 0).any() else b""
    return Stored(
        directory.file.read, segments.offsets, segments.lengths, encoding, rows=rows, columns=columns,
        lead=lead, prefix=prefix, blank=blank,
    )  # fmt: skip


def _plain_tiles(directory: Directory) -> Lazy:
    codec.check_plain(directory)
    segments = directory.segments()
    columns, rows = directory.tile
    if columns * rows * directory.samples > 64 << 20:
        raise TooLarge("tile_too_large", f"tiles of {columns} x {rows} pixels")
    planar = directory.number(284, 1) == 2 and directory.samples > 1
    count = directory.segment_count() // (directory.samples if planar else 1)

    def one(index: int, samples: int) -> Pixels:
        size = int(segments.lengths[index])
        if not size:
            shape = (rows, columns, samples) if samples > 1 else (rows, columns)
            kind = np.uint16 if directory.bits == 16 else np.uint8
            return np.full(shape, 255 if directory.samples == 3 else 0, kind)
        data = directory.file.read(int(segments.offsets[index]), size)
        return codec.segment(directory, data, rows, columns, samples)

    def make(index: int, work: Work) -> Pixels:
        if planar:
            return np.stack([one(index + plane * count, 1) for plane in range(directory.samples)], axis=-1)
        return one(index, directory.samples)

    return Encoded(codec.lossless(directory.samples, directory.bits), rows, columns, count, make)


def flat(directory: Directory, tile_size: int = 512, *, tiled: bool = False) -> Frames | Lazy:
    """An image in strips: one JPEG joined bit-exactly where possible, else tiles encoded once."""
    if directory.compression == JPEG:
        joined = _joined_strips(directory)
        if joined is not None and (not tiled or max(directory.width, directory.height) <= tile_size):
            return joined
    elif not codec.plain(directory):
        raise Unsupported("tiff_compression", f"TIFF compression {directory.compression} is not read")
    else:
        codec.check_plain(directory)
    return _raster(directory, tile_size, tiled)


class Whole:
    """One frame already in memory."""

    def __init__(self, data: bytes, encoding: Encoding, rows: int, columns: int) -> None:
        self.encoding, self.rows, self.columns, self._data = encoding, rows, columns, data
        self.lengths = np.array([len(data)], np.int64)

    def pieces(self) -> Iterator[Sequence[Buffer]]:
        yield (self._data,)

    def frame(self, index: int) -> bytes:
        return self._data


def whole_jpeg(data: bytes, directory: Directory | None = None) -> Whole:
    """A complete JPEG as the one frame of an image. Raises: Invalid, Unsupported."""
    header = jpeg.parse(data)
    if not header.width or not header.height:
        raise Invalid("bad_jpeg", "a JPEG without a size")
    if directory is not None:
        encoding, marker = color(directory, header)
    else:
        rgb = header.adobe == 0 or (header.adobe is None and bytes(c[0] for c in header.components) == b"RGB")
        encoding, marker = (codec.JPEG_RGB if rgb else codec.JPEG_YCBCR), b""
        if len(header.components) == 1:
            encoding = codec.JPEG_GRAY
    return Whole(jpeg.SOI + marker + data[2:], encoding, header.height, header.width)


def _joined_strips(directory: Directory) -> Frames | None:
    """All strips as restart intervals of one JPEG; None if they are not alike enough."""
    if directory.width > 65535 or directory.height > 65535 or directory.number(284, 1) == 2:
        return None
    segments = directory.segments()
    if segments.lengths.sum() > 64 << 20 or not segments.lengths.all():
        return None
    shared = jpeg.tables(directory.raw(JPEG_TABLES) or b"")
    strips = [directory.file.read(int(o), int(n)) for o, n in zip(segments.offsets, segments.lengths, strict=True)]
    streams = [jpeg.SOI + shared + strip[2:] for strip in strips]
    headers = [jpeg.parse(stream) for stream in streams]
    first = headers[0]
    encoding, marker = color(directory, first)
    if len(strips) == 1:
        if (first.width, first.height) != (directory.width, directory.height):
            return None
        return Whole(jpeg.SOI + marker + streams[0][2:], encoding, directory.height, directory.width)
    high = first.mcu[1]
    heads = {stream[: header.frame[0]] + stream[header.frame[1] : header.scan]
             for stream, header in zip(streams, headers, strict=True)}  # fmt: skip
    alike = len(heads) == 1 and all(h.width == directory.width and not h.restart for h in headers)
    if not alike or any(h.height != first.height for h in headers[:-1]) or first.height % high:
        return None
    interval = -(-directory.width // first.mcu[0]) * (first.height // high)
    intervals = [s[h.scan : -2] for s, h in zip(streams, headers, strict=True) if s.endswith(jpeg.EOI)]
    if len(intervals) != len(streams) or interval > 65535:
        return None
    head = jpeg.resized(streams[0][: first.scan], first, directory.width, directory.height, interval)
    data = b"".join(jpeg.join(jpeg.SOI + marker + head[2:], intervals))
    return Whole(data, encoding, directory.height, directory.width)


def _raster(directory: Directory, tile_size: int, tiled: bool) -> Lazy:
    width, height, samples = directory.width, directory.height, directory.samples
    total = width * height * samples * directory.bits // 8
    if total > MAX_RASTER_BYTES:
        raise TooLarge("strips_too_large", f"{width} x {height} pixels in strips; only tiles are read at that size")
    directory.segments()
    # levels of one pyramid share a tile size, also a level smaller than a tile: some readers insist on it
    whole = not tiled and max(width, height) <= tile_size
    columns, rows = (width, height) if whole else (tile_size, tile_size)
    across, down = -(-width // columns), -(-height // rows)
    encoding = codec.lossy(samples) if directory.compression == JPEG else codec.lossless(samples, directory.bits)
    held: list[Pixels] = []

    def make(index: int, work: Work) -> Pixels:
        row, column = divmod(index, across)
        return held[0][row * rows : (row + 1) * rows, column * columns : (column + 1) * columns]

    class Raster(Encoded):
        """Strips decoded once, into memory or a mapped scratch file, before the tiles are cut."""

        def encode(self, work: Work) -> Frames:
            if not held:
                held.append(_decode_strips(directory, work, total))
            try:
                return super().encode(work)
            finally:
                held[0] = held[0][:0]

    return Raster(encoding, rows, columns, across * down, make)


def _decode_strips(directory: Directory, work: Work, total: int) -> Pixels:
    width, height, samples = directory.width, directory.height, directory.samples
    shape = (height, width, samples) if samples > 1 else (height, width)
    dtype = np.dtype(np.uint16 if directory.bits == 16 else np.uint8)
    mapped = total > IN_MEMORY_BYTES
    image: Pixels = np.memmap(work.scratch(), dtype, "w+", shape=shape) if mapped else np.zeros(shape, dtype)
    segments, step = directory.segments(), min(directory.number(278, height) or height, height)
    shared = jpeg.tables(directory.raw(JPEG_TABLES) or b"")
    planar = directory.number(284, 1) == 2 and samples > 1
    strips = -(-height // step)
    for index in range(len(segments.offsets)):
        plane, strip = divmod(index, strips)
        top = strip * step
        rows = min(step, height - top)
        data = directory.file.read(int(segments.offsets[index]), int(segments.lengths[index]))
        if directory.compression == JPEG:
            stream = jpeg.SOI + shared + data[2:]
            encoding, marker = color(directory, jpeg.parse(stream))
            pixels = codec.decode(jpeg.SOI + marker + stream[2:], encoding)[:rows]
        else:
            pixels = codec.segment(directory, data, rows, width, 1 if planar else samples)
        target = image[top : top + rows, :, plane] if planar else image[top : top + rows]
        if pixels.shape != target.shape:
            raise Invalid("bad_tile", "a strip has another size than its image")
        target[:] = pixels
    return image


def icc(directory: Directory) -> bytes | None:
    """The embedded ICC profile (tag 34675), if any."""
    return directory.raw(ICC_TAG)


def mm_per_pixel(directory: Directory) -> float | None:
    """Column spacing from the resolution tags; None if absent or not plausible for a microscope (20 nm - 20 um)."""
    per_unit = directory.real(282)
    unit = {2: 25.4, 3: 10.0}.get(directory.number(296, 2), 0.0)
    size = unit / per_unit if per_unit else 0.0
    return size if 0.00002 <= size <= 0.02 else None


def date_time(directory: Directory) -> datetime | None:
    """The TIFF DateTime tag (306), without a time zone; None if absent or unreadable."""
    try:
        return datetime.strptime(directory.text(306), "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
