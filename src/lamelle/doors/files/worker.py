"""The child that reads one vendor slide: takes its limits, converts, sends the instances through a pipe, ends.

Started by sandbox; nothing else runs it. It never touches the archive, and what it imports it imports under limits.
"""

import ctypes
import importlib
import os
import pickle
import resource
import signal
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, is_dataclass
from typing import Any

from lamelle.base import confined
from lamelle.base.errors import LamelleError
from lamelle.doors.files.pipe import Kind, Sender, Writer
from lamelle.doors.files.request import Limits, Request

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38


def main() -> None:
    """Read the request from standard input, answer on what was standard output."""
    fd = os.dup(1)
    os.dup2(2, 1)  # a library that prints must not write into the protocol
    parent, limits = pickle.load(sys.stdin.buffer)  # nosec B301 # our own parent's, through its pipe
    die_with(parent)
    confine(limits)
    sender = Sender(fd)
    try:
        request: Request = pickle.load(sys.stdin.buffer)  # nosec B301 # the same
        if request.scratch is not None:
            tempfile.tempdir = str(request.scratch)
        else:
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        sender.control(Kind.PROGRESS)  # from here on silence means that the reader hangs, not that Python starts
        sender.control(Kind.FACTS, convert(request, sender.begin))
        sender.control(Kind.DONE)
    except BrokenPipeError:
        os._exit(1)
    except BaseException as error:  # noqa: BLE001 - the parent must learn of every end
        sender.control(Kind.ERROR, told(error))
    os._exit(0)  # no finalizers of third-party libraries: the work is done


def die_with(parent: int) -> None:
    """End when the parent ends. Linux only; elsewhere the pipe's end is noticed at the next write."""
    with suppress(OSError, AttributeError):
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def confine(limits: Limits) -> None:
    """RLIMIT_DATA, not RLIMIT_AS: a mapped 6 GB slide is address space, not memory."""
    os.nice(limits.nice)
    confined.limit(
        {
            resource.RLIMIT_CORE: (0, 0),
            resource.RLIMIT_CPU: (limits.cpu_s, limits.cpu_s + 5),
            resource.RLIMIT_DATA: (limits.memory_bytes, limits.memory_bytes),
            resource.RLIMIT_FSIZE: (limits.file_bytes, limits.file_bytes),
            resource.RLIMIT_NOFILE: (limits.open_files, limits.open_files),
        }
    )


def convert(request: Request, sink: Callable[[str], AbstractContextManager[Writer]]) -> dict[str, Any]:
    """Call the reader; what it returns about the slide, as a JSON object."""
    module, _, name = request.reader.partition(":")
    found = getattr(importlib.import_module(module), name)(request.path, sink, request.facts, request.settings)
    if is_dataclass(found) and not isinstance(found, type):
        return asdict(found)
    return dict(found or {})


def told(error: BaseException) -> dict[str, str]:
    """What the parent may know: our own errors whole, a library's by its class, for its text may name a patient."""
    if isinstance(error, LamelleError):
        kind, code, message = type(error).__name__, error.code, error.message
    elif isinstance(error, MemoryError):
        kind, code, message = "Invalid", "reader_memory", "The slide reader needed more memory than allowed."
    elif isinstance(error, FileNotFoundError | PermissionError):
        kind, code, message = "Unavailable", "unreadable", f"The file cannot be read: {error.strerror}."
    else:
        kind, code, message = "Invalid", "reader_failed", f"The slide reader gave up: {type(error).__name__}."
    return {"kind": kind, "code": code, "message": message}


if __name__ == "__main__":
    main()
