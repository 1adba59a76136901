"""How much is measured, on which sides, and how a figure is taken from several short runs.

Not here: what is measured (`tiles`, `storing`, `searching`, `converting`, `looking`).
"""

import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from bench import servers
from bench.lines import Book, Spent
from bench.servers import Server

Facts = dict[str, Any]
LOUD = 0.25  # a run during which others took more of the machine is repeated, or its line is marked
PATIENCE_S = 45.0  # no further run is begun after this long


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured. Sizes: tiles a side of a slide, studies searched, CT instances stored."""

    work: Path
    book: Book
    runs: int = 5
    side: int = 122
    seconds: float = 8.0
    slow_s: float = 15.0  # for a side that answers fewer than FEW in `seconds`
    clients: tuple[int, ...] = (1, 8, 32)
    ct: int = 500
    studies: tuple[int, ...] = (1_000, 20_000)
    own_studies: tuple[int, ...] = (1_000_000,)  # where only ours goes: a peer would take days
    searches: int = 100
    frames: int = 25_600
    scan_mb: int = 400
    older: bool = True  # Orthanc 1.10 too
    big: int = 150  # tiles a side of a slide sent by C-STORE: 540 MB
    received: int = 2_000  # CT instances sent by C-STORE


def quick(work: Path, book: Book) -> Plan:
    """About ten minutes on a quiet machine with everything prepared."""
    return Plan(work, book, runs=3, seconds=2.0, slow_s=5.0, ct=300, searches=60, older=False)


def smoke(work: Path, book: Book) -> Plan:
    """To see that everything starts; the figures mean nothing."""
    return Plan(work, book, 1, 12, 1.0, 1.0, (1, 8), 20, (200,), (400,), 5, 400, 20, False, 12, 20)


Start = Callable[[], AbstractContextManager[Server]]


def sides(plan: Plan, label: str, fresh: bool = True) -> Iterator[tuple[str, Start]]:
    """Ours and the peers that are installed, each on its own folder for `label`."""
    yield "ours", partial(servers.ours, plan.work / f"run/ours-{label}", fresh=fresh)
    if servers.orthanc_command(plan.work, True):
        yield "Orthanc 1.12", partial(servers.orthanc, plan.work, plan.work / f"run/orthanc112-{label}", True, fresh)
    if plan.older and servers.orthanc_command(plan.work, False):
        yield "Orthanc 1.10", partial(servers.orthanc, plan.work, plan.work / f"run/orthanc110-{label}", False, fresh)


def kept(plan: Plan, label: str, fill: Callable[[Server], None]) -> Iterator[tuple[str, Start]]:
    """As `sides`, each filled once by `fill` and its folder kept from run to run."""
    for name, start in sides(plan, label, fresh=False):
        folder = plan.work / "run" / f"{name.lower().replace(' ', '').replace('.', '')}-{label}"
        if not (folder / "complete").exists():
            shutil.rmtree(folder, ignore_errors=True)
            with start() as server:
                fill(server)
            (folder / "complete").touch()
        yield name, start


def costs(spent: Spent) -> Facts:
    """Side conditions every line tells."""
    return {"memory_mb": round(spent.memory_mb), "foreign": round(spent.foreign, 2)}


def repeated(runs: int, once: Callable[[int], tuple[float, Facts]], extra: int = 2) -> tuple[float, Facts]:
    """The median figure of `runs` quiet runs, at most `extra` more than that being tried, with its own facts.

    Memory and what others took are the highest of the runs counted; `runs` says how many those are.
    """
    begun = time.perf_counter()
    results: list[tuple[float, Facts]] = []
    quiet: list[tuple[float, Facts]] = []
    while len(quiet) < runs and len(results) < runs + extra:
        results.append(once(len(results)))
        if results[-1][1].get("foreign", 0.0) <= LOUD:
            quiet.append(results[-1])
        if time.perf_counter() - begun > PATIENCE_S:
            break
    counted = quiet or results
    figure, facts = sorted(counted, key=lambda one: one[0])[len(counted) // 2]
    worst: Facts = {key: max(one[1][key] for one in counted) for key in ("memory_mb", "foreign", "bad") if key in facts}
    spread = [round(min(one[0] for one in counted), 2), round(max(one[0] for one in counted), 2)]
    return figure, {**facts, **worst, "runs": len(counted), "spread": spread}


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie."""
    if len(values) < 2:
        return values[0]
    return statistics.quantiles(values, n=100, method="inclusive")[round(share * 100) - 1]
