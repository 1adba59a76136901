"""FHIR R4 of the laboratory: parse, ask a room, answer. Source: hl7.org/fhir/R4 (4.0.1)."""
