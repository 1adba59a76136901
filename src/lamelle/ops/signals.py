"""Signals that ask a process to end in order."""

import _thread
import signal
from collections.abc import Callable
from typing import Final

POLITE: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def on_end(act: Callable[[], None], numbers: tuple[signal.Signals, ...] = POLITE) -> None:
    """Have `act` called at each of these signals, in a thread of its own.

    A handler runs between two instructions of the main thread, perhaps while that, or the handler of a signal before,
    holds the lock of the event that `act` sets: it would wait for itself. A killed parent's threads each send one.
    """
    for number in numbers:
        signal.signal(number, lambda *_: _start(act))


def _start(act: Callable[[], None]) -> None:
    _thread.start_new_thread(act, ())  # threading.Thread takes locks too
