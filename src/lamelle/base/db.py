"""The catalogue's engine: SQLite (default) or PostgreSQL behind SQLAlchemy Core, with explicit transactions.

No table lives here: a room declares its own on `schema`.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url

from lamelle.base.errors import Unavailable
from lamelle.base.folders import make_durably

schema = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)
"""Every table of the catalogue, whichever room declares it."""

# Byte order on both engines, so that prefixes, ranges and the order of results agree.
Word = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
# SQLite gives row ids only to INTEGER columns.
Key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Instant(sa.TypeDecorator[datetime]):
    """An aware UTC time, kept as microseconds since 1970 so that both engines sort and compare it alike."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:
        return None if value is None else (value - EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else EPOCH + timedelta(microseconds=value)


BUSY_TIMEOUT_S = 30
"""How long a writer waits for another process's transaction before it gives up."""
CACHE_KIB = 65536
"""SQLite page cache of one connection: the upper levels of the indexes of a million studies."""
MIGRATION_LOCK = 0x1A3E11E
"""Advisory lock under which one process migrates a PostgreSQL catalogue."""


def insert(conn: sa.Connection, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that can be told what to do on a conflict, in this engine's words."""
    return insert_in(conn.dialect.name, table)


def insert_in(dialect: str, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    """The same before there is a connection."""
    return (postgresql.insert if dialect == "postgresql" else sqlite.insert)(table)


class Database:
    """One catalogue; share it between threads, make a new one after a fork."""

    def __init__(self, url: str, *, migrations: str = "lamelle.archive:migrations") -> None:
        self.url = make_url(url)
        self.dialect = self.url.get_backend_name()
        self._migrations = migrations
        self._writer = threading.Lock()
        if self.dialect == "sqlite":
            if self.url.database:
                make_durably(Path(self.url.database).absolute().parent)
            self.engine = sa.create_engine(
                self.url,
                pool_size=16,
                max_overflow=64,
                connect_args={"timeout": BUSY_TIMEOUT_S},
                hide_parameters=True,  # values are patient data
            )
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        else:
            self.engine = sa.create_engine(
                self.url, pool_size=16, max_overflow=64, pool_pre_ping=True, hide_parameters=True
            )

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One consistent view; on SQLite a deferred transaction that never waits for a writer."""
        options: dict[str, Any] = {}
        if self.dialect == "postgresql":
            options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        with _named_errors(), self.engine.connect() as connection:
            with connection.execution_options(**options).begin():
                yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction that commits on leaving and rolls back on an error.

        SQLite allows one writer: threads queue on a lock here, processes on the file's.
        """
        if self.dialect != "sqlite":
            with _named_errors(), self.engine.connect() as connection, connection.begin():
                yield connection
            return
        with self._writer, _named_errors(), self.engine.connect() as connection:
            with connection.execution_options(immediate=True).begin():
                yield connection

    def migrate(self) -> None:
        """Bring the schema to this version; several processes may call it at once."""
        if self._is_current():
            return
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", self._migrations)
        with self.write() as connection:
            if self.dialect == "postgresql":
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(MIGRATION_LOCK)))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    def _is_current(self) -> bool:
        """Whether nothing is to be done, asked without the weight of Alembic."""
        room, _, folder = self._migrations.partition(":")
        names = [path.name for path in (files(room) / folder / "versions").iterdir()]
        newest = max(name.partition("_")[0] for name in names if name.endswith(".py") and name[0].isdigit())
        with self.read() as connection:
            if not sa.inspect(connection).has_table("alembic_version"):
                return False
            return connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalars().all() == [newest]

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()


def _prepare_sqlite(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # the driver opens no transaction by itself; _begin_sqlite does
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA temp_store=MEMORY")
    cursor.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
    cursor.close()


def _begin_sqlite(connection: sa.Connection) -> None:
    immediate = connection.get_execution_options().get("immediate", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")


@contextmanager
def _named_errors() -> Iterator[None]:
    """A database that is lost, locked or full is Unavailable; every other error is a bug and stays itself."""
    try:
        yield
    except exc.OperationalError as error:
        code = _code(error)
        # The driver's text may quote values: patient data stays out of the message.
        raise Unavailable(code, f"the catalogue does not answer ({_kind(error)})") from error


def _kind(error: exc.OperationalError) -> str:
    """What kind of trouble: SQLite's name for it (SQLITE_READONLY, SQLITE_CANTOPEN ...), or the driver's class."""
    return str(getattr(error.orig, "sqlite_errorname", type(error.orig).__name__))


def _code(error: exc.OperationalError) -> str:
    """`database_conflict` means: the same transaction may succeed when it is tried again at once."""
    if getattr(error.orig, "sqlstate", None) in ("40001", "40P01"):
        return "database_conflict"
    text = str(error.orig)
    return "storage_full" if "disk is full" in text or "No space left" in text else "database_unavailable"
