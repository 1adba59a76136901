"""Instance availability: what we tell of a study that came to rest, and what others tell us of theirs.

Sending and receiving are the network's. Source: PS3.4 R.3, Table R.3.2-1.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from itertools import groupby
from typing import Any

import sqlalchemy as sa

from lamelle.access.model import Reach
from lamelle.archive import within
from lamelle.archive.catalogue import study
from lamelle.archive.retrieve import find
from lamelle.archive.store import Archive
from lamelle.base import events, ids
from lamelle.base.db import insert
from lamelle.base.errors import Conflict, Invalid, NotFound
from lamelle.dicom import uids
from lamelle.lab import keys
from lamelle.lab.keys import Dataset
from lamelle.lab.room import Lab
from lamelle.lab.tables import availability, performed_scheduled, performed_step

PERFORMED_STEP = "1.2.840.10008.3.1.2.3.3"
SERIES, INSTANCES = "00081115", "00081199"
REQUIRED = ("0020000D", SERIES)
REQUIRED_OF_INSTANCE = ("00081150", "00081155", "00080056", "00080054")


def unrest_s(lab: Lab, archive: Archive, study_uid: str) -> float:
    """Seconds until the study may be at rest; 0 when it is, or is no more."""
    with archive.db.read() as conn:
        changed = conn.execute(sa.select(study.c.updated_at).where(study.c.uid == study_uid)).scalar_one_or_none()
    if changed is None:
        return 0.0
    rests = changed + timedelta(seconds=lab.settings.settle_s)
    return max(0.0, float((rests - lab.clock.now()).total_seconds()))


def compose(archive: Archive, reach: Reach, study_uid: str, aet: str) -> tuple[str, dict[str, Any]]:
    """What is told of a study to somebody of that reach: a UID that is the same for the same content, and the dataset.

    Everything kept is online here, and fetched from the AE title `aet`. Raises: NotFound, Gone.
    """
    with archive.db.read() as conn:
        refs = [ref for _, ref in find(conn, reach, study_uid, None, None)]
        linked = performed_scheduled.c
        performed = sa.select(performed_step.c.uid).join(
            performed_scheduled, linked.performed_id == performed_step.c.id
        )
        here = within.placed(reach, performed_step.c.place)
        named = performed.where(linked.study_uid == study_uid, *here).distinct().order_by(performed_step.c.uid)
        steps = list(conn.execute(named).scalars())
    refs.sort(key=lambda ref: (ref.series_uid, ref.sop_uid))
    series = [
        {
            "0020000E": _said("UI", uid),
            INSTANCES: _items([_instance(ref.sop_class_uid, ref.sop_uid, aet) for ref in group]),
        }
        for uid, group in groupby(refs, key=lambda ref: ref.series_uid)
    ]
    dataset = {
        "00081111": _items([_performed(uid) for uid in steps]),
        SERIES: _items(series),
        "0020000D": _said("UI", study_uid),
    }
    return ids.uid_from("availability", aet, json.dumps(dataset, sort_keys=True)), dataset


def _instance(sop_class_uid: str, sop_uid: str, aet: str) -> Dataset:
    return {
        "00080054": _said("AE", aet),
        "00080056": _said("CS", "ONLINE"),
        "00081150": _said("UI", sop_class_uid),
        "00081155": _said("UI", sop_uid),
    }


def _performed(uid: str) -> Dataset:
    return {"00081150": _said("UI", PERFORMED_STEP), "00081155": _said("UI", uid), "00404019": _items([])}


def _said(vr: str, value: str) -> Mapping[str, Any]:
    return {"vr": vr, "Value": [value]}


def _items(items: list[Any]) -> Mapping[str, Any]:
    return {"vr": "SQ", "Value": items} if items else {"vr": "SQ"}


def receive(lab: Lab, uid: str, dataset: Dataset, said_by: str) -> str:
    """Keep what another archive tells it has, durably; its UID.

    Raises: Invalid("bad_notice" | "missing_attribute" | "missing_value"); Conflict("notice_exists").
    """
    uid = uid or ids.new_uid()
    if not uids.is_usable(uid):
        raise Invalid("bad_notice", "the SOP Instance UID is no UID")
    keys.require(dataset, REQUIRED)
    for item in keys.items(dataset, SERIES):
        keys.require(item, ("0020000E", INSTANCES))
        for named in keys.items(item, INSTANCES):
            keys.require(named, REQUIRED_OF_INSTANCE)
    news = {"uid": uid, "study_uid": keys.first(dataset, "0020000D"), "said_by": said_by}
    row = news | {"json": json.dumps(dataset, ensure_ascii=False)}
    with lab.db.write() as conn:
        adding = insert(conn, availability).values(**row, received_at=lab.clock.now()).on_conflict_do_nothing()
        if conn.execute(adding.returning(availability.c.uid)).scalar_one_or_none() is None:
            raise Conflict("notice_exists", f"the availability notification {uid} is known already")
        events.record(conn, "AvailabilityTold", news, clock=lab.clock)
    return uid


def told(lab: Lab, uid: str) -> Dataset:
    """What was told us under this UID. Raises: NotFound("no_such_notice")."""
    with lab.db.read() as conn:
        text = conn.execute(sa.select(availability.c.json).where(availability.c.uid == uid)).scalar_one_or_none()
    if text is None:
        raise NotFound("no_such_notice", f"there is no availability notification {uid}")
    found: Dataset = json.loads(text)
    return found
