"""Small previews, made once and kept; never from a LABEL or OVERVIEW image.

Which instance stands for a series or study, and a whole slide level put together from its tiles.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import sqlalchemy as sa
from pydicom import Dataset

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
_SHOWN_FLAVORS: Final = frozenset({"VOLUME", "THUMBNAIL"})
_NO_PICTURE: Final = frozenset(
    {"1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7", "1.2.840.10008.5.1.4.1.1.481.2"}
)


def make(archive: Archive, payload: Mapping[str, Any]) -> None:
    """Handler of the `thumbnail` job: the preview of one series. What cannot be drawn has none; that is no failure."""
    try:
        of_series(archive, str(payload["study_uid"]), str(payload["series_uid"]))
    except LamelleError:
        return


def of_study(archive: Archive, study_uid: str) -> bytes:
    """A JPEG of at most 512 pixels a side for a study. Raises as `of_series`."""
    return _of(archive, subjects(archive.retrieve.instances(study_uid)))


def of_series(archive: Archive, study_uid: str, series_uid: str) -> bytes:
    """A JPEG for a series, kept or made now.

    Raises: NotFound("no_thumbnail") when nothing in it may or can be shown; NotFound, Gone.
    """
    return _of(archive, subjects(archive.retrieve.instances(study_uid, series_uid)))


def of_instance(archive: Archive, study_uid: str, series_uid: str, sop_uid: str, frame: int | None = None) -> bytes:
    """A JPEG for one instance, or for one of its frames (from 1, not kept). Raises as `of_series`."""
    refs = [ref for ref in archive.retrieve.instances(study_uid, series_uid, sop_uid) if is_showable(ref)]
    if frame is None:
        return _of(archive, refs)
    for ref in refs:
        if not shows_label(archive.retrieve.header(ref)):
            opened = archive.retrieve.opened(ref.study_uid, ref.series_uid, ref.sop_uid)
            return _jpeg(frame_picture(opened, render.look(archive.retrieve.header(ref), frame), frame))
    raise NotFound("no_thumbnail", "nothing in it may or can be shown as a preview")


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


def shows_label(header: Dataset) -> bool:
    """Whether the image says that the label or other identifying text is in its pixels."""
    return "YES" in (str(header.get("SpecimenLabelInImage")), str(header.get("BurnedInAnnotation")))


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
        header = archive.retrieve.header(ref)
        if shows_label(header):
            raise NotFound("no_thumbnail", "the image shows the label")
        picture = whole(archive, ref, SIDE, TILES_LIMIT, header=header)
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


def whole(archive: Archive, ref: InstanceRef, side: int, tiles_limit: int, *, header: Dataset | None = None) -> Picture:
    """One picture of an instance, its long side near `side` when it is tiled: all its tiles, or its middle frame.

    Raises: TooLarge("too_many_tiles"), and as `pixels.decode`.
    """
    header = header if header is not None else archive.retrieve.header(ref)
    opened = archive.retrieve.opened(ref.study_uid, ref.series_uid, ref.sop_uid)
    if "TotalPixelMatrixColumns" not in header or ref.frames == 1:
        number = (ref.frames + 1) // 2
        return frame_picture(opened, _look(header, ref, number), number)
    return _composed(opened, header, _look(header, ref, 1), side, tiles_limit)


def _look(header: Dataset, ref: InstanceRef, frame: int) -> Look:
    return render.with_vr(render.look(header, frame), ref.pixel_vr)


def frame_picture(opened: OpenInstance, look: Look, number: int) -> Picture:
    """One frame, as its look says."""
    samples = pixels.decode(opened.frame(number), opened.transfer_syntax, look.form)
    return render.picture(samples, opened.transfer_syntax, look)


def _composed(opened: OpenInstance, header: Dataset, look: Look, side: int, limit: int) -> Picture:
    width, height = int(header.TotalPixelMatrixColumns), int(header.TotalPixelMatrixRows)
    placed = list(tiles(header, opened.count))
    if len(placed) > limit:
        raise TooLarge("too_many_tiles", f"a level of {len(placed)} tiles is over the limit of {limit}")
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
        tile = pixels.decode_small(opened.frame(number), opened.transfer_syntax, look.form, scale)
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


def tiles(header: Dataset, count: int) -> Iterator[tuple[int, int, int]]:
    """(frame from 1, left, top in pixels from 0) of the middle focal plane of the first optical path.

    Source: PS3.3 C.7.6.17.3 (TILED_FULL), C.8.12.9 (Plane Position (Slide)).
    """
    frames = header.get("PerFrameFunctionalGroupsSequence")
    if header.get("DimensionOrganizationType") == "TILED_FULL" or not frames:
        across = -(-int(header.TotalPixelMatrixColumns) // int(header.Columns))
        down = -(-int(header.TotalPixelMatrixRows) // int(header.Rows))
        planes = max(1, pixels.number(header, "TotalPixelMatrixFocalPlanes"))
        first = planes // 2 * across * down
        if first + across * down > count:
            first = 0
        for place in range(min(across * down, count - first)):
            row, column = divmod(place, across)
            yield first + place + 1, column * int(header.Columns), row * int(header.Rows)
        return
    seen: set[tuple[int, int]] = set()
    for number, item in enumerate(frames[:count], 1):
        position = item.get("PlanePositionSlideSequence")
        if not position:
            continue
        left = pixels.number(position[0], "ColumnPositionInTotalImagePixelMatrix") - 1
        top = pixels.number(position[0], "RowPositionInTotalImagePixelMatrix") - 1
        if (left, top) not in seen:
            seen.add((left, top))
            yield number, left, top
