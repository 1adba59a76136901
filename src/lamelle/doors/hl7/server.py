"""The listening side: each connection lives in a thread of its own.

Of one sender one message is done at a time, and one process alone listens: the order of its messages is kept whatever
its connections. What is done with a message is taking's.
"""

import socket
import threading
from collections import defaultdict
from typing import Final

from lamelle.base import telemetry, tls
from lamelle.base.errors import LamelleError, TooLarge, Unavailable
from lamelle.base.telemetry import Counter
from lamelle.doors.hl7 import mllp, taking
from lamelle.doors.hl7.mllp import Frames
from lamelle.doors.hl7.room import Exchange
from lamelle.doors.hl7.taking import Arrival, Received
from lamelle.doors.listening import Acceptor, Connection
from lamelle.lab import messages

OWED_S: Final = 30.0
"""After so long what was kept while the database was away is taken up again."""
CONNECTIONS = Counter("lamelle_hl7_connections_total", "HL7 connections accepted, by how they ended.", ("end",))


class Server(Acceptor):
    """Accepts on a listening socket until `stop`."""

    name = "hl7"
    ended = CONNECTIONS

    def __init__(self, exchange: Exchange, sock: socket.socket) -> None:
        settings = exchange.settings
        super().__init__(sock, tls.server_context(settings.certificates))
        self.most, self.handshake_s = settings.connections, settings.network_timeout_s
        self._exchange = exchange
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._owing = False

    def run(self) -> None:
        """Take up what was kept and not done, then accept until `stop`; see `finish`."""
        self.resume()
        super().run()

    def rest_s(self) -> float | None:
        """While something is owed it is tried again."""
        return OWED_S if self._owing else None

    def resume(self) -> None:
        """Take up what was kept and not done, in its order: a process died, or the database was away."""
        self._owing = False
        try:
            for number in messages.left(self._exchange.lab):
                if self.stopping:
                    return
                taking.again(self._exchange, {"message": number})
        except Unavailable as error:
            telemetry.log("hl7.unavailable", level="error", code=error.code)
            self._owing = True

    def converse(self, connection: Connection) -> str:
        """Answer messages until the peer closes, is silent for too long, or we stop."""
        settings, sock = self._exchange.settings, connection.sock
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        frames, names = Frames(settings.max_bytes), tls.names(sock)
        while not self.stopping:
            sock.settimeout(settings.network_timeout_s if frames.begun else settings.idle_timeout_s)
            arrived = sock.recv(mllp.CHUNK)
            if not arrived:
                break
            sock.settimeout(settings.network_timeout_s)
            for found in frames.feed(arrived):
                with self.working(connection) as may:
                    if not may:
                        break
                    if isinstance(found, TooLarge):
                        self._refuse(sock, found)
                    else:
                        self._take(sock, connection.address, names, found)
        return "closed"

    def failed(self, connection: Connection, error: Exception) -> str:
        """Peers that go are told in the log."""
        if isinstance(error, TimeoutError):
            return "silent"
        if isinstance(error, OSError):
            why = type(error.__cause__ or error).__name__
            telemetry.log("hl7.connection_broken", level="warning", address=connection.address, error=why)
            return "broken"
        return super().failed(connection, error)

    def _take(self, sock: socket.socket, address: str, names: frozenset[str], raw: bytes) -> None:
        """Keep, answer, do, answer. What cannot even be kept is answered AE: the sender will send it again."""
        came = taking.arrival(self._exchange, address, names, raw)
        if came.peer is None:
            telemetry.log("hl7.refused", level="warning", address=address, code=came.error.code if came.error else "")
        answer: bytes | None
        with self._turns[came.peer.name if came.peer else ""]:
            received: Received | bytes | None = None
            try:
                received = taking.receive(self._exchange, came)
                if isinstance(received, bytes):
                    answer = received
                else:
                    if received.now is not None:
                        sock.sendall(mllp.framed(received.now))
                    answer = taking.work(self._exchange, received)
            except Unavailable as error:
                telemetry.log("hl7.unavailable", level="error", code=error.code)
                self._owing = self._owing or received is not None
                committed = isinstance(received, Received) and received.now is not None
                answer = None if committed else taking.refused(self._exchange, came, error)
        if answer is not None:
            sock.sendall(mllp.framed(answer))

    def _refuse(self, sock: socket.socket, error: LamelleError) -> None:
        telemetry.log("hl7.refused", level="warning", code=error.code)
        sock.sendall(mllp.framed(taking.refused(self._exchange, Arrival(b"", None, None, error))))
