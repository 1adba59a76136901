"""What the files door can be told, with units and reasons; ops/config fills it, nothing here reads the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lamelle.access.model import FIRST_PLACE
from lamelle.dicom.vendors import ConvertSettings, SiteRule, SlideFacts
from lamelle.doors.files.request import READER, Limits


@dataclass(frozen=True, slots=True)
class WatchedFolder:
    """One scanner's folder and what its file names say."""

    path: Path
    """The folder; it may be on a network share that comes and goes."""
    pattern: str = ""
    r"""Regular expression searched in the path below the folder, without its ending; named groups are facts about the
    slide: `(?P<accession_number>[A-Z0-9]+)-(?P<block>[0-9]+)-(?P<stain>\w+)`. Empty: the file alone says what it is."""
    on: Literal["name", "barcode"] = "name"
    """What the pattern is searched in: the path, or the barcode that the scanner read and wrote into its file."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Facts about every slide of this folder that its name does not give, such as `institution`."""
    after: Literal["leave", "move", "delete"] = "leave"
    """What happens to files that are in the archive, after this was verified: nothing, into `done/`, or deleted."""
    refused: Literal["leave", "move"] = "leave"
    """What happens to files that were refused: nothing, or into `refused/`."""
    place: int = FIRST_PLACE
    """Number of the place that studies begun by this folder belong to; 1 is the first establishment."""

    def __post_init__(self) -> None:
        self.rule()

    def rule(self) -> SiteRule:
        """How names are read here. Raises: Invalid `bad_site_rule`."""
        return SiteRule(self.pattern, on=self.on, defaults=self.facts)

    def facts_of(self, path: Path) -> SlideFacts | SiteRule:
        """What the folder knows of one of its slides, or the rule to ask once its barcode is read.

        Raises: Invalid `bad_fact`.
        """
        if self.on == "barcode":
            return self.rule()
        return self.rule().facts(path.relative_to(self.path.absolute()).with_suffix("").as_posix(), "")


@dataclass(frozen=True, slots=True)
class FilesSettings:
    """Settings of watched folders and `lamelle import`."""

    watch: tuple[WatchedFolder, ...] = ()
    """Folders to take slides from while the server runs."""
    originals: Literal["discard", "keep"] = "discard"
    """Whether a vendor's file is kept beside the DICOM made of it: twice the space, a way back for new readers."""
    slides_at_once: int = 2
    """Slides converted at the same time: one reader fills about one core, the archive's hashing the other."""
    poll_s: float = 10.0
    """Seconds between two looks at a watched folder; shares give no reliable notice of new files."""
    stable_polls: int = 3
    """Looks during which no file of a slide may change before it is taken: a scanner pauses between layers."""
    missing_polls: int = 360
    """Looks during which a slide whose files are not all there is waited for, unchanged, before it is refused."""
    temporary: tuple[str, ...] = ("*.tmp", "*.temp", "*.part", "*.partial", "*.filepart", "*.crdownload", "*~", "~*")
    """Names of files still being written by someone (and all hidden ones), in any letter case."""
    lease_s: float = 900.0
    """Seconds after which a slide claimed by a watcher that died is taken by another; renewed while it works."""
    retries: int = 5
    """Attempts at a file that cannot be read before it is put aside."""
    retry_s: float = 60.0
    """Seconds before the second attempt; doubled for each one after."""
    batch_files: int = 100
    """DICOM files committed together: one sync of the disk for all of them."""
    batch_bytes: int = 256 << 20
    """Bytes of DICOM files of several folders committed together, so that an interrupted import loses little."""
    folder_bytes: int = 8 << 30
    """Bytes of one folder's DICOM files committed together: a slide of several files shows whole or not at all."""
    convert: ConvertSettings = field(default_factory=ConvertSettings)
    """How slides are written as DICOM."""
    limits: Limits = field(default_factory=Limits)
    """What one slide reader may use."""
    reader: str = READER
    """`module:function` that converts a vendor's slide."""

    def facts_of(self, path: Path) -> SlideFacts | SiteRule:
        """What the watched folder around a slide knows of it; nothing outside of all. Raises: Invalid `bad_fact`."""
        folder = self._around(path)
        return folder.facts_of(path) if folder else SlideFacts()

    def place_of(self, path: Path) -> int:
        """The place of the watched folder around a slide; outside of all the first."""
        folder = self._around(path)
        return folder.place if folder else FIRST_PLACE

    def _around(self, path: Path) -> WatchedFolder | None:
        around = [folder for folder in self.watch if path.is_relative_to(folder.path.absolute())]
        return max(around, key=lambda folder: len(folder.path.parts), default=None)

    def __post_init__(self) -> None:
        for name, low in (("slides_at_once", 1), ("stable_polls", 1), ("batch_files", 1), ("retries", 1)):
            if getattr(self, name) < low:
                raise ValueError(f"{name} is {getattr(self, name)}; at least {low}")
