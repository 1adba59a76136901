"""One decision before every HTTP route: who asks, whether the table lets them, and what the ledger is told.

How far a caller reaches is `reach`, which handlers hand to the archive: a study beyond it does not exist for them.
"""

from lamelle.doors.guard.callers import LOCAL, Callers, Identify, Known
from lamelle.doors.guard.checking import Guard, UnknownRoute
from lamelle.doors.guard.credentials import COOKIE, SECURE_COOKIE, Credential, credential
from lamelle.doors.guard.rules import OPEN, SIGNED_IN, Rule, Table
from lamelle.doors.guard.visits import Found, Visit, caller, note, reach, visit

__all__ = [
    "COOKIE",
    "LOCAL",
    "OPEN",
    "SECURE_COOKIE",
    "SIGNED_IN",
    "Callers",
    "Credential",
    "Found",
    "Guard",
    "Identify",
    "Known",
    "Rule",
    "Table",
    "UnknownRoute",
    "Visit",
    "caller",
    "credential",
    "note",
    "reach",
    "visit",
]
