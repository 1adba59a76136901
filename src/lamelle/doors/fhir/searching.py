"""Search of one type: parameters to a query, a page of rows to a Bundle with its links and what it includes.

A parameter that is not known is refused rather than ignored: without it the answer would be about more patients than
were asked for. Source: hl7.org/fhir/R4/search.html.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response

from lamelle.base.db import EPOCH
from lamelle.base.errors import Invalid, Unsupported
from lamelle.doors import guard
from lamelle.doors.fhir import answers, parameters, reading
from lamelle.doors.fhir.answers import FORM, Door
from lamelle.doors.fhir.making import Making, Resource
from lamelle.doors.fhir.names import TYPES, key
from lamelle.doors.fhir.parameters import INCLUDES, PARAMETERS
from lamelle.lab import lookup
from lamelle.lab.lookup import After, Found, Kind, Match, Query

PAGE: Final = 50
"""Resources of a page when nobody says how many."""
COUNTED: Final = 10_000
"""Results that are counted unless the exact number is asked for; past this many `total` is left out."""
LONGEST_FORM: Final = 64 << 10
SORTS: Final = MappingProxyType({"_lastUpdated": (True, False), "-_lastUpdated": (True, True)})
"""`_sort` to: sorted by change, newest first."""
_AFTER: Final = re.compile(r"([a-z]+)-([0-9]{1,18})(?:@([0-9]{1,18}))?")
_IGNORED: Final = frozenset({"_format", "_pretty", "_totalMethod"})
"""The last is Aidbox's, and sent by its client with every count."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one search asks for."""

    query: Query
    pairs: tuple[tuple[str, str], ...]
    """The parameters as they were understood, for links."""
    includes: tuple[tuple[str, str], ...] = ()
    """(type, parameter) of `_include`."""
    reverse: tuple[tuple[str, str], ...] = ()
    """The same of `_revinclude`."""
    count_only: bool = False
    exact: bool = False


class Search:
    """GET and POST of a type's search."""

    def __init__(self, door: Door, resource: str) -> None:
        self._door, self._type = door, resource

    async def get(self, request: Request) -> Response:
        return await self._search(request, request.query_params.multi_items())

    async def post(self, request: Request) -> Response:
        """With the parameters in a form, so that no address names a patient."""
        form = await answers.body(request, LONGEST_FORM, frozenset({FORM}))
        try:
            given = parse_qsl(form.decode(), keep_blank_values=True, max_num_fields=200)
        except ValueError as error:
            raise Invalid("bad_parameter", "the body is no form in UTF-8") from error
        pairs = [*request.query_params.multi_items(), *given]
        keys: Any = {name[:64]: value[:256] for name, value in pairs[:50]}
        guard.note(request, "search", detail={"route": f"POST {answers.PREFIX}/{self._type}/_search", "keys": keys})
        return await self._search(request, pairs)

    async def _search(self, request: Request, pairs: Sequence[tuple[str, str]]) -> Response:
        answers.negotiate(request)
        reading.permit(request, self._type, "s")
        wanted = self.wanted(request, pairs)
        return answers.answer(request, await anyio.to_thread.run_sync(self._bundle, request, wanted))

    def wanted(self, request: Request, pairs: Sequence[tuple[str, str]]) -> Wanted:
        """Raises: Invalid("unknown_parameter" | "bad_parameter" | "bad_date"), Unsupported("modifier")."""
        most, base = self._door.settings.max_results, self._door.base(request)
        asked = Wanted(Query(TYPES[self._type], limit=min(PAGE, most)), ())
        lenient = "handling=lenient" in request.headers.get("prefer", "").replace(" ", "")
        matches: list[Match] = []
        for name, value in pairs:
            if name in _IGNORED:
                continue
            if name in _CONTROLS:
                asked = _CONTROLS[name](asked, self._type, value, most)
            else:
                try:
                    matches.append(parameters.match(self._type, name, value, self._door.names, base))
                except (Invalid, Unsupported) as error:
                    if lenient and error.code in {"unknown_parameter", "modifier"}:
                        continue
                    raise
            asked = replace(asked, pairs=(*asked.pairs, (name, value)))
        return replace(asked, query=replace(asked.query, matches=tuple(matches)))

    def _bundle(self, request: Request, wanted: Wanted) -> Resource:
        reach, now, door = guard.reach(request), self._door.lab.clock.now(), self._door
        query = replace(wanted.query, limit=wanted.query.limit + 1)
        with door.lab.db.read() as conn:
            most = None if wanted.count_only or wanted.exact else COUNTED + 1
            total = lookup.count(conn, reach, query, now, most)
            bundle: Resource = {"resourceType": "Bundle", "type": "searchset"}
            if total <= COUNTED or most is None:
                bundle["total"] = total
            base = f"{door.base(request)}/{self._type}"
            bundle["link"] = [_link("self", base, wanted.pairs)]
            if wanted.count_only:
                return bundle
            found = lookup.listed(conn, reach, query, now)
            page = found[: wanted.query.limit]
            making = reading.making(door, request, conn)
            made = reading.MAKERS[self._type](making, page) if page else []
            more = [*self._included(request, making, wanted, made), *self._reverse(request, making, wanted, page)]
        if len(found) > len(page):
            pairs = [(name, value) for name, value in wanted.pairs if name != "_after"]
            bundle["link"].append(_link("next", base, [*pairs, ("_after", _cursor(page[-1], wanted.query))]))
        root, entries = door.base(request), [_entry(door.base(request), one, "match") for one in made]
        known = {entry["fullUrl"] for entry in entries}
        entries += [_entry(root, one, "include") for one in more if f"{root}/{_address(one)}" not in known]
        if entries:
            bundle["entry"] = entries
        return bundle

    def _included(
        self, request: Request, making: Making, wanted: Wanted, made: Sequence[Resource]
    ) -> Iterator[Resource]:
        """What the page's resources refer to, each once, of types the caller may read."""
        addresses: dict[str, dict[str, None]] = {}
        for _, name in wanted.includes:
            for one in made:
                for text in _references(one, INCLUDES[self._type][name]):
                    kind, _, ident = text.partition("/")
                    if kind in TYPES and kind != "ImagingStudy":
                        addresses.setdefault(kind, {})[ident] = None
        for kind, idents in addresses.items():
            keys = [found for ident in idents if (found := key(kind, ident))]
            if reading.permitted(request, kind, "r"):
                yield from self._made(request, making, kind, reading.by_keys(keys, len(keys)))

    def _reverse(self, request: Request, making: Making, wanted: Wanted, page: Sequence[Found]) -> Iterator[Resource]:
        """What refers to the page's rows."""
        for kind, name in wanted.reverse:
            if not page or not reading.permitted(request, kind, "s"):
                continue
            values = tuple(one.key for one in page)
            query = Query(TYPES[kind], (Match(PARAMETERS[kind][name].asks, values),), self._door.settings.max_results)
            yield from self._made(request, making, kind, query)

    def _made(self, request: Request, making: Making, kind: str, query: Query) -> list[Resource]:
        reach = guard.visit(request).extent(reading.action(kind))
        rows = lookup.listed(making.conn, reach, query, self._door.lab.clock.now()) if reach else []
        return reading.MAKERS[kind](making, rows) if rows else []


# -- parameters that are about the answer ------------------------------------------------------------------------------


def _count(asked: Wanted, resource: str, text: str, most: int) -> Wanted:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Invalid("bad_parameter", "_count is a number")
    limit = min(int(text), most)
    return replace(asked, query=replace(asked.query, limit=limit), count_only=asked.count_only or not limit)


def _after(asked: Wanted, resource: str, text: str, most: int) -> Wanted:
    found = _AFTER.fullmatch(text)
    if found is None or found[1] not in set(TYPES[resource]):
        raise Invalid("bad_parameter", "_after is what the link of the page before said")
    try:
        at = EPOCH + timedelta(microseconds=int(found[3])) if found[3] else None
    except OverflowError as error:
        raise Invalid("bad_parameter", "_after is what the link of the page before said") from error
    return replace(asked, query=replace(asked.query, after=After(Kind(found[1]), int(found[2]), at)))


def _sort(asked: Wanted, resource: str, text: str, most: int) -> Wanted:
    if text not in SORTS:
        raise Unsupported("sort", "results are sorted by _lastUpdated or -_lastUpdated")
    by_change, newest_first = SORTS[text]
    return replace(asked, query=replace(asked.query, by_change=by_change, newest_first=newest_first))


def _summary(asked: Wanted, resource: str, text: str, most: int) -> Wanted:
    if text not in {"count", "false"}:
        raise Unsupported("summary", "_summary is count or false")
    return replace(asked, count_only=text == "count")


def _total(asked: Wanted, resource: str, text: str, most: int) -> Wanted:
    if text not in {"none", "estimate", "accurate"}:
        raise Invalid("bad_parameter", "_total is none, estimate or accurate")
    return replace(asked, exact=text == "accurate")


def _include(asked: Wanted, resource: str, text: str, most: int) -> Wanted:
    source, _, name = text.partition(":")
    name = name.partition(":")[0]
    if source != resource or name not in INCLUDES[resource]:
        raise Invalid("bad_parameter", f"_include of {resource} is one of {', '.join(INCLUDES[resource])}")
    return replace(asked, includes=(*asked.includes, (source, name)))


def _revinclude(asked: Wanted, resource: str, text: str, most: int) -> Wanted:
    source, _, name = text.partition(":")
    found = PARAMETERS.get(source, {}).get(name)
    if found is None or resource not in found.targets:
        raise Invalid("bad_parameter", f"_revinclude names a type and its reference to {resource}")
    return replace(asked, reverse=(*asked.reverse, (source, name)))


_CONTROLS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "_count": _count,
        "_after": _after,
        "_sort": _sort,
        "_summary": _summary,
        "_total": _total,
        "_include": _include,
        "_revinclude": _revinclude,
    }
)


# -- the bundle -------------------------------------------------------------------------------------------------------


def _cursor(last: Found, query: Query) -> str:
    at = f"@{(last.row.changed - EPOCH) // timedelta(microseconds=1)}" if query.by_change else ""
    return f"{last.kind}-{last.row.id}{at}"


def _link(relation: str, base: str, pairs: Sequence[tuple[str, str]]) -> Resource:
    return {"relation": relation, "url": f"{base}?{urlencode(pairs)}" if pairs else base}


def _address(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource['id']}"


def _entry(base: str, resource: Resource, mode: str) -> Resource:
    return {"fullUrl": f"{base}/{_address(resource)}", "resource": resource, "search": {"mode": mode}}


def _references(resource: Resource, path: str) -> Iterator[str]:
    """The literal references at an element: a path of names, through lists."""
    nodes: list[Any] = [resource]
    for name in path.split("."):
        nodes = [node.get(name) for node in nodes if isinstance(node, dict)]
        nodes = [one for node in nodes for one in (node if isinstance(node, list) else [node])]
    for node in nodes:
        if isinstance(node, dict) and "reference" in node:
            yield node["reference"]
