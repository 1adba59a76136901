"""Bodies of the pages' API: small ones arrive whole, others are refused before anybody holds them."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest
from fastapi import FastAPI
from pydantic import BaseModel

from lamelle.doors.web.bodies import LIMIT, Small

Headers = list[tuple[bytes, bytes]]


class Form(BaseModel):
    login: str = ""
    more: Any = None


def asked(headers: Headers, *pieces: bytes) -> tuple[int, bytes, int]:
    """(status, body, messages taken) of a POST whose body comes in pieces."""
    app = FastAPI()
    app.add_middleware(Small)

    @app.post("/form")
    def form(form: Form) -> int:
        return len(form.login)

    sent: list[MutableMapping[str, Any]] = []
    taken = 0

    async def receive() -> MutableMapping[str, Any]:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": pieces[taken - 1], "more_body": taken < len(pieces)}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    kind = (b"content-type", b"application/json")
    scope = {"type": "http", "method": "POST", "path": "/form", "raw_path": b"/form", "root_path": "", "scheme": "http"}
    scope |= {"query_string": b"", "headers": [(b"host", b"x"), kind, *headers], "http_version": "1.1"}
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent), taken


def test_a_small_body_arrives_whole_however_it_is_cut() -> None:
    assert asked([], b'{"lo', b'gin": "m', b'oi"}')[:2] == (200, b"3")
    assert asked([(b"content-length", b"18")], b'{"login": "abcde"}')[:2] == (200, b"5")


def test_a_large_one_is_refused_as_soon_as_it_shows() -> None:
    status, body, taken = asked([(b"content-length", b"%d" % (LIMIT + 1))], b"x", b"x", b"x")
    assert (status, taken) == (413, 1) and b"body_too_large" in body
    status, _, taken = asked([], *[b"x" * (LIMIT // 4)] * 100)
    assert (status, taken) == (413, 5)
    assert asked([(b"content-length", b"9" * 40)], b"x")[0] == 413


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"br", b"gzip, gzip"])
def test_a_compressed_one_is_never_unfolded(coding: bytes) -> None:
    assert asked([(b"content-encoding", coding)], b"x")[0] == 415


@pytest.mark.parametrize("body", [b"[" * 200_000, b'{"more":' * 30_000, b"\xff", b"", b'{"login": 1}'])
def test_nonsense_is_the_askers_fault(body: bytes) -> None:
    assert asked([], body)[0] in {400, 422}
