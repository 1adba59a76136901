"""Children: forked from a parent of one thread, started again, ended politely first; errors come back from apart."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lamelle.base.errors import NotFound
from lamelle.ops import children

ROOT = Path(__file__).parents[3]


def program(text: str, *arguments: str) -> subprocess.Popen[str]:
    """A parent in a process of its own: the one of the tests has threads."""
    command = [sys.executable, "-W", "error", "-c", text, *arguments]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": "src"}, cwd=ROOT
    )


FAMILY = """
import os, signal, sys, time
from lamelle.base import telemetry
from lamelle.ops.children import Child, Family

telemetry.configure()
def say(*words):
    print(*words, os.getpid(), os.getppid(), flush=True)

def obeys(ready):
    say("obeys")
    ready()
    time.sleep(60)

def deaf(ready):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    say("deaf")
    time.sleep(60)

mine, given = open(os.devnull), open(os.devnull)
children = [Child("lamelle obeys", obeys, 5, (given,)), Child("lamelle deaf", deaf, float(sys.argv[1]))]
Family(children, (mine, given), lambda: say("ready")).live()
mine.close(), given.close()
"""


def until(true: Callable[[], bool]) -> None:
    pause, end = threading.Event(), time.monotonic() + 20
    while not true():
        assert time.monotonic() < end, "it never came true"
        pause.wait(0.02)


def lines(parent: subprocess.Popen[str], count: int) -> dict[str, int]:
    assert parent.stdout is not None
    said = [parent.stdout.readline().split() for _ in range(count)]
    assert all(line[2] == str(parent.pid) for line in said if line[0] in ("obeys", "deaf"))
    return {line[0]: int(line[1]) for line in said}


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_children_are_named_watched_and_ended() -> None:
    with program(FAMILY, "0.2") as parent:
        born = lines(parent, 3)
        assert born["ready"] == parent.pid
        assert Path(f"/proc/{born['deaf']}/comm").read_text() == "lamelle deaf\n"
        opened = [len(list(Path(f"/proc/{born[name]}/fd").iterdir())) for name in ("obeys", "deaf")]
        assert opened[0] == opened[1] + 1, "each keeps what it is given and closes what it is not"
        os.kill(born["obeys"], signal.SIGKILL)
        again = lines(parent, 1)["obeys"]
        assert again != born["obeys"]
        parent.terminate()
        assert parent.wait(20) == 0
        assert gone(again) and gone(born["deaf"]), "who does not hear SIGTERM is killed"


def test_children_end_with_a_parent_that_is_killed() -> None:
    with program(FAMILY, "60") as parent:
        born = lines(parent, 3)
        parent.kill()
        until(lambda: gone(born["obeys"]))
        os.kill(born["deaf"], signal.SIGKILL)


def test_errors_come_back_from_a_process_of_its_own() -> None:
    def fails() -> None:
        raise NotFound("no_such_thing", "It is not there.")

    def crashes() -> None:
        raise ValueError("a patient's name")

    children.apart(lambda: None)
    with pytest.raises(NotFound) as raised:
        children.apart(fails)
    assert (raised.value.code, raised.value.message) == ("no_such_thing", "It is not there.")
    with pytest.raises(SystemExit):
        children.apart(crashes)


def test_what_children_share_starts_no_thread() -> None:
    """A thread's locks would be copied as they are at the fork, and nobody would open them."""
    text = "import os; from lamelle.ops import serve; serve.load(); print(len(os.listdir('/proc/self/task')))"
    with program(text) as parent:
        assert parent.communicate()[0] == "1\n"


HEAVY = ("sqlalchemy", "numpy", "pydicom", "fastapi", "pynetdicom", "alembic", "prometheus_client")


@pytest.mark.parametrize("module", ["lamelle.ops.cli", "lamelle.ops.serve", "lamelle.ops.demo.run"])
def test_a_command_loads_nothing_heavy_before_it_is_known_which(module: str) -> None:
    with program(f"import sys, {module}; print(sorted(set(sys.modules) & set({HEAVY})))") as parent:
        assert parent.communicate()[0] == "[]\n"
