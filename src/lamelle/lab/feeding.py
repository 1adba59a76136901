"""The modality worklist, fed: a slide is on it while its scan is awaited, and off it once it is there or cancelled."""

from contextlib import suppress
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from lamelle.base.errors import NotFound
from lamelle.base.ids import uid_from
from lamelle.lab import items, schedule
from lamelle.lab.items import Item
from lamelle.lab.matching import WAITED_FOR
from lamelle.lab.records import case, patient, slide, slide_alias, specimen
from lamelle.lab.room import Lab
from lamelle.lab.tables import scheduled_step

Row = sa.Row[Any]

SHORT: Final = 16
"""Characters of an SH: a longer accession number is left out rather than cut."""


def renew(lab: Lab, slide_id: int) -> None:
    """Put a slide on the worklist, put it there anew, or take it away."""
    with lab.db.read() as conn:
        row = conn.execute(_slides().where(slide.c.id == slide_id)).first()
        aliases = conn.execute(sa.select(slide_alias.c.value).where(slide_alias.c.slide_id == slide_id)).scalars()
        others = sorted(aliases)
        there = conn.execute(_step(slide_id)).first() is not None
    wanted = None
    if row is not None and row.state in WAITED_FOR and row.patient_identifier and lab.settings.stations:
        wanted = item(lab, row, others)
        schedule.put(lab, row.place, [wanted])
    if there and wanted is None:
        with suppress(NotFound):  # somebody took it away meanwhile
            schedule.remove(lab, step_id(slide_id))


def step_id(slide_id: int) -> str:
    """What its step is called."""
    return f"L{slide_id}"


def _step(slide_id: int) -> sa.Select[tuple[int]]:
    return sa.select(scheduled_step.c.id).where(scheduled_step.c.step_id == step_id(slide_id)).limit(1)


def _slides() -> sa.Select[Any]:
    columns = (
        case.c.accession,
        case.c.study_uid,
        case.c.requester,
        patient.c.identifier.label("patient_identifier"),
        patient.c.issuer.label("patient_issuer"),
        patient.c.family,
        patient.c.given,
        patient.c.birth_date,
        patient.c.sex,
        specimen.c.identifier.label("specimen"),
    )
    joined = slide.join(case, case.c.id == slide.c.case_id).outerjoin(patient, patient.c.id == case.c.patient_id)
    return sa.select(slide, *columns).select_from(joined.outerjoin(specimen, specimen.c.id == slide.c.specimen_id))


def item(lab: Lab, row: Row, aliases: list[str]) -> Item:
    """The worklist item of a slide. Source: PS3.4 Table K.6-1, PS3.3 C.7.6.22."""
    now = lab.clock.now()
    start = max(row.due_on, now.strftime("%Y%m%d"))
    containers = {"00400512": _value("LO", row.identifier)}
    if aliases:
        containers["00400515"] = _sequence(*({"00400512": _value("LO", alias)} for alias in aliases))
    named = {"00400551": _value("LO", row.specimen or row.identifier)}
    named["00400554"] = _value("UI", uid_from("specimen", row.issuer, row.specimen or row.identifier))
    containers["00400560"] = _sequence(named)
    step = {
        "00080060": _value("CS", "SM"),
        "00400001": {"vr": "AE", "Value": list(lab.settings.stations)},
        "00400002": _value("DA", start),
        "00400003": _value("TM", "000000"),
        "00400007": _value("LO", row.stain_text[:64]),
        "00400009": _value("SH", step_id(row.id)),
    }
    dataset = {
        "00080050": _value("SH", row.accession if len(row.accession) <= SHORT else ""),
        "00100010": _value("PN", {"Alphabetic": f"{row.family}^{row.given}".strip("^") or row.patient_identifier}),
        "00100020": _value("LO", row.patient_identifier),
        "00100021": _value("LO", row.patient_issuer[:64]),
        "00100030": _value("DA", _day(row.birth_date)),
        "00100040": _value("CS", row.sex),
        "0020000D": _value("UI", row.study_uid),
        "00400100": _sequence(step),
        "00400500": _sequence(containers),
        "00401001": _value("SH", step_id(row.id)),
    }
    [made] = items.check(dataset)
    return made


def _day(text: str) -> str:
    """A date that DICOM can say: not one with parts nobody knows."""
    try:
        datetime.strptime(text, "%Y%m%d")
    except ValueError:
        return ""
    return text


def _value(vr: str, value: Any) -> dict[str, Any]:
    return {"vr": vr, "Value": [value]} if value else {"vr": vr}


def _sequence(*found: dict[str, Any]) -> dict[str, Any]:
    return {"vr": "SQ", "Value": list(found)}
