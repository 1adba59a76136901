"""`python -m lamelle.testing.crash.filling DATA JOURNAL SEED [BREAK...]`: an archive at work while it is written down.

Several threads store, repeat, contradict and delete; every acknowledgement is noted in the journal. A BREAK takes one
of the promises away, to see that the loss is noticed.
"""

import hashlib
import io
import os
import random
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pydicom
from sqlalchemy.exc import OperationalError

from lamelle.access.model import WHOLE
from lamelle.archive import disk, lifecycle
from lamelle.archive.blobstores.files import FileStore
from lamelle.archive.ingest import Ingest, Reception
from lamelle.archive.model import Origin, Outcome
from lamelle.archive.spool import Spool
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.base.errors import NotFound, Unavailable
from lamelle.testing.archives import SetClock
from lamelle.testing.crash.journal import Notebook
from lamelle.testing.instances import dataset, instance, slide

THREADS = 4
ROUNDS = 10


def main(data: Path, journal: Path, seed: int, breaks: list[str]) -> None:
    """Fill a new archive until every thread has done its rounds."""
    for name in breaks:
        BREAKS[name]()
    archive = Archive.open(ArchiveSettings(data, reserve_bytes=0), SetClock())
    notes = Notebook(journal)
    failed: list[BaseException] = []

    def work(number: int) -> None:
        try:
            fill(archive, notes, number, random.Random(seed * 100 + number))
        except BaseException as error:  # noqa: BLE001  told below
            failed.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    archive.close()
    if failed:
        raise failed[0]


def fill(archive: Archive, notes: Notebook, worker: int, choice: random.Random) -> None:
    """One thread's rounds."""
    own: list[bytes] = []
    for turn in range(ROUNDS):
        kind = choice.random()
        batch = [_new(worker, turn, n, choice) for n in range(choice.choice((1, 1, 2, 4, 6)))]
        if kind < 0.25 and own:
            batch.append(choice.choice(own))
            notes.note(f"sending {uid_of(batch[-1])} -")  # it may have been deleted, and comes back from here on
        if kind < 0.4:  # every thread sends this UID with bytes of its own: one wins
            batch.append(instance("contested", number=turn, PatientName=f"W{worker}"))
        keep(archive, notes, batch)
        own += batch[:1]
        if kind > 0.85:
            _delete(archive, notes, f"w{worker}-{turn}")
        if kind > 0.7:  # SQLite begins its log anew: old frames are in the database file by then
            with suppress(OperationalError), archive.db.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(RESTART)")


def keep(archive: Archive, notes: Notebook, batch: list[bytes]) -> None:
    """Store and note what was acknowledged."""
    receptions = [_received(archive, data) for data in batch]
    try:
        outcomes = _committed(archive, receptions)
    except Unavailable:  # the disk failed, and the sender is told so
        return
    finally:
        for reception in receptions:
            reception.drop()
    for data, outcome in zip(batch, outcomes, strict=True):
        digest = hashlib.sha256(data).hexdigest()
        word = {"conflict": "aside", "refused": "refused"}.get(outcome.status, "kept")
        notes.note(f"{word} {outcome.sop_instance_uid} {digest}")


def _received(archive: Archive, data: bytes) -> Reception:
    reception = archive.ingest.receive(Origin("test"))
    reception.write(data)
    reception.close()
    return reception


def _committed(archive: Archive, receptions: list[Reception]) -> list[Outcome]:
    """Commit, and once more after a failure, as a door may."""
    try:
        return archive.ingest.commit(receptions)
    except Unavailable:
        return archive.ingest.commit(receptions)


def uid_of(data: bytes) -> str:
    """The SOP Instance UID of a Part 10 file."""
    return str(pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True).SOPInstanceUID)


def _new(worker: int, turn: int, number: int, choice: random.Random) -> bytes:
    study = f"w{worker}-{turn}"
    if choice.random() < 0.15:
        return slide([b"\xff\xd8" + choice.randbytes(40_000) + b"\xff\xd9"] * 3, study, number=number)
    return instance(study, number=number, PatientName=f"N{choice.random()}")


def _delete(archive: Archive, notes: Notebook, study: str) -> None:
    uid = str(dataset(study).StudyInstanceUID)
    try:
        gone = [ref.sop_uid for ref in archive.retrieve.instances(WHOLE, uid)]
    except NotFound:  # acknowledged, and not there: the check will tell
        return
    for sop in gone:
        notes.note(f"deleting {sop} -")
    try:
        lifecycle.delete(archive.db, archive.blobs, archive.clock, WHOLE, uid)
    except Unavailable:  # it may have happened or not
        return
    for sop in gone:
        notes.note(f"deleted {sop} -")


# -- promises taken away ---------------------------------------------------------------------------------------------


def _nothing(*_: object) -> None:
    return None


def _bytes_not_synced() -> None:
    os.fdatasync = _nothing  # type: ignore[assignment]


def _folders_not_synced() -> None:
    FileStore._sync = _nothing  # type: ignore[method-assign,assignment]


def _whole_pretended() -> None:
    _syncs_whole()
    disk.sync_whole = lambda fd: True


def _failures_forgotten() -> None:
    Spool.check = _nothing  # type: ignore[method-assign,assignment]


def _catalogue_not_synced() -> None:
    import sqlalchemy as sa
    from sqlalchemy import event

    def off(connection: object, _: object) -> None:
        connection.execute("PRAGMA synchronous=OFF")  # type: ignore[attr-defined]

    event.listen(sa.engine.Engine, "connect", off)


def _named_before_synced() -> None:
    real = FileStore.place

    def place(self: FileStore, items: object) -> list[bool]:
        sync, os.fdatasync = os.fdatasync, _nothing  # type: ignore[assignment]
        try:
            placed = real(self, items)  # type: ignore[arg-type]
        finally:
            os.fdatasync = sync
        threading.Timer(0.02, _sync_late, (items,)).start()
        return placed

    FileStore.place = place  # type: ignore[method-assign]


def _sync_late(items: list[tuple[object, str]]) -> None:
    for spool, _ in items:
        if spool.fileno() >= 0:  # type: ignore[attr-defined]
            os.fdatasync(spool.fileno())  # type: ignore[attr-defined]


def _answered_before_committed() -> None:
    real = Ingest._group

    def group(self: Ingest, request: object) -> None:
        threading.Thread(target=real, args=(self, request)).start()
        request.outcomes = ["stored"] * len(request.receptions)  # type: ignore[attr-defined]

    Ingest._group = group  # type: ignore[method-assign]


def _syncs_whole() -> None:
    """No break: the way of ext4 and XFS, on whatever file system this runs."""
    disk.syncs_whole = lambda folder: True
    disk.unwritten = lambda: 0  # whatever else this machine writes


def _syncs_each() -> None:
    """No break: the way of every other file system."""
    disk.syncs_whole = lambda folder: False


BREAKS: dict[str, Callable[[], None]] = {
    "bytes-not-synced": _bytes_not_synced,
    "folders-not-synced": _folders_not_synced,
    "whole-pretended": _whole_pretended,
    "failures-forgotten": _failures_forgotten,
    "catalogue-not-synced": _catalogue_not_synced,
    "named-before-synced": _named_before_synced,
    "answered-before-committed": _answered_before_committed,
    "whole": _syncs_whole,
    "each": _syncs_each,
}

if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
