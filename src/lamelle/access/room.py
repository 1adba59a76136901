"""The room as doors and commands are given it: its tables on the archive's database, its settings, its hashing."""

from dataclasses import dataclass

from lamelle.access.model import Actor, Caller, Purpose
from lamelle.access.passwords import Hashing
from lamelle.access.providers import Providers
from lamelle.access.settings import AccessSettings
from lamelle.base.clock import Clock
from lamelle.base.db import Database

SYSTEM = Caller(Actor(0, "system", kind="system"), Purpose.OPERATIONS)
"""The installation itself: commands, whom the machine's own accounts keep from others."""


@dataclass(frozen=True, slots=True)
class Access:
    """Share it between threads; make a new one after a fork."""

    db: Database
    clock: Clock
    settings: AccessSettings
    hashing: Hashing
    providers: Providers

    @classmethod
    def open(cls, db: Database, clock: Clock, settings: AccessSettings) -> "Access":
        """The room on a database."""
        return cls(db, clock, settings, Hashing(settings), Providers(settings))
