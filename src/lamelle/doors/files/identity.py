"""Who a worker is, and whether it still lives: so that work of a killed process is taken up at once.

Of a worker on another machine or in another container nothing can be known here; its lease decides.
"""

import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_count = itertools.count()


def worker_name() -> str:
    """This process: machine since its start, process namespace, number and start time; never the same twice."""
    pid = os.getpid()
    return f"{_place()}.{pid}.{_started(pid)}"


def is_dead(worker: str) -> bool:
    """True only when that worker was a process of this machine that is no more."""
    place, _, rest = worker.rpartition(".")
    place, _, pid = place.rpartition(".")
    return place == _place() != "" and pid.isdigit() and _started(int(pid)) != rest


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """A private folder for one reader's own files, gone afterwards; what killed workers left goes too."""
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.iterdir():
        if is_dead(left.stem):
            shutil.rmtree(left, ignore_errors=True)
    own = folder / f"{worker_name()}.{next(_count)}"
    own.mkdir(mode=0o700)
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)


def _place() -> str:
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}.{Path('/proc/self/ns/pid').stat().st_ino}"
    return ""


def _started(pid: int) -> str:
    """Start time of a process in clock ticks since boot (proc(5), field 22); empty for none and for a zombie."""
    with suppress(OSError, IndexError):
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return "" if state[0] in "ZX" else state[19]
    return ""
