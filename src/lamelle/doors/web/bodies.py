"""Bodies sent to the pages' API: a page sends a form, so they are small, whole and as they are.

Not here: images, which go through the DICOM doors and are never held in memory.
"""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lamelle.doors import guard, http

LIMIT: Final = 256 << 10
"""Bytes: FastAPI reads a body whole, also before anybody has signed in."""
ATTACHED: Final = 32 << 20
"""The same of a document attached to a case, and of a message repaired, which may hold one, by who has signed in."""

LARGE: Final = ("/attachments", "/repair")


class Small:
    """ASGI: refuses bodies that are larger or compressed, hands the others on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
            return
        said = {name.lower(): value for name, value in scope["headers"]}
        if said.get(b"content-encoding", b"identity").strip().lower() != b"identity":
            refused = http.problem(415, "unsupported_media_type", "a body is taken as it is, not compressed")
            await refused(scope, receive, send)
            return
        most = ATTACHED if scope["path"].endswith(LARGE) and _signed_in(scope) else LIMIT
        body, last = bytearray(), await receive()
        length = said.get(b"content-length", b"0")
        size = int(length) if length.isdigit() and len(length) < 20 else most + 1
        while last["type"] == "http.request" and max(size, len(body) + len(last.get("body", b""))) <= most:
            body += last.get("body", b"")
            if not last.get("more_body"):
                await self._app(scope, _again(bytes(body), receive), send)
                return
            last = await receive()
        if last["type"] == "http.request":
            refused = http.problem(413, "body_too_large", f"a body has {most} bytes at most")
            await refused(scope, receive, send)


def _signed_in(scope: Scope) -> bool:
    known = guard.visit(scope).known
    return known is not None and known.caller is not None


def _again(body: bytes, receive: Receive) -> Receive:
    """What was received, once, then what comes."""
    told = False

    async def replay() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
