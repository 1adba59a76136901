"""OHIF, a viewer no one here wrote, reads our studies over DICOMweb. `make test` fetches it with npm into .cache."""

import io
import json
import mimetypes
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from lamelle.testing import tiffs
from lamelle.testing.node import Node

from .conftest import Served

SHOTS = 300
"""A screenshot takes a tenth of a second or more; so long the slide has to come."""
OHIF = Path(__file__).parents[2] / ".cache/ohif/package/dist"


@pytest.fixture
def ohif(browser: Browser, served: Served) -> Page:
    return page_of(browser, served.url)


@pytest.fixture
def converted(tmp_path: Path) -> Iterator[Node]:
    """A node with one slide of a scanner's own format in it."""
    source = tmp_path / "slide.svs"
    tiffs.svs(source, 1800, 1400)
    command = [sys.executable, "-m", "lamelle", "import", "--data", str(tmp_path / "data"), str(source)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with Node(tmp_path / "data", workers=1) as node:
        yield node


def page_of(browser: Browser, url: str) -> Page:
    """A page of our own origin whose files are OHIF's and whose data are ours."""
    if not (OHIF / "index.html").is_file():
        pytest.skip("no OHIF viewer in .cache/ohif: `npm pack @ohif/app` could not be run")
    source = {
        "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
        "sourceName": "lamelle",
        "configuration": {
            "friendlyName": "Lamelle",
            "qidoRoot": f"{url}/dicomweb",
            "wadoRoot": f"{url}/dicomweb",
            "qidoSupportsIncludeField": True,
            "imageRendering": "wadors",
            "thumbnailRendering": "wadors",
            "enableStudyLazyLoad": True,
            "supportsFuzzyMatching": True,
            "supportsWildcard": True,
            "omitQuotationForMultipartRequest": True,
            "bulkDataURI": {"enabled": True},
        },
    }
    settings = {
        "routerBasename": "/",
        "extensions": [],
        "modes": [],
        "showStudyList": True,
        "maxNumberOfWebWorkers": 1,
        "defaultDataSourceName": "lamelle",
        "dataSources": [source],
    }

    def answer(route: Route) -> None:
        path = route.request.url.removeprefix(url).partition("?")[0].lstrip("/")
        if path.startswith("dicomweb"):
            route.continue_()
        elif path == "app-config.js":
            route.fulfill(body=f"window.config = {json.dumps(settings)};", content_type="text/javascript")
        else:
            file = OHIF / path
            file = file if path and file.is_file() else OHIF / "index.html"
            route.fulfill(path=file, content_type=mimetypes.guess_type(file)[0] or "application/octet-stream")

    page = browser.new_context(viewport={"width": 1280, "height": 800}).new_page()
    page.set_default_timeout(60_000)
    page.route(f"{url}/**", answer)
    return page


def test_ohif_lists_our_studies(ohif: Page, served: Served) -> None:
    ohif.goto(f"{served.url}/")
    expect(ohif.get_by_text("Martin, Zoé").first).to_be_visible(timeout=60_000)


def test_ohif_shows_our_ct(ohif: Page, served: Served) -> None:
    with ohif.expect_response(lambda answer: "/frames/" in answer.url, timeout=60_000) as frame:
        ohif.goto(f"{served.url}/viewer?StudyInstanceUIDs={served.chest}")
    assert frame.value.status == 200
    expect(ohif.locator("canvas").first).to_be_visible(timeout=60_000)


def test_ohif_shows_a_converted_slide(browser: Browser, converted: Node) -> None:
    """Its microscopy page draws our tiles: the middle of the screen is the middle of the slide."""
    origin = converted.url.replace("localhost", "127.0.0.1")
    page = page_of(browser, origin)
    with urllib.request.urlopen(f"{origin}/api/studies", timeout=20) as answer:
        study = json.load(answer)["items"][0]["uid"]
    page.goto(f"{origin}/microscopy?StudyInstanceUIDs={study}", wait_until="commit")
    canvas = page.locator(".ol-viewport").first
    expect(canvas).to_be_visible(timeout=180_000)
    box = canvas.bounding_box()
    assert box
    middle: Any = {
        "x": box["x"] + box["width"] / 2 - 60,
        "y": box["y"] + box["height"] / 2 - 60,
        "width": 120,
        "height": 120,
    }
    wanted = tiffs.tissue(1800, 1400)[500:900, 700:1100].reshape(-1, 3)
    assert any(alike(page.screenshot(clip=middle), wanted) for _ in range(SHOTS)), "the slide never came"


def alike(shot: bytes, wanted: Any) -> bool:
    """The colours of the tissue and how much they vary; where exactly the view lies is OHIF's affair."""
    seen = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB")).reshape(-1, 3)
    return bool(np.abs(seen.mean(axis=0) - wanted.mean(axis=0)).max() < 15 and seen.std(axis=0)[:2].min() > 6)
