"""The listening side: each association lives in a thread of its own. What is said in it is in services."""

import socket
import time
from typing import Final

from lamelle.audit.model import Entry
from lamelle.base import telemetry, tls
from lamelle.base.errors import LamelleError
from lamelle.base.telemetry import Counter, Histogram
from lamelle.doors.dimse import association, commands, services, visits
from lamelle.doors.dimse.association import Aborted, Association
from lamelle.doors.dimse.node import Node
from lamelle.doors.listening import Acceptor, Connection

NO_TITLE: Final = "AE:"
"""In the ledger: who failed before telling a title."""
ASSOCIATIONS = Counter("lamelle_associations_total", "DICOM associations asked for, by how they ended.", ("end",))
SECONDS = Histogram("lamelle_association_seconds", "From an association's acceptance to its end.")
MESSAGES = Counter("lamelle_dimse_messages_total", "DIMSE requests answered, by command field.", ("command",))
DIMSE_RECEIVED = Counter("lamelle_dimse_received_bytes_total", "Bytes received in DICOM associations.")
DIMSE_SENT = Counter("lamelle_dimse_sent_bytes_total", "Bytes sent in DICOM associations.")


class Server(Acceptor):
    """Accepts associations on a listening socket until `stop`."""

    name = "dimse"
    ended = ASSOCIATIONS

    def __init__(self, node: Node, sock: socket.socket) -> None:
        super().__init__(sock, tls.server_context(node.settings.certificates, node.settings.tls_require_client))
        self._node = node
        self.most = 2 * node.settings.associations  # up to here they are told that there is no place
        self.handshake_s = node.settings.acse_timeout_s
        for peer in visits.homeless(node.archive.db, node.settings.peers):
            telemetry.log("dimse.no_such_place", level="warning", peer=peer.aet, place=peer.place)

    def converse(self, connection: Connection) -> str:
        """Answer messages until the peer releases."""
        settings, host, full = self._node.settings, services.Host(self._node), self._full(connection)
        open_ = association.accept(connection.sock, settings, host, address=connection.address, full=full)
        began = time.monotonic()
        try:
            self._answer_all(connection, open_)
        finally:
            if not open_.closed:
                open_.abort()
            SECONDS.observe(time.monotonic() - began)
            DIMSE_RECEIVED.add(open_.received)
            DIMSE_SENT.add(open_.sent)
        return "released"

    def failed(self, connection: Connection, error: Exception) -> str:
        """Peers that go or are refused are told in the log, and the ledger hears of failed handshakes."""
        if isinstance(error, (Aborted, OSError, ValueError)):
            end = getattr(error, "code", "tls_failed")
            if end == "tls_failed":
                self._node.note(
                    Entry(NO_TITLE, "association_refused", "refused", address=connection.address, reason=end)
                )
            telemetry.log("dimse.aborted", level="warning", address=connection.address, code=end)
            return str(end)
        if isinstance(error, LamelleError):
            telemetry.log("dimse.association_refused", level="warning", address=connection.address, why=error.message)
            return "refused"
        return super().failed(connection, error)

    def _full(self, connection: Connection) -> bool:
        return connection.others >= self._node.settings.associations

    def _answer_all(self, connection: Connection, open_: Association) -> None:
        while not self.stopping and (message := open_.receive()) is not None:
            with self.working(connection) as may:
                if not may:
                    return
                MESSAGES.add(1, commands.NAMES.get(message.command.command_field, "other"))
                services.answer(self._node, open_, message)
