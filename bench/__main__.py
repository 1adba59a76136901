"""`python -m bench [NAME...]`: measures what is named, or all, and writes bench/results/RUN.jsonl and the table."""

import argparse
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path

from bench import plan, table
from bench.lines import Book
from bench.measure import MEASURES, prepare

HERE = Path(__file__).parent


def main() -> None:
    """Reads the command line; a measure that fails is told and the others go on."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*MEASURES, "prepare", []], help="all when none is named")
    work = HERE.parent / ".cache" / "bench"
    parser.add_argument("--work", type=Path, default=work, help="folder of data and servers")
    parser.add_argument("--quick", action="store_true", help="about ten minutes: shorter runs, Orthanc 1.12 only")
    parser.add_argument("--smoke", action="store_true", help="seconds instead of an hour; figures mean nothing")
    parser.add_argument("--run", default=datetime.now(UTC).strftime("%Y%m%d-%H%M"), help="name of this run's results")
    parser.add_argument("--write", action="store_true", help="write docs/explain/performance.md from this run")
    given = parser.parse_args()
    folder = given.work.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    book = Book(HERE / "results" / f"{given.run}.jsonl", given.run)
    chosen = (plan.smoke if given.smoke else plan.quick if given.quick else plan.Plan)(folder, book)
    failed = []
    for name in given.names or MEASURES:
        begun = time.perf_counter()
        print(f"-- {name}", flush=True)
        try:
            (prepare if name == "prepare" else MEASURES[name])(chosen)
        except Exception:  # noqa: BLE001 - one measure that fails must not cost the others
            traceback.print_exc()
            failed.append(name)
        print(f"   {time.perf_counter() - begun:.0f} s", flush=True)
        if given.write and book.path.exists():
            table.write(book.path, HERE.parent / "docs" / "explain" / "performance.md")
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
