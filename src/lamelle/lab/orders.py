"""What an order says, whoever said it and in whatever protocol: nouns only; `cases.take` keeps them.

An order may say less than all: what is "" or None here leaves what is known as it is.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Urgency = Literal["", "routine", "urgent", "stat"]
Control = Literal["put", "cancel"]


@dataclass(frozen=True, slots=True)
class Identifier:
    """An identifier and who gives it: an assigning authority's name or OID; "" where nobody says."""

    value: str
    issuer: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """A patient as an identity server or an order says; the first identifier is the hospital's own."""

    identifiers: tuple[Identifier, ...]
    family: str = ""
    given: str = ""
    birth_name: str = ""
    birth_date: str = ""
    """YYYYMMDD; parts that nobody knows are 00."""
    sex: Literal["", "F", "M", "O"] = ""
    ins: str = ""
    """The matricule INS, 15 characters, with its OID in `ins_oid`."""
    ins_oid: str = ""
    ins_status: str = ""
    """A code of FR Core's table v2-0445: VALI is qualified; only then may the matricule be shown."""


@dataclass(frozen=True, slots=True)
class SpecimenSaid:
    id: Identifier
    part: str = ""
    type_code: str = ""
    type_text: str = ""
    site_code: str = ""
    site_text: str = ""
    description: str = ""
    collected_at: datetime | None = None
    received_at: datetime | None = None
    control: Control = "put"


@dataclass(frozen=True, slots=True)
class BlockSaid:
    id: Identifier
    specimen: Identifier | None = None
    description: str = ""
    location: str = ""
    destroy_on: str = ""
    control: Control = "put"


@dataclass(frozen=True, slots=True)
class SlideSaid:
    id: Identifier
    """What stands in its barcode."""
    block: Identifier | None = None
    specimen: Identifier | None = None
    stain_code: str = ""
    stain_text: str = ""
    level: str = ""
    state: str = ""
    """A state of `states.SLIDE` that the laboratory says it is in; "" leaves it."""
    due_on: str = ""
    location: str = ""
    destroy_on: str = ""
    aliases: tuple[str, ...] = ()
    technique: str = ""
    """The identifier of the technique request it fulfils."""
    control: Control = "put"


@dataclass(frozen=True, slots=True)
class Order:
    """What one message says of one case."""

    case: Identifier
    """The accession number with its issuer."""
    said_at: datetime
    """When it was said: of two, the later one holds, whichever comes first."""
    place: int = 1
    patient: Identity | None = None
    control: Control = "put"
    urgency: Urgency = ""
    frozen: bool | None = None
    department: str = ""
    specialty: str = ""
    requester: str = ""
    adicap: str = ""
    description: str = ""
    study_uid: str = ""
    ordered_at: datetime | None = None
    received_at: datetime | None = None
    specimens: tuple[SpecimenSaid, ...] = ()
    blocks: tuple[BlockSaid, ...] = ()
    slides: tuple[SlideSaid, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportSaid:
    """A report, or news of one, from the laboratory information system."""

    case: Identifier
    said_at: datetime
    source: str
    state: Literal["draft", "preliminary", "final", "corrected", "cancelled"]
    code: str = "60568-3"
    """LOINC; 11526-1 is the older one."""
    text: str = ""
    author: str = ""
    place: int = 1


@dataclass(frozen=True, slots=True)
class DocumentSaid:
    """A document of a case from another system: the report it signed, as a file."""

    case: Identifier
    source: str
    kind: str
    """As `attachments.KINDS`."""
    title: str
    media_type: str
    """"" where nobody knows the form."""
    data: bytes | None
    """None where what was sent could not be decoded."""
    place: int = 1


@dataclass(frozen=True, slots=True)
class MergeSaid:
    """Two records are one patient (ADT^A40): `gone` is known under `kept` from now on."""

    kept: Identity
    gone: Identifier
    said_at: datetime
    source: str = ""
    """The system that says so."""
