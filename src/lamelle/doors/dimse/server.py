"""The listening side: connections are accepted by one thread, and each association lives in its own.

Several processes may accept on one socket. What is said in an association is in services.
"""

import os
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

from lamelle.audit.model import Entry
from lamelle.base import telemetry
from lamelle.base.errors import LamelleError
from lamelle.base.telemetry import Counter, Histogram
from lamelle.doors.dimse import association, commands, services, tls, visits
from lamelle.doors.dimse.association import Aborted, Association
from lamelle.doors.dimse.node import Node

BACKLOG: Final = 256
NO_TITLE: Final = "AE:"
"""In the ledger: who failed before telling a title."""
ASSOCIATIONS = Counter("lamelle_associations_total", "DICOM associations asked for, by how they ended.", ("end",))
SECONDS = Histogram("lamelle_association_seconds", "From an association's acceptance to its end.")
MESSAGES = Counter("lamelle_dimse_messages_total", "DIMSE requests answered, by command field.", ("command",))
DIMSE_RECEIVED = Counter("lamelle_dimse_received_bytes_total", "Bytes received in DICOM associations.")
DIMSE_SENT = Counter("lamelle_dimse_sent_bytes_total", "Bytes sent in DICOM associations.")


def listen(host: str, port: int) -> socket.socket:
    """A listening socket that may be handed to other processes. Raises: OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


class Server:
    """Accepts on a listening socket until `stop`; share the socket, not the server, between processes."""

    def __init__(self, node: Node, sock: socket.socket) -> None:
        self._node, self._sock = node, sock
        self._tls = tls.server_context(node.settings)
        for peer in visits.homeless(node.archive.db, node.settings.peers):
            telemetry.log("dimse.no_such_place", level="warning", peer=peer.aet, place=peer.place)
        self._open: dict[int, tuple[threading.Thread, socket.socket]] = {}
        self._busy: set[int] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._woken, self._wake = os.pipe()
        self._numbers = 0

    def run(self) -> None:
        """Accept until `stop`, then wait for nothing: see `finish`."""
        self._sock.setblocking(False)  # another process may be quicker
        poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        poll.register(self._woken, select.POLLIN)
        while not self._stopping.is_set():
            poll.poll()
            try:
                sock, address = self._sock.accept()
            except BlockingIOError:
                continue
            except OSError as error:  # no descriptors left, or the peer gave up while it waited
                telemetry.log("dimse.accept_failed", level="warning", error=type(error).__name__)
                self._stopping.wait(0.1)
                continue
            self._begin(sock, str(address[0]) if address else "")
        self._sock.close()

    def stop(self) -> None:
        """Accept no more; may be called from a signal handler."""
        self._stopping.set()
        os.write(self._wake, b"\0")

    def finish(self, timeout_s: float) -> None:
        """Let messages in work end, then end every association; those that take longer than `timeout_s` are cut."""
        until = time.monotonic() + timeout_s
        self.stop()
        with self._lock:
            idle = [sock for number, (_, sock) in self._open.items() if number not in self._busy]
            threads = [thread for thread, _ in self._open.values()]
        _cut(idle, socket.SHUT_RD)
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        with self._lock:
            late = [sock for _, sock in self._open.values()]
        _cut(late, socket.SHUT_RDWR)
        for thread in threads:
            thread.join(1.0)

    # -- one connection ----------------------------------------------------------------------------

    def _begin(self, sock: socket.socket, address: str) -> None:
        most = self._node.settings.associations
        with self._lock:
            count = len(self._open)
            if count >= 2 * most:  # a flood: no thread is spent on saying no
                sock.close()
                ASSOCIATIONS.add(1, "dropped")
                return
            self._numbers += 1
            number = self._numbers
            thread = threading.Thread(
                target=self._attend, args=(number, sock, address, count >= most), name=f"dimse-{number}", daemon=True
            )
            self._open[number] = thread, sock
        try:
            thread.start()
        except RuntimeError:  # no thread can be had
            with self._lock:
                del self._open[number]
            sock.close()
            ASSOCIATIONS.add(1, "dropped")

    def _attend(self, number: int, sock: socket.socket, address: str, full: bool) -> None:
        try:
            secured = self._secured(sock)
            with self._lock:
                self._open[number] = threading.current_thread(), secured
            end = self._converse(number, secured, address, full)
        except (Aborted, OSError, ValueError) as error:
            end = getattr(error, "code", "tls_failed")
            if end == "tls_failed":
                self._node.note(Entry(NO_TITLE, "association_refused", "refused", address=address, reason=end))
            telemetry.log("dimse.aborted", level="warning", address=address, code=end)
        except LamelleError as error:
            end = "refused"
            telemetry.log("dimse.association_refused", level="warning", address=address, why=error.message)
        except Exception as error:  # noqa: BLE001  the acceptor goes on whatever one peer does
            end = "crashed"
            telemetry.log("dimse.crashed", level="error", **telemetry.trace(error))
        finally:
            with self._lock:
                _, held = self._open.pop(number)
                self._busy.discard(number)
            held.close()
        ASSOCIATIONS.add(1, end)

    def _secured(self, sock: socket.socket) -> socket.socket:
        """The connection after its TLS handshake, if there is one to make. Raises: OSError."""
        if self._tls is None:
            return sock
        sock.settimeout(self._node.settings.acse_timeout_s)
        try:
            return self._tls.wrap_socket(sock, server_side=True)
        except (ssl.SSLError, OSError, ValueError):
            sock.close()
            raise

    def _converse(self, number: int, sock: socket.socket, address: str, full: bool) -> str:
        """Answer messages until the peer releases."""
        open_ = association.accept(sock, self._node.settings, services.Host(self._node), address=address, full=full)
        began = time.monotonic()
        try:
            self._answer_all(number, open_)
        finally:
            if not open_.closed:
                open_.abort()
            SECONDS.observe(time.monotonic() - began)
            DIMSE_RECEIVED.add(open_.received)
            DIMSE_SENT.add(open_.sent)
        return "released"

    def _answer_all(self, number: int, open_: Association) -> None:
        while True:
            message = open_.receive()
            if message is None:
                return
            with self._lock:
                if self._stopping.is_set():
                    return
                self._busy.add(number)
            MESSAGES.add(1, commands.NAMES.get(message.command.command_field, "other"))
            services.answer(self._node, open_, message)
            with self._lock:
                self._busy.discard(number)
                if self._stopping.is_set():
                    return


def _cut(socks: Iterable[socket.socket], how: int) -> None:
    """Have the threads that wait on these connections wake up; also under TLS, whose own shutdown would wait."""
    for sock in socks:
        with suppress(OSError):
            socket.socket.shutdown(sock, how)
