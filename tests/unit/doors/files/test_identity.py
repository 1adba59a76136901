"""Who a worker is, and whether it lives."""

import os
import subprocess
import sys
from pathlib import Path

from lamelle.doors.files import identity


def of(pid: int) -> str:
    place, _, _ = identity.worker_name().rpartition(".")
    return f"{place.rpartition('.')[0]}.{pid}.{identity._started(pid)}"


def test_a_worker_that_lives_is_not_dead() -> None:
    assert not identity.is_dead(identity.worker_name())
    assert identity.worker_name() == of(os.getpid())


def test_a_killed_worker_is_dead_even_before_its_parent_noticed() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = of(child.pid)
    assert not identity.is_dead(name)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert identity.is_dead(name)
    child.communicate()
    assert identity.is_dead(name)


def test_a_number_used_again_is_another_worker() -> None:
    assert identity.is_dead(identity.worker_name() + "0")


def test_of_a_worker_elsewhere_nothing_is_known() -> None:
    for name in ("", "x", "other-machine.1.2.3", "other.5.99999999.1"):
        assert not identity.is_dead(name)


def test_scratch_is_private_gone_afterwards_and_rid_of_what_the_dead_left(tmp_path: Path) -> None:
    dead = tmp_path / f"{identity.worker_name()}0.7"
    alive = tmp_path / f"{identity.worker_name()}.700"
    for folder in (dead, alive):
        folder.mkdir()
        (folder / "file").touch()
    with identity.scratch(tmp_path) as one, identity.scratch(tmp_path) as two:
        assert one != two
        assert one.stat().st_mode & 0o777 == 0o700
        (one / "file").touch()
    assert list(tmp_path.iterdir()) == [alive]
