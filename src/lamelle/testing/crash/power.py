"""Power cuts: an archive at work is written down, its disk is made again as it may be after a cut, and looked at."""

import hashlib
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from lamelle.access.model import WHOLE
from lamelle.archive import catalogue
from lamelle.archive.reconcile import rebuild, verify
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.base.errors import LamelleError
from lamelle.testing.archives import SetClock
from lamelle.testing.crash import journal, shim
from lamelle.testing.crash.journal import Disk, Op, Record
from lamelle.testing.crash.shim import Kind

STARTED = 1 << 20
"""Bytes of the journal once the catalogue is made and the first instances are stored."""


@dataclass(slots=True)
class Promised:
    """What was acknowledged up to a moment."""

    kept: dict[str, str] = field(default_factory=dict)
    """SOP Instance UID to the SHA-256 of the file."""
    aside: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)

    def hear(self, note: str) -> None:
        word, uid, digest = note.split()
        if word == "kept":
            self.kept[uid] = digest
            self.deleted.discard(uid)
        elif word == "refused":
            return
        elif word == "aside":
            self.aside.add(digest)
        elif word == "deleting":
            self.kept.pop(uid, None)
        elif word == "sending":
            self.deleted.discard(uid)
        else:
            self.deleted.add(uid)


def written_down(work: Path, seed: int, breaks: Sequence[str] = (), *, failing: Sequence[Kind] = ()) -> list[Record]:
    """Run `filling` below the shim; all it did to its disk, and what it acknowledged when.

    With `failing` a call of those kinds fails from time to time.
    """
    library, orders = shim.build(work), shim.Orders(work / "orders")
    notes, root = work / "journal", work / "root"
    root.mkdir()
    command = [
        sys.executable,
        "-m",
        "lamelle.testing.crash.filling",
        str(root / "data"),
        str(notes),
        str(seed),
        *breaks,
    ]
    environment = {"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin"}
    environment |= orders.environment(library, root, notes)
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        choice, errors = random.Random(seed), ""
        while process.poll() is None:
            with suppress(subprocess.TimeoutExpired):
                _, errors = process.communicate(timeout=0.05 if failing else None)
            if failing and notes.stat().st_size > STARTED:
                orders.fail([choice.choice(failing)], times=choice.choice((1, 1, 3)))
    orders.close()
    if process.returncode:
        raise RuntimeError(errors)
    return list(journal.read(notes))


def cuts(records: Sequence[Record], count: int, choice: random.Random) -> list[int]:
    """Moments to cut at: half of them right after an acknowledgement, when most is promised and least is settled."""
    told = [at + 1 for at, record in enumerate(records) if record.op is Op.NOTE]
    chosen = choice.sample(told, min(len(told), count // 2))
    chosen += choice.sample(range(1, len(records)), count - len(chosen) - 1)
    return sorted({*chosen, len(records)})


def losses(records: Sequence[Record], count: int, choice: random.Random) -> Iterator[str]:
    """Cut the power `count` times; every broken promise in words."""
    disk, promised = Disk(), Promised()
    moments = iter(cuts(records, count, choice))
    due = next(moments)
    for at, record in enumerate(records, 1):
        if record.op is Op.NOTE:
            promised.hear(record.second.decode())
        else:
            disk.take(record)
        if at == due:
            due = next(moments, 0)
            share = choice.choice((0.0, 0.0, 0.3, 0.7, 1.0))
            left = disk.cut(choice if 0.0 < share < 1.0 else None, share)
            with tempfile.TemporaryDirectory() as folder:
                journal.lay_out(left, Path(folder))
                wrong = broken(Path(folder) / "data", promised, again=choice.random() < 0.3)
            yield from (f"cut after call {at} of {len(records)}, {share:.0%} survived: {one}" for one in wrong)


def broken(data: Path, promised: Promised, *, again: bool) -> list[str]:
    """What is not as it was promised in an archive that is opened after a crash; `again`: also once rebuilt."""
    archive = Archive.open(ArchiveSettings(data, reserve_bytes=0), SetClock())
    try:
        wrong = _broken(archive, promised)
        if again:
            report = rebuild(archive.db, archive.blobs)
            wrong += [f"rebuilt: unreadable {key}" for key in report.unreadable]
            wrong += [f"rebuilt: {one}" for one in _broken(archive, promised, told(archive, report.orphaned))]
        return wrong
    finally:
        archive.close()


def told(archive: Archive, keys: Sequence[str]) -> set[str]:
    """The SHA-256 of blobs that a rebuild told as orphaned: of two that raced for a UID it can't know who won."""
    return {hashlib.sha256(archive.blobs.read(key)).hexdigest() for key in keys}


def _broken(archive: Archive, promised: Promised, doubtful: Set[str] = frozenset()) -> list[str]:
    report = verify(archive.db, archive.blobs)
    wrong = [f"missing {key}" for key in report.missing] + [f"altered {key}" for key in report.altered]
    try:
        there = visible(archive)
    except LamelleError as error:
        return [*wrong, f"half there: {error.message}"]
    for uid, digest in promised.kept.items():
        if uid not in there:
            wrong.append(f"acknowledged {uid} is not in the catalogue")
        elif there[uid] != digest and digest not in doubtful:
            wrong.append(f"acknowledged {uid} has other bytes")
    wrong += [f"deleted {uid} is back" for uid in promised.deleted & there.keys()]
    wrong += [
        f"put aside {digest} is not there" for digest in promised.aside if not archive.blobs.stat(f"aside/{digest}.dcm")
    ]
    return wrong


def visible(archive: Archive) -> dict[str, str]:
    """Every instance of the catalogue, read through the way out: SOP Instance UID to the SHA-256 of its file."""
    found = {}
    with archive.db.read() as conn:
        studies = list(conn.execute(sa.select(catalogue.study.c.uid)).scalars())
    for study in studies:
        for ref in archive.retrieve.instances(WHOLE, study):
            digest = hashlib.sha256()
            for chunk in archive.retrieve.stream(ref):
                digest.update(chunk)
            found[ref.sop_uid] = digest.hexdigest()
    return found
