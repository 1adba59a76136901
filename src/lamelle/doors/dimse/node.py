"""What a service is given, and what it is: handlers are functions of the node, the association and one message."""

from collections.abc import Callable
from dataclasses import dataclass, field

from lamelle.archive.store import Archive
from lamelle.audit.journal import Journal
from lamelle.audit.model import Entry
from lamelle.dicom import transfer
from lamelle.doors.dimse.association import Association, Message
from lamelle.doors.dimse.settings import DimseSettings, Right
from lamelle.lab.room import Lab, LabSettings

TEXT = (transfer.EXPLICIT_LITTLE, transfer.IMPLICIT_LITTLE, transfer.DEFLATED, transfer.EXPLICIT_BIG)
"""Transfer syntaxes of messages that carry no pixels, the one we like best first."""


@dataclass(frozen=True, slots=True)
class Node:
    """What handlers work on."""

    archive: Archive
    settings: DimseSettings
    lab_settings: LabSettings = field(default_factory=LabSettings)
    audited: bool = True
    """Whether what is done is entered in the ledger (`audit.enabled`)."""
    journal: Journal = field(init=False)
    """It opens its file with the first entry."""

    def __post_init__(self) -> None:
        journal = Journal(self.archive.settings.data_dir / "audit", self.archive.clock)
        object.__setattr__(self, "journal", journal)

    def note(self, entry: Entry) -> None:
        """Enter something in the ledger, without waiting for a disk."""
        if self.audited:
            self.journal.note(entry)

    @property
    def lab(self) -> Lab:
        """The laboratory of the same archive."""
        return Lab(self.archive.db, self.archive.clock, self.lab_settings)


Handler = Callable[[Node, Association, Message], None]
"""Answers one message with association.send(...), or raises a LamelleError, which becomes a status."""


@dataclass(frozen=True, slots=True)
class Service:
    """What is done with the messages of one SOP class."""

    right: Right | None
    """What the peer must be allowed; None: everybody may."""
    handler: Handler
    commands: tuple[int, ...]
    """The requests it understands; others are answered with Unrecognized Operation."""
    transfer_syntaxes: tuple[str, ...] = TEXT
    """Accepted, the best first; empty: whatever the peer proposes."""
    as_scu: bool = False
    """Whether we send in this class on an association of the peer's, if it takes the role of SCP: for C-GET."""
    information: bytes = b""
    """The options of SOP Class Extended Negotiation that can be had, a byte each."""
