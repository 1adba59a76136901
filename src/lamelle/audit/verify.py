"""The chain read again from its start: what was altered, removed, reordered, cut off or chained anew is named.

Read in pages, in memory of one size; nothing is repaired here.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from lamelle.audit import chain, checkpoints, ledger, model
from lamelle.audit.checkpoints import Checkpoint
from lamelle.audit.tables import ledger as entries
from lamelle.base.db import Database
from lamelle.base.errors import Invalid

PAGE: Final = 2000
MOST: Final = 100
"""Findings told; after so many nothing new is learned."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong from the entry `number` on."""

    number: int
    what: str

    def __str__(self) -> str:
        return f"entry {self.number}: {self.what}"


@dataclass(frozen=True, slots=True)
class Report:
    """What was read, and the findings by number: the first names the first bad entry."""

    entries: int
    signed_to: int
    """The last entry before the end that a believed checkpoint speaks of; what follows could be cut off unseen."""
    findings: tuple[Finding, ...]

    @property
    def sound(self) -> bool:
        return not self.findings


def verify(
    db: Database,
    trusted: frozenset[str],
    files: tuple[Path, ...],
    advance: Callable[[int, int], None] | None = None,
) -> Report:
    """Read everything; `files` hold checkpoints too: first the one beside the database, then copies kept elsewhere.

    `advance` is told how many entries of how many are done.
    """
    with db.read() as conn:
        total = ledger.end(conn)[0]
        if (last := checkpoints.last(conn)) is not None:
            total = max(total, last.number)
    walk = _Walk(trusted, checkpoints.in_database(db), [checkpoints.in_file(path) for path in files])
    for page in _pages(db, total):
        for row in page:
            walk.take(row)
        if advance is not None:
            advance(walk.number, total)
        if len(walk.findings) >= MOST:
            break
    else:
        _finish(db, walk)
    if files:
        _same(walk, checkpoints.in_database(db), checkpoints.in_file(files[0]))
    return Report(walk.number, walk.signed_to, tuple(sorted(walk.findings, key=lambda one: one.number)))


def tail(db: Database, trusted: frozenset[str], most: int = 20_000) -> Report:
    """The end of the ledger only: from the checkpoint before the last on, of at most so many entries."""
    with db.read() as conn:
        total = ledger.end(conn)[0]
        signed = checkpoints.newest(conn, 2)
        start = max(0, total - most, signed[1].number if len(signed) > 1 else 0)
        link = conn.execute(sa.select(entries.c.hash).where(entries.c.number == start)).scalar()
    walk = _Walk(trusted, iter(signed[::-1]), [])
    walk.number, walk.link, walk.signed_to = start, link or chain.START, start
    for one in walk.places[0].upto(start):
        walk.compare(one)
    for page in _pages(db, total, start):
        for row in page:
            walk.take(row)
    _finish(db, walk)
    return Report(walk.number, walk.signed_to, tuple(sorted(walk.findings, key=lambda one: one.number)))


def _pages(db: Database, total: int, number: int = 0) -> Iterator[list[sa.Row[Any]]]:
    """All after `number` that was sealed when this began: the ledger goes on growing."""
    while True:
        wanted = sa.select(entries).where(entries.c.number > number, entries.c.number <= total)
        with db.read() as conn:
            rows = list(conn.execute(wanted.order_by(entries.c.number).limit(PAGE)).all())
        if not rows:
            return
        yield rows
        number = rows[-1].number


class _Stated:
    """The checkpoints of one place, in order, told as the walk comes to their entries."""

    def __init__(self, found: Iterator[Checkpoint | None], complain: Callable[[Checkpoint | None, str], None]) -> None:
        self._found, self._complain = found, complain
        self._serial = 0
        self._next = self._take()

    def upto(self, number: int) -> Iterator[Checkpoint]:
        """Those that speak of entries up to this one."""
        while self._next is not None and self._next.number <= number:
            yield self._next
            self._next = self._take()

    def rest(self) -> Iterator[Checkpoint]:
        """Those that speak of entries that are not there."""
        while self._next is not None:
            yield self._next
            self._next = self._take()

    def _take(self) -> Checkpoint | None:
        for one in self._found:
            if one is None:  # cut off by a kill, and written again in the next line
                continue
            if one.serial == self._serial + 1 or not self._serial:
                self._serial = one.serial
                return one
            if one.serial > self._serial:
                self._complain(one, _gap(self._serial + 1, one.serial - 1))
                self._serial = one.serial
                return one
            self._complain(one, f"checkpoint {one.serial} stands in the wrong place")
        return None


@dataclass(slots=True)
class _Walk:
    """The state between two entries."""

    trusted: frozenset[str]
    database: Iterator[Checkpoint]
    files: list[Iterator[Checkpoint | None]]
    number: int = 0
    link: str = chain.START
    signed_to: int = 0
    compared: Checkpoint | None = None
    findings: list[Finding] = field(default_factory=list)
    places: list[_Stated] = field(init=False)

    def __post_init__(self) -> None:
        self.places = [_Stated(found, self.complain) for found in (self.database, *self.files)]

    def take(self, row: sa.Row[Any]) -> None:
        """The next entry."""
        if row.number != self.number + 1:
            self.find(self.number + 1, _missing(self.number + 1, row.number - 1))
        elif chain.link(self.link, row.entry) != row.hash:
            self.find(row.number, "was altered, or another stands in its place")
        if not _agrees(row):
            self.find(row.number, "what it is searched by differs from what it says")
        self.number, self.link = row.number, row.hash
        for place in self.places:
            for one in place.upto(self.number):
                self.compare(one)

    def known(self) -> int:
        """The last entry that a checkpoint knows of, beyond those that were taken."""
        return max((one.number for place in self.places for one in place.rest() if self._believes(one)), default=0)

    def compare(self, one: Checkpoint) -> None:
        if one == self.compared or one.number < self.number or not self._believes(one):
            return  # it stands in another place too; its entry is missing, which was said
        self.compared = one
        first = self.signed_to + 1
        named = any(first <= found.number <= one.number for found in self.findings)
        if one.hash != self.link and not named:
            self.find(first, f"the entries {first} to {one.number} were chained anew: checkpoint {one.serial} differs")
        self.signed_to = max(self.signed_to, one.number)

    def _believes(self, one: Checkpoint) -> bool:
        if one.key not in self.trusted:
            self.complain(one, f"checkpoint {one.serial} is signed with another key, {one.key:.60}")
            return False
        if not one.holds():
            self.complain(one, f"checkpoint {one.serial} is forged: its signature is wrong")
            return False
        return True

    def complain(self, one: Checkpoint | None, what: str) -> None:
        self.find(one.number if one else self.number, what)

    def find(self, number: int, what: str) -> None:
        if len(self.findings) < MOST and Finding(number, what) not in self.findings:
            self.findings.append(Finding(number, what))


def _finish(db: Database, walk: _Walk) -> None:
    """After the last entry: does a checkpoint know of more than there is?"""
    known = walk.known()
    with db.read() as conn:
        there = ledger.end(conn)[0]  # more than when the walk began
    if known > max(there, walk.number):
        walk.find(walk.number + 1, _missing(walk.number + 1, known))


def _same(walk: _Walk, database: Iterator[Checkpoint], beside: Iterator[Checkpoint | None]) -> None:
    """What stands in the file beside must stand in the database; the file may lag behind."""
    row = next(database, None)
    for one in beside:
        while one and row and row.serial < one.serial:
            row = next(database, None)
        if one and one != row:
            walk.complain(one, f"checkpoint {one.serial} of the file is not in the database, or another is")


def _gap(first: int, last: int) -> str:
    return f"checkpoint {first} was removed" if first == last else f"checkpoints {first} to {last} were removed"


def _missing(first: int, last: int) -> str:
    return "is missing" if first >= last else f"is missing, and all up to {last}"


def _agrees(row: sa.Row[Any]) -> bool:
    """Whether the columns that are searched repeat the entry."""
    try:
        said = ledger.columns(model.read(row.entry))
    except Invalid:
        return False
    return all(getattr(row, name) == value for name, value in said.items())
