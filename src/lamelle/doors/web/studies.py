"""The list of studies and one study with the cards of its series."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Final

from fastapi import APIRouter, Request
from fastapi import Query as Parameter

from lamelle.access.model import Reach
from lamelle.archive import glance
from lamelle.archive.glance import SeriesGlance
from lamelle.archive.query import Level, Match, Page, Query, search
from lamelle.archive.store import Archive
from lamelle.base.errors import Invalid, NotFound, TooLarge
from lamelle.dicom.slide import first, values
from lamelle.doors import guard
from lamelle.doors.web import reading
from lamelle.doors.web.models import SeriesItem, SlideCard, Study, StudyItem, StudyPage
from lamelle.doors.web.settings import WebSettings
from lamelle.doors.web.slides import Slides, slides_of

STUDY: Final = frozenset(
    f"{tag:08X}"
    for tag in (
        *(0x00080020, 0x00080030, 0x00080050, 0x00080061, 0x00080090, 0x00081030),
        *(0x00100010, 0x00100020, 0x00100030, 0x00100040, 0x00201206, 0x00201208),
    )
)
SEARCHED: Final = ("00100010", "00100020", "00080050")
CONTAINER: Final = "00400512"
LISTED: Final = 24
"""Series named in a list; a study of more is opened to see them."""
MERGED: Final = 200
"""Results taken from each searched attribute: more than anyone reads; a longer word narrows them."""
LAST: Final = 1 << 62
"""Beyond the last study of any archive, and within what a database counts with."""


def router(archive: Archive, settings: WebSettings) -> APIRouter:
    routes = APIRouter()
    slides = slides_of(archive)

    @routes.get("/studies")
    def studies(
        request: Request,
        q: Annotated[str, Parameter(max_length=64)] = "",
        modality: Annotated[str, Parameter(max_length=16, pattern=r"^[A-Z]*$")] = "",
        from_: Annotated[date | None, Parameter(alias="from")] = None,
        to: date | None = None,
        limit: Annotated[int, Parameter(ge=1, le=200)] = 50,
        offset: Annotated[int, Parameter(ge=0, le=LAST)] = 0,
    ) -> StudyPage:
        matches = filters(modality, from_, to)
        reach = guard.reach(request)
        found, total, exact = (
            page(archive, reach, matches, limit, offset)
            if not q.strip()
            else anywhere(archive, reach, q.strip(), matches, limit, offset)
        )
        return StudyPage(items=with_series(archive, reach, found), total=total, exact=exact, offset=offset)

    @routes.get("/studies/{study_uid}")
    def study(request: Request, study_uid: str) -> Study:
        reach = guard.reach(request)
        labels = reach.labels and settings.show_labels
        found = search(archive.db, reach, Query(Level.STUDY, study_uid=study_uid, include=STUDY, limit=1)).items
        if not found:
            raise NotFound("no_such_study", "no study by that UID")
        ds = found[0]
        cards = [
            card(slides, reach, study_uid, item, labels=labels)
            for item in glance.series_of(archive.db, reach, [study_uid])[study_uid]
        ]
        return Study(
            uid=study_uid,
            patient=reading.patient(ds),
            accession=reading.text(ds, "00080050"),
            date=reading.day(ds, "00080020"),
            time=reading.time(ds, "00080030"),
            description=reading.text(ds, "00081030"),
            referring=reading.text(ds, "00080090"),
            series=sorted(cards, key=lambda c: (c.kind != "slide", c.number or 0, c.container)),
        )

    return routes


def filters(modality: str, since: date | None, until: date | None) -> tuple[Match, ...]:
    found = [Match(("00080061",), modality)] if modality else []
    if since or until:
        days = (f"{day:%Y%m%d}" if day else "" for day in (since, until))
        found.append(Match(("00080020",), "-".join(days)))
    return tuple(found)


def page(
    archive: Archive, reach: Reach, matches: tuple[Match, ...], limit: int, offset: int
) -> tuple[list[dict[str, Any]], int, bool]:
    """Studies of one page, how many there are, and whether that is all."""
    found = search(archive.db, reach, Query(Level.STUDY, matches, include=STUDY, limit=limit, offset=offset))
    return found.items, offset + len(found.items) + found.remaining, found.exact


def anywhere(
    archive: Archive, reach: Reach, word: str, matches: tuple[Match, ...], limit: int, offset: int
) -> tuple[list[dict[str, Any]], int, bool]:
    """Studies of one page whose patient's name, patient's id, accession number or container begins with a word.

    Of each attribute the newest 200 are taken: a word that finds more is too short to be read through.
    """
    word = word.replace("*", "").replace("?", "").replace("\\", "")
    merged: dict[str, dict[str, Any]] = {}
    whole = True
    for tag in SEARCHED:
        query = Query(
            Level.STUDY, (*matches, Match((tag,), f"{word}*")), include=STUDY, limit=MERGED, fuzzy=tag == "00100010"
        )
        found = _attempt(archive, reach, query)
        whole = whole and not found.remaining
        merged.update((str(first(ds, "0020000D")), ds) for ds in found.items)
    found = _attempt(archive, reach, Query(Level.SERIES, (Match((CONTAINER,), f"{word}*"),), limit=MERGED))
    for ds in found.items:
        uid = str(first(ds, "0020000D"))
        if uid not in merged:
            query = Query(Level.STUDY, matches, study_uid=uid, include=STUDY, limit=1)
            merged.update((uid, study) for study in search(archive.db, reach, query).items)
    newest = sorted(merged.values(), key=lambda ds: (reading.day(ds, "00080020") or "", reading.text(ds, "00080030")))
    newest.reverse()
    return newest[offset : offset + limit], len(newest), whole and not found.remaining


def _attempt(archive: Archive, reach: Reach, query: Query) -> Page:
    """A word that is no valid value of an attribute, or too common without an index, finds nothing there."""
    try:
        return search(archive.db, reach, query)
    except (Invalid, TooLarge):
        return Page([], 0)


def with_series(archive: Archive, reach: Reach, studies: Sequence[dict[str, Any]]) -> list[StudyItem]:
    """Each study with its series."""
    series = glance.series_of(archive.db, reach, [str(first(ds, "0020000D")) for ds in studies])
    return [_item(ds, series[str(first(ds, "0020000D"))]) for ds in studies]


def _item(ds: dict[str, Any], series: Sequence[SeriesGlance]) -> StudyItem:
    return StudyItem(
        uid=str(first(ds, "0020000D")),
        patient=reading.patient(ds),
        accession=reading.text(ds, "00080050"),
        date=reading.day(ds, "00080020"),
        time=reading.time(ds, "00080030"),
        description=reading.text(ds, "00081030"),
        modalities=[str(v) for v in values(ds, "00080061")],
        series_count=len(series),
        instance_count=reading.whole(ds, "00201208") or 0,
        series=sorted(map(series_item, series), key=lambda s: (s.kind != "slide", s.number or 0, s.container))[:LISTED],
    )


def series_item(found: SeriesGlance) -> SeriesItem:
    return SeriesItem(
        uid=found.uid,
        modality=found.modality,
        description=found.description,
        number=found.number,
        instances=found.instances,
        kind=reading.kind(found.sop_class_uid, found.modality),
        container=found.container,
        stain=", ".join(found.stains),
    )


def card(slides: Slides, reach: Reach, study_uid: str, found: SeriesGlance, *, labels: bool) -> SlideCard:
    """A series with the facts of its slide, when it is one that can be read."""
    item = series_item(found).model_dump()
    if item["kind"] == "slide":
        try:
            slide = slides.get(reach, item["uid"], study_uid).slide
        except (Invalid, NotFound):
            item["kind"] = "other"
        else:
            base = slide.pyramids[0]
            spacing = base.levels[0].spacing
            item |= {"container": slide.container, "stain": slide.stain or item["stain"]}
            return SlideCard(
                **item,
                width=base.levels[0].width,
                height=base.levels[0].height,
                objective=base.objective,
                mm_per_pixel=spacing[0] if spacing else None,
                planes=len(base.planes_um),
                paths=len(base.paths),
                has_label=labels and slide.label is not None,
            )
    return SlideCard(
        **item, width=None, height=None, objective=None, mm_per_pixel=None, planes=1, paths=1, has_label=False
    )
