"""Small previews, made once and kept; never from a LABEL or OVERVIEW image.

Which instance stands for a series or study, and a whole slide level put together from its tiles.
"""

import io
import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import sqlalchemy as sa
from pydicom import Dataset
from pydicom.filereader import read_partial

from lamelle.access.model import WHOLE, Reach
from lamelle.archive import channels, decoding
from lamelle.archive.catalogue import instance, thumbnail
from lamelle.archive.model import InstanceRef
from lamelle.archive.retrieve import OpenInstance
from lamelle.archive.store import Archive
from lamelle.base.errors import LamelleError, NotFound, TooLarge
from lamelle.dicom import pixels, render, uids
from lamelle.dicom.render import Look, Picture

SIDE: Final = 512
QUALITY: Final = 80
# A slide of one level without any smaller one: minutes of decoding are not spent on its preview.
TILES_LIMIT: Final = 40_000
PER_FRAME: Final = 0x52009230
_SHOWN_FLAVORS: Final = frozenset({"VOLUME", "THUMBNAIL"})
_NO_PICTURE: Final = frozenset(
    {"1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7", "1.2.840.10008.5.1.4.1.1.481.2"}
)


def make(archive: Archive, payload: Mapping[str, Any]) -> None:
    """Handler of the `thumbnail` job: the preview of one series. What cannot be drawn has none; that is no failure."""
    try:
        of_series(archive, WHOLE, str(payload["study_uid"]), str(payload["series_uid"]))
    except LamelleError:
        return


def of_study(archive: Archive, reach: Reach, study_uid: str) -> bytes:
    """A JPEG of at most 512 pixels a side for a study. Raises as `of_series`."""
    return _of(archive, subjects(archive.retrieve.instances(reach, study_uid)))


def of_series(archive: Archive, reach: Reach, study_uid: str, series_uid: str) -> bytes:
    """A JPEG for a series, kept or made now.

    Raises: NotFound("no_thumbnail") when nothing in it may or can be shown; NotFound, Gone.
    """
    return _of(archive, subjects(archive.retrieve.instances(reach, study_uid, series_uid)))


def of_instance(
    archive: Archive, reach: Reach, study_uid: str, series_uid: str, sop_uid: str, frame: int | None = None
) -> bytes:
    """A JPEG for one instance, or for one of its frames (from 1, not kept). Raises as `of_series`."""
    refs = [ref for ref in archive.retrieve.instances(reach, study_uid, series_uid, sop_uid) if is_showable(ref)]
    if frame is None:
        return _of(archive, refs)
    for ref in refs:
        said = header(archive, ref)
        if not shows_label(said):
            opened = archive.retrieve.opened(WHOLE, ref.study_uid, ref.series_uid, ref.sop_uid)
            return _jpeg(frame_picture(opened, _look(said, ref, frame), frame))
    raise NotFound("no_thumbnail", "nothing in it may or can be shown as a preview")


def header(archive: Archive, ref: InstanceRef) -> Dataset:
    """The dataset before its per-frame groups, which take pydicom seconds to read for 25,600 tiles."""
    end = ref.pixel_offset if ref.pixel_offset > 0 else ref.size
    data = io.BytesIO(b"".join(archive.retrieve.stream(ref, 0, end)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read_partial(data, stop_when=lambda tag, vr, length: tag >= PER_FRAME, force=True)


def subjects(refs: Sequence[InstanceRef]) -> list[InstanceRef]:
    """The instances that may stand for these, the best first."""
    showable = [ref for ref in refs if is_showable(ref)]
    slides = [ref for ref in showable if is_slide(ref)]
    if slides:
        # A THUMBNAIL image is made for it; else the level nearest above the preview's size.
        return sorted(
            slides, key=lambda ref: (flavor(ref) != "THUMBNAIL", _pixels(ref) < SIDE * SIDE // 2, _pixels(ref))
        )
    middle = len(showable) // 2
    return [*showable[middle:], *reversed(showable[:middle])]


def is_slide(ref: InstanceRef) -> bool:
    return ref.sop_class_uid == uids.WHOLE_SLIDE_MICROSCOPY


def flavor(ref: InstanceRef) -> str:
    """Value 3 of Image Type: VOLUME, LABEL, OVERVIEW, THUMBNAIL."""
    return ref.image_type[2] if len(ref.image_type) > 2 else ""


def is_showable(ref: InstanceRef) -> bool:
    """Whether it has pixels that a preview may show; LABEL and OVERVIEW show who the patient is."""
    if ref.frames == 0 or ref.rows == 0 or ref.sop_class_uid in _NO_PICTURE:
        return False
    return flavor(ref) in _SHOWN_FLAVORS if is_slide(ref) else not {"LABEL", "OVERVIEW"} & set(ref.image_type)


def shows_label(said: Dataset) -> bool:
    """Whether the image says that the label or other identifying text is in its pixels."""
    return "YES" in (str(said.get("SpecimenLabelInImage")), str(said.get("BurnedInAnnotation")))


def _pixels(ref: InstanceRef) -> int:
    return ref.rows * ref.columns * ref.frames


def _of(archive: Archive, refs: Sequence[InstanceRef]) -> bytes:
    for ref in refs[:8]:
        kept = _kept(archive, ref)
        if kept is not None:
            return kept
        try:
            data = _drawn(archive, ref)
        except (NotFound, TooLarge):
            continue
        _keep(archive, ref, *data)
        return data[0]
    raise NotFound("no_thumbnail", "nothing in it may or can be shown as a preview")


def _drawn(archive: Archive, ref: InstanceRef) -> tuple[bytes, int, int]:
    try:
        if shows_label(header(archive, ref)):
            raise NotFound("no_thumbnail", "the image shows the label")
        picture = channels.blended(archive, ref, SIDE, TILES_LIMIT)
        picture = whole(archive, ref, SIDE, TILES_LIMIT) if picture is None else picture
        picture = render.within(picture, SIDE)
    except (NotFound, TooLarge):
        raise
    except LamelleError as error:
        raise NotFound("no_thumbnail", "the image cannot be decoded") from error
    return _jpeg(picture), picture.shape[1], picture.shape[0]


def _jpeg(picture: Picture) -> bytes:
    return render.encoded([render.within(picture, SIDE)], "image/jpeg", quality=QUALITY)


def _kept(archive: Archive, ref: InstanceRef) -> bytes | None:
    found = sa.select(thumbnail.c.jpeg).join(instance, instance.c.id == thumbnail.c.instance_id)
    with archive.db.read() as conn:
        row = conn.execute(found.where(instance.c.uid == ref.sop_uid, instance.c.digest == ref.digest)).first()
    return bytes(row[0]) if row else None


def _keep(archive: Archive, ref: InstanceRef, jpeg: bytes, width: int, height: int) -> None:
    with archive.db.write() as conn:
        row = conn.execute(sa.select(instance.c.id).where(instance.c.uid == ref.sop_uid)).first()
        if row is None:
            return
        conn.execute(sa.delete(thumbnail).where(thumbnail.c.instance_id == row[0]))
        values = {"instance_id": row[0], "jpeg": jpeg, "width": width, "height": height}
        conn.execute(sa.insert(thumbnail).values(**values, made_at=archive.clock.now()))


def whole(archive: Archive, ref: InstanceRef, side: int, tiles_limit: int) -> Picture:
    """One picture of an instance, its long side near `side` when it is tiled: all its tiles, or its middle frame.

    Raises: TooLarge("too_many_tiles"), and as `pixels.decode`.
    """
    said = header(archive, ref)
    opened = archive.retrieve.opened(WHOLE, ref.study_uid, ref.series_uid, ref.sop_uid)
    if "TotalPixelMatrixColumns" not in said or ref.frames == 1:
        number = (ref.frames + 1) // 2
        return frame_picture(opened, _look(said, ref, number), number)
    placed = list(tiles(archive, ref, said))
    if len(placed) > tiles_limit:
        raise TooLarge("too_many_tiles", f"a level of {len(placed)} tiles is over the limit of {tiles_limit}")
    return _composed(opened, said, _look(said, ref, 1), placed, side)


def _look(said: Dataset, ref: InstanceRef, frame: int) -> Look:
    return render.with_vr(render.look(said, frame), ref.pixel_vr)


def frame_picture(opened: OpenInstance, look: Look, number: int) -> Picture:
    """One frame, as its look says."""
    samples = decoding.decode(opened.frame(number), opened.transfer_syntax, look.form)
    return render.picture(samples, opened.transfer_syntax, look)


def _composed(
    opened: OpenInstance, said: Dataset, look: Look, placed: Sequence[tuple[int, int, int]], side: int
) -> Picture:
    width, height = (pixels.number(said, f"TotalPixelMatrix{name}") for name in ("Columns", "Rows"))
    if not placed or width < 1 or height < 1:
        raise NotFound("no_pixels", "the level has no tiles")
    scale = min(1.0, side / max(width, height))
    shape = (max(1, round(height * scale)), max(1, round(width * scale)))
    colour = look.form.samples > 1
    canvas = np.full((*shape, 3), 255, np.uint8) if colour else np.zeros(shape, look.form.dtype)
    sized: Callable[[Any, int, int], Any] = render.scaled_to if colour else _nearest
    for number, left, top in placed:
        x0, y0 = round(left * scale), round(top * scale)
        x1 = min(shape[1], max(x0 + 1, round((left + look.form.columns) * scale)))
        y1 = min(shape[0], max(y0 + 1, round((top + look.form.rows) * scale)))
        if x0 < 0 or y0 < 0 or x1 <= x0 or y1 <= y0:
            continue
        tile = decoding.decode_small(opened.frame(number), opened.transfer_syntax, look.form, scale)
        if colour:
            tile = render.picture(tile, opened.transfer_syntax, look)
        full_width, full_height = (max(1, round(n * scale)) for n in (look.form.columns, look.form.rows))
        canvas[y0:y1, x0:x1] = sized(tile, max(full_width, x1 - x0), max(full_height, y1 - y0))[: y1 - y0, : x1 - x0]
    return canvas if colour else render.picture(canvas, opened.transfer_syntax, look)


def _nearest(samples: Any, width: int, height: int) -> Any:
    """Grey samples keep their values until the whole picture knows its brightest."""
    rows = np.arange(height) * samples.shape[0] // height
    columns = np.arange(width) * samples.shape[1] // width
    return samples[rows][:, columns]


def tiles(archive: Archive, ref: InstanceRef, said: Dataset) -> Iterator[tuple[int, int, int]]:
    """(frame from 1, left, top in pixels from 0) of the middle focal plane of the first optical path.

    Source: PS3.3 C.7.6.17.3 (TILED_FULL), C.8.12.9 (Plane Position (Slide)).
    """
    groups = [] if said.get("DimensionOrganizationType") == "TILED_FULL" else _groups(archive, ref)
    if not groups:
        yield from _full(said, ref)
        return
    seen: set[tuple[int, int]] = set()
    for number, item in enumerate(groups[: ref.frames], 1):
        [position] = (item.get("0048021A", {}).get("Value") or [{}])[:1]
        corner = tuple(_first(position, tag) - 1 for tag in ("0048021E", "0048021F"))
        if corner not in seen and min(corner) >= -(1 << 20):
            seen.add((corner[0], corner[1]))
            yield number, corner[0], corner[1]


def _full(said: Dataset, ref: InstanceRef) -> Iterator[tuple[int, int, int]]:
    columns, rows = max(1, ref.columns), max(1, ref.rows)
    across = -(-pixels.number(said, "TotalPixelMatrixColumns") // columns)
    down = -(-pixels.number(said, "TotalPixelMatrixRows") // rows)
    first = max(1, pixels.number(said, "TotalPixelMatrixFocalPlanes")) // 2 * across * down
    if first + across * down > ref.frames:
        first = 0
    for place in range(min(across * down, ref.frames - first)):
        row, column = divmod(place, across)
        yield first + place + 1, column * columns, row * rows


def _groups(archive: Archive, ref: InstanceRef) -> list[dict[str, Any]]:
    """Per-frame groups from the metadata that were made at ingest: they read fifty times as fast as the header."""
    for _, text in archive.retrieve.metadata(WHOLE, ref.study_uid, ref.series_uid, ref.sop_uid):
        found: list[dict[str, Any]] = json.loads(text).get("52009230", {}).get("Value") or []
        return found
    return []


def _first(item: Mapping[str, Any], tag: str) -> int:
    values = item.get(tag, {}).get("Value") or [-(1 << 30)]
    return int(values[0]) if isinstance(values[0], int) else -(1 << 30)
