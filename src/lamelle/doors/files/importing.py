"""`lamelle import`: takes files and folders into the archive, several at a time; run again, it does what is left.

Not here: taking one of them (intake), drawing a progress bar and exit codes (ops.cli). Source files are never touched.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lamelle.access import places
from lamelle.archive import imports
from lamelle.archive.imports import ImportRecord, State
from lamelle.archive.store import Archive
from lamelle.base.errors import LamelleError, NotFound, Unsupported
from lamelle.dicom.vendors import SlideFacts
from lamelle.doors.files import intake, sources
from lamelle.doors.files.intake import Intake, Taken, Unit
from lamelle.doors.files.settings import FilesSettings
from lamelle.doors.files.sources import Source

Status = Literal["stored", "duplicate", "conflict", "refused", "retry", "known", "ignored", "busy"]
"""`known`: taken in by an earlier run; `ignored`: no slide; `busy`: in another worker's hands; `retry`: not now."""
FULL = frozenset({"storage_full", "storage_failed"})


@dataclass(frozen=True, slots=True)
class FileReport:
    """What became of one file or slide."""

    path: Path
    status: Status
    size: int
    code: str | None = None
    message: str = ""
    instances: int = 0
    study_uid: str | None = None
    series_uid: str | None = None


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of everything that was asked for, in the order it ended."""

    files: tuple[FileReport, ...]
    seconds: float
    size: int
    """Bytes of the files taken in this time."""
    stopped: str | None = None
    """Why the import ended before everything was tried: an error code."""

    def count(self, status: Status) -> int:
        return Counter(file.status for file in self.files)[status]

    @property
    def failed(self) -> tuple[FileReport, ...]:
        """Files a person must look at."""
        return tuple(file for file in self.files if file.status in ("refused", "conflict", "retry"))


@dataclass(frozen=True, slots=True)
class Progress:
    """One moment of an import. Sizes in bytes, of this file and of all there are to take."""

    event: Literal["found", "advanced", "ended"]
    path: Path
    done: int
    size: int
    all_done: int
    all_size: int
    files_done: int
    files: int
    eta_s: float | None
    """Seconds until all is done, None while nobody can tell."""
    report: FileReport | None = None


Listen = Callable[[Progress], None]


def import_paths(
    archive: Archive,
    settings: FilesSettings,
    paths: Sequence[Path],
    progress: Listen = lambda moment: None,
    *,
    facts: SlideFacts | None = None,
    place: int | None = None,
    retry: bool = False,
    stop: threading.Event | None = None,
) -> ImportReport:
    """Take in every slide and DICOM file of these files and folders; what an earlier run took in is left out.

    Without `facts`, a slide in a watched folder is read by the folder's rule; without `place`, what is new belongs to
    the folder's. `retry` tries again what was refused before. `progress` is called from several threads, one at a
    time. Ctrl-C and `stop` end it after dropping what is half done.

    Raises: NotFound `no_such_file`, `no_such_place`; Unavailable when the catalogue is.
    """
    for path in paths:
        if not path.exists():
            raise NotFound("no_such_file", f"There is no {path}.")
    if place is not None:
        with archive.db.read() as conn:
            places.check(conn, place)
    return _Import(archive, settings, progress, facts, place, stop or threading.Event()).run(paths, retry)


@dataclass(slots=True)
class _Meter:
    """Counts what was done, for those who watch."""

    listen: Listen
    size: int
    files: int
    started: float = field(default_factory=time.monotonic)
    done: dict[str, int] = field(default_factory=dict)
    ended: int = 0
    total: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def found(self, path: Path) -> None:
        with self.lock:
            self.listen(self._moment("found", path, 0, 0))

    def advanced(self, source: Source, size: int) -> None:
        with self.lock:
            self._count(source, min(size, source.size))
            self.listen(self._moment("advanced", source.path, self.done[source.key], source.size))

    def finished(self, report: FileReport) -> None:
        counted = self.done.pop(str(report.path), 0)
        with self.lock:
            if report.status in ("known", "ignored"):  # no work, and so no measure of how fast work goes
                self.size -= report.size
            else:
                self.total += report.size - counted
            self.ended += 1
            self.listen(self._moment("ended", report.path, report.size, report.size, report))

    def _count(self, source: Source, size: int) -> None:
        self.total += size - self.done.get(source.key, 0)
        self.done[source.key] = size

    def _moment(
        self,
        event: Literal["found", "advanced", "ended"],
        path: Path,
        done: int,
        size: int,
        report: FileReport | None = None,
    ) -> Progress:
        spent = time.monotonic() - self.started
        eta = spent * (self.size - self.total) / self.total if self.total else None
        return Progress(event, path, done, size, self.total, self.size, self.ended, self.files, eta, report)


class _Import:
    """One run."""

    def __init__(
        self,
        archive: Archive,
        settings: FilesSettings,
        listen: Listen,
        facts: SlideFacts | None,
        place: int | None,
        stop: threading.Event,
    ) -> None:
        self._archive, self._settings, self._stop = archive, settings, stop
        self._reports: list[FileReport] = []
        self._stopped: str | None = None
        self._meter = _Meter(listen, 0, 0)
        asked = (lambda source: settings.facts_of(source.path)) if facts is None else (lambda source: facts)
        owner = (lambda source: settings.place_of(source.path)) if place is None else (lambda source: place)
        self._intake = Intake(archive, settings, facts=asked, place=owner, advance=self._advance, stop=stop)
        self._size = 0

    def run(self, paths: Sequence[Path], retry: bool) -> ImportReport:
        started = time.monotonic()
        found = self._found(paths)
        self._meter.size, self._meter.files = sum(source.size for source in found), len(found)
        self._meter.started = started
        self._meter.found(paths[0] if paths else Path())
        asked = frozenset(str(path.absolute()) for path in paths)
        units = grouped(self._new(found, retry), self._settings, self._pass_over(asked))
        self._work(units)
        return ImportReport(tuple(self._reports), time.monotonic() - started, self._size, self._stopped)

    # -- what is left to do ------------------------------------------------------------------------------------------

    def _found(self, paths: Iterable[Path]) -> list[Source]:
        def lost(path: Path, error: OSError) -> None:
            why = f"The folder or file cannot be listed: {error.strerror}."
            self._reports.append(FileReport(path, "retry", 0, "unreadable", why))

        found = sources.find(paths, temporary=self._settings.temporary, lost=lost)
        return list({source.key: source for source in found}.values())

    def _new(self, found: Sequence[Source], retry: bool) -> Iterator[Source]:
        """Those the register does not know as they are now."""
        for start in range(0, len(found), imports.PATHS_AT_ONCE):
            some = found[start : start + imports.PATHS_AT_ONCE]
            records = imports.known(self._archive.db, [source.key for source in some])
            for source in some:
                record = records.get(source.key)
                again = retry and record is not None and record.state in (State.REFUSED, State.CONFLICT)
                if record is not None and not again and intake.is_done(record, source):
                    self._end(_remembered(source, record))
                else:
                    yield source

    def _pass_over(self, asked: frozenset[str]) -> Callable[[Source, LamelleError], None]:
        """A file that is no slide: refused if it was named by the person, else ignored."""

        def pass_over(source: Source, why: LamelleError) -> None:
            status: Status = "refused" if source.key in asked else "ignored"
            self._end(FileReport(source.path, status, source.size, why.code, why.message))

        return pass_over

    # -- doing it ----------------------------------------------------------------------------------------------------

    def _work(self, units: Iterator[Unit]) -> None:
        """Keep `slides_at_once` units in hand; the walk goes on meanwhile and is never far ahead."""
        with ThreadPoolExecutor(self._settings.slides_at_once, "import") as pool:
            hands: set[Future[list[Taken]]] = set()
            try:
                for unit in units:
                    if self._stop.is_set():
                        break
                    hands.add(pool.submit(self._intake.take, unit))
                    if len(hands) >= self._settings.slides_at_once:
                        hands = self._collect(hands)
                while hands:
                    hands = self._collect(hands)
            except BaseException:
                self._stop.set()
                raise
        if self._stop.is_set() and self._stopped is None:
            self._stopped = "import_stopped"

    def _collect(self, hands: set[Future[list[Taken]]]) -> set[Future[list[Taken]]]:
        done, rest = wait(hands, return_when=FIRST_COMPLETED)
        for future in done:
            for taken in future.result():
                self._end(_reported(taken))
                if taken.code in FULL:
                    self._stopped = taken.code
                    self._stop.set()
        return rest

    def _advance(self, source: Source, size: int) -> None:
        self._meter.advanced(source, size)

    def _end(self, report: FileReport) -> None:
        self._reports.append(report)
        self._size += report.size if report.status in ("stored", "duplicate") else 0
        self._meter.finished(report)


def grouped(
    found: Iterable[Source], settings: FilesSettings, pass_over: Callable[[Source, LamelleError], None]
) -> Iterator[Unit]:
    """Slides one by one, DICOM files together up to the batch's limits, those of one folder never apart that may be one
    slide's; what is no slide is passed over."""
    batch: tuple[Source, ...] = ()
    for unit in _folders(found, settings, pass_over):
        if unit.format != "dicom":
            yield unit
            continue
        if batch and not _fits((*batch, *unit.sources), settings.batch_files, settings.batch_bytes):
            yield Unit("dicom", batch)
            batch = ()
        batch += unit.sources
    if batch:
        yield Unit("dicom", batch)


def _folders(
    found: Iterable[Source], settings: FilesSettings, pass_over: Callable[[Source, LamelleError], None]
) -> Iterator[Unit]:
    """Slides one by one, and what a folder holds of DICOM files: a slide's are in one, and must not show in part."""
    some: tuple[Source, ...] = ()
    for source in found:
        try:
            format_ = _kind(source)
        except Unsupported as why:
            pass_over(source, why)
            continue
        if format_ != "dicom":
            yield Unit(format_, (source,))
            continue
        beside = some and some[0].path.parent == source.path.parent
        if some and not (beside and _fits((*some, source), settings.batch_files, settings.folder_bytes)):
            yield Unit("dicom", some)
            some = ()
        some += (source,)
    if some:
        yield Unit("dicom", some)


def _fits(sources: Sequence[Source], count: int, size: int) -> bool:
    return len(sources) <= count and sum(source.size for source in sources) <= size


def _kind(source: Source) -> str:
    try:
        found = intake.kind(source)
    except OSError:
        return "dicom"  # reading it will say what is wrong
    if found is None:
        raise Unsupported("unknown_format", "The file is no slide.")
    return found


def _remembered(source: Source, record: ImportRecord) -> FileReport:
    good = record.state in (State.STORED, State.DUPLICATE)
    return FileReport(
        source.path,
        "known" if good else "conflict" if record.state is State.CONFLICT else "refused",
        source.size,
        record.code,
        record.reason or "",
        record.instances,
        record.study_uid,
        record.series_uid,
    )


def _reported(taken: Taken) -> FileReport:
    status: Status = "busy" if taken.state is None else _STATUS[taken.state]
    return FileReport(
        taken.source.path,
        status,
        taken.source.size,
        taken.code,
        taken.message,
        taken.instances,
        taken.study_uid,
        taken.series_uid,
    )


_STATUS: dict[State, Status] = {
    State.STORED: "stored",
    State.DUPLICATE: "duplicate",
    State.CONFLICT: "conflict",
    State.REFUSED: "refused",
    State.RETRY: "retry",
    State.RUNNING: "busy",
}
