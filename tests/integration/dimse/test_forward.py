"""Forwarding to a storescp that comes late: everything arrives, once, also through a kill."""

import json
import os
import signal
from pathlib import Path

import pytest

from lamelle.archive import forwarding
from lamelle.base.db import Database
from lamelle.base.ids import uid_from
from lamelle.testing import dcmtk
from lamelle.testing.client import Client
from lamelle.testing.instances import instance
from lamelle.testing.node import Node
from lamelle.testing.waiting import until

pytestmark = pytest.mark.skipif(not dcmtk.installed(), reason="DCMTK is not installed")


def test_what_comes_in_goes_on_once_it_can(tmp_path: Path) -> None:
    port = dcmtk.free_port()
    environment = {
        "LAMELLE_DIMSE_PEERS": json.dumps([{"aet": "STORESCP", "host": dcmtk.HOST, "port": port}]),
        "LAMELLE_ARCHIVE_FORWARD": json.dumps([{"to": "STORESCP", "modalities": ["CT"]}]),
        "LAMELLE_JOBS_POLL_S": "0.1",
        "LAMELLE_JOBS_LEASE_S": "3",
    }
    with Node(tmp_path / "data", workers=1, environment=environment) as node:
        with Client(node.url) as client:
            client.store(*(instance(number=n) for n in range(1, 31)), instance("2", Modality="SR"))
        db = Database(f"sqlite:///{tmp_path / 'data' / 'catalogue.sqlite3'}")
        try:
            until(lambda: any(line.reason for line in forwarding.queue(db)), 30)
            [line] = forwarding.queue(db)
            assert (line.destination, line.waiting, line.dead) == ("STORESCP", 30, 0)
            assert 'lamelle_outgoing{state="waiting",to="STORESCP"} 30' in node.get("/metrics").decode()
            os.killpg(node.process.pid, signal.SIGKILL)
            node.process.wait()
            node.stop()
            with dcmtk.receiver(tmp_path / "in", port):
                node.start()
                until(lambda: not forwarding.queue(db), 60)
        finally:
            db.close()
        names = sorted(path.name for path in (tmp_path / "in").iterdir())
        assert names == sorted(f"CT.{uid_from('instance', '1', '1', str(n))}" for n in range(1, 31))
        sent = node.log().count('"forward.sent"'), "30 sent" in node.log()
        assert sent[0] >= 1
