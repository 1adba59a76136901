"""C-STORE of slides and CTs over one and four associations, beside DCMTK's storescp and Orthanc.

One sender (`cstore`) for every side, a process an association, its bytes in memory before the clock starts.
"""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from bench import material, servers
from bench.lines import Line, watched
from bench.plan import Facts, Plan, Start, costs, repeated, sides
from bench.servers import Server

Sides = dict[str, tuple[float, Facts]]
CLIENTS = (1, 4)


def cstore(plan: Plan) -> None:
    """One slide in each association; then CTs of one study, shared out over the associations."""
    paths = [material.slide(plan.work, plan.big, number + 1).path for number in range(max(CLIENTS))]
    size_mb = paths[0].stat().st_size / 1e6
    for clients in CLIENTS:
        found = {name: _slides(plan, start, clients) for name, start in _sides(plan, f"cstore{clients}")}
        _say(plan, f"C-STORE of a slide of {size_mb:.0f} MB, {clients} associations", "MB/s", found)
    for clients in CLIENTS:
        found = {name: _cts(plan, start, clients) for name, start in _sides(plan, f"cstore-ct{clients}")}
        _say(plan, f"C-STORE of {plan.received} CTs of 0.5 MB, {clients} associations", "instances/s", found)


def _sides(plan: Plan, label: str) -> Iterator[tuple[str, Start]]:
    yield from sides(plan, label)
    yield "DCMTK storescp", partial(servers.storescp, plan.work / f"run/storescp-{label}")


def _slides(plan: Plan, start: Start, clients: int) -> tuple[float, Facts]:
    """MB a second; the server starts empty for each run, as the same slides are sent again."""

    def once(_: int) -> tuple[float, Facts]:
        with start() as server:
            jobs = [("slide", plan.big, number + 1) for number in range(clients)]
            seconds, good, facts = send(plan.work, server, jobs)
            size = sum(material.slide(plan.work, plan.big, job[2]).path.stat().st_size for job in jobs)
            return size / 1e6 / seconds, {"bad": clients - good, **facts}

    return repeated(plan.runs, once, extra=0)


def _cts(plan: Plan, start: Start, clients: int) -> tuple[float, Facts]:
    """Instances a second, another study each time."""
    with start() as server:

        def once(number: int) -> tuple[float, Facts]:
            share = plan.received // clients
            jobs = [("ct", 600000 + number, share * k, share) for k in range(clients)]
            seconds, good, facts = send(plan.work, server, jobs)
            return share * clients / seconds, {"bad": share * clients - good, **facts}

        once(900)  # warm-up
        return repeated(plan.runs, once, extra=0)


def send(work: Path, server: Server, jobs: Sequence[tuple[str | int, ...]]) -> tuple[float, int, Facts]:
    """Seconds from the first byte to the last answer, how many were taken, and what it cost."""
    aet, port = server.dicom
    command = [sys.executable, "-m", "bench.cstore", str(work), str(port), aet]
    senders = [
        subprocess.Popen([*command, *map(str, job)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for job in jobs
    ]
    for sender in senders:
        assert sender.stdout is not None
        assert sender.stdout.readline() == "ready\n"
    with watched(server.pid) as spent:
        for sender in senders:
            sender.stdin.write("go\n")  # type: ignore[union-attr]
            sender.stdin.flush()  # type: ignore[union-attr]
        good = sum(int(sender.stdout.readline() or 0) for sender in senders)  # type: ignore[union-attr]
        for sender in senders:
            sender.wait()
    return spent.seconds, good, {**costs(spent), "cpu_s": round(spent.cpu_s, 2)}


def _say(plan: Plan, what: str, unit: str, found: Sides) -> None:
    values = {name: figure for name, (figure, facts) in found.items() if not facts.get("bad")}
    plan.book.add(Line(what, unit, "more", values, {name: facts for name, (_, facts) in found.items()}))
    time.sleep(1)  # what was removed is given back to the disk
