"""An sRGB input profile made of nothing but numbers: the same bytes on every machine.

For slides whose file holds no profile; the DICOM says that it is assumed. Source: ICC.1:2001-04; PS3.3 C.11.15.
"""

import struct

_D50 = (0.9642, 1.0, 0.8249)
_PRIMARIES = {"r": (0.43607, 0.22249, 0.01392), "g": (0.38515, 0.71687, 0.09708), "b": (0.14307, 0.06061, 0.71410)}


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(struct.pack(">i", round(v * 65536)) for v in values)


def _curve(points: int = 1024) -> bytes:
    values = (i / (points - 1) for i in range(points))
    linear = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in values)
    return b"curv\0\0\0\0" + struct.pack(f">I{points}H", points, *(round(v * 65535) for v in linear))


def _description(text: bytes) -> bytes:
    return b"desc\0\0\0\0" + struct.pack(">I", len(text) + 1) + text + b"\0" + bytes(8 + 3 + 67)


def srgb() -> bytes:
    """The profile: class input device, RGB to XYZ. Source of the curve: IEC 61966-2-1."""
    curve = _curve()
    tags: list[tuple[bytes, bytes]] = [
        (b"desc", _description(b"sRGB (assumed)")),
        (b"cprt", b"text\0\0\0\0Public domain\0"),
        (b"wtpt", _xyz(_D50)),
        *((name.encode() + b"XYZ", _xyz(value)) for name, value in _PRIMARIES.items()),
        *((name.encode() + b"TRC", curve) for name in "rgb"),
    ]
    offset, table, body, placed = 128 + 4 + 12 * len(tags), b"", b"", dict[bytes, int]()
    for name, data in tags:
        if data not in placed:
            placed[data] = offset + len(body)
            body += data + bytes(-len(data) % 4)
        table += name + struct.pack(">II", placed[data], len(data))
    header = struct.pack(">I4sI4s4s4s", offset + len(body), b"\0\0\0\0", 0x02400000, b"scnr", b"RGB ", b"XYZ ")
    header += struct.pack(">6H4s", 2020, 1, 1, 0, 0, 0, b"acsp")
    header = header.ljust(68, b"\0") + b"".join(struct.pack(">i", round(v * 65536)) for v in _D50)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def is_rgb_profile(data: bytes) -> bool:
    """True if `data` look like an ICC profile for RGB, whole."""
    return len(data) > 132 and data[36:40] == b"acsp" and data[16:20] == b"RGB " and data[:4] == len(data).to_bytes(4)
