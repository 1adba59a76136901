"""Lines of results: ours, a peer, a limit, from one run; noise of the machine; peak memory of servers.

Not here: what is measured (the modules named after it) or how lines are shown (`table`).
"""

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Line:
    """One thing measured on several sides. `more` holds side conditions: p50_ms, p99_ms, memory_mb, foreign ..."""

    what: str
    unit: str
    better: str  # "more" | "less"
    values: dict[str, float]  # side ("ours", a peer's name, "limit: ...") to figure
    more: dict[str, Any] = field(default_factory=dict)

    def ratios(self) -> dict[str, float]:
        """Ours over each other side, so that more than 1 is better for us."""
        ours = self.values.get("ours")
        if not ours:
            return {}
        others = {side: value for side, value in self.values.items() if side != "ours" and value}
        return {side: (ours / value if self.better == "more" else value / ours) for side, value in others.items()}


class Book:
    """Appends lines to a file and shows each as it comes."""

    def __init__(self, path: Path, run: str) -> None:
        self.path, self.run = path, run
        path.parent.mkdir(parents=True, exist_ok=True)

    def add(self, line: Line) -> None:
        said = {"run": self.run, "at": datetime.now(UTC).isoformat(timespec="seconds"), **asdict(line)}
        with self.path.open("a", encoding="utf-8") as out:
            out.write(json.dumps({**said, "ratios": line.ratios()}, ensure_ascii=False) + "\n")
        sides = "  ".join(f"{side} {value:,.6g}" for side, value in line.values.items())
        ratios = "  ".join(f"x{ratio:.3g} of {side}" for side, ratio in line.ratios().items())
        print(f"{line.what:58} {sides} {line.unit}   {ratios}   {line.more or ''}", flush=True)


# -- the machine -----------------------------------------------------------------------------------------------------


def _jiffies() -> tuple[int, int]:
    """All and idle ticks of all cores since boot."""
    numbers = [int(n) for n in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(numbers), numbers[3] + numbers[4]


def tree(pid: int) -> list[int]:
    """A process and all that descend from it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except OSError:
                continue
            parents.setdefault(parent, []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        todo += parents.get(one, [])
    return found


def cpu_s(pids: list[int]) -> float:
    """User and system seconds these processes have used so far, with their dead children."""
    total = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += sum(int(n) for n in fields[11:15])
    return total / os.sysconf("SC_CLK_TCK")


def pss_mb(pids: list[int]) -> float:
    """Memory of these processes, shared pages counted once, in MB."""
    total = 0
    for pid in pids:
        try:
            for row in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if row.startswith("Pss_Anon:") or row.startswith("Pss_Shmem:"):
                    total += int(row.split()[1])
        except OSError:
            continue
    return total / 1024


@dataclass(slots=True)
class Spent:
    """What a measured stretch cost."""

    seconds: float = 0.0
    cpu_s: float = 0.0  # of the server
    memory_mb: float = 0.0  # peak of the server, anonymous pages
    foreign: float = 0.0  # share of the machine that others used, 0..1
    pid: int | None = None

    def follow(self, pid: int) -> None:
        """Watches the memory of a process that is ours to wait for: its CPU time counts as our own."""
        self.pid = pid


@contextmanager
def watched(pid: int | None) -> Iterator[Spent]:
    """Measures a stretch of time: wall, the server's CPU and peak memory, and what others took of the machine."""
    spent, stop = Spent(pid=pid), threading.Event()

    def look() -> None:
        while not stop.is_set():
            if spent.pid:
                spent.memory_mb = max(spent.memory_mb, pss_mb(tree(spent.pid)))
            stop.wait(0.1)

    watcher = threading.Thread(target=look, daemon=True)
    before, mine, server = _jiffies(), sum(os.times()[:4]), cpu_s(tree(pid)) if pid else 0.0
    start = time.perf_counter()
    watcher.start()
    try:
        yield spent
    finally:
        spent.seconds = time.perf_counter() - start
        after = _jiffies()
        used = sum(os.times()[:4]) - mine
        if pid:
            spent.cpu_s = cpu_s(tree(pid)) - server
        stop.set()
        watcher.join()
        total = max(1, after[0] - before[0])
        busy = total - (after[1] - before[1])
        known = (used + spent.cpu_s) * os.sysconf("SC_CLK_TCK")
        spent.foreign = max(0.0, min(1.0, (busy - known) / total))
