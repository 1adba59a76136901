"""The shim between a node and its disk: compiled here, ordered from here to kill, to fail or to write down.

What it sees is in shim.c; what its journal means is in journal.
"""

import errno
import mmap
import shutil
import struct
import subprocess
from collections.abc import Iterable
from enum import IntEnum
from pathlib import Path

SOURCE = Path(__file__).with_name("shim.c")
ORDERS = struct.Struct("<qqIIqiiqq")
CALLS, KILL_AFTER, KILL_KINDS, FAIL_KINDS, FAILURES, FAIL_ERRNO, _, KILLS, FAILED = range(9)
OFFSETS = (0, 8, 16, 20, 24, 32, 36, 40, 48)
FORMATS = ("<q", "<q", "<I", "<I", "<q", "<i", "<i", "<q", "<q")
AFTER = 16


class Kind(IntEnum):
    """What a call is done to. The same order as `enum kind` in shim.c."""

    WRITE_SPOOL = 0
    SYNC_SPOOL = 1
    LINK = 2
    SYNC_FOLDER = 3
    WRITE_LOG = 4
    SYNC_LOG = 5
    DROP_SPOOL = 6
    WRITE_DATABASE = 7
    SYNC_DATABASE = 8
    SYNC_ALL = 9
    OTHER = 10


def compiler() -> str | None:
    """A C compiler of this machine, None without one."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def build(folder: Path) -> Path:
    """Compile the shim into `folder`. Raises: RuntimeError without a compiler, or with what it said."""
    program, library = compiler(), folder / "shim.so"
    if program is None:
        raise RuntimeError("no C compiler")
    command = [program, "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-lpthread"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return library


class Orders:
    """What the programs that share this file are told; taken up at their next call."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.write_bytes(bytes(ORDERS.size))
        with path.open("r+b") as file:
            self._shared = mmap.mmap(file.fileno(), ORDERS.size)

    def environment(self, library: Path, folder: Path, journal: Path | None = None) -> dict[str, str]:
        """Variables under which a program is watched below `folder`."""
        named = {"CRASH_FOLDER": str(folder.resolve()), "CRASH_ORDERS": str(self.path), "LD_PRELOAD": str(library)}
        return named | ({"CRASH_JOURNAL": str(journal)} if journal else {})

    def kill(self, kind: Kind, *, after: bool, count: int = 1) -> None:
        """Whoever makes the `count`th call of this kind from now dies just before or just after it."""
        self._set(KILL_AFTER, 0)
        self._set(KILL_KINDS, 1 << (kind + (AFTER if after else 0)))
        self._set(KILL_AFTER, count)

    def fail(self, kinds: Iterable[Kind], number: int = errno.EIO, times: int = 1 << 40) -> None:
        """The next calls of these kinds fail."""
        self._set(FAIL_KINDS, 0)
        self._set(FAIL_ERRNO, number)
        self._set(FAILURES, times)
        self._set(FAIL_KINDS, sum(1 << kind for kind in set(kinds)))

    def forget(self) -> None:
        """Kill nobody, let nothing fail."""
        for field in (KILL_AFTER, KILL_KINDS, FAIL_KINDS, FAILURES):
            self._set(field, 0)

    @property
    def calls(self) -> int:
        return self._get(CALLS)

    @property
    def kills(self) -> int:
        return self._get(KILLS)

    @property
    def failed(self) -> int:
        return self._get(FAILED)

    def close(self) -> None:
        self._shared.close()

    def _get(self, field: int) -> int:
        return int(struct.unpack_from(FORMATS[field], self._shared, OFFSETS[field])[0])

    def _set(self, field: int, value: int) -> None:
        struct.pack_into(FORMATS[field], self._shared, OFFSETS[field], value)
