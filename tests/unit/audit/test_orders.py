"""In whatever order entries are noted, recorded, sealed and their writers die: each is in the chain once."""

from collections import Counter
from itertools import count
from pathlib import Path
from shutil import rmtree

import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lamelle.audit import checkpoints, harvest, journal, ledger, search, tables, verify
from lamelle.audit.checkpoints import Rhythm
from lamelle.audit.journal import Journal
from lamelle.audit.keys import Key
from lamelle.audit.model import Entry
from lamelle.audit.search import Wanted
from lamelle.base.db import Database
from lamelle.testing.archives import SetClock

STEP = st.one_of(
    st.tuples(st.just("note"), st.integers(0, 2)),
    st.tuples(st.just("record"), st.integers(1, 3)),
    st.tuples(st.just("undone"), st.just(0)),
    st.tuples(st.just("seal"), st.integers(0, 3)),
    st.tuples(st.just("die"), st.integers(0, 2)),
    st.tuples(st.just("torn"), st.integers(0, 2)),
    st.tuples(st.just("wait"), st.integers(1, 90)),
)


class Undone(Exception):
    """A transaction that does not commit."""


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEP, max_size=14))
def test_each_entry_is_chained_once(db: Database, folder: Path, key: Key, steps: list[tuple[str, int]]) -> None:
    with db.write() as conn:
        for table in (tables.ledger, tables.pending, tables.taken, tables.checkpoint):
            conn.execute(sa.delete(table))
    rmtree(journal.folder_of(folder), ignore_errors=True)
    (folder / checkpoints.FILE).unlink(missing_ok=True)
    clock = SetClock()
    writers = [Journal(folder, clock, file_bytes=600) for _ in range(3)]
    numbers, expected = count(), []

    def fresh() -> Entry:
        expected.append(str(next(numbers)))
        return Entry("a", "view", subject=expected[-1])

    for what, value in steps:
        if what == "note":
            writers[value].note(fresh())
        elif what == "record":
            with db.write() as conn:
                for _ in range(value):
                    ledger.record(conn, fresh(), clock)
        elif what == "undone":
            try:
                with db.write() as conn:
                    ledger.record(conn, Entry("a", "view", subject="never"), clock)
                    raise Undone
            except Undone:
                pass
        elif what == "seal":
            ledger.seal(db, folder, clock, key, Rhythm(value + 1, 30))
        elif what == "wait":
            clock.move(value)
        else:
            writers[value].close()
            left = [path for path in journal.folder_of(folder).glob("*.jsonl") if harvest.is_left(path)]
            if what == "torn" and left:
                with left[0].open("ab") as file:
                    file.write(b'{"actor":"a","act')
    for writer in writers:
        writer.close()
    ledger.seal(db, folder, clock, key, Rhythm(seconds=0))
    found = [one.entry.subject for one in search.walk(db, Wanted()) if one.entry.action == "view"]
    assert Counter(found) == Counter(expected)
    assert verify.verify(db, frozenset([key.id]), (folder / checkpoints.FILE,)).findings == ()
    assert list(journal.folder_of(folder).glob("*")) == []
