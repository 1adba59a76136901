"""One connection's bytes: PDUs come out of one reused buffer as views, and go in without being put together first.

What PDUs mean, and in which order they may come, is in association. Source: PS3.8 9.3.
"""

import math
import select
import socket
import ssl
import struct
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final

from lamelle.base.errors import Unavailable
from lamelle.doors.dimse.settings import DimseSettings

Bytes = bytes | bytearray | memoryview

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)
FIRST_BUFFER: Final = 64 << 10
BUFFER: Final = 1 << 20
"""Room, twice, of an association that receives data; others keep the first one."""
GATHER: Final = 512 << 10
"""Fragments smaller than this are moved together: fewer, larger writes and hashes."""
MAX_CONTROL: Final = 1 << 20
"""Bytes of the largest association request there can be: 128 contexts with every transfer syntax."""
SEND: Final = 1 << 20
LINGER_S: Final = 2.0
KEEPALIVE_S: Final = 60
QUICK_ACK: Final[int] = getattr(socket, "TCP_QUICKACK", 0)
_PDU, _PDV, _BOTH = struct.Struct(">BxI"), struct.Struct(">IBB"), struct.Struct(">BxIIBB")


class Aborted(Unavailable):
    """The association is over: the peer aborted, went silent, or broke the protocol."""


class Wire:
    """PDUs in and out of a connected socket; one thread at a time."""

    def __init__(self, sock: socket.socket, settings: DimseSettings) -> None:
        self.sock = sock
        self.max_pdu = settings.max_pdu_bytes
        self.peer_pdu = 16384
        self.received = self.sent = 0
        self._settings = settings
        self._view = memoryview(bytearray(FIRST_BUFFER))
        self._other = self._view[:0]
        self._flip = False
        self._start = self._end = 0
        self._pdu_left = self._pdv_left = 0
        self._context = self._control = 0
        self._deadline = math.inf
        self._patience_s = settings.network_timeout_s
        self._since, self._marked = time.monotonic(), 0
        prepare(sock)

    # -- receiving ---------------------------------------------------------------------------------

    def deadline(self, seconds: float | None) -> None:
        """All that is received from now on must be there within `seconds`; None: only silence ends it."""
        self._deadline = math.inf if seconds is None else time.monotonic() + seconds

    def waiting(self, within_s: float = 0.0) -> bool:
        """Whether bytes are there to be read, or come `within_s`; the end of the connection counts as such."""
        if self._end > self._start:
            return True
        if isinstance(self.sock, ssl.SSLSocket) and self.sock.pending():
            return True
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return bool(poll.poll(within_s * 1000))

    def next_pdu(self, idle_s: float) -> tuple[int, int]:
        """Kind and length of the next PDU, whose head is taken; `idle_s`: how long none may begin.

        Raises: Aborted.
        """
        if self._end == self._start:
            hurry(self.sock)
            self._fill(idle_s)
        self._since, self._marked = time.monotonic(), self.received
        self._need(6)
        kind, length = _PDU.unpack_from(self._view, self._start)
        self._start += 6
        if kind == P_DATA:
            if length > self.max_pdu or length < 6:
                raise Aborted("bad_pdu", f"a P-DATA PDU of {length} bytes; 6 to {self.max_pdu} were agreed on")
            self._pdu_left = length
        elif length > MAX_CONTROL or not ASSOCIATE_RQ <= kind <= ABORT:
            raise Aborted("bad_pdu", f"a PDU of type {kind} with {length} bytes")
        return kind, length

    def control(self, length: int) -> bytes:
        """The rest of a PDU other than P-DATA; memory grows only with what has come."""
        body = bytearray()
        while len(body) < length:
            if self._end == self._start:
                self._fill(self._patience_s)
            step = min(length - len(body), self._end - self._start)
            body += self._view[self._start : self._start + step]
            self._start += step
        return bytes(body)

    def pass_over(self, length: int) -> None:
        """Take the rest of a PDU of any kind and forget it."""
        self._pdu_left = self._pdv_left = 0
        while length:
            if self._end == self._start:
                self._fill(self._patience_s)
            step = min(length, self._end - self._start)
            self._start += step
            length -= step

    def fragment(self) -> tuple[int, bool, bool, memoryview]:
        """(context, is command, is last, bytes) of the next piece of a fragment, within the current message.

        `is last`: the message's command or data set ends with this piece. Raises: Aborted.
        """
        while self._pdv_left == 0:
            if self._pdu_left == 0:
                kind, length = self.next_pdu_within()
                if kind != P_DATA:
                    self._interrupted(kind, length)
            if self._begin_fragment():
                break
        if self._pdv_left and self._end == self._start:
            self._fill(self._patience_s)
        step = min(self._pdv_left, self._end - self._start)
        view = self._view[self._start : self._start + step]
        self._start += step
        self._pdv_left -= step
        last = self._control & 2 != 0 and self._pdv_left == 0
        return self._context, self._control & 1 != 0, last, view

    def next_pdu_within(self) -> tuple[int, int]:
        """The next PDU inside a message, where silence is short."""
        since, marked = self._since, self._marked
        found = self.next_pdu(self._patience_s)
        self._since, self._marked = since, marked
        return found

    def _begin_fragment(self) -> bool:
        """Take the head of a fragment; False when it is empty and more follow."""
        if self._pdu_left < 6:
            raise Aborted("bad_pdu", "a P-DATA PDU ends within a fragment's head")
        self._need(6)
        length, self._context, self._control = _PDV.unpack_from(self._view, self._start)
        self._start += 6
        if not 2 <= length <= self._pdu_left - 4:
            raise Aborted("bad_pdu", f"a fragment of {length} bytes in a P-DATA PDU with {self._pdu_left} left")
        self._pdu_left -= 4 + length
        self._pdv_left = length - 2
        return self._pdv_left > 0 or self._control & 2 != 0

    def gathered(self, context: int) -> tuple[memoryview, bool]:
        """The next bytes of the message's data set, small fragments moved together, and whether they are the last.

        They stay as they are until the next call but one. Raises: Aborted.
        """
        if len(self._view) < BUFFER:
            self._grow()
        self._flip = True
        begin = out = -1
        last = False
        while not last and out - begin < GATHER:
            if begin >= 0 and not self._more_here():
                break
            found, is_command, last, view = self.fragment()
            if is_command or found != context:
                raise Aborted("bad_message", "fragments of two messages are mixed")
            here = self._start - len(view)
            if begin < 0:
                begin = out = here
            elif out != here:
                self._view[out : out + len(view)] = view
            out += len(view)
        return self._view[begin:out], last

    def _more_here(self) -> bool:
        """Whether a further piece can be had without receiving, which would move the buffer."""
        there = self._end - self._start
        if self._pdv_left:
            return there > 0
        head = 6 if self._pdu_left else 12
        return there >= head and (head == 6 or self._view[self._start] == P_DATA) and there > head

    def _interrupted(self, kind: int, length: int) -> None:
        if kind == ABORT:
            raise Aborted("peer_aborted", "the peer aborted the association")
        raise Aborted("bad_message", f"a PDU of type {kind} within a message")

    def _grow(self) -> None:
        view, self._other = memoryview(bytearray(BUFFER)), memoryview(bytearray(BUFFER))
        there = self._end - self._start
        view[:there] = self._view[self._start : self._end]
        self._view, self._start, self._end = view, 0, there

    def _need(self, count: int) -> None:
        """See that `count` (few) bytes stand in the buffer."""
        while self._end - self._start < count:
            if self._start + count > len(self._view):
                left = bytes(self._view[self._start : self._end])
                self._turn()
                self._view[: len(left)] = left
                self._start, self._end = 0, len(left)
            self._fill(self._patience_s)

    def _turn(self) -> None:
        """Go on in the other buffer, once a call of `gathered`: what was given out last may still be worked on."""
        if self._flip:
            self._view, self._other, self._flip = self._other, self._view, False

    def _fill(self, silence_s: float) -> None:
        """Receive what is there into the free end of the buffer; from its beginning when nothing is kept."""
        if self._start == self._end:
            self._start = self._end = 0
            self._turn()
        now = time.monotonic()
        taken = now - self._since
        slow = self.received - self._marked < taken * self._settings.min_bytes_s
        if slow and silence_s == self._patience_s and taken > self._patience_s:
            raise Aborted("peer_too_slow", f"the peer sends less than {self._settings.min_bytes_s} bytes a second")
        wait_s = min(silence_s, self._deadline - now)
        if wait_s <= 0:
            raise Aborted("peer_silent", "the peer took too long")
        try:
            self.sock.settimeout(wait_s)
            count = self.sock.recv_into(self._view[self._end :])
        except TimeoutError as error:
            raise Aborted("peer_silent", "the peer was silent for too long") from error
        except (OSError, ValueError) as error:
            raise Aborted("connection_lost", f"the connection broke ({type(error).__name__})") from error
        if count == 0:
            raise Aborted("connection_lost", "the peer closed the connection")
        self._end += count
        self.received += count

    # -- sending -----------------------------------------------------------------------------------

    def send(self, *parts: Bytes) -> None:
        """Send all of the parts, in order. Raises: Aborted."""
        try:
            self.sock.settimeout(self._settings.network_timeout_s)
            if isinstance(self.sock, ssl.SSLSocket):
                self.sock.sendall(b"".join(parts))
            else:
                self._send_all([memoryview(part) for part in parts if len(part)])
        except TimeoutError as error:
            raise Aborted("peer_silent", "the peer does not read what is sent") from error
        except (OSError, ValueError) as error:
            raise Aborted("connection_lost", f"the connection broke ({type(error).__name__})") from error
        self.sent += sum(map(len, parts))

    def _send_all(self, parts: list[memoryview]) -> None:
        while parts:
            count = self.sock.sendmsg(parts[:512])
            done = 0
            while done < len(parts) and count >= len(parts[done]):
                count -= len(parts[done])
                done += 1
            parts = parts[done:]
            if count:
                parts[0] = parts[0][count:]

    def send_pdu(self, kind: int, body: bytes) -> None:
        """A PDU other than P-DATA."""
        self.send(_PDU.pack(kind, len(body)), body)

    def send_message(self, context: int, command: bytes, data: Iterable[Bytes] | None) -> None:
        """A command set and its data set in P-DATA PDUs of the peer's size."""
        room = min(self.peer_pdu or SEND, SEND) - 6
        parts: list[Bytes] = []
        for piece, last in cut([command], room):
            parts += [_head(piece, context, 3 if last else 1), *piece]
        size = 0
        for piece, last in cut(data, room) if data is not None else ():
            parts += [_head(piece, context, 2 if last else 0), *piece]
            size += room
            if size >= SEND:
                self.send(*parts)
                parts, size = [], 0
        if parts:
            self.send(*parts)

    # -- the end -----------------------------------------------------------------------------------

    def close(self, *, linger: bool = False) -> None:
        """Close; `linger`: let the peer read our last PDU before a reset could overtake it."""
        with suppress(OSError, ValueError):
            if linger:
                self.sock.shutdown(socket.SHUT_WR)
                until = time.monotonic() + LINGER_S
                while (left := until - time.monotonic()) > 0:
                    self.sock.settimeout(left)
                    if not self.sock.recv_into(self._view):
                        break
        self.sock.close()


def cut(data: Iterable[Bytes], room: int) -> Iterator[tuple[list[memoryview], bool]]:
    """The bytes of all chunks in pieces of `room` (each a list of views), and whether the piece is the last."""
    piece: list[memoryview] = []
    size = 0
    for chunk in data:
        view = memoryview(chunk).cast("B") if len(chunk) else memoryview(b"")
        while len(view):
            if size == room:
                yield piece, False
                piece, size = [], 0
            step = min(room - size, len(view))
            piece.append(view[:step])
            size += step
            view = view[step:]
    yield piece, True


def _head(piece: list[memoryview], context: int, control: int) -> bytes:
    size = sum(map(len, piece))
    return _BOTH.pack(P_DATA, size + 6, size + 2, context, control)


def prepare(sock: socket.socket) -> None:
    """Answers leave at once, and a peer that vanished is noticed."""
    with suppress(OSError):  # not TCP: a test's socket pair
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_S)


def hurry(sock: socket.socket) -> None:
    """Have the kernel acknowledge the next segment at once: peers that write an answer in two pieces wait for that."""
    if QUICK_ACK:
        with suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, QUICK_ACK, 1)
