"""A browser's half of a conversation, without a network."""

import asyncio
import json
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from starlette.types import ASGIApp


@dataclass(frozen=True)
class Answer:
    status_code: int
    headers: dict[str, str]
    content: bytes

    @property
    def text(self) -> str:
        return self.content.decode()

    def json(self) -> Any:
        return json.loads(self.content)


Client = Callable[..., Answer]


def client(app: ASGIApp, scheme: str = "http", address: str = "test") -> Client:
    """Ask an application, from this address; what it sends is as on the wire."""

    def ask(target: str, method: str = "GET", body: bytes = b"", **headers: str) -> Answer:
        path, _, query = target.partition("?")
        given = {"host": "test", **headers}
        pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in given.items()]
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": scheme,
            "path": unquote(path),
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": pairs,
            "server": ("test", 80),
            "client": (address, 1),
        }
        sent: list[MutableMapping[str, Any]] = []

        received: list[None] = []

        async def receive() -> MutableMapping[str, Any]:
            if received:
                await asyncio.Event().wait()
            received.append(None)
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]
        start = next(m for m in sent if m["type"] == "http.response.start")
        answered = b"".join(m.get("body", b"") for m in sent if m["type"] == "http.response.body")
        return Answer(start["status"], {k.decode(): v.decode() for k, v in start["headers"]}, answered)

    return ask


def close(app: ASGIApp) -> None:
    """Start and stop an application, so that it gives back what it opened."""
    said = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> MutableMapping[str, Any]:
        return {"type": next(said)}

    async def send(message: MutableMapping[str, Any]) -> None:
        assert message["type"].endswith(".complete")

    asyncio.run(app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send))  # type: ignore[arg-type]
