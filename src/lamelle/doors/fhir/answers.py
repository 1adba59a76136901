"""What every resource of the door shares: what it is given, media types, JSON in and out.

Only application/fhir+json is spoken. Source: hl7.org/fhir/R4/http.html.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import format_datetime
from typing import Any, Final, cast

from starlette.requests import Request
from starlette.responses import Response

from lamelle.archive.store import Archive
from lamelle.base.errors import Invalid, TooLarge, Unsupported
from lamelle.doors import http
from lamelle.doors.fhir.making import Resource
from lamelle.doors.fhir.names import Names
from lamelle.doors.fhir.settings import FhirSettings
from lamelle.lab.room import Lab

PREFIX: Final = "/fhir"
JSON: Final = "application/fhir+json"
TAKEN: Final = frozenset({JSON, "application/json", "text/json"})
FORMATS: Final = frozenset({"json", JSON, "application/json", "text/json"})
FORM: Final = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Door:
    """What every resource is given."""

    archive: Archive
    lab: Lab
    settings: FhirSettings
    names: Names
    dicomweb: str
    """Path of the DICOMweb service."""

    def root(self, request: Request) -> str:
        """Address of the node, without a slash at its end."""
        return self.settings.public_url.rstrip("/") or f"{request.url.scheme}://{request.url.netloc}"

    def base(self, request: Request) -> str:
        """Address of the service, without a slash at its end."""
        return self.root(request) + PREFIX


def negotiate(request: Request) -> None:
    """Raises: NotAcceptable for who takes no JSON, XML above all."""
    wanted = request.query_params.get("_format", "").split(";")[0].strip().replace(" ", "+")
    if wanted:
        if wanted.lower() not in FORMATS:
            raise http.NotAcceptable("FHIR is answered as JSON; XML is not supported", (JSON,))
        return
    ranges = http.accept(request.headers.get("accept", "*/*"))
    if not any(media.type in {*TAKEN, "*/*", "application/*"} for media in ranges):
        raise http.NotAcceptable("FHIR is answered as JSON; XML is not supported", (JSON,))


def answer(
    request: Request, resource: Resource, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A resource with its version."""
    meta, told = resource.get("meta", {}), dict(headers or {})
    if "versionId" in meta:
        told.setdefault("etag", f'W/"{meta["versionId"]}"')
    pretty = request.query_params.get("_pretty", "") == "true"
    text = json.dumps(resource, ensure_ascii=False, indent=2 if pretty else None)
    return Response(text, status, {"cache-control": "private, no-cache", **told}, media_type=JSON)


async def body(request: Request, limit: int, media: frozenset[str] = TAKEN) -> bytes:
    """The whole body. Raises: Unsupported("unsupported_media_type"), TooLarge("body_too_large")."""
    said = http.content_type(request.headers.get("content-type", ""))
    if said is None or said.type not in media or said.parameter("charset") not in {None, "utf-8", "UTF-8"}:
        raise Unsupported("unsupported_media_type", f"a body is {' or '.join(sorted(media))}, in UTF-8")
    if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
        raise Unsupported("unsupported_media_type", "a body is taken as it is, not compressed")
    whole = bytearray()
    async for chunk in request.stream():
        whole += chunk
        if len(whole) > limit:
            raise TooLarge("body_too_large", f"a body has {limit} bytes at most")
    return bytes(whole)


def parsed(data: bytes) -> Resource:
    """The JSON object of a body. Raises: Invalid("bad_json")."""
    try:
        found = json.loads(data, parse_constant=_refuse)
        json.dumps(found, ensure_ascii=False).encode()  # half of a surrogate pair is no character
    except (ValueError, RecursionError) as error:
        raise Invalid("bad_json", "the body is no JSON in UTF-8") from error
    if not isinstance(found, dict):
        raise Invalid("bad_json", "the body is no JSON object")
    if "\\u0000" in json.dumps(found):
        raise Invalid("bad_json", "a text holds U+0000")
    return cast(Resource, pruned(found))


def pruned(node: Any) -> Any:
    """The same without nulls and what is empty without them: neither says anything."""
    if isinstance(node, dict):
        kept = {name: pruned(value) for name, value in node.items()}
        return {name: value for name, value in kept.items() if value not in (None, {}, [])}
    return [one for value in node if (one := pruned(value)) is not None] if isinstance(node, list) else node


def _refuse(word: str) -> Any:
    raise ValueError(word)


def modified(resource: Resource, changed: Any) -> Mapping[str, str]:
    """Header lines of one resource that is read."""
    return {"last-modified": format_datetime(changed, usegmt=True)}
