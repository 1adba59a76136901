"""Acknowledgements: who gets which, in what mode, and how an error of ours is said. Source: HL7 v2.5.1 2.9, 2.15.

Original mode: one answer, after the message was worked through. Enhanced mode (MSH-15, MSH-16): a commit answer as
soon as it is kept, and the application's answer as a message of its own, to where the sender listens.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from lamelle.base.errors import Conflict, Denied, Invalid, LamelleError, NotFound, TooLarge, Unavailable, Unsupported
from lamelle.doors import er7
from lamelle.doors.er7 import STANDARD, Message, Segment
from lamelle.doors.hl7 import writing
from lamelle.doors.hl7.dialect import Dialect
from lamelle.doors.hl7.settings import Hl7Settings

Code = Literal["AA", "AE", "AR", "CA", "CE", "CR"]

ANSWERS: Final[Mapping[str, str]] = {
    "OML^O21": "ORL^O22^ORL_O22",
    "OML^O33": "ORL^O34^ORL_O34",
    "ORM^O01": "ORR^O02^ORR_O02",
}
"""Messages whose answer repeats their orders; all others are answered ACK."""
WANTED: Final[Mapping[str, frozenset[str]]] = {
    "": frozenset(),
    "AL": frozenset({"good", "bad"}),
    "SU": frozenset({"good"}),
    "ER": frozenset({"bad"}),
    "NE": frozenset(),
}
"""HL7 table 0155: when an answer is wanted."""
CONDITIONS: Final[Mapping[str, tuple[str, str]]] = {
    "no_header": ("100", "Segment sequence error"),
    "missing_field": ("101", "Required field missing"),
    "unknown_message": ("200", "Unsupported message type"),
    "wrong_processing": ("202", "Unsupported processing id"),
    "unknown_version": ("203", "Unsupported version id"),
    "unknown_sender": ("207", "Application internal error"),
    "duplicate_container": ("205", "Duplicate key identifier"),
}
"""Our codes in HL7 table 0357; those not named here go by their kind."""
KINDS: Final[tuple[tuple[type[LamelleError], tuple[str, str]], ...]] = (
    (TooLarge, ("207", "Application internal error")),
    (Invalid, ("102", "Data type error")),
    (NotFound, ("204", "Unknown key identifier")),
    (Conflict, ("205", "Duplicate key identifier")),
    (Unavailable, ("207", "Application internal error")),
)
BECAME: Final[Mapping[str, tuple[str, str]]] = {
    "CA": ("CR", "UC"),
    "OC": ("CR", "UC"),
    "DC": ("DR", "UD"),
    "XO": ("XR", "UX"),
}
"""ORC-1 of an order to that of its answer, well or not; of all others OK and UA. Source: HL7 table 0119."""
REJECTED: Final = frozenset({"no_header", "unknown_message", "wrong_processing", "unknown_version", "unknown_sender"})
"""What will not be better when it is sent again: AR; all else is AE."""


@dataclass(frozen=True, slots=True)
class Mode:
    """What is answered to a message, and where."""

    commit: frozenset[str] = frozenset()
    """Whether CA ("good") and CE, CR ("bad") are answered on the connection."""
    application: frozenset[str] = frozenset({"good", "bad"})
    """Whether AA and AE, AR are told, ..."""
    apart: bool = False
    """... as a message of its own, to where the sender listens."""


def mode(message: Message, reached: bool) -> Mode:
    """What MSH-15 and MSH-16 ask for. A sender that listens nowhere gets the one answer that says most."""
    accept, application = message.head[15].strip(), message.head[16].strip()
    if not accept and not application:
        return Mode()
    commit, wanted = WANTED.get(accept, WANTED["AL"]), WANTED.get(application, WANTED["AL"])
    if not commit or not wanted:
        return Mode(commit, wanted)
    return Mode(commit, wanted, apart=True) if reached else Mode(frozenset(), wanted)


def code(error: LamelleError | None, *, commit: bool = False) -> Code:
    """MSA-1."""
    if error is None:
        return "CA" if commit else "AA"
    if error.code in REJECTED or isinstance(error, (TooLarge, Unsupported, Denied)):
        return "CR" if commit else "AR"
    return "CE" if commit else "AE"


def answer(
    settings: Hl7Settings,
    dialect: Dialect,
    message: Message | None,
    said: Code,
    error: LamelleError | None,
    now: datetime,
) -> Message:
    """The answer to a message, or to what was none."""
    message = er7.standard(message) if message else None
    asked = message.head if message else Segment(("MSH", "|", STANDARD.encoding))
    event = message.kind.partition("^")[2] if message else ""
    version = (message.version if message else "") or dialect.version
    kind = _kind(message, said) or (f"ACK^{event}^ACK" if event else "ACK")
    to, processing = (asked[3], asked[4]), asked[11] or "P"
    first = writing.head(
        settings, dialect, to, kind, writing.new_control(), now, version=asked[12] or version, processing=processing
    )
    text = er7.escaped(error.message) if error else ""
    told = [first, writing.trimmed(["MSA", said, asked[10], text if error else ""])]
    if error is not None:
        told.append(_err(error, version, text))
    if message is not None and kind.startswith(("ORL", "ORR")):
        told += _orders(message, bad=error is not None)
    return Message(tuple(told))


def _kind(message: Message | None, said: Code) -> str:
    return ANSWERS.get(message.kind, "") if message is not None and said[0] == "A" else ""


def _err(error: LamelleError, version: str, text: str) -> Segment:
    """ERR, in the form of the sender's version."""
    number, words = CONDITIONS.get(error.code) or next(
        (found for kind, found in KINDS if isinstance(error, kind)), ("207", "Application internal error")
    )
    if version < "2.5":
        return Segment(("ERR", f"^^^{number}&{words}&HL70357"))
    fields = ["ERR", "", "", f"{number}^{words}^HL70357", "E", er7.escaped(error.code), "", "", text]
    return writing.trimmed(fields)


def _orders(message: Message, *, bad: bool) -> list[Segment]:
    """The orders again, each with what became of it; of a message by specimens, the specimens too."""
    said = [segment for segment in message.segments if segment.name == "PID"][:1]
    for segment in message.segments:
        if segment.name == "ORC":
            became = BECAME.get(segment[1].strip(), ("OK", "UA"))[bad]
            said.append(writing.trimmed(["ORC", became, segment[2], segment[3], segment[4]]))
        elif segment.name == "SPM" and message.kind == "OML^O33":
            said.append(writing.trimmed(segment.fields[:5]))
    return said if any(segment.name == "ORC" for segment in said) else []
