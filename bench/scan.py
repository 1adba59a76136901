"""How fast bytes pass through the scanner: a slide of 28 kB JPEG frames in 1 MiB chunks, beside sha256 alone.

    python bench/scan.py [gigabytes]

The stream is generated, not stored: 6 GB need no more memory than 60 MB.
"""

import hashlib
import resource
import struct
import sys
import time
from collections.abc import Iterator

from lamelle.dicom.part10 import Scanner

FRAME = 28_000
CHUNK = 1 << 20


def head(count: int) -> bytes:
    number = str(count).encode()
    number += b" " * (len(number) % 2)
    return (
        bytes(128)
        + b"DICM"
        + struct.pack("<HH2sH", 2, 0x10, b"UI", 22)
        + b"1.2.840.10008.1.2.4.50"
        + struct.pack("<HH2sH", 0x28, 8, b"IS", len(number))
        + number
        + struct.pack("<HH2sHIHHI", 0x7FE0, 0x10, b"OB", 0, 0xFFFFFFFF, 0xFFFE, 0xE000, 0)
    )


def chunks(count: int) -> Iterator[bytes | memoryview]:
    """The file in pieces of at most 1 MiB; item headers fall on every place of a chunk."""
    yield head(count)
    fragment = struct.pack("<HHI", 0xFFFE, 0xE000, FRAME) + b"\xff\xd8" + bytes(range(250)) * 111 + bytes(248)
    loop = memoryview(fragment * (2 * CHUNK // len(fragment) + 2))
    total, at = count * len(fragment), 0
    while at < total:
        start = at % len(fragment)
        size = min(CHUNK, total - at)
        yield loop[start : start + size]
        at += size
    yield struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def main() -> None:
    count = int(float(sys.argv[1] if len(sys.argv) > 1 else 1) * 1e9) // FRAME
    start, size, digest = time.perf_counter(), 0, hashlib.sha256()
    for chunk in chunks(count):
        digest.update(chunk)
        size += len(chunk)
    alone = size / (time.perf_counter() - start) / 1e6
    start, scanner = time.perf_counter(), Scanner()
    for chunk in chunks(count):
        scanner.feed(chunk)
    found = scanner.finish()
    ours = size / (time.perf_counter() - start) / 1e6
    assert found.frames is not None and len(found.frames) == count
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{size / 1e9:.1f} GB, {count} frames: scan {ours:.0f} MB/s, sha256 alone {alone:.0f} MB/s, ", end="")
    print(f"ratio {ours / alone:.2f}, peak {peak} MB")


if __name__ == "__main__":
    main()
