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


def client(app: ASGIApp) -> Client:
    """Ask an application; what it sends is as on the wire."""

    def ask(address: str, method: str = "GET", **headers: str) -> Answer:
        path, _, query = address.partition("?")
        pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(b"host", b"test"), *pairs],
            "server": ("test", 80),
            "client": ("test", 1),
        }
        sent: list[MutableMapping[str, Any]] = []

        received: list[None] = []

        async def receive() -> MutableMapping[str, Any]:
            if received:
                await asyncio.Event().wait()
            received.append(None)
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]
        start = next(m for m in sent if m["type"] == "http.response.start")
        body = b"".join(m.get("body", b"") for m in sent if m["type"] == "http.response.body")
        return Answer(start["status"], {k.decode(): v.decode() for k, v in start["headers"]}, body)

    return ask
