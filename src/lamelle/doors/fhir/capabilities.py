"""What the service can do, told from the tables its code uses. Source: hl7.org/fhir/R4/capabilitystatement.html."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from lamelle import __version__
from lamelle.doors.fhir import answers
from lamelle.doors.fhir.answers import Door
from lamelle.doors.fhir.creating import ACTIONS
from lamelle.doors.fhir.names import TYPES
from lamelle.doors.fhir.parameters import INCLUDES, PARAMETERS
from lamelle.doors.fhir.patient import PROFILE

FHIR = "4.0.1"
DATE = "2026-11-22"
"""Of the last change of what the service can do."""
VERSIONED = "DiagnosticReport"
"""The type whose versions can be read."""


class Capabilities:
    """GET of /metadata; whoever asks."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def __call__(self, request: Request) -> Response:
        answers.negotiate(request)
        return answers.answer(request, statement(self._door.base(request)))


def statement(base: str) -> dict[str, Any]:
    """The CapabilityStatement."""
    security = {
        "coding": [
            {"system": "http://terminology.hl7.org/CodeSystem/restful-security-service", "code": "SMART-on-FHIR"}
        ]
    }
    rest = {
        "mode": "server",
        "security": {"cors": False, "service": [security], "description": "Bearer tokens with SMART scopes"},
        "resource": [resource(name) for name in TYPES],
        "interaction": [{"code": "transaction"}],
    }
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": DATE,
        "kind": "instance",
        "software": {"name": "Lamelle", "version": __version__},
        "implementation": {"description": "The laboratory of a Lamelle node", "url": base},
        "fhirVersion": FHIR,
        "format": [answers.JSON, "json"],
        "rest": [rest],
    }


def resource(name: str) -> dict[str, Any]:
    """What can be done with one type."""
    codes = ["read", "search-type", *(["create"] if name in ACTIONS else [])]
    codes += ["vread", "history-instance"] if name == VERSIONED else []
    told: dict[str, Any] = {
        "type": name,
        "interaction": [{"code": code} for code in codes],
        "versioning": "versioned" if name == VERSIONED else "no-version",
        "searchInclude": [f"{name}:{one}" for one in INCLUDES[name]],
        "searchRevInclude": [
            f"{other}:{parameter}"
            for other, table in PARAMETERS.items()
            for parameter, how in table.items()
            if name in how.targets
        ],
        "searchParam": [
            {"name": parameter, "type": how.type} for parameter, how in PARAMETERS[name].items() if "." not in parameter
        ],
    }
    if name in ACTIONS:
        told["conditionalCreate"] = True
    if name == "Patient":
        told["supportedProfile"] = [PROFILE]
    return told
