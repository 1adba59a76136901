"""Takes sources into the archive: claims them, feeds archive.ingest (slides through the sandbox), notes the end.

Not here: which sources (importing, watching). One unit is one vendor slide or a batch of DICOM files; it is committed
as a whole, so that a slide is visible whole or not at all.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from lamelle.access.model import FIRST_PLACE
from lamelle.archive import imports
from lamelle.archive.imports import FINAL, Ended, ImportRecord, Seen, State
from lamelle.archive.ingest import Origin, Outcome, Reception
from lamelle.archive.store import Archive
from lamelle.base.clock import Clock
from lamelle.base.errors import Invalid, LamelleError, Unavailable, Unsupported
from lamelle.base.telemetry import Counter, log, trace
from lamelle.dicom.vendors.sniffing import sniff
from lamelle.doors.files import identity, originals, sandbox, sources
from lamelle.doors.files.request import Request
from lamelle.doors.files.settings import FilesSettings
from lamelle.doors.files.sources import Source

CHUNK_BYTES = 1 << 20
MEDIA_DIRECTORY = b"1.2.840.10008.1.3.10"
"""SOP class of a DICOMDIR, as (0002,0002) holds it; the next element follows at once. Source: PS3.10 8.6."""
TAKEN = Counter("lamelle_files_taken_total", "Files and slides from folders, by what became of them", ("state",))
LASTING = frozenset({"unreadable", "internal_error"})
"""Codes of moments that, after so many attempts, are the file's own fault."""
OTHERS = "Another worker has it."
WORST = (State.REFUSED, State.CONFLICT, State.STORED, State.DUPLICATE)
"""A slide of several instances is what its worst instance is."""

Advance = Callable[[Source, int], None]
"""Hears how many bytes of a source were taken so far."""


@dataclass(frozen=True, slots=True)
class Unit:
    """What is committed together: one vendor's slide, or DICOM files (`format` "dicom")."""

    format: str
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one source; None as state: another worker has it."""

    source: Source
    state: State | None
    code: str | None = None
    message: str = ""
    instances: int = 0
    study_uid: str | None = None
    series_uid: str | None = None


def kind(source: Source) -> str | None:
    """How to read a source: "dicom", a vendor's format, "" for what only its name calls a slide, None for what is none.

    Raises: OSError; Unsupported `dicomdir`.
    """
    with source.path.open("rb") as file:
        head = file.read(1024)
    if head[128:132] == b"DICM":
        if MEDIA_DIRECTORY + b"\2\0\3\0" in head:
            raise Unsupported("dicomdir", "A DICOMDIR lists files; the files themselves are taken.")
        return "dicom"
    return sniff(source.path) or ("" if source.expected else None)


def is_done(record: ImportRecord, source: Source) -> bool:
    """Whether the register says what became of the source as it is now; size and time first, for they cost nothing."""
    if record.state not in FINAL or (record.size, record.mtime_ns) != (source.size, source.mtime_ns):
        return False
    return record.is_of(_seen(source))


class Intake:
    """One worker's way of taking sources; threads may share it."""

    def __init__(
        self,
        archive: Archive,
        settings: FilesSettings,
        *,
        facts: Callable[[Source], object] = lambda source: None,
        place: Callable[[Source], int] = lambda source: FIRST_PLACE,
        advance: Advance = lambda source, size: None,
        stop: threading.Event | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._archive, self._settings = archive, settings
        self._clock = clock or archive.clock
        self._facts, self._place, self._advance = facts, place, advance
        self._stop = stop or threading.Event()
        self._worker = identity.worker_name()

    def take(self, unit: Unit) -> list[Taken]:
        """Take a unit in and note what became of it; one Taken each, in order. A source's own faults raise nothing.

        Raises: Unavailable when the catalogue is.
        """
        files = [replace(_seen(source), place=self._place(source)) for source in unit.sources]
        attempts = imports.claim(self._archive.db, files, self._worker, self._now(), self._lease(), identity.is_dead)
        mine = tuple(source for source in unit.sources if source.key in attempts)
        taken = {item.source.key: item for item in self._tried(Unit(unit.format, mine), attempts)} if mine else {}
        return [taken.get(source.key) or Taken(source, None, "busy", OTHERS) for source in unit.sources]

    def _tried(self, unit: Unit, attempts: Mapping[str, int]) -> list[Taken]:
        try:
            done = self._dicom(unit.sources) if unit.format == "dicom" else [self._slide(unit.sources[0], unit.format)]
        except LamelleError as error:
            done = [_failed(source, error) for source in unit.sources]
        except OSError as error:
            done = [_failed(source, _unreadable(error)) for source in unit.sources]
        except Exception as error:  # noqa: BLE001 - one file must not end a watcher; the trace is logged
            log("files_broke", level="error", **trace(error))
            internal = Unavailable("internal_error", f"This should not happen: {type(error).__name__}.")
            done = [_failed(source, internal) for source in unit.sources]
        done = [self._patient(item, attempts[item.source.key]) for item in done]
        self._note(unit, done, attempts)
        return done

    # -- two ways in -------------------------------------------------------------------------------------------------

    def _dicom(self, found: Sequence[Source]) -> list[Taken]:
        """Feed Part 10 files as they are; those that can be read are committed together."""
        lease = _Lease(self, found)
        taken: dict[str, Taken] = {}
        with ExitStack() as stack:
            read: list[tuple[Source, Reception]] = []
            for source in found:
                reception = stack.enter_context(self._archive.ingest.receive(self._origin("dicom", source)))
                try:
                    self._feed(source, reception, lease)
                    read.append((source, reception))
                except OSError as error:
                    taken[source.key] = _failed(source, _unreadable(error))
                except Unavailable as error:
                    if error.code != "source_changed":
                        raise
                    taken[source.key] = _failed(source, error)
            outcomes = self._archive.ingest.commit([reception for _, reception in read]) if read else []
        taken |= {source.key: _summary(source, [outcome]) for (source, _), outcome in zip(read, outcomes, strict=True)}
        return [taken[source.key] for source in found]

    def _feed(self, source: Source, reception: Reception, lease: "_Lease") -> None:
        buffer = bytearray(min(CHUNK_BYTES, max(1, source.size)))
        done = 0
        with source.path.open("rb", buffering=0) as file:
            while count := file.readinto(buffer):
                self._go_on()
                reception.write(memoryview(buffer)[:count])
                done += count
                lease.advance(source, done)
        reception.close()
        _unchanged(source)

    def _slide(self, source: Source, format_: str) -> Taken:
        """Convert in a child; all instances are committed at once, after the source was seen not to have changed."""
        if not format_:
            raise Unsupported("unknown_format", "The file is named like a slide but is none that can be read.")
        if sources.missing(source):
            raise Invalid("incomplete", "Files that belong to this slide are missing beside it.")
        settings, lease = self._settings, _Lease(self, [source])
        with ExitStack() as stack:
            received: list[Reception] = []

            def sink(name: str) -> Reception:
                received.append(stack.enter_context(self._archive.ingest.receive(self._origin(format_, source))))
                return received[-1]

            scratch = stack.enter_context(identity.scratch(self._archive.settings.data_dir / "scratch"))
            facts = self._facts(source)
            request = Request(source.path, facts, settings.convert, settings.limits, settings.reader, scratch)
            sandbox.run(request, sink, progress=lambda sent: lease.advance(source, sent), stop=self._stop)
            if not received:
                raise Invalid("no_instances", "The slide holds no image.")
            for reception in received:
                if reception.error is not None:
                    raise reception.error
            _unchanged(source)
            if settings.originals == "keep":
                originals.keep(self._archive.blobs, source)
            return _summary(source, self._archive.ingest.commit(received))

    # -- what is noted -----------------------------------------------------------------------------------------------

    def _patient(self, taken: Taken, attempt: int) -> Taken:
        """A fault of the moment is tried again; one that stays is the file's."""
        if taken.state is State.RETRY and taken.code in LASTING and attempt >= self._settings.retries:
            return replace(taken, state=State.REFUSED)
        return taken

    def _note(self, unit: Unit, done: Sequence[Taken], attempts: Mapping[str, int]) -> None:
        now = self._now()
        ended = []
        for item in done:
            assert item.state is not None
            wait = timedelta(seconds=self._settings.retry_s * 2 ** min(attempts[item.source.key] - 1, 10))
            again_at = now + wait if item.state is State.RETRY and item.code != "import_stopped" else None
            ended.append(
                Ended(
                    item.source.key,
                    item.state,
                    item.code,
                    item.message or None,
                    item.study_uid,
                    item.series_uid,
                    item.instances,
                    again_at,
                )
            )
            TAKEN.add(1, item.state)
        imports.end(self._archive.db, ended, self._worker, now)
        for state, code in sorted({(str(item.state), item.code or "") for item in done}):
            count = sum((str(item.state), item.code or "") == (state, code) for item in done)
            log("files_taken", state=state, code=code, format=unit.format, count=count)

    def _origin(self, detail: str, source: Source) -> Origin:
        return Origin("files", detail, self._place(source))

    # -- small helps -------------------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        if self._stop.is_set():
            raise Unavailable("import_stopped", "The import was stopped.")

    def _now(self) -> datetime:
        return self._clock.now()

    def _lease(self) -> datetime:
        return self._now() + timedelta(seconds=self._settings.lease_s)


class _Lease:
    """Passes progress on, and renews the claim of files that take long."""

    def __init__(self, intake: Intake, found: Sequence[Source]) -> None:
        self._intake = intake
        self._keys = [source.key for source in found]
        self._until = intake._lease()

    def advance(self, source: Source, done: int) -> None:
        intake = self._intake
        intake._advance(source, done)
        if (self._until - intake._now()).total_seconds() < intake._settings.lease_s / 2:
            self._until = intake._lease()
            imports.renew(intake._archive.db, self._keys, intake._worker, self._until)


def _seen(source: Source) -> Seen:
    try:
        fingerprint = sources.fingerprint(source)
    except OSError:
        fingerprint = ""  # the attempt to read it will say why
    return Seen(source.key, source.size, source.mtime_ns, fingerprint)


def _unchanged(source: Source) -> None:
    if sources.whole(source.path) != source:
        raise Unavailable("source_changed", "The file changed while it was read; it is still being written.")


def _unreadable(error: OSError) -> Unavailable:
    return Unavailable("unreadable", f"The file cannot be read: {error.strerror or type(error).__name__}.")


def _failed(source: Source, error: LamelleError) -> Taken:
    state = State.RETRY if isinstance(error, Unavailable) else State.REFUSED
    return Taken(source, state, error.code, error.message)


def _summary(source: Source, outcomes: Sequence[Outcome]) -> Taken:
    worst = min(outcomes, key=lambda outcome: WORST.index(State(outcome.status)))
    kept = sum(outcome.status in ("stored", "duplicate") for outcome in outcomes)
    return Taken(source, State(worst.status), worst.code, worst.message, kept, worst.study_uid, worst.series_uid)
