"""Folders that outlive a power cut: a new name lasts only once the folder it stands in is synced."""

import os
from contextlib import suppress
from pathlib import Path


def make_durably(folder: Path) -> None:
    """Make a folder and its parents, and sync where their names stand. Raises: OSError.

    One that is there may have been made a moment ago by a process that died before it synced: its name is synced too,
    unless its parent may not be opened.
    """
    missing = [one for one in (folder, *folder.parents) if not one.is_dir()]
    folder.mkdir(parents=True, exist_ok=True)
    for one in missing:
        sync_folder(one.parent)
    if not missing:
        with suppress(OSError):
            sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Raises: OSError."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
