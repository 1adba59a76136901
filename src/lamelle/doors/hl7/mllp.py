"""Frames on a connection: 0x0B, the message, 0x1C 0x0D. Source: HL7 v2.5.1 Implementation Guide, MLLP; ADR 22.

What stands in a frame is er7's; who listens, server's.
"""

import socket
import ssl
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Final

from lamelle.base.errors import Invalid, TooLarge, Unavailable
from lamelle.doors import er7

START, END, RETURN = b"\x0b", b"\x1c", b"\r"
CHUNK: Final = 65536


def framed(data: bytes) -> bytes:
    """A message as it goes on a connection."""
    return START + data + END + RETURN


class Frames:
    """Cuts what arrives into messages, however it is chopped.

    Tolerant: the end may lack its carriage return or have a line feed, a message without a start block is one, and
    what is only white space between two messages is nothing. One over the limit is told once and skipped to its end.
    """

    def __init__(self, limit: int) -> None:
        self._limit, self._held, self._skipping = limit, bytearray(), False

    @property
    def begun(self) -> bool:
        """Whether part of a message is here."""
        return self._skipping or bool(self._held.strip(b"\r\n "))

    def feed(self, data: bytes) -> Iterator[bytes | TooLarge]:
        """The messages that are complete now."""
        self._held += data
        while (at := self._held.find(END)) >= 0:
            found, self._held = bytes(self._held[:at]), self._held[at + 1 :]
            if self._skipping:
                self._skipping = False
            elif at > self._limit + 1:
                yield self._too_large()
            elif content := found.lstrip(b"\r\n ").removeprefix(START):
                yield content
        if len(self._held) > self._limit + 1:
            if not self._skipping:
                yield self._too_large()
            self._skipping = True
        if self._skipping:
            self._held.clear()

    def _too_large(self) -> TooLarge:
        return TooLarge("message_too_large", f"a message is over {self._limit} bytes (hl7.max_bytes)")


class Client:
    """One connection to a peer; a message is sent, then its answer awaited. Use it in a `with`."""

    def __init__(self, host: str, port: int, timeout_s: float, *, tls: ssl.SSLContext | None, limit: int) -> None:
        """Raises: Unavailable("peer_unreachable")."""
        self._timeout_s, self._frames = timeout_s, Frames(limit)
        try:
            sock = socket.create_connection((host, port), timeout_s)
            self._sock = tls.wrap_socket(sock, server_hostname=host) if tls else sock
        except (OSError, ValueError) as error:
            raise Unavailable("peer_unreachable", f"no connection ({type(error).__name__})") from error

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sock.close()

    def ask(self, data: bytes, control: str) -> bytes:
        """Send a message and wait for the answer that names its MSH-10; others meanwhile are old ones, and left.

        Raises: Unavailable("peer_silent" | "peer_unreachable"); Invalid("bad_answer") for what is no HL7.
        """
        until = time.monotonic() + self._timeout_s
        try:
            self._sock.settimeout(self._timeout_s)
            self._sock.sendall(framed(data))
            while (left := until - time.monotonic()) > 0:
                self._sock.settimeout(left)
                arrived = self._sock.recv(CHUNK)
                if not arrived:
                    raise Unavailable("peer_silent", "the peer closed the connection before its answer")
                for found in self._frames.feed(arrived):
                    if isinstance(found, TooLarge):
                        raise Invalid("bad_answer", "the answer is too long")
                    if answered(found) in (control, ""):
                        return found
        except TimeoutError:
            pass
        except OSError as error:
            raise Unavailable("peer_unreachable", f"the connection broke ({type(error).__name__})") from error
        raise Unavailable("peer_silent", f"no answer in {self._timeout_s:.0f} s")


def answered(raw: bytes) -> str:
    """The control identifier an answer is to, MSA-2. Raises: Invalid("bad_answer")."""
    try:
        said = er7.parse(er7.decoded(raw)).first("MSA")
    except Invalid as error:
        raise Invalid("bad_answer", "the answer is no HL7 message") from error
    if said is None:
        raise Invalid("bad_answer", "the answer has no MSA segment")
    return said[2].strip()
