"""A signal that comes while the event it sets is being set does not stop the process for ever."""

import signal
import threading
from collections.abc import Iterator

import pytest

from lamelle.ops import signals


@pytest.fixture(autouse=True)
def put_back() -> Iterator[None]:
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


def test_a_signal_within_the_lock_of_the_event_ends_the_process_all_the_same() -> None:
    stop = threading.Event()
    signals.on_end(stop.set, (signal.SIGHUP,))
    with stop._cond:  # type: ignore[attr-defined]  # as `wait` and `set` do
        signal.raise_signal(signal.SIGHUP)
        signal.raise_signal(signal.SIGHUP)
    assert stop.wait(10)
