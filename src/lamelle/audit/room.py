"""The audit room as doors, jobs and commands are given it."""

import socket
from dataclasses import dataclass
from pathlib import Path

from lamelle.audit import checkpoints, keys, ledger
from lamelle.audit.checkpoints import Rhythm
from lamelle.audit.keys import Key
from lamelle.audit.model import Entry
from lamelle.audit.settings import AuditSettings
from lamelle.base.clock import Clock
from lamelle.base.db import Database


@dataclass(frozen=True, slots=True)
class Audit:
    """One catalogue's ledger and one node's folder of journals; share it between threads."""

    db: Database
    clock: Clock
    folder: Path
    settings: AuditSettings

    @property
    def key(self) -> Key:
        """What signs here. Raises: Invalid bad_audit_key; Unavailable audit_key_unreadable."""
        return keys.load(self.settings.key_file or self.folder / "key.pem")

    @property
    def trusted(self) -> frozenset[str]:
        """Public keys whose checkpoints are believed."""
        return frozenset((self.key.id, *self.settings.former_keys))

    @property
    def source(self) -> str:
        """What this node is called in messages."""
        return self.settings.source or socket.gethostname()

    @property
    def checkpoint_file(self) -> Path:
        """Where checkpoints stand beside the database."""
        return self.folder / checkpoints.FILE

    def has_new_key(self, key: Key) -> bool:
        """Whether the last checkpoint was signed with another key."""
        with self.db.read() as conn:
            last = checkpoints.last(conn)
        return last is not None and last.key != key.id

    def record(self, entry: Entry) -> None:
        """Enter something that no other transaction does."""
        with self.db.write() as conn:
            ledger.record(conn, entry, self.clock)

    def seal(self, key: Key, *, sign: bool = False) -> int:
        """Chain what waits; `sign` its end at once."""
        rhythm = Rhythm(self.settings.checkpoint_entries, 0.0 if sign else self.settings.checkpoint_s)
        return ledger.seal(self.db, self.folder, self.clock, key, rhythm)
