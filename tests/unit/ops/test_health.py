"""Processes that no request reaches are watched by their heartbeats."""

import os
import time
from pathlib import Path

import pytest

from lamelle.base.errors import Unavailable
from lamelle.ops import health

LONG_AGO = -health.SILENCE_S - 1
"""A start after which a process had the time to show itself."""


def began() -> float:
    return time.monotonic() + LONG_AGO


def silent(data_dir: Path, kind: str, number: int) -> Path:
    """The heartbeat of a process that was killed a while ago."""
    beat = data_dir / "run" / f"{kind}-{number}"
    beat.parent.mkdir(exist_ok=True)
    beat.touch()
    os.utime(beat, (time.time() + LONG_AGO,) * 2)
    return beat


def test_who_lives_is_seen_and_who_ends_leaves_nothing(tmp_path: Path) -> None:
    with health.beating(tmp_path, "dimse"):
        assert health.living(tmp_path, "dimse", 1, began()) == "1 running"
        with pytest.raises(Unavailable, match="of 2 processes for dimse 1"):
            health.living(tmp_path, "dimse", 2, began())
    assert list((tmp_path / "run").iterdir()) == []


def test_a_killed_process_is_missed_and_its_trace_cleared(tmp_path: Path) -> None:
    left = silent(tmp_path, "jobs", 1)
    with pytest.raises(Unavailable, match="of 1 processes for jobs 0"):
        health.living(tmp_path, "jobs", 1, began())
    with health.beating(tmp_path, "jobs"):
        assert not left.exists()
        assert health.living(tmp_path, "jobs", 1, began()) == "1 running"


def test_a_node_that_has_just_started_is_given_time(tmp_path: Path) -> None:
    assert health.living(tmp_path, "dimse", 2, time.monotonic()) == "starting"
