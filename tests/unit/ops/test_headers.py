"""What a scanner of web servers looks for, on every answer of every route: headers there, nothing told, no odd method.

The pages' own policy is tested in doors/web/test_pages, and in a browser in acceptance/test_policy.
"""

import re
from collections.abc import Iterator

import pytest

from lamelle.access.settings import AccessSettings
from lamelle.archive.store import ArchiveSettings
from lamelle.base.ids import uid_from
from lamelle.doors import headers
from lamelle.doors.web.pages import STATIC
from lamelle.ops import config, wiring
from lamelle.testing import browser, pictures
from lamelle.testing.archives import stored
from lamelle.testing.browser import Client
from lamelle.testing.pictures import SlideShape

METHODS = ("TRACE", "TRACK", "DEBUG", "PROPFIND")
REQUIRED = {name.decode() for name, _ in headers.FALLBACK}
TELLING = {"server", "x-powered-by", "x-aspnet-version", "via"}
LASTING = re.compile(r"no-store|no-cache|private, .+")


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> config.Settings:
    folder = tmp_path_factory.mktemp("headers") / "data"
    open_to_all = AccessSettings(sign_in="none")
    return config.Settings(archive=ArchiveSettings(folder, reserve_bytes=0), access=open_to_all)


@pytest.fixture(scope="module")
def client(settings: config.Settings) -> Iterator[Client]:
    archive = wiring.opened(settings)
    stored(archive, pictures.slide("one", "he", SlideShape(300, 200)))
    archive.close()
    app = wiring.application(settings).asgi
    yield browser.client(app)
    browser.close(app)


@pytest.fixture(scope="module")
def addresses(settings: config.Settings) -> list[str]:
    """Every path of every route: once naming a slide that is there, once nonsense; and what is no route at all."""
    archive = wiring.opened(settings)
    routes = wiring.all_routes(archive, wiring.access_of(archive, settings), settings)
    templates = [path for path in wiring.paths(routes) if path]
    archive.close()
    names = {
        "study": uid_from("study", "one"),
        "series": uid_from("series", "one", "he"),
        "study_uid": uid_from("study", "one"),
        "series_uid": uid_from("series", "one", "he"),
    }
    there = [re.sub(r"{(\w+)(:\w+)?}", lambda found: names.get(found[1], "1"), path) for path in templates]
    nowhere = [re.sub(r"{\w+(:\w+)?}", "%27;--", path) for path in templates]
    tile = f"/api/slides/{names['series']}/levels/0/tiles/0/0"
    files = [f"/{path.relative_to(STATIC).as_posix()}" for path in STATIC.rglob("*") if path.is_file()]
    assert len(templates) > 40
    found = {*there, *nowhere, *files, tile, "/", "/no/such/page", "/assets/none.js", "/api/none", "/dicomweb/none"}
    return sorted(found - {"/api/live"})  # an answer without an end: integration/serve/test_live.py


def test_every_answer_has_every_header(client: Client, addresses: list[str]) -> None:
    for address in addresses:
        for method in ("GET", "HEAD", "DELETE"):
            answer = client(address, method, accept="*/*")
            said = set(answer.headers)
            assert said >= REQUIRED, (method, address, REQUIRED - said)
            assert not said & TELLING, (method, address)
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "unsafe" not in answer.headers["content-security-policy"]
            assert "strict-transport-security" not in said, "not over plain HTTP"
            assert LASTING.fullmatch(answer.headers["cache-control"]) or address.startswith("/assets/"), address
            assert "Traceback" not in answer.content.decode("latin-1") and str(
                STATIC.parent
            ) not in answer.content.decode("latin-1")


def test_only_pages_may_load_anything(client: Client) -> None:
    assert client("/api/session").headers["content-security-policy"] == headers.CLOSED.decode()
    page = client("/")
    assert page.status_code == 503 or "script-src 'self' 'nonce-" in page.headers["content-security-policy"]


def test_over_tls_a_browser_is_told_to_stay_there(settings: config.Settings) -> None:
    app = wiring.application(settings).asgi
    told = browser.client(app, "https")("/health").headers
    assert told["strict-transport-security"] == headers.LASTING_TLS[1].decode()
    browser.close(app)


def test_odd_methods_do_nothing_and_reflect_nothing(client: Client, addresses: list[str]) -> None:
    for address in addresses:
        for method in METHODS:
            answer = client(address, method, x_secret="reflected")
            assert answer.status_code in {400, 401, 403, 404, 405, 501}, (method, address, answer.status_code)
            assert "reflected" not in answer.content.decode("latin-1")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:1@testserver", '"><script>', "a" * 300])
def test_a_forged_host_is_never_in_a_page_nor_followed(client: Client, host: str) -> None:
    for address in ("/", "/no/such/page", "/api/session", "/api/session/", "/api/none"):
        answer = client(address, host=host)
        assert host not in answer.content.decode("latin-1")
        assert "location" not in answer.headers


@pytest.mark.parametrize(
    "address",
    ["/../pyproject.toml", "/..%2f..%2fpages.py", "/assets/..%5c..%5cpages.py", "/assets/%2e%2e/%2e%2e/pages.py",
     "/assets//etc/passwd", "/%00", "/assets/%00.js", "/assets/", "/.stamp", "/chunks.json%00.js"],
)  # fmt: skip
def test_files_beside_the_viewers_are_not_given(client: Client, address: str) -> None:
    text = client(address).content.decode("latin-1")
    assert "requires-python" not in text and "def pages" not in text and "root:" not in text
    assert "Index of" not in text
