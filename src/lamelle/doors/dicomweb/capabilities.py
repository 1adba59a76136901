"""What the service can do, as WADL or JSON, told from its own routes.

Source: PS3.18 8.9, Annex H.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final
from xml.sax.saxutils import quoteattr

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from lamelle.doors.dicomweb import negotiate
from lamelle.doors.dicomweb.answers import Door
from lamelle.doors.dicomweb.negotiate import DICOM, JSON, OCTETS, RENDERED, XML, Offer

WADL: Final = "application/vnd.sun.wadl+xml"
_XML_PARTS: Final = f'multipart/related; type="{XML}"'
_OBJECTS: Final = (JSON, _XML_PARTS)
# By the last fixed segment of a path, and the method.
_ANSWERS: Final[dict[tuple[str, str], Sequence[str]]] = {
    ("metadata", "GET"): _OBJECTS,
    ("rendered", "GET"): RENDERED,
    ("thumbnail", "GET"): ("image/jpeg",),
    ("frames", "GET"): (f'multipart/related; type="{OCTETS}"', 'multipart/related; type="image/*"', OCTETS),
    ("bulkdata", "GET"): (f'multipart/related; type="{OCTETS}"', OCTETS),
    ("pixeldata", "GET"): (f'multipart/related; type="{OCTETS}"', OCTETS),
}
_STORED: Final = (f'multipart/related; type="{DICOM}"', f'multipart/related; type="{JSON}"', _XML_PARTS, DICOM)
_RETRIEVED: Final = (f'multipart/related; type="{DICOM}"', DICOM)


class Capabilities:
    """The description of a list of routes."""

    def __init__(self, door: Door, routes: Sequence[Route]) -> None:
        self._door = door
        self._described = list(routes)

    def routes(self) -> list[Route]:
        return [Route("/", self.describe, methods=["OPTIONS"])]

    async def describe(self, request: Request) -> Response:
        offers = (Offer(WADL, multipart=False), Offer(JSON, multipart=False))
        choice = negotiate.choose(self._door.ranges(request), offers, one=True)
        base = self._door.base(request)
        if choice.offer.media_type == WADL:
            return Response(wadl(base, self._described), media_type=WADL)
        return Response(_json(base, self._described), media_type="application/json")


def tree(routes: Iterable[Route]) -> dict[str, Any]:
    """Path segments as nested objects; methods under "@"."""
    root: dict[str, Any] = {}
    for route in routes:
        node = root
        for segment in route.path.strip("/").split("/"):
            node = node.setdefault(segment.replace(":path", ""), {})
        node.setdefault("@", {})
        for method in sorted((route.methods or set()) - {"HEAD"}):
            node["@"][method] = route.path
    return root


def media_types(path: str, method: str) -> tuple[Sequence[str], Sequence[str]]:
    """(request, response) media types of a resource."""
    if method == "POST":
        return _STORED, _OBJECTS
    if method == "DELETE":
        return (), ()
    segments = path.strip("/").split("/")
    last = next((segment for segment in reversed(segments) if not segment.startswith("{")), "")
    if (last, method) in _ANSWERS:
        return (), _ANSWERS[last, method]
    return (), _RETRIEVED if segments[-1].startswith("{") else _OBJECTS


def wadl(base: str, routes: Iterable[Route]) -> str:
    """One `application`, one `resources`, the tree of Table H.1-1."""
    inner = "".join(_resources(tree(routes)))
    head = '<?xml version="1.0" encoding="UTF-8"?><application xmlns="http://wadl.dev.java.net/2009/02">'
    return f"{head}<resources base={quoteattr(base)}>{inner}</resources></application>"


def _resources(node: dict[str, Any]) -> Iterable[str]:
    for segment, child in node.items():
        if segment == "@":
            continue
        name = segment.strip("{}")
        parameter = f'<param name="{name}" style="template"/>' if segment.startswith("{") else ""
        methods = "".join(_method(method, path) for method, path in child.get("@", {}).items())
        yield f"<resource path={quoteattr(segment)}>{parameter}{methods}{''.join(_resources(child))}</resource>"


def _method(method: str, path: str) -> str:
    taken, given = media_types(path, method)
    request = "".join(f"<representation mediaType={quoteattr(kind)}/>" for kind in taken)
    response = "".join(f"<representation mediaType={quoteattr(kind)}/>" for kind in given)
    identity = f"{method.lower()}-{path.strip('/').replace('/', '-').replace('{', '').replace('}', '')}"
    asked = f"<request>{request}</request>" if request else ""
    return f'<method name="{method}" id="{identity.replace(":", "-")}">{asked}<response>{response}</response></method>'


def _json(base: str, routes: Iterable[Route]) -> str:
    import json

    resources = [
        {
            "path": route.path.replace(":path", ""),
            "method": method,
            "request": list(media_types(route.path, method)[0]),
            "response": list(media_types(route.path, method)[1]),
        }
        for route in routes
        for method in sorted((route.methods or set()) - {"HEAD"})
    ]
    return json.dumps({"application": {"resources": {"base": base, "resource": resources}}})
