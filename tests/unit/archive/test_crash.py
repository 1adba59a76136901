"""The world stopped at every step of a commit, failing storage, and many doors at once."""

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa

from lamelle.access.model import WHOLE
from lamelle.archive import catalogue, lifecycle
from lamelle.archive.blobs import Spool
from lamelle.archive.blobstores.files import FileStore
from lamelle.archive.ingest import Ingest, Reception
from lamelle.archive.model import Origin, Outcome
from lamelle.archive.reconcile import catalogue_fingerprint, rebuild, verify
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.base.db import Database
from lamelle.base.errors import Unavailable
from lamelle.testing.archives import SetClock, store, stored
from lamelle.testing.instances import dataset, instance

STEPS = ("placed", "catalogued", "committed", "dropped")


class Killed(BaseException):
    """Stands for a process that ends here: no handler in between may catch it."""


class StopAt:
    """Ends the world at one step."""

    def __init__(self, step: str) -> None:
        self._step = step

    def reached(self, step: str) -> None:
        if step == self._step:
            raise Killed(step)


def stopping(archive: Archive, step: str) -> Archive:
    ingest = Ingest(archive.db, archive.blobs, archive.clock, archive.settings, steps=StopAt(step))
    return Archive(archive.db, archive.blobs, ingest, archive.retrieve, archive.clock, archive.settings)


@pytest.mark.parametrize("step", STEPS)
def test_whatever_the_step_nothing_acknowledged_is_lost_and_nothing_half_is_seen(archive: Archive, step: str) -> None:
    acknowledged = instance("kept")
    stored(archive, [acknowledged])
    files = [instance("new", number=n) for n in (1, 2, 3)]
    with pytest.raises(Killed):
        store(stopping(archive, step), *files)
    again = Archive.open(archive.settings, SetClock())
    with again.db.read() as conn:
        seen = conn.execute(sa.select(sa.func.count()).select_from(catalogue.instance)).scalar_one()
    assert seen == (1 if step in ("placed", "catalogued") else 4), "all of a commit or nothing"
    assert verify(again.db, again.blobs).sound
    statuses = {outcome.status for outcome in store(again, *files)}
    assert statuses == ({"stored"} if seen == 1 else {"duplicate"})
    report = verify(again.db, again.blobs)
    assert report.sound and report.instances == 4 and report.orphaned == []
    before = catalogue_fingerprint(again.db)
    assert rebuild(again.db, again.blobs).sound
    assert catalogue_fingerprint(again.db) == before
    again.close()


def test_an_orphan_of_a_crash_with_another_meta_header_is_replaced(archive: Archive) -> None:
    data = instance()
    other = data[:5] + b"x" + data[6:]  # another preamble, the same dataset
    with pytest.raises(Killed):
        store(stopping(archive, "placed"), other)
    stored(archive, [data])
    [ref] = archive.retrieve.instances(WHOLE, dataset().StudyInstanceUID)
    assert b"".join(archive.retrieve.stream(ref)) == data
    assert verify(archive.db, archive.blobs).sound


class Failing(FileStore):
    """A folder whose disk fails when told to."""

    error: Unavailable | None = None

    def place(self, items: Sequence[tuple[Spool, str]]) -> list[bool]:
        if self.error is not None:
            raise self.error
        return super().place(items)


def test_a_full_disk_is_told_and_forgotten(archive: Archive, tmp_path: Path) -> None:
    blobs = Failing(tmp_path / "failing")
    ingest = Ingest(archive.db, blobs, archive.clock, archive.settings)
    full = Archive(archive.db, blobs, ingest, archive.retrieve, archive.clock, archive.settings)
    blobs.error = Unavailable("storage_full", "no room")
    with pytest.raises(Unavailable):
        store(full, instance())
    blobs.error = None
    assert [o.status for o in store(full, instance())] == ["stored"]
    blobs.close()


def received(archive: Archive, data: bytes) -> Reception:
    reception = archive.ingest.receive(Origin("test"))
    reception.write(data)
    reception.close()
    return reception


def test_receptions_may_be_committed_again_after_the_catalogue_failed(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    reception = received(archive, instance())
    with monkeypatch.context() as broken:
        broken.setattr(Database, "write", _unavailable)
        with pytest.raises(Unavailable):
            archive.ingest.commit([reception])
    assert [o.status for o in archive.ingest.commit([reception])] == ["stored"]


@pytest.mark.parametrize("call", ["fdatasync", "fsync"])
def test_bytes_whose_sync_failed_are_not_trusted_again(
    archive: Archive, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """The kernel forgets what it could not write: a second sync succeeds, and the bytes are not on the disk."""
    reception = received(archive, instance())
    with monkeypatch.context() as broken:
        broken.setattr(os, call, _raise)
        with pytest.raises(Unavailable):
            archive.ingest.commit([reception])
    with pytest.raises(Unavailable, match="send it again"):
        archive.ingest.commit([reception])
    reception.drop()
    assert [o.status for o in store(archive, instance())] == ["stored"]
    assert verify(archive.db, archive.blobs).sound


def test_a_conflict_that_could_not_be_kept_aside_is_told_as_a_failure(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(archive, [instance()])
    monkeypatch.setattr(os, "fdatasync", _raise)
    [outcome] = store(archive, instance(PatientName="Other"))
    assert (outcome.status, outcome.code) == ("refused", "storage_full")


def test_other_bytes_after_a_deletion_stay_through_a_rebuild(archive: Archive) -> None:
    first, second = instance(), instance(PatientName="Other")
    stored(archive, [first])
    lifecycle.delete(archive.db, archive.blobs, archive.clock, WHOLE, dataset().StudyInstanceUID)
    stored(archive, [second])
    assert verify(archive.db, archive.blobs).orphaned == []
    assert rebuild(archive.db, archive.blobs).sound
    [ref] = archive.retrieve.instances(WHOLE, dataset().StudyInstanceUID)
    assert b"".join(archive.retrieve.stream(ref)) == second


def test_the_loser_of_a_race_leaves_the_winner_alone_however_late_it_is(archive: Archive) -> None:
    """While the loser waits its turn the winner is deleted, and the loser's bytes come in through another door."""
    first, second = instance(), instance(PatientName="Other")
    late = received(archive, second)

    def meanwhile(step: str) -> None:
        if step == "placed" and not seen:
            seen.append(step)
            stored(archive, [first])
        elif step == "committed" and len(seen) == 1:
            seen.append(step)
            lifecycle.delete(archive.db, archive.blobs, archive.clock, WHOLE, dataset().StudyInstanceUID)
            stored(archive, [second])

    seen: list[str] = []
    steps = type("Meanwhile", (), {"reached": staticmethod(meanwhile)})()
    ingest = Ingest(archive.db, archive.blobs, archive.clock, archive.settings, steps=steps)
    assert [o.status for o in ingest.commit([late])] == ["conflict"]
    [ref] = archive.retrieve.instances(WHOLE, dataset().StudyInstanceUID)
    assert b"".join(archive.retrieve.stream(ref)) == second
    report = verify(archive.db, archive.blobs)
    assert report.sound and report.orphaned == []


def _unavailable(*_: object) -> None:
    raise Unavailable("database_unavailable", "away")


def _raise(*_: object) -> None:
    raise OSError(28, "full")


def test_many_threads_storing_the_same_and_different_instances(archive: Archive) -> None:
    """Every instance is stored once; the others are told it is there; counts are right."""
    outcomes: list[Outcome] = []
    lock = threading.Lock()

    def work(worker: int) -> None:
        mine = []
        for n in range(12):
            mine += store(archive, instance("shared", number=n), instance(f"own{worker}", number=n))
        with lock:
            outcomes.extend(mine)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(o.status for o in outcomes) == ["duplicate"] * 60 + ["stored"] * 84
    _counts_are_right(archive)


def test_threads_with_different_bytes_for_one_uid_keep_one(archive: Archive) -> None:
    outcomes: list[Outcome] = []

    def work(worker: int) -> None:
        outcomes.extend(store(archive, instance(PatientName=f"N{worker}")))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(o.status for o in outcomes) == ["conflict"] * 5 + ["stored"]
    report = verify(archive.db, archive.blobs)
    assert report.sound and report.orphaned == []
    assert len(list(archive.blobs.list("aside/"))) == 10


CHILD = """
import sys
from pathlib import Path
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.testing.archives import store
from lamelle.testing.instances import instance
archive = Archive.open(ArchiveSettings(Path(sys.argv[1]), sys.argv[2], reserve_bytes=0))
words = []
for n in range(15):
    words += [o.status for o in store(archive, instance("shared", number=n), instance(sys.argv[3], number=n))]
print(" ".join(words))
archive.close()
"""


def test_two_processes_storing_the_same_and_different_instances(archive: Archive, settings: ArchiveSettings) -> None:
    command = [sys.executable, "-c", CHILD, str(settings.data_dir), settings.database_url]
    children = [subprocess.Popen([*command, name], stdout=subprocess.PIPE, text=True) for name in ("a", "b")]
    words = [word for child in children for word in child.communicate()[0].split()]
    assert [child.returncode for child in children] == [0, 0]
    assert sorted(words) == ["duplicate"] * 15 + ["stored"] * 45
    _counts_are_right(archive)


def _counts_are_right(archive: Archive) -> None:
    with archive.db.read() as conn:
        for uid, series, instances in conn.execute(
            sa.select(catalogue.study.c.id, catalogue.study.c.series_count, catalogue.study.c.instance_count)
        ):
            found = sa.select(sa.func.count(), sa.func.count(sa.distinct(catalogue.instance.c.series_id)))
            assert conn.execute(found.where(catalogue.instance.c.study_id == uid)).one() == (instances, series)
        total = conn.execute(sa.select(sa.func.sum(catalogue.tally.c.instances))).scalar()
        assert total == conn.execute(sa.select(sa.func.count()).select_from(catalogue.instance)).scalar()
    assert verify(archive.db, archive.blobs).sound
