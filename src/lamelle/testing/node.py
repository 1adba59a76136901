"""A real `lamelle serve` in its own processes, for tests and measurements that talk to it as anyone would."""

import os
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from lamelle.access import people, scopes, tokens
from lamelle.access.model import FIRST_PLACE, Action, Purpose, Role
from lamelle.access.settings import AccessSettings
from lamelle.archive.settings import ArchiveSettings
from lamelle.base.clock import SystemClock
from lamelle.base.db import Database

START_S = 60.0
READY = "Lamelle listens on "
DICOM_READY = "Lamelle receives DICOM on "
HL7_READY = "Lamelle receives HL7 on "


class Node:
    """Starts on entering (returns once it listens), stops in order on leaving; `url` has no slash at its end.

    With `dimse` it is on the DICOM network too: LAMELLE on `dimse_port` of 127.0.0.1. Whoever asks may do everything
    unless `sign_in`: then `token` makes somebody, and what they show.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        workers: int = 2,
        port: int = 0,
        dimse: bool = False,
        sign_in: bool = False,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.log_file = data_dir.parent / f"{data_dir.name}.log"
        self.url = ""
        self._arguments = ["--data", str(data_dir), "--port", str(port), "--workers", str(workers)]
        self._arguments += ["--dimse-port", "0"] if dimse else []
        self.dimse_port = 0
        self.hl7_port = 0
        kept = {name: value for name, value in os.environ.items() if not name.startswith("LAMELLE_")}
        compiled = {"PYTHONDONTWRITEBYTECODE": ""}  # a start compiles nothing that was compiled before
        access = {"LAMELLE_ACCESS_SIGN_IN": "required" if sign_in else "none"}
        self._environment = {**kept, **compiled, **access, **(environment or {})}

    def __enter__(self) -> "Node":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start and wait for the ready line.

        Raises: RuntimeError with the log when the node ends, or is silent for a minute.
        """
        command = [sys.executable, "-m", "lamelle", "serve", *self._arguments]
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, env=self._environment, text=True, start_new_session=True
            )
        guard = threading.Timer(START_S, self.process.kill)
        guard.start()
        try:
            assert self.process.stdout is not None
            line = next((line for line in self.process.stdout if self._ready(line)), "")
        finally:
            guard.cancel()
        if not line:
            status = self.process.wait()
            raise RuntimeError(f"the node ended with {status}:\n{self.log()}")
        self.url = line.removeprefix(READY).strip()

    def _ready(self, line: str) -> bool:
        if line.startswith(DICOM_READY):
            self.dimse_port = int(line.removeprefix(DICOM_READY).split(" as ")[0].rpartition(":")[2])
        if line.startswith(HL7_READY):
            self.hl7_port = int(line.rpartition(":")[2])
        return line.startswith(READY)

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = 60.0) -> int:
        """Send the signal and wait; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            status = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            if self.process.stdout is not None:
                self.process.stdout.close()
        return status

    def token(self, login: str, *roles: Role, place: int | None = FIRST_PLACE, purpose: Purpose = Purpose.CARE) -> str:
        """A bearer token of a new service account with these roles in a place, for all they may do."""
        clock = SystemClock()
        db = Database(ArchiveSettings(self.data_dir).database)
        try:
            with db.write() as conn:
                number = people.add(conn, login, clock.now(), kind="service")
                for role in roles:
                    people.appoint(conn, number, role, place)
                every = " ".join(word for action in Action if scopes.actions(word := f"lamelle/{action.value}"))
                secret, _ = tokens.make(conn, number, login, every, purpose, 1, clock.now(), AccessSettings())
        finally:
            db.close()
        return secret

    def log(self) -> str:
        """Everything the node logged so far."""
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def get(self, path: str, timeout_s: float = 30.0, token: str = "") -> bytes:
        """The body of a GET. Raises: urllib.error.HTTPError."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        asked = urllib.request.Request(self.url + path, headers=headers)
        with urllib.request.urlopen(asked, timeout=timeout_s) as answer:
            content: bytes = answer.read()
            return content
