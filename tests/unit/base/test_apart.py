"""Questions answered in children: whatever the child does, who asked gets an answer or one error, and can ask again."""

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest

from lamelle.base import apart, confined
from lamelle.base.apart import Allowance, Pool
from lamelle.base.errors import LamelleError, TooLarge, Unavailable

WORK = """
import ctypes, os, resource, socket, sys, time
from lamelle.base.errors import TooLarge

def loaded():
    print("a library prints")
    return answer

def answer(question, data):
    return globals()[question["do"]](question, data)

def echo(question, data):
    return {"size": len(data), "pid": os.getpid()}, data

def refuse(question, data):
    raise TooLarge("too_many_pixels", "64 bit image")

def fail(question, data):
    raise ValueError("SECRET^NAME is no frame")

def abort(question, data):
    os.abort()

def segfault(question, data):
    ctypes.string_at(0)

def leave(question, data):
    os._exit(3)

def eat(question, data):
    return {}, bytearray(int(data))

def hoard(question, data):
    kept = []
    while True:
        kept.append(bytearray(1 << 20))

def spin(question, data):
    while True:
        pass

def sleep(question, data):
    time.sleep(60)

def babble(question, data):
    os.write(3, b"x" * 100)

def close(question, data):
    os.close(3)
    time.sleep(60)

def reach(question, data):
    def tried(what):
        try:
            what()
        except OSError as error:
            return error.errno
        return 0
    return {
        "open": tried(lambda: open("/etc/passwd")),
        "write": tried(lambda: open("/tmp/x", "w")),
        "connect": tried(lambda: socket.create_connection(("127.0.0.1", 9))),
        "listen": tried(lambda: socket.socket()),
        "pipe": tried(os.pipe),
        "environ": sorted(os.environ), "cwd": os.getcwd(),
        "files": [n for n in range(256) if tried(lambda: os.fstat(n)) == 0],
        "core": resource.getrlimit(resource.RLIMIT_CORE),
    }, b""
"""
SMALL = Allowance(seconds=5, memory=1 << 30, answer=1 << 20)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("work")
    (made / "lamelle_test_work.py").write_text(WORK)
    return made


@pytest.fixture
def pool(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pool]:
    monkeypatch.syspath_prepend(folder)
    made = Pool("lamelle_test_work:loaded", most=2)
    yield made
    made.close()


def ask(pool: Pool, do: str, data: bytes = b"", allowed: Allowance = SMALL) -> apart.Answer:
    return pool.ask({"do": do}, data, allowed)


def children() -> list[psutil.Process]:
    found = psutil.Process().children()
    return [child for child in found if "lamelle_test_work:loaded" in " ".join(child.cmdline())]


def code(pool: Pool, do: str, **given: Any) -> str:
    with pytest.raises(LamelleError) as caught:
        ask(pool, do, **given)
    assert "SECRET" not in caught.value.message
    return caught.value.code


def test_a_question_is_answered_by_the_same_child_again(pool: Pool) -> None:
    data = os.urandom(3 << 20)
    big = Allowance(5, 1 << 30, len(data))
    first, second = ask(pool, "echo", data, big), ask(pool, "echo", b"")
    assert bytes(first.body) == data and first.rest["size"] == len(data)
    assert not second.body and second.rest["pid"] == first.rest["pid"]
    assert first.rest["pid"] != os.getpid()


def test_its_own_errors_are_handed_on_and_others_told_without_their_text(pool: Pool) -> None:
    with pytest.raises(TooLarge) as caught:
        ask(pool, "refuse")
    assert caught.value.code == "too_many_pixels"
    assert code(pool, "fail") == "bad_frame"
    assert len(children()) == 1, "neither costs the child"


@pytest.mark.parametrize("do", ["abort", "segfault", "leave"])
def test_a_child_that_dies_is_one_error_and_the_next_question_goes_on(pool: Pool, do: str) -> None:
    before = ask(pool, "echo").rest["pid"]
    assert code(pool, do) == "decoder_crashed"
    assert ask(pool, "echo").rest["pid"] != before
    assert not psutil.pid_exists(before)


def test_a_child_killed_between_questions_is_not_noticed(pool: Pool) -> None:
    pid = ask(pool, "echo").rest["pid"]
    psutil.Process(pid).kill()
    assert ask(pool, "echo", b"again").body == b"again"


def test_memory_is_limited_and_given_back(pool: Pool) -> None:
    own = Allowance(5, 400 << 20, 1 << 30)
    assert code(pool, "eat", data=b"1000000000", allowed=own) == "decoder_memory"
    assert code(pool, "hoard", allowed=own) == "decoder_memory"
    assert len(ask(pool, "eat", b"1000000").body) == 1_000_000


def test_processor_time_is_limited(pool: Pool) -> None:
    ask(pool, "echo")
    began = time.monotonic()
    assert code(pool, "spin", allowed=Allowance(1, 1 << 30, 0)) == "decoder_timeout"
    assert time.monotonic() - began < 4 * apart.PATIENCE
    assert ask(pool, "echo", b"x").body == b"x"


def test_one_that_only_waits_is_ended_by_the_clock(pool: Pool) -> None:
    ask(pool, "echo")
    assert code(pool, "sleep", allowed=Allowance(0.1, 1 << 30, 0)) == "decoder_timeout"


def test_an_answer_outside_of_the_protocol_or_over_its_size_is_garbage(pool: Pool) -> None:
    assert code(pool, "babble") == "decoder_garbage"
    assert code(pool, "echo", data=b"123", allowed=Allowance(5, 1 << 30, 2)) == "decoder_garbage"
    ask(pool, "echo")
    assert code(pool, "close", allowed=Allowance(0.1, 1 << 30, 2)) in {"decoder_crashed", "decoder_timeout"}


def test_a_child_can_reach_nothing(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMELLE_ARCHIVE_S3_SECRET_KEY", "secret")
    told = ask(pool, "reach").rest
    assert all(told[what] == 24 for what in ("open", "write", "connect", "listen", "pipe")), told  # EMFILE
    assert told["files"] == [0, 1, 2, 3]
    assert not [name for name in told["environ"] if name.startswith("LAMELLE")]
    assert (told["cwd"], told["core"]) == ("/", [0, 0])


def test_no_more_children_than_allowed_and_who_waits_too_long_is_told(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda n: ask(pool, "echo", b"%d" % n).body, range(40)))
    assert answers == [b"%d" % n for n in range(40)]
    assert len(children()) <= 2
    monkeypatch.setattr(apart, "WAIT_S", 0.01)
    held = [pool._take(), pool._take()]
    with pytest.raises(Unavailable, match="at work"):
        ask(pool, "echo")
    for child in held:
        pool._give(child)
    assert ask(pool, "echo", b"x").body == b"x"


def test_children_are_replaced_and_idle_ones_ended(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    held = [pool._take(), pool._take()]
    for child in held:
        pool._give(child)
    assert len(children()) == 2
    monkeypatch.setattr(apart, "IDLE_S", 0.0)
    first = ask(pool, "echo").rest["pid"]
    assert len(children()) == 1
    monkeypatch.setattr(apart, "USES", 1)
    assert ask(pool, "echo").rest["pid"] == first
    assert ask(pool, "echo").rest["pid"] != first


def test_the_thread_that_started_a_child_may_end(pool: Pool) -> None:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(ask(pool, "echo").rest["pid"]))
    thread.start()
    thread.join()
    assert ask(pool, "echo").rest["pid"] == found[0]


def test_children_end_with_their_parent(pool: Pool, folder: Path) -> None:
    script = (
        "import os\n"
        "from lamelle.base.apart import Allowance, Pool\n"
        "pool = Pool('lamelle_test_work:loaded')\n"
        "print(pool.ask({'do': 'echo'}, b'', Allowance(5, 1 << 30, 10)).rest['pid'], flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    environment = {**dict(confined.environment()), "PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}
    parent = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=False)
    assert parent.returncode == -9, parent.stderr
    pid = int(parent.stdout)
    with contextlib.suppress(psutil.NoSuchProcess):
        child = psutil.Process(pid)
        psutil.wait_procs([child], timeout=20)
        assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
