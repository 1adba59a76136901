"""`python -m bench.crash [--kills N] [--minutes M] [--seed S] [--postgresql]`: kill a node under load many times.

Nothing is measured against peers here; what is counted is promises broken, which is to be 0. Runs alone.
"""

import argparse
import random
import tempfile
from pathlib import Path

from lamelle.testing import postgres
from lamelle.testing.crash.kills import Killer


def main() -> None:
    """Reads the command line; exits with 1 when a promise was broken, and keeps the folder then."""
    parser = argparse.ArgumentParser(prog="bench.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--minutes", type=float, default=600.0)
    parser.add_argument("--whole", type=float, default=0.1, help="share of kills that end the whole node")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--postgresql", action="store_true", help="the catalogue in PostgreSQL instead of SQLite")
    given = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="lamelle-crash-"))
    url = postgres.new_database() if given.postgresql else ""
    print(f"seed {given.seed}, in {work}", flush=True)
    killer = Killer(work, given.seed, whole=given.whole, database_url=url, say=lambda line: print(line, flush=True))
    report = killer.run(given.kills, minutes=given.minutes)
    print(report)
    if report.wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
