"""What the FHIR door can be told; ops/config fills it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from lamelle.base.errors import Invalid


@dataclass(frozen=True, slots=True)
class FhirSettings:
    """Settings of the FHIR door."""

    public_url: str = ""
    """Address clients see, up to and without `/fhir` (behind a proxy); empty: that of each request."""
    systems: Mapping[str, str] = field(default_factory=dict)
    """Who gives identifiers, as HL7 v2 or DICOM name them, to the URI that FHIR names them by; an OID needs no line."""
    max_results: int = 200
    """Most resources of one page of a search."""
    body_limit_bytes: int = 8 << 20
    """Largest body; an order with its specimens has a few kilobytes."""

    def __post_init__(self) -> None:
        if self.max_results < 1 or self.body_limit_bytes < 1:
            raise Invalid("bad_setting", "fhir: max_results and body_limit_bytes are at least 1")
        if len(set(self.systems.values())) < len(self.systems):
            raise Invalid("bad_setting", "fhir.systems: two names have the same URI")
