"""From opening a slide's page to its whole first view, in Chromium without a graphics card."""

import subprocess
import sys

from bench import browser, scanned, servers
from bench.lines import Line, watched
from bench.plan import Facts, Plan, costs, repeated


def view(plan: Plan) -> None:
    """With an empty browser cache, and again with a full one; a new browser each run."""
    folder = plan.work / f"run/view{plan.scan_mb}"
    prepare(plan)
    with servers.ours(folder, fresh=False) as server:
        origin = "/".join(server.root.split("/")[:3])
        warm: list[float] = []

        def once(_: int) -> tuple[float, Facts]:
            with watched(server.pid) as spent:
                cold, again = browser.first_views(origin)
            warm.append(again)
            return cold, costs(spent)

        once(0)
        warm.clear()
        cold, facts = repeated(plan.runs, once)
    plan.book.add(Line("first full view of a slide, cold", "ms", "less", {"ours": cold}, {"ours": facts}))
    middle = sorted(warm)[len(warm) // 2]
    plan.book.add(Line("first full view of a slide, warm", "ms", "less", {"ours": middle}, {"ours": facts}))


def prepare(plan: Plan) -> None:
    """The slide in an archive of its own."""
    folder = plan.work / f"run/view{plan.scan_mb}"
    if (folder / "complete").exists():
        return
    slide = scanned.svs_of(plan.work, plan.scan_mb)
    command = [sys.executable, "-m", "lamelle", "import", "--data", str(folder / "data"), str(slide)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (folder / "complete").touch()
