"""Worklist items and performed steps as a laboratory's systems send them, in DICOM JSON; all patients are invented."""

from collections.abc import Mapping
from typing import Any

Dataset = dict[str, Any]

VRS = {
    "PatientName": ("00100010", "PN"),
    "PatientID": ("00100020", "LO"),
    "AccessionNumber": ("00080050", "SH"),
    "StudyInstanceUID": ("0020000D", "UI"),
    "RequestedProcedureID": ("00401001", "SH"),
    "RequestedProcedureDescription": ("00321060", "LO"),
    "SpecificCharacterSet": ("00080005", "CS"),
    "Modality": ("00080060", "CS"),
    "ScheduledStationAETitle": ("00400001", "AE"),
    "ScheduledProcedureStepStartDate": ("00400002", "DA"),
    "ScheduledProcedureStepStartTime": ("00400003", "TM"),
    "ScheduledPerformingPhysicianName": ("00400006", "PN"),
    "ScheduledProcedureStepDescription": ("00400007", "LO"),
    "ScheduledProcedureStepID": ("00400009", "SH"),
    "ScheduledProcedureStepStatus": ("00400020", "CS"),
    "ScheduledProcedureStepSequence": ("00400100", "SQ"),
    "ScheduledSpecimenSequence": ("00400500", "SQ"),
    "ContainerIdentifier": ("00400512", "LO"),
    "AlternateContainerIdentifierSequence": ("00400515", "SQ"),
    "SpecimenDescriptionSequence": ("00400560", "SQ"),
    "SpecimenIdentifier": ("00400551", "LO"),
    "SpecimenUID": ("00400554", "UI"),
    "ScheduledStepAttributesSequence": ("00400270", "SQ"),
    "PerformedStationAETitle": ("00400241", "AE"),
    "PerformedProcedureStepStartDate": ("00400244", "DA"),
    "PerformedProcedureStepStartTime": ("00400245", "TM"),
    "PerformedProcedureStepEndDate": ("00400250", "DA"),
    "PerformedProcedureStepEndTime": ("00400251", "TM"),
    "PerformedProcedureStepStatus": ("00400252", "CS"),
    "PerformedProcedureStepID": ("00400253", "SH"),
    "PerformedProcedureStepDescription": ("00400254", "LO"),
    "PerformedSeriesSequence": ("00400340", "SQ"),
    "SeriesInstanceUID": ("0020000E", "UI"),
    "ProtocolName": ("00181030", "LO"),
}
"""Keyword to tag and VR of what is used here."""


def said(**values: Any) -> Dataset:
    """A dataset in DICOM JSON of keywords; a list of mappings is a sequence, None stands for an empty value."""
    found: Dataset = {}
    for keyword, value in values.items():
        tag, vr = VRS[keyword]
        many = value if isinstance(value, list) else [] if value is None else [value]
        named = [{"Alphabetic": one} if vr == "PN" else dict(one) if vr == "SQ" else one for one in many]
        found[tag] = {"vr": vr, "Value": named} if named else {"vr": vr}
    return found


def scheduled(
    step_id: str = "SPS1",
    *,
    study_uid: str = "2.25.100",
    container: str | list[str] = "26P00001-A-1-1",
    patient: str = "Dupont^Hélène",
    patient_id: str = "PAT1",
    station: str | list[str] = "SCANNER1",
    date: str = "20260102",
    time: str = "0930",
    **step: Any,
) -> Dataset:
    """One slide to be scanned."""
    containers = container if isinstance(container, list) else [container]
    specimens = [
        said(
            ContainerIdentifier=name,
            SpecimenDescriptionSequence=[said(SpecimenIdentifier=f"{name}-1", SpecimenUID=f"{study_uid}.{number}")],
        )
        for number, name in enumerate(containers, 1)
    ]
    return said(
        PatientName=patient,
        PatientID=patient_id,
        AccessionNumber="26P00001",
        StudyInstanceUID=study_uid,
        RequestedProcedureID="RP1",
        RequestedProcedureDescription="Biopsie cutanée",
        ScheduledProcedureStepSequence=[
            said(
                Modality="SM",
                ScheduledStationAETitle=station,
                ScheduledProcedureStepStartDate=date,
                ScheduledProcedureStepStartTime=time,
                ScheduledPerformingPhysicianName=None,
                ScheduledProcedureStepDescription="Numérisation 40x",
                ScheduledProcedureStepID=step_id,
                ScheduledSpecimenSequence=specimens,
                **step,
            )
        ],
    )


def begun(step_id: str = "SPS1", *, study_uid: str = "2.25.100", **more: Any) -> Dataset:
    """What a scanner says when it begins a step."""
    values: Mapping[str, Any] = {
        "Modality": "SM",
        "PatientName": "Dupont^Hélène",
        "PatientID": "PAT1",
        "PerformedStationAETitle": "SCANNER1",
        "PerformedProcedureStepStartDate": "20260102",
        "PerformedProcedureStepStartTime": "093100",
        "PerformedProcedureStepEndDate": None,
        "PerformedProcedureStepEndTime": None,
        "PerformedProcedureStepID": "PPS1",
        "PerformedProcedureStepStatus": "IN PROGRESS",
        "ScheduledStepAttributesSequence": [
            said(StudyInstanceUID=study_uid, AccessionNumber="26P00001", ScheduledProcedureStepID=step_id or None)
        ],
        "PerformedSeriesSequence": None,
    }
    return said(**{**values, **more})


def ended(status: str = "COMPLETED", *series_uids: str) -> Dataset:
    """What it says in the end."""
    series = [said(SeriesInstanceUID=uid, ProtocolName="40x") for uid in series_uids]
    return said(
        PerformedProcedureStepEndDate="20260102",
        PerformedProcedureStepEndTime="093412",
        PerformedProcedureStepStatus=status,
        PerformedSeriesSequence=series or None,
    )
