"""A whole slide by WADO-RS (`wado`): megabytes a second, read and thrown away by one client."""

import http.client
import time
from urllib.parse import urlsplit

from bench import material, tiles
from bench.lines import Line, watched
from bench.plan import Facts, Plan, costs, repeated
from bench.servers import Server

ACCEPT = 'multipart/related; type="application/dicom"; transfer-syntax=*'
PIECE = 1 << 20


def wado(plan: Plan) -> None:
    """One instance of 350 MB, alone in its answer, with its transfer syntax as stored."""
    slide = material.slide(plan.work, plan.side)
    path = slide.frames_path.removesuffix("/frames")
    size = slide.path.stat().st_size
    sides = {}
    for name, start in tiles.stored(plan):
        with start() as server:
            _read(server, path, size)
            sides[name] = repeated(plan.runs, lambda _, server=server: _timed(server, path, size))  # type: ignore[misc]
    values = {name: rate for name, (rate, _) in sides.items()}
    facts = {name: facts for name, (_, facts) in sides.items()}
    plan.book.add(Line(f"WADO-RS of a slide of {size / 1e6:.0f} MB", "MB/s", "more", values, facts))


def _timed(server: Server, path: str, size: int) -> tuple[float, Facts]:
    begun = time.perf_counter()
    with watched(server.pid) as spent:
        count = _read(server, path, size)
    return count / 1e6 / (time.perf_counter() - begun), costs(spent)


def _read(server: Server, path: str, size: int) -> int:
    """Bytes of the answer, which must hold the file."""
    parts = urlsplit(server.root)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=600)
    connection.request("GET", parts.path + path, headers={"Accept": ACCEPT})
    answer = connection.getresponse()
    assert answer.status == 200, (server.name, answer.status)
    piece, count = bytearray(PIECE), 0
    while got := answer.readinto(piece):
        count += got
    connection.close()
    assert count >= size, (server.name, count)
    return count
