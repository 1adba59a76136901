"""What the laboratory knows and a scanner's file does not, and a site's rule for reading it off the name.

Nothing here is invented: what is unknown stays empty.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime

from lamelle.base.errors import Invalid


@dataclass(frozen=True, slots=True)
class Code:
    """A coded concept, for example Code("12710003", "SCT", "hematoxylin stain")."""

    value: str
    scheme: str
    meaning: str


@dataclass(frozen=True, slots=True)
class SlideFacts:
    """Facts given by the caller; what is empty is written as unknown. Raises: Invalid("bad_fact")."""

    accession_number: str = ""
    patient_id: str = ""
    patient_id_issuer: str = ""
    patient_name: str = ""
    """DICOM person name, `Family^Given`"""
    patient_birth_date: date | None = None
    patient_sex: str = ""
    study_uid: str = ""
    """empty: derived from the accession number, or without one from the file"""
    study_date: date | None = None
    study_description: str = ""
    container_id: str = ""
    """slide id as on the barcode; empty: the file's barcode, else its stem"""
    container_issuer: str = ""
    specimen_id: str = ""
    """empty: the container's id"""
    specimen_uid: str = ""
    specimen_description: str = ""
    part: str = ""
    """id of the specimen part the block was taken from"""
    block: str = ""
    """id of the block the section was cut from"""
    stain: str = ""
    """for example "H&E", "PAS", "Ki-67"; several are joined by "+" """
    anatomic_site: Code | None = None
    acquired: datetime | None = None
    """used only if the file does not say"""
    um_per_pixel: float | None = None
    """base level; used only if the file does not say"""
    institution: str = ""

    def __post_init__(self) -> None:
        for name, limit in _LIMITS.items():
            value = getattr(self, name)
            if len(value) > limit or "\\" in value or any(ord(c) < 32 for c in value):
                raise Invalid("bad_fact", f"{name} is longer than {limit} characters or holds a forbidden one")
        if self.patient_sex not in ("", "M", "F", "O"):
            raise Invalid("bad_fact", "patient_sex is not one of M, F, O or empty")


_LIMITS = {
    "accession_number": 16, "patient_id": 64, "patient_id_issuer": 64, "patient_name": 194, "study_uid": 64,
    "study_description": 64, "container_id": 64, "container_issuer": 64, "specimen_id": 64, "specimen_uid": 64,
    "specimen_description": 64, "part": 64, "block": 64, "stain": 64, "institution": 64,
}  # fmt: skip

_TEXTS = frozenset(f.name for f in fields(SlideFacts) if f.type == "str" or f.type is str)


@dataclass(frozen=True, slots=True)
class SiteRule:
    """A site's way to name slides: named groups of `pattern` are fields of `SlideFacts`, the rest `defaults`.

    Example: SiteRule(r"(?P<accession_number>[A-Z]\\d+)-(?P<block>\\w+)-(?P<stain>\\w+)", on="barcode")
    """

    pattern: str
    on: str = "name"
    """"name" (the file's stem) or "barcode" """
    defaults: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            groups = re.compile(self.pattern).groupindex
        except re.error as exc:
            raise Invalid("bad_site_rule", f"the pattern of a site rule cannot be read: {exc}") from exc
        unknown = (set(groups) | set(self.defaults)) - _TEXTS
        if unknown or self.on not in ("name", "barcode"):
            raise Invalid("bad_site_rule", f"a site rule names unknown facts: {', '.join(sorted(unknown)) or self.on}")

    def facts(self, name: str, barcode: str, given: SlideFacts | None = None) -> SlideFacts:
        """The facts this rule reads from a file's stem or barcode; a field already in `given` is left as it is.

        A name the rule does not match yields the defaults alone: the caller decides whether that is enough.
        """
        given = given or SlideFacts()
        match = re.search(self.pattern, name if self.on == "name" else barcode)
        found = {**self.defaults, **{k: v for k, v in (match.groupdict() if match else {}).items() if v}}
        return replace(given, **{k: v for k, v in found.items() if not getattr(given, k)})  # type: ignore[arg-type]
