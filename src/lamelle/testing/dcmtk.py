"""DCMTK's tools and a free port, for tests that talk DICOM with clients no one here wrote."""

import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pydicom

FOLDERS = ("/usr/bin", "/usr/local/bin", "/opt/homebrew/bin", "/opt/local/bin")
TIMEOUT_S = 60.0
HOST = "127.0.0.1"
TOOLS = ("findscu", "movescu", "getscu", "storescp", "storescu", "echoscu")


def installed() -> bool:
    """Whether the tools are here."""
    return all(path(tool) for tool in TOOLS)


def path(tool: str) -> str:
    """Where the tool is, and not pynetdicom's of the same name, which lies beside Python; "" if it is nowhere."""
    return shutil.which(tool, path=os.pathsep.join(FOLDERS)) or ""


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def run(tool: str, *arguments: str, ok: bool = True) -> str:
    """What a tool says; `ok`: it must end well."""
    done = subprocess.run([path(tool), *arguments], capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    said = done.stdout + done.stderr
    if ok and done.returncode:
        raise RuntimeError(f"{tool} ended with {done.returncode}:\n{said}")
    return said


def find(port: int, *keys: str, model: str = "-S", calling: str = "FINDSCU") -> list[pydicom.Dataset]:
    """The answers to findscu, as it wrote them into files."""
    with tempfile.TemporaryDirectory() as folder:
        options = [word for key in keys for word in ("-k", key)]
        run("findscu", model, "-X", "-od", folder, "-aet", calling, "-aec", "LAMELLE", *options, HOST, str(port))
        return [pydicom.dcmread(path, force=True) for path in sorted(Path(folder).glob("rsp*.dcm"))]


@contextmanager
def receiver(folder: Path, port: int, *options: str) -> Iterator[None]:
    """A storescp that keeps what it receives in a folder, bit by bit; ready when entered."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [path("storescp"), "+B", "-od", str(folder), *options, str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _until_listening(port)
            yield
        finally:
            process.kill()


def _until_listening(port: int) -> None:
    pause = threading.Event()
    for _ in range(500):
        try:
            with socket.create_connection((HOST, port), timeout=1):
                return
        except OSError:
            pause.wait(0.02)
    raise RuntimeError(f"nobody listens on {port}")


def status(said: str) -> list[str]:
    """The statuses that a tool in debug mode tells, as it names them."""
    return re.findall(r"DIMSE Status\s*: (0x[0-9a-f]{4})", said)


def counted(said: str, what: str) -> int:
    """The last number of sub-operations that a tool in debug mode tells: `what` is Completed, Failed ..."""
    return int(re.findall(rf"{what} Suboperations\s*: (\d+)", said)[-1])
