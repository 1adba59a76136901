"""Getting bytes onto a disk with few waits: what Linux offers beyond fsync. Elsewhere each function says it can't.

Which bytes must be durable, and when, is not decided here.
"""

import ctypes
import os
import re
from contextlib import suppress
from pathlib import Path

_WRITE = 2  # SYNC_FILE_RANGE_WRITE: start writing, do not wait. Source: sync_file_range(2)
_WHOLE = {"ext4", "xfs"}
"""File systems whose syncfs waits for data, metadata and the device's cache; FUSE's, for one, does not."""
_LINUX = (5, 8)
"""Since then syncfs tells of failed writes. Source: syncfs(2)."""
FOREIGN_BYTES = 64 << 20
"""Other programs' unwritten bytes up to which a sync of the whole file system is worth it: it waits for theirs too."""

_libc = ctypes.CDLL(None, use_errno=True)
_syncfs = getattr(_libc, "syncfs", None)
_range = getattr(_libc, "sync_file_range", None)
if _range is not None:
    _range.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)


def begin_writing(fd: int, start: int, length: int) -> None:
    """Have a range written out early, so that a later fdatasync waits less. Nothing is promised, nothing reported."""
    if _range is not None:
        _range(fd, start, length, _WRITE)


def syncs_whole(folder: Path) -> bool:
    """Whether `sync_whole` may be trusted on the file system of a folder."""
    system = os.uname()
    release = re.match(r"(\d+)\.(\d+)", system.release)
    if system.sysname != "Linux" or _syncfs is None or release is None:
        return False
    if (int(release[1]), int(release[2])) < _LINUX:
        return False
    device = folder.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    with suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            before, _, after = line.partition(" - ")
            if before.split()[2] == wanted:
                return after.split()[0] in _WHOLE
    return False


def sync_whole(fd: int) -> bool:
    """Make all that was written to the file system of `fd` durable; False when a write failed since `fd` was opened.

    The failure may be another file's: syncing each file tells. It is told once for each opening.
    """
    return _syncfs is not None and _syncfs(fd) == 0


def unwritten() -> int:
    """Bytes of all programs that wait to be written or are being written."""
    try:
        text = Path("/proc/meminfo").read_text()
    except OSError:
        return 0
    return sum(int(kib) << 10 for kib in re.findall(r"^(?:Dirty|Writeback): +(\d+)", text, re.MULTILINE))
