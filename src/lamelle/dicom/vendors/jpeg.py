"""JPEG streams taken apart and put together without touching entropy-coded data.

No pixels are decoded here. Source: ITU-T T.81 annex B; Adobe TN 5116 (APP14).
"""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lamelle.base.errors import Invalid, Unsupported
from lamelle.dicom.vendors.slide import Buffer

SOI, EOI = b"\xff\xd8", b"\xff\xd9"


def adobe(transform: int) -> bytes:
    """An APP14 segment; transform 0 says RGB (or unknown), 1 says YCbCr."""
    return b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00" + bytes([transform])


def segments(data: bytes | memoryview) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of each segment up to and with SOS or EOI; `start` is the marker's own offset.

    Raises: Invalid("bad_jpeg").
    """
    if bytes(data[:2]) != SOI:
        raise Invalid("bad_jpeg", "a JPEG tile does not begin with SOI")
    at = 2
    while at + 2 <= len(data):
        if data[at] != 0xFF:
            raise Invalid("bad_jpeg", "a JPEG marker is not where it should be")
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker == 0xD9:
            yield marker, at, at + 2
            return
        if at + 4 > len(data):
            break
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if end < at + 4 or end > len(data):
            break
        yield marker, at, end
        if marker == 0xDA:
            return
        at = end
    raise Invalid("bad_jpeg", "a JPEG header is cut short")


@dataclass(frozen=True, slots=True)
class Header:
    """What a JPEG stream says before its first entropy-coded byte."""

    width: int
    height: int
    components: tuple[tuple[int, int, int], ...]
    """(identifier, horizontal, vertical sampling) of each"""
    frame: tuple[int, int]
    """start and end of the SOF segment"""
    scan: int
    """where entropy-coded data begin"""
    restart: int
    adobe: int | None
    jfif: bool

    @property
    def mcu(self) -> tuple[int, int]:
        """(width, height) of a minimum coded unit in pixels."""
        if len(self.components) == 1:
            return 8, 8
        return 8 * max(c[1] for c in self.components), 8 * max(c[2] for c in self.components)

    @property
    def interval(self) -> int:
        """Width of a restart interval in pixels, 0 without markers."""
        return self.restart * self.mcu[0]


def parse(data: bytes | memoryview) -> Header:
    """Read a baseline stream's header (its tables may be elsewhere).

    Raises: Invalid("bad_jpeg"), Unsupported("jpeg_process") for what is not 8-bit sequential Huffman.
    """
    frame: tuple[int, int] | None = None
    restart, transform, jfif, scan = 0, None, False, 0
    width = height = 0
    components: tuple[tuple[int, int, int], ...] = ()
    for marker, start, end in segments(data):
        body = bytes(data[start + 4 : end])
        if marker == 0xC0 and len(body) >= 6:
            precision, height, width, count = struct.unpack_from(">BHHB", body)
            if precision != 8 or len(body) < 6 + 3 * count or count not in (1, 3):
                raise Unsupported("jpeg_process", "only 8-bit JPEG of 1 or 3 components is read")
            components = tuple((body[6 + 3 * i], body[7 + 3 * i] >> 4, body[7 + 3 * i] & 15) for i in range(count))
            if any(not (0 < h <= 4 and 0 < v <= 4) for _, h, v in components):
                raise Invalid("bad_jpeg", "a JPEG sampling factor is out of range")
            frame = start, end
        elif 0xC1 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            raise Unsupported("jpeg_process", f"JPEG process of marker FF{marker:02X} is not baseline")
        elif marker == 0xDD and len(body) >= 2:
            restart = int.from_bytes(body[:2], "big")
        elif marker == 0xEE and body[:5] == b"Adobe" and len(body) >= 12:
            transform = body[11]
        elif marker == 0xE0 and body[:5] == b"JFIF\0":
            jfif = True
        elif marker == 0xDA:
            scan = end
    if frame is None or not scan:
        raise Invalid("bad_jpeg", "a JPEG stream without a frame or a scan")
    return Header(width, height, components, frame, scan, restart, transform, jfif)


def tables(data: bytes) -> bytes:
    """The segments of a TIFF JPEGTables value without its SOI and EOI; b"" for none."""
    if not data:
        return b""
    body = b""
    for marker, start, end in segments(data):
        if marker not in (0xD9, 0xDA):
            body += data[start:end]
    return body


def resized(header: bytes, parsed: Header, width: int, height: int, restart: int) -> bytes:
    """The header bytes (SOI to SOS) for another size and restart interval, everything else as it was."""
    out = SOI
    for marker, start, end in segments(header):
        segment = header[start:end]
        if marker == 0xDD:
            continue
        if marker == 0xC0:
            segment = segment[:5] + struct.pack(">HH", height, width) + segment[9:]
        if marker == 0xDA and restart:
            out += b"\xff\xdd\x00\x04" + struct.pack(">H", restart)
        out += segment
    return out


def join(head: bytes, intervals: Sequence[Buffer]) -> list[Buffer]:
    """Pieces of one stream out of restart intervals (without their markers); RSTn are numbered anew."""
    pieces: list[Buffer] = [head]
    for number, interval in enumerate(intervals):
        pieces.append(interval)
        pieces.append(bytes((0xFF, 0xD0 + number % 8)))
    pieces[-1] = EOI
    return pieces
