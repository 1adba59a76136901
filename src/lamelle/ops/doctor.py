"""`lamelle doctor`: what this machine lacks to run Lamelle well, each finding with what to do about it."""

import contextlib
import importlib
import os
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final, Literal

from lamelle.base.errors import LamelleError
from lamelle.ops import serve
from lamelle.ops.config import Settings

Status = Literal["ok", "advice", "problem"]

LEAST_MEMORY: Final = 2 << 30
"""Two workers, one job process and one slide reader at its limit."""
LEAST_FREE: Final = 20 << 30
"""A day of a small scanner."""
SLOW_SYNC_S: Final = 0.05
"""A sync slower than this limits the instances stored each second more than anything else."""
NEEDED: Final = (
    "pydicom",
    "sqlalchemy",
    "uvicorn",
    "httptools",
    "starlette",
    "fastapi",
    "obstore",
    "numpy",
    "openslide-bin",
)
SAFE_OPENSLIDE: Final = (4, 0, 1)
"""Older ones can be made to write outside their memory by a file."""
CODECS: Final = ("jpeg8_decode", "jpeg2k_decode", "jpegls_decode", "jpegxl_decode", "zlib_decode")
NETWORK_FILE_SYSTEMS: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "ceph"})
YEAR_OF_THIS_CODE: Final = 2026


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `advice` says what to do and is empty when all is well."""

    name: str
    status: Status
    detail: str
    advice: str = ""


def examine(settings: Settings) -> Iterator[Finding]:
    """Every finding, in order; a check that itself fails is a problem, not the end."""
    looks: tuple[Callable[[Settings], Finding], ...] = (
        python, libraries, openslide, codecs, cropping, memory, processors, clock,
        data_folder, syncs, space, file_system, database, port, loopback,
    )  # fmt: skip
    for look in looks:
        try:
            yield look(settings)
        except LamelleError as error:
            yield Finding(look.__name__, "problem", error.message, f"error code {error.code}")
        except (OSError, ImportError) as error:
            yield Finding(look.__name__, "problem", type(error).__name__, str(error))


def python(settings: Settings) -> Finding:
    return Finding("python", "ok", f"{sys.version.split()[0]} at {sys.executable}")


def libraries(settings: Settings) -> Finding:
    missing, found = [], []
    for name in NEEDED:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding("libraries", "problem", f"missing: {', '.join(missing)}", "install Lamelle with pip again")
    return Finding("libraries", "ok", ", ".join(found))


def openslide(settings: Settings) -> Finding:
    import openslide as library

    found = library.__library_version__
    numbers = tuple(int(part) for part in found.split(".")[:3])
    if numbers < SAFE_OPENSLIDE:
        return Finding(
            "openslide", "problem", found, "install openslide-bin 4.0.1 or newer: a slide can break older ones"
        )
    return Finding("openslide", "ok", found)


def codecs(settings: Settings) -> Finding:
    library = importlib.import_module("imagecodecs")
    missing = [name.removesuffix("_decode") for name in CODECS if not hasattr(library, name)]
    if missing:
        return Finding("codecs", "problem", f"missing: {', '.join(missing)}", "install imagecodecs from PyPI again")
    return Finding("codecs", "ok", "JPEG, JPEG 2000, JPEG-LS, JPEG XL, deflate")


def cropping(settings: Settings) -> Finding:
    from lamelle.dicom.vendors import cropping as cutter

    if cutter.library() is None:
        advice = "on Debian: apt-get install libturbojpeg0; without it NDPI slides of some scanners get wide tiles"
        return Finding("libjpeg-turbo", "advice", "not installed", advice)
    return Finding("libjpeg-turbo", "ok", "cuts wide NDPI strips into tiles without loss")


def memory(settings: Settings) -> Finding:
    size = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size < LEAST_MEMORY:
        return Finding("memory", "advice", f"{size >> 20} MiB", "2 GiB or more; set serve.workers to 1")
    return Finding("memory", "ok", f"{size >> 20} MiB")


def processors(settings: Settings) -> Finding:
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if settings.serve.workers > 2 * count:
        advice = f"serve.workers {settings.serve.workers} is more than these can use"
        return Finding("processors", "advice", str(count), advice)
    return Finding("processors", "ok", str(count))


def clock(settings: Settings) -> Finding:
    now = datetime.now(UTC)
    if now.year < YEAR_OF_THIS_CODE:
        return Finding("clock", "problem", now.isoformat(timespec="seconds"), "set the clock, best by NTP")
    return Finding("clock", "ok", now.isoformat(timespec="seconds"))


def data_folder(settings: Settings) -> Finding:
    folder = serve.writable(settings.archive.data_dir)
    return Finding("data folder", "ok", f"{folder.absolute()} can be written")


def syncs(settings: Settings) -> Finding:
    """A small file made durable as ingest does it: sync, rename, sync of the folder."""
    folder = serve.writable(settings.archive.data_dir)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=folder) as name:
        source, target = Path(name) / "a", Path(name) / "b"
        with source.open("wb") as file:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
        source.rename(target)
        descriptor = os.open(name, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    took_s = time.perf_counter() - start
    if took_s > SLOW_SYNC_S:
        return Finding("durable writes", "advice", f"{took_s * 1000:.0f} ms", "faster storage stores more a second")
    return Finding("durable writes", "ok", f"{took_s * 1000:.1f} ms")


def space(settings: Settings) -> Finding:
    free = shutil.disk_usage(settings.archive.data_dir).free
    if free < settings.archive.reserve_bytes:
        return Finding("space", "problem", f"{free >> 30} GiB free", "nothing is taken in below archive.reserve_bytes")
    if free < LEAST_FREE:
        return Finding("space", "advice", f"{free >> 30} GiB free", "a slide takes one to several GiB")
    return Finding("space", "ok", f"{free >> 30} GiB free")


def file_system(settings: Settings) -> Finding:
    found = kind_of(settings.archive.data_dir.absolute())
    embedded = settings.archive.database.startswith("sqlite")
    if embedded and found in NETWORK_FILE_SYSTEMS:
        return Finding(
            "file system", "problem", found, "SQLite loses data on network shares: use a local disk or PostgreSQL"
        )
    return Finding("file system", "ok", found)


def kind_of(folder: Path) -> str:
    """The type of the file system a folder lies on, as Linux names it."""
    best, kind = "", "unknown"
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines():
            place, found = line.split()[1:3]
            inside = str(folder) == place or str(folder).startswith(place.rstrip("/") + "/")
            if inside and len(place) >= len(best):
                best, kind = place, found
    return kind


def database(settings: Settings) -> Finding:
    from lamelle.archive import grams
    from lamelle.ops import health, wiring

    archive = wiring.opened(settings)
    try:
        kind = health.database(archive)
        with archive.db.read() as conn:
            pieces = grams.there(conn)
    finally:
        archive.close()
    if not pieces:
        advice = f"parts of names are searched slowly; as its administrator: {grams.MAKE}"
        return Finding("database", "advice", f"{kind}, reachable and migrated, without pg_trgm", advice)
    engine = f"SQLite {sqlite3.sqlite_version}" if kind == "sqlite" else kind
    return Finding("database", "ok", f"{engine}, reachable and migrated")


def port(settings: Settings) -> Finding:
    serve.listening(settings.serve.host, settings.serve.port).close()
    return Finding("port", "ok", f"{settings.serve.host}:{settings.serve.port} is free")


def loopback(settings: Settings) -> Finding:
    serve.refuse_open_network(settings)
    if settings.serve.unsafe_network:
        return Finding("network", "advice", "serve.unsafe_network is on", "make sure that a proxy checks who asks")
    who = "everyone signs in" if settings.access.sign_in == "required" else "this machine only, where nobody signs in"
    return Finding("network", "ok", who)
