"""An entry as FHIR R4 AuditEvent; the codes are those of DICOM's audit message.

Source: hl7.org/fhir/R4/auditevent.html.
"""

from base64 import b64encode
from datetime import UTC
from typing import Any, Final

from lamelle.audit import message, model
from lamelle.audit.model import EVENTS, QUERY, Code, Entry

DCM: Final = "http://dicom.nema.org/resources/ontology/DCM"
OWN: Final = "urn:x-lamelle:audit-action"
_TERMS: Final = "http://terminology.hl7.org/CodeSystem"
PURPOSES: Final = {
    "care": Code("TREAT", "treatment"),
    "opinion": Code("TREAT", "treatment"),
    "research": Code("HRESCH", "healthcare research"),
    "teaching": Code("TRAIN", "training"),
    "operations": Code("HOPERAT", "healthcare operations"),
}
"""Our purposes in HL7's words. Source: v3-ActReason, PurposeOfUse."""
BROKEN_GLASS: Final = Code("BTG", "break the glass")


def resource(number: int, entry: Entry, source: str) -> dict[str, Any]:
    """The AuditEvent of one entry."""
    event = EVENTS[entry.action]
    assert entry.at is not None
    kinds = [_coding(DCM, event.kind)] if event.kind else []
    made: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "id": f"ledger-{number}",
        "type": _coding(DCM, event.id),
        "subtype": [*kinds, {"system": OWN, "code": entry.action}],
        "action": event.does,
        "recorded": entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        "outcome": message.OUTCOMES[entry.outcome],
        "agent": [_person(entry), {"who": {"display": source}, "requestor": False}],
        "source": {
            "observer": {"display": source},
            "type": [{"system": f"{_TERMS}/security-source-type", "code": message.SERVER_PROCESS}],
        },
        "entity": _entities(number, entry),
    }
    if entry.reason:
        made["outcomeDesc"] = entry.reason
    purpose = BROKEN_GLASS if entry.action == "break_glass" else PURPOSES.get(entry.purpose)
    if purpose is not None:
        made["purposeOfEvent"] = [{"coding": [_coding(f"{_TERMS}/v3-ActReason", purpose)]}]
    return made


def _coding(system: str, code: Code) -> dict[str, str]:
    return {"system": system, "code": code.value, "display": code.meaning}


def _person(entry: Entry) -> dict[str, Any]:
    person: dict[str, Any] = {"who": {"identifier": {"value": entry.actor or "unknown"}}, "requestor": True}
    if entry.session:
        person["altId"] = entry.session
    if entry.address:
        kind = "2" if message.is_address(entry.address) else "1"
        person["network"] = {"address": entry.address, "type": kind}
    return person


def _entities(number: int, entry: Entry) -> list[dict[str, Any]]:
    """The study, the patient, what was acted on, and the entry itself with all that has no place of its own."""
    found = []
    if entry.study_uid:
        study = {"system": "urn:dicom:uid", "value": f"urn:oid:{entry.study_uid}"}
        found.append(_entity(study, message.SYSTEM_OBJECT, message.REPORT_ROLE))
    if entry.patient_id:
        patient: dict[str, Any] = {"value": entry.patient_id}
        if entry.issuer:
            patient["assigner"] = {"display": entry.issuer}
        found.append(_entity(patient, message.PERSON, message.PATIENT_ROLE))
    if entry.subject:
        kind, role = message.of_subject(entry)
        found.append(_entity({"value": entry.subject}, kind, role))
    own = _entity({"value": f"ledger:{number}"}, message.SYSTEM_OBJECT, message.SECURITY_RESOURCE_ROLE)
    if told := message.details(entry):
        own["detail"] = [{"type": name, "valueString": text} for name, text in told.items()]
    if EVENTS[entry.action].id == QUERY:
        own["role"]["code"] = message.QUERY_ROLE
        own["query"] = b64encode(model.canonical(entry.detail).encode()).decode()
    return [*found, own]


def _entity(identifier: dict[str, Any], kind: str, role: str) -> dict[str, Any]:
    return {
        "what": {"identifier": identifier},
        "type": {"system": f"{_TERMS}/audit-entity-type", "code": kind},
        "role": {"system": f"{_TERMS}/object-role", "code": role},
    }
