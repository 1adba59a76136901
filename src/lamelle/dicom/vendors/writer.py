"""One Part 10 instance as a stream: header, offset table, then frames in order, one fragment each.

Nothing is written twice and nothing is sought, so a pipe will do. Source: PS3.10 7.1; PS3.5 A.4; PS3.3 C.7.6.3.1.
"""

import io
import struct
from collections.abc import Iterator
from typing import Protocol

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID

from lamelle.base.errors import Invalid
from lamelle.base.ids import uid_from
from lamelle.dicom.vendors.slide import Buffer, Frames

IMPLEMENTATION = uid_from("lamelle", "implementation", "vendors")
CHUNK = 4 << 20
"""Bytes gathered before a write."""

_PIXELS = b"\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff"
_EMPTY_TABLE = b"\xfe\xff\x00\xe0\x00\x00\x00\x00"
_END = b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"
_ITEM = b"\xfe\xff\x00\xe0"


class BinaryWriter(Protocol):
    """What a sink gives: bytes go in, in order."""

    def write(self, data: bytes, /) -> object: ...


def write(dataset: Dataset, frames: Frames, target: BinaryWriter) -> int:
    """Write the instance and say its size in bytes. Raises: Invalid if the source changes meanwhile."""
    lengths = frames.lengths + frames.lengths % 2
    offsets = np.concatenate(([0], np.cumsum(lengths + 8)[:-1])).astype("<u8")
    dataset.add_new(0x7FE00001, "OV", offsets.tobytes())
    dataset.add_new(0x7FE00002, "OV", lengths.astype("<u8").tobytes())
    header = _header(dataset, frames.encoding.transfer_syntax)
    total = len(header) + len(_PIXELS) + len(_EMPTY_TABLE)
    target.write(header + _PIXELS + _EMPTY_TABLE)
    for chunk in _chunks(frames, lengths.tolist()):
        total += len(chunk)
        target.write(chunk)
    target.write(_END)
    return total + len(_END)


def _header(dataset: Dataset, transfer_syntax: str) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    meta.TransferSyntaxUID = UID(transfer_syntax)
    meta.ImplementationClassUID, meta.ImplementationVersionName = UID(IMPLEMENTATION), "LAMELLE"
    dataset.file_meta = meta
    buffer = io.BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def _chunks(frames: Frames, lengths: list[int]) -> Iterator[bytes]:
    waiting: list[Buffer] = []
    gathered = 0
    for pieces, length in zip(frames.pieces(), lengths, strict=True):
        size = sum(map(len, pieces))
        if length - size not in (0, 1):
            raise Invalid("source_changed", "a frame is not as long as it was")
        waiting.append(_ITEM + struct.pack("<I", length))
        waiting.extend(pieces)
        if length != size:
            waiting.append(b"\0")
        gathered += length
        if gathered >= CHUNK:
            yield b"".join(waiting)
            waiting.clear()
            gathered = 0
    if waiting:
        yield b"".join(waiting)
