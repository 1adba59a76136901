"""From opening a slide's page to its whole first view, in Chromium without a graphics card (`first_view`)."""

import os
import shutil
import statistics
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from bench import first_view, scanned, servers
from bench.browser import slide_page
from bench.lines import Line, cpu_s, tree, watched
from bench.plan import Plan, costs


def view(plan: Plan) -> None:
    """With an empty browser cache, again with a full one, and a bare page of the same tiles as the limit."""
    folder = prepare(plan)
    with servers.ours(folder, fresh=False) as server, sync_playwright() as playwright:
        url = slide_page("/".join(server.root.split("/")[:3]))
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        try:
            first_view.one_round(browser, url)
            before = cpu_s(tree(os.getpid()))
            with watched(server.pid) as spent:
                rounds = [first_view.one_round(browser, url) for _ in range(plan.runs)]
            browser_s = cpu_s(tree(os.getpid())) - before - spent.cpu_s  # Chromium descends from us, not yet ended
        finally:
            browser.close()
    least = statistics.median(one[2] for one in rounds)
    spent.foreign = max(0.0, spent.foreign - browser_s / (spent.seconds * (os.cpu_count() or 1)))
    facts = {"ours": {**costs(spent), "tiles": rounds[0][3], "runs": len(rounds)}}
    names = ("first full view of a slide", "slide can be moved", "tools of the slide are there")
    for index, state in enumerate(("cold", "warm")):
        for mark, name in enumerate(names):
            sides = {"ours": statistics.median(one[index][mark] for one in rounds)}
            if state == "cold" and mark == 0:
                sides["limit: bare page of the tiles"] = least
            plan.book.add(Line(f"{name}, {state}", "ms", "less", sides, facts))


def prepare(plan: Plan) -> Path:
    """The folder of an archive with the slide in it."""
    folder = plan.work / f"run/view{plan.scan_mb}"
    if not (folder / "complete").exists():
        slide = scanned.svs_of(plan.work, plan.scan_mb)
        command = [sys.executable, "-m", "lamelle", "import", "--data", str(folder / "data"), str(slide)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        (folder / "complete").touch()
    return folder
