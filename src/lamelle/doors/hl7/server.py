"""The listening side: connections are accepted by one thread, each lives in its own.

Of one sender one message is done at a time, and one process alone listens: the order of its messages is kept whatever
its connections. What is done with a message is taking's.
"""

import os
import select
import socket
import ssl
import threading
from collections import defaultdict
from contextlib import suppress
from typing import Final

from lamelle.base import telemetry, tls
from lamelle.base.errors import LamelleError, TooLarge, Unavailable
from lamelle.base.telemetry import Counter
from lamelle.doors.hl7 import mllp, taking
from lamelle.doors.hl7 import tls as contexts
from lamelle.doors.hl7.mllp import Frames
from lamelle.doors.hl7.room import Exchange
from lamelle.doors.hl7.taking import Arrival, Received
from lamelle.lab import messages

BACKLOG: Final = 64
OWED_MS: Final = 30_000
"""After so long what was kept while the database was away is taken up again."""
CONNECTIONS = Counter("lamelle_hl7_connections_total", "HL7 connections accepted, by how they ended.", ("end",))


class Server:
    """Accepts on a listening socket until `stop`."""

    def __init__(self, exchange: Exchange, sock: socket.socket) -> None:
        self._exchange, self._sock = exchange, sock
        self._tls = contexts.server_context(exchange.settings)
        self._open: dict[int, tuple[threading.Thread, socket.socket]] = {}
        self._turns: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._woken, self._wake = os.pipe()
        self._numbers = 0
        self._owing = False

    def run(self) -> None:
        """Take up what was kept and not done, then accept until `stop`; see `finish`."""
        self._take_up()
        self._sock.setblocking(False)
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        while not self._stopping.is_set():
            if not poll.poll(OWED_MS if self._owing else None):
                self._take_up()
                continue
            try:
                sock, address = self._sock.accept()
            except BlockingIOError:
                continue
            except OSError as error:  # no descriptors left, or the peer gave up while it waited
                telemetry.log("hl7.accept_failed", level="warning", error=type(error).__name__)
                self._stopping.wait(0.1)
                continue
            self._begin(sock, str(address[0]) if address else "")
        self._sock.close()

    def stop(self) -> None:
        """Accept no more; may be called from a signal handler."""
        self._stopping.set()
        os.write(self._wake, b"\0")

    def finish(self, timeout_s: float) -> None:
        """Let messages in work be answered, then end every connection."""
        self.stop()
        with self._lock:
            held = list(self._open.values())
        for _, sock in held:
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RD)
        for thread, _ in held:
            thread.join(timeout_s)
        for _, sock in held:
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def _take_up(self) -> None:
        """What was kept and not done, in its order: a process died, or the database was away."""
        self._owing = False
        try:
            for number in messages.left(self._exchange.lab):
                if self._stopping.is_set():
                    return
                taking.again(self._exchange, {"message": number})
        except Unavailable as error:
            telemetry.log("hl7.unavailable", level="error", code=error.code)
            self._owing = True

    # -- one connection ----------------------------------------------------------------------------

    def _begin(self, sock: socket.socket, address: str) -> None:
        with self._lock:
            if len(self._open) >= self._exchange.settings.connections:
                sock.close()
                CONNECTIONS.add(1, "dropped")
                return
            self._numbers += 1
            number = self._numbers
            thread = threading.Thread(
                target=self._attend, args=(number, sock, address), name=f"hl7-{number}", daemon=True
            )
            self._open[number] = thread, sock
        try:
            thread.start()
        except RuntimeError:  # no thread can be had
            with self._lock:
                del self._open[number]
            sock.close()
            CONNECTIONS.add(1, "dropped")

    def _attend(self, number: int, sock: socket.socket, address: str) -> None:
        end = "closed"
        try:
            secured = self._secured(sock)
            with self._lock:
                self._open[number] = threading.current_thread(), secured
            self._converse(secured, address)
        except TimeoutError:
            end = "silent"
        except OSError as error:
            end = "broken"
            telemetry.log("hl7.connection_broken", level="warning", address=address, error=type(error).__name__)
        except Exception as error:  # noqa: BLE001  the acceptor goes on whatever one peer does
            end = "crashed"
            telemetry.log("hl7.crashed", level="error", **telemetry.trace(error))
        finally:
            with self._lock:
                _, held = self._open.pop(number)
            held.close()
        CONNECTIONS.add(1, end)

    def _secured(self, sock: socket.socket) -> socket.socket:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if self._tls is None:
            return sock
        sock.settimeout(self._exchange.settings.network_timeout_s)
        try:
            return self._tls.wrap_socket(sock, server_side=True)
        except (ssl.SSLError, OSError, ValueError) as error:
            raise OSError("no TLS") from error

    def _converse(self, sock: socket.socket, address: str) -> None:
        """Answer messages until the peer closes, is silent for too long, or we stop."""
        settings = self._exchange.settings
        frames, names = Frames(settings.max_bytes), tls.names(sock)
        while not self._stopping.is_set():
            sock.settimeout(settings.network_timeout_s if frames.begun else settings.idle_timeout_s)
            arrived = sock.recv(mllp.CHUNK)
            if not arrived:
                return
            sock.settimeout(settings.network_timeout_s)
            for found in frames.feed(arrived):
                if isinstance(found, TooLarge):
                    self._refuse(sock, found)
                else:
                    self._take(sock, address, names, found)

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
