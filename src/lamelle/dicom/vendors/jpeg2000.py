"""JPEG 2000 codestream headers: read, and told the truth about their colours; nothing entropy-coded is touched.

Source: ITU-T T.800 annex A.
"""

import struct
from dataclasses import dataclass

from lamelle.base.errors import Invalid, Unsupported

SOC_SIZ = b"\xff\x4f\xff\x51"


@dataclass(frozen=True, slots=True)
class Header:
    """The main header's facts that DICOM repeats."""

    width: int
    height: int
    components: int
    bits: int
    subsampled: bool
    reversible: bool
    transform: bool
    """the multiple component transform is on"""
    transform_at: int
    """offset of the byte that says so"""


def parse(data: bytes | memoryview) -> Header:
    """Read SIZ and COD. Raises: Invalid("bad_jpeg2000"), Unsupported("jpeg2000_kind")."""
    data = bytes(data[:4096])
    if data[:4] != SOC_SIZ:
        raise Invalid("bad_jpeg2000", "a tile is not a JPEG 2000 codestream")
    try:
        right, bottom, left, top = struct.unpack_from(">4I", data, 8)
        (count,) = struct.unpack_from(">H", data, 40)
        parts = [struct.unpack_from(">3B", data, 42 + 3 * i) for i in range(count)] if count in (1, 3) else []
        if not parts or len({p[0] for p in parts}) != 1 or parts[0][0] & 0x80:
            raise Unsupported("jpeg2000_kind", "only 1 or 3 unsigned components of one depth are read")
        at = 4 + struct.unpack_from(">H", data, 4)[0]
        while data[at : at + 2] != b"\xff\x52":
            if data[at] != 0xFF or data[at + 1] in (0x90, 0x93, 0xD9):
                raise Invalid("bad_jpeg2000", "a JPEG 2000 header without COD")
            at += 2 + struct.unpack_from(">H", data, at + 2)[0]
        transform, wavelet = data[at + 8], data[at + 13]
    except (struct.error, IndexError) as exc:
        raise Invalid("bad_jpeg2000", "a JPEG 2000 header is cut short") from exc
    return Header(
        right - left, bottom - top, count, parts[0][0] + 1, any(p[1:] != (1, 1) for p in parts),
        wavelet == 1, transform == 1, at + 8,
    )  # fmt: skip
