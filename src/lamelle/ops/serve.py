"""`lamelle serve`: the processes of one node, what each does, and what must be so before they start.

One parent that listens; N workers that accept on its socket and answer HTTP; N children behind the DICOM port, if there
is one, and one behind the HL7 port; a child for jobs and watched folders. How children are born, watched and ended is
in children; what they do is in answering and wiring.
"""

import fcntl
import gc
import importlib
import ipaddress
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Final

from lamelle.base import telemetry, tls
from lamelle.base.errors import Conflict, Denied, LamelleError, Unavailable
from lamelle.base.folders import make_durably
from lamelle.doors.listening import listen
from lamelle.ops import children, signals
from lamelle.ops.children import Child, Family, Say
from lamelle.ops.config import Settings

SHARED: Final = (
    "lamelle.ops.answering",
    "lamelle.doors.dimse.server",
    "lamelle.doors.dimse.forwarding",
    "lamelle.doors.dimse.notifying",
    "lamelle.doors.hl7.server",
    "lamelle.doors.hl7.telling",
    "prometheus_client.mmap_dict",
    "uvloop",
)
"""What is imported once for all children: with these comes nearly everything that they need."""
GRACE_S = 5.0
"""What a child that stops by itself gets beyond its own time for it."""


def serve(settings: Settings, announce: Callable[[str], None] = print) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP; requests in flight finish first.

    Raises: Denied not_loopback; Unavailable data_dir_not_writable, port_in_use; Conflict data_dir_in_use.
    """
    refuse_open_network(settings)
    with ExitStack() as held_open:
        lock = held_open.enter_context(held(writable(settings.archive.data_dir)))
        held_open.enter_context(_metrics_folder(settings.archive.data_dir / "run" / "metrics"))
        web = held_open.enter_context(listening(settings.serve.host, settings.serve.port))
        load()
        children.apart(lambda: _started(settings, announce))  # migrates, and says what is wrong
        dicom = dicom_door(settings)
        if dicom is not None:
            held_open.enter_context(dicom)
            announce(f"Lamelle receives DICOM on {_shown(*dicom.getsockname()[:2])} as {settings.dimse.aet}")
        hl7 = hl7_door(settings)
        if hl7 is not None:
            held_open.enter_context(hl7)
            announce(f"Lamelle receives HL7 on {_shown(*hl7.getsockname()[:2])}")
        where = _shown(settings.serve.host, web.getsockname()[1])
        scheme = "https" if settings.serve.tls_cert else "http"
        private = [thing for thing in (lock, web, dicom, hl7) if thing is not None]
        family = Family(
            list(_places(settings, web, dicom, hl7)),
            private,
            lambda: announce(f"Lamelle listens on {scheme}://{where}"),
        )
        family.live()
        children.apart(lambda: _stopped(settings))


def load() -> None:
    """Import what the children need; they share its memory as long as nobody writes to it."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy would start one thread for each core
    for name in SHARED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # a child's collector leaves it alone, and with it the pages


def _started(settings: Settings, announce: Callable[[str], None]) -> None:
    from lamelle.ops import answering, wiring

    answering.secure(settings.serve)
    wiring.started(settings, announce)


def _stopped(settings: Settings) -> None:
    from lamelle.ops import wiring

    wiring.stopped(settings)


def _places(
    settings: Settings, web: socket.socket, dicom: socket.socket | None, hl7: socket.socket | None
) -> Iterator[Child]:
    stop_timeout_s = settings.serve.stop_timeout_s
    for _ in range(settings.serve.workers):
        yield Child("lamelle worker", lambda ready: answer(settings, web, ready), stop_timeout_s + GRACE_S, (web,))
    yield Child("lamelle jobs", lambda _: tend(settings), stop_timeout_s)
    if dicom is not None:
        for _ in range(settings.dimse.workers):
            yield Child("lamelle dimse", lambda _: receive(settings, dicom), stop_timeout_s + GRACE_S, (dicom,))
    if hl7 is not None:
        yield Child("lamelle hl7", lambda _: exchange(settings, hl7), stop_timeout_s + GRACE_S, (hl7,))


# -- what the processes do -------------------------------------------------------------------------------------------


def answer(settings: Settings, listener: socket.socket, ready: Say) -> None:
    """Answer HTTP requests until SIGTERM."""
    from lamelle.ops import answering

    for number in signals.POLITE:
        signal.signal(number, lambda *_: sys.exit(0))
    answering.answer(settings, listener, ready)


def receive(settings: Settings, listener: socket.socket) -> None:
    """Accept DICOM associations until SIGTERM; messages in work finish first."""
    from lamelle.ops import health, wiring

    with health.beating(settings.archive.data_dir, "dimse"):
        wiring.receive(settings, listener, settings.serve.stop_timeout_s)


def exchange(settings: Settings, listener: socket.socket) -> None:
    """Accept HL7 connections until SIGTERM; messages in work are answered first."""
    from lamelle.ops import health, wiring

    with health.beating(settings.archive.data_dir, "hl7"):
        wiring.exchange(settings, listener, settings.serve.stop_timeout_s)


def tend(settings: Settings) -> None:
    """Run jobs and watched folders until SIGTERM, leaving a heartbeat for /health."""
    from lamelle.ops import health, wiring

    stop = threading.Event()
    signals.on_end(stop.set)
    try:
        with health.beating(settings.archive.data_dir, "jobs"):
            wiring.tend(settings, stop)
    except LamelleError:
        raise
    except Exception as error:  # noqa: BLE001  its message may quote data: the log gets its place, not its words
        telemetry.log("jobs.crashed", level="error", **telemetry.trace(error))
        raise SystemExit(1) from None


# -- before starting -------------------------------------------------------------------------------------------------


def refuse_open_network(settings: Settings) -> None:
    """Others may ask only where they sign in, and nobody between can read along (ADR 0019)."""
    host = settings.serve.host
    if settings.web.demo and not is_loopback(host):
        raise Denied(
            "demo_not_loopback",
            f"web.demo shows passwords to whoever opens the sign-in page, and serve.host {host} is for the network; "
            "take web.demo out of the settings",
        )
    if settings.access.sign_in == "none":
        telemetry.log("serve.nobody_signs_in", level="warning", host=host)
        if not (settings.serve.unsafe_network or is_loopback(host)):
            raise Denied(
                "not_loopback",
                f"nobody signs in (access.sign_in is none), so serve.host {host} would let anyone on the network read "
                "every image; behind a proxy that checks who asks, set LAMELLE_SERVE_UNSAFE_NETWORK=true",
            )
    elif not (
        settings.serve.tls_cert or settings.serve.tls_proxy or settings.serve.unsafe_network or is_loopback(host)
    ):
        raise Denied(
            "no_tls",
            f"passwords and images would cross the network to serve.host {host} in the clear; give serve.tls_cert, or "
            "behind a proxy that speaks TLS with everybody set LAMELLE_SERVE_TLS_PROXY=true",
        )


def dicom_door(settings: Settings) -> socket.socket | None:
    """The socket of the DICOM port; None when none is asked for.

    Raises: Denied dimse_not_loopback, port_denied; Unavailable port_in_use; Invalid bad_certificate.
    """
    dimse = settings.dimse
    if dimse.port is None:
        return None
    if not dimse.peers and not is_loopback(dimse.host):
        raise Denied(
            "dimse_not_loopback",
            f"dimse.host {dimse.host} would let anyone store and fetch images; name in dimse.peers who may",
        )
    tls.server_context(dimse.certificates, dimse.tls_require_client)
    return listening(dimse.host, dimse.port)


def hl7_door(settings: Settings) -> socket.socket | None:
    """The socket of the HL7 port; None when none is asked for.

    Raises: Denied hl7_not_loopback, port_denied; Unavailable port_in_use; Invalid bad_certificate, bad_dialect.
    """
    hl7 = settings.hl7
    for peer in hl7.peers:
        from lamelle.doors.hl7 import dialect

        dialect.load(peer.dialect)
    if hl7.port is None:
        return None
    if not hl7.peers and not is_loopback(hl7.host):
        raise Denied(
            "hl7_not_loopback", f"hl7.host {hl7.host} would let anyone change cases; name in hl7.peers who may"
        )
    tls.server_context(hl7.certificates)
    return listening(hl7.host, hl7.port)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def listening(host: str, port: int) -> socket.socket:
    """A socket that listens on `port`, or on any free one for 0; all workers accept from it.

    Raises: Unavailable port_in_use, also for an address that this machine has not; Denied port_denied.
    """
    try:
        return listen(host, port)
    except PermissionError as error:
        raise Denied("port_denied", f"port {port} needs more rights; take one above 1023") from error
    except OSError as error:
        why = f"cannot listen on {host}:{port}: {error.strerror}; choose another with --port"
        raise Unavailable("port_in_use", why) from error


def writable(folder: Path) -> Path:
    """The folder, made if missing.

    Raises: Unavailable data_dir_not_writable.
    """
    try:
        make_durably(folder)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise Unavailable(
            "data_dir_not_writable", f"cannot write in the data folder {folder}: {error.strerror}"
        ) from error


@contextmanager
def held(folder: Path) -> Iterator[IO[str]]:
    """One server for one data folder, and none while its catalogue is rebuilt; the lock, which a child closes.

    Raises: Conflict data_dir_in_use.
    """
    with (folder / "serve.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            raise Conflict(
                "data_dir_in_use", f"process {owner} (lamelle serve or rebuild) works on {folder}"
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield lock


@contextmanager
def _metrics_folder(folder: Path) -> Iterator[None]:
    """Where the workers' counters meet (memory-mapped files, one for each process); a killed node's are removed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    os.environ[telemetry.SHARED_VARIABLE] = str(folder)
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
