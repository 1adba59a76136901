"""What a token may do, in the syntax of SMART on FHIR: scopes to actions. Source: SMART App Launch 2.2, 3.2.

A scope never widens what the account may do, and never gives more than it says: an action is granted when one scope
holds every letter the action needs. What is not in the table is granted by none: nobody breaks a glass or signs a
report by token.
"""

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from lamelle.access.model import Action
from lamelle.base.errors import Invalid

CASES: Final = ("Patient", "ServiceRequest", "Specimen", "DiagnosticReport", "Task")
"""The resources in which a case is read; of these a scope leaves only those it names (`allows`)."""
TABLE: Final[Mapping[Action, tuple[tuple[str, str], ...]]] = MappingProxyType(
    {
        Action.READ: tuple((kind, "rs") for kind in CASES),
        Action.VIEW: (("ImagingStudy", "rs"),),
        Action.VIEW_LABEL: (("ImagingStudy", "rs"),),
        Action.EXPORT: (("ImagingStudy", "rs"),),
        Action.STORE: (("ImagingStudy", "c"),),
        Action.SHARE: (("ImagingStudy", "u"),),
        Action.DELETE: (("ImagingStudy", "d"),),
        Action.SCHEDULE: (("Task", "crus"), ("ServiceRequest", "crus")),
        Action.REPORT: (("DiagnosticReport", "crus"),),
        Action.AUDIT: (("AuditEvent", "rs"),),
        Action.OPERATE: (("*", "rs"),),
        Action.ADMINISTER: (("*", "cruds"),),
    }
)
"""Action to resource and letters (create, read, update, delete, search); each line of an action is enough by itself.

`*` as the resource of a scope stands for every resource. An action is split no finer: who may search studies may read
them, so both letters are needed.
"""
SCOPE: Final = re.compile(r"(user|system)/(\*|[A-Z][A-Za-z]+)\.(c?r?u?d?s?|read|write|\*)")
"""`patient/` needs a patient whom a launch chose, and is not known here; nor are finer scopes (`?...`)."""
LETTERS: Final = MappingProxyType({"read": "rs", "write": "cud", "*": "cruds"})
"""The words of version 1. Source: SMART App Launch 2.2, 3.2.4."""
OWN: Final = "lamelle/"
"""Our own scopes name an action: lamelle/view."""


def actions(scope: str) -> frozenset[Action]:
    """What a scope leaves; what is not understood adds nothing."""
    granted = set[Action]()
    for word in scope.split():
        if word.removeprefix(OWN) in TABLE and word.startswith(OWN):
            granted.add(Action(word.removeprefix(OWN)))
        elif match := SCOPE.fullmatch(word):
            granted |= _granted(match[2], set(LETTERS.get(match[3], match[3])))
    return frozenset(granted)


def allows(scope: str, resource: str, letters: str) -> bool:
    """Whether one word of a scope leaves this of that kind of resource, for a door that tells kinds apart."""
    return any(
        kind in (resource, "*") and set(granted) >= set(letters)
        for word in scope.split()
        for kind, granted in _meant(word)
    )


def _meant(word: str) -> Iterable[tuple[str, str]]:
    """The kinds of resources a word is about, each with its letters."""
    if word.startswith(OWN) and word.removeprefix(OWN) in TABLE:
        return TABLE[Action(word.removeprefix(OWN))]
    match = SCOPE.fullmatch(word)
    return [(match[2], LETTERS.get(match[3], match[3]))] if match else []


def _granted(resource: str, letters: set[str]) -> set[Action]:
    return {
        action
        for action, needs in TABLE.items()
        for kind, needed in needs
        if resource in (kind, "*") and letters >= set(needed)
    }


def naming(wanted: Iterable[Action]) -> str:
    """The scope that leaves exactly these actions. Raises: Invalid("bad_scope")."""
    return check(" ".join(sorted(f"{OWN}{action.value}" for action in wanted)))


def check(scope: str) -> str:
    """The scope as it is kept, each of its words understood and useful. Raises: Invalid("bad_scope")."""
    words = scope.replace(",", " ").split()
    for word in words:
        if not actions(word):
            raise Invalid("bad_scope", f"{word[:60]!r} allows nothing here; for example system/ImagingStudy.rs")
    if not words:
        raise Invalid("bad_scope", "a token needs a scope, for example system/ImagingStudy.rs")
    return " ".join(words)
