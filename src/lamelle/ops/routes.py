"""The table of every HTTP route of the installation: who may call it, and what the ledger is told.

A route that has no line here does not start. How far a caller reaches is not here but in access.decide.
"""

from collections.abc import Mapping
from typing import Final

from lamelle.access.model import Action
from lamelle.doors.guard.rules import (
    ADMINISTER,
    AUDIT,
    BREAK_GLASS,
    DELETE,
    FIND,
    LABEL,
    LOOK,
    METRICS,
    OPEN,
    OPERATE,
    PREVIEW,
    READ,
    REPORT,
    RETRIEVE,
    SAVE,
    SCHEDULE,
    SEARCH,
    SHARE,
    SIGNED_IN,
    STORE,
    VALIDATE,
    VIEW,
    Rule,
)

_TYPES: Final = ("Patient", "ServiceRequest", "Specimen", "DiagnosticReport", "Task")
_STUDY: Final = "/studies/{study}"
_SERIES: Final = "/studies/{study}/series/{series}"
_INSTANCE: Final = "/studies/{study}/series/{series}/instances/{instance}"

DICOMWEB: Final[Mapping[str, Rule]] = {
    "OPTIONS /": OPEN,
    "GET /studies": SEARCH,
    "GET /series": SEARCH,
    "GET /instances": SEARCH,
    "GET /studies/{study}/series": SEARCH,
    "GET /studies/{study}/instances": SEARCH,
    "GET /studies/{study}/series/{series}/instances": SEARCH,
    "POST /studies": STORE,
    "POST /studies/{study}": STORE,
    # What a viewer draws is viewed; whole files leave with all that is in them.
    **{f"GET {level}": RETRIEVE for level in (_STUDY, _SERIES, _INSTANCE)},
    **{
        f"GET {level}/{what}": VIEW
        for level in (_STUDY, _SERIES, _INSTANCE)
        for what in ("metadata", "bulkdata", "pixeldata", "rendered")
    },
    **{f"GET {level}/thumbnail": PREVIEW for level in (_STUDY, _SERIES, _INSTANCE)},
    f"GET {_INSTANCE}/bulkdata/{{path:path}}": VIEW,
    f"GET {_INSTANCE}/frames/{{frames}}": VIEW,
    f"GET {_INSTANCE}/frames/{{frames}}/rendered": VIEW,
    f"GET {_INSTANCE}/frames/{{frames}}/thumbnail": PREVIEW,
    **{f"DELETE {level}": DELETE for level in (_STUDY, _SERIES, _INSTANCE)},
}
"""Below the prefix of DICOMweb, which is a setting."""

FHIR: Final[Mapping[str, Rule]] = {
    "GET /fhir/metadata": OPEN,
    # Orders and reports enter themselves; a POST of a search enters what its form asks.
    "POST /fhir": SIGNED_IN,
    "POST /fhir/": SIGNED_IN,
    "POST /fhir/ServiceRequest": SCHEDULE,
    "POST /fhir/DiagnosticReport": REPORT,
    **{f"GET /fhir/{name}": FIND for name in _TYPES},
    **{f"POST /fhir/{name}/_search": READ for name in _TYPES},
    **{f"GET /fhir/{name}/{{ident}}": READ for name in _TYPES},
    "GET /fhir/DiagnosticReport/{ident}/_history": READ,
    "GET /fhir/DiagnosticReport/{ident}/_history/{version}": READ,
    "GET /fhir/ImagingStudy": SEARCH,
    "POST /fhir/ImagingStudy/_search": Rule(Action.VIEW),
    "GET /fhir/ImagingStudy/{study_uid}": VIEW,
}

PAGES: Final[Mapping[str, Rule]] = {
    "GET /health": OPEN,
    "GET /metrics": METRICS,
    "GET /*": OPEN,
    "GET /api/openapi.json": OPEN,
    "GET /api/session": OPEN,
    "POST /api/session": OPEN,
    **dict.fromkeys(
        (
            "POST /api/session/second",
            "POST /api/session/password",
            "POST /api/session/purpose",
            "DELETE /api/session",
            "GET /api/account",
            "GET /api/account/sessions",
            "DELETE /api/account/sessions/{number}",
            "POST /api/account/totp",
            "POST /api/account/totp/confirm",
            "DELETE /api/account/totp",
            "POST /api/account/recovery",
            "GET /api/account/tokens",
            "POST /api/account/tokens",
            "DELETE /api/account/tokens/{number}",
            "GET /api/places",
        ),
        SIGNED_IN,
    ),
    "GET /api/oidc/{name}": OPEN,
    "GET /api/oidc/{name}/callback": OPEN,
    **dict.fromkeys(
        (
            "GET /api/users",
            "POST /api/users",
            "PATCH /api/users/{number}",
            "POST /api/users/{number}/password",
            "DELETE /api/users/{number}/sessions",
            "DELETE /api/users/{number}/totp",
            "POST /api/users/{number}/roles",
            "DELETE /api/users/{number}/roles/{membership}",
            "POST /api/places",
            "PATCH /api/places/{number}",
        ),
        ADMINISTER,
    ),
    "GET /api/roles": SIGNED_IN,
    "GET /api/studies": SEARCH,
    "GET /api/studies/{study_uid}": VIEW,
    "GET /api/slides/{series_uid}": VIEW,
    "GET /api/slides/{series_uid}/{image}": LABEL,
    "GET /api/slides/{series_uid}/levels/{level}/tiles/{column}/{row}": VIEW,
    "GET /api/series/{series_uid}/thumbnail": PREVIEW,
    "GET /api/series/{series_uid}/stack": VIEW,
    "GET /api/series/{series_uid}/file": SAVE,
    "GET /api/imports": OPERATE,
    "GET /api/audit/entries": AUDIT,
    "GET /api/audit/export": AUDIT,
    "GET /api/audit/state": AUDIT,
    "POST /api/audit/verify": AUDIT,
    # Sharing and emergencies enter themselves, in the transaction that does them.
    "GET /api/people": SHARE,
    "GET /api/studies/{study_uid}/shares": SHARE,
    "POST /api/studies/{study_uid}/shares": SHARE,
    "DELETE /api/shares/{number}": SHARE,
    "GET /api/emergency": SIGNED_IN,
    "POST /api/emergency": BREAK_GLASS,
    "GET /api/emergencies": AUDIT,
    "POST /api/emergencies/{number}/review": AUDIT,
    # The laboratory: lists enter themselves once in a while, and searches always.
    "GET /api/worklists": READ,
    "GET /api/cases": READ,
    "GET /api/cases/{number}": READ,
    "POST /api/cases/{number}/open": READ,
    "GET /api/cases/{number}/proposals": READ,
    "POST /api/cases/{number}/assign": REPORT,
    "PUT /api/cases/{number}/report": REPORT,
    "POST /api/cases/{number}/report/{version}/finish": REPORT,
    "POST /api/cases/{number}/techniques": REPORT,
    "DELETE /api/cases/{number}/techniques/{technique}": REPORT,
    "POST /api/cases/{number}/attachments": READ,
    "GET /api/cases/{number}/attachments/{attachment}": READ,
    "GET /api/live": READ,
    "GET /api/flow": SIGNED_IN,
    "GET /api/views": READ,
    "POST /api/views": READ,
    "DELETE /api/views/{number}": READ,
    "GET /api/priorities": READ,
    "PUT /api/priorities": VALIDATE,
    "GET /api/specialties": READ,
    "PUT /api/specialties": REPORT,
    "GET /api/desk": SCHEDULE,
    "GET /api/desk/slides": SCHEDULE,
    "GET /api/desk/decisions": SCHEDULE,
    "POST /api/desk/decisions": SCHEDULE,
    "DELETE /api/desk/decisions/{number}": SCHEDULE,
    "GET /api/expected": SCHEDULE,
    "GET /api/merges": SCHEDULE,
    "POST /api/merges/{number}/undo": SCHEDULE,
    "GET /api/scans/{number}/quality": LOOK,
    "POST /api/scans/{number}/quality": SCHEDULE,
    "GET /api/scans/{number}/heatmap.png": LOOK,
    "GET /api/quality/thresholds": OPERATE,
    "PUT /api/quality/thresholds": OPERATE,
    "GET /api/scanners": OPERATE,
    "PATCH /api/scanners/{number}": OPERATE,
    # Messages name patients: who reads one is entered by the route, what is done with it in its transaction.
    "GET /api/hl7/messages": OPERATE,
    "GET /api/hl7/messages/{number}": OPERATE,
    "POST /api/hl7/messages/{number}/repair": OPERATE,
    "POST /api/hl7/messages/{number}/replay": OPERATE,
    "POST /api/hl7/messages/{number}/resend": OPERATE,
    "GET /api/hl7/state": OPERATE,
}


def table(prefix: str) -> dict[str, Rule]:
    """`METHOD template` to its rule; `prefix` is where DICOMweb is mounted."""
    below = (line.partition(" ") for line in DICOMWEB)
    return {f"{method} {prefix}{path}": DICOMWEB[f"{method} {path}"] for method, _, path in below} | {**FHIR, **PAGES}
