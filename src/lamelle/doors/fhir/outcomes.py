"""Every error of the door as an OperationOutcome, whoever raised it: the guard before it speaks of problems.

Source: hl7.org/fhir/R4/operationoutcome.html.
"""

import json
from types import MappingProxyType
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

PROBLEM: Final = b"application/problem+json"
ISSUES: Final = MappingProxyType(
    {
        400: "invalid",
        401: "login",
        403: "forbidden",
        404: "not-found",
        405: "not-supported",
        406: "not-supported",
        409: "conflict",
        410: "deleted",
        412: "multiple-matches",
        413: "too-long",
        415: "not-supported",
        429: "throttled",
        500: "exception",
        501: "not-supported",
        503: "transient",
        507: "no-store",
    }
)
"""Status to the code of the issue. Source: value set issue-type."""
CODES: Final = MappingProxyType({"no_match": "not-found"})
"""Our codes that FHIR can say better than by their status."""
OWN: Final = "urn:x-lamelle:error"


def outcome(status: int, code: str, detail: str) -> dict[str, Any]:
    """The resource; our own code is its coding."""
    issue = {
        "severity": "fatal" if status >= 500 else "error",
        "code": CODES.get(code, ISSUES.get(status, "processing")),
        "details": {"coding": [{"system": OWN, "code": code}], "text": detail},
        "diagnostics": detail,
    }
    return {"resourceType": "OperationOutcome", "issue": [issue]}


class Outcomes:
    """ASGI: problems (RFC 9457) leave as OperationOutcome; all else as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        held: list[Message] = []

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                kinds = [value for name, value in message["headers"] if name.lower() == b"content-type"]
                if kinds and kinds[0].startswith(PROBLEM):
                    held.append(message)
                    return
            elif held:
                held.append(message)
                if not message.get("more_body"):
                    for one in _rewritten(held):
                        await send(one)
                return
            await send(message)

        await self._app(scope, receive, told)


def _rewritten(held: list[Message]) -> list[Message]:
    start, said = held[0], json.loads(b"".join(message.get("body", b"") for message in held[1:]))
    content = json.dumps(outcome(start["status"], said["code"], said["detail"]), ensure_ascii=False).encode()
    kept = [
        (name, value) for name, value in start["headers"] if name.lower() not in {b"content-type", b"content-length"}
    ]
    lines = [*kept, (b"content-type", b"application/fhir+json"), (b"content-length", str(len(content)).encode())]
    return [{**start, "headers": lines}, {"type": "http.response.body", "body": content}]
