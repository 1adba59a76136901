"""Small DICOM files written by hand, explicit VR little endian unless said otherwise."""

import struct
import zlib
from collections.abc import Sequence

from lamelle.dicom.elements import LONG, UNDEFINED

JPEG_BASELINE = "1.2.840.10008.1.2.4.50"


def head(tag: int, vr: bytes, length: int, *, order: str = "<") -> bytes:
    first = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF) + vr
    return first + (struct.pack(f"{order}HI", 0, length) if vr in LONG else struct.pack(f"{order}H", length))


def element(tag: int, vr: bytes, value: bytes, *, order: str = "<") -> bytes:
    value += (b"\0" if vr in (b"UI", b"OB", b"UN") else b" ") * (len(value) % 2)
    return head(tag, vr, len(value), order=order) + value


def implicit(tag: int, value: bytes) -> bytes:
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value)) + value


def item_head(length: int) -> bytes:
    return struct.pack("<HHI", 0xFFFE, 0xE000, length)


ITEM_END = struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
SEQUENCE_END = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def sequence(tag: int, items: Sequence[bytes], *, undefined: bool, vr: bytes = b"SQ") -> bytes:
    if undefined:
        body = b"".join(item_head(UNDEFINED) + item + ITEM_END for item in items) + SEQUENCE_END
        return head(tag, vr, UNDEFINED) + body
    body = b"".join(item_head(len(item)) + item for item in items)
    return head(tag, vr, len(body)) + body


def meta(syntax: str) -> bytes:
    body = element(0x00020003, b"UI", b"1.2.3.4") + element(0x00020010, b"UI", syntax.encode())
    return bytes(128) + b"DICM" + element(0x00020000, b"UL", struct.pack("<I", len(body))) + body


def file(dataset: bytes, syntax: str = "1.2.840.10008.1.2.1") -> bytes:
    return meta(syntax) + dataset


def fragments(parts: Sequence[bytes], table: bytes = b"") -> bytes:
    body = b"".join(item_head(len(part)) + part for part in (table, *parts))
    return head(0x7FE00010, b"OB", UNDEFINED) + body + SEQUENCE_END


def jpeg(size: int, fill: bytes = b"j") -> bytes:
    return b"\xff\xd8" + fill * (size - 2)


IDENTITY = b"".join(
    (
        element(0x00080005, b"CS", b"ISO_IR 100"),
        element(0x00080016, b"UI", b"1.2.840.10008.5.1.4.1.1.77.1.6"),
        element(0x00080018, b"UI", b"1.2.3.4"),
        element(0x00100010, b"PN", "Éluard^Paul".encode("latin_1")),
        element(0x0020000D, b"UI", b"1.2.3"),
        element(0x0020000E, b"UI", b"1.2.3.1"),
    )
)


def frames(number: int) -> bytes:
    return element(0x00280008, b"IS", str(number).encode())


def _nested() -> bytes:
    inner = sequence(0x00400560, [element(0x00400551, b"LO", b"S1"), b""], undefined=True)
    icon = sequence(0x00880200, [fragments([jpeg(40)])], undefined=True)
    hidden = head(0x00090010 | 0x1001, b"UN", UNDEFINED) + item_head(UNDEFINED) + implicit(0x00100020, b"AB")
    return IDENTITY + hidden + ITEM_END + SEQUENCE_END + inner + icon


def _implicit() -> bytes:
    pairs = ((0x00080016, b"1.2.840.10008.5.1.4.1.1.7\0"), (0x00080018, b"1.2.3.4\0"), (0x0020000D, b"1.2.3\0"))
    sequence_ = implicit(0x00400560, item_head(10) + implicit(0x00400551, b"S1"))
    return b"".join(implicit(*pair) for pair in pairs) + sequence_ + implicit(0x7FE00010, bytes(100))


def _big() -> bytes:
    parts = (
        element(0x00080018, b"UI", b"1.2.3.4", order=">"),
        element(0x00280010, b"US", b"\0\x04", order=">"),
        element(0x7FE00010, b"OW", bytes(32), order=">"),
    )
    return b"".join(parts)


def _deflated() -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    native = IDENTITY + element(0x7FE00010, b"OB", bytes(3000))
    return packer.compress(native) + packer.flush()


SAMPLES: dict[str, bytes] = {
    "no pixels": file(IDENTITY),
    "nested": file(_nested()),
    "implicit": file(_implicit(), "1.2.840.10008.1.2"),
    "big endian": file(_big(), "1.2.840.10008.1.2.2"),
    "deflated": file(_deflated(), "1.2.840.10008.1.2.1.99"),
    "bare jpeg": file(IDENTITY + frames(3) + fragments([jpeg(100), jpeg(60), jpeg(80)]), JPEG_BASELINE),
    "table": file(
        IDENTITY + frames(2) + fragments([jpeg(100), b"x" * 60, jpeg(80)], struct.pack("<2I", 0, 176)), JPEG_BASELINE
    ),
    "codestreams": file(IDENTITY + frames(2) + fragments([jpeg(100), b"x" * 60, jpeg(80), b"", b"yy"]), JPEG_BASELINE),
    "extended": file(
        IDENTITY
        + frames(2)
        + element(0x7FE00001, b"OV", struct.pack("<2Q", 0, 108))
        + element(0x7FE00002, b"OV", struct.pack("<2Q", 99, 60))
        + fragments([jpeg(100), jpeg(60)]),
        JPEG_BASELINE,
    ),
    "lying table": file(
        IDENTITY + frames(2) + fragments([jpeg(100), jpeg(60)], struct.pack("<2I", 0, 100)), JPEG_BASELINE
    ),
}
