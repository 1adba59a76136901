"""Scans as they arrive: what a series of slide images says of itself and of its label, kept and matched.

Reading a label is `barcodes`', which slide it names is `matching`'s, what nobody can tell is for the desk.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from lamelle.access import places
from lamelle.access.model import WHOLE, Reach
from lamelle.archive import facts, thumbnails, within
from lamelle.archive.catalogue import instance, series, study
from lamelle.archive.model import InstanceRef
from lamelle.archive.store import Archive
from lamelle.base import events, jobs, telemetry
from lamelle.base.db import insert
from lamelle.base.errors import LamelleError, NotFound
from lamelle.base.telemetry import Counter
from lamelle.dicom import uids
from lamelle.lab import barcodes, candidates, feeding, fleet, matching
from lamelle.lab.keys import Dataset
from lamelle.lab.records import case, scan, slide
from lamelle.lab.room import Lab, in_write
from lamelle.lab.settings import CodeRule

Row = sa.Row[Any]

SCAN, EXPECT, FOLLOW = "scan", "expect", "scans_follow"
"""Kinds of job: look at a series that arrived; whether a slide's scan waits; what became of a study's scans."""
LABELS_READ = Counter("lamelle_labels_total", "Labels of slides that were looked at, by what was read.", ("read",))
LATER: Final = 10
"""Priority of looking at what was stored before: what arrives comes first."""
OF_SCANNER: Final = ("00081010", "00181000", "00080070", "00081090")
"""Station Name, Device Serial Number, Manufacturer, Manufacturer's Model Name."""
FIRST_SCANNERS: Final = "19900101000000"
MOMENT: Final = re.compile(r"(\d{14})(\.\d{1,6})?([+-]\d{4})?")


# -- jobs ------------------------------------------------------------------------------------------------------------


def scanned(lab: Lab, archive: Archive, payload: Mapping[str, Any]) -> None:
    """Job: once a series rests, make or renew its scan and match it; of what is no slide nothing is made."""
    study_uid, series_uid = str(payload["study_uid"]), str(payload["series_uid"])
    with archive.db.read() as conn:
        row = conn.execute(_series(study_uid, series_uid)).first()
        slides = sa.select(instance.c.id).where(instance.c.sop_class == uids.WHOLE_SLIDE_MICROSCOPY)
        if row is None or conn.execute(slides.where(instance.c.series_id == row.id).limit(1)).first() is None:
            return
    rests = row.updated_at + timedelta(seconds=lab.settings.scan_settle_s)
    if rests > lab.clock.now():
        with lab.db.write() as conn:
            key = f"{SCAN}:{study_uid}:{series_uid}"
            jobs.enqueue(conn, SCAN, payload, key=key, run_at=rests, clock=lab.clock)
        return
    take(lab, archive, study_uid, series_uid)


def expected_again(lab: Lab, payload: Mapping[str, Any]) -> None:
    """Job: a slide is new, or something else is known of it."""
    slide_id = int(payload["slide"])
    match_waiting(lab, slide_id)
    feeding.renew(lab, slide_id)


def follow(lab: Lab, payload: Mapping[str, Any]) -> None:
    """Job: scans whose images were deleted are no slide's any more; those of a study that moved are where it is."""
    in_write(lab, lambda conn: _follow(conn, lab, str(payload["study_uid"])))


def _follow(conn: sa.Connection, lab: Lab, study_uid: str) -> None:
    matching.alone(conn)
    there = sa.select(series.c.uid, study.c.place).join(study, study.c.id == series.c.study_id)
    places_of = {row.uid: row.place for row in conn.execute(there.where(study.c.uid == study_uid))}
    slides: set[int] = set()
    changed = []
    for row in conn.execute(sa.select(scan).where(scan.c.study_uid == study_uid)).all():
        slides |= set() if row.slide_id is None else {row.slide_id}
        if row.series_uid not in places_of:
            matching.write(conn, lab, row, matching.Outcome("ignored", matching.GONE, None, False))
        elif places_of[row.series_uid] != row.place:
            conn.execute(sa.update(scan).where(scan.c.id == row.id).values(place=places_of[row.series_uid]))
        changed.append(row.id)
    matching.touch(conn, lab, slides)
    related = (row.id for number in slides for row in matching.relatives(conn, number))
    matching.settle(conn, lab, [*changed, *related])


def again(lab: Lab, *, every: bool = False) -> int:
    """Have the slides looked at that have no scan, or one that waits; or `every` one. How many jobs that makes."""
    slides = sa.select(study.c.uid, series.c.uid).join(series, series.c.study_id == study.c.id)
    slides = slides.where(series.c.modality == "SM")
    if not every:
        done = sa.select(scan.c.series_uid).where(scan.c.state.in_(("matched", "rejected", "ignored")))
        slides = slides.where(series.c.uid.not_in(done))
    with lab.db.write() as conn:
        found = conn.execute(slides.order_by(series.c.id)).all()
        for study_uid, series_uid in found:
            named = {"study_uid": study_uid, "series_uid": series_uid}
            jobs.enqueue(conn, SCAN, named, key=f"{SCAN}:{study_uid}:{series_uid}", priority=LATER, clock=lab.clock)
    return len(found)


# -- a series becomes a scan -----------------------------------------------------------------------------------------


def take(lab: Lab, archive: Archive, study_uid: str, series_uid: str) -> int | None:
    """Look at a series now, and match what is seen; the number of its scan, None when it holds no slide."""
    try:
        refs = archive.retrieve.instances(WHOLE, study_uid, series_uid)
    except NotFound:
        return None
    refs = [ref for ref in refs if thumbnails.is_slide(ref)]
    if not refs:
        return None
    with archive.db.read() as conn:
        row = conn.execute(_series(study_uid, series_uid)).one()
        by = matching.rule(lab, places.tree(conn), row.place)
    head = _head(archive, min(refs, key=lambda ref: ref.size))
    read = _label(archive, refs, by)
    return in_write(lab, lambda conn: _kept(conn, lab, row, _facts(row, head, read, by), head))


def _head(archive: Archive, ref: InstanceRef) -> Dataset:
    for _, text in archive.retrieve.metadata(WHOLE, ref.study_uid, ref.series_uid, ref.sop_uid):
        return facts.head(text)
    return {}


def _series(study_uid: str, series_uid: str) -> sa.Select[Any]:
    columns = (series, study.c.place, study.c.uid.label("study_uid"))
    joined = sa.select(*columns).join(study, study.c.id == series.c.study_id)
    return joined.where(study.c.uid == study_uid, series.c.uid == series_uid)


def _kept(conn: sa.Connection, lab: Lab, row: Row, found: dict[str, Any], head: Dataset) -> int:
    """Keep the scan, tell that it arrived, match it."""
    matching.alone(conn)
    now = lab.clock.now()
    said = (_text(head, tag) for tag in OF_SCANNER)
    values = found | {"scanner": fleet.seen(conn, lab, row.place, *said), "place": row.place, "updated_at": now}
    returned = sa.update(scan).where(scan.c.series_uid == row.uid, scan.c.reason == matching.GONE)
    conn.execute(returned.values(reason=""))
    adding = insert(conn, scan).values(**values, series_uid=row.uid, study_uid=row.study_uid, arrived_at=now)
    adding = adding.on_conflict_do_update(index_elements=["series_uid"], set_={**values, "study_uid": row.study_uid})
    number = int(conn.execute(adding.returning(scan.c.id)).scalar_one())
    matching.settle(conn, lab, [number])
    events.record(conn, "ScanArrived", {"scan": number}, clock=lab.clock)
    return number


def _facts(row: Row, head: Dataset, read: Sequence[str], by: CodeRule) -> dict[str, Any]:
    """What its label and its DICOM say it is of, and when it was made.

    A Barcode Value stands for a label that we cannot read; where it says otherwise than we read, it contradicts.
    """
    said, container = by.code(_text(head, "22000005")), by.code(row.container_id)
    if said and not read:
        read = [said]
    elif said and said not in read:
        container = said
    return {
        "barcode": read[0] if len(read) == 1 else facts.many(sorted(read)),
        "label_text": _text(head, "22000002"),
        "said_container": container,
        "scanned_at": scanned_at(head),
    }


def scanned_at(head: Dataset) -> datetime | None:
    """Acquisition DateTime; without an offset it is taken for UTC unless the dataset names one.

    None where nobody knows it: before there were scanners, too.
    """
    found = MOMENT.match(_text(head, "0008002A"))
    if found is None or found[1] < FIRST_SCANNERS:
        return None
    offset = found[3] or _text(head, "00080201") or "+0000"
    try:
        return datetime.strptime(f"{found[1]}{offset}", "%Y%m%d%H%M%S%z").astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _text(head: Dataset, tag: str) -> str:
    return next(facts.texts(head, (tag,)), "")


def _label(archive: Archive, refs: Sequence[InstanceRef], by: CodeRule) -> list[str]:
    """The codes that are read from the label, or from the overview when there is no label."""
    for picture in _pictures(archive, refs):
        found = barcodes.read(picture, by.code).codes
        LABELS_READ.add(1, "code" if found else "nothing")
        if found:
            return list(found)
    return []


def _pictures(archive: Archive, refs: Sequence[InstanceRef]) -> Iterator[Any]:
    """Pictures of the label: LABEL images, then OVERVIEW images, which show it smaller."""
    for flavor in ("LABEL", "OVERVIEW"):
        for ref in refs:
            if thumbnails.flavor(ref) == flavor:
                try:
                    yield thumbnails.whole(archive, ref, 2 * barcodes.LONG_SIDE, thumbnails.TILES_LIMIT)
                except LamelleError as error:
                    telemetry.log("label.not_decoded", level="warning", code=error.code)


# -- what is expected ------------------------------------------------------------------------------------------------


def match_waiting(lab: Lab, slide_id: int) -> None:
    """See which scans are of a slide that is new, or of which something else is known."""

    def settle(conn: sa.Connection) -> None:
        matching.alone(conn)
        matching.settle(conn, lab, [row.id for row in matching.relatives(conn, slide_id)])

    in_write(lab, settle)


def graded(conn: sa.Connection, lab: Lab, scan_id: int) -> None:
    """Let the slide and its case follow what quality control found, in the transaction that keeps it."""
    slide_id = conn.execute(sa.select(scan.c.slide_id).where(scan.c.id == scan_id)).scalar()
    matching.touch(conn, lab, set() if slide_id is None else {slide_id})


def expected(conn: sa.Connection, reach: Reach, day: str) -> list[Row]:
    """The slides that are due on a day (YYYYMMDD), those of earlier days that are not there yet, and those without one.

    Rows as `candidates.slides` with the case's `urgency`, how many `scans` it has, and whether it is `overdue`.
    """
    waited = slide.c.state.in_(matching.WAITED_FOR)
    late = sa.and_(waited, slide.c.due_on < day)
    overdue = sa.and_(late, slide.c.due_on != "").label("overdue")
    scans = sa.select(sa.func.count()).where(scan.c.slide_id == slide.c.id).scalar_subquery().label("scans")
    query = candidates.slides().add_columns(case.c.urgency, scans, overdue)
    query = query.where(*within.placed(reach, slide.c.place))
    query = query.where(slide.c.state != "cancelled", sa.or_(slide.c.due_on == day, late))
    return list(conn.execute(query.order_by(slide.c.due_on, case.c.accession, slide.c.identifier)).all())
