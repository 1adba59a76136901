"""Entries from transactions and journals come into the chain, each once."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from lamelle.audit import chain, checkpoints, journal, ledger, model, tables
from lamelle.audit.journal import Journal
from lamelle.audit.keys import Key
from lamelle.audit.model import Entry
from lamelle.base.db import Database
from lamelle.testing.archives import SetClock


def kept(db: Database) -> list[sa.Row[tuple[object, ...]]]:
    with db.read() as conn:
        return list(conn.execute(sa.select(tables.ledger).order_by(tables.ledger.c.number)).all())


def subjects(db: Database) -> list[str]:
    return [model.read(row.entry).subject for row in kept(db)]


def test_what_was_recorded_and_noted_is_chained_by_time(db: Database, folder: Path, clock: SetClock, key: Key) -> None:
    noted = Journal(folder, clock)
    noted.note(Entry("a", "view", patient_id="P1", subject="1"))
    clock.move(1)
    with db.write() as conn:
        ledger.record(conn, Entry("a", "rights_changed", subject="2"), clock)
    clock.move(1)
    noted.note(Entry("b", "search", "refused", subject="3"))
    assert ledger.seal(db, folder, clock, key) == 3
    assert subjects(db) == ["1", "2", "3"]
    link = chain.START
    for number, row in enumerate(kept(db), 1):
        link = chain.link(link, row.entry)
        assert (row.number, row.hash) == (number, link)
    assert ledger.seal(db, folder, clock, key) == 0
    noted.close()


def test_a_transaction_that_fails_leaves_no_entry(db: Database, folder: Path, clock: SetClock, key: Key) -> None:
    with pytest.raises(ZeroDivisionError), db.write() as conn:
        ledger.record(conn, Entry("a", "rights_changed"), clock)
        raise ZeroDivisionError
    assert ledger.seal(db, folder, clock, key) == 0


def test_journals_of_the_dead_are_removed_those_of_the_living_stay(
    db: Database, folder: Path, clock: SetClock, key: Key
) -> None:
    living, dead = Journal(folder, clock), Journal(folder, clock)
    for one in (living, dead):
        one.note(Entry("a", "view"))
    dead.close()
    assert ledger.seal(db, folder, clock, key) == 2
    left = list(journal.folder_of(folder).iterdir())
    assert len(left) == 1
    living.note(Entry("a", "view", subject="later"))
    assert ledger.seal(db, folder, clock, key) == 1
    living.close()
    ledger.seal(db, folder, clock, key)
    assert list(journal.folder_of(folder).iterdir()) == []
    with db.read() as conn:
        assert conn.execute(sa.select(tables.taken)).all() == []


def test_the_end_is_signed_in_time(db: Database, folder: Path, clock: SetClock, key: Key) -> None:
    def signed() -> list[int]:
        return [one.number for one in checkpoints.in_database(db)]

    rhythm = checkpoints.Rhythm(entries=3, seconds=60)
    noted = Journal(folder, clock)
    for count, expected in ((1, [1]), (2, [1]), (1, [1, 4]), (1, [1, 4])):
        for _ in range(count):
            noted.note(Entry("a", "view"))
        ledger.seal(db, folder, clock, key, rhythm)
        assert signed() == expected
    clock.move(60)
    ledger.seal(db, folder, clock, key, rhythm)
    assert signed() == [1, 4, 5]
    assert list(checkpoints.in_file(folder / checkpoints.FILE)) == list(checkpoints.in_database(db))
    assert all(one.holds() for one in checkpoints.in_database(db))
    noted.close()
