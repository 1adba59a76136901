"""A reader in a child process: what it sends arrives, and whatever it does, the parent goes on."""

import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from lamelle.base import confined
from lamelle.base.errors import Invalid, LamelleError, TooLarge, Unavailable
from lamelle.doors.files import sandbox
from lamelle.doors.files.request import Limits, Request

READERS = """
import ctypes, os, pathlib, resource, signal, sys
from lamelle.base.errors import TooLarge, Unsupported

def good(path, sink, facts, settings):
    with sink("volume") as volume, sink("label") as label:
        for _ in range(5):
            volume.write(b"v" * 700_000)
        label.write(path.read_bytes())
    return {"vendor": "test", "facts": facts, "settings": settings}

def noisy(path, sink, facts, settings):
    print("a library prints")
    os.write(1, b"even from C")
    return good(path, sink, facts, settings)

def refuses(path, sink, facts, settings):
    raise TooLarge("too_many_pixels", "64 bit image")

def raises(path, sink, facts, settings):
    raise ValueError("SECRET^NAME is no slide")

def missing(path, sink, facts, settings):
    open("/nonexistent/SECRET^NAME")

def half(sink):
    with sink("volume") as volume:
        volume.write(b"x" * (1 << 20))
        yield

def hangs(path, sink, facts, settings):
    for _ in half(sink):
        signal.pause()

def dies(path, sink, facts, settings):
    for _ in half(sink):
        os.kill(os.getpid(), signal.SIGKILL)

def segfaults(path, sink, facts, settings):
    ctypes.string_at(0)

def leaves(path, sink, facts, settings):
    os._exit(3)

def eats(path, sink, facts, settings):
    hoard = []
    while True:
        hoard.append(bytearray(8 << 20))

def spins(path, sink, facts, settings):
    while True:
        pass

def babbles(path, sink, facts, settings):
    sink("volume").__enter__()._sender.send(77, b"?")

def writes(path, sink, facts, settings):
    pathlib.Path(settings).write_bytes(b"x")

def tells(path, sink, facts, settings):
    return {
        "core": resource.getrlimit(resource.RLIMIT_CORE), "nice": os.nice(0), "environ": sorted(os.environ),
        "cwd": os.getcwd(), "stdin": sys.stdin.read(), "session": os.getsid(0) == os.getpid(),
    }
"""


@dataclass
class Sink:
    data: bytearray = field(default_factory=bytearray)
    closed: bool = False

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        self.data += chunk

    def close(self) -> None:
        self.closed = True


@dataclass
class Sinks:
    opened: dict[str, Sink] = field(default_factory=dict)

    def __call__(self, name: str) -> Sink:
        return self.opened.setdefault(name, Sink())


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Request]:
    (tmp_path / "lamelle_test_readers.py").write_text(READERS)
    monkeypatch.syspath_prepend(tmp_path)
    slide = tmp_path / "slide.svs"
    slide.write_bytes(b"a slide")

    def request(reader: str, settings: object = None, **limits: float) -> Request:
        return Request(slide, {"case": "1"}, settings, Limits(**limits), f"lamelle_test_readers:{reader}")  # type: ignore[arg-type]

    return request


@pytest.fixture(autouse=True)
def none_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """After every test, each reader that was started has ended and was reaped."""
    started: list[subprocess.Popen[bytes]] = []
    popen = subprocess.Popen

    def start(*args: Any, **options: Any) -> subprocess.Popen[bytes]:
        started.append(popen(*args, **options))
        return started[-1]

    monkeypatch.setattr(subprocess, "Popen", start)
    yield
    assert all(child.returncode is not None and not Path(f"/proc/{child.pid}").exists() for child in started)


def refusal(request: Request, stop: threading.Event | None = None) -> LamelleError:
    with pytest.raises(LamelleError) as caught:
        sandbox.run(request, Sinks(), stop=stop)
    assert "SECRET" not in caught.value.message
    return caught.value


@pytest.mark.parametrize("reader", ["good", "noisy"])
def test_instances_facts_and_progress_arrive(ask: Callable[..., Request], reader: str) -> None:
    sinks, sizes = Sinks(), list[int]()
    done = sandbox.run(ask(reader, settings="set"), sinks, progress=sizes.append)
    assert sinks.opened == {
        "volume": Sink(bytearray(b"v" * 3_500_000), True),
        "label": Sink(bytearray(b"a slide"), True),
    }
    assert done == sandbox.Converted({"vendor": "test", "facts": {"case": "1"}, "settings": "set"}, 2, 3_500_007)
    assert sizes[-1] == done.size
    assert sizes == sorted(sizes)


def test_a_readers_own_error_keeps_its_kind_code_and_message(ask: Callable[..., Request]) -> None:
    error = refusal(ask("refuses"))
    assert (type(error), error.code, error.message) == (TooLarge, "too_many_pixels", "64 bit image")


@pytest.mark.parametrize(
    ("reader", "kind", "code"),
    [
        ("raises", Invalid, "reader_failed"),
        ("absent", Invalid, "reader_failed"),
        ("missing", Unavailable, "unreadable"),
        ("dies", Invalid, "reader_crashed"),
        ("segfaults", Invalid, "reader_crashed"),
        ("leaves", Invalid, "reader_crashed"),
        ("babbles", Invalid, "reader_garbage"),
    ],
)
def test_a_reader_that_fails_is_one_error(
    ask: Callable[..., Request], reader: str, kind: type[LamelleError], code: str
) -> None:
    error = refusal(ask(reader))
    assert (type(error), error.code) == (kind, code)


def test_the_way_a_reader_died_is_told(ask: Callable[..., Request]) -> None:
    assert "SIGKILL" in refusal(ask("dies")).message
    assert "SIGSEGV" in refusal(ask("segfaults")).message
    assert "exit 3" in refusal(ask("leaves")).message


def test_the_memory_of_a_large_server_is_not_taken_for_its_readers(ask: Callable[..., Request]) -> None:
    large = b"x" * (200 << 20)
    assert refusal(ask("dies", memory_bytes=100 << 20)).code == "reader_crashed"
    assert large


def test_a_reader_that_eats_memory_is_stopped(ask: Callable[..., Request]) -> None:
    assert refusal(ask("eats", memory_bytes=100 << 20)).code == "reader_memory"


def test_a_reader_that_hangs_is_ended_after_its_silence(ask: Callable[..., Request]) -> None:
    error = refusal(ask("hangs", silence_s=0.3))
    assert error.code == "reader_timeout"
    assert "silent for 0.3 s" in error.message


def test_a_reader_that_takes_too_long_is_ended(ask: Callable[..., Request]) -> None:
    error = refusal(ask("hangs", wall_s=0.3))
    assert error.code == "reader_timeout"
    assert "not done in 0.3 s" in error.message


@pytest.mark.slow
def test_a_reader_that_spins_is_ended_by_its_processor_limit(ask: Callable[..., Request]) -> None:
    assert refusal(ask("spins", cpu_s=1)).code == "reader_timeout"


def test_a_reader_cannot_write_files(ask: Callable[..., Request], tmp_path: Path) -> None:
    target = tmp_path / "written"
    assert refusal(ask("writes", settings=str(target))).code == "reader_failed"
    assert not target.exists() or target.stat().st_size == 0


def test_stop_ends_a_reader(ask: Callable[..., Request]) -> None:
    stop = threading.Event()
    stop.set()
    assert refusal(ask("hangs"), stop).code == "import_stopped"


def test_a_sink_that_raises_ends_the_reader(ask: Callable[..., Request]) -> None:
    def full(name: str) -> Sink:
        raise Unavailable("storage_full", "no room")

    with pytest.raises(Unavailable):
        sandbox.run(ask("hangs"), full)


def test_a_reader_lives_apart(ask: Callable[..., Request], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAMELLE_SECRET", "password")
    found = sandbox.run(ask("tells", nice=7), Sinks()).facts
    assert found["core"] == [0, 0]
    assert found["nice"] >= 7
    assert "LAMELLE_SECRET" not in found["environ"]
    assert (found["cwd"], found["stdin"], found["session"]) == ("/", "", True)


def test_no_descriptor_is_left_open(ask: Callable[..., Request]) -> None:
    before = sorted(Path("/proc/self/fd").iterdir())
    for reader in ("good", "refuses", "dies"):
        try:
            sandbox.run(ask(reader), Sinks())
        except LamelleError:
            continue
    assert sorted(Path("/proc/self/fd").iterdir()) == before


def test_a_reader_dies_with_its_parent(ask: Callable[..., Request], tmp_path: Path) -> None:
    """A parent that is killed with SIGKILL leaves no reader behind."""
    request = ask("hangs")
    script = (
        "import os, sys, pathlib; from lamelle.doors.files import sandbox;"
        "from lamelle.doors.files.request import Request;"
        "sinks = type('S', (), {'write': lambda s, c: (os.write(1, b'!')), 'close': lambda s: None});"
        f"sandbox.run(Request(pathlib.Path({str(request.path)!r}), reader={request.reader!r}), lambda name: sinks())"
    )
    environment = dict(confined.environment())
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment)
    assert parent.stdout is not None
    assert parent.stdout.read(1) == b"!"
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text().split()
    handles = [os.pidfd_open(int(child)) for child in children]
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert len(handles) == 1
    assert select.select(handles, [], [], 20)[0] == handles
    os.close(handles[0])
