"""Transactions, times and the schema on both engines."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from lamelle.archive import catalogue
from lamelle.base import events
from lamelle.base.db import Database
from lamelle.base.errors import Unavailable
from lamelle.testing import postgres


@pytest.fixture
def db(catalogue_url: str) -> Iterator[Database]:
    opened = Database(catalogue_url)
    opened.migrate()
    yield opened
    opened.close()


def _note(conn: sa.Connection, name: str) -> None:
    events.record(conn, name, {})


def _names(db: Database) -> list[str]:
    with db.read() as conn:
        return list(conn.execute(sa.select(events.event.c.name).order_by(events.event.c.id)).scalars())


def test_migrating_twice_or_at_once_is_harmless(catalogue_url: str, tmp_path: Path) -> None:
    on_postgres = catalogue_url.startswith("postgresql")
    url = postgres.new_database(migrated=False) if on_postgres else f"sqlite:///{tmp_path / 'empty.sqlite3'}"
    opened = [Database(url) for _ in range(3)]
    threads = [threading.Thread(target=db.migrate) for db in opened]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with opened[0].read() as conn:
        assert conn.execute(sa.text("SELECT count(*) FROM alembic_version")).scalar() == 1
    for db in opened:
        db.close()


def test_an_error_rolls_back(db: Database) -> None:
    with pytest.raises(ZeroDivisionError), db.write() as conn:
        _note(conn, "lost")
        raise ZeroDivisionError
    assert _names(db) == []


def test_a_reader_keeps_its_view_and_does_not_wait(db: Database) -> None:
    with db.read() as reader:
        count = sa.select(sa.func.count()).select_from(events.event)
        assert reader.execute(count).scalar() == 0
        with db.write() as conn:
            _note(conn, "new")
        assert reader.execute(count).scalar() == 0
    assert _names(db) == ["new"]


def test_writers_of_many_threads_take_turns(db: Database) -> None:
    def work(number: int) -> None:
        for turn in range(5):
            with db.write() as conn:
                _note(conn, f"{number}-{turn}")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(_names(db)) == 30


def test_times_come_back_as_they_were(db: Database) -> None:
    moment = datetime(2026, 2, 3, 4, 5, 6, 789012, tzinfo=UTC)
    with db.write() as conn:
        conn.execute(sa.insert(events.event).values(name="n", payload="{}", recorded_at=moment))
    with db.read() as conn:
        assert conn.execute(sa.select(events.event.c.recorded_at)).scalar() == moment


def test_a_lost_database_is_unavailable_and_tells_no_values() -> None:
    lost = Database("postgresql+psycopg://nobody@127.0.0.1:1/none")
    with pytest.raises(Unavailable) as caught, lost.read():
        pass
    assert caught.value.code == "database_unavailable" and "nobody" not in caught.value.message


def test_text_sorts_by_bytes(db: Database) -> None:
    names = ["b", "B", "é", "a", "Z", "_"]
    with db.write() as conn:
        rows = [{"word": n, "role": "r", "study_id": 1} for n in names]
        conn.execute(sa.insert(catalogue.study).values(id=1, uid="1", lead="1", created_at=_NOW, updated_at=_NOW))
        conn.execute(sa.insert(catalogue.name_word), rows)
    with db.read() as conn:
        found = conn.execute(sa.select(catalogue.name_word.c.word).order_by(catalogue.name_word.c.word)).scalars()
        assert list(found) == sorted(names, key=str.encode)


_NOW = datetime(2026, 1, 1, tzinfo=UTC)
