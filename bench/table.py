"""Writes the page of figures from a run's lines; the page says when, on what, and how noisy the machine was."""

import json
import os
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HEAD = """# Performance

What Lamelle reaches, beside others, on one machine in one run. Made by `make bench`; do not edit the figures by hand.
How each is measured, and how to read it, is in `bench/README.md`.

"""
NOISE = 0.1  # share of the machine others may use before a figure is marked


def write(results: Path, page: Path) -> None:
    """Writes `page` from the lines of `results`."""
    lines = [json.loads(row) for row in results.read_text(encoding="utf-8").splitlines()]
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(HEAD + machine() + "\n" + "\n".join(_table(lines)) + "\n", encoding="utf-8")


def machine() -> str:
    """One sentence on what this ran on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"Machine: {os.cpu_count()} cores, {memory:.0f} GB of memory, {platform.system()} {platform.machine()}; "
        "servers, clients and disk share it, over loopback. A `~` marks a figure during which others used more than "
        f"{NOISE:.0%} of the machine. Ratios above 1 are better for Lamelle.\n"
    )


def _table(lines: Iterable[dict[str, Any]]) -> Iterable[str]:
    yield "| what | Lamelle | peers (ratio) | limit (ratio) | memory, Lamelle / peers |"
    yield "|---|---:|---|---|---|"
    for line in lines:
        values, ratios, more = line["values"], line["ratios"], line["more"]
        peers = [side for side in values if side != "ours" and not side.startswith("limit")]
        limits = [side for side in values if side.startswith("limit")]
        cells = [
            line["what"],
            f"{_figure(values['ours'])}{_noisy(more, 'ours')} {line['unit']}" if "ours" in values else "failed",
            "; ".join(
                [f"{side} {_figure(values[side])}{_noisy(more, side)} ({_ratio(ratios, side)})" for side in peers]
                + [f"{side} failed" for side in _failed(more) if side != "ours"]
            ),
            "; ".join(
                f"{side.removeprefix('limit: ')} {_figure(values[side])} ({_ratio(ratios, side)})" for side in limits
            ),
            " / ".join(_memory(more, side) for side in ("ours", *peers)),
        ]
        yield "| " + " | ".join(cell or "-" for cell in cells) + " |"
        high = "p99_ms" if any("p99_ms" in facts for facts in more.values() if isinstance(facts, dict)) else "p95_ms"
        said = {
            side: f"{more[side]['p50_ms']:.3g} / {more[side][high]:.3g}"
            for side in values
            if high in more.get(side, {})
        }
        if "ours" in said:
            others = "; ".join(f"{side} {both}" for side, both in said.items() if side != "ours")
            yield f"| &nbsp;&nbsp;p50 / {high[:3]}, ms | {said['ours']} | {others} | | |"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _ratio(ratios: dict[str, float], side: str) -> str:
    return f"x{ratios[side]:.3g}" if side in ratios else "-"


def _failed(more: dict[str, Any]) -> list[str]:
    return [side for side, facts in more.items() if isinstance(facts, dict) and facts.get("bad")]


def _noisy(more: dict[str, Any], side: str) -> str:
    facts = more.get(side, more)
    return " ~" if isinstance(facts, dict) and facts.get("foreign", 0) > NOISE else ""


def _memory(more: dict[str, Any], side: str) -> str:
    facts = more.get(side, more if side == "ours" else {})
    return f"{facts['memory_mb']:,} MB" if isinstance(facts, dict) and "memory_mb" in facts else "-"
