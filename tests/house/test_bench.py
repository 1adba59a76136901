"""The bench can be imported and writes its page: it is run by hand, and must not have rotted by then."""

import importlib
import json
import pkgutil
from pathlib import Path

import bench
import pytest
from bench import plan, table
from bench.lines import Book, Line, watched

MODULES = [module.name for module in pkgutil.iter_modules(bench.__path__) if module.name != "least"]


@pytest.mark.parametrize("name", MODULES)
def test_every_module_can_be_imported(name: str) -> None:
    assert importlib.import_module(f"bench.{name}").__doc__


def test_the_page_shows_figures_ratios_noise_and_failures(tmp_path: Path) -> None:
    book = Book(tmp_path / "run.jsonl", "run")
    facts = {"p50_ms": 1.0, "p99_ms": 2.0, "memory_mb": 100, "foreign": 0.02}
    book.add(
        Line(
            "frames, 1 slide, 8 clients", "frames/s", "more", {"ours": 8000.0, "Peer": 400.0, "limit: least": 16000.0},
            {"ours": facts, "Peer": {**facts, "foreign": 0.4}, "limit: least": facts, "Other": {**facts, "bad": 3}},
        )
    )  # fmt: skip
    book.add(Line("searches", "ms", "less", {"ours": 2.0, "Peer": 50.0}, {"ours": {"p50_ms": 2.0, "p95_ms": 4.0}}))
    page = tmp_path / "page.md"
    table.write(book.path, page)
    text = page.read_text(encoding="utf-8")
    assert "8,000 frames/s" in text
    assert "Peer 400 ~ (x20)" in text
    assert "least 16,000 (x0.5)" in text
    assert "Other failed" in text
    assert "2 / 4" in text
    assert [json.loads(row)["ratios"] for row in book.path.read_text().splitlines()][1] == {"Peer": 25.0}


def test_a_figure_is_the_median_of_quiet_runs() -> None:
    rows = iter([(9.0, 0.0), (1.0, 0.9), (7.0, 0.1), (8.0, 0.0)])

    def once(_: int) -> tuple[float, plan.Facts]:
        figure, foreign = next(rows)
        return figure, {"foreign": foreign}

    figure, facts = plan.repeated(3, once)
    assert figure == 8.0
    assert facts["runs"] == 3
    assert facts["foreign"] == 0.1
    assert facts["spread"] == [7.0, 9.0]


def test_time_is_watched_without_a_server() -> None:
    with watched(None) as spent:
        pass
    assert 0 <= spent.foreign <= 1
    assert spent.seconds > 0
