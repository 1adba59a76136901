"""One series: its thumbnail, and the stack of its images when it is no slide."""

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from lamelle.archive import thumbnails
from lamelle.archive.store import Archive
from lamelle.dicom.slide import first, inside, values
from lamelle.doors import guard
from lamelle.doors.web import reading
from lamelle.doors.web.models import Stack, StackImage, Window


def router(archive: Archive) -> APIRouter:
    routes = APIRouter()

    @routes.get("/series/{series_uid}/thumbnail", response_class=Response)
    def thumbnail(request: Request, series_uid: str) -> Response:
        """A JPEG of at most 512 pixels a side, never from a label or overview."""
        reach = guard.reach(request)
        data = thumbnails.of_series(archive, reach, reading.study_of(archive, reach, series_uid), series_uid)
        return Response(data, media_type="image/jpeg", headers={"cache-control": "private, max-age=3600"})

    @routes.get("/series/{series_uid}/file", response_class=StreamingResponse)
    def file(request: Request, series_uid: str) -> StreamingResponse:
        """The first Part 10 file of a series, to save or to open with another program."""
        reach = guard.reach(request)
        ref = archive.retrieve.instances(reach, reading.study_of(archive, reach, series_uid), series_uid)[0]
        headers = {"content-disposition": f'attachment; filename="{ref.sop_uid}.dcm"', "content-length": str(ref.size)}
        return StreamingResponse(archive.retrieve.stream(ref), media_type="application/dicom", headers=headers)

    @routes.get("/series/{series_uid}/stack")
    def stack(request: Request, series_uid: str) -> Stack:
        reach = guard.reach(request)
        study_uid = reading.study_of(archive, reach, series_uid)
        objects = list(reading.objects(archive, reach, study_uid, series_uid))
        return describe(series_uid, study_uid, objects)

    return routes


def describe(series_uid: str, study_uid: str, objects: list[dict[str, Any]]) -> Stack:
    """The images of a series in the order a person scrolls them."""
    shown = sorted((ds for ds in objects if reading.whole(ds, "00280010")), key=_place)
    head = shown[0] if shown else (objects[0] if objects else {})
    spacing = _spacing(head)
    images = [
        StackImage(instance_uid=str(first(ds, "00080018")), frame=frame, position_mm=_along(ds))
        for ds in shown
        for frame in range(1, (reading.whole(ds, "00280008") or 1) + 1)
    ]
    return Stack(
        uid=series_uid,
        study_uid=study_uid,
        modality=reading.text(head, "00080060"),
        description=reading.text(head, "0008103E"),
        rows=reading.whole(head, "00280010") or 0,
        columns=reading.whole(head, "00280011") or 0,
        mm_per_pixel_x=spacing[0],
        mm_per_pixel_y=spacing[1],
        windows=_windows(head),
        images=images,
        facts=reading.facts(head),
    )


def _place(ds: dict[str, Any]) -> tuple[bool, float, int]:
    along = _along(ds)
    return along is None, along or 0.0, reading.whole(ds, "00200013") or 0


def _along(ds: dict[str, Any]) -> float | None:
    """How far an image lies along the normal of its plane, in mm. Source: PS3.3 C.7.6.2.1.1."""
    try:
        position = [float(v) for v in values(ds, "00200032")]
        a, b, c, d, e, f = (float(v) for v in values(ds, "00200037"))
        normal = (b * f - c * e, c * d - a * f, a * e - b * d)
        return round(sum(x * y for x, y in zip(position, normal, strict=True)), 3)
    except (TypeError, ValueError):
        return None


def _spacing(ds: dict[str, Any]) -> tuple[float | None, float | None]:
    measures = inside(ds, "52009229", "00289110") or ds
    found = values(measures, "00280030") or values(ds, "00181164")
    try:
        return float(found[1]), float(found[0])
    except (IndexError, TypeError, ValueError):
        return None, None


def _windows(ds: dict[str, Any]) -> list[Window]:
    voi = inside(ds, "52009229", "00289132") or ds
    names = values(voi, "00281055")
    found = []
    for index, (center, width) in enumerate(zip(values(voi, "00281050"), values(voi, "00281051"), strict=False)):
        try:
            label = str(names[index]) if index < len(names) else ""
            found.append(Window(center=float(center), width=float(width), name=label))
        except (TypeError, ValueError):
            continue
    return found
