"""Runs one slide reader in a child process with limits, and hands what it sends to sinks while it still reads.

Not here: the child (worker), the messages (pipe), where the bytes go (archive.ingest).
Whatever the child does (crash, hang, eat memory, write garbage), the caller gets one LamelleError and goes on.
"""

import contextlib
import fcntl
import os
import pickle
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from lamelle.base import confined, errors
from lamelle.base.errors import Invalid, LamelleError, Unavailable
from lamelle.doors.files import pipe
from lamelle.doors.files.pipe import Kind, Message
from lamelle.doors.files.request import Limits, Request

KINDS: dict[str, type[LamelleError]] = {
    kind.__name__: kind for kind in (errors.Invalid, errors.TooLarge, errors.Unsupported, errors.Unavailable)
}
SLICE_S = 0.25
"""How often a waiting parent looks at `stop`, seconds."""
START_S = 60.0
"""How long a child may take to start Python and its libraries on a busy machine, seconds."""
AUTOPSY_S = 1.0
"""How long a child whose pipe ended may take to end itself, seconds, so that we learn how it died."""
REAP_S = 10.0
"""How long a killed child may take to vanish, seconds; on a dead NFS mount it may take for ever."""


class Sink(Protocol):
    """Where the bytes of one instance go; `archive.ingest.Reception` is one."""

    def write(self, chunk: bytes | bytearray | memoryview) -> object: ...

    def close(self) -> object: ...


@dataclass(frozen=True, slots=True)
class Converted:
    """A reader that finished: what it said about the slide, and how much it sent."""

    facts: dict[str, Any]
    instances: int
    size: int


def run(
    request: Request,
    sink: Callable[[str], Sink],
    *,
    progress: Callable[[int], None] = lambda sent: None,
    stop: threading.Event | None = None,
) -> Converted:
    """Convert one slide; each instance's bytes reach `sink(name)` as they come. `progress` gets the bytes so far.

    Raises: the reader's own LamelleError; Invalid `reader_crashed` `reader_memory` `reader_garbage` `reader_failed`
    `reader_timeout`; Unavailable `import_stopped`. Sinks already given bytes are the caller's to drop.
    """
    with _Child(request) as child:
        try:
            return _consume(child, request.limits, sink, progress, stop)
        except Invalid as error:
            if error.code == "reader_crashed":
                raise child.autopsy() from error
            raise


def _consume(
    child: "_Child",
    limits: Limits,
    sink: Callable[[str], Sink],
    progress: Callable[[int], None],
    stop: threading.Event | None,
) -> Converted:
    sinks: dict[int, Sink] = {}
    facts: dict[str, Any] = {}
    size = 0
    for message in pipe.messages(_reading(child.fd, limits, stop)):
        match message.kind:
            case Kind.BEGIN:
                sinks[message.instance] = sink(str(message.json().get("name", "")))
            case Kind.CHUNK:
                sinks[message.instance].write(message.payload)
                size += len(message.payload)
                progress(size)
            case Kind.END:
                sinks[message.instance].close()
            case Kind.FACTS:
                facts |= message.json()
            case Kind.ERROR:
                raise _reported(message)
            case Kind.PROGRESS | Kind.DONE:
                pass
    return Converted(facts, len(sinks), size)


def _reading(fd: int, limits: Limits, stop: threading.Event | None) -> Callable[[memoryview], int]:
    """A `readinto` on a pipe that gives up on silence, on the wall clock and on `stop`."""
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    end = time.monotonic() + limits.wall_s
    patience = max(START_S, limits.silence_s)

    def read(buffer: memoryview) -> int:
        nonlocal patience
        hush, patience = time.monotonic() + patience, limits.silence_s
        while True:
            if stop is not None and stop.is_set():
                raise Unavailable("import_stopped", "The import was stopped.")
            left = min(end, hush) - time.monotonic()
            if left <= 0:
                raise Invalid("reader_timeout", f"The slide reader was too slow: {_limit(end, limits)}.")
            if poll.poll(min(left, SLICE_S) * 1000):
                return os.readv(fd, [buffer])

    return read


def _limit(end: float, limits: Limits) -> str:
    return f"not done in {limits.wall_s:g} s" if time.monotonic() >= end else f"silent for {limits.silence_s:g} s"


def _reported(message: Message) -> LamelleError:
    """The reader's own error; its text is cut, for it comes from the far side."""
    told = message.json()
    kind = KINDS.get(str(told.get("kind")), Invalid)
    return kind(str(told.get("code", "reader_failed"))[:64], str(told.get("message", ""))[:500])


class _Child:
    """A worker process that is gone when the block is left, however it is left."""

    def __init__(self, request: Request) -> None:
        self._limits = request.limits
        ours, theirs = os.pipe()
        try:
            with contextlib.suppress(OSError, AttributeError):  # a smaller pipe is slower, not wrong
                fcntl.fcntl(ours, fcntl.F_SETPIPE_SZ, request.limits.pipe_bytes)
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "lamelle.doors.files.worker"],
                stdin=subprocess.PIPE,
                stdout=theirs,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=dict(confined.environment()),
                start_new_session=True,  # Ctrl-C is the parent's to handle
            )
        except BaseException:
            os.close(ours)
            raise
        finally:
            os.close(theirs)
        self.fd = ours
        self._ask(request)

    def _ask(self, request: Request) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError), self._process.stdin as stdin:  # a dead child shows on its pipe
            stdin.write(pickle.dumps((os.getpid(), request.limits)) + pickle.dumps(request))

    def __enter__(self) -> "_Child":
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.fd)
        self._end()

    def _end(self) -> int:
        """Kill what still runs, with its own children; peak memory of the child, bytes, 0 if it can't be told.

        Raises: Unavailable.
        """
        if self._process.returncode is not None:
            return 0
        if not self._ended(0):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            if not self._ended(REAP_S):
                raise Unavailable("reader_stuck", "The slide reader cannot be ended; is a network share gone?")
        _, status, usage = os.wait4(self._process.pid, 0)
        self._process.returncode = os.waitstatus_to_exitcode(status)
        ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # a child begins with its parent's peak as its own
        return usage.ru_maxrss * 1024 if usage.ru_maxrss > ours else 0

    def _ended(self, wait_s: float) -> bool:
        handle = os.pidfd_open(self._process.pid)
        try:
            return bool(select.select([handle], [], [], wait_s)[0])
        finally:
            os.close(handle)

    def autopsy(self) -> Invalid:
        """Why the pipe ended early; a child that only closed its pipe is killed first."""
        self._ended(AUTOPSY_S)
        peak = self._end()
        code = self._process.returncode
        if code == -signal.SIGXCPU:
            return Invalid("reader_timeout", f"The slide reader used over {self._limits.cpu_s} s of processor time.")
        if peak > 0.8 * self._limits.memory_bytes:
            return Invalid("reader_memory", "The slide reader needed more memory than allowed.")
        how = signal.Signals(-code).name if code < 0 else f"exit {code}"
        return Invalid("reader_crashed", f"The slide reader ended by itself before it had finished: {how}.")
