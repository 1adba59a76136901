"""A node enters its start and stop, and what its processes noted is sealed while it runs."""

import json
from pathlib import Path

import sqlalchemy as sa

from lamelle.audit import tables
from lamelle.audit.journal import Journal
from lamelle.audit.model import Entry
from lamelle.base.clock import SystemClock
from lamelle.base.db import Database
from lamelle.testing.node import Node
from lamelle.testing.waiting import until


def actions(data: Path) -> list[str]:
    db = Database(f"sqlite:///{data / 'catalogue.sqlite3'}")
    try:
        with db.read() as conn:
            return list(conn.execute(sa.select(tables.ledger.c.action).order_by(tables.ledger.c.number)).scalars())
    finally:
        db.close()


def test_start_what_was_noted_and_stop_are_entered_in_order(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with Node(data, workers=1):
        assert actions(data) == ["start"]
        noted = Journal(data / "audit", SystemClock())
        noted.note(Entry("a", "view"))
        until(lambda: actions(data) == ["start", "view"])
        noted.note(Entry("a", "search"))
        noted.close()
    assert actions(data) == ["start", "view", "search", "stop"]
    assert (data / "audit" / "key.pem").stat().st_mode & 0o777 == 0o600
    signed = [json.loads(line)["number"] for line in (data / "audit" / "checkpoints.jsonl").read_text().splitlines()]
    assert signed[0] == 1
    assert signed[-1] == 4
