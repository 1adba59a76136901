"""Whether this node can do its work: /health and the checks that `lamelle doctor` shares with it."""

import math
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import JSONResponse

from lamelle import __version__
from lamelle.archive.store import Archive
from lamelle.base.errors import LamelleError, Unavailable

HEARTBEAT_S = 5.0
"""How often a process that no request reaches shows that it lives."""
SILENCE_S = 30.0
"""A heartbeat older than this, or none so long after the start, means that the process does not run."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at; `detail` holds no secret and no patient data."""

    name: str
    ok: bool
    detail: str
    took_ms: float


def checks(archive: Archive, started_s: float, dimse: int = 0, hl7: int = 0) -> list[Check]:
    """All checks of a serving node.

    `started_s`: its time.monotonic() at the start; `dimse`, `hl7`: how many processes stand behind these ports.
    """
    wanted = {"jobs": 1} | ({"dimse": dimse} if dimse else {}) | ({"hl7": hl7} if hl7 else {})
    return [
        _check("database", lambda: database(archive)),
        _check("blobs", lambda: blobs(archive)),
        _check("space", lambda: space(archive)),
        *(
            _check(kind, partial(living, archive.settings.data_dir, kind, count, started_s))
            for kind, count in wanted.items()
        ),
    ]


def _check(name: str, look: Callable[[], str]) -> Check:
    start = time.perf_counter()
    try:
        ok, detail = True, look()
    except LamelleError as error:
        ok, detail = False, f"{error.code}: {error.message}"
    except OSError as error:
        ok, detail = False, error.strerror or type(error).__name__
    return Check(name, ok, detail, round((time.perf_counter() - start) * 1000, 2))


def database(archive: Archive) -> str:
    """The catalogue answers."""
    with archive.db.read() as connection:
        connection.execute(sa.select(1))
    return archive.db.dialect


def blobs(archive: Archive) -> str:
    """The blob store answers."""
    archive.blobs.stat("health")
    return "reachable"


def space(archive: Archive) -> str:
    """There is more room than the archive keeps in reserve.

    Raises: Unavailable low_space.
    """
    free = archive.blobs.free_bytes()
    if free is None:
        return "the store names no limit"
    if free < archive.settings.reserve_bytes:
        raise Unavailable("low_space", f"{free} bytes free, fewer than archive.reserve_bytes")
    return f"{free} bytes free"


def heartbeats(data_dir: Path, kind: str) -> list[Path]:
    """The files that processes of a kind touch every few seconds."""
    return sorted((data_dir / "run").glob(f"{kind}-*"))


@contextmanager
def beating(data_dir: Path, kind: str) -> Iterator[None]:
    """Leave heartbeats meanwhile; those of processes that were killed are cleared away."""
    folder = data_dir / "run"
    folder.mkdir(parents=True, exist_ok=True)
    for left in heartbeats(data_dir, kind):
        if silence_s(left) > SILENCE_S:
            left.unlink(missing_ok=True)
    beat, stop = folder / f"{kind}-{os.getpid()}", threading.Event()
    beat.touch()
    thread = threading.Thread(target=_beat, args=(beat, stop), name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        beat.unlink(missing_ok=True)


def _beat(path: Path, stop: threading.Event) -> None:
    while not stop.wait(HEARTBEAT_S):
        path.touch()


def silence_s(beat: Path) -> float:
    """Seconds since a heartbeat; endless for a file that has just gone."""
    try:
        return time.time() - beat.stat().st_mtime
    except FileNotFoundError:
        return math.inf


def living(data_dir: Path, kind: str, count: int, started_s: float) -> str:
    """As many processes of a kind live as there should.

    Raises: Unavailable process_silent.
    """
    found = sum(silence_s(beat) <= SILENCE_S for beat in heartbeats(data_dir, kind))
    if found >= count:
        return f"{found} running"
    if time.monotonic() - started_s < SILENCE_S:
        return "starting"
    raise Unavailable("process_silent", f"of {count} processes for {kind} {found} showed themselves lately")


def endpoint(archive: Archive, dimse: int, hl7: int = 0) -> Callable[[Request], JSONResponse]:
    """GET /health: 200 when every check holds, else 503; `dimse` and `hl7` as in `checks`."""
    started_s = time.monotonic()

    def health(request: Request) -> JSONResponse:
        """200 when this node can do its work, else 503; the body says which check failed."""
        found = checks(archive, started_s, dimse, hl7)
        ok = all(check.ok for check in found)
        body = {
            "status": "ok" if ok else "failing",
            "version": __version__,
            "checks": {c.name: {"ok": c.ok, "detail": c.detail, "took_ms": c.took_ms} for c in found},
        }
        return JSONResponse(body, 200 if ok else 503, {"cache-control": "no-store"})

    return health
