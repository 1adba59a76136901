"""An entry as DICOM's audit message. Source: PS3.15 A.5.1 (schema), A.5.2 and A.5.3 (events and their participants)."""

import json
from base64 import b64encode
from datetime import UTC
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

from lamelle.audit.model import (
    EMERGENCY,
    EMERGENCY_ENDED,
    EVENTS,
    LOG_USED,
    LOGIN,
    LOGOUT,
    QUERY,
    ROLES,
    USER,
    Code,
    Entry,
)

OUTCOMES: Final = {"success": "0", "refused": "4", "failed": "8"}
"""Success, minor and serious failure. Source: PS3.15 A.5.1, from RFC 3881 5.1.4."""
DCM: Final = "DCM"
RFC_3881: Final = "RFC-3881"
OWN: Final = "99LAMELLE"
"""Our own words for what happened; DICOM's designators of private schemes begin with 99 (PS3.16 8.2)."""
SERVER_PROCESS: Final = "4"
STUDY: Final = Code("110180", "Study Instance UID")
APPLICATION_ROLE: Final = Code("110150", "Application")
PEOPLE: Final = (LOGIN, LOGOUT, ROLES, USER, EMERGENCY, EMERGENCY_ENDED)
"""Events whose subject is a person."""

# ParticipantObjectTypeCode, ...Role and ...IDTypeCode. Source: PS3.15 A.5.1.2.
PERSON, SYSTEM_OBJECT = "1", "2"
PATIENT_ROLE, REPORT_ROLE, SECURITY_USER_ROLE, SECURITY_RESOURCE_ROLE, QUERY_ROLE = "1", "3", "11", "13", "24"
PATIENT_NUMBER: Final = Code("2", "Patient Number")
URI: Final = Code("12", "URI")
USER_ID: Final = Code("11", "User Identifier")


def message(number: int, entry: Entry, source: str) -> str:
    """The XML of one entry, without a declaration, on one line."""
    root = Element("AuditMessage")
    _event(root, entry)
    _participants(root, entry, source)
    origin = SubElement(root, "AuditSourceIdentification", AuditSourceID=source)
    SubElement(origin, "AuditSourceTypeCode", {"csd-code": SERVER_PROCESS})
    _objects(root, number, entry)
    return tostring(root, encoding="unicode")


def _code(name: str, code: Code, system: str = DCM) -> Element:
    coded = {"csd-code": code.value, "codeSystemName": system, "originalText": code.meaning}
    return Element(name, coded)


def _event(root: Element, entry: Entry) -> None:
    event = EVENTS[entry.action]
    assert entry.at is not None
    element = SubElement(
        root,
        "EventIdentification",
        EventActionCode=event.does,
        EventDateTime=entry.at.astimezone(UTC).isoformat(timespec="microseconds"),
        EventOutcomeIndicator=OUTCOMES[entry.outcome],
    )
    element.append(_code("EventID", event.id))
    if event.kind is not None:
        element.append(_code("EventTypeCode", event.kind))
    element.append(_code("EventTypeCode", Code(entry.action, entry.action), OWN))
    if entry.outcome != "success" and entry.reason:
        SubElement(element, "EventOutcomeDescription").text = _xml(entry.reason)


def _participants(root: Element, entry: Entry, source: str) -> None:
    person = SubElement(root, "ActiveParticipant", UserID=_xml(entry.actor) or "unknown", UserIsRequestor="true")
    if entry.session:
        person.set("AlternativeUserID", _xml(entry.session))
    if entry.address:
        person.set("NetworkAccessPointID", _xml(entry.address))
        person.set("NetworkAccessPointTypeCode", "2" if is_address(entry.address) else "1")
    node = SubElement(root, "ActiveParticipant", UserID=source, UserIsRequestor="false")
    node.append(_code("RoleIDCode", APPLICATION_ROLE))


def is_address(text: str) -> bool:
    return ":" in text or text.replace(".", "").isdigit()


def _objects(root: Element, number: int, entry: Entry) -> None:
    event = EVENTS[entry.action]
    if entry.study_uid:
        study = _object(root, entry.study_uid, SYSTEM_OBJECT, REPORT_ROLE)
        study.append(_code("ParticipantObjectIDTypeCode", STUDY))
        _name(study, "Study")
    if entry.patient_id:
        identifier = f"{entry.patient_id}^^^{entry.issuer}" if entry.issuer else entry.patient_id
        patient = _object(root, identifier, PERSON, PATIENT_ROLE)
        patient.append(_code("ParticipantObjectIDTypeCode", PATIENT_NUMBER, RFC_3881))
        _name(patient, entry.patient_id)
    if event.id == QUERY:
        query = _object(root, f"ledger:{number}", SYSTEM_OBJECT, QUERY_ROLE)
        query.append(_code("ParticipantObjectIDTypeCode", URI, RFC_3881))
        SubElement(query, "ParticipantObjectQuery").text = _base64(json.dumps(entry.detail, sort_keys=True))
    if entry.subject:
        kind, role = of_subject(entry)
        subject = _object(root, entry.subject, kind, role)
        subject.append(_code("ParticipantObjectIDTypeCode", USER_ID if kind == PERSON else URI, RFC_3881))
        _name(subject, entry.subject)
    _details(root, number, entry)


def of_subject(entry: Entry) -> tuple[str, str]:
    """ParticipantObjectTypeCode and role of what was acted on: a person, or a thing."""
    person = EVENTS[entry.action].kind in PEOPLE
    return (PERSON, SECURITY_USER_ROLE) if person else (SYSTEM_OBJECT, SECURITY_RESOURCE_ROLE)


def details(entry: Entry) -> dict[str, str]:
    """What has no place of its own in the schema."""
    told = {name: getattr(entry, name) for name in ("purpose", "reason", "place", "actor_id", "detail")}
    return {
        name: value if isinstance(value, str) else json.dumps(value, sort_keys=True)
        for name, value in told.items()
        if value
    }


def _object(root: Element, identifier: str, kind: str, role: str) -> Element:
    return SubElement(
        root,
        "ParticipantObjectIdentification",
        ParticipantObjectID=_xml(identifier),
        ParticipantObjectTypeCode=kind,
        ParticipantObjectTypeCodeRole=role,
    )


def _name(element: Element, name: str) -> None:
    SubElement(element, "ParticipantObjectName").text = _xml(name)


def _details(root: Element, number: int, entry: Entry) -> None:
    """The entry itself is the object that these stand with."""
    element = _object(root, f"ledger:{number}", SYSTEM_OBJECT, SECURITY_RESOURCE_ROLE)
    element.append(_code("ParticipantObjectIDTypeCode", URI, RFC_3881))
    _name(element, "Security Audit Log" if EVENTS[entry.action].id == LOG_USED else "Ledger entry")
    for kind, text in details(entry).items():
        SubElement(element, "ParticipantObjectDetail", type=kind, value=_base64(text))


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()


def _xml(text: str) -> str:
    """Without the control characters that no XML may hold."""
    return "".join(sign if sign.isprintable() or sign in "\t\n" else "�" for sign in text)
