"""Opens a slide's page in Chromium and tells when its first view was whole: the end of the last tile it asked for."""

import json
import shutil
import urllib.request
from typing import Any

QUIET_MS = 500  # without a new tile, the view is whole
TILES = (
    """() => performance.getEntriesByType('resource').filter(e => e.name.includes('/tiles/')).map(e => e.responseEnd)"""
)


def slide_page(origin: str) -> str:
    """The address of the first slide's page."""
    study = _json(f"{origin}/api/studies?limit=1")["items"][0]
    series = _json(f"{origin}/api/studies/{study['uid']}")["series"][0]
    return f"{origin}/slides/{series['uid']}"


def _json(url: str) -> Any:
    with urllib.request.urlopen(url) as answer:
        return json.load(answer)


def first_views(origin: str) -> tuple[float, float]:
    """Milliseconds from asking for the page to its last tile: with an empty cache, and again with a full one."""
    from playwright.sync_api import sync_playwright

    page_url = slide_page(origin)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        try:
            page = browser.new_context(viewport={"width": 1600, "height": 1000}).new_page()
            return _view(page, page_url), _view(page, page_url)
        finally:
            browser.close()


def _view(page: Any, url: str) -> float:
    page.goto(url)
    last, seen = -1.0, 0.0
    for _ in range(60):
        page.wait_for_timeout(QUIET_MS)
        last, seen = seen, max(page.evaluate(TILES), default=0.0)
        if seen and seen == last:
            return seen
    raise RuntimeError("the slide's page asked for no tile, or never stopped asking")
