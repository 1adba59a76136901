"""The laboratory as doors are given it: its tables, on the archive's database, and its settings."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

import sqlalchemy as sa

from lamelle.base.clock import Clock
from lamelle.base.db import Database
from lamelle.base.errors import Unavailable
from lamelle.lab.settings import LabSettings

__all__ = ["Lab", "LabSettings", "in_write"]

T = TypeVar("T")
TRIES: Final = 5


@dataclass(frozen=True, slots=True)
class Lab:
    """Share it between threads, as the database."""

    db: Database
    clock: Clock
    settings: LabSettings


def in_write(lab: Lab, work: Callable[[sa.Connection], T]) -> T:
    """Do this in a transaction, again when another writer crossed it."""
    for attempt in range(TRIES):
        try:
            with lab.db.write() as conn:
                return work(conn)
        except Unavailable as error:
            if error.code != "database_conflict" or attempt + 1 == TRIES:
                raise
    raise AssertionError
