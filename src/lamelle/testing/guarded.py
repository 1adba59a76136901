"""A door without a table of routes: everyone may do everything, as where nobody signs in."""

from starlette.types import ASGIApp, Receive, Scope, Send

from lamelle.access.model import Action
from lamelle.audit.model import Entry
from lamelle.doors.guard import Callers, Found, Rule, Visit
from lamelle.doors.guard.credentials import NONE
from lamelle.doors.guard.visits import KEY

ANYTHING = Rule(Action.VIEW, "view")


def open_to_all(app: ASGIApp, told: list[Entry] | None = None) -> ASGIApp:
    """The application for requests of LOCAL; what the ledger is told goes to `told`."""
    callers = Callers(None, 1.0)
    entries: list[Entry] = [] if told is None else told

    async def met(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            known = callers.read(NONE)
            scope[KEY] = Visit(callers, entries.append, lambda study, series: Found(study), "", known, rule=ANYTHING)
        await app(scope, receive, send)

    return met
