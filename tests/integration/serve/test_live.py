"""Pages that listen at a real node: more of them than a worker has threads, told within seconds, gone when it stops."""

import http.client
import time
from contextlib import ExitStack
from pathlib import Path

from lamelle.archive.settings import ArchiveSettings
from lamelle.base.clock import SystemClock
from lamelle.base.db import Database
from lamelle.lab import cases
from lamelle.lab.room import Lab, LabSettings
from lamelle.testing import laboratory
from lamelle.testing.node import Node

LISTENERS = 60
"""A worker's pool has forty threads."""


def heard(answer: http.client.HTTPResponse, word: bytes) -> bytes:
    """The stream up to a line that has the word."""
    lines: list[bytes] = []
    while not lines or word not in lines[-1]:
        lines.append(answer.readline())
        assert lines[-1], "the stream ended"
    return lines[-1]


def test_listeners_hold_no_threads_hear_of_a_case_and_do_not_hold_up_the_end(tmp_path: Path) -> None:
    with Node(tmp_path / "data", workers=1) as node, ExitStack() as opened:
        asked = []
        for _ in range(LISTENERS):
            connection = http.client.HTTPConnection(node.url.removeprefix("http://"), timeout=20)
            connection.request("GET", "/api/live")
            answer = connection.getresponse()  # its body has no end
            assert (answer.status, answer.getheader("content-type")) == (200, "text/event-stream; charset=utf-8")
            assert heard(answer, b"retry") == b"retry: 5000\n"
            opened.callback(connection.close)
            opened.callback(answer.close)
            asked.append(answer)
        assert b"views" in node.get("/api/worklists", timeout_s=20)
        db = Database(ArchiveSettings(tmp_path / "data").database)
        lab = Lab(db, SystemClock(), LabSettings())
        number = cases.take(lab, laboratory.ORDER)
        try:
            for answer in asked:
                while b"cases" not in heard(answer, b"event: "):
                    pass
                assert heard(answer, b"data: ") == b'data: {"ids": [%d]}\n' % number
        finally:
            db.close()
        began = time.monotonic()
        assert node.stop() == 0
        assert time.monotonic() - began < 8
