"""How things are called: issuers of identifiers as URIs, rows as resource ids, both ways."""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import quote, unquote

from lamelle.lab.lookup import Key, Kind

OID: Final = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")
OWN: Final = "urn:x-lamelle:issuer:"
"""Before the name of an issuer that is no OID and that `fhir.systems` has no URI for."""
DICOM_UID: Final = "urn:dicom:uid"
LEVEL: Final = "urn:x-lamelle:specimen"
"""Our codes of what a Specimen is: part, block, slide."""
ORDER: Final = "urn:x-lamelle:order"
"""Our codes of what kind of order it is: frozen."""
TERMS: Final = "http://terminology.hl7.org/CodeSystem"
LOINC: Final = "http://loinc.org"
ADICAP: Final = "urn:oid:1.2.250.1.213.2.11"
SNOMED: Final = "http://snomed.info/sct"

TYPES: Final[Mapping[str, tuple[Kind, ...]]] = MappingProxyType(
    {
        "Patient": (Kind.PATIENT,),
        "ServiceRequest": (Kind.CASE,),
        "Specimen": (Kind.PART, Kind.BLOCK, Kind.SLIDE),
        "ImagingStudy": (Kind.STUDY,),
        "DiagnosticReport": (Kind.REPORT,),
        "Task": (Kind.TECHNIQUE, Kind.RESCAN),
    }
)
"""Resource type to what it is here. A DiagnosticReport has the number of its case: its versions are of one report."""
TYPE_OF: Final = MappingProxyType({kind: name for name, kinds in TYPES.items() for kind in kinds})


class Names:
    """Issuers and systems, by the table of the settings."""

    def __init__(self, systems: Mapping[str, str]) -> None:
        self._systems = dict(systems)
        self._issuers = {system: issuer for issuer, system in systems.items()}

    def system(self, issuer: str) -> str:
        """The URI of an issuer; "" where nobody says."""
        if issuer in self._systems or not issuer:
            return self._systems.get(issuer, "")
        if OID.fullmatch(issuer):
            return f"urn:oid:{issuer}"
        return issuer if ":" in issuer else OWN + quote(issuer, safe="")

    def issuer(self, system: str) -> str:
        """The issuer of a URI: the reverse of `system`."""
        if system in self._issuers:
            return self._issuers[system]
        if system.startswith(OWN):
            return unquote(system.removeprefix(OWN))
        oid = system.removeprefix("urn:oid:")
        return oid if OID.fullmatch(oid) else system

    def identifier(self, value: str, issuer: str, **more: Any) -> dict[str, Any]:
        """An Identifier."""
        system = self.system(issuer)
        return {**more, **({"system": system} if system else {}), "value": value}


def typed(code: str, display: str) -> dict[str, Any]:
    """The type of an Identifier. Source: table v2-0203."""
    return {"coding": [{"system": f"{TERMS}/v2-0203", "code": code, "display": display}]}


ACCESSION: Final = typed("ACSN", "Accession ID")


def ident(key: Key) -> str:
    """The id of a resource."""
    return f"{key.kind}-{key.id}" if len(TYPES[TYPE_OF[key.kind]]) > 1 else str(key.id)


def address(key: Key) -> str:
    """`Patient/12`."""
    return f"{TYPE_OF[key.kind]}/{ident(key)}"


def reference(kind: Kind, number: int) -> dict[str, str]:
    """A literal Reference."""
    return {"reference": address(Key(kind, number))}


def key(resource: str, text: str) -> Key | None:
    """The row that a resource id means; None for what no id of this type looks like."""
    kinds = TYPES[resource]
    if len(kinds) == 1:
        return Key(kinds[0], int(text)) if re.fullmatch(r"[0-9]{1,18}", text) else None
    found = re.fullmatch(rf"({'|'.join(kinds)})-([0-9]{{1,18}})", text)
    return Key(Kind(found[1]), int(found[2])) if found else None
