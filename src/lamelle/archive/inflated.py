"""Deflated files made readable by position: inflated once into an unnamed file beside the spools.

Source: PS3.5 A.5.
"""

import zlib
from dataclasses import dataclass

from lamelle.archive.blobs import BlobReader
from lamelle.archive.model import BulkRef
from lamelle.archive.spool import Spool
from lamelle.base.errors import NotFound
from lamelle.dicom.part10 import Scan, Scanner

CHUNK = 1 << 20
# Preamble, DICM and a Transfer Syntax UID of explicit VR little endian: what makes the inflated bytes a file again.
META = bytes(128) + b"DICM" + b"\x02\x00\x10\x00UI\x14\x001.2.840.10008.1.2.1\x00"


class SpoolReader:
    """A spool without a name, as a blob; gone when the last user lets go of it."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self.size = spool.size
        spool.path.unlink()

    def read_at(self, start: int, length: int) -> bytes:
        return self._spool.read_at(start, length)

    def read_now(self, start: int, length: int) -> None:
        return None

    def close(self) -> None:
        self._spool.drop()

    def __del__(self) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Inflated:
    """A deflated file as explicit VR little endian, and what a scan of that says."""

    reader: SpoolReader
    scan: Scan

    def bulk(self, path: str, base: int) -> BulkRef:
        """Where a bulk value lies, counted from `base`. Raises: NotFound("no_such_bulk")."""
        pixels = self.scan.pixels
        if pixels is not None and path == f"{pixels.tag:08X}":
            return BulkRef(pixels.vr, base + pixels.offset, pixels.length or 0)
        for value in self.scan.bulk:
            if value.path == path:
                return BulkRef(value.vr, base + value.offset, value.length)
        raise NotFound("no_such_bulk", "the instance has no bulk value of that name")


def inflate(reader: BlobReader, dataset_offset: int, spool: Spool) -> Inflated:
    """Inflate the dataset that starts at `dataset_offset`; memory stays flat."""
    scanner, inflator = Scanner(), zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        _write(spool, scanner, META)
        at = dataset_offset
        while (chunk := reader.read_at(at, CHUNK)) and not inflator.eof:
            at += len(chunk)
            while chunk and not inflator.eof:
                _write(spool, scanner, inflator.decompress(chunk, CHUNK))
                chunk = inflator.unconsumed_tail
        return Inflated(SpoolReader(spool), scanner.finish())
    except BaseException:
        spool.drop()
        raise
    finally:
        reader.close()


def _write(spool: Spool, scanner: Scanner, data: bytes) -> None:
    spool.write(data)
    scanner.feed(data)
