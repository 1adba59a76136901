"""Servers to measure: ours, Orthanc, and what bounds both (nginx ranges, a bare uvloop server with one pread).

Each is a context manager that starts on a free port of loopback in its own folder and stops what it started.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.web import Client, until

MEMORY_CAP = 6 << 30  # bytes of data any server may have: Orthanc 1.10 took 24 GB on one slide


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    name: str
    root: str  # of DICOMweb, or of the files
    pid: int
    folder: Path
    dicom: tuple[str, int] = ("", 0)  # AE title and port of the DICOM network, when it has one


def port() -> int:
    """A free TCP port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def started(
    name: str,
    command: list[str],
    folder: Path,
    root: str,
    probe: str,
    env: dict[str, str] | None = None,
    dicom: tuple[str, int] = ("", 0),
) -> Iterator[Server]:
    """Runs a command until left; ready when GET `probe` answers."""

    folder.mkdir(parents=True, exist_ok=True)
    capped = ["prlimit", f"--data={MEMORY_CAP}", *command]
    own = {**os.environ, **(env or {})}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(capped, stdout=log, stderr=log, start_new_session=True, env=own)
        try:
            until(
                lambda: reached(dicom[1]) if not root else Client(_base(root), 5).get(probe)[0] < 500,
                alive=lambda: process.poll() is None,
            )
            yield Server(name, root, process.pid, folder, dicom)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _base(root: str) -> str:
    return root.split("/", 3)[0] + "//" + root.split("/")[2]


def reached(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), 5):
        return True


@contextmanager
def ours(folder: Path, workers: int = 2, fresh: bool = True, sink: int = 0, guarded: bool = False) -> Iterator[Server]:
    """`lamelle serve` on an empty (or kept) archive; `sink`: the port of a destination of C-MOVE called SINK.

    `guarded`: callers sign in and views are entered in the ledger, as in a hospital; otherwise neither.
    """
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    number = port()
    command = [sys.executable, "-m", "lamelle", "serve", "--data", str(folder / "data")]
    dicom = port()
    command += ["--port", str(number), "--workers", str(workers), "--dimse-port", str(dicom)]
    env = {
        "LAMELLE_SERVE_ACCESS_LOG": "errors",
        "LAMELLE_ACCESS_SIGN_IN": "required" if guarded else "none",
        "LAMELLE_AUDIT_ENABLED": str(guarded).lower(),
        **({"LAMELLE_DIMSE_PEERS": _peers(sink)} if sink else {}),
    }
    root = f"http://127.0.0.1:{number}/dicomweb"
    with started("ours", command, folder, root, "/health", env, ("LAMELLE", dicom)) as server:
        yield server


def _peers(sink: int) -> str:
    rights = ["store", "move", "get"]
    askers = [{"aet": name, "rights": rights} for name in ("BENCH", "GETSCU", "MOVESCU")]
    return json.dumps([*askers, {"aet": "SINK", "host": "127.0.0.1", "port": sink}])


def orthanc_command(work: Path, newer: bool) -> list[str] | None:
    """How Orthanc is started: Debian 12's 1.10, or 13's 1.12 in the folder `bench/setup` fills; None if absent."""
    if not newer:
        found = shutil.which("Orthanc")
        return [found] if found else None
    root = work / "trixie"
    binary = root / "usr/sbin/Orthanc"
    if not binary.exists():
        return None
    libraries = f"{root}/usr/lib/x86_64-linux-gnu:{root}/lib/x86_64-linux-gnu"
    return [f"{root}/lib64/ld-linux-x86-64.so.2", "--library-path", libraries, str(binary)]


@contextmanager
def orthanc(work: Path, folder: Path, newer: bool = True, fresh: bool = True, sink: int = 0) -> Iterator[Server]:
    """Orthanc with its DICOMweb plug-in and SQLite. Raises: RuntimeError if it is not installed."""
    command = orthanc_command(work, newer)
    if command is None:
        raise RuntimeError("Orthanc is not installed; run bench/setup")
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    number, dicom, prefix = port(), port(), f"{work}/trixie" if newer else ""
    (folder / "db").mkdir(parents=True, exist_ok=True)
    settings = {
        "Name": "bench", "StorageDirectory": str(folder / "db"), "IndexDirectory": str(folder / "db"),
        "Plugins": [f"{prefix}/usr/share/orthanc/plugins/libOrthancDicomWeb.so"],
        "HttpPort": number, "DicomPort": dicom, "DicomAet": "ORTHANC",
        "DicomModalities": {"SINK": ["SINK", "127.0.0.1", sink]} if sink else {},
        "DicomAlwaysAllowGet": True, "DicomAlwaysAllowMove": True,
        "RemoteAccessAllowed": False, "AuthenticationEnabled": False,
        "KeepAlive": True, "StableAge": 60, "DicomWeb": {"Enable": True, "Root": "/dicom-web/", "EnableWado": True},
    }  # fmt: skip
    (folder / "orthanc.json").write_text(json.dumps(settings, indent=1))
    dictionaries = sorted(Path(f"{prefix}/usr/share").glob("*dcmtk*/dicom.dic"))
    env = {"LC_ALL": "C.UTF-8", **({"DCMDICTPATH": str(dictionaries[0])} if dictionaries else {})}
    name = "Orthanc 1.12" if newer else "Orthanc 1.10"
    arguments = [*command, str(folder / "orthanc.json")]
    root = f"http://127.0.0.1:{number}/dicom-web"
    with started(name, arguments, folder, root, "/system", env, ("ORTHANC", dicom)) as server:
        yield server


@contextmanager
def storescp(folder: Path) -> Iterator[Server]:
    """DCMTK's storescp as fast as it goes: writes what it reads, largest PDU, a process an association; no sync."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "kept").mkdir(parents=True)
    number = port()
    command = ["/usr/bin/storescp", "--fork", "--max-pdu", "131072", "--accept-all", "--bit-preserving", "-od"]
    command += [str(folder / "kept"), str(number)]
    with started("DCMTK storescp", command, folder, "", "", dicom=("STORESCP", number)) as server:
        yield server


@contextmanager
def nginx(folder: Path, files: list[Path]) -> Iterator[Server]:
    """nginx that answers ranges of `files` by sendfile: what no archive can beat."""
    number = port()
    (folder / "www").mkdir(parents=True, exist_ok=True)
    for path in files:
        (folder / "www" / path.name).unlink(missing_ok=True)
        (folder / "www" / path.name).symlink_to(path.absolute())
    user = "user root;" if os.getuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        f"daemon off; {user} worker_processes 2; pid {folder}/pid; error_log {folder}/error.log;\n"
        "events { worker_connections 512; }\n"
        "http { access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000; open_file_cache max=100;\n"
        f" client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3;\n"
        f" uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;\n"
        f" server {{ listen 127.0.0.1:{number}; root {folder}/www; }} }}\n"
    )
    binary = shutil.which("nginx") or "/usr/sbin/nginx"
    command = [binary, "-c", str(folder / "nginx.conf"), "-p", str(folder)]
    with started("limit: nginx ranges", command, folder, f"http://127.0.0.1:{number}", "/") as server:
        yield server


@contextmanager
def least(folder: Path, file: Path, index: Path) -> Iterator[Server]:
    """The least a Python server can do: two processes on uvloop, one pread (`bench.least`)."""
    number = port()
    script = Path(__file__).parent / "least.py"
    command = [sys.executable, str(script), str(number), str(file), str(index)]
    with started("limit: uvloop pread", command, folder, f"http://127.0.0.1:{number}", "/1") as server:
        yield server
