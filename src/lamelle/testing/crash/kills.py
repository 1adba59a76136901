"""A node under load that is killed again and again: at random moments and at each step of a write, whole or in part.

After each kill it must stand again with all it acknowledged. What the senders do is in load, how a call is hit in shim.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import sqlalchemy as sa

from lamelle.archive import catalogue, reconcile
from lamelle.archive.model import instance_key
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.testing.client import Client
from lamelle.testing.crash import shim
from lamelle.testing.crash.load import BROKEN, Load, Sent, digest_of
from lamelle.testing.crash.shim import Kind, Orders
from lamelle.testing.node import Node

STRIKE_S = 1.5
"""How long a point is waited for; some are rare (a checkpoint of the catalogue)."""
STAND_S = 60.0
SAMPLE = 6
"""Acknowledged instances fetched through the doors after each kill, half of them the latest."""
QUICK = {
    "LAMELLE_ARCHIVE_RESERVE_BYTES": "0",
    "LAMELLE_DIMSE_WORKERS": "1",
}
STEPS = {
    "spool written": (Kind.WRITE_SPOOL, True),
    "spool not yet synced": (Kind.SYNC_SPOOL, False),
    "spool synced": (Kind.SYNC_SPOOL, True),
    "not yet linked": (Kind.LINK, False),
    "linked": (Kind.LINK, True),
    "folder synced": (Kind.SYNC_FOLDER, True),
    "all synced": (Kind.SYNC_ALL, True),
    "catalogue written": (Kind.WRITE_LOG, True),
    "catalogue not yet synced": (Kind.SYNC_LOG, False),
    "catalogue synced, not answered": (Kind.SYNC_LOG, True),
    "spool being dropped": (Kind.DROP_SPOOL, False),
    "spool dropped": (Kind.DROP_SPOOL, True),
    "catalogue checkpointed": (Kind.WRITE_DATABASE, True),
    "folder made": (Kind.OTHER, True),
}
"""Where a process is killed: the kind of call, and whether after it."""


@dataclass(slots=True)
class Report:
    """What was done and found."""

    kills: Counter[str] = field(default_factory=Counter)
    """By what died (`whole`, `one`, `starting`) and where."""
    wrong: list[str] = field(default_factory=list)
    starts_s: list[float] = field(default_factory=list)
    """The first is that of the empty node; the others follow a kill of the whole node."""
    acknowledged: int = 0
    answers: dict[str, int] = field(default_factory=dict)
    orphaned: int = 0
    """Blobs that were placed and never acknowledged."""

    @property
    def count(self) -> int:
        return sum(self.kills.values())

    def __str__(self) -> str:
        starts = sorted(self.starts_s[1:]) or [0.0]
        lines = [
            f"{self.count} kills, {self.acknowledged} instances acknowledged, {len(self.wrong)} promises broken",
            f"start: {self.starts_s[0]:.1f} s empty, {starts[len(starts) // 2]:.1f} s after a kill (median), "
            f"{starts[-1]:.1f} s at worst; {self.orphaned} blobs orphaned",
            *(f"  {count:5} {what}" for what, count in sorted(self.kills.items())),
            *(f"  {count:5} answers {what}" for what, count in sorted(self.answers.items())),
        ]
        return "\n".join(lines + self.wrong[:20])


class Killer:
    """Kills a node under load `kills` times and looks after each."""

    def __init__(
        self,
        work: Path,
        seed: int,
        *,
        workers: int = 2,
        whole: float = 0.2,
        database_url: str = "",
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._choice = random.Random(seed)
        self._whole, self._workers, self._say = whole, workers, say
        self._orders = Orders(work / "orders")
        environment = QUICK | ({"LAMELLE_ARCHIVE_DATABASE_URL": database_url} if database_url else {})
        if shim.compiler() is not None:
            environment |= self._orders.environment(shim.build(work), work / "data")
        self._points = shim.compiler() is not None
        self._node = Node(work / "data", workers=workers, dimse=True, environment=environment)
        self._load = Load(lambda: (self._node.url, self._node.dimse_port), seed)
        self._report = Report()
        self._seen: set[str] = set()
        self._settings = ArchiveSettings(work / "data", database_url, reserve_bytes=0)
        self._archive = Archive.open(self._settings)

    def run(self, kills: int, *, stow: int = 3, dimse: int = 2, minutes: float = 60.0) -> Report:
        """Kill until there were `kills`, or the time is over; then stop in order and look at everything."""
        until = time.monotonic() + 60 * minutes
        self._start()
        self._load.start(stow, dimse)
        try:
            while self._report.count < kills and time.monotonic() < until and not self._wrong():
                self._round()
                self._say(f"{self._report.count} kills, {len(self._load.ledger.kept)} acknowledged")
        finally:
            self._orders.forget()
            self._load.stop()
            self._node.stop()
            self._orders.close()
            self._archive.close()
        self._wrong()
        self._report.wrong += self._examined()
        self._report.acknowledged = len(self._load.ledger.kept)
        self._report.answers = dict(self._load.ledger.answers)
        return self._report

    def _wrong(self) -> bool:
        self._report.wrong += [one for one in self._load.ledger.wrong if one not in self._report.wrong]
        return bool(self._report.wrong)

    # -- killing -----------------------------------------------------------------------------------

    def _round(self) -> None:
        whole = self._choice.random() < self._whole
        where = self._strike(whole)
        whole = whole or self._waited(lambda: self._node.process.poll() is not None, 0.02)  # the parent itself
        self._report.kills[f"{'whole' if whole else 'one'}: {where}"] += 1
        if whole:
            self._end()
            self._start(may_die=True)
        self._look()

    def _strike(self, whole: bool) -> str:
        """Kill one process; where it was."""
        name = self._choice.choice([*STEPS, "any moment", "any moment"])
        if self._points and name in STEPS:
            kind, after = STEPS[name]
            before = self._orders.kills
            self._orders.kill(kind, after=after, count=self._choice.randint(1, 6))
            if self._waited(lambda: self._orders.kills > before, STRIKE_S):
                return name
            self._orders.forget()
        threading.Event().wait(self._choice.uniform(0.0, 0.4))
        if not whole:
            with suppress(psutil.NoSuchProcess, IndexError):
                self._choice.choice(self._processes()[1:]).kill()
        return "any moment"

    def _processes(self) -> list[psutil.Process]:
        """The node's, its parent first."""
        try:
            parent = psutil.Process(self._node.process.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _end(self) -> None:
        """Kill what is left of the node at once: parent and children, the parent first, so that none is replaced."""
        for process in self._processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._node.stop()

    def _start(self, *, may_die: bool = False) -> None:
        """Start the node; now and then it is killed while it does."""
        if may_die and self._points and self._choice.random() < 0.2:
            before = self._orders.kills
            self._orders.kill(Kind.OTHER, after=True, count=self._choice.randint(1, 6))
            with suppress(RuntimeError):
                self._node.start()
            self._orders.forget()
            if self._orders.kills > before:
                self._report.kills["starting"] += 1
            self._end()
        begun = time.monotonic()
        self._node.start()
        self._report.starts_s.append(time.monotonic() - begun)

    @staticmethod
    def _waited(true: Callable[[], bool], limit_s: float) -> bool:
        until = time.monotonic() + limit_s
        while not true():
            if time.monotonic() > until:
                return False
            threading.Event().wait(0.005)
        return True

    # -- looking -----------------------------------------------------------------------------------

    def _look(self) -> None:
        """All that was acknowledged is in the catalogue, what is new is whole, and the doors give some of it."""
        kept = self._load.ledger.acknowledged()
        with self._archive.db.read() as conn:
            rows = conn.execute(sa.select(catalogue.instance.c.uid, catalogue.instance.c.digest)).all()
        there = {row.uid: row.digest for row in rows}
        found = [f"acknowledged, and gone: {sent.uid}" for sent in kept if there.get(sent.uid) != sent.digest]
        for uid in there.keys() - self._seen:
            data = self._archive.blobs.read(instance_key(there[uid]))
            if digest_of(data) != there[uid]:
                found.append(f"visible, and not whole: {uid}")
        self._seen.update(there)
        for sent in kept[-SAMPLE // 2 :] + self._choice.sample(kept, min(SAMPLE // 2, len(kept))):
            if (why := self._fetched(sent)) is not None:
                found.append(f"{why}: {sent.uid}")
        self._report.wrong += [f"{one}, after {self._report.count} kills" for one in found]

    def _examined(self) -> list[str]:
        """What is wrong in the folder that is left: acknowledged, half or alien instances, spools, after a rebuild."""
        ledger = self._load.ledger
        archive = Archive.open(self._settings)
        try:
            report = reconcile.verify(archive.db, archive.blobs)
            self._report.orphaned = len(report.orphaned)
            wrong = [f"missing or altered: {key}" for key in (*report.missing, *report.altered)]
            wrong += self._compared(archive, "")
            wrong += [
                f"a conflict over {uid} was not kept aside"
                for digest, uid in ledger.contradicted.items()
                if archive.blobs.stat(f"aside/{digest}.dcm") is None
            ]
            spools = [str(path) for path in (self._node.data_dir / "blobs/spool").glob("*/*")]
            wrong += [f"left behind: {path}" for path in spools]
            rebuilt = reconcile.rebuild(archive.db, archive.blobs)
            wrong += [f"rebuilt, unreadable: {key}" for key in rebuilt.unreadable]
            return wrong + self._compared(archive, "rebuilt, ", rebuilt.orphaned)
        finally:
            archive.close()

    def _compared(self, archive: Archive, when: str, told: Sequence[str] = ()) -> list[str]:
        """`told`: blobs that a rebuild named as orphaned; of two that raced for a UID it can't know who won."""
        ledger = self._load.ledger
        with archive.db.read() as conn:
            rows = conn.execute(sa.select(catalogue.instance.c.uid, catalogue.instance.c.digest)).all()
        there = {row.uid: row.digest for row in rows}
        wrong = [f"{when}never sent: {uid}" for uid, got in there.items() if got not in ledger.versions.get(uid, ())]
        for uid, sent in ledger.kept.items():
            if there.get(uid) != sent.digest and instance_key(sent.digest) not in told:
                wrong.append(f"{when}acknowledged, and {'other bytes' if uid in there else 'gone'}: {uid}")
        return wrong

    def _fetched(self, sent: Sent) -> str | None:
        """What is wrong with an instance as the doors give it."""
        until = time.monotonic() + STAND_S
        while True:
            try:
                with Client(self._node.url, timeout_s=30) as client:
                    answer = client.instance(sent.study, sent.series, sent.uid)
                    listed = client.get(f"/dicomweb/studies/{sent.study}/instances?SOPInstanceUID={sent.uid}")
                if answer.status != 503 and listed.status != 503:
                    break
            except BROKEN:
                pass
            if time.monotonic() > until:
                return "the node does not answer"
            threading.Event().wait(0.05)
        if answer.status != 200:
            return f"acknowledged, and answered with {answer.status} {answer.code}"
        if listed.status != 200 or len(listed.json()) != 1:
            return "acknowledged, and not listed"
        return None if digest_of(answer.body) == sent.digest else "acknowledged, and other bytes came back"
