"""States of the laboratory in the words of FHIR's value sets; searches go through the same tables backwards."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

CASE: Final = MappingProxyType(
    {
        "registered": "active",
        "ready": "active",
        "reading": "active",
        "waiting": "active",
        "preliminary": "active",
        "reopened": "active",
        "validated": "completed",
        "cancelled": "revoked",
    }
)
"""ServiceRequest.status."""
PRIORITY: Final = MappingProxyType({"routine": "routine", "urgent": "urgent", "stat": "stat"})
SPECIMEN: Final = MappingProxyType(
    {
        **dict.fromkeys(("available", "embedded", "archived"), "available"),
        **dict.fromkeys(("ordered", "cut", "stained", "coverslipped", "to_scan", "scanned"), "available"),
        **dict.fromkeys(("rejected", "read"), "available"),
        **dict.fromkeys(("exhausted", "destroyed", "cancelled"), "unavailable"),
    }
)
"""Specimen.status, of parts (always available), blocks and slides."""
REPORT: Final = MappingProxyType(
    {
        "draft": "registered",
        "preliminary": "preliminary",
        "final": "final",
        "amended": "amended",
        "cancelled": "cancelled",
    }
)
"""DiagnosticReport.status: of a draft others learn that it is begun, not what it says."""
TASK: Final = MappingProxyType(
    {
        "requested": "requested",
        "accepted": "accepted",
        "refused": "rejected",
        "done": "completed",
        "cancelled": "cancelled",
    }
)
"""Task.status, of techniques and rescans."""
SEX: Final = MappingProxyType({"F": "female", "M": "male", "O": "other", "": "unknown"})
"""Patient.gender."""

URGENCY: Final = MappingProxyType({"routine": "routine", "urgent": "urgent", "asap": "urgent", "stat": "stat"})
"""ServiceRequest.priority as it comes in."""
REPORT_SAID: Final = MappingProxyType(
    {
        **dict.fromkeys(("registered", "partial"), "draft"),
        "preliminary": "preliminary",
        "final": "final",
        **dict.fromkeys(("amended", "corrected", "appended"), "corrected"),
        **dict.fromkeys(("cancelled", "entered-in-error"), "cancelled"),
    }
)
"""DiagnosticReport.status as it comes in."""
WITHDRAWN: Final = frozenset({"revoked", "entered-in-error"})
"""ServiceRequest.status that cancels."""


def backwards(table: Mapping[str, str]) -> Mapping[str, tuple[str, ...]]:
    """FHIR's word to the states it stands for."""
    return MappingProxyType(
        {word: tuple(state for state, said in table.items() if said == word) for word in table.values()}
    )
