"""What a message says, as the laboratory's nouns: by the sender's dialect, which tells where each value stands.

Nothing is kept or decided here; taking does that. Messages of errors name paths, never values.
"""

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Any, Final, Literal, cast

from lamelle.base.errors import Invalid, Unsupported
from lamelle.doors.er7 import Message, Segment
from lamelle.doors.hl7 import paths, times
from lamelle.doors.hl7.dialect import Dialect
from lamelle.doors.hl7.paths import Scope
from lamelle.lab.orders import (
    BlockSaid,
    DocumentSaid,
    Identifier,
    Identity,
    MergeSaid,
    Order,
    ReportSaid,
    SlideSaid,
    SpecimenSaid,
)

INS: Final = "1.2.250.1.213.1.4."
"""Identifiers under this OID are matricules INS, never a hospital's own."""
REPORT: Final = "60568-3"
"""LOINC of a pathology report, where a message says none."""
REPORT_ORDER: Final = ("draft", "preliminary", "final", "corrected")


@dataclass(frozen=True, slots=True)
class PatientSaid:
    """An identity, new or changed."""

    identity: Identity
    said_at: datetime


@dataclass(frozen=True, slots=True)
class TechniqueSaid:
    """What became of a technique we asked for."""

    identifier: str
    state: str
    filler: str = ""
    reason: str = ""


Said = Order | PatientSaid | MergeSaid | ReportSaid | DocumentSaid | TechniqueSaid


@dataclass(frozen=True, slots=True)
class Sender:
    """Whose message it is, and when it came, for what it does not say itself."""

    name: str
    place: int
    received_at: datetime


@dataclass(frozen=True, slots=True)
class _Reader:
    """One message with its dialect: values by their names in the table."""

    message: Message
    dialect: Dialect
    sender: Sender

    @property
    def zone(self) -> tzinfo:
        return times.offset(self.message.head[7]) or self.dialect.zone

    @property
    def said_at(self) -> datetime:
        return times.instant(self.message.head[7], self.dialect.zone) or self.sender.received_at

    def leaves(self) -> list[Scope]:
        levels = self.dialect.levels.get(self.message.kind, ())
        return paths.leaves(self.message.segments, levels, self.message.separators)

    def get(self, scope: Scope, section: str, name: str) -> str:
        return paths.first(scope, self.dialect.path(section, name))

    def word(self, scope: Scope, section: str, name: str) -> str:
        """A value in our words, "" when it is none of those we know."""
        return self.dialect.said(name, self.get(scope, section, name))

    def time(self, scope: Scope, section: str, name: str) -> datetime | None:
        return times.instant(self.get(scope, section, name), self.zone)

    def id(self, scope: Scope, section: str, name: str, issuer: str = "issuer") -> Identifier | None:
        value = paths.identified(scope, self.dialect.path(section, name), self.dialect.path(section, issuer))
        return Identifier(*value) if value[0] else None

    def texts(self, scope: Scope, section: str, *names: str) -> dict[str, str]:
        return {name: self.get(scope, section, name) for name in names}


def read(message: Message, dialect: Dialect, sender: Sender) -> list[Said]:
    """Everything a message says.

    Raises: Unsupported("unknown_message") when the dialect does not take its kind; Invalid("missing_field").
    """
    reader = _Reader(message, dialect, sender)
    words = kinds(message, dialect)
    return [said for word in words for said in READERS[word](reader, "order" in words)]


def kinds(message: Message, dialect: Dialect) -> tuple[str, ...]:
    """What it is read as, by its profile before its type. Raises: Unsupported("unknown_message")."""
    separators = message.separators
    profiles = (paths.part(one, (1,), separators) for one in message.head[21].split(separators.repetition))
    for name in (*profiles, message.kind):
        if found := dialect.messages.get(name):
            return found
    raise Unsupported("unknown_message", "messages of this type are not taken from this sender")


# -- orders -----------------------------------------------------------------------------------------------------------


def _orders(reader: _Reader, _: bool) -> Iterator[Order]:
    cases: dict[Identifier, list[Scope]] = {}
    for scope in reader.leaves():
        cases.setdefault(_case(reader, scope, "order"), []).append(scope)
    for case, scopes in cases.items():
        yield _order(reader, case, scopes)


def _case(reader: _Reader, scope: Scope, section: str) -> Identifier:
    found = reader.id(scope, section, "accession")
    if found is None:
        raise Invalid("missing_field", f"no accession number where {section}.accession of the dialect seeks it")
    return found


def _order(reader: _Reader, case: Identifier, scopes: list[Scope]) -> Order:
    assets: list[SpecimenSaid | BlockSaid | SlideSaid] = []
    for scope in scopes:
        found = ASSETS[_kind(reader, scope)](reader, scope)
        if found is not None and found.id != case:
            assets.append(found)
    whole = (_case_fields(reader, scope) for scope in scopes)
    said = {
        name: value for fields in reversed(list(whole)) for name, value in fields.items() if value not in ("", None)
    }
    control = reader.word(scopes[0], "order", "control") or "put"
    return Order(
        case=case,
        said_at=reader.said_at,
        place=reader.sender.place,
        patient=_identity(reader, scopes[0]),
        control=cast(Any, control if not assets else "put"),
        specimens=_once(assets, SpecimenSaid),
        blocks=_once(assets, BlockSaid),
        slides=_once(assets, SlideSaid),
        **said,
    )


def _case_fields(reader: _Reader, scope: Scope) -> dict[str, Any]:
    names = ("department", "specialty", "requester", "adicap", "description", "study_uid")
    return {
        **reader.texts(scope, "order", *names),
        "urgency": reader.word(scope, "order", "urgency"),
        "frozen": True if reader.word(scope, "order", "frozen") == "yes" else None,
        "ordered_at": reader.time(scope, "order", "ordered_at"),
        "received_at": reader.time(scope, "order", "received_at"),
    }


def _kind(reader: _Reader, scope: Scope) -> str:
    """What the order is of: the first value that the table knows."""
    default = reader.dialect.said("asset", "default", "slide")
    for step in reader.dialect.path("asset", "kind"):
        for value in paths.every(scope, (step,)):
            if known := reader.dialect.said("asset", value):
                return known
    return default


def _specimen(reader: _Reader, scope: Scope) -> SpecimenSaid | None:
    found = reader.id(scope, "specimen", "id")
    if found is None:
        return None
    names = ("part", "type_code", "type_text", "site_code", "site_text", "description")
    return SpecimenSaid(
        id=found,
        collected_at=reader.time(scope, "specimen", "collected_at"),
        received_at=reader.time(scope, "specimen", "received_at"),
        control=_control(reader, scope),
        **reader.texts(scope, "specimen", *names),
    )


def _block(reader: _Reader, scope: Scope) -> BlockSaid | None:
    found = reader.id(scope, "block", "id")
    if found is None:
        return None
    return BlockSaid(
        id=found,
        specimen=reader.id(scope, "block", "specimen", "parent_issuer"),
        destroy_on=times.day(reader.get(scope, "block", "destroy_on")),
        control=_control(reader, scope),
        **reader.texts(scope, "block", "description", "location"),
    )


def _slide(reader: _Reader, scope: Scope) -> SlideSaid | None:
    found = reader.id(scope, "slide", "id")
    if found is None:
        return None
    return SlideSaid(
        id=found,
        block=reader.id(scope, "slide", "block", "parent_issuer"),
        specimen=reader.id(scope, "slide", "specimen", "parent_issuer"),
        state=reader.dialect.said("slide_state", reader.get(scope, "slide", "state")),
        due_on=times.day(reader.get(scope, "slide", "due_on")),
        destroy_on=times.day(reader.get(scope, "slide", "destroy_on")),
        aliases=tuple(paths.every(scope, reader.dialect.path("slide", "aliases"))),
        control=_control(reader, scope),
        **reader.texts(scope, "slide", "stain_code", "stain_text", "level", "location", "technique"),
    )


ASSETS: Final[Mapping[str, Callable[[_Reader, Scope], SpecimenSaid | BlockSaid | SlideSaid | None]]] = {
    "specimen": _specimen,
    "block": _block,
    "slide": _slide,
    "case": lambda reader, scope: None,
}


def _control(reader: _Reader, scope: Scope) -> Literal["put", "cancel"]:
    return "cancel" if reader.word(scope, "order", "control") == "cancel" else "put"


def _once(assets: list[Any], kind: type[Any]) -> tuple[Any, ...]:
    """Those of a kind, each identifier once; what is said last holds."""
    return tuple({one.id: one for one in assets if isinstance(one, kind)}.values())


# -- people -----------------------------------------------------------------------------------------------------------


def _identity(reader: _Reader, scope: Scope) -> Identity | None:
    known = tuple(
        dict.fromkeys([*_ids(reader, scope, "patient", "identifier")[:1], *_ids(reader, scope, "patient", "more")])
    )
    if not known:
        return None
    return Identity(
        identifiers=known,
        birth_date=times.day(reader.get(scope, "patient", "birth_date")),
        sex=cast(Any, reader.word(scope, "patient", "sex")),
        **reader.texts(scope, "patient", "family", "given", "birth_name", "ins", "ins_oid", "ins_status"),
    )


def _ids(reader: _Reader, scope: Scope, section: str, name: str) -> list[Identifier]:
    """The identifiers at a path, matricules INS left out: CX by their components, or what the path's part is."""
    separators, found = scope.separators, []
    for step in reader.dialect.path(section, name):
        if isinstance(step, str):
            continue
        for _, whole in paths.found(scope, step):
            oid = paths.part(whole, (4, 2), separators)
            issuer = paths.part(whole, (4, 1), separators) or oid or reader.get(scope, section, "issuer")
            value = paths.part(whole, step.parts or (1,), separators)
            if value and not oid.startswith(INS) and paths.part(whole, (5,), separators) != "INS":
                found.append(Identifier(value, issuer))
        if found:
            break
    return found


def _patients(reader: _Reader, _: bool) -> Iterator[PatientSaid]:
    yield PatientSaid(_named(reader, reader.leaves()[0]), reader.said_at)


def _named(reader: _Reader, scope: Scope) -> Identity:
    found = _identity(reader, scope)
    if found is None:
        raise Invalid("missing_field", "no patient identifier where patient.identifier of the dialect seeks it")
    return found


def _merges(reader: _Reader, _: bool) -> Iterator[MergeSaid]:
    for scope in reader.leaves():
        gone = _ids(reader, scope, "merge", "identifier")
        if not gone:
            raise Invalid("missing_field", "no identifier that goes where merge.identifier of the dialect seeks it")
        yield MergeSaid(_named(reader, scope), gone[0], reader.said_at, reader.sender.name)


# -- reports and techniques -------------------------------------------------------------------------------------------


def _reports(reader: _Reader, beside: bool) -> Iterator[ReportSaid]:
    """One for each case; `beside` an order, a message that says no state is none."""
    cases: dict[Identifier, list[Scope]] = {}
    for scope in reader.leaves():
        cases.setdefault(_case(reader, scope, "report"), []).append(scope)
    for case, scopes in cases.items():
        states = [state for scope in scopes if (state := reader.word(scope, "report", "state"))]
        if not states and beside:
            continue
        if not states:
            raise Invalid("missing_field", "no status of the report where report.state of the dialect seeks it")
        told = {name: _told(reader, scopes, name) for name in ("code", "author")}
        yield ReportSaid(
            case=case,
            said_at=reader.said_at,
            source=reader.sender.name,
            state=cast(Any, _least(states)),
            code=told["code"] or REPORT,
            text=_text(reader, scopes),
            author=told["author"],
            place=reader.sender.place,
        )


def _told(reader: _Reader, scopes: list[Scope], name: str) -> str:
    return next((value for scope in scopes if (value := reader.get(scope, "report", name))), "")


def _least(states: list[str]) -> str:
    """Of a report's parts the least advanced; it is cancelled when all of it is."""
    going = [state for state in states if state in REPORT_ORDER]
    return min(going, key=REPORT_ORDER.index) if going else "cancelled"


def _text(reader: _Reader, scopes: list[Scope]) -> str:
    """The text, with a heading where what is observed changes, if it does."""
    parts: list[tuple[str, str]] = []
    for scope in scopes:
        for step in reader.dialect.path("report", "text"):
            found = [] if isinstance(step, str) else [pair for pair in paths.values(scope, step) if pair[1]]
            for segment, value in found:
                own = Scope(((segment,),), scope.separators)
                parts.append((reader.get(own, "report", "title"), value))
            if found:
                break
    titles = list(dict.fromkeys(title for title, _ in parts))
    lines: list[str] = []
    last = None
    for title, value in parts:
        if len(titles) > 1 and title != last and title:
            lines += ["", title] if lines else [title]
        lines.append(value)
        last = title
    return "\n".join(lines)


def _documents(reader: _Reader, _: bool) -> Iterator[DocumentSaid]:
    """Every document, also one that cannot be decoded or whose form nobody knows: who keeps them says so."""
    for scope in reader.leaves():
        for own, data in _enclosed(reader, scope):
            form = reader.get(own, "document", "type")
            media_type = reader.dialect.said("document_type", form)
            if media_type == "nothing":
                continue
            yield DocumentSaid(
                case=_case(reader, scope, "report"),
                source=reader.sender.name,
                kind=reader.dialect.said("document_kind", reader.get(own, "document", "kind"), "report"),
                title=reader.get(own, "document", "title"),
                media_type=media_type,
                data=_decoded(data),
                place=reader.sender.place,
            )


def _enclosed(reader: _Reader, scope: Scope) -> Iterator[tuple[Scope, str]]:
    """The data of each document, with its segment alone as if its field had no other repetition."""
    for step in reader.dialect.path("document", "data"):
        if isinstance(step, str):
            continue
        for segment, whole in paths.found(scope, step):
            if whole.strip():
                fields = (*segment.fields[: step.field], whole, *segment.fields[step.field + 1 :])
                yield Scope(((Segment(fields),),), scope.separators), paths.part(whole, step.parts, scope.separators)


def _decoded(data: str) -> bytes | None:
    try:
        return base64.b64decode("".join(data.split()), validate=True)
    except ValueError:
        return None


def _techniques(reader: _Reader, _: bool) -> Iterator[TechniqueSaid]:
    for scope in reader.leaves():
        said = reader.texts(scope, "technique", "identifier", "filler", "reason")
        state = reader.dialect.said("technique", reader.get(scope, "technique", "state"), "done")
        if not said["identifier"]:
            raise Invalid("missing_field", "no work order where technique.identifier of the dialect seeks it")
        yield TechniqueSaid(state=state, **said)


def techniques(message: Message, dialect: Dialect, sender: Sender) -> list[TechniqueSaid]:
    """What an answer to a work order says of it: ORC-1 OK or UA, the order's own number in ORC-2."""
    reader = _Reader(message, dialect, sender)
    found = []
    for segment in message.all("ORC"):
        scope = Scope(((segment,),), message.separators)
        state = dialect.said("technique", paths.first(scope, paths.path("ORC-1")))
        identifier = paths.first(scope, paths.path("ORC-2.1"))
        if state and identifier:
            said = reader.texts(scope, "technique", "reason")
            found.append(TechniqueSaid(identifier, state, paths.first(scope, paths.path("ORC-3.1")), **said))
    return found


READERS: Final[Mapping[str, Callable[[_Reader, bool], Iterator[Said]]]] = {
    "order": _orders,
    "patient": _patients,
    "merge": _merges,
    "report": _reports,
    "document": _documents,
    "technique": _techniques,
    "nothing": lambda reader, beside: iter(()),
}
