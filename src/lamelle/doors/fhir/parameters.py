"""The search parameters of each type: one table, which the search, its errors and the CapabilityStatement are made of.

Source: hl7.org/fhir/R4/search.html; the parameters are those of R4's own lists.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, Literal

from lamelle.base.errors import Invalid, Unsupported
from lamelle.doors.fhir import words
from lamelle.doors.fhir.names import DICOM_UID, Names
from lamelle.doors.fhir.names import key as key_of
from lamelle.lab.lookup import Begins, Match, Named, Span, Value

Type = Literal["token", "reference", "date", "string", "uri"]
LONGEST: Final = 4096
"""Characters of one value."""
MOST: Final = 200
"""Values of one parameter."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter: what FHIR calls its type, which field of `lab.lookup` it asks, and how a value is read."""

    type: Type
    asks: str
    how: str
    """A reader of READERS."""
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Codes to states, of tokens whose words are a value set's."""
    targets: tuple[str, ...] = ()
    """What a reference may lead to."""


def _status(table: Mapping[str, str]) -> Parameter:
    return Parameter("token", "state", "code", words.backwards(table))


_ID: Final = {"_id": Parameter("token", "id", "id"), "_lastUpdated": Parameter("date", "changed", "date")}
_PATIENT: Final = {
    **dict.fromkeys(("patient", "subject"), Parameter("reference", "patient", "reference", targets=("Patient",))),
    **dict.fromkeys(("patient.identifier", "subject.identifier"), Parameter("token", "patient_identifier", "named")),
}
_SPECIMEN: Final = Parameter("reference", "specimen", "reference", targets=("Specimen",))
_ORDER: Final = Parameter("reference", "case", "reference", targets=("ServiceRequest",))
_ACCESSION: Final = Parameter("token", "accession", "named")

PARAMETERS: Final[Mapping[str, Mapping[str, Parameter]]] = MappingProxyType(
    {
        "Patient": {
            **_ID,
            "identifier": Parameter("token", "identifier", "named"),
            "family": Parameter("string", "family", "string"),
            "given": Parameter("string", "given", "string"),
            "name": Parameter("string", "name", "string"),
            "birthdate": Parameter("date", "birth_date", "date"),
            "gender": Parameter("token", "sex", "code", words.backwards(words.SEX)),
            "active": Parameter("token", "merged", "code", MappingProxyType({"true": ("no",), "false": ("yes",)})),
        },
        "ServiceRequest": {
            **_ID,
            **_PATIENT,
            "identifier": _ACCESSION,
            "requisition": _ACCESSION,
            "status": _status(words.CASE),
            "priority": Parameter("token", "urgency", "code", words.backwards(words.PRIORITY)),
            "authored": Parameter("date", "ordered", "date"),
            "specimen": _SPECIMEN,
        },
        "Specimen": {
            **_ID,
            **_PATIENT,
            "identifier": Parameter("token", "identifier", "named"),
            "accession": _ACCESSION,
            "container-id": Parameter("token", "container", "named"),
            "parent": Parameter("reference", "parent", "reference", targets=("Specimen",)),
            "status": _status(words.SPECIMEN),
            "type": Parameter("token", "type", "text"),
            "collected": Parameter("date", "collected", "date"),
        },
        "ImagingStudy": {
            "_id": Parameter("token", "uid", "uid"),
            "_lastUpdated": _ID["_lastUpdated"],
            **_PATIENT,
            "identifier": Parameter("token", "identifier", "image"),
            "status": Parameter("token", "standing", "code", MappingProxyType({"available": ("available",)})),
            "started": Parameter("date", "started", "date"),
            "modality": Parameter("token", "modality", "text"),
            "basedon": _ORDER,
        },
        "DiagnosticReport": {
            **_ID,
            **_PATIENT,
            "identifier": _ACCESSION,
            "status": _status(words.REPORT),
            "code": Parameter("token", "code", "text"),
            "date": Parameter("date", "effective", "date"),
            "issued": Parameter("date", "issued", "date"),
            "based-on": _ORDER,
            "based-on.identifier": _ACCESSION,
            "specimen": _SPECIMEN,
        },
        "Task": {
            **_ID,
            **_PATIENT,
            "identifier": Parameter("token", "identifier", "named"),
            "group-identifier": _ACCESSION,
            "status": _status(words.TASK),
            "code": Parameter("token", "code", "text"),
            "authored-on": Parameter("date", "asked", "date"),
            "modified": Parameter("date", "changed", "date"),
            "based-on": _ORDER,
            "focus": _SPECIMEN,
        },
    }
)

INCLUDES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "Patient": {"link": "link.other"},
        "ServiceRequest": {"patient": "subject", "subject": "subject", "specimen": "specimen"},
        "Specimen": {"patient": "subject", "subject": "subject", "parent": "parent"},
        "ImagingStudy": {"patient": "subject", "subject": "subject", "basedon": "basedOn"},
        "DiagnosticReport": {
            "patient": "subject",
            "subject": "subject",
            "based-on": "basedOn",
            "specimen": "specimen",
        },
        "Task": {"patient": "for", "subject": "for", "based-on": "basedOn", "focus": "focus"},
    }
)
"""Of each type the references `_include` follows: the parameter's name to the element."""


# -- values -----------------------------------------------------------------------------------------------------------


def match(resource: str, name: str, text: str, names: Names, base: str) -> Match:
    """What one parameter asks. Raises: Invalid("unknown_parameter" | "bad_parameter"), Unsupported("modifier")."""
    parameter, modifier = named(resource, name)
    pieces = split(text, ",")
    if len(text) > LONGEST or len(pieces) > MOST or "\x00" in text:
        raise Invalid("bad_parameter", f"{name}: a value has {LONGEST} characters at most, and {MOST} alternatives")
    values: list[Value] = []
    for piece in pieces:
        if not piece:
            raise Invalid("bad_parameter", f"{name} has an empty value")
        values += READERS[parameter.how](Asked(resource, parameter, modifier, names, base), piece)
    return Match(parameter.asks, tuple(values))


def named(resource: str, name: str) -> tuple[Parameter, str]:
    """The parameter of a name, and what its modifier says. Raises: as `match`."""
    plain, _, modifier = name.partition(":")
    table = PARAMETERS[resource]
    if modifier:  # subject:Patient.identifier, patient:identifier and subject:Patient are other spellings
        target, _, chained = modifier.partition(".")
        if f"{plain}.{chained or target}" in table and (chained or target) == "identifier":
            return table[f"{plain}.identifier"], ""
        if plain in table and modifier in table[plain].targets:
            return table[plain], ""
    if plain not in table:
        raise Invalid("unknown_parameter", f"{resource} is not searched by {plain[:40]!r}; /metadata says by what")
    if modifier and not (table[plain].type == "string" and modifier in {"exact", "contains"}):
        raise Unsupported("modifier", f"the modifier {modifier[:40]!r} of {plain} is not supported")
    return table[plain], modifier


@dataclass(frozen=True, slots=True)
class Asked:
    """What reading one value needs."""

    resource: str
    parameter: Parameter
    modifier: str
    names: Names
    base: str


def _named(asked: Asked, text: str) -> Sequence[Value]:
    system, value = token(text)
    if not value and not system:
        raise Invalid("bad_parameter", "an identifier has a system, a value or both")
    return [Named(value, None if system is None else asked.names.issuer(system))]


def _image(asked: Asked, text: str) -> Sequence[Value]:
    """A Study Instance UID, or an accession number."""
    system, value = token(text)
    if value.startswith("urn:oid:") and system in {None, DICOM_UID}:
        return [value.removeprefix("urn:oid:")]
    return [] if system == DICOM_UID else _named(asked, text)


def _code(asked: Asked, text: str) -> Sequence[Value]:
    return asked.parameter.words.get(token(text)[1], ())


def _text(asked: Asked, text: str) -> Sequence[Value]:
    value = token(text)[1]
    return [value] if value else []


def _string(asked: Asked, text: str) -> Sequence[Value]:
    plain = unescaped(text)
    return [plain if asked.modifier == "exact" else Begins(plain, anywhere=asked.modifier == "contains")]


def _id(asked: Asked, text: str) -> Sequence[Value]:
    key = key_of(asked.resource, text)
    return [key] if key else []


def _reference(asked: Asked, text: str) -> Sequence[Value]:
    """`12`, `Patient/12` or the whole address; what leads elsewhere finds nothing."""
    kind, _, ident = text.removeprefix(asked.base + "/").rpartition("/")
    found = [key_of(target, ident) for target in asked.parameter.targets if kind in {"", target}]
    return [key for key in found if key]


def _date(asked: Asked, text: str) -> Sequence[Value]:
    return [span(text)]


READERS: Final[Mapping[str, Callable[[Asked, str], Sequence[Value]]]] = MappingProxyType(
    {
        "named": _named,
        "image": _image,
        "code": _code,
        "text": _text,
        "string": _string,
        "id": _id,
        "uid": _text,
        "reference": _reference,
        "date": _date,
    }
)


def token(text: str) -> tuple[str | None, str]:
    """System and value; None where no system is said, "" where it is said that there is none."""
    pieces = split(text, "|")
    if len(pieces) > 2:
        raise Invalid("bad_parameter", "a token is a value, or a system, | and a value")
    return (None, unescaped(text)) if len(pieces) == 1 else (unescaped(pieces[0]), unescaped(pieces[1]))


def split(text: str, separator: str) -> list[str]:
    """The pieces between separators that no backslash stands before."""
    return re.split(rf"(?<!\\){re.escape(separator)}", text)


def unescaped(text: str) -> str:
    return re.sub(r"\\([,|$\\])", r"\1", text)


_DATE: Final = re.compile(
    r"(?P<prefix>eq|ne|gt|lt|ge|le|sa|eb|ap)?(?P<year>[0-9]{4})(-(?P<month>[0-9]{2})(-(?P<day>[0-9]{2})"
    r"(T(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2})(:(?P<second>[0-9]{2})(?P<part>\.[0-9]{1,9})?)?"
    r"(?P<zone>Z|[+ -][0-9]{2}:[0-9]{2})?)?)?)?"
)
_AROUND: Final = timedelta(days=1)
"""What `ap` adds on both sides."""


def span(text: str) -> Span:
    """The moments that a date with its prefix means. Raises: Invalid("bad_date"). Source: search.html 3.1.1.4.10."""
    parts = _DATE.fullmatch(text)
    try:
        if parts is None:
            raise ValueError(text)
        start, end = _moments(parts)
    except (ValueError, OverflowError):
        raise Invalid(
            "bad_date", "a date is YYYY, YYYY-MM, YYYY-MM-DD or an instant, with eq, ne, gt ... before it"
        ) from None
    match parts["prefix"]:
        case "gt" | "sa":
            return Span(end, None)
        case "ge":
            return Span(start, None)
        case "lt" | "eb":
            return Span(None, start)
        case "le":
            return Span(None, end)
        case "ne":
            return Span(start, end, outside=True)
        case "ap":
            return Span(start - _AROUND, end + _AROUND)
        case _:
            return Span(start, end)


def _moments(parts: re.Match[str]) -> tuple[datetime, datetime]:
    """From the first moment of a date of any precision to the first after it."""
    given: Any = {name: int(parts[name]) for name in ("month", "day", "hour", "minute", "second") if parts[name]}
    start = datetime(int(parts["year"]), **({"month": 1, "day": 1} | given), tzinfo=UTC)
    if parts["part"]:
        start += timedelta(microseconds=int(float(parts["part"]) * 1_000_000))
    if parts["month"] is None:
        return start, start.replace(year=start.year + 1)
    if parts["day"] is None:
        return start, (start + timedelta(days=32)).replace(day=1)
    if parts["hour"] is None:
        return start, start + timedelta(days=1)
    start = datetime.fromisoformat(start.isoformat().replace("+00:00", _zone(parts["zone"])))
    step = {"part": timedelta(milliseconds=1), "second": timedelta(seconds=1)}
    width = next((length for name, length in step.items() if parts[name]), timedelta(minutes=1))
    return start, start + width


def _zone(text: str | None) -> str:
    """A plus sign that nobody escaped arrives as a blank."""
    return "+00:00" if text in (None, "Z") else str(text).replace(" ", "+")
