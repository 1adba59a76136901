"""What on a disk makes one slide: walks folders, joins the files that belong together, tells whether all are there.

Not here: what a file is inside (dicom.vendors), whether it is known (register), whether it has settled (settling).
"""

import configparser
import fnmatch
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

EDGE_BYTES = 64 << 10
"""How much of each end of a file its fingerprint covers."""
CLUTTER = frozenset({"thumbs.db", "desktop.ini", "dicomdir"})
OPAQUE = (".zarr",)
"""Endings of folders that are one thing we do not read."""
SLIDE_ENDINGS = frozenset(
    {".svs", ".ndpi", ".mrxs", ".isyntax", ".tif", ".tiff", ".btf", ".bif", ".scn", ".vsi", ".vms", ".vmu", ".czi"}
    | {".svslide", ".qptiff", ".dcm", ".dicom"}
)
"""Endings a person expects to be taken in: such a file is never passed over without a word."""


@dataclass(frozen=True, slots=True, order=True)
class Member:
    """One file as a listing shows it."""

    path: Path
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Source:
    """One slide or DICOM file: the file a person would name, and every file that belongs to it, that one included."""

    path: Path
    members: tuple[Member, ...]

    @property
    def key(self) -> str:
        """Its name in the register of imports."""
        return str(self.path)

    @property
    def size(self) -> int:
        return sum(member.size for member in self.members)

    @property
    def mtime_ns(self) -> int:
        return max(member.mtime_ns for member in self.members)

    @property
    def expected(self) -> bool:
        """Whether its name says it is a slide."""
        return self.path.suffix.lower() in SLIDE_ENDINGS

    def relative(self, member: Member) -> str:
        """The name of a member as seen from beside the slide."""
        return member.path.relative_to(self.path.parent).as_posix()


Lost = Callable[[Path, OSError], None]


def _ignore(path: Path, error: OSError) -> None: ...


def find(
    paths: Iterable[Path],
    *,
    temporary: tuple[str, ...] = (),
    skip: frozenset[Path] = frozenset(),
    lost: Lost = _ignore,
) -> Iterator[Source]:
    """Every source in files and folders, in order; `lost` hears of what cannot be listed. Links to folders are not
    followed, `skip` names folders to pass over."""
    for path in paths:
        try:
            if path.is_dir():
                yield from _walk(path.absolute(), temporary, skip, lost)
            else:
                yield whole(path.absolute())
        except OSError as error:
            lost(path, error)


def whole(path: Path) -> Source:
    """The source a file names, with its companions. Raises: OSError."""
    stat = path.stat()
    members = [Member(path, stat.st_size, stat.st_mtime_ns)]
    folder = companion(path)
    if folder is not None and folder.is_dir():
        members += sorted(_files(folder))
    return Source(path, tuple(members))


def companion(path: Path) -> Path | None:
    """The folder that belongs to a slide's main file: `a.mrxs` has `a`, `a.vsi` has `_a_`."""
    match path.suffix.lower():
        case ".mrxs":
            return path.with_suffix("")
        case ".vsi":
            return path.with_name(f"_{path.stem}_")
        case _:
            return None


def missing(source: Source) -> bool:
    """Whether files are still to come: an MRXS index names the data files that must stand beside it."""
    if source.path.suffix.lower() != ".mrxs":
        return False
    folder = source.path.with_suffix("")
    names = {member.path.name for member in source.members if member.path.parent == folder}
    named = _mrxs_files(folder / "Slidedat.ini")
    return not named or not named <= names


def _mrxs_files(index: Path) -> set[str]:
    """The files a Slidedat.ini names; none when it is not there or not whole."""
    ini = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        ini.read_string(index.read_bytes().decode("utf-8-sig", errors="replace"))
        count = ini.getint("DATAFILE", "FILE_COUNT")
        files = {ini.get("DATAFILE", f"FILE_{number}") for number in range(min(count, 10_000))}
        return files | {ini.get("HIERARCHICAL", "INDEXFILE"), index.name}
    except (OSError, ValueError, configparser.Error):
        return set()


def fingerprint(source: Source) -> str:
    """Names, sizes and both ends of the main file: tells a replaced file of the same size and time. Raises: OSError."""
    digest = hashlib.sha256()
    for member in source.members:
        digest.update(f"{source.relative(member)}\0{member.size}\0".encode("utf-8", "surrogateescape"))
    with source.path.open("rb") as file:
        digest.update(file.read(EDGE_BYTES))
        file.seek(max(0, source.members[0].size - EDGE_BYTES))
        digest.update(file.read(EDGE_BYTES))
    return digest.hexdigest()


def is_clutter(name: str, temporary: tuple[str, ...]) -> bool:
    """Hidden, unfinished, or a system's own file."""
    low = name.lower()
    return low.startswith(".") or low in CLUTTER or any(fnmatch.fnmatchcase(low, p.lower()) for p in temporary)


def _walk(folder: Path, temporary: tuple[str, ...], skip: frozenset[Path], lost: Lost) -> Iterator[Source]:
    try:
        with os.scandir(folder) as listing:
            entries = sorted(listing, key=lambda entry: entry.name)
    except OSError as error:
        lost(folder, error)
        return
    claimed: set[Path] = set()
    folders: list[Path] = []
    for entry in entries:
        if is_clutter(entry.name, temporary):
            continue
        path = Path(entry.path)
        try:
            if entry.is_dir(follow_symlinks=False):
                folders.append(path)
            elif entry.is_file():
                beside = companion(path)
                claimed |= {beside} if beside else set()
                yield whole(path)
        except FileNotFoundError:
            continue  # moved away between the listing and now
        except OSError as error:
            lost(path, error)
    for path in folders:
        if path not in claimed and path not in skip and not path.name.lower().endswith(OPAQUE):
            yield from _walk(path, temporary, skip, lost)


def _files(folder: Path) -> Iterator[Member]:
    """Every file below a folder. Raises: OSError, for half a listing would look like a whole slide."""
    for root, _, names in os.walk(folder, onerror=_raise):
        for name in names:
            with suppress(FileNotFoundError):
                stat = (Path(root) / name).stat()
                yield Member(Path(root) / name, stat.st_size, stat.st_mtime_ns)


def _raise(error: OSError) -> None:
    raise error
