"""`python -m bench [NAME...]`: measures what is named, or all, and writes bench/results/RUN.jsonl and the table."""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from bench import table
from bench.lines import Book
from bench.measure import MEASURES, Plan

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*MEASURES, []], help="all when none is named")
    parser.add_argument(
        "--work", type=Path, default=HERE.parent / ".cache" / "bench", help="folder of data and servers"
    )
    parser.add_argument("--smoke", action="store_true", help="seconds instead of an hour; figures mean nothing")
    parser.add_argument("--run", default=datetime.now(UTC).strftime("%Y%m%d-%H%M"), help="name of this run's results")
    parser.add_argument("--write", action="store_true", help="write docs/explain/performance.md from this run")
    given = parser.parse_args()
    work = given.work.absolute()
    work.mkdir(parents=True, exist_ok=True)
    book = Book(HERE / "results" / f"{given.run}.jsonl", given.run)
    plan = Plan(work, book)
    if given.smoke:
        plan = Plan(work, book, 12, 1.0, (1, 8), 20, (200,), (400,), 5, 400, 20)
    for name in given.names or MEASURES:
        print(f"-- {name}", flush=True)
        MEASURES[name](plan)
    if given.write:
        table.write(book.path, HERE.parent / "docs" / "explain" / "performance.md")


if __name__ == "__main__":
    main()
