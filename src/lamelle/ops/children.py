"""Child processes forked from one parent, so that all share what it imported; one that dies is forked again (ADR 17).

A fork copies the memory and one thread: the parent has no other thread, no open archive and no event loop.
What the children do is in serve.
"""

import ctypes
import json
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final, NoReturn, Protocol

from lamelle.base import errors, telemetry
from lamelle.base.errors import LamelleError
from lamelle.ops.signals import POLITE

PAUSES_S: Final = (0.05, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Before each new start of the child that died, so that a broken disk does not become a busy loop."""
STEADY_S: Final = 5.0
"""A child that lived this long starts again without a pause."""
READY: Final = b"\0"
"""What a child says on the parent's pipe; the parent's own signals say their numbers there."""
PR_SET_PDEATHSIG: Final = 1
PR_SET_NAME: Final = 15

Say = Callable[[], object]


class Closes(Protocol):
    """Something that the parent has open."""

    def close(self) -> object: ...


@dataclass(slots=True, eq=False)
class Child:
    """A place among the children, and who is in it now."""

    name: str
    """As the system lists it; at most 15 bytes."""
    work: Callable[[Say], object]
    """What it does until SIGTERM; it calls what it is given as soon as it is ready."""
    stop_timeout_s: float
    """What it gets to end in order."""
    keeps: tuple[Closes, ...] = ()
    """What it is left of the parent's own."""
    pid: int = 0
    born_s: float = 0.0
    due_s: float = 0.0
    """When it is to be started; once asked to end, when it is killed."""
    failures: int = 0


class Family:
    """The children of this process, until it is asked to end."""

    def __init__(self, children: Sequence[Child], private: Sequence[Closes], ready: Say) -> None:
        """`private`: what a child closes unless it keeps it; `ready`: called when the first child is."""
        self._children, self._private, self._ready = children, private, ready
        self._ears, self._mouth = os.pipe()
        os.set_blocking(self._ears, False)
        os.set_blocking(self._mouth, False)
        self._stopping = False

    def live(self) -> None:
        """Keep every child alive until SIGTERM, SIGINT or SIGHUP; then end them, politely first."""
        for number in POLITE:
            signal.signal(number, self._asked_to_end)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._mouth, warn_on_full_buffer=False)
        announced = False
        while not self._stopping:
            for child in self._children:
                if not child.pid and child.due_s <= time.monotonic():
                    child.born_s = time.monotonic()
                    child.pid = fork(partial(self._be, child, os.getpid()))
            if READY in self._listen([child.due_s for child in self._children if not child.pid]) and not announced:
                announced = True
                self._ready()
            self._bury()
        telemetry.log("serve.stopping")
        self._end()

    def _asked_to_end(self, *_: object) -> None:
        self._stopping = True

    def _listen(self, dues_s: Sequence[float]) -> bytes:
        """What was said until the first of these times: signals, or that a child is ready."""
        pause_s = max(0.0, min(dues_s) - time.monotonic()) if dues_s else None
        return os.read(self._ears, 4096) if select.select([self._ears], [], [], pause_s)[0] else b""

    def _bury(self) -> None:
        for child in self._children:
            if child.pid and (ended := os.waitpid(child.pid, os.WNOHANG))[0]:
                child.pid = 0
                if not self._stopping:
                    self._mourn(child, os.waitstatus_to_exitcode(ended[1]))

    def _mourn(self, child: Child, status: int) -> None:
        now_s = time.monotonic()
        child.failures = 0 if now_s - child.born_s > STEADY_S else child.failures + 1
        pause_s = PAUSES_S[min(child.failures, len(PAUSES_S)) - 1] if child.failures else 0.0
        child.due_s = now_s + pause_s
        telemetry.log("serve.child_died", level="error", child=child.name, status=status, pause_s=pause_s)

    def _end(self) -> None:
        for child in self._children:
            if child.pid:
                os.kill(child.pid, signal.SIGTERM)
                child.due_s = time.monotonic() + child.stop_timeout_s
        while living := [child for child in self._children if child.pid]:
            for child in living:
                if child.due_s <= time.monotonic():
                    os.kill(child.pid, signal.SIGKILL)
                    child.due_s = float("inf")
            self._listen([child.due_s for child in living if child.due_s != float("inf")])
            self._bury()

    def _be(self, child: Child, parent: int) -> None:
        """The life of a child, from its birth."""
        os.setsid()  # Ctrl-C is the parent's to handle
        _call_by_name(child.name)
        _die_with(parent)
        with open(os.devnull, "rb") as nothing:  # noqa: PTH123
            os.dup2(nothing.fileno(), 0)
        os.close(self._ears)
        for thing in self._private:
            if thing not in child.keeps:
                thing.close()
        child.work(self._say_ready)

    def _say_ready(self) -> None:
        with suppress(OSError):
            os.write(self._mouth, READY)


def fork(work: Say) -> int:
    """A process that does `work` and ends; its id. It has no signal handlers and shares no signal with us."""
    everything = (*POLITE, signal.SIGCHLD)
    signal.pthread_sigmask(signal.SIG_BLOCK, everything)
    try:
        pid = os.fork()
        if pid == 0:
            _do(work, everything)
        return pid
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, everything)


def _do(work: Say, blocked: Sequence[signal.Signals]) -> NoReturn:
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        for number in blocked:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, blocked)
        work()
        status = 0
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else int(left.code is not None)
    except KeyboardInterrupt:
        status = 128 + signal.SIGINT
    except LamelleError as error:
        telemetry.log("serve.child_failed", level="error", code=error.code, message=error.message)
    except BaseException as error:  # noqa: BLE001  its message may quote data: the log gets its place, not its words
        telemetry.log("serve.child_crashed", level="error", **telemetry.trace(error))
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)  # what the parent would do at its end is not the child's to do


def apart(work: Say) -> None:
    """Do `work` in a process of its own and wait: this one stays without the threads and files that it needs.

    Raises: what `work` did, of our errors; SystemExit if it failed otherwise.
    """
    ours, theirs = os.pipe()

    def told(parent: int = os.getpid()) -> None:
        _die_with(parent)
        os.close(ours)
        try:
            work()
        except LamelleError as error:
            os.write(theirs, json.dumps([type(error).__name__, error.code, error.message]).encode())
            raise SystemExit(1) from None

    pid = fork(told)
    os.close(theirs)
    with open(ours, "rb") as pipe:  # noqa: PTH123
        said = pipe.read()
    _, status = os.waitpid(pid, 0)
    if said:
        kind, code, message = json.loads(said)
        raise getattr(errors, kind)(code, message)
    if status:
        raise SystemExit(1)


def _call_by_name(name: str) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode(), 0, 0, 0)


def _die_with(parent: int) -> None:
    """End when the process `parent` does, also when it was killed without a word."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    else:
        threading.Thread(target=_watch_parent, args=(parent,), daemon=True).start()
    if os.getppid() != parent:  # it died before we asked
        os.kill(os.getpid(), signal.SIGTERM)


def _watch_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGTERM)
