"""Requests are named by route, logged without data, answered when they crash."""

import asyncio
from pathlib import Path
from typing import Any

import prometheus_client
import pytest
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.lab import messages
from lamelle.lab.messages import Arrived
from lamelle.lab.room import Lab, LabSettings
from lamelle.ops import metrics
from lamelle.ops.metrics import Now, Observed
from lamelle.testing.archives import SetClock, catalogue

WORDS = ("dicomweb", "studies", "series", "frames", "health")


async def nothing(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError


def ask(app: Any, path: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> list[Message]:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"12345", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": path, "headers": headers, "query_string": b""}
    asyncio.run(app(scope, receive, send))
    return sent


@pytest.mark.parametrize(
    ("path", "route", "public"),
    [
        ("/health", "/health", "/health"),
        ("/dicomweb/studies/1.2.840.1/series", "/dicomweb/studies/*/series", "/dicomweb/studies/1.2.840.1/series"),
        ("/dicomweb/studies/DUPONT", "/dicomweb/studies/*", "/dicomweb/studies/*"),
        ("/dicomweb/studies/19800512/frames/1,2", "/dicomweb/studies/*/frames/*", "/dicomweb/studies/*/frames/1,2"),
        ("/1.2", "/*", "/*"),
        ("", "", ""),
    ],
)
def test_a_path_is_named_without_what_it_says_of_anyone(path: str, route: str, public: str) -> None:
    app = Observed(nothing, WORDS)
    assert (app.route(path), app.public_path(path)) == (route, public)


def test_a_search_for_holes_does_not_make_labels_without_end() -> None:
    app = Observed(nothing, [f"w{number}" for number in range(1000)])
    routes = {app.route(f"/w{number}") for number in range(1000)}
    assert len(routes) == metrics.MOST_ROUTES + 1
    assert "other" in routes


def test_a_request_is_counted_with_its_bytes() -> None:
    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 201, "headers": []})
        await send({"type": "http.response.body", "body": b"123"})

    app = Observed(echo, ["counted"], "none")
    sent = ask(app, "/counted/1")
    app.flush()
    value = prometheus_client.REGISTRY.get_sample_value
    labels = {"route": "/counted/*"}
    assert value("lamelle_requests_total", {**labels, "method": "GET", "status": "201"}) == 1
    assert value("lamelle_sent_bytes_total", labels) == 3
    assert value("lamelle_received_bytes_total", labels) == 5
    assert value("lamelle_request_seconds_count", labels) == 1
    assert dict(sent[0]["headers"])[b"x-request-id"]


def test_a_crash_is_answered_and_its_message_is_not_logged() -> None:
    async def crash(scope: Scope, receive: Receive, send: Send) -> None:
        raise ValueError("DUPONT^JEAN")

    with capture_logs() as lines:
        sent = ask(Observed(crash, ["crashing"]), "/crashing", ((b"x-request-id", b"r-1"),))
    assert sent[0]["status"] == 500
    assert (b"x-request-id", b"r-1") in sent[0]["headers"]
    assert b"internal_error" in sent[1]["body"]
    assert [line["event"] for line in lines] == ["http.crashed", "http.answered"]
    assert lines[0]["error"] == "ValueError" and "DUPONT" not in str(lines)


@pytest.mark.parametrize(
    ("choice", "route", "status", "worth"),
    [
        ("some", "/dicomweb/studies/*/frames/*", 200, False),
        ("some", "/dicomweb/studies/*/frames/*", 404, True),
        ("some", "/dicomweb/studies", 200, True),
        ("all", "/dicomweb/studies/*/frames/*", 200, True),
        ("errors", "/dicomweb/studies", 200, False),
        ("errors", "/dicomweb/studies", 500, True),
        ("none", "/dicomweb/studies", 500, False),
    ],
)
def test_which_requests_are_worth_a_line(choice: str, route: str, status: int, worth: bool) -> None:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    with capture_logs() as lines:
        ask(Observed(answer, WORDS, choice), route.replace("*", "1.2.3"))
    assert bool(lines) is worth


def test_peers_that_are_silent_and_what_waits_for_them_are_told(tmp_path: Path) -> None:
    clock = SetClock()
    archive = Archive.open(ArchiveSettings(tmp_path, catalogue(tmp_path), reserve_bytes=0), clock)
    lab = Lab(archive.db, clock, LabSettings())
    kept = messages.keep(lab, Arrived("LIS", 1, b"MSH", "1", "ORU^R01"))
    messages.settle(lab, kept.id, "error", answer=None)
    messages.keep(lab, Arrived("OLD", 1, b"MSH", "1", "ORU^R01"))
    now = Now(archive, {"LIS": 60.0, "GAM": 60.0, "QUIET": 0.0})

    def told(name: str) -> dict[str, float]:
        (family,) = (one for one in now.collect() if one.name == name)
        return {" ".join(sample.labels.values()): sample.value for sample in family.samples}

    assert told("lamelle_hl7_peer_silent") == {"LIS": 0, "GAM": 1}
    clock.move(61)
    assert told("lamelle_hl7_peer_silent") == {"LIS": 1, "GAM": 1}
    waiting = told("lamelle_hl7_messages")
    assert waiting.pop("LIS error") == waiting.pop("OLD waiting") == 1
    assert set(waiting.values()) == {0}
    assert {name.split()[0] for name in waiting} == {"LIS", "GAM", "OLD", "QUIET"}
    archive.close()
