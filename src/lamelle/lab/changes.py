"""What changed of late, for those who watch: cases, and scans that come, are matched or decided on.

A transaction may become visible after one that was dated later: who asks again asks a little further back, and leaves
out what it has told already.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from lamelle.lab.records import case, scan

OVERLAP: Final = timedelta(seconds=10)
MOST: Final = 2000


@dataclass(frozen=True, slots=True)
class Changed:
    """A case, or a scan, of a place."""

    id: int
    place: int
    at: datetime


def cases(conn: sa.Connection, since: datetime) -> list[Changed]:
    """Cases changed since then, the latest first."""
    return _since(conn, case, since)


def scans(conn: sa.Connection, since: datetime) -> list[Changed]:
    """The same of scans."""
    return _since(conn, scan, since)


def _since(conn: sa.Connection, table: sa.Table, since: datetime) -> list[Changed]:
    asked = sa.select(table.c.id, table.c.place, table.c.updated_at).where(table.c.updated_at > since - OVERLAP)
    return [Changed(*row) for row in conn.execute(asked.order_by(table.c.updated_at.desc()).limit(MOST))]
