"""`lamelle serve`: the processes of one node, how they start, watch each other and stop.

One parent that listens; N workers that accept on its socket and answer HTTP; N children behind the DICOM port, if there
is one; a child for jobs and watched folders. A child that died is started again with a growing pause. No process
outlives its parent. What the processes do is in answering and wiring.
"""

import ctypes
import fcntl
import http.client
import ipaddress
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from lamelle.base import telemetry
from lamelle.base.errors import Conflict, Denied, LamelleError, Unavailable
from lamelle.base.folders import make_durably
from lamelle.ops import config, health, wiring
from lamelle.ops.config import Settings

PAUSES_S = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Before each new start of the child that died, so that a broken disk does not become a busy loop."""
STEADY_S = 10.0
"""A child that lived this long starts again without a pause."""
BACKLOG = 1024
"""Connections that wait to be accepted; those a worker leaves when it dies are taken by the others."""
GRACE_S = 5.0
"""What a child that stops by itself gets beyond its own time for it."""
PR_SET_PDEATHSIG = 1


def serve(settings: Settings, announce: Callable[[str], None] = print) -> None:
    """Serve until SIGTERM, SIGINT or SIGHUP; requests in flight finish first.

    Raises: Denied not_loopback; Unavailable data_dir_not_writable, port_in_use; Conflict data_dir_in_use.
    """
    refuse_open_network(settings)
    with ExitStack() as held_open:
        held_open.enter_context(held(writable(settings.archive.data_dir)))
        held_open.enter_context(_metrics_folder())
        web = held_open.enter_context(listening(settings.serve.host, settings.serve.port))
        wiring.opened(settings).close()  # migrates, and says what is wrong before any worker starts
        door = dicom_door(settings)
        if door is not None:
            held_open.enter_context(door)
        os.environ.update(config.to_environment(settings))
        os.environ.pop(config.FILE_VARIABLE, None)
        stopping = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: stopping.set())
        children = [
            *_behind("worker", web, settings.serve.workers, settings.serve.stop_timeout_s),
            Supervised(_command("jobs"), settings.serve.stop_timeout_s),
        ]
        if door is not None:
            children += _behind("dimse", door, settings.dimse.workers, settings.serve.stop_timeout_s)
            announce(f"Lamelle receives DICOM on {_shown(*door.getsockname()[:2])} as {settings.dimse.aet}")
        for child in children:
            child.start()
        port = web.getsockname()[1]
        threading.Thread(
            target=_announce_ready, args=(settings.serve.host, port, stopping, announce), daemon=True
        ).start()
        stopping.wait()
        telemetry.log("serve.stopping")
        for child in children:
            child.ask_to_stop()
        for child in children:
            child.stop()


def _command(name: str, *more: str) -> list[str]:
    return [sys.executable, "-m", "lamelle", name, "--with-parent", str(os.getpid()), *more]


def _behind(name: str, listener: socket.socket, count: int, stop_timeout_s: float) -> "list[Supervised]":
    """The processes behind a port, which all accept on the one socket."""
    command = _command(name, "--listen", str(listener.fileno()))
    return [Supervised(command, stop_timeout_s + GRACE_S, (listener.fileno(),)) for _ in range(count)]


def receive(settings: Settings, listen: int) -> None:
    """Accept DICOM associations on the socket with that descriptor until SIGTERM; messages in work finish first."""
    with socket.socket(fileno=listen) as sock:
        wiring.receive(settings, sock, settings.serve.stop_timeout_s)


def tend(settings: Settings, stop: threading.Event) -> None:
    """Run jobs and watched folders until `stop`, leaving a heartbeat for /health."""
    beat = health.heartbeat_file(settings.archive.data_dir)
    beat.parent.mkdir(parents=True, exist_ok=True)
    threading.Thread(target=_beat, args=(beat, stop), daemon=True).start()
    try:
        wiring.tend(settings, stop)
    except LamelleError:
        raise
    except Exception as error:  # noqa: BLE001  its message may quote data: the log gets its place, not its words
        telemetry.log("jobs.crashed", level="error", **telemetry.trace(error))
        raise SystemExit(1) from None
    finally:
        beat.unlink(missing_ok=True)


def _beat(path: Path, stop: threading.Event) -> None:
    while not stop.is_set():
        path.touch()
        stop.wait(health.HEARTBEAT_S)


# -- before starting -------------------------------------------------------------------------------------------------


def refuse_open_network(settings: Settings) -> None:
    """Without sign-in, only this machine may ask (ADR 0008)."""
    if settings.serve.unsafe_network or is_loopback(settings.serve.host):
        return
    raise Denied(
        "not_loopback",
        f"Lamelle has no sign-in yet, so it listens on this machine only; serve.host {settings.serve.host} would let "
        "anyone on the network read every image; behind a proxy that checks who asks, set "
        "LAMELLE_SERVE_UNSAFE_NETWORK=true",
    )


def dicom_door(settings: Settings) -> socket.socket | None:
    """The socket of the DICOM port; None when none is asked for.

    Raises: Denied dimse_not_loopback, port_denied; Unavailable port_in_use; Invalid bad_certificate.
    """
    dimse = settings.dimse
    if dimse.port is None:
        return None
    from lamelle.doors.dimse import server, tls

    if not dimse.peers and not is_loopback(dimse.host):
        raise Denied(
            "dimse_not_loopback",
            f"dimse.host {dimse.host} would let anyone store and fetch images; name in dimse.peers who may",
        )
    tls.server_context(dimse)
    try:
        return server.listen(dimse.host, dimse.port)
    except OSError as error:
        raise _cannot_listen(dimse.host, dimse.port, error) from error


def _cannot_listen(host: str, port: int, error: OSError) -> LamelleError:
    if isinstance(error, PermissionError):
        return Denied("port_denied", f"port {port} needs more rights; take one above 1023")
    return Unavailable("port_in_use", f"cannot listen on {host}:{port}: {error.strerror}; choose another with --port")


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
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _cannot_listen(host, port, error) from error
    return listener


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
def held(folder: Path) -> Iterator[None]:
    """One server for one data folder, and none while its catalogue is rebuilt.

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
        yield


@contextmanager
def _metrics_folder() -> Iterator[None]:
    """Where the workers' counters meet (memory-mapped files, one for each process)."""
    folder = tempfile.mkdtemp(prefix="lamelle-metrics-")
    os.environ[telemetry.SHARED_VARIABLE] = folder
    try:
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _announce_ready(host: str, port: int, stopping: threading.Event, announce: Callable[[str], None]) -> None:
    while not stopping.wait(0.05):
        connection = http.client.HTTPConnection(host, port, timeout=5)
        try:
            connection.request("GET", "/health")
            connection.getresponse().read()
        except OSError:
            continue
        finally:
            connection.close()
        announce(f"Lamelle listens on http://{_shown(host, port)}")
        return


def _shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


# -- living and dying together ---------------------------------------------------------------------------------------


class Supervised:
    """A child process that is started again when it dies, until `stop`."""

    def __init__(self, command: list[str], stop_timeout_s: float, descriptors: tuple[int, ...] = ()) -> None:
        """`descriptors`: open files that the child is given, under the same numbers."""
        self._command, self._descriptors = command, descriptors
        self._stop_timeout_s = stop_timeout_s
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = threading.Thread(target=self._watch, name="supervisor")

    def start(self) -> None:
        self._thread.start()

    def ask_to_stop(self) -> None:
        """Begin to end the child; `stop` waits for it."""
        self._stopping.set()

    def stop(self) -> None:
        """End the child, politely first."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _watch(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            born = time.monotonic()
            with subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, start_new_session=True, pass_fds=self._descriptors
            ) as process:
                self._wait(process)
            if self._stopping.is_set():
                return
            failures = 0 if time.monotonic() - born > STEADY_S else failures + 1
            pause = PAUSES_S[min(failures, len(PAUSES_S)) - 1] if failures else 0.0
            telemetry.log("serve.child_died", level="error", status=process.returncode, pause_s=pause)
            self._stopping.wait(pause)

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        watcher = threading.Thread(target=process.wait)
        watcher.start()
        while watcher.is_alive():
            if self._stopping.wait(0.2):
                process.terminate()
                watcher.join(self._stop_timeout_s)
                if watcher.is_alive():
                    process.kill()
            watcher.join(0.05)


def with_parent(parent: int) -> None:
    """Die when the process `parent` does, also when it was killed without a word."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before we asked
        os.kill(os.getpid(), signal.SIGTERM)
    if sys.platform != "linux":
        threading.Thread(target=_watch_parent, args=(parent,), daemon=True).start()


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGTERM)
