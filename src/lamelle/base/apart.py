"""Questions about bytes from outside, answered in child processes that hold nothing and may be lost.

A child is a bare interpreter, started by exec: no memory, no file, no secret of ours goes along. It loads the one
function it is for, gives up opening files and sockets, and answers one question at a time. Whatever it does (crash,
hang, eat memory, write garbage), who asked gets one LamelleError and goes on with another child.

    question   size of the question u32, of the data u64, bytes of memory u64, seconds f64; pickled question; data
    answer     kind u8 (0 answered, 1 refused), size of the rest u32, of the body u64; JSON; body

Not here: what is asked (archive.decoding); whole slides, whose readers need files (doors.files.sandbox).
"""

import atexit
import contextlib
import importlib
import json
import math
import os
import pickle
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from lamelle.base import confined, errors
from lamelle.base.errors import Invalid, LamelleError, Unavailable

QUESTION: Final = struct.Struct("<IQQd")
ANSWER: Final = struct.Struct("<BIQ")
REST_LIMIT: Final = 1 << 20
"""Bytes of an answer's JSON: a colour profile fits."""
MOST: Final = 4
"""Children of one process at once: as many as its threads that make pictures."""
USES: Final = 10_000
"""Questions after which a child is replaced, so that nothing it gathers lasts."""
IDLE_S: Final = 60.0
"""After which a child beyond the first is ended when nobody needs it."""
WAIT_S: Final = 30.0
"""How long a question waits for a free child."""
START_S: Final = 30.0
"""More for the first question: Python and its libraries start first."""
PATIENCE: Final = 4.0
"""Seconds by the clock for each second of processor time allowed: machines are busy."""
KINDS: Final[dict[str, type[LamelleError]]] = {
    kind.__name__: kind
    for kind in (errors.NotFound, errors.Invalid, errors.TooLarge, errors.Unsupported, errors.Unavailable)
}

Work = Callable[[Any, bytes], tuple[dict[str, Any], Any]]
"""(question, data) to (JSON, body); it may raise LamelleError."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one question may cost."""

    seconds: float
    """Of a processor."""
    memory: int
    """Bytes of address space, the interpreter's own 200 MB included."""
    answer: int
    """Bytes of the answer's body."""


class Answer(NamedTuple):
    """What a child said: not to be trusted but in its sizes."""

    rest: dict[str, Any]
    body: bytearray


class _Lost(Exception):
    """The child has ended, or must be."""

    def __init__(self, error: LamelleError) -> None:
        super().__init__(error.code)
        self.error = error


class Pool:
    """Children for one function, started when they are needed; any number of threads may ask."""

    def __init__(self, work: str, most: int = MOST) -> None:
        """`work`: `module:function`; called once in the child, it loads all it needs and returns the `Work`."""
        self._work, self._most = work, most
        self._forget()
        os.register_at_fork(after_in_child=self._forget)
        atexit.register(self.close)

    def _forget(self) -> None:
        """Children are not shared by processes."""
        self._changed = threading.Condition()
        self._idle: list[_Child] = []
        self._count = 0

    def ask(self, question: object, data: bytes | bytearray | memoryview, allowed: Allowance) -> Answer:
        """The answer; what a child fails at that older questions may have broken is asked of another once more.

        Raises: what the function raises; Invalid decoder_crashed, decoder_memory, decoder_timeout, decoder_garbage;
        Unavailable decoders_busy.
        """
        child = self._take()
        try:
            return self._asked(child, question, data, allowed)
        except _Lost as lost:
            if not child.used or lost.error.code == "decoder_timeout":
                raise lost.error from None
        try:
            return self._asked(self._take(), question, data, allowed)
        except _Lost as lost:
            raise lost.error from None

    def _asked(
        self, child: "_Child", question: object, data: bytes | bytearray | memoryview, allowed: Allowance
    ) -> Answer:
        try:
            answer = child.ask(question, data, allowed)
        except LamelleError:
            self._give(child)
            raise
        except BaseException:
            self._end(child)
            raise
        self._give(child)
        return answer

    def _take(self) -> "_Child":
        with self._changed:
            if not self._changed.wait_for(lambda: self._idle or self._count < self._most, WAIT_S):
                raise Unavailable("decoders_busy", "All decoders are at work; try again.")
            if self._idle:
                return self._idle.pop()
            self._count += 1
        try:
            return _Child(self._work)
        except BaseException:
            self._end()
            raise

    def _give(self, child: "_Child") -> None:
        """It may be asked again; those nobody needed for long are ended."""
        if child.used >= USES:
            self._end(child)
            return
        child.since_s = time.monotonic()
        ended = []
        with self._changed:
            self._idle.append(child)
            while len(self._idle) > 1 and child.since_s - self._idle[0].since_s > IDLE_S:
                ended.append(self._idle.pop(0))
            self._changed.notify()
        self._end(*ended, count=len(ended))

    def _end(self, *children: "_Child", count: int = 1) -> None:
        with self._changed:
            self._count -= count
            self._changed.notify(count)
        for child in children:
            child.end()

    def close(self) -> None:
        """End the children nobody is asking."""
        with self._changed:
            ended, self._idle = self._idle, []
        self._end(*ended, count=len(ended))


class _Child:
    """One process and the line to it; for one thread at a time. It ends when the line does, so it never outlives us."""

    def __init__(self, work: str) -> None:
        self.used, self.since_s = 0, 0.0
        self._line, theirs = socket.socketpair()
        try:
            self._process: subprocess.Popen[bytes] = subprocess.Popen(
                [sys.executable, "-P", "-m", "lamelle.base.apart", work],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env=dict(confined.environment()),
                start_new_session=True,
            )
        except OSError as error:
            self._line.close()
            raise Unavailable("decoders_busy", f"No decoder can be started: {error.strerror}.") from error
        finally:
            theirs.close()

    def ask(self, question: object, data: bytes | bytearray | memoryview, allowed: Allowance) -> Answer:
        starting = START_S if not self.used else 0.0
        self._end_s = time.monotonic() + starting + PATIENCE * allowed.seconds
        said = pickle.dumps(question)
        head = QUESTION.pack(len(said), len(data), allowed.memory, allowed.seconds)
        try:
            self._send(head + said)
            self._send(data)
            kind, size, body_size = ANSWER.unpack(self._receive(ANSWER.size))
            if kind > 1 or size > REST_LIMIT or body_size > (allowed.answer if kind == 0 else 0):
                raise _Lost(_garbage())
            rest = json.loads(self._receive(size))
            body = self._receive(body_size)
        except TimeoutError:
            raise _Lost(self._late(allowed)) from None
        except (OSError, EOFError):
            raise _Lost(self._autopsy(allowed)) from None
        except (ValueError, RecursionError):
            raise _Lost(_garbage()) from None
        if not isinstance(rest, dict):
            raise _Lost(_garbage())
        if kind == 1 and rest.get("code") == "decoder_memory":
            raise _Lost(_told(rest))
        self.used += 1
        if kind == 1:
            raise _told(rest)
        return Answer(rest, body)

    def _send(self, data: bytes | bytearray | memoryview) -> None:
        self._line.settimeout(self._left())
        self._line.sendall(data)

    def _receive(self, size: int) -> bytearray:
        data = bytearray(size)
        view, at = memoryview(data), 0
        while at < size:
            self._line.settimeout(self._left())
            got = self._line.recv_into(view[at:])
            if not got:
                raise EOFError
            at += got
        return data

    def _left(self) -> float:
        left = self._end_s - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def _late(self, allowed: Allowance) -> Invalid:
        return Invalid("decoder_timeout", f"Decoding was ended after {allowed.seconds:g} s of work.")

    def _autopsy(self, allowed: Allowance) -> Invalid:
        code = self.end()
        if code == -signal.SIGXCPU:
            return self._late(allowed)
        how = signal.Signals(-code).name if code < 0 else f"exit {code}"
        return Invalid("decoder_crashed", f"The decoder ended by itself before it had finished: {how}.")

    def end(self) -> int:
        """End the child; its exit code, or minus the signal that ended it."""
        self._line.close()
        if self._process.returncode is None:
            with contextlib.suppress(subprocess.TimeoutExpired):  # one that is dying says how it died
                return self._process.wait(0.05)
            self._process.kill()
        return self._process.wait()


def _garbage() -> Invalid:
    return Invalid("decoder_garbage", "The decoder broke the protocol.")


def _told(rest: dict[str, Any]) -> LamelleError:
    """The function's own error; its text is cut, for it comes from the far side."""
    kind = KINDS.get(str(rest.get("kind")), Invalid)
    return kind(str(rest.get("code", "decoder_garbage"))[:64], str(rest.get("message", ""))[:500])


# -- in the child ------------------------------------------------------------------------------------------------------


def main() -> None:
    """Load the function named on the command line, give up everything else, answer until the line ends."""
    line = socket.socket(fileno=os.dup(0))
    os.dup2(1, 0)
    module, _, name = sys.argv[1].partition(":")
    work: Work = getattr(importlib.import_module(module), name)()
    nothing = (0, 0)
    confined.limit(
        {
            resource.RLIMIT_CORE: nothing,
            resource.RLIMIT_FSIZE: nothing,
            resource.RLIMIT_NPROC: nothing,
            resource.RLIMIT_NOFILE: nothing,  # the line is open already; nothing else ever is
        }
    )
    with contextlib.suppress(EOFError, OSError):
        while True:
            _answer(line, work)
    os._exit(0)


def _answer(line: socket.socket, work: Work) -> None:
    size, data_size, memory, seconds = QUESTION.unpack(_read(line, QUESTION.size))
    _allow(memory, seconds)
    body: Any = b""
    try:
        question = pickle.loads(_read(line, size))  # nosec B301 # our parent's, never bytes from outside
        rest, body = work(question, bytes(_read(line, data_size)))
        kind = 0
    except EOFError:
        raise
    except LamelleError as error:
        kind, rest = 1, {"kind": type(error).__name__, "code": error.code, "message": error.message}
    except MemoryError:
        kind, rest = 1, {"code": "decoder_memory", "message": "Decoding needed more memory than allowed."}
    except Exception as error:  # noqa: BLE001  its text may name a patient: the class alone is told
        kind, rest = 1, {"code": "bad_frame", "message": f"The bytes cannot be decoded: {type(error).__name__}."}
    view = memoryview(body).cast("B")
    said = json.dumps(rest).encode()
    line.sendall(ANSWER.pack(kind, len(said), len(view)) + said)
    line.sendall(view)


def _allow(memory: int, seconds: float) -> None:
    """Soft limits for the next question alone; who waits outside has limits of its own."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    for what, soft in (
        (resource.RLIMIT_CPU, math.ceil(used.ru_utime + used.ru_stime + seconds)),
        (resource.RLIMIT_AS, memory),
    ):
        hard = resource.getrlimit(what)[1]
        resource.setrlimit(what, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def _read(line: socket.socket, size: int) -> bytearray:
    data = bytearray(size)
    view, at = memoryview(data), 0
    while at < size:
        got = line.recv_into(view[at:])
        if not got:
            raise EOFError
        at += got
    return data


if __name__ == "__main__":
    main()
