"""What the HL7 door works on: the laboratory, the archive, its settings, its peers with their dialects."""

import ipaddress
from collections.abc import Collection
from dataclasses import dataclass

from lamelle.archive.store import Archive
from lamelle.base.errors import Denied
from lamelle.doors.er7 import Message
from lamelle.doors.hl7 import dialect, paths
from lamelle.doors.hl7.dialect import Dialect
from lamelle.doors.hl7.settings import Hl7Settings, Peer
from lamelle.lab.room import Lab

STANDARD = "standard"


@dataclass(frozen=True, slots=True)
class Exchange:
    """Share it between threads, as the database; `link` is the address of our pages, "" when nobody says."""

    lab: Lab
    archive: Archive
    settings: Hl7Settings
    link: str = ""

    def dialect(self, peer: Peer | None) -> Dialect:
        """How a peer speaks. Raises: Invalid("bad_dialect")."""
        return dialect.load(peer.dialect if peer else STANDARD)

    def named(self, name: str) -> Peer:
        """The peer of that name, or one that speaks the standard where it is not in the settings (any more)."""
        return self.settings.peer(name) or Peer(name or "unknown")

    def sender(self, address: str, names: Collection[str], message: Message | None) -> Peer:
        """Whose connection it is, and whose message. Raises: Denied("unknown_sender")."""
        said = [_part(message, number) for number in (3, 4)] if message else ["", ""]
        if not self.settings.peers:
            if not _here(address):
                raise Denied("unknown_sender", "only this machine may send while hl7.peers names nobody")
            return Peer("".join(char for char in said[0] if char.isprintable())[:64] or "unknown")
        for peer in self.settings.peers:
            if not peer.sends_from(address) or (peer.certificate and peer.certificate not in names):
                continue
            if message is None or all(not want or want == has for want, has in zip(_named(peer), said, strict=True)):
                return peer
        raise Denied("unknown_sender", "no peer of hl7.peers sends from there under this name (MSH-3, MSH-4)")


def _named(peer: Peer) -> tuple[str, str]:
    return peer.application, peer.facility


def _part(message: Message, number: int) -> str:
    return paths.part(message.head[number], (1, 1), message.separators)


def _here(address: str) -> bool:
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False
