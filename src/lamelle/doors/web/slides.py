"""The description of one slide for OpenSeadragon.

Descriptions are kept in memory, bounded, and asked of the catalogue again after a few seconds: a slide grows
while its scanner sends it.
"""

import hashlib
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from lamelle.access.model import WHOLE, Reach, Resource
from lamelle.archive import glance
from lamelle.archive.store import Archive
from lamelle.dicom import slide as model
from lamelle.doors import guard
from lamelle.doors.web import reading
from lamelle.doors.web.models import LevelModel, PathModel, PyramidModel, Slide
from lamelle.doors.web.settings import WebSettings
from lamelle.lab import cases

KEPT: Final = 128
FRESH_S: Final = 5.0
SHARED_S: Final = 1.0
"""How long a tile of a shared study does not ask again whether it still is."""
MOST_SHARED: Final = 4096


@dataclass(frozen=True, slots=True)
class Known:
    """One slide as last read; `digests` says which instances it was made of."""

    study_uid: str
    place: int
    slide: model.Slide
    digests: tuple[str, ...]
    head: dict[str, Any]
    version: str
    read_at: float


@lru_cache(4)
def slides_of(archive: Archive) -> "Slides":
    """The slides all parts of this door share for an archive."""
    return Slides(archive)


class Slides:
    """The slides looked at lately; any number of threads may ask."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self._kept: OrderedDict[str, Known] = OrderedDict()
        self._shared: dict[tuple[Reach, str], float] = {}
        self._lock = threading.Lock()

    def fresh(self, series_uid: str) -> Known | None:
        """The slide if it was read a moment ago."""
        found = self._kept.get(series_uid)
        return found if found and time.monotonic() - found.read_at < FRESH_S else None

    def get(self, reach: Reach, series_uid: str, study_uid: str | None = None) -> Known:
        """The slide of a series within reach; `study_uid` is one that was just found there.

        Raises: NotFound, Gone, Invalid("not_a_slide").
        """
        found = self._kept.get(series_uid)
        if found:
            self._admit(reach, found, series_uid)
        if now := self.fresh(series_uid):
            return now
        study_uid = found.study_uid if found else study_uid or reading.study_of(self._archive, reach, series_uid)
        return self._read(found, study_uid, series_uid)

    def _admit(self, reach: Reach, known: Known, series_uid: str) -> None:
        """Raises: NotFound for what is neither in a place of the reach nor shared with it, as of a second ago."""
        now_s, key = time.monotonic(), (reach, known.study_uid)
        if reach.holds(Resource(known.place)) or self._shared.get(key, 0.0) > now_s:
            return
        self._archive.retrieve.instances(reach, known.study_uid, series_uid)
        if len(self._shared) >= MOST_SHARED:
            self._shared.clear()
        self._shared[key] = now_s + SHARED_S

    def _read(self, found: Known | None, study_uid: str, series_uid: str) -> Known:
        """The slide as it is now, whoever asks: what is kept of it is the same for all."""
        refs = self._archive.retrieve.instances(WHOLE, study_uid, series_uid)
        digests = tuple(ref.digest for ref in refs)
        if found and found.digests == digests:
            found = replace(found, place=refs[0].place, read_at=time.monotonic())
        else:
            objects = list(reading.objects(self._archive, WHOLE, study_uid, series_uid))
            slide = model.read(objects)
            base = slide.pyramids[0].levels[0].images[0].sop_uid
            head = next(ds for ds in objects if model.first(ds, "00080018") == base)
            head.pop("52009230", None)
            version = hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()[:12]
            found = Known(study_uid, refs[0].place, slide, digests, head, version, time.monotonic())
        with self._lock:
            self._kept[series_uid] = found
            self._kept.move_to_end(series_uid)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return found


def router(archive: Archive, settings: WebSettings) -> APIRouter:
    routes = APIRouter()

    @routes.get("/slides/{series_uid}")
    def slide(request: Request, series_uid: str, response: Response) -> Slide:
        response.headers["cache-control"] = "private, no-cache"
        return described(archive, settings, guard.reach(request), series_uid)

    return routes


def described(archive: Archive, settings: WebSettings, reach: Reach, series_uid: str) -> Slide:
    """What the reading page needs to know of a slide. Raises: NotFound, Gone, Invalid("not_a_slide")."""
    known = slides_of(archive).get(reach, series_uid)
    labels = reach.labels and settings.show_labels
    found = describe(series_uid, known, labels=labels, siblings=_slides_in(archive, reach, known.study_uid))
    with archive.db.read() as conn:
        return found.model_copy(update={"case": cases.of_series(conn, reach, series_uid)})


def _slides_in(archive: Archive, reach: Reach, study_uid: str) -> int:
    series = glance.series_of(archive.db, reach, [study_uid])[study_uid]
    return sum(reading.kind(each.sop_class_uid, each.modality) == "slide" for each in series)


def describe(series_uid: str, known: Known, *, labels: bool, siblings: int) -> Slide:
    return Slide(
        uid=series_uid,
        study_uid=known.study_uid,
        slides_in_study=siblings,
        version=known.version,
        pyramids=[_pyramid(p) for p in known.slide.pyramids],
        container=known.slide.container,
        stain=known.slide.stain,
        description=reading.text(known.head, "0008103E"),
        has_label=labels and known.slide.label is not None,
        has_overview=labels and known.slide.overview is not None,
        facts=reading.facts(known.head),
    )


def _pyramid(pyramid: model.Pyramid) -> PyramidModel:
    base = pyramid.levels[0]
    return PyramidModel(
        uid=pyramid.uid,
        label=pyramid.label,
        levels=[
            LevelModel(
                width=level.width,
                height=level.height,
                tile_width=level.tile_width,
                tile_height=level.tile_height,
                columns=level.columns,
                rows=level.rows,
                mm_per_pixel_x=level.spacing[0] if level.spacing else None,
                mm_per_pixel_y=level.spacing[1] if level.spacing else None,
                factor=base.width / level.width,
            )
            for level in pyramid.levels
        ],
        planes_um=list(pyramid.planes_um),
        paths=[
            PathModel(identifier=p.identifier, description=p.description, color=p.color, rgb=p.rgb, icc=p.icc)
            for p in pyramid.paths
        ],
        orientation=list(pyramid.orientation),
        origin_x_mm=pyramid.origin[0],
        origin_y_mm=pyramid.origin[1],
        objective=pyramid.objective,
    )
