"""What happens to a source in a watched folder once its fate is known: left, moved aside or, verified, deleted.

Not here: deciding its fate (intake). Nothing outside a watched folder ever comes here.
"""

import itertools
import shutil
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from lamelle.access.model import WHOLE
from lamelle.archive.model import instance_key
from lamelle.archive.store import Archive
from lamelle.base.errors import NotFound, Unavailable
from lamelle.dicom.part10 import Scanner
from lamelle.doors.files.intake import Taken
from lamelle.doors.files.settings import WatchedFolder
from lamelle.doors.files.sources import Source, companion

DONE = "done"
REFUSED = "refused"
CHUNK_BYTES = 1 << 20


def set_apart(folder: WatchedFolder) -> frozenset[Path]:
    """The folders below a watched one that are ours."""
    root = folder.path.absolute()
    return frozenset({root / DONE, root / REFUSED})


def kept(archive: Archive, folder: WatchedFolder, taken: Taken, format_: str) -> None:
    """Do with a source that is in the archive what the folder's setting says. Raises: Unavailable, OSError."""
    if folder.after != "leave":
        verify(archive, taken, format_)
    if folder.after == "move":
        move(taken.source, folder.path.absolute(), DONE)
    elif folder.after == "delete":
        _delete(taken.source)


def refused(folder: WatchedFolder, source: Source) -> None:
    """Do with a source that was refused what the folder's setting says. Raises: OSError."""
    if folder.refused == "move":
        move(source, folder.path.absolute(), REFUSED)


def verify(archive: Archive, taken: Taken, format_: str) -> None:
    """See in the blob store itself that what came of a source is there. Raises: Unavailable `not_verified`.

    A DICOM file and its blob are read again. Of a converted slide every instance is looked up.
    """
    if not (_holds(archive, taken.source) if format_ == "dicom" else _holds_slide(archive, taken)):
        raise Unavailable("not_verified", "The archive does not hold what it should; the file is left alone.")


def _holds(archive: Archive, source: Source) -> bool:
    with source.path.open("rb", buffering=0) as file:
        digest = _digest(iter(lambda: file.read(CHUNK_BYTES), b""))
    try:
        blob = archive.blobs.open(instance_key(digest))
    except NotFound:
        return False
    with closing(blob):
        return digest == _digest(blob.read_at(at, CHUNK_BYTES) for at in range(0, blob.size, CHUNK_BYTES))


def _digest(chunks: Iterable[bytes]) -> str:
    """Of the dataset in a Part 10 file."""
    scanner = Scanner()
    for chunk in chunks:
        scanner.feed(chunk)
    return scanner.finish().dataset_sha256


def _holds_slide(archive: Archive, taken: Taken) -> bool:
    if taken.study_uid is None or taken.series_uid is None:
        return False
    try:
        refs = archive.retrieve.instances(WHOLE, taken.study_uid, taken.series_uid)
    except NotFound:
        return False
    blobs = [(ref.size, archive.blobs.stat(ref.key)) for ref in refs]
    return len(refs) >= taken.instances > 0 and all(blob is not None and blob.size == size for size, blob in blobs)


def move(source: Source, root: Path, into: str) -> Path:
    """Move a slide with its companions below `root/into`, never over another; where it is now. Raises: OSError."""
    below = source.path.relative_to(root)
    for number in itertools.count():
        target = root / into / (str(number) if number else "") / below
        beside = companion(target)
        if not target.exists() and not (beside is not None and beside.exists()):
            break
    target.parent.mkdir(parents=True, exist_ok=True)
    source.path.rename(target)  # first: without it the companions are no slide
    folder = companion(source.path)
    if folder is not None and beside is not None and folder.is_dir():
        folder.rename(beside)
    return target


def _delete(source: Source) -> None:
    source.path.unlink()
    folder = companion(source.path)
    if folder is not None and folder.is_dir():
        shutil.rmtree(folder)
