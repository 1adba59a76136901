"""Watched folders: looks again and again, takes what has settled, forgets nothing at a restart.

By looking, not by notices of the kernel: those do not come from network shares. Any number of watchers may share a
folder and a register. Not here: taking a source (intake), when it has settled (settling).
"""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from lamelle.archive import imports
from lamelle.archive.imports import FINAL, ImportRecord, State
from lamelle.archive.store import Archive
from lamelle.base.clock import Clock
from lamelle.base.errors import LamelleError
from lamelle.base.telemetry import Counter, log, trace
from lamelle.doors.files import clearing, intake, sources
from lamelle.doors.files.importing import grouped
from lamelle.doors.files.intake import Intake, Taken, Unit
from lamelle.doors.files.settings import FilesSettings, WatchedFolder
from lamelle.doors.files.settling import Settling
from lamelle.doors.files.sources import Member, Source

UNITS_A_LOOK = 8
"""Slides, or batches of DICOM files, that one folder may have taken in one look, for each taken at once."""
LOST = Counter("lamelle_files_folder_lost_total", "Times a watched folder or a part of it could not be listed")


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at every folder saw and did."""

    waiting: int
    """Sources not yet settled, or to be tried again later."""
    taken: tuple[Taken, ...]
    lost: tuple[Path, ...]
    """Folders that could not be listed."""
    more: bool = False
    """Whether something that has settled was left for the next look, so that no folder waits for another's backlog."""


class Watcher:
    """Watches the folders of the settings; one thread calls it, several processes may have one each."""

    def __init__(
        self, archive: Archive, settings: FilesSettings, clock: Clock, stop: threading.Event | None = None
    ) -> None:
        self._stop = stop or threading.Event()
        self._folders = [_Folder(archive, settings, folder, clock, self._stop) for folder in settings.watch]
        self._settings = settings

    def poll(self) -> Look:
        """Look once at every folder and take what has settled; ends early after `stop`."""
        looks = [folder.look() for folder in self._folders if not self._stop.is_set()]
        return Look(
            sum(look.waiting for look in looks),
            tuple(taken for look in looks for taken in look.taken),
            tuple(path for look in looks for path in look.lost),
            any(look.more for look in looks),
        )

    def run_forever(self) -> None:
        """Look every `poll_s` seconds until `stop`; what is in hand then is dropped and taken at the next start."""
        while not self._stop.is_set():
            more = False
            try:
                more = self.poll().more
            except LamelleError as error:
                log("files_watch_unavailable", level="warning", code=error.code)
            except Exception as error:  # noqa: BLE001 - watching must outlive any surprise; the trace is logged
                log("files_watch_broke", level="error", **trace(error))
            if not more:
                self._stop.wait(self._settings.poll_s)


class _Folder:
    """One watched folder and what was seen in it."""

    def __init__(
        self, archive: Archive, settings: FilesSettings, folder: WatchedFolder, clock: Clock, stop: threading.Event
    ) -> None:
        self._archive, self._settings, self._folder, self._clock = archive, settings, folder, clock
        self._root = folder.path.absolute()
        self._stop = stop
        self._settling = Settling(settings.stable_polls, settings.missing_polls)
        self._done: dict[str, tuple[Member, ...]] = {}
        self._lost: tuple[Path, ...] = ()
        self._intake = Intake(
            archive,
            settings,
            facts=lambda source: folder.facts_of(source.path),
            place=lambda source: folder.place,
            stop=stop,
            clock=clock,
        )

    def look(self) -> Look:
        found, lost = self._listed()
        new = [source for source in found if self._done.get(source.key) != source.members]
        ready = [source for source in new if self._settling.settled(source)]
        if not lost:  # of what could not be listed nothing is known, so nothing is forgotten
            keys = {source.key for source in found}
            self._settling.keep(keys)
            self._done = {key: members for key, members in self._done.items() if key in keys}
        queue = grouped(self._due(ready), self._settings, self._pass_over)
        units = list(islice(queue, UNITS_A_LOOK * self._settings.slides_at_once))
        more = next(queue, None) is not None
        taken = tuple(taken for unit, ended in self._take(units) for taken in self._ended(unit, ended))
        ended = sum(source.key in self._done for source in new)
        return Look(len(new) - ended, taken, lost, more)

    # -- what there is -----------------------------------------------------------------------------------------------

    def _listed(self) -> tuple[list[Source], tuple[Path, ...]]:
        gone: list[Path] = []
        apart = clearing.set_apart(self._folder)
        if self._root.is_dir():
            lost = lambda path, error: gone.append(path)  # noqa: E731
            found = list(sources.find([self._root], temporary=self._settings.temporary, skip=apart, lost=lost))
        else:
            found, gone = [], [self._root]
        self._tell(tuple(gone))
        return found, tuple(gone)

    def _tell(self, lost: tuple[Path, ...]) -> None:
        """Say once that a share went, and once that it is back."""
        if lost:
            LOST.add(1)
        if bool(lost) != bool(self._lost):
            event = "files_folder_lost" if lost else "files_folder_back"
            log(event, level="warning" if lost else "info", folder=str(self._root), parts=len(lost))
        self._lost = lost

    def _due(self, ready: Sequence[Source]) -> Iterator[Source]:
        """Those to be taken now; those whose fate was known before a restart are only cleared away."""
        records = imports.known(self._archive.db, [source.key for source in ready])
        for source in ready:
            record = records.get(source.key)
            if record is None or (record.state not in FINAL and not self._waits(record)):
                yield source
            elif record.state in FINAL:
                if intake.is_done(record, source):
                    self._clear(source, _remembered(source, record))
                else:
                    yield source

    def _waits(self, record: ImportRecord) -> bool:
        due = record.lease_until
        return record.state is State.RETRY and due is not None and due > self._clock.now()

    def _pass_over(self, source: Source, _why: LamelleError) -> None:
        self._done[source.key] = source.members

    # -- what is done ------------------------------------------------------------------------------------------------

    def _take(self, units: Sequence[Unit]) -> Iterator[tuple[Unit, list[Taken]]]:
        def take(unit: Unit) -> list[Taken]:
            return [] if self._stop.is_set() else self._intake.take(unit)

        with ThreadPoolExecutor(self._settings.slides_at_once, "watch") as pool:
            yield from zip(units, pool.map(take, units), strict=True)

    def _ended(self, unit: Unit, taken: Sequence[Taken]) -> Sequence[Taken]:
        for item in taken:
            if item.state in FINAL:
                self._clear(item.source, item, unit.format)
        return taken

    def _clear(self, source: Source, taken: Taken, format_: str | None = None) -> None:
        """Clear a source away; what cannot be cleared now is looked at again."""
        try:
            if taken.state in (State.STORED, State.DUPLICATE):
                clearing.kept(self._archive, self._folder, taken, format_ or intake.kind(source) or "")
            else:
                clearing.refused(self._folder, source)
        except (OSError, LamelleError) as error:
            code = error.code if isinstance(error, LamelleError) else "unwritable"
            log("files_not_cleared", level="warning", code=code)
        else:
            self._done[source.key] = source.members


def _remembered(source: Source, record: ImportRecord) -> Taken:
    return Taken(
        source,
        record.state,
        record.code,
        record.reason or "",
        record.instances,
        record.study_uid,
        record.series_uid,
    )
