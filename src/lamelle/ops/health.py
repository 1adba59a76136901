"""Whether this node can do its work: /health and the checks that `lamelle doctor` shares with it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import JSONResponse

from lamelle import __version__
from lamelle.archive.store import Archive
from lamelle.base.errors import LamelleError, Unavailable

HEARTBEAT_S = 5.0
"""How often the jobs process shows that it lives."""
SILENCE_S = 30.0
"""A heartbeat older than this, or none so long after the start, means that no jobs run."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at; `detail` holds no secret and no patient data."""

    name: str
    ok: bool
    detail: str
    took_ms: float


def checks(archive: Archive, started_s: float) -> list[Check]:
    """All checks of a serving node; `started_s` is its time.monotonic() at the start."""
    return [
        _check("database", lambda: database(archive)),
        _check("blobs", lambda: blobs(archive)),
        _check("space", lambda: space(archive)),
        _check("jobs", lambda: jobs(archive.settings.data_dir, started_s)),
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


def heartbeat_file(data_dir: Path) -> Path:
    """Touched by the jobs process every few seconds."""
    return data_dir / "run" / "jobs"


def jobs(data_dir: Path, started_s: float) -> str:
    """The process for jobs and watched folders lives.

    Raises: Unavailable jobs_silent.
    """
    try:
        age_s = time.time() - heartbeat_file(data_dir).stat().st_mtime
    except FileNotFoundError:
        if time.monotonic() - started_s < SILENCE_S:
            return "starting"
        raise Unavailable("jobs_silent", "the jobs process does not run") from None
    if age_s > SILENCE_S:
        raise Unavailable("jobs_silent", f"the jobs process was last seen {int(age_s)} s ago")
    return "running"


def endpoint(archive: Archive) -> Callable[[Request], JSONResponse]:
    """GET /health: 200 when every check holds, else 503."""
    started_s = time.monotonic()

    def health(request: Request) -> JSONResponse:
        """200 when this node can do its work, else 503; the body says which check failed."""
        found = checks(archive, started_s)
        ok = all(check.ok for check in found)
        body = {
            "status": "ok" if ok else "failing",
            "version": __version__,
            "checks": {c.name: {"ok": c.ok, "detail": c.detail, "took_ms": c.took_ms} for c in found},
        }
        return JSONResponse(body, 200 if ok else 503, {"cache-control": "no-store"})

    return health
