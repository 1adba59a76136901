"""Waiting for what another process does, with an end."""

import threading
import time
from collections.abc import Callable


def until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    """Return once it is true. Raises: TimeoutError."""
    end, pause = time.monotonic() + seconds, threading.Event()
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"not so after {seconds} s")
        pause.wait(0.05)
