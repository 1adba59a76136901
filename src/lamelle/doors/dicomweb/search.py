"""QIDO-RS: six resources, one query language (`archive.query`).

Source: PS3.18 8.3.4, 10.6.
"""

import json
from bisect import insort
from collections.abc import Mapping
from typing import Final, Literal

from pydicom.datadict import tag_for_keyword
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lamelle.archive import query
from lamelle.archive.query import Level, Match, Query
from lamelle.archive.results import RETRIEVE_URL, Item
from lamelle.base.errors import Invalid
from lamelle.doors import guard
from lamelle.doors.dicomweb import negotiate
from lamelle.doors.dicomweb.answers import Door, address, compressible, objects, uid

_FLAGS: Final = ("fuzzymatching", "emptyvaluematching", "multiplevaluematching")
_NOT_KEYS: Final = frozenset({*_FLAGS, "includefield", "limit", "offset", "accept", "charset"})
_HEX: Final = frozenset("0123456789abcdefABCDEF")
KEYS_LIMIT: Final = 200


class Search:
    """The search resources."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def routes(self) -> list[Route]:
        return [
            Route("/studies", self.studies, methods=["GET"]),
            Route("/series", self.series, methods=["GET"]),
            Route("/instances", self.instances, methods=["GET"]),
            Route("/studies/{study}/series", self.series, methods=["GET"]),
            Route("/studies/{study}/instances", self.instances, methods=["GET"]),
            Route("/studies/{study}/series/{series}/instances", self.instances, methods=["GET"]),
        ]

    async def studies(self, request: Request) -> Response:
        return await self._search(request, Level.STUDY)

    async def series(self, request: Request) -> Response:
        return await self._search(request, Level.SERIES)

    async def instances(self, request: Request) -> Response:
        return await self._search(request, Level.INSTANCE)

    async def _search(self, request: Request, level: Level) -> Response:
        settings = self._door.settings
        asked = parsed(request.query_params.multi_items(), level, request.path_params, settings.max_results)
        choice = negotiate.choose(self._door.ranges(request), negotiate.JSON_OR_XML, one=True)
        archive = self._door.archive
        reach, limit = guard.reach(request), archive.settings.scan_limit
        page = await run_in_threadpool(query.search, archive.db, reach, asked, scan_limit=limit)
        base = self._door.base(request)
        headers = {"cache-control": "private, no-cache"}
        if page.remaining > 0:
            text = f"There are {page.remaining} additional results that can be requested"
            headers["warning"] = f"299 {base}: {text}"
        if not page.found:
            return Response(status_code=204, headers=headers)
        texts = [linked(item, base) for item in page.found]
        if choice.offer.media_type == negotiate.JSON:
            return compressible(request, [f"[{','.join(texts)}]".encode()], negotiate.JSON, headers=headers)
        return objects(request, choice, map(json.loads, texts), headers=headers)


def parsed(pairs: list[tuple[str, str]], level: Level, path: Mapping[str, str], max_results: int) -> Query:
    """The query of a search resource.

    Raises: Invalid("duplicate_key", "unknown_key", "bad_limit", "bad_flag", "bad_uid", "too_many_keys").
    """
    keys: dict[tuple[str, ...], str] = {}
    include: set[str] = set()
    everything = False
    single: dict[str, str] = {}
    if len(pairs) > KEYS_LIMIT:
        raise Invalid("too_many_keys", f"a search has {KEYS_LIMIT} parameters at most")
    for name, value in pairs:
        if name == "includefield":
            for field in value.split(","):
                if field.strip() == "all":
                    everything = True
                elif tags := attribute_path(field.strip()):
                    include.add(".".join(tags))
        elif name in _NOT_KEYS:
            if name in single:
                raise Invalid("duplicate_key", f"{name} stands more than once")
            single[name] = value
        else:
            tags = attribute_path(name)
            if tags is None:
                raise Invalid("unknown_key", "a key is neither a DICOM keyword nor a tag")
            if tags in keys:
                raise Invalid("duplicate_key", f"the key {'.'.join(tags)} stands more than once")
            keys[tags] = value
    wanted = _count(single, "limit", max_results)
    fields: frozenset[str] | Literal["all"] = "all" if everything else frozenset(include)
    return Query(
        level=level,
        matches=tuple(Match(tags, value) for tags, value in keys.items()),
        study_uid=uid(path["study"]) if "study" in path else None,
        series_uid=uid(path["series"]) if "series" in path else None,
        include=fields,
        limit=min(wanted, max_results),
        offset=_count(single, "offset", 0),
        fuzzy=_flag(single, "fuzzymatching"),
        empty_values=_flag(single, "emptyvaluematching"),
        multiple_values=_flag(single, "multiplevaluematching"),
    )


def attribute_path(name: str) -> tuple[str, ...] | None:
    """Tags of a key such as `PatientID`, `00100020` or `00400275.00401001`; None when one is unknown."""
    tags = []
    for piece in name.split("."):
        if len(piece) == 8 and _HEX.issuperset(piece):
            tags.append(piece.upper())
            continue
        tag = tag_for_keyword(piece)
        if tag is None:
            return None
        tags.append(f"{tag:08X}")
    return tuple(tags)


def _count(single: Mapping[str, str], name: str, default: int) -> int:
    text = single.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Invalid("bad_limit", f"{name} is no non-negative integer")
    return int(text)


def _flag(single: Mapping[str, str], name: str) -> bool:
    text = single.get(name, "false").lower()
    if text not in {"true", "false"}:
        raise Invalid("bad_flag", f"{name} is true or false")
    return text == "true"


def linked(item: Item, base: str) -> str:
    """The JSON object of a result with its Retrieve URL, and with absolute bulk URIs."""
    url = address(base, *item.uids)
    insort(item.elements, f'"{RETRIEVE_URL}":{{"vr":"UR","Value":[{json.dumps(url)}]}}')
    return item.json.replace(_BULK, f"{_BULK[:-1]}{url}/bulkdata/")


_BULK: Final = '"BulkDataURI":"@'  # never inside a value, whose quotes have backslashes
