"""One request as the guard knows it: its caller, its rule, how far that reaches, and what of it the ledger is told."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import anyio.to_thread
from starlette.requests import HTTPConnection
from starlette.types import Scope

from lamelle.access import decide
from lamelle.access.model import NOTHING, Action, Caller, Reach
from lamelle.audit.model import Entry, Outcome
from lamelle.base.errors import Denied, LamelleError, Unauthenticated
from lamelle.base.jobs import JsonValue
from lamelle.doors.guard.callers import Callers, Known
from lamelle.doors.guard.rules import OPEN, Rule

KEY: Final = "lamelle.visit"


@dataclass(frozen=True, slots=True)
class Found:
    """What the ledger says of a study."""

    study_uid: str
    patient_id: str = ""
    issuer: str = ""
    place: int = 0


Whose = Callable[[str, str], Found | None]
"""A study, or a study by a series of it (the other empty), whoever may see it; None when there is none. May wait."""
Note = Callable[[Entry], None]


@dataclass(slots=True)
class Visit:
    """A request; made before routing, given its rule by the route."""

    callers: Callers
    tell: Note | None
    whose: Whose
    address: str
    known: Known | None
    """None: sessions and tokens could not be read, and `trouble` says why."""
    trouble: LamelleError | None = None
    rule: Rule = OPEN
    told: set[str] = field(default_factory=set)

    @property
    def caller(self) -> Caller | None:
        """Who asks; None for nobody who signed in. Raises: Unavailable."""
        if self.known is None:
            assert self.trouble is not None
            raise self.trouble
        return self.known.caller

    def signed_in(self) -> Caller:
        """Raises: Unauthenticated, Unavailable."""
        found = self.caller
        if found is None:
            assert self.known is not None
            raise Unauthenticated(self.known.why.code, self.known.why.message)
        return found

    def reach(self, action: Action) -> Reach:
        """Everything the caller may do this with. Raises: Unauthenticated, Denied."""
        asks = self.signed_in()
        found = decide.reach(asks.actor, action, asks.purpose)
        if not found:
            raise Denied("not_allowed", f"your roles do not allow you to {action.value}, for {asks.purpose.value}")
        return found

    def extent(self, action: Action) -> Reach:
        """The same for what only adds to an answer: nothing, for who may not."""
        asks = self.caller
        return NOTHING if asks is None else decide.reach(asks.actor, action, asks.purpose)

    # -- the ledger ------------------------------------------------------------------------------------------------

    def note(
        self,
        event: str,
        outcome: Outcome = "success",
        found: Found | None = None,
        detail: Mapping[str, JsonValue] | None = None,
        reason: str = "",
    ) -> None:
        """Enter what this caller does; before the answer's first byte."""
        if self.tell is None:
            return
        asks = self.known.caller if self.known else None
        found = found or Found("")
        self.tell(
            Entry(
                actor=asks.actor.login if asks else "nobody",
                action=event,
                outcome=outcome,
                actor_id=asks.actor.id if asks else 0,
                purpose=asks.purpose.value if asks else "",
                place=found.place,
                address=self.address,
                session=asks.session if asks else "",
                study_uid=found.study_uid,
                patient_id=found.patient_id,
                issuer=found.issuer,
                reason=reason,
                detail=detail or {},
            )
        )

    async def seen(self, study_uid: str, series_uid: str = "", rule: Rule | None = None) -> None:
        """Enter that the caller sees a study, unless that was entered within the last quarter of an hour."""
        rule = rule or self.rule
        if self.known is None:
            return
        named = key(rule, study_uid or f"series {series_uid}")
        if self.callers.was_seen(self.known, named):
            return
        found = await anyio.to_thread.run_sync(self.whose, study_uid, series_uid)
        if found is not None and self.callers.is_new(self.known, key(rule, found.study_uid)):
            self.note(rule.event, found=found, detail={"what": rule.what} if rule.what else None)
        self.callers.is_new(self.known, named)


def key(rule: Rule, study_uid: str) -> str:
    """What is remembered of a study that was seen: for looking at its images the UID alone, as the short way asks."""
    return study_uid if (rule.event, rule.what) == ("view", "") else f"{rule.event} {rule.what} {study_uid}"


# -- what handlers ask ------------------------------------------------------------------------------------------------


def visit(scope: Scope | HTTPConnection) -> Visit:
    """The request's visit. Raises: RuntimeError where no guard stands before: such a door stays shut."""
    found: Any = (scope.scope if isinstance(scope, HTTPConnection) else scope).get(KEY)
    if not isinstance(found, Visit):
        raise RuntimeError("no guard stands before this route")
    return found


def caller(request: Scope | HTTPConnection) -> Caller:
    """Who asks. Raises: Unauthenticated."""
    return visit(request).signed_in()


def reach(request: Scope | HTTPConnection, action: Action | None = None) -> Reach:
    """Everything the caller may do this with: what the route is for, unless said otherwise.

    Raises: Unauthenticated, Denied("not_allowed").
    """
    found = visit(request)
    action = action or found.rule.action
    if action is None:
        raise RuntimeError("the route is for no action")
    return found.reach(action)


def note(
    request: Scope | HTTPConnection,
    event: str,
    found: Found | None = None,
    detail: Mapping[str, JsonValue] | None = None,
) -> None:
    """Enter in the ledger what the table cannot know: what became of a request's parts."""
    visit(request).note(event, found=found, detail=detail)
