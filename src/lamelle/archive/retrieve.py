"""The only way out of the archive: instances, frames, metadata and bulk values as they are stored.

No decoding and no rendering here.
"""

import io
import json
import threading
import time
import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pydicom
import sqlalchemy as sa

from lamelle.access.model import WHOLE, Reach
from lamelle.archive import catalogue, identities, inflated, within
from lamelle.archive.blobs import BlobReader, BlobStore
from lamelle.archive.catalogue import frame_index, instance, series, study, tombstone
from lamelle.archive.facts import split
from lamelle.archive.inflated import Inflated
from lamelle.archive.model import BulkRef, InstanceRef, instance_key
from lamelle.archive.settings import ArchiveSettings
from lamelle.base.clock import Clock
from lamelle.base.db import Database
from lamelle.base.errors import Gone, NotFound, Unavailable
from lamelle.dicom import frames, transfer
from lamelle.dicom.frames import FrameIndex, NativeFrames, PixelData

__all__ = ["BulkRef", "InstanceRef", "OpenInstance", "Retrieve"]

CHUNK = 256 << 10
"""Bytes of a stream held at once for each reader: a client that has stopped reading holds two."""
METADATA_BATCH = 32
GUEST_S = 1.0
"""How long it is remembered that an open instance is within reach though it lies in none of the reach's places."""
GUESTS = 4096
PIXEL_PATHS = frozenset({"7FE00008", "7FE00009", "7FE00010"})

REF_COLUMNS = (
    study.c.uid.label("study_uid"),
    study.c.place.label("place"),
    study.c.patient_id.label("patient_id"),
    study.c.issuer_of_patient_id.label("issuer"),
    series.c.uid.label("series_uid"),
    *(instance.c[name] for name in ("id", "uid", "sop_class", "transfer_syntax", "size", "digest", "dataset_offset")),
    *(instance.c[name] for name in ("number", "rows", "columns", "frames", "samples", "bits_allocated")),
    *(instance.c[name] for name in ("photometric", "image_type", "pixel_vr", "pixel_offset", "pixel_length")),
)
JOINED = instance.join(series, series.c.id == instance.c.series_id).join(study, study.c.id == series.c.study_id)


class OpenInstance:
    """One instance held open for its frames; any number of threads may read.

    Its file is closed when the last user lets go of it.
    """

    __slots__ = ("_frames", "_reader", "checked_s", "count", "mark", "ref", "transfer_syntax")

    def __init__(self, ref: InstanceRef, reader: BlobReader, found: FrameIndex | NativeFrames | None) -> None:
        self.ref = ref
        self.transfer_syntax = ref.transfer_syntax
        self.count = 0 if found is None else len(found)
        self.mark = ref.digest[:32].encode()
        """What entity tags of its frames begin with."""
        self.checked_s = 0.0
        self._reader, self._frames = reader, found

    def frame(self, number: int) -> bytes:
        """Frame `number`, from 1, as stored and without fragment delimiters. Raises: NotFound("no_such_frame")."""
        found = self._frames
        if isinstance(found, FrameIndex):
            ranges = found.ranges(number)
            if len(ranges) == 1:
                return self._read(*ranges[0])
            return b"".join([self._read(offset, length) for offset, length in ranges])
        if found is None:
            raise NotFound("no_such_frame", f"frame {number} of an instance without pixel data")
        offset, length, _ = found.range(number)
        return found.cut(number, self._read(offset, length))

    def length(self, number: int) -> int:
        """Bytes of frame `number` as stored; an empty tile is short. Raises: NotFound("no_such_frame")."""
        found = self._frames
        if isinstance(found, FrameIndex):
            return sum(length for _, length in found.ranges(number))
        return 0 if found is None else found.range(number)[1]

    def frame_now(self, number: int) -> bytes | bytearray | None:
        """The frame if it is had without waiting, in one piece of whole bytes; None: call `frame` in a thread.

        Raises: NotFound("no_such_frame").
        """
        found = self._frames
        if not isinstance(found, FrameIndex):
            return None
        ranges = found.ranges(number)
        return self._reader.read_now(*ranges[0]) if len(ranges) == 1 else None

    def _read(self, offset: int, length: int) -> bytes:
        data = self._reader.read_at(offset, length)
        if len(data) != length:
            raise Unavailable("blob_truncated", f"instance {self.ref.sop_uid} is shorter than it was")
        return data


class Retrieve:
    """The archive's outlet; share it between threads."""

    def __init__(
        self,
        db: Database,
        blobs: BlobStore,
        settings: ArchiveSettings,
        *,
        clock: Clock = within.CLOCK,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._db, self._blobs, self._settings, self._now_s = db, blobs, settings, now_s
        self._clock = clock
        self._guests: dict[tuple[Reach, str], float] = {}
        self._lock = threading.Lock()
        self._open: OrderedDict[tuple[str, str, str], OpenInstance] = OrderedDict()
        self._open_frames = 0

    # -- what there is -----------------------------------------------------------------------------

    def instances(
        self, reach: Reach, study_uid: str, series_uid: str | None = None, sop_uid: str | None = None
    ) -> list[InstanceRef]:
        """What a study, series or instance holds, by series and instance number. Raises: NotFound, Gone."""
        with self._db.read() as conn:
            return [ref for _, ref in find(conn, reach, study_uid, series_uid, sop_uid, clock=self._clock)]

    def metadata(
        self, reach: Reach, study_uid: str, series_uid: str | None = None, sop_uid: str | None = None
    ) -> Iterator[tuple[InstanceRef, bytes]]:
        """A DICOM JSON object for each instance, whose bulk URIs start with `@`; the patient is the study's.

        Raises: NotFound, Gone.
        """
        with self._db.read() as conn:
            found = find(conn, reach, study_uid, series_uid, sop_uid, clock=self._clock)
            whose = identities.of(conn, study_uid)
        return self._metadata(found, whose)

    def _metadata(
        self, found: list[tuple[int, InstanceRef]], whose: Mapping[str, str]
    ) -> Iterator[tuple[InstanceRef, bytes]]:
        table = catalogue.metadata
        for at in range(0, len(found), METADATA_BATCH):
            batch = found[at : at + METADATA_BATCH]
            with self._db.read() as conn:
                query = sa.select(table.c.instance_id, table.c.json).where(
                    table.c.instance_id.in_([i for i, _ in batch])
                )
                packed = {row.instance_id: row.json for row in conn.execute(query)}
            for number, ref in batch:
                if number in packed:  # else deleted meanwhile
                    text = zlib.decompress(packed[number])
                    yield ref, identities.over(text, whose) if whose else text

    # -- bytes -------------------------------------------------------------------------------------

    def stream(self, ref: InstanceRef, start: int = 0, length: int | None = None) -> Iterator[bytes]:
        """The bytes of the Part 10 file from `start`, in chunks of at most CHUNK bytes.

        From `ref.size` on stands the inflated form of a deflated file, where `bulk` finds its values.
        Raises: NotFound, Unavailable before the first chunk.
        """
        if start >= ref.size and length != 0:
            opened = self._inflate(ref)
            return _chunks(opened.reader, start - ref.size, opened.reader.size if length is None else length)
        return _chunks(self._reader(ref), start, ref.size - start if length is None else length)

    def bulk(self, ref: InstanceRef, path: str) -> BulkRef:
        """Where a bulk value lies; stream it from there. Raises: NotFound("no_such_bulk").

        Encapsulated pixel data is given with its offset table and item headers, without the last delimiter.
        """
        if _deflated(ref):
            return self._inflate(ref).bulk(path, ref.size)
        if path in PIXEL_PATHS and ref.pixel_vr:
            return BulkRef(ref.pixel_vr, ref.pixel_offset, self._pixel_length(ref))
        table = catalogue.metadata
        query = sa.select(table.c.bulk).join(instance, instance.c.id == table.c.instance_id)
        with self._db.read() as conn:
            packed = conn.execute(query.where(instance.c.uid == ref.sop_uid)).scalar()
        for where, vr, offset, length in json.loads(zlib.decompress(packed)) if packed else ():
            if where == path:
                return BulkRef(vr, offset, length)
        raise NotFound("no_such_bulk", f"instance {ref.sop_uid} has no bulk value of that name")

    def header(self, ref: InstanceRef) -> pydicom.Dataset:
        """The dataset without its pixel data."""
        end = ref.pixel_offset if ref.pixel_offset > 0 else ref.size
        data = b"".join(self.stream(ref, 0, end))
        return pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True, force=True)

    def _reader(self, ref: InstanceRef) -> BlobReader:
        try:
            return self._blobs.open(ref.key)
        except NotFound as error:
            with self._db.read() as conn:
                find(conn, WHOLE, ref.study_uid, ref.series_uid, ref.sop_uid)  # Gone, if it was deleted meanwhile
            raise Unavailable("blob_missing", f"the bytes of instance {ref.sop_uid} are missing") from error

    def _pixel_length(self, ref: InstanceRef) -> int:
        if ref.pixel_length >= 0:
            return ref.pixel_length
        found = self.opened(WHOLE, ref.study_uid, ref.series_uid, ref.sop_uid)._frames
        if not isinstance(found, FrameIndex) or not len(found):
            return 0
        return max(sum(found.ranges(number)[-1]) for number in range(1, len(found) + 1)) - ref.pixel_offset

    def _inflate(self, ref: InstanceRef) -> Inflated:
        return inflated.inflate(self._reader(ref), ref.dataset_offset, self._blobs.spool())

    # -- frames ------------------------------------------------------------------------------------

    def at_hand(self, reach: Reach, study_uid: str, series_uid: str, sop_uid: str) -> OpenInstance | None:
        """The instance if it is open, was checked lately and lies in one of the reach's places.

        Waits for neither catalogue nor blobs; what may be reached in another way is None too.
        """
        found = self._checked((study_uid, series_uid, sop_uid))
        return found if found is not None and within.lets(reach, found.ref) else None

    def _checked(self, name: tuple[str, str, str]) -> OpenInstance | None:
        """The instance if it is open and was checked lately, whoever asks."""
        with self._lock:
            found = self._open.get(name)
            if found is None or self._now_s() - found.checked_s >= self._settings.recheck_s:
                return None
            self._open.move_to_end(name)
            return found

    def opened(self, reach: Reach, study_uid: str, series_uid: str, sop_uid: str) -> OpenInstance:
        """An instance ready for its frames, from memory when it was asked for lately. Raises: NotFound, Gone."""
        name, now_s = (study_uid, series_uid, sop_uid), self._now_s()
        found = self._checked(name)
        if found is not None and (within.lets(reach, found.ref) or self._is_guest(reach, found.ref, now_s)):
            return found
        return self._recheck(reach, name, self._open.get(name), now_s)

    def _is_guest(self, reach: Reach, ref: InstanceRef, now_s: float) -> bool:
        """Whether the database said a moment ago that the study is within reach, in whichever way."""
        return within.shows(reach, ref) and now_s - self._guests.get((reach, ref.study_uid), -GUEST_S) < GUEST_S

    def _remember(self, reach: Reach, study_uid: str, now_s: float) -> None:
        with self._lock:
            if len(self._guests) >= GUESTS:
                self._guests.clear()
            self._guests[reach, study_uid] = now_s

    def _recheck(
        self, reach: Reach, name: tuple[str, str, str], found: OpenInstance | None, now_s: float
    ) -> OpenInstance:
        """Ask the catalogue whether the instance is still what is open, and open it if it is not."""
        try:
            with self._db.read() as conn:
                [(number, ref)] = find(conn, reach, *name, clock=self._clock)
                query = sa.select(frame_index.c.packed).where(frame_index.c.instance_id == number)
                packed = conn.execute(query).scalar() if found is None or found.ref != ref else None
        except NotFound:
            if found is not None and within.lets(reach, found.ref):  # else others may have it
                self._forget(name)
            raise
        if not within.lets(reach, ref):
            self._remember(reach, ref.study_uid, now_s)
        if found is None or found.ref != ref:
            found = self._load(ref, packed)
        found.checked_s = now_s
        self._keep(name, found)
        return found

    def _load(self, ref: InstanceRef, packed: bytes | None) -> OpenInstance:
        if not ref.pixel_vr:
            return OpenInstance(ref, self._reader(ref), None)
        if _deflated(ref):
            opened = self._inflate(ref)
            pixels = opened.scan.pixels
            return OpenInstance(ref, opened.reader, opened.scan.frames or (_native(ref, pixels) if pixels else None))
        if packed is not None:
            return OpenInstance(ref, self._reader(ref), FrameIndex.unpack(packed))
        pixels = PixelData(0x7FE00010, ref.pixel_vr, ref.pixel_offset, ref.pixel_length, False)
        return OpenInstance(ref, self._reader(ref), _native(ref, pixels))

    def _keep(self, name: tuple[str, str, str], found: OpenInstance) -> None:
        with self._lock:
            before = self._open.pop(name, None)
            self._open_frames += found.count - (before.count if before else 0)
            self._open[name] = found
            while len(self._open) > 1 and (
                len(self._open) > self._settings.open_instances or self._open_frames > self._settings.open_frames
            ):
                _, oldest = self._open.popitem(last=False)
                self._open_frames -= oldest.count

    def _forget(self, name: tuple[str, str, str]) -> None:
        with self._lock:
            before = self._open.pop(name, None)
            if before is not None:
                self._open_frames -= before.count


def find(
    conn: sa.Connection,
    reach: Reach,
    study_uid: str,
    series_uid: str | None,
    sop_uid: str | None,
    *,
    clock: Clock = within.CLOCK,
) -> list[tuple[int, InstanceRef]]:
    """The rows asked for, by series and instance number.

    Raises: NotFound, also of what is out of reach, Gone of what was deleted within reach.
    """
    now = clock.now()
    query = sa.select(*REF_COLUMNS).select_from(JOINED).where(study.c.uid == study_uid)
    query = query.where(*within.one(reach, now), *within.shown(reach))
    buried = sa.select(tombstone.c.uid).where(tombstone.c.study_uid == study_uid, *within.buried(reach, now))
    if series_uid is not None:
        query = query.where(series.c.uid == series_uid)
        buried = buried.where(tombstone.c.series_uid == series_uid)
    if sop_uid is not None:
        query = query.where(instance.c.uid == sop_uid)
        buried = buried.where(tombstone.c.uid == sop_uid)
    rows = conn.execute(query.order_by(*IN_ORDER)).all()
    if rows:
        return [(row.id, to_ref(row)) for row in rows]
    what = "instance" if sop_uid else "series" if series_uid else "study"
    if conn.execute(buried.limit(1)).first() is not None:
        raise Gone(f"{what}_deleted", f"the {what} was deleted")
    raise NotFound(f"no_such_{what}", f"there is no such {what}")


_LAST = 1 << 62
IN_ORDER = (
    sa.func.coalesce(series.c.number, _LAST),
    series.c.id,
    sa.func.coalesce(instance.c.number, _LAST),
    instance.c.id,
)
"""By series and instance number."""


def to_ref(row: sa.Row[Any]) -> InstanceRef:
    """The reference of a row of REF_COLUMNS."""
    found = row._mapping
    return InstanceRef(
        study_uid=found["study_uid"],
        series_uid=found["series_uid"],
        sop_uid=found["uid"],
        sop_class_uid=found["sop_class"],
        transfer_syntax=found["transfer_syntax"],
        size=found["size"],
        key=instance_key(found["digest"]),
        digest=found["digest"],
        dataset_offset=found["dataset_offset"],
        number=found["number"],
        rows=found["rows"] or 0,
        columns=found["columns"] or 0,
        frames=(found["frames"] or 1) if found["pixel_vr"] else 0,
        samples=found["samples"] or 1,
        bits_allocated=found["bits_allocated"] or 0,
        photometric=found["photometric"],
        image_type=tuple(split(found["image_type"])),
        pixel_vr=found["pixel_vr"],
        pixel_offset=found["pixel_offset"],
        pixel_length=found["pixel_length"],
        place=found["place"],
        patient_id=found["patient_id"],
        issuer=found["issuer"],
    )


def _deflated(ref: InstanceRef) -> bool:
    syntax = transfer.lookup(ref.transfer_syntax)
    return syntax is not None and syntax.deflated


def _native(ref: InstanceRef, pixels: PixelData) -> NativeFrames:
    samples = 2 if ref.photometric == "YBR_FULL_422" else ref.samples
    return frames.native(pixels, ref.rows, ref.columns, samples, ref.bits_allocated, ref.frames)


def _chunks(reader: BlobReader, start: int, length: int) -> Iterator[bytes]:
    try:
        end = min(start + length, reader.size)
        while start < end and (data := reader.read_at(start, min(CHUNK, end - start))):
            start += len(data)
            yield data
    finally:
        reader.close()
