"""Entries noted without waiting for a disk: one file of lines for each process, which the ledger takes over.

A line is handed to the kernel by one write before the answer goes out, so that it survives the death of its process.
It is not synced, so that reading an image waits for no disk: a power cut may take the last moments.
"""

import fcntl
import os
import threading
import uuid
from collections import deque
from pathlib import Path
from typing import Final

from lamelle.audit import model
from lamelle.audit.model import Entry
from lamelle.base.clock import Clock
from lamelle.base.folders import make_durably
from lamelle.base.telemetry import Counter, log

NOTED = Counter("lamelle_audit_noted_total", "Entries written to this node's audit journals.")
LOST = Counter("lamelle_audit_lost_total", "Entries that no disk took; how many is entered in the ledger later.")

SUFFIX: Final = ".jsonl"
FILE_BYTES: Final = 1 << 20
"""A journal past this size is left to the ledger, which removes it once it is taken over."""
WAITING: Final = 1000
"""Lines kept in memory while the disk is full; more are counted, and lost."""


def folder_of(folder: Path) -> Path:
    """Where the journals stand."""
    return folder / "journal"


class Journal:
    """This process's journal; share it between threads, make a new one after a fork."""

    def __init__(self, folder: Path, clock: Clock, *, file_bytes: int = FILE_BYTES, waiting: int = WAITING) -> None:
        """`folder` is the audit folder of the node, made at the first note."""
        self._folder, self._clock, self._limit = folder_of(folder), clock, file_bytes
        self._lock = threading.Lock()
        self._name, self._count = "", 0
        self._fd, self._size, self._torn = -1, 0, False
        self._waiting: deque[bytes] = deque()
        self._bound, self._lost, self._failing = waiting, 0, False

    def note(self, entry: Entry) -> None:
        """Write one entry before the caller answers; a full disk is counted and logged, never raised."""
        line = model.line(entry, self._clock.now()).encode() + b"\n"
        NOTED.add()
        with self._lock:
            if not self._waiting and not self._lost and not self._write([line]):
                return
            self._keep(line)
            self._retry()

    def close(self) -> None:
        """Leave the file to the ledger."""
        with self._lock:
            self._retry()
            if self._fd >= 0:
                os.close(self._fd)
            self._fd = -1

    def _keep(self, line: bytes) -> None:
        """Of a line that the disk did not take."""
        if len(self._waiting) < self._bound:
            self._waiting.append(line)
        else:
            self._lost += 1
            LOST.add()

    def _retry(self) -> None:
        """Write what waits; then how many were lost meanwhile."""
        if self._waiting:
            self._waiting = deque(self._write(list(self._waiting)))
        if self._lost and not self._waiting:
            lost = Entry("system", "entries_lost", "failed", detail={"count": self._lost, "pid": os.getpid()})
            if not self._write([model.line(lost, self._clock.now()).encode() + b"\n"]):
                self._lost = 0

    def _write(self, lines: list[bytes]) -> list[bytes]:
        """Write lines at once; those that were not taken whole are given back."""
        data = b"".join([b"\n", *lines] if self._torn else lines)
        try:
            written = os.write(self._ready(len(data)), data)
        except OSError as error:
            self._failed(error.errno)
            return lines
        self._size += written
        if written == len(data):
            self._torn = self._failing = False
            return []
        end = 1 if self._torn else 0
        self._torn = True
        self._failed(None)
        for count, line in enumerate(lines):
            end += len(line)
            if end > written:
                return lines[count:]
        return []

    def _failed(self, number: int | None) -> None:
        if not self._failing:
            log("audit.journal_not_written", level="error", errno=number)
        self._failing = True

    def _ready(self, more: int) -> int:
        """The open file, a new one after FILE_BYTES. Raises: OSError."""
        if self._fd >= 0 and self._size + more <= self._limit:
            return self._fd
        try:
            fresh = self._new_file()
        except OSError:
            if self._fd < 0:
                raise
            return self._fd
        if self._fd >= 0:
            os.close(self._fd)
        self._fd, self._size, self._torn = fresh, 0, False
        return fresh

    def _new_file(self) -> int:
        """The next journal, locked for as long as its writer lives; it has its name only once it is locked."""
        if not self._folder.is_dir():
            make_durably(self._folder)
            self._folder.chmod(0o700)
        self._name = self._name or f"{os.getpid()}-{uuid.uuid4().hex}"
        self._count += 1
        made = self._folder / f"{self._name}-{self._count:06}.new"
        fd = os.open(made, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            made.rename(made.with_suffix(SUFFIX))
        except OSError:
            os.close(fd)
            raise
        return fd
