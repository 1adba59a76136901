"""Tiles decoded and encoded again as JPEG by a library, without a server: run by the library's own Python.

python readers.py openslide|large_image SLIDE THREADS SECONDS

Prints one JSON object: tiles, seconds, p50_ms, p99_ms. Each thread asks for random tiles of the largest level.
"""

import io
import json
import random
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

TILE, QUALITY = 256, 90


def opened(library: str, path: str) -> tuple[Callable[[int, int], bytes], int, int]:
    """What gives tile (column, row), and how many columns and rows there are."""
    source: Any
    if library == "openslide":
        import openslide  # type: ignore[import-untyped, unused-ignore]

        source = openslide.OpenSlide(path)

        def read(column: int, row: int) -> bytes:
            out = io.BytesIO()
            region = source.read_region((column * TILE, row * TILE), 0, (TILE, TILE))
            region.convert("RGB").save(out, "JPEG", quality=QUALITY)
            return out.getvalue()

        return read, source.dimensions[0] // TILE, source.dimensions[1] // TILE
    import large_image  # type: ignore[import-not-found, unused-ignore]

    source = large_image.open(path, encoding="JPEG", jpegQuality=QUALITY)
    level = source.levels - 1
    return lambda column, row: bytes(source.getTile(column, row, level)), source.sizeX // TILE, source.sizeY // TILE


def main() -> None:
    library, path, threads, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    read, columns, rows = opened(library, path)
    times: list[float] = []

    def work(seed: int, end: float) -> None:
        rng = random.Random(seed)
        while (begun := time.perf_counter()) < end:
            assert read(rng.randrange(columns), rng.randrange(rows))[:2] == b"\xff\xd8"
            times.append(time.perf_counter() - begun)

    work(0, time.perf_counter() + 0.5)
    times.clear()
    begun = time.perf_counter()
    workers = [threading.Thread(target=work, args=(k + 1, begun + seconds)) for k in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    took = time.perf_counter() - begun
    times.sort()
    p50, p99 = (times[int(len(times) * share)] * 1000 for share in (0.5, 0.99))
    print(json.dumps({"tiles": len(times), "seconds": took, "p50_ms": p50, "p99_ms": p99}))


if __name__ == "__main__":
    main()
