"""Resources that came in as what the laboratory understands: identities, orders, reports. Pure: no database.

What names another resource was looked up before (`creating`), and is handed in as `Known`.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from html import unescape
from typing import Any, Final, Literal, cast

from lamelle.base.errors import Invalid
from lamelle.doors.fhir import words
from lamelle.doors.fhir.making import Resource
from lamelle.doors.fhir.names import ADICAP, LEVEL, LOINC, ORDER, Names
from lamelle.doors.fhir.patient import INS, RELIABILITY
from lamelle.doors.fhir.report import CODES
from lamelle.doors.fhir.specimen import CONTAINERS
from lamelle.lab.lookup import Kind
from lamelle.lab.orders import BlockSaid, Identifier, Identity, Order, ReportSaid, SlideSaid, SpecimenSaid

Resolve = Callable[[Resource], Resource | None]
"""A Reference to the resource it means, of the same bundle or made from what is kept; None when there is none."""
GLASS: Final = {
    **{code: kind for kind, (code, _) in CONTAINERS.items()},
    **{"CONTAINER": Kind.PART, "CASSETTE": Kind.BLOCK, "GLASS": Kind.SLIDE},
    **{kind.value: kind for kind in CONTAINERS},
}
"""Codes of containers and our own levels to what a Specimen is. Source: PS3.16 CID 8101; IHE DPOW, SPM-27."""
GENDERS: Final = {"female": "F", "male": "M", "other": "O"}
_ACCESSION: Final = ("ACSN", "FILL", "PLAC")
_TAGS: Final = re.compile(r"<[^>]*>")
_BREAKS: Final = re.compile(r"(?i)<br\s*/?>|</(p|div|li|tr|h[1-6])>")


@dataclass(frozen=True, slots=True)
class Said:
    """What is said besides the resource itself."""

    names: Names
    at: datetime
    """When."""
    place: int
    source: str
    """Who says it."""


# -- patients ---------------------------------------------------------------------------------------------------------


def identity(said: Said, patient: Resource) -> Identity:
    """Raises: Invalid("no_patient_identifier")."""
    own = [(one.get("value", ""), said.names.issuer(one.get("system", ""))) for one in patient.get("identifier", ())]
    ins = next(((value, oid) for value, oid in own if oid in INS), ("", ""))
    hospital = tuple(Identifier(value, issuer) for value, issuer in own if value and issuer not in INS)
    if not hospital:
        raise Invalid("no_patient_identifier", "a patient has an identifier of the hospital")
    usual, official = (_name(patient, use) for use in ("usual", "official"))
    return Identity(
        hospital,
        family=(usual or official).get("family", ""),
        given=" ".join((official or usual).get("given", [])[:1]),
        birth_name=official.get("family", ""),
        birth_date=_unknown_as_zero(patient.get("birthDate", "")),
        sex=cast(Any, GENDERS.get(patient.get("gender", ""), "")),
        ins=ins[0],
        ins_oid=ins[1],
        ins_status=_reliability(patient),
    )


def _name(patient: Resource, use: str) -> Resource:
    """The name of that use; of those without any the first is the official one."""
    names = patient.get("name", [])
    found = [name for name in names if name.get("use", "official") == use]
    return cast(Resource, found[0]) if found else {}


def _unknown_as_zero(date: str) -> str:
    return date.replace("-", "").ljust(8, "0") if date else ""


def _reliability(patient: Resource) -> str:
    for extension in patient.get("extension", ()):
        if extension.get("url") == RELIABILITY:
            for part in extension.get("extension", ()):
                if part.get("url") == "identityStatus":
                    return str(part.get("valueCoding", {}).get("code", ""))
    return ""


# -- orders -----------------------------------------------------------------------------------------------------------


def order(
    said: Said, request: Resource, patient: Identity | None, specimens: Sequence[Resource], resolve: Resolve
) -> Order:
    """Raises: Invalid("no_accession" | "no_container")."""
    kinds = {id(one): level(one, specimens, resolve) for one in specimens}
    of = {kind: [one for one in specimens if kinds[id(one)] is kind] for kind in CONTAINERS}
    coding = [
        one for concept in [*request.get("category", ()), request.get("code", {})] for one in concept.get("coding", ())
    ]
    frozen = any(one.get("system") == ORDER and one.get("code") == "frozen" for one in coding)
    return Order(
        accession(said, request, [request.get("requisition", {})]),
        said.at,
        place=said.place,
        patient=patient,
        control="cancel" if request["status"] in words.WITHDRAWN else "put",
        urgency=cast(Any, words.URGENCY.get(request.get("priority", ""), "")),
        frozen=True if frozen else None,
        department=_first_display(request.get("locationReference", ())),
        specialty=text(request.get("performerType", {})),
        requester=_display(request.get("requester", {}), resolve),
        adicap=next((one.get("code", "") for one in coding if one.get("system") == ADICAP), ""),
        description=text(request.get("code", {})) or _first_text(request.get("reasonCode", ())),
        ordered_at=moment(request.get("authoredOn", "")),
        specimens=tuple(_part(said, one) for one in of[Kind.PART]),
        blocks=tuple(_block(said, one, resolve) for one in of[Kind.BLOCK]),
        slides=tuple(_slide(said, one, kinds, resolve) for one in of[Kind.SLIDE]),
    )


def accession(said: Said, resource: Resource, more: Sequence[Resource] = ()) -> Identifier:
    """The accession number of an order or a report. Raises: Invalid("no_accession")."""
    given = [one for one in [*resource.get("identifier", ()), *more] if one.get("value")]
    by_type = {code: one for one in reversed(given) for code in _codes(one.get("type", {}))}
    found = next((by_type[code] for code in _ACCESSION if code in by_type), next(reversed(given), None))
    if found is None:
        raise Invalid("no_accession", "an identifier says the accession number of the case (type ACSN)")
    return Identifier(found["value"], said.names.issuer(found.get("system", "")))


def level(specimen: Resource, all_of_them: Sequence[Resource], resolve: Resolve) -> Kind:
    """What a Specimen is: by our code, by its container, else by its place in the chain of parents."""
    concepts = [specimen.get("type", {}), *(one.get("type", {}) for one in specimen.get("container", ()))]
    for concept in concepts:
        for one in concept.get("coding", ()):
            if one.get("system") == LEVEL and one.get("code") in GLASS:
                return GLASS[one["code"]]
    for concept in concepts[1:]:
        for code in [*_codes(concept), concept.get("text", "").upper()]:
            if code in GLASS:
                return GLASS[code]
    above = _parent(specimen, resolve)
    if above is None:
        return Kind.PART
    has_parts = any(_parent(other, resolve) is specimen for other in all_of_them)
    return Kind.BLOCK if has_parts or not (specimen.get("processing") or _parent(above, resolve)) else Kind.SLIDE


def _parent(specimen: Resource, resolve: Resolve) -> Resource | None:
    return next((found for one in specimen.get("parent", ()) if (found := resolve(one))), None)


def identifiers(names: Names, resource: Resource) -> Iterator[Identifier]:
    """Those of a resource, the barcode of a Specimen's container first."""
    for holder in [*resource.get("container", ()), resource]:
        for one in holder.get("identifier", ()):
            if one.get("value"):
                yield Identifier(one["value"], names.issuer(one.get("system", "")))


def _own(said: Said, specimen: Resource) -> Identifier:
    found = next(identifiers(said.names, specimen), None)
    if found is None:
        raise Invalid("no_container", "a specimen has an identifier, or its container has")
    return found


def _part(said: Said, specimen: Resource) -> SpecimenSaid:
    collection = specimen.get("collection", {})
    coding: Resource = next(
        (one for one in specimen.get("type", {}).get("coding", ()) if one.get("system") != LEVEL), {}
    )
    site = collection.get("bodySite", {})
    return SpecimenSaid(
        _own(said, specimen),
        type_code=coding.get("code", ""),
        type_text=specimen.get("type", {}).get("text", "") or coding.get("display", ""),
        site_code=next(iter(_codes(site)), ""),
        site_text=text(site),
        description=_first_text(specimen.get("note", ())),
        collected_at=moment(collection.get("collectedDateTime", "")),
        received_at=moment(specimen.get("receivedTime", "")),
        control=_control(specimen),
    )


def _block(said: Said, specimen: Resource, resolve: Resolve) -> BlockSaid:
    above = _parent(specimen, resolve)
    return BlockSaid(
        _own(said, specimen),
        specimen=_own(said, above) if above else None,
        description=_first_text(specimen.get("note", ())),
        control=_control(specimen),
    )


def _slide(said: Said, specimen: Resource, kinds: Mapping[int, Kind], resolve: Resolve) -> SlideSaid:
    above = _parent(specimen, resolve)
    kind = kinds.get(id(above), None) or (level(above, (), resolve) if above else None)
    stain: Resource = next(
        (one.get("procedure", {}) for one in specimen.get("processing", ()) if one.get("procedure")), {}
    )
    own, *others = dict.fromkeys(identifiers(said.names, specimen)) or [_own(said, specimen)]
    return SlideSaid(
        own,
        block=_own(said, above) if above and kind is Kind.BLOCK else None,
        specimen=_own(said, above) if above and kind is Kind.PART else None,
        stain_code=next(iter(_codes(stain)), ""),
        stain_text=text(stain),
        aliases=tuple(one.value for one in others if one.value != own.value),
        control=_control(specimen),
    )


def _control(specimen: Resource) -> Literal["put", "cancel"]:
    return "cancel" if specimen.get("status") == "entered-in-error" else "put"


# -- reports ----------------------------------------------------------------------------------------------------------


def report(said: Said, resource: Resource, case: Identifier) -> ReportSaid:
    """Raises: Invalid("no_report_text") of one that is signed and says nothing."""
    state = words.REPORT_SAID.get(resource["status"])
    if state is None:
        raise Invalid("bad_report_status", "this status of a report says nothing")
    words_said = _report_text(resource)
    if not words_said and state in {"final", "corrected"}:
        raise Invalid("no_report_text", "a report says its text in presentedForm (text/plain), text or conclusion")
    coding = resource.get("code", {}).get("coding", ())
    codes = [one.get("code", "") for one in coding if one.get("system") == LOINC]
    author = _first_display(resource.get("resultsInterpreter", ())) or _first_display(resource.get("performer", ()))
    return ReportSaid(
        case,
        said.at,
        said.source,
        cast(Any, state),
        code=next((code for code in codes if code in CODES), "60568-3"),
        text=words_said,
        author=author,
        place=said.place,
    )


def _report_text(resource: Resource) -> str:
    for form in resource.get("presentedForm", ()):
        if form.get("contentType", "").split(";")[0].strip() == "text/plain" and form.get("data"):
            try:
                return base64.b64decode(form["data"], validate=False).decode()
            except (binascii.Error, ValueError) as error:
                raise Invalid("bad_report_text", "presentedForm is no text in UTF-8") from error
    div = resource.get("text", {}).get("div", "")
    plain = unescape(_TAGS.sub("", _BREAKS.sub("\n", div))).strip()
    return plain or str(resource.get("conclusion", ""))


# -- pieces -----------------------------------------------------------------------------------------------------------


def moment(given: str) -> datetime | None:
    """A dateTime of any precision; without a zone it is UTC."""
    if not given:
        return None
    padded = given + ("0001-01-01"[len(given) :] if len(given) < 10 else "")
    try:
        found = datetime.fromisoformat(padded.replace("Z", "+00:00"))
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise Invalid("bad_date", "a dateTime cannot be read") from error


def text(concept: Resource) -> str:
    """A CodeableConcept in words."""
    displays = [one.get("display", "") for one in concept.get("coding", ())]
    return str(concept.get("text") or next((word for word in displays if word), "") or next(iter(_codes(concept)), ""))


def _codes(concept: Resource) -> list[str]:
    return [one["code"] for one in concept.get("coding", ()) if one.get("code") and one.get("system") != LEVEL]


def _first_display(references: Sequence[Resource]) -> str:
    return next((one["display"] for one in references if one.get("display")), "")


def _first_text(holders: Sequence[Resource]) -> str:
    return next((one["text"] for one in holders if one.get("text")), "")


def _display(reference: Resource, resolve: Resolve) -> str:
    """Who a reference is to: as it says, else the name of the resource it leads to."""
    if reference.get("display"):
        return str(reference["display"])
    found = resolve(reference) if reference else None
    if found is None:
        return ""
    if found["resourceType"] == "PractitionerRole":
        return _display(found.get("practitioner", {}), resolve)
    name = found.get("name", "")
    if isinstance(name, list):
        first = name[0] if name else {}
        return str(first.get("text") or " ".join([*first.get("given", []), first.get("family", "")]).strip())
    return str(name)


def typed_as(kind: Kind) -> Resource:
    """The type of a Specimen whose level is known."""
    return {"coding": [{"system": LEVEL, "code": kind.value}]}


def placed(wanted: Order, place: int) -> Order:
    """The order for another place."""
    return replace(wanted, place=place)


def at_place(said: Said, place: int) -> Said:
    """The same for another place."""
    return replace(said, place=place)
