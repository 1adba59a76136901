"""Every route is in the table and behind it; who has not signed in gets nothing of a patient."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute

from lamelle.access.model import Action
from lamelle.access.room import Access
from lamelle.access.settings import AccessSettings
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.audit.model import EVENTS
from lamelle.base.ids import uid_from
from lamelle.doors.guard import UnknownRoute, checking
from lamelle.doors.guard.rules import VIEW
from lamelle.doors.web import tiles
from lamelle.ops import config, wiring
from lamelle.ops.routes import table
from lamelle.testing import browser, pictures
from lamelle.testing.archives import stored
from lamelle.testing.browser import Client
from lamelle.testing.pictures import SlideShape

TABLE = table(config.DEFAULTS.dicomweb.prefix)
KNOWN = {
    "study": uid_from("study", "one"),
    "study_uid": uid_from("study", "one"),
    "series": uid_from("series", "one", "he"),
    "series_uid": uid_from("series", "one", "he"),
    "instance": uid_from("instance", "one", "he", "1"),
    "image": "label",
    "level": "0",
    "column": "0",
    "row": "0",
    "frames": "1",
    "path": "7FE00010",
}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> config.Settings:
    folder = tmp_path_factory.mktemp("routes") / "data"
    found = config.Settings(archive=ArchiveSettings(folder, reserve_bytes=0), access=AccessSettings(sign_in="required"))
    archive = wiring.opened(found)
    stored(archive, pictures.slide("one", "he", SlideShape(300, 200), PatientName="Zwirnmann^Quill"))
    archive.close()
    return found


@pytest.fixture(scope="module")
def archive(settings: config.Settings) -> Iterator[Archive]:
    opened = wiring.opened(settings)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def client(settings: config.Settings) -> Iterator[Client]:
    app = wiring.application(settings).asgi
    yield browser.client(app)
    browser.close(app)


async def answer(request: Request) -> Response:
    return Response("there")


def test_every_route_has_a_line_and_every_line_a_route(archive: Archive, settings: config.Settings) -> None:
    access = Access.open(archive.db, archive.clock, settings.access)
    found = checking.rules_of(wiring.all_routes(archive, access, settings), TABLE)
    lines = {line for _, rules in found for line, _ in rules.values()}
    assert lines == set(TABLE)


def test_every_event_is_one_of_the_ledgers() -> None:
    assert {rule.event for rule in TABLE.values()} - {""} <= set(EVENTS)


def test_the_fast_paths_obey_the_lines_of_their_routes() -> None:
    frames = next(line for line in TABLE if line.endswith("/frames/{frames}"))
    assert TABLE[frames] == VIEW == TABLE[f"GET /api{tiles.TEMPLATE}"]
    assert VIEW.action is Action.VIEW


@pytest.mark.parametrize(
    "route",
    [
        Route("/new", answer),
        Route("/health", answer, methods=["GET", "POST"]),
        Mount("/dicomweb", routes=[Route("/studies/{study}/new", answer)]),
        Mount("/more", app=Starlette()),
        WebSocketRoute("/socket", answer),
    ],
)
def test_a_route_without_a_line_does_not_start(route: BaseRoute) -> None:
    with pytest.raises(UnknownRoute):
        list(checking.rules_of([route], TABLE))


def test_who_has_not_signed_in_gets_nothing_of_a_patient(client: Client) -> None:
    for line, rule in TABLE.items():
        method, _, template = line.partition(" ")
        address = re.sub(r"{(\w+)(:\w+)?}", lambda found: KNOWN.get(found[1], "1"), template).replace("/*", "/")
        for headers in ({}, {"authorization": "Bearer lml_guessed"}, {"cookie": "lamelle=guessed"}):
            given = client(address, method, accept="*/*", sec_fetch_site="same-origin", **headers)
            if not rule.open:
                assert given.status_code == 401, (line, given.status_code)
                assert given.headers["www-authenticate"].startswith("Bearer")
            assert not any(word in given.content for word in (b"Zwirnmann", KNOWN["instance"].encode())), line


def test_a_slides_page_leads_who_has_not_signed_in_to_the_sign_in(client: Client) -> None:
    given = client(f"/slides/{KNOWN['series']}")
    assert (given.status_code, given.content) == (303, b"")
    assert given.headers["location"] == f"/sign-in?to=%2Fslides%2F{KNOWN['series']}"


def test_another_sites_page_cannot_sign_anybody_in(client: Client) -> None:
    given = client("/api/session", "POST", b"{}", content_type="application/json", origin="http://evil.example")
    assert (given.status_code, given.json()["code"]) == (403, "foreign_page")


def test_metrics_are_for_the_machines_that_settings_name(settings: config.Settings, tmp_path: Path) -> None:
    serve = config.ServeSettings(metrics_from=("192.0.2.0/24",), proxies=("198.51.100.1",))
    app = wiring.application(config.Settings(archive=ArchiveSettings(tmp_path, reserve_bytes=0), serve=serve)).asgi
    ask = browser.client(app, address="192.0.2.7")
    assert ask("/metrics").status_code == 200
    assert ask("/dicomweb/studies").status_code == 401
    elsewhere = browser.client(app, address="203.0.113.7")
    assert elsewhere("/metrics", x_forwarded_for="192.0.2.7").status_code == 401
    behind = browser.client(app, address="198.51.100.1")
    assert behind("/metrics", x_forwarded_for="192.0.2.7").status_code == 200
    browser.close(app)
