"""The viewer's built files: precompressed, cached for ever when their name holds a digest.

Any address that is no file answers the one page, which reads the address itself; the page of a slide finds in itself
what it would ask for first.
"""

import json
import secrets
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import anyio.to_thread
from starlette.datastructures import Headers
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from lamelle.access.model import Action, Reach
from lamelle.dicom.uids import is_uid
from lamelle.doors import guard, http
from lamelle.doors.guard.rules import VIEW

STATIC: Final = Path(__file__).parent / "static"
LONGEST_NAME: Final = 255
CHUNKS: Final = "chunks.json"
NONCE: Final = "__CSP_NONCE__"
MEDIA_TYPES: Final[Mapping[str, str]] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
}
ENCODINGS: Final = (("br", ".br"), ("gzip", ".gz"))
NOT_BUILT: Final = "The viewer is not built. Run `pip install .`, or `npm ci && npm run build` in viewer/."


Bring = Callable[[Reach, str], str]
"""The JSON of a slide that its page is to find in itself; empty when there is none."""


def nothing(reach: Reach, uid: str) -> str:
    return ""


def policy(nonce: str) -> str:
    """The Content-Security-Policy: nothing from elsewhere, nothing inline without this answer's nonce."""
    return (
        f"default-src 'none'; script-src 'self' 'nonce-{nonce}'; style-src 'self' 'nonce-{nonce}'; "
        "img-src 'self' blob: data:; connect-src 'self'; font-src 'self'; worker-src 'none'; "
        "manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


def pages(bring: Bring = nothing, static: Path = STATIC) -> ASGIApp:
    """The application to mount at /, after every other; `bring` finds what a slide's page brings along."""
    root = static.resolve()

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        uid = slide_of(scope)
        if uid and guard.visit(scope).caller is None:
            await _to_sign_in(scope)(scope, receive, send)
            return
        brought = await anyio.to_thread.run_sync(bring, guard.visit(scope).extent(Action.VIEW), uid) if uid else ""
        if brought:
            await guard.visit(scope).seen("", uid, VIEW)
        await _response(root, scope, brought)(scope, receive, send)

    return answer


def _to_sign_in(scope: Scope) -> Response:
    """To the page that asks who it is, and leads back."""
    return RedirectResponse(f"/sign-in?{urlencode({'to': scope['path']})}", 303, headers={"cache-control": "no-store"})


def slide_of(scope: Scope) -> str:
    """The series a slide's page is asked for; empty for anything else."""
    kind, _, uid = str(scope["path"]).lstrip("/").partition("/")
    return uid if kind == "slides" and scope["method"] == "GET" and is_uid(uid) else ""


def _response(root: Path, scope: Scope, brought: str) -> Response:
    if scope["method"] not in {"GET", "HEAD"}:
        return http.problem(405, "method_not_allowed", "pages can only be read")
    name = str(scope["path"]).lstrip("/")
    if "\0" in name or any(len(part.encode()) > LONGEST_NAME for part in name.split("/")):
        return _missing()  # no file system can hold such a name: asking it would be an error
    path = (root / name).resolve()
    if name and path.is_relative_to(root) and path.suffix in MEDIA_TYPES and path.name != "index.html":
        return _file(path, name, Headers(scope=scope)) if path.is_file() else _missing()
    return _page(root, brought)


def _missing() -> Response:
    return http.problem(404, "no_such_page", "there is nothing at this address")


def _page(root: Path, brought: str) -> Response:
    index = root / "index.html"
    if not index.is_file():
        return Response(NOT_BUILT, 503, media_type="text/plain")
    nonce = secrets.token_urlsafe(16)
    headers = {"content-security-policy": policy(nonce), "cache-control": "no-store"}
    text = index.read_text()
    if brought:
        text = text.replace("</head>", f"{_early(root)}{_data(brought)}</head>", 1)
    return Response(text.replace(NONCE, nonce), headers=headers, media_type="text/html")


def _data(brought: str) -> str:
    """JSON the page finds in itself; it is data, which no policy has to let run, and cannot end its element."""
    harmless = brought.replace("<", "\\u003c")
    return f'<script type="application/json" id="first">{harmless}</script>'


def _early(root: Path) -> str:
    """Links to the code a slide goes on with, so that it is here when the first view is drawn; not run before."""
    files = chunks(root / CHUNKS, "src/scene/scene.ts")
    return "".join(f'<link rel="preload" as="script" crossorigin href="/{file}" nonce="{NONCE}">' for file in files)


@lru_cache(8)
def chunks(manifest: Path, entry: str) -> tuple[str, ...]:
    """The built files one source file needs, itself first; none if the viewer was built without a list of them."""
    if not manifest.is_file():
        return ()
    built = json.loads(manifest.read_text())
    found: dict[str, None] = {}

    def take(key: str) -> None:
        chunk = built.get(key)
        if chunk and chunk["file"] not in found:
            found[chunk["file"]] = None
            found.update(dict.fromkeys(chunk.get("css", ())))
            for below in chunk.get("imports", ()):
                take(below)

    take(entry)
    return tuple(found)


def _file(path: Path, name: str, request: Headers) -> Response:
    """Files under assets/ carry a digest in their name, so they never change."""
    accepted = {piece.partition(";")[0].strip() for piece in request.get("accept-encoding", "").split(",")}
    packed = [(coding, path.with_name(path.name + end)) for coding, end in ENCODINGS if coding in accepted]
    coding, found = next(((c, p) for c, p in packed if p.is_file()), ("", path))
    for_ever = name.startswith("assets/")
    headers = {
        "cache-control": "public, max-age=31536000, immutable" if for_ever else "no-cache",
        "vary": "accept-encoding",
    }
    if coding:
        headers["content-encoding"] = coding
    return FileResponse(found, headers=headers, media_type=MEDIA_TYPES[path.suffix])
