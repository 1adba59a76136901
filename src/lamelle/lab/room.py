"""The laboratory as doors are given it: its tables, on the archive's database, and its settings."""

from dataclasses import dataclass

from lamelle.base.clock import Clock
from lamelle.base.db import Database
from lamelle.lab.settings import LabSettings

__all__ = ["Lab", "LabSettings"]


@dataclass(frozen=True, slots=True)
class Lab:
    """Share it between threads, as the database."""

    db: Database
    clock: Clock
    settings: LabSettings
