"""How soon a slide is whole on the screen, beside the least Chromium needs for the same tiles in a bare page.

`python -m bench.first_view http://127.0.0.1:8042 [SERIES]` against a running node; each round measures, in turn, our
page cold (empty cache), our page warm, and the limit: a page of nothing but the same tiles as <img>, cold.
"""

import os
import shutil
import statistics
import sys
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from bench.browser import slide_page

ROUNDS = 7
WINDOW: Any = {"width": 1920, "height": 1080}
MARKS = ("lamelle-first-view", "lamelle-scene", "lamelle-tools")
"""All tiles of the first view are on the screen; it can be moved; its tools are there."""
MARKED = "name => performance.getEntriesByName(name).length > 0"
OURS = "names => names.map(name => performance.getEntriesByName(name)[0].startTime)"
TILES = "() => performance.getEntriesByType('resource').map(e => e.name).filter(name => name.includes('/tiles/'))"
BARE = "<!doctype html><title>limit</title>"
LIMIT = """async tiles => {
  const from = performance.now();
  await Promise.all(tiles.map(async tile => {
    const image = new Image();
    image.src = tile;
    document.body.append(image);
    await image.decode();
  }));
  await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
  return performance.now() - from + performance.getEntriesByType('navigation')[0].responseEnd;
}"""


Times = tuple[float, ...]


def one_round(browser: Browser, url: str) -> tuple[Times, Times, float, int]:
    """Milliseconds of MARKS cold and warm, of the limit; the number of tiles."""
    context = browser.new_context(viewport=WINDOW)
    page = context.new_page()
    times: list[Times] = []
    tiles: list[str] = []
    for _ in ("cold", "warm"):
        page.goto(url)
        for name in MARKS:
            page.wait_for_function(MARKED, arg=name)
        times.append(tuple(map(float, page.evaluate(OURS, MARKS))))
        tiles = tiles or list(dict.fromkeys(page.evaluate(TILES)))
    context.close()
    context = browser.new_context(viewport=WINDOW)
    page = context.new_page()
    bare = url.rpartition("/slides/")[0] + "/limit"
    page.route(bare, lambda route: route.fulfill(body=BARE, content_type="text/html"))
    page.goto(bare)
    limit = float(page.evaluate(LIMIT, tiles))
    context.close()
    return times[0], times[1], limit, len(tiles)


def main() -> None:
    origin = sys.argv[1].rstrip("/")
    url = f"{origin}/slides/{sys.argv[2]}" if len(sys.argv) > 2 else slide_page(origin)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ.get("CHROMIUM") or shutil.which("chromium"))
        rounds = [one_round(browser, url) for _ in range(ROUNDS)]
        browser.close()
    load = os.getloadavg()[0]
    print(f"{WINDOW['width']} x {WINDOW['height']}, {rounds[0][3]} tiles, {ROUNDS} rounds, load {load:.1f}")
    for index, name in enumerate(("cold", "warm")):
        for mark, said in enumerate(MARKS):
            tell(f"{name}, {said}", [each[index][mark] for each in rounds])
    tell("limit: the tiles alone, cold", [each[2] for each in rounds])


def tell(name: str, found: list[float]) -> None:
    print(f"{name:30} median {statistics.median(found):5.0f} ms   {min(found):.0f} to {max(found):.0f} ms")


if __name__ == "__main__":
    main()
