"""The messages a converting child sends its parent: frames of a fixed head and a payload, written once, read once.

Not here: processes and limits (sandbox), what the bytes mean (archive.ingest).

    head     magic "LMP1", kind u8, 3 zero bytes, instance u32, length u32; little endian
    stream   (BEGIN CHUNK* END | FACTS | PROGRESS)* (DONE | ERROR) end-of-stream

Instances are numbered 0, 1, 2 ... in the order of their BEGIN; several may be open at once.
The parent trusts nothing: every head is checked against this grammar before its payload is read.
"""

import json
import os
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from lamelle.base.errors import Invalid

MAGIC = b"LMP1"
HEAD = struct.Struct("<4sB3sII")
CHUNK_BYTES = 1 << 20
CONTROL_BYTES = 64 << 10
OPEN_INSTANCES = 64
INSTANCES = 10_000


class Kind(IntEnum):
    BEGIN = 1
    CHUNK = 2
    END = 3
    FACTS = 4
    PROGRESS = 5
    ERROR = 6
    DONE = 7


LAST = frozenset({Kind.ERROR, Kind.DONE})


@dataclass(frozen=True, slots=True)
class Message:
    """One frame; `payload` is a view of the reader's buffer, valid until the next message is asked for."""

    kind: Kind
    instance: int
    payload: memoryview

    def json(self) -> dict[str, Any]:
        """Raises: Invalid `reader_garbage`."""
        try:
            value = json.loads(bytes(self.payload))
        except (ValueError, RecursionError) as error:
            raise garbage("a control message is not JSON") from error
        if not isinstance(value, dict):
            raise garbage("a control message is not a JSON object")
        return value


def garbage(why: str) -> Invalid:
    return Invalid("reader_garbage", f"The slide reader broke the protocol: {why}.")


class Sender:
    """The child's end: frames go out in one `writev`, without joining head and payload."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._begun = 0

    def begin(self, name: str) -> "Writer":
        number = self._begun
        self._begun += 1
        self.send(Kind.BEGIN, json.dumps({"name": name}).encode(), number)
        return Writer(self, number)

    def control(self, kind: Kind, values: Mapping[str, object] | None = None) -> None:
        self.send(kind, json.dumps(values or {}, default=str).encode())

    def send(self, kind: Kind, payload: bytes | bytearray | memoryview = b"", instance: int = 0) -> None:
        head = HEAD.pack(MAGIC, kind, bytes(3), instance, len(payload))
        left: list[memoryview] = [memoryview(head), memoryview(payload)]
        while left:
            written = os.writev(self._fd, left)
            while left and written >= len(left[0]):
                written -= len(left.pop(0))
            if left:
                left[0] = left[0][written:]


class Writer:
    """One instance being written: small writes are gathered, large ones pass without a copy."""

    def __init__(self, sender: Sender, number: int) -> None:
        self._sender = sender
        self._number = number
        self._buffer = bytearray()

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()

    def write(self, data: bytes | bytearray | memoryview) -> int:
        view = memoryview(data).cast("B")
        if len(self._buffer) + len(view) < CHUNK_BYTES:
            self._buffer += view
            return len(view)
        self._flush()
        for start in range(0, len(view), CHUNK_BYTES):
            self._sender.send(Kind.CHUNK, view[start : start + CHUNK_BYTES], self._number)
        return len(view)

    def close(self) -> None:
        self._flush()
        self._sender.send(Kind.END, instance=self._number)

    def _flush(self) -> None:
        if self._buffer:
            self._sender.send(Kind.CHUNK, self._buffer, self._number)
            self._buffer = bytearray()


@dataclass(slots=True)
class Grammar:
    """Which frame may follow; the parent's only memory of the conversation."""

    begun: int = 0
    open: set[int] | None = None
    last: Kind | None = None

    def admit(self, raw: bytes) -> tuple[Kind, int, int]:
        """Kind, instance and payload length of a head that is allowed here. Raises: Invalid `reader_garbage`."""
        magic, code, zero, instance, length = HEAD.unpack(raw)
        if magic != MAGIC or zero != bytes(3) or code not in Kind.__members__.values():
            raise garbage("no message head where one must be")
        kind = Kind(code)
        if self.last is not None:
            raise garbage("a message after the last one")
        if length > (CHUNK_BYTES if kind is Kind.CHUNK else CONTROL_BYTES):
            raise garbage("a message is too long")
        self._follow(kind, instance, length)
        return kind, instance, length

    def _follow(self, kind: Kind, instance: int, length: int) -> None:
        opened = self.open = self.open if self.open is not None else set()
        if kind is Kind.BEGIN:
            if instance != self.begun or len(opened) >= OPEN_INSTANCES or instance >= INSTANCES:
                raise garbage("an instance begins out of order, or too many do")
            self.begun += 1
            opened.add(instance)
        elif kind in (Kind.CHUNK, Kind.END):
            if instance not in opened or (kind is Kind.END and length):
                raise garbage("bytes for an instance that is not open")
            if kind is Kind.END:
                opened.remove(instance)
        elif instance:
            raise garbage("a control message names an instance")
        if kind is Kind.DONE and opened:
            raise garbage("done while an instance is open")
        if kind in LAST:
            self.last = kind


def messages(read_into: Callable[[memoryview], int]) -> Iterator[Message]:
    """The messages of a stream up to its DONE or ERROR; the bytes after that must be none.

    `read_into` fills some of a buffer and returns how much, 0 at the end of the stream.

    Raises: Invalid `reader_garbage` as soon as a byte cannot belong, `reader_crashed` if the stream ends early.
    """
    grammar = Grammar()
    head = memoryview(bytearray(HEAD.size))
    body = memoryview(bytearray(CHUNK_BYTES))
    while _fill(read_into, head, may_end=grammar.last is not None):
        kind, instance, length = grammar.admit(bytes(head))
        payload = body[:length]
        _fill(read_into, payload, may_end=False)
        yield Message(kind, instance, payload)


def _fill(read_into: Callable[[memoryview], int], buffer: memoryview, *, may_end: bool) -> bool:
    """False at a legal end of the stream."""
    filled = 0
    while filled < len(buffer):
        count = read_into(buffer[filled:])
        if count == 0:
            if may_end and filled == 0:
                return False
            raise Invalid("reader_crashed", "The slide reader stopped before it had finished.")
        filled += count
    return True
