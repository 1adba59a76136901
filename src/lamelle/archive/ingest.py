"""The only way into the archive: bytes are spooled, scanned as they pass, made durable, catalogued, then acknowledged.

No protocol here, and no conversion: what arrives is DICOM Part 10.
"""

import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Protocol

import sqlalchemy as sa

from lamelle.archive import admission, catalogue, facts, filing, forwarding
from lamelle.archive.blobs import BlobStore, Chunk, Spool
from lamelle.archive.filing import Record
from lamelle.archive.model import Origin, Outcome
from lamelle.archive.settings import ArchiveSettings
from lamelle.base import events, jobs
from lamelle.base.clock import Clock
from lamelle.base.db import Database
from lamelle.base.errors import Denied, Invalid, LamelleError, TooLarge, Unavailable
from lamelle.base.telemetry import Counter, log
from lamelle.dicom import validate
from lamelle.dicom.part10 import Scan, Scanner
from lamelle.dicom.validate import Verdict

__all__ = ["Ingest", "Origin", "Outcome", "Reception", "Steps"]

THUMBNAIL_DELAY = timedelta(seconds=2)
"""The other instances of a series follow within this time, and one thumbnail job serves them all."""
RETRIES = 5
DENIED = "denied"
"""What became of an instance whose sender may not store it, before its outcome says refused."""
READ = 1 << 20
SCANNERS = 8
"""Threads that scan and hash large instances while they are written; more at once wait for one another."""
WORTH_A_THREAD = 2 << 20
"""Size from which an instance's next bytes are scanned by another thread: below, handing over costs more."""
WORTH_BEGINNING = 128 << 10
"""Size from which a file's writing to the disk begins while the others of its batch arrive."""
OUTCOMES = Counter("lamelle_instances_total", "Instances received, by what became of them.", ("door", "status"))
TAKEN_IN = Counter("lamelle_taken_in_bytes_total", "Bytes of the instances received.", ("door",))


class Steps(Protocol):
    """Told of every step of a commit; a test stops the world there."""

    def reached(self, step: str) -> None:
        """One of `placed`, `catalogued` (not committed), `committed`, `dropped`."""


class NoSteps:
    def reached(self, step: str) -> None:
        """Nothing to do."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What the sender said of the instance beside its bytes; None: nothing."""

    study_uid: str | None = None
    sop_class_uid: str | None = None
    sop_uid: str | None = None

    def check(self, record: Record) -> None:
        """Raises: Invalid, when the bytes say something else."""
        if self.study_uid not in (None, record.study_uid):
            raise Invalid("study_mismatch", f"the instance is not of study {self.study_uid}")
        if self.sop_class_uid not in (None, record.facts.instance["sop_class"]):
            raise Invalid("sop_class_mismatch", "the data set is of another SOP class than was announced")
        if self.sop_uid not in (None, record.uid):
            raise Invalid("sop_instance_mismatch", "the data set is another SOP instance than was announced")


class Reception:
    """One instance being received; leaving the context drops its spool."""

    def __init__(self, spool: Spool, origin: Origin, expected: "Expected", limit: int, scanners: Executor) -> None:
        self.origin = origin
        self.spool = spool
        self.error: LamelleError | None = None
        self.scan: Scan | None = None
        self.verdict: Verdict | None = None
        self.record: Record | None = None
        self.placed = False
        self._expected, self._limit = expected, limit
        self._scanner: Scanner | None = Scanner()
        self._scanners = scanners
        self._scanning: Future[None] | None = None

    def write(self, chunk: Chunk, *, lasting: bool = False) -> None:
        """Take the next bytes. Bad DICOM raises nothing here: the outcome says it.

        `lasting`: the caller leaves the bytes as they are until the next call of `write`, `close` or `drop`, so that
        they are scanned while more arrive; of `bytes` this is known. Raises: Unavailable.
        """
        self._wait_for_scan()
        if self.spool.size + len(chunk) > self._limit:
            self.error = TooLarge("instance_too_large", f"an instance may have {self._limit} bytes")
        if isinstance(self.error, TooLarge):
            return
        if self.spool.size < WORTH_A_THREAD:
            self._feed(chunk)
        else:  # hashing and writing release the interpreter's lock: each takes a core
            self._scanning = self._scanners.submit(self._feed, chunk)
        self.spool.write(chunk)
        if not lasting and not isinstance(chunk.obj if isinstance(chunk, memoryview) else chunk, bytes):
            self._wait_for_scan()

    def _feed(self, chunk: Chunk) -> None:
        if self._scanner is None:
            return
        try:
            self._scanner.feed(chunk)
        except LamelleError as error:
            self._refuse(error)

    def _wait_for_scan(self) -> None:
        scanning, self._scanning = self._scanning, None
        if scanning is not None:
            scanning.result()

    def close(self) -> None:
        """The bytes are complete."""
        self._wait_for_scan()
        scanner, self._scanner = self._scanner, None
        if scanner is None or self.error is not None:
            return
        if self.spool.size >= WORTH_BEGINNING:
            self.spool.begin_writing()
        try:
            self.scan = scanner.finish()
            self.verdict = validate.check(self.scan)
            if self.verdict.errors:
                raise Invalid(self.verdict.errors[0].code, self.verdict.errors[0].message)
            self.record = record(self.scan, self.verdict)
            self._expected.check(self.record)
        except LamelleError as error:
            self._refuse(error)

    def drop(self) -> None:
        """Remove the spool; what was committed stays."""
        self._wait_for_scan()
        self._scanner = None
        self.spool.drop()

    def _refuse(self, error: LamelleError) -> None:
        self.error, self._scanner = error, None

    def __enter__(self) -> "Reception":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.drop()


@dataclass(slots=True)
class _Request:
    """What one thread asks the group to file."""

    receptions: list[Reception]
    outcomes: list[str] | None = None
    error: BaseException | None = None
    done: bool = False


class Ingest:
    """The archive's intake; share it between threads."""

    def __init__(
        self,
        db: Database,
        blobs: BlobStore,
        clock: Clock,
        settings: ArchiveSettings,
        steps: Steps | None = None,
    ) -> None:
        self._db, self._blobs, self._clock, self._settings = db, blobs, clock, settings
        self._steps = steps or NoSteps()
        self._scanners = ThreadPoolExecutor(SCANNERS, thread_name_prefix="scan")
        self._turn = threading.Condition()
        self._waiting: list[_Request] = []
        self._leading = False

    def receive(
        self,
        origin: Origin,
        *,
        study_uid: str | None = None,
        sop_class_uid: str | None = None,
        sop_uid: str | None = None,
    ) -> Reception:
        """Start receiving one instance; one that is not of the given study, class and UID is refused.

        Raises: Unavailable("storage_full" | "storage_failed").
        """
        free = self._blobs.free_bytes()
        if free is not None and free < self._settings.reserve_bytes:
            raise Unavailable("storage_full", "the room kept in reserve is reached")
        expected = Expected(study_uid, sop_class_uid, sop_uid)
        return Reception(self._blobs.spool(), origin, expected, self._settings.instance_limit_bytes, self._scanners)

    def commit(self, receptions: Sequence[Reception]) -> list[Outcome]:
        """Keep closed receptions; durable when it returns, one outcome each in the same order.

        Their spools are dropped. Raises: Unavailable when nothing could be kept; the receptions may be committed again
        when it was the catalogue that failed. Bytes whose writing or syncing failed must be sent again: the storage
        takes them no more, for a later sync would say nothing of what the first one lost.
        """
        good = [reception for reception in receptions if reception.error is None]
        statuses = dict(zip(map(id, good), self._keep(good), strict=True)) if good else {}
        for reception in good:
            if statuses[id(reception)] == DENIED:
                reception.error = Denied("not_allowed", "the sender may not store into this study")
                statuses[id(reception)] = "refused"
        outcomes = [self._outcome(reception, statuses.get(id(reception), "refused")) for reception in receptions]
        for at, (reception, outcome) in enumerate(zip(receptions, outcomes, strict=True)):
            if outcome.status in ("conflict", "refused"):
                outcomes[at] = self._set_aside(reception, outcome)
            reception.drop()
            OUTCOMES.add(1, reception.origin.door, outcome.status)
            TAKEN_IN.add(outcome.size, reception.origin.door)
        self._steps.reached("dropped")
        return outcomes

    # -- keeping -----------------------------------------------------------------------------------

    def _keep(self, receptions: list[Reception]) -> list[str]:
        denied = self._place(receptions)
        self._steps.reached("placed")
        request = _Request([reception for reception in receptions if id(_record(reception)) not in denied])
        if request.receptions:
            self._group(request)
        if request.error is not None:
            raise request.error
        kept = iter(request.outcomes or ())
        return [DENIED if id(_record(reception)) in denied else next(kept) for reception in receptions]

    def _place(self, receptions: Sequence[Reception]) -> set[int]:
        """Make the bytes of what seems new durable under their keys, before and outside the transaction.

        Whose sender may not store it is left out, and told.
        """
        with self._db.read() as conn:
            known = filing.known(conn, [_record(r).uid for r in receptions])
            denied = admission.denied(conn, [(r.origin, _record(r)) for r in receptions], self._clock.now())
        fresh: dict[str, Reception] = {}
        for reception in receptions:
            if id(_record(reception)) in denied:
                continue
            this = _record(reception)
            if this.uid not in known:
                fresh.setdefault(this.key, reception)
        placed = self._blobs.place([(reception.spool, key) for key, reception in fresh.items()])
        for reception, new in zip(fresh.values(), placed, strict=True):
            reception.placed = new
        return denied

    def _group(self, request: _Request) -> None:
        """Wait for a turn; whoever finds no leader files for all who wait, in one transaction."""
        with self._turn:
            self._waiting.append(request)
            while self._leading and not request.done:
                self._turn.wait()
            if request.done:
                return
            self._leading = True
            batch, self._waiting = self._waiting, []
        try:
            self._file_all(batch)
        finally:
            with self._turn:
                for waiting in batch:
                    waiting.done = True
                self._leading = False
                self._turn.notify_all()

    def _file_all(self, batch: Sequence[_Request]) -> None:
        """File a batch; one bad request among several fails alone."""
        try:
            self._file(batch)
        except Unavailable as error:
            _fail(batch, error)
        except Exception as error:  # noqa: BLE001  handed to the thread that asked
            if len(batch) == 1:
                _fail(batch, error)
                return
            for request in batch:
                self._file_all([request])
        except BaseException as error:
            _fail(batch, error)
            raise

    def _file(self, batch: Sequence[_Request]) -> None:
        receptions = [reception for request in batch for reception in request.receptions]
        for attempt in range(RETRIES):
            try:
                with self._db.write() as conn:
                    statuses = self._catalogue(conn, receptions)
                    self._steps.reached("catalogued")
                break
            except Unavailable as error:
                if error.code != "database_conflict" or attempt + 1 == RETRIES:
                    raise
        self._steps.reached("committed")
        ordered = iter(statuses)
        for request in batch:
            request.outcomes = [next(ordered) for _ in request.receptions]

    def _catalogue(self, conn: sa.Connection, receptions: Sequence[Reception]) -> list[str]:
        """File what is new; the status of each reception, in order."""
        now = self._clock.now()
        known = filing.known(conn, [_record(r).uid for r in receptions])
        unknown = [_record(r) for r in receptions if _record(r).uid not in known]
        filing.lock(conn, unknown, now, {_record(r).study_uid: r.origin.place for r in reversed(receptions)})
        asked = [(reception.origin, _record(reception)) for reception in receptions]
        denied = admission.denied(conn, asked, now)  # again: they are locked now
        buried = filing.buried(conn, sorted({this.uid for this in unknown}))
        first: dict[str, Reception] = {}
        for reception in receptions:
            if _record(reception).uid not in known and id(_record(reception)) not in denied:
                first.setdefault(_record(reception).uid, reception)
        late = filing.file(conn, [_record(r) for r in first.values()], now)
        for this in late:
            del first[this.uid]
        known |= filing.known(conn, [this.uid for this in late])
        for uid, reception in first.items():
            self._secure(conn, reception, buried.get(uid))
            known[uid] = _record(reception).digest
        self._announce(conn, list(first.values()))
        self._clear(conn, [r for r in receptions if r.placed and known.get(_record(r).uid) != _record(r).digest], known)
        filing.sweep(conn, {this.study_uid for this in unknown} - {_record(r).study_uid for r in first.values()})
        told = dict.fromkeys(denied, DENIED) | {id(_record(r)): "stored" for r in first.values()}
        same = {id(r.record): "duplicate" for r in receptions if known.get(_record(r).uid) == _record(r).digest}
        return [told.get(id(r.record)) or same.get(id(r.record), "conflict") for r in receptions]

    def _secure(self, conn: sa.Connection, reception: Reception, buried: str | None) -> None:
        """See that the blob is this reception's while its row is ours, so that no other row can mean other bytes.

        `buried` is the blob under which the instance was deleted before.
        """
        this = _record(reception)
        if not self._blobs.holds(reception.spool, this.key):
            self._blobs.replace(reception.spool, this.key)
        if buried is not None:  # deleted once: the trace of that goes before the instance is acknowledged again
            if buried != this.key:  # and its bytes, else a rebuild would find two and take the older
                self._blobs.delete(buried)
            self._blobs.delete(f"tombstones/{this.uid}.json")
            conn.execute(sa.delete(catalogue.tombstone).where(catalogue.tombstone.c.uid == this.uid))

    def _clear(self, conn: sa.Connection, losers: Sequence[Reception], known: Mapping[str, str]) -> None:
        """Remove what was placed under a UID that another door was quicker to fill, while the winner can't be deleted.

        Later would be too late: the winner deleted, the same bytes might be the instance by then. What is `known` to be
        under no UID was denied, and its study is locked.
        """
        held = filing.hold(conn, [_record(loser).uid for loser in losers])
        for loser in losers:
            if _record(loser).uid in held or _record(loser).uid not in known:
                self._blobs.delete(_record(loser).key)

    def _announce(self, conn: sa.Connection, stored: Sequence[Reception]) -> None:
        payloads = [
            {
                "study_uid": this.study_uid,
                "series_uid": this.series_uid,
                "sop_uid": this.uid,
                "sop_class_uid": this.facts.instance["sop_class"],
            }
            for this in map(_record, stored)
        ]
        events.record_many(conn, "InstanceStored", payloads, clock=self._clock)
        if self._settings.forward:
            pairs = [(_record(reception), reception.origin) for reception in stored]
            forwarding.note(conn, self._settings.forward, pairs, self._clock.now())
        for study_uid, series_uid in dict.fromkeys((p["study_uid"], p["series_uid"]) for p in payloads):
            ask_for_thumbnail(conn, study_uid, series_uid, self._clock.now())

    # -- putting aside -----------------------------------------------------------------------------

    def _outcome(self, reception: Reception, status: str) -> Outcome:
        said, error = reception.verdict, reception.error
        code = error.code if error else "instance_differs" if status == "conflict" else None
        message = error.message if error else "other bytes are kept under this SOP Instance UID" if code else ""
        return Outcome(
            status=status,  # type: ignore[arg-type]
            sop_class_uid=said.sop_class_uid if said else None,
            sop_instance_uid=said.sop_instance_uid if said else None,
            study_uid=said.study_uid if said else None,
            series_uid=said.series_uid if said else None,
            code=code,
            message=message,
            size=reception.spool.size,
            digest=reception.scan.dataset_sha256 if reception.scan else "",
        )

    def _set_aside(self, reception: Reception, outcome: Outcome) -> Outcome:
        """Keep what could not be filed, with its reason; the outcome says so when a conflict could not even be kept."""
        if outcome.code in ("study_mismatch", "instance_too_large", "not_allowed"):
            return outcome
        note: dict[str, Any] = {
            "status": outcome.status,
            "code": outcome.code,
            "message": outcome.message,
            "sop_class_uid": outcome.sop_class_uid,
            "sop_instance_uid": outcome.sop_instance_uid,
            "study_uid": outcome.study_uid,
            "series_uid": outcome.series_uid,
            "size": outcome.size,
            "door": reception.origin.door,
            "detail": reception.origin.detail,
            "place": reception.origin.place,
            "received_at": self._clock.now().isoformat(),
        }
        try:
            digest = _sha256(reception.spool)
            self._blobs.place([(reception.spool, f"aside/{digest}.dcm")])
            self._blobs.put(f"aside/{digest}.json", json.dumps(note).encode())
            with self._db.write() as conn:
                filing.note_aside(conn, f"aside/{digest}.dcm", note)
        except Unavailable as error:
            log("ingest.aside_failed", level="warning", code=error.code)
            if outcome.status == "conflict":
                return replace(outcome, status="refused", code=error.code, message=error.message)
        return outcome


def ask_for_thumbnail(conn: sa.Connection, study_uid: str, series_uid: str, now: datetime) -> None:
    """One job for a series, however many of its instances ask."""
    jobs.enqueue(
        conn,
        "thumbnail",
        {"study_uid": study_uid, "series_uid": series_uid},
        key=f"thumbnail:{study_uid}:{series_uid}",
        run_at=now + THUMBNAIL_DELAY,
    )


def record(scan: Scan, verdict: Verdict) -> Record:
    """What the catalogue keeps of a scanned file that may be filed."""
    data = scan.json()
    found = facts.read(facts.head(data))
    pixels = scan.pixels
    row: dict[str, Any] = {
        "transfer_syntax": scan.transfer_syntax,
        "size": scan.size,
        "meta_digest": scan.meta_sha256,
        "dataset_offset": scan.dataset_offset,
        "pixel_vr": "",
        "pixel_offset": 0,
        "pixel_length": 0,
    }
    if pixels is not None:
        row["pixel_vr"] = pixels.vr
        row["pixel_offset"] = pixels.offset
        row["pixel_length"] = -1 if pixels.length is None else pixels.length
    bulk = [[value.path, value.vr, value.offset, value.length] for value in scan.bulk]
    return Record(
        study_uid=str(verdict.study_uid),
        series_uid=str(verdict.series_uid),
        uid=str(verdict.sop_instance_uid),
        digest=scan.dataset_sha256,
        facts=found,
        row=row,
        json=filing.compress(data),
        bulk=filing.compress(json.dumps(bulk).encode()) if bulk else None,
        frames=None if scan.frames is None else scan.frames.pack(),
    )


def _fail(batch: Sequence[_Request], error: BaseException) -> None:
    for request in batch:
        request.error = error


def _record(reception: Reception) -> Record:
    if reception.record is None:
        raise ValueError("a reception is committed after it was closed")
    return reception.record


def _sha256(spool: Spool) -> str:
    digest = hashlib.sha256()
    at = 0
    while chunk := spool.read_at(at, READ):
        digest.update(chunk)
        at += len(chunk)
    return digest.hexdigest()
