"""Whether a file is still being written: by looking again, and by asking the kernel where it knows.

No waiting here: who looks, and when, is watching.
"""

import fcntl
import os
import signal
from collections.abc import Iterable

from lamelle.doors.files.sources import Member, Source, missing


class Settling:
    """How often each source was seen unchanged; forgotten at a restart, which only costs a few looks."""

    def __init__(self, looks: int, missing_looks: int) -> None:
        self._looks, self._missing_looks = looks, missing_looks
        self._seen: dict[str, tuple[tuple[Member, ...], int]] = {}

    def settled(self, source: Source) -> bool:
        """Count this look; True when the source was the same for `looks` looks in a row and nobody writes to it.

        A slide of which files are missing must have been the same for `missing_looks`: nobody is bringing them.
        """
        members, count = self._seen.get(source.key, ((), 0))
        count = count + 1 if members == source.members else 1
        self._seen[source.key] = (source.members, count)
        if count < self._looks or source.size == 0:
            return False
        if count < self._missing_looks and missing(source):
            return False
        return not any(is_written(member) for member in source.members)

    def keep(self, keys: Iterable[str]) -> None:
        """Forget every source but these."""
        kept = set(keys)
        self._seen = {key: seen for key, seen in self._seen.items() if key in kept}


def is_written(member: Member) -> bool | None:
    """Whether a process on this machine has the file open for writing; None where nobody can tell.

    A read lease is refused while there is a writer (fcntl(2)); it needs our own file or a privilege, and a local disk.
    """
    try:
        fd = os.open(member.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)  # ignored by default: a lease that breaks must not end us
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return False
    except BlockingIOError:
        return True
    except (OSError, AttributeError):
        return None
    finally:
        os.close(fd)
