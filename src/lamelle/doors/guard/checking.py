"""The guard itself: it stands before routing to learn who asks, and before each route to ask the table."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import anyio.to_thread
from starlette.requests import HTTPConnection
from starlette.routing import BaseRoute, Mount, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lamelle.base.errors import Denied, LamelleError, Unauthenticated
from lamelle.base.jobs import JsonValue
from lamelle.doors import http
from lamelle.doors.guard import credentials, visits
from lamelle.doors.guard.callers import Callers
from lamelle.doors.guard.credentials import Csrf
from lamelle.doors.guard.rules import Rule, Table
from lamelle.doors.guard.visits import KEY, Found, Note, Visit, Whose

AGAIN: Final = "nobody {} {}"
ONCE: Final = frozenset({"view", "view_label"})


class UnknownRoute(Exception):
    """A route that no line of the table is about: the node does not start."""


@dataclass(frozen=True, slots=True)
class Guard:
    """Who asks, and whether the door is for them."""

    callers: Callers
    tell: Note | None
    """Enters something in the ledger; None: nothing is."""
    whose: Whose
    proxies: tuple[str, ...] = ()
    """Addresses or networks whose X-Forwarded-For is believed."""
    metrics_from: tuple[str, ...] = ()
    """Addresses or networks that may read what rules call open to machines."""
    origins: tuple[str, ...] = ()
    """Origins whose pages may send, without cookies."""
    csrf: Csrf = field(default=lambda cookie: "")

    def front(self, app: ASGIApp) -> ASGIApp:
        """The application with every request's visit made before it."""

        async def met(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http":
                scope[KEY] = await self._visit(scope)
            await app(scope, receive, send)

        return met

    async def _visit(self, scope: Scope) -> Visit:
        brought = credentials.credential(scope["headers"])
        known, trouble = self.callers.at_hand(brought), None
        if known is None:
            try:
                known = await anyio.to_thread.run_sync(self.callers.read, brought)
            except LamelleError as error:  # a route that asks for nobody still answers
                trouble = error
        address = credentials.address(scope, self.proxies)
        return Visit(self.callers, self.tell, self.whose, address, known, trouble)

    def wrap(self, routes: Iterable[BaseRoute], table: Table, prefix: str = "") -> None:
        """Put the rule of the table before each route.

        Raises: UnknownRoute.
        """
        for route, rules in rules_of(routes, table, prefix):
            route.app = Checked(self, route.app, rules)

    def admit(self, scope: Scope, rule: Rule) -> Visit:
        """Let a request pass that the rule allows. Raises: Unauthenticated, Denied, Unavailable."""
        visit = visits.visit(scope)
        visit.rule = rule
        brought = credentials.credential(scope["headers"]) if self.callers.signs_in else credentials.NONE
        if credentials.is_foreign(scope, brought, self.origins, self.csrf):
            raise Denied("foreign_page", "a page of another address asks for this; its browser does not say it is ours")
        if rule.open or (rule.machines and credentials.within(visit.address, self.metrics_from)):
            return visit
        visit.signed_in()
        if rule.action is not None:
            visit.reach(rule.action)
        return visit


class Checked:
    """ASGI: a route behind its rules."""

    def __init__(self, guard: Guard, app: ASGIApp, rules: Mapping[str, tuple[str, Rule]]) -> None:
        self._guard, self._app, self._rules = guard, app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        template, rule = self._rules.get(method) or self._rules.get("*") or ("", Rule())
        try:
            visit = self._guard.admit(scope, rule)
        except LamelleError as error:
            self._refused(visits.visit(scope), template, error)
            await http.refusal(error)(scope, receive, send)
            return
        if rule.open or visit.tell is None:
            await self._app(scope, receive, send)
        else:
            await self._app(scope, receive, await self._watched(visit, template, scope, send))

    async def _watched(self, visit: Visit, template: str, scope: Scope, send: Send) -> Send:
        """`send` that tells the ledger what came of the request before the answer's first byte."""
        study_uid, series_uid = _names(scope)
        rule = visit.rule
        before = await self._whose(visit, study_uid, series_uid) if rule.event == "delete" else None

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                status = message["status"]
                if status < 400 and rule.event:
                    await self._done(visit, template, scope, before)
                elif status in {403, 404} and (study_uid or series_uid):
                    await self._not_given(visit, template, status, study_uid, series_uid)
            await send(message)

        return told

    async def _done(self, visit: Visit, template: str, scope: Scope, before: Found | None) -> None:
        study_uid, series_uid = _names(scope)
        rule = visit.rule
        if rule.event in ONCE:
            await visit.seen(study_uid, series_uid)
            return
        detail: dict[str, JsonValue] = {"route": template, **({"what": rule.what} if rule.what else {})}
        if rule.event == "search":
            detail["keys"] = _keys(scope)
        found = before or await self._whose(visit, study_uid, series_uid)
        visit.note(rule.event, found=found, detail=detail)

    async def _not_given(self, visit: Visit, template: str, status: int, study_uid: str, series_uid: str) -> None:
        """A study that is there, but not for this caller: to them it is as if it were not."""
        found = await self._whose(visit, study_uid, series_uid)
        if found is None or visit.rule.action is None:
            return
        if status == 404 and visit.reach(visit.rule.action).everything:
            return
        visit.note(visit.rule.action.value, "refused", found, {"route": template}, "out_of_reach")

    async def _whose(self, visit: Visit, study_uid: str, series_uid: str) -> Found | None:
        if not study_uid and not series_uid:
            return None
        return await anyio.to_thread.run_sync(visit.whose, study_uid, series_uid)

    def _refused(self, visit: Visit, template: str, error: LamelleError) -> None:
        """Enter a refusal; of those who did not sign in, one of an address and a route within a quarter of an hour."""
        if visit.known is None or not isinstance(error, (Denied, Unauthenticated)):
            return
        stranger = AGAIN.format(visit.address, template)
        if visit.known.caller is None and not self._guard.callers.is_new(visit.known, stranger):
            return
        action = visit.rule.action.value if visit.rule.action else "sign_in_refused"
        visit.note(action, "refused", detail={"route": template}, reason=error.code)


def rules_of(
    routes: Iterable[BaseRoute], table: Table, prefix: str = ""
) -> Iterator[tuple[Any, dict[str, tuple[str, Rule]]]]:
    """Every route that answers, with its rules: method (`*` for any) to the line of the table and what it says.

    Raises: UnknownRoute for a route or a kind of route that the table is not about.
    """
    for route in routes:
        if isinstance(route, Mount):
            if below := list(route.routes or ()):
                yield from rules_of(below, table, prefix + route.path)
            else:
                line = f"GET {prefix}{route.path}/*"
                yield route, {"*": (line, _rule(table, line))}
        elif isinstance(route, Route):
            lines = {method: f"{method} {prefix}{route.path}" for method in (route.methods or {"*"}) - {"HEAD"}}
            yield route, {method: (line, _rule(table, line)) for method, line in lines.items()}
        else:
            raise UnknownRoute(f"{type(route).__name__} is no kind of route that the guard can stand before")


def _rule(table: Table, line: str) -> Rule:
    try:
        return table[line]
    except KeyError:
        raise UnknownRoute(f"no line of the table is about {line}") from None


def _names(scope: Scope) -> tuple[str, str]:
    """Study and series of the path; the series only where there is no study."""
    path = scope.get("path_params", {})
    study_uid = str(path.get("study") or path.get("study_uid") or "")
    return study_uid, "" if study_uid else str(path.get("series") or path.get("series_uid") or "")


def _keys(scope: Scope) -> JsonValue:
    """What was searched for; these may be words about a patient, for which the ledger is the place."""
    pairs: Sequence[tuple[str, str]] = HTTPConnection(scope).query_params.multi_items()
    return {name[:64]: value[:256] for name, value in pairs[:50]}
