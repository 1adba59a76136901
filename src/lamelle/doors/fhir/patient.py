"""Rows of patients as Patient, by FR Core where the identity is qualified: only then is the matricule INS told.

FR Core's own profile for that (fr-core-patient-ins) is not claimed: it asks for the place of birth, which is not kept.
Source: hl7.fr/ig/fhir/core 2.1.
"""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any, Final

from lamelle.doors.fhir import words
from lamelle.doors.fhir.making import Making, Resource, begun, day, filled
from lamelle.doors.fhir.names import reference, typed
from lamelle.lab import kinship, patients
from lamelle.lab.lookup import Kind

FR_CORE: Final = "https://hl7.fr/ig/fhir/core"
PROFILE: Final = f"{FR_CORE}/StructureDefinition/fr-core-patient"
RELIABILITY: Final = f"{FR_CORE}/StructureDefinition/fr-core-identity-reliability"
STATUSES: Final = f"{FR_CORE}/CodeSystem/fr-core-cs-v2-0445"
TYPES: Final = f"{FR_CORE}/CodeSystem/fr-core-cs-v2-0203"
INS: Final = MappingProxyType(
    {
        "1.2.250.1.213.1.4.8": ("INS-NIR", "official"),
        "1.2.250.1.213.1.4.9": ("INS-NIA", "temp"),
        "1.2.250.1.213.1.4.10": ("INS-NIR-TEST", "official"),
        "1.2.250.1.213.1.4.11": ("INS-NIR-DEMO", "official"),
    }
)
"""OID of the matricule to its type and use."""


def made(making: Making, rows: Sequence[Any]) -> list[Resource]:
    """The Patient of each row."""
    others = kinship.identifiers(making.conn, [row.id for row in rows])
    return [_one(making, row, others[row.id]) for row in rows]


def _one(making: Making, row: Any, others: Sequence[tuple[str, str]]) -> Resource:
    resource = begun("Patient", str(row.id), row.updated_at)
    identifiers = [_own(making, row.identifier, row.issuer, "usual")]
    identifiers += [
        _own(making, value, issuer, "old")
        for value, issuer in others
        if (value, issuer) != (row.identifier, row.issuer) and issuer not in INS
    ]
    matricule = _matricule(row)
    if matricule and row.issuer:
        resource["meta"]["profile"] = [PROFILE]
    return filled(
        resource,
        extension=[_reliability(row.ins_status)] if row.ins_status else [],
        identifier=[*matricule, *identifiers],
        active=row.merged_into is None,
        name=_names(row),
        gender=words.SEX.get(row.sex, "unknown"),
        birthDate=day(row.birth_date),
        link=[{"other": reference(Kind.PATIENT, row.merged_into), "type": "replaced-by"}] if row.merged_into else [],
    )


def _own(making: Making, value: str, issuer: str, use: str) -> Resource:
    return making.names.identifier(value, issuer, use=use, type=typed("PI", "Patient internal identifier"))


def _matricule(row: Any) -> list[Resource]:
    value = patients.shown(row)
    if not value or row.ins_oid not in INS:
        return []
    code, use = INS[row.ins_oid]
    kind = {"coding": [{"system": TYPES, "code": code}]}
    return [{"use": use, "type": kind, "system": f"urn:oid:{row.ins_oid}", "value": value}]


def _reliability(status: str) -> Resource:
    coding = {"system": STATUSES, "code": status}
    return {"url": RELIABILITY, "extension": [{"url": "identityStatus", "valueCoding": coding}]}


def _names(row: Any) -> list[Resource]:
    """The name of birth is the official one; the name used stands beside it where it is another."""
    given = [row.given] if row.given else []
    official = filled({}, use="official", family=row.birth_name or row.family, given=given)
    found = [official] if len(official) > 1 else []
    if row.birth_name and row.family and row.family != row.birth_name:
        found.append(filled({}, use="usual", family=row.family, given=given))
    return found
