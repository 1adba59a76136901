"""What a child process that works on bytes from outside is given: an environment without us, and limits.

Not here: what the child does (apart for short questions, doors.files.sandbox for whole slides).
"""

import os
import resource
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import lamelle


def environment() -> Iterator[tuple[str, str]]:
    """Nothing of ours but what Python needs; single-threaded numeric libraries, for each thread reserves memory."""
    roots = [str(Path(lamelle.__path__[0]).parent), *(entry for entry in sys.path if entry)]
    yield "PYTHONPATH", os.pathsep.join(dict.fromkeys(roots))
    yield "PYTHONDONTWRITEBYTECODE", "1"
    yield "PATH", os.defpath
    yield "LC_ALL", "C.UTF-8"
    yield from (("MALLOC_ARENA_MAX", "2"), ("OMP_NUM_THREADS", "1"), ("OPENBLAS_NUM_THREADS", "1"))


def limit(wanted: Mapping[int, tuple[int, int]]) -> None:
    """Set resources to (soft, hard), never above what this process was given itself."""
    for what, (soft, hard) in wanted.items():
        inherited = resource.getrlimit(what)[1]
        ceiling = hard if inherited == resource.RLIM_INFINITY else min(hard, inherited)
        resource.setrlimit(what, (min(soft, ceiling), ceiling))
