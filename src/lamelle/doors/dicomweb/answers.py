"""What the resources of the door share: the door itself, UIDs of a path, addresses, JSON or XML bodies.

Source: PS3.18 8.5, 8.6.
"""

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from lamelle.archive.store import Archive
from lamelle.base.errors import Invalid
from lamelle.doors.dicomweb import multipart, negotiate, xml
from lamelle.doors.dicomweb.negotiate import Choice
from lamelle.doors.dicomweb.settings import DicomwebSettings

# An instance never changes under its name, but it can be deleted: caches may keep it for their one user.
IMMUTABLE: Final = "private, max-age=31536000, immutable"
REVALIDATE: Final = "private, no-cache"
_UID_CHARACTERS: Final = frozenset("0123456789.")


@dataclass(frozen=True, slots=True)
class Door:
    """What every resource is given."""

    archive: Archive
    settings: DicomwebSettings

    def base(self, request: Request) -> str:
        """Address of the service, without a slash at its end."""
        root = self.settings.public_url.rstrip("/") or f"{request.url.scheme}://{_host(request)}"
        return root + self.settings.prefix

    def ranges(self, request: Request) -> tuple[Any, ...]:
        """What the request accepts."""
        return negotiate.ranges(request, strict=self.settings.strict_accept)


def _host(request: Request) -> str:
    """Host and port the client meant: dicomweb-client names our own address in Host and leaves its port out."""
    host, server = request.url.netloc, request.scope.get("server")
    if server and server[1] not in {None, 80, 443} and host in {server[0], f"[{server[0]}]"}:
        return f"{host}:{server[1]}"
    return host


def uid(text: str) -> str:
    """Raises: Invalid("bad_uid"). Source: PS3.18 8.3.2."""
    if not 1 <= len(text) <= 64 or not _UID_CHARACTERS.issuperset(text):
        raise Invalid("bad_uid", "a UID in the path has 1 to 64 digits and dots")
    return text


def uids(request: Request) -> tuple[str, str | None, str | None]:
    """Study, series and instance of the path."""
    path = request.path_params
    series, instance = path.get("series"), path.get("instance")
    return uid(path["study"]), uid(series) if series else None, uid(instance) if instance else None


def address(base: str, study: str, series: str | None = None, instance: str | None = None) -> str:
    """Retrieve URL of a study, series or instance."""
    url = f"{base}/studies/{study}"
    if series:
        url += f"/series/{series}"
    return f"{url}/instances/{instance}" if instance else url


def objects(
    request: Request,
    choice: Choice,
    items: Iterable[Mapping[str, Any]],
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    bare: bool = False,
) -> Response:
    """DICOM JSON objects as a JSON array (`bare`: the one object itself), or as XML documents.

    Archives answer STOW-RS with an object, and clients read that; everything else is an array.
    """
    if choice.offer.media_type == negotiate.JSON:
        listed = list(items)
        text = json.dumps(listed[0] if bare else listed, ensure_ascii=False, separators=(",", ":")).encode()
        return compressible(request, [text], negotiate.JSON, status=status, headers=headers)
    documents = (xml.document(item) for item in items)
    if not choice.multipart:
        return Response(b"".join(documents), status, dict(headers or {}), media_type=negotiate.XML)
    return xml_parts(documents, status=status, headers=headers)


def xml_parts(
    documents: Iterable[bytes], *, status: int = 200, headers: Mapping[str, str] | None = None
) -> StreamingResponse:
    """XML documents, a part each."""
    kind = [("Content-Type", negotiate.XML)]
    return parts(negotiate.XML, ((kind, [document]) for document in documents), status=status, headers=headers)


def parts(
    media_type: str,
    items: Iterable[tuple[Iterable[tuple[str, str]], Iterable[bytes]]],
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> StreamingResponse:
    """A multipart body, streamed."""
    boundary = multipart.new_boundary()
    kind = f'multipart/related; type="{media_type}"; boundary={boundary}'
    body = multipart.written(boundary, items)
    return StreamingResponse(body, status, {**(headers or {}), "content-type": kind, "vary": "accept"})


def compressible(
    request: Request,
    chunks: Iterable[bytes],
    media_type: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A text body, gzipped when the client takes that; streamed unless it is one chunk."""
    out = {**(headers or {}), "content-type": media_type, "vary": "accept, accept-encoding"}
    small = isinstance(chunks, list) and len(chunks) == 1 and len(chunks[0]) < 1 << 16
    if "gzip" in request.headers.get("accept-encoding", "") and not (small and len(chunks[0]) < 1024):  # type: ignore[index]
        out["content-encoding"] = "gzip"
        chunks = gzipped(chunks)
    if small:
        return Response(b"".join(chunks), status, out)
    return StreamingResponse(chunks, status, out)


def gzipped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Fast rather than small: metadata shrinks tenfold at the first level already."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    for chunk in chunks:
        packed = packer.compress(chunk)
        if packed:
            yield packed
    yield packer.flush()
