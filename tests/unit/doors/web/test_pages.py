"""The viewer's files: headers, precompression, and the one page for every other address."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from lamelle.access.model import Reach
from lamelle.doors.web.pages import pages
from lamelle.testing.browser import client as client_of
from lamelle.testing.guarded import open_to_all


@pytest.fixture
def client(tmp_path: Path) -> Any:
    static = tmp_path / "static"
    (static / "assets").mkdir(parents=True)
    page = '<meta property="csp-nonce" nonce="__CSP_NONCE__"><script nonce="__CSP_NONCE__"></script>'
    (static / "index.html").write_text(page)
    (static / "assets" / "main-1a2b.js").write_text("plain")
    (static / "assets" / "main-1a2b.js.br").write_bytes(b"brotli")
    (static / "icon.svg").write_text("<svg/>")
    (tmp_path / "secret.json").write_text("{}")
    return client_of(open_to_all(pages(static=static)))


@pytest.mark.parametrize("address", ["/", "/studies/1.2.3", "/slides/1.2.3?x=1", "/index.html"])
def test_any_address_answers_the_page(client: Any, address: str) -> None:
    answer = client(address)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert "__CSP_NONCE__" not in answer.text


def test_every_page_has_its_own_nonce_and_allows_nothing_inline(client: Any) -> None:
    nonces = set()
    for _ in range(2):
        answer = client("/")
        policy = answer.headers["content-security-policy"]
        found = re.search(r"script-src 'self' 'nonce-([^']+)'", policy)
        assert found and f'nonce="{found[1]}"' in answer.text
        assert "unsafe" not in policy
        nonces.add(found[1])
    assert len(nonces) == 2


def test_named_files_last_for_ever_and_come_compressed(client: Any) -> None:
    answer = client("/assets/main-1a2b.js", accept_encoding="gzip")
    assert answer.text == "plain"
    assert "immutable" in answer.headers["cache-control"]
    assert "content-encoding" not in answer.headers
    packed = client("/assets/main-1a2b.js", accept_encoding="gzip, br")
    assert (packed.headers["content-encoding"], packed.content) == ("br", b"brotli")


def test_other_files_are_asked_for_again(client: Any) -> None:
    answer = client("/icon.svg")
    assert answer.headers["content-type"] == "image/svg+xml"
    assert answer.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("address", ["/assets/gone.js", "/../secret.json", "/%2e%2e/secret.json", "/..%2fsecret.json"])
def test_nothing_outside_and_nothing_missing(client: Any, address: str) -> None:
    answer = client(address)
    assert answer.status_code == 404 or "secret" not in answer.text
    assert answer.text != "{}"


def test_the_page_of_a_slide_finds_it_in_itself(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("<head></head>")
    (tmp_path / "chunks.json").write_text('{"src/scene/scene.ts": {"file": "assets/scene-1.js", "imports": ["_a.js"]}}')
    asked: list[str] = []

    def bring(reach: Reach, uid: str) -> str:
        asked.append(uid)
        return '{"container": "</script><b>"}' if uid == "1.2.3" else ""

    client = client_of(open_to_all(pages(bring, tmp_path)))
    text = client("/slides/1.2.3").text
    assert '<link rel="preload" as="script" crossorigin href="/assets/scene-1.js"' in text
    found = re.search(r'<script type="application/json" id="first">(.*?)</script>', text)
    assert found and json.loads(found[1]) == {"container": "</script><b>"}
    for other in ("/slides/1.2.4", "/slides/none", "/studies/1.2.3"):
        assert 'id="first"' not in client(other).text
    assert asked == ["1.2.3", "1.2.4"]


def test_pages_are_only_read(client: Any) -> None:
    assert client("/", "POST").status_code == 405


def test_a_viewer_that_is_not_built_says_so(tmp_path: Path) -> None:
    assert client_of(open_to_all(pages(static=tmp_path)))("/").status_code == 503
