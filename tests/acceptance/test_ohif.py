"""OHIF, a viewer no one here wrote, reads our studies over DICOMweb. `make test` fetches it with npm into .cache."""

import json
import mimetypes
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from .conftest import Served

OHIF = Path(__file__).parents[2] / ".cache/ohif/package/dist"


@pytest.fixture
def ohif(browser: Browser, served: Served) -> Page:
    """A page of our own origin whose files are OHIF's and whose data are ours."""
    if not (OHIF / "index.html").is_file():
        pytest.skip("no OHIF viewer in .cache/ohif: `npm pack @ohif/app` could not be run")
    source = {
        "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
        "sourceName": "lamelle",
        "configuration": {
            "friendlyName": "Lamelle",
            "qidoRoot": f"{served.url}/dicomweb",
            "wadoRoot": f"{served.url}/dicomweb",
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
        path = route.request.url.removeprefix(served.url).partition("?")[0].lstrip("/")
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
    page.route(f"{served.url}/**", answer)
    return page


def test_ohif_lists_our_studies(ohif: Page, served: Served) -> None:
    ohif.goto(f"{served.url}/")
    expect(ohif.get_by_text("Martin, Zoé").first).to_be_visible(timeout=60_000)


def test_ohif_shows_our_ct(ohif: Page, served: Served) -> None:
    with ohif.expect_response(lambda answer: "/frames/" in answer.url, timeout=60_000) as frame:
        ohif.goto(f"{served.url}/viewer?StudyInstanceUIDs={served.chest}")
    assert frame.value.status == 200
    expect(ohif.locator("canvas").first).to_be_visible(timeout=60_000)
