"""One entry of the ledger, and the table of what can be entered. How an entry is kept is in journal and ledger."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal, get_args

from lamelle.base.errors import Invalid
from lamelle.base.jobs import JsonValue

Outcome = Literal["success", "refused", "failed"]


@dataclass(frozen=True, slots=True)
class Code:
    """A code of DICOM's controlled terminology (PS3.16 Annex D)."""

    value: str
    meaning: str


# Audit events. Source: PS3.16 CID 400.
APPLICATION: Final = Code("110100", "Application Activity")
LOG_USED: Final = Code("110101", "Audit Log Used")
ACCESSED: Final = Code("110103", "DICOM Instances Accessed")
TRANSFERRED: Final = Code("110104", "DICOM Instances Transferred")
DELETED: Final = Code("110105", "DICOM Study Deleted")
EXPORT: Final = Code("110106", "Export")
IMPORT: Final = Code("110107", "Import")
PATIENT: Final = Code("110110", "Patient Record")
PROCEDURE: Final = Code("110111", "Procedure Record")
QUERY: Final = Code("110112", "Query")
ALERT: Final = Code("110113", "Security Alert")
AUTHENTICATION: Final = Code("110114", "User Authentication")

# Kinds of them. Source: PS3.16 CID 401.
STARTED: Final = Code("110120", "Application Start")
STOPPED: Final = Code("110121", "Application Stop")
LOGIN: Final = Code("110122", "Login")
LOGOUT: Final = Code("110123", "Logout")
NODE: Final = Code("110126", "Node Authentication")
EMERGENCY: Final = Code("110127", "Emergency Override Started")
EMERGENCY_ENDED: Final = Code("110138", "Emergency Override Stopped")
CONFIGURATION: Final = Code("110129", "Security Configuration")
RESTRICTED: Final = Code("110132", "Use of Restricted Function")
RECORDING_STOPPED: Final = Code("110133", "Audit Recording Stopped")
OBJECT_RIGHTS: Final = Code("110135", "Object Security Attributes Changed")
ROLES: Final = Code("110136", "Security Roles changed")
USER: Final = Code("110137", "User security Attributes Changed")


@dataclass(frozen=True, slots=True)
class Event:
    """What an action is in DICOM's audit message, and so in FHIR's AuditEvent, which takes the same codes.

    `does`: C created, R read, U updated, D deleted, E executed. Source: PS3.15 A.5.2.
    """

    id: Code
    does: Literal["C", "R", "U", "D", "E"]
    kind: Code | None = None


EVENTS: Final[Mapping[str, Event]] = {
    # people and programs at the door
    "sign_in": Event(AUTHENTICATION, "E", LOGIN),
    "sign_in_refused": Event(AUTHENTICATION, "E", LOGIN),
    "sign_out": Event(AUTHENTICATION, "E", LOGOUT),
    "session_revoked": Event(AUTHENTICATION, "E", LOGOUT),
    "password_changed": Event(ALERT, "E", USER),
    "factor_changed": Event(ALERT, "E", USER),
    "purpose_changed": Event(ALERT, "E", USER),
    "association_accepted": Event(AUTHENTICATION, "E", NODE),
    "association_refused": Event(ALERT, "E", NODE),
    # images
    "read": Event(PROCEDURE, "R"),
    "view": Event(ACCESSED, "R"),
    "view_label": Event(ACCESSED, "R"),
    "search": Event(QUERY, "E"),
    "retrieve": Event(TRANSFERRED, "R"),
    "export": Event(EXPORT, "R"),
    "store": Event(TRANSFERRED, "C"),
    "import": Event(IMPORT, "C"),
    "change": Event(ACCESSED, "U"),
    "delete": Event(DELETED, "D"),
    "restore": Event(ACCESSED, "U"),
    "purge": Event(DELETED, "D"),
    "schedule": Event(PROCEDURE, "U"),
    "report": Event(PROCEDURE, "U"),
    "validate": Event(PROCEDURE, "U"),
    "reconcile": Event(PROCEDURE, "U"),
    "patient_merged": Event(PATIENT, "U"),
    "ai_run": Event(ACCESSED, "R"),
    # rights
    "share": Event(ALERT, "E", OBJECT_RIGHTS),
    "share_ended": Event(ALERT, "E", OBJECT_RIGHTS),
    "break_glass": Event(ALERT, "E", EMERGENCY),
    "break_glass_ended": Event(ALERT, "E", EMERGENCY_ENDED),
    "break_glass_reviewed": Event(ALERT, "E", EMERGENCY_ENDED),
    "rights_changed": Event(ALERT, "E", ROLES),
    "user_changed": Event(ALERT, "E", USER),
    "token_created": Event(ALERT, "E", USER),
    "token_revoked": Event(ALERT, "E", USER),
    "place_changed": Event(ALERT, "E", CONFIGURATION),
    "settings_changed": Event(ALERT, "E", CONFIGURATION),
    # what a guard asks for, when it is refused or belongs to no other line
    "operate": Event(ALERT, "E", RESTRICTED),
    "administer": Event(ALERT, "E", RESTRICTED),
    # the ledger itself
    "audit": Event(LOG_USED, "R"),
    "audit_read": Event(LOG_USED, "R"),
    "audit_export": Event(LOG_USED, "R"),
    "audit_verify": Event(LOG_USED, "R"),
    "audit_key": Event(ALERT, "E", CONFIGURATION),
    "entries_lost": Event(ALERT, "E", RECORDING_STOPPED),
    # the program
    "start": Event(APPLICATION, "E", STARTED),
    "stop": Event(APPLICATION, "E", STOPPED),
}
"""Action to what it is called outside: every word that may stand in `Entry.action`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Who did what to which, why, from where, and how it ended."""

    actor: str
    """A login, `AE:TITLE`, or `system`."""
    action: str
    """One of EVENTS."""
    outcome: Outcome = "success"
    actor_id: int = 0
    purpose: str = ""
    place: int = 0
    address: str = ""
    """Where the request came from."""
    session: str = ""
    """Number of the session or token, never its secret."""
    study_uid: str = ""
    patient_id: str = ""
    issuer: str = ""
    subject: str = ""
    """Another person's login, a setting, a file: what was acted on when it is no study."""
    reason: str = ""
    detail: Mapping[str, JsonValue] = field(default_factory=dict)
    at: datetime | None = None
    """When; None: when it is noted."""

    def __post_init__(self) -> None:
        if self.action not in EVENTS:
            raise Invalid("unknown_action", f"{self.action!r:.40} is no action of the audit ledger")


TEXTS: Final = (
    "actor",
    "action",
    "outcome",
    "purpose",
    "address",
    "session",
    "study_uid",
    "patient_id",
    "issuer",
    "subject",
    "reason",
)
NUMBERS: Final = ("actor_id", "place")
LONGEST: Final = 1000
"""Characters of a text that are kept: what a stranger sends must not fill the ledger."""
LONGEST_DETAIL: Final = 8000
"""Of all details together, as JSON."""
_ENCODER: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)


def line(entry: Entry, now: datetime) -> str:
    """The entry as canonical JSON: keys in order, no blanks, ASCII, nothing that is empty.

    This text, unchanged, is what the chain is made of.
    """
    kept: dict[str, Any] = {name: _clean(text) for name in TEXTS if (text := getattr(entry, name)) or name == "actor"}
    kept.update({name: number for name in NUMBERS if (number := getattr(entry, name))})
    kept["at"] = f"{(entry.at or now).astimezone(UTC).isoformat(timespec='microseconds')[:26]}Z"
    if entry.detail:
        kept["detail"] = _detail(entry.detail)
    return canonical(kept)


def canonical(value: Any) -> str:
    """One text for one JSON value."""
    return _ENCODER.encode(value)


def _clean(text: str) -> str:
    """Short, and without what PostgreSQL or UTF-8 cannot hold."""
    if len(text) > LONGEST:
        text = f"{text[: LONGEST - 1]}…"
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-8", "replace").decode().replace("\0", "�")


def _detail(detail: Mapping[str, JsonValue]) -> Any:
    try:
        text = canonical(detail)
    except (TypeError, ValueError):
        return {"unwritable": True}
    return {"cut": len(text)} if len(text) > LONGEST_DETAIL else _cleaned(json.loads(text))


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, list):
        return [_cleaned(one) for one in value]
    if isinstance(value, dict):
        return {_clean(name): _cleaned(one) for name, one in value.items()}
    return value


def read(text: str | bytes) -> Entry:
    """An entry from its line. Raises: Invalid bad_entry."""
    try:
        found = json.loads(text)
        at = datetime.fromisoformat(found.pop("at")).astimezone(UTC)
        entry = Entry(**found, at=at)
        if not _is_sound(entry):
            raise ValueError
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, Invalid) as error:
        raise Invalid("bad_entry", "a line of the audit journal is no entry") from error
    return entry


def _is_sound(entry: Entry) -> bool:
    """Whether every field is of its kind: the database must take it."""
    texts = all(isinstance(text := getattr(entry, name), str) and text == _clean(text) for name in TEXTS)
    numbers = all(type(number := getattr(entry, name)) is int and 0 <= number < 1 << 62 for name in NUMBERS)
    return texts and numbers and isinstance(entry.detail, dict) and entry.outcome in get_args(Outcome)
