"""Studies of the archive as ImagingStudy, with the slides their series show and where they are retrieved."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from lamelle.archive import glance
from lamelle.archive.glance import SeriesGlance
from lamelle.doors.fhir.making import Making, Resource, accession, begun, day, filled
from lamelle.doors.fhir.names import DICOM_UID, TERMS, reference
from lamelle.lab import kinship
from lamelle.lab.lookup import Kind

DCM: Final = "http://dicom.nema.org/resources/ontology/DCM"
WADO: Final = "wado-rs"


def made(making: Making, rows: Sequence[Any]) -> list[Resource]:
    """The ImagingStudy of each row."""
    uids = [row.uid for row in rows]
    cases = kinship.cases(making.conn, making.reach, uids)
    slides = kinship.glass(making.conn, making.reach, uids)
    series = glance.series_of(making.archive.db, making.images, uids, clock=making.archive.clock)
    return [_one(making, row, cases.get(row.uid, []), series[row.uid], slides) for row in rows]


def _one(
    making: Making, row: Any, cases: Sequence[Any], series: Sequence[SeriesGlance], slides: Mapping[str, int]
) -> Resource:
    number = row.accession_number
    issuer = next((case.issuer for case in cases if case.accession == number), "")
    identifiers = [{"system": DICOM_UID, "value": f"urn:oid:{row.uid}"}]
    return filled(
        begun("ImagingStudy", row.uid, row.updated_at),
        contained=[_endpoint(making.dicomweb)],
        identifier=[*identifiers, accession(making.names, number, issuer)] if number else identifiers,
        status="available",
        modality=[_modality(code) for code in row.modalities.split("\\") if code],
        subject=_subject(making, row, cases),
        started=day(row.study_date),
        basedOn=[reference(Kind.CASE, case.id) for case in cases],
        endpoint=[{"reference": f"#{WADO}"}],
        numberOfSeries=len(series),
        numberOfInstances=sum(one.instances for one in series),
        description=row.description,
        series=[_series(one, slides.get(one.uid)) for one in series],
    )


def _endpoint(address: str) -> Resource:
    kind = {"system": f"{TERMS}/endpoint-connection-type", "code": "dicom-wado-rs"}
    return {
        "resourceType": "Endpoint",
        "id": WADO,
        "status": "active",
        "connectionType": kind,
        "payloadType": [{"text": "DICOM"}],
        "address": address,
    }


def _modality(code: str) -> Resource:
    return {"system": DCM, "code": code}


def _subject(making: Making, row: Any, cases: Sequence[Any]) -> Resource:
    """The patient as the laboratory knows them, else by what the images say."""
    known = next((case.patient_id for case in cases if case.patient_id is not None), None)
    said = making.names.identifier(row.patient_id, row.issuer_of_patient_id) if row.patient_id else None
    if known is not None:
        return reference(Kind.PATIENT, known)
    return {"identifier": said} if said else {"display": "unknown"}


def _series(one: SeriesGlance, slide: int | None) -> Resource:
    return filled(
        {"uid": one.uid},
        number=one.number if one.number is not None and one.number >= 0 else None,
        modality=_modality(one.modality or "OT"),
        description=one.description,
        numberOfInstances=one.instances,
        specimen=[reference(Kind.SLIDE, slide)] if slide else [],
    )
