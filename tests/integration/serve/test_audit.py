"""A node enters its start and stop, and what its processes noted is sealed while it runs."""

import json
from dataclasses import replace
from pathlib import Path

import sqlalchemy as sa

from lamelle.audit import keys, tables, verify
from lamelle.audit.journal import Journal
from lamelle.audit.model import Entry
from lamelle.audit.settings import AuditSettings
from lamelle.base.clock import SystemClock
from lamelle.base.db import Database
from lamelle.ops import config, wiring
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


def test_a_key_that_was_lost_is_entered_and_the_old_checkpoints_told(tmp_path: Path) -> None:
    data = tmp_path / "data"
    settings = config.load(None, {}, {"archive.data_dir": data, "access.sign_in": "none"})
    wiring.started(settings, print)
    old = keys.load(data / "audit" / "key.pem").id
    (data / "audit" / "key.pem").unlink()
    wiring.started(settings, print)
    wiring.stopped(settings)
    assert actions(data) == ["start", "audit_key", "start", "stop"]
    archive = wiring.opened(settings)
    room = wiring.audit(archive, settings)
    report = verify.verify(room.db, room.trusted, (room.checkpoint_file,))
    assert "another key" in report.findings[0].what
    assert old in report.findings[0].what
    believed = replace(room, settings=AuditSettings(former_keys=(old,)))
    assert verify.verify(room.db, believed.trusted, (room.checkpoint_file,)).sound
    archive.close()
