"""A TCP port whose connections are accepted by one thread and live each in its own; what is said on them is its door's.

Several processes may accept on one socket.
"""

import os
import select
import socket
import ssl
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from lamelle.base import telemetry
from lamelle.base.telemetry import Counter

BACKLOG: Final = 1024
"""Connections that wait to be accepted; those a process leaves when it dies are taken by the others."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on `port`, or on any free one for 0; it may be handed to other processes.

    Raises: OSError.
    """
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


@dataclass(eq=False)
class Connection:
    """One connection: `others` were open when it came; it is `busy` while a message is in work."""

    sock: socket.socket
    address: str
    others: int
    busy: bool = False


class Acceptor(ABC):
    """Accepts on a listening socket until `stop`; share the socket, not the acceptor, between processes."""

    name: str
    """Of the door, in logs and threads."""
    ended: Counter
    """Connections, by how they ended."""
    most: int
    """Connections open at once; more are closed at once: no thread is spent on saying no."""
    handshake_s: float
    """What a peer gets for its TLS handshake."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext | None) -> None:
        self._sock, self._context = sock, context
        self._open: dict[Connection, threading.Thread] = {}
        self._lock = threading.Lock()
        self._woken, self._wake = os.pipe()
        self._stopped = threading.Event()

    @abstractmethod
    def converse(self, connection: Connection) -> str:
        """Answer messages, each within `working`, until the peer closes or we are `stopping`; how it ended."""

    def failed(self, connection: Connection, error: Exception) -> str:
        """How a connection ended whose handshake or conversation raised."""
        telemetry.log(f"{self.name}.crashed", level="error", **telemetry.trace(error))
        return "crashed"

    def rest_s(self) -> float | None:
        """After so long without a new connection `resume` is called; None: never."""
        return None

    def resume(self) -> None:  # noqa: B027  most doors owe nothing
        """Go on with work of one's own, in the thread that accepts."""

    @property
    def stopping(self) -> bool:
        """Whether no further message is to be taken up."""
        return self._stopped.is_set()

    def run(self) -> None:
        """Accept until `stop`, then wait for nothing: see `finish`."""
        self._sock.setblocking(False)  # another process may be quicker
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        while not self.stopping:
            rest = self.rest_s()
            if not poll.poll(None if rest is None else 1000 * rest):
                self.resume()
                continue
            try:
                sock, address = self._sock.accept()
            except BlockingIOError:
                continue
            except OSError as error:  # no descriptors left, or the peer gave up while it waited
                telemetry.log(f"{self.name}.accept_failed", level="warning", error=type(error).__name__)
                self._stopped.wait(0.1)
                continue
            self._begin(sock, str(address[0]) if address else "")
        self._sock.close()

    def stop(self) -> None:
        """Accept no more; may be called from a signal handler."""
        self._stopped.set()
        os.write(self._wake, b"\0")

    def finish(self, timeout_s: float) -> None:
        """Let messages in work end, then end every connection; those that take longer than `timeout_s` are cut."""
        until = time.monotonic() + timeout_s
        self.stop()
        with self._lock:
            idle = [held.sock for held in self._open if not held.busy]
            threads = list(self._open.values())
        _cut(idle, socket.SHUT_RD)
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        with self._lock:
            late = [held.sock for held in self._open]
        _cut(late, socket.SHUT_RDWR)
        for thread in threads:
            thread.join(1.0)

    @contextmanager
    def working(self, connection: Connection) -> Iterator[bool]:
        """A message is in work and `finish` waits for it; False: we are stopping, leave it."""
        with self._lock:
            connection.busy = not self.stopping
        try:
            yield connection.busy
        finally:
            with self._lock:
                connection.busy = False

    def _begin(self, sock: socket.socket, address: str) -> None:
        with self._lock:
            connection = Connection(sock, address, len(self._open))
            thread = threading.Thread(target=self._attend, args=(connection,), name=self.name, daemon=True)
            if connection.others < self.most:
                self._open[connection] = thread
        try:
            if connection.others < self.most:
                thread.start()
                return
        except RuntimeError:  # no thread can be had
            with self._lock:
                del self._open[connection]
        sock.close()
        self.ended.add(1, "dropped")

    def _attend(self, connection: Connection) -> None:
        try:
            secured = self._secured(connection.sock)
            with self._lock:
                connection.sock = secured
            end = self.converse(connection)
        except Exception as error:  # noqa: BLE001  the acceptor goes on whatever one peer does
            end = self.failed(connection, error)
        finally:
            with self._lock:
                del self._open[connection]
            connection.sock.close()
        self.ended.add(1, end)

    def _secured(self, sock: socket.socket) -> socket.socket:
        """The connection after its TLS handshake, if there is one to make. Raises: OSError."""
        if self._context is None:
            return sock
        sock.settimeout(self.handshake_s)
        try:
            return self._context.wrap_socket(sock, server_side=True)
        except (OSError, ValueError) as error:
            raise OSError("no TLS") from error


def _cut(socks: Iterable[socket.socket], how: int) -> None:
    """Have the threads that wait on these connections wake up; also under TLS, whose own shutdown would wait."""
    for sock in socks:
        with suppress(OSError):
            socket.socket.shutdown(sock, how)
