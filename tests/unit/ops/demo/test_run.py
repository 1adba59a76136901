"""Preparing and starting the demonstration: ports, what is stored, what a second run leaves alone."""

import socket
import webbrowser
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from lamelle.access import signing
from lamelle.access.model import WHOLE, Role
from lamelle.access.signing import Browser
from lamelle.base.errors import Unavailable
from lamelle.ops import wiring
from lamelle.ops.config import Settings
from lamelle.ops.demo import cases, generate, people, preparing, run
from lamelle.ops.demo.generate import Part


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose demonstration is one CT, drawn already."""
    scan = next(part for part in generate.parts("small") if part.name == "26R07731")
    monkeypatch.setattr(generate, "parts", lambda size: [scan])
    monkeypatch.setenv("LAMELLE_ACCESS_HASH_MIB", "8")
    monkeypatch.setenv("LAMELLE_ACCESS_HASH_ROUNDS", "1")
    root = tmp_path / "source" / f"small-{generate.VERSION}"
    root.mkdir(parents=True)
    generate._make(scan, root)
    return tmp_path


def settings(folder: Path) -> Settings:
    return run.settings_of(folder / "archive", 0, 1)


def prepare(folder: Path) -> str:
    said = StringIO()
    preparing.prepare(settings(folder), folder, "small", Console(file=said))
    return said.getvalue()


def test_what_is_drawn_is_stored(folder: Path) -> None:
    prepare(folder)
    archive = wiring.opened(settings(folder))
    try:
        (part,) = generate.parts("small")
        assert len(archive.retrieve.instances(WHOLE, cases.THORAX.study_uid)) == 4
        assert part.name == "26R07731"
    finally:
        archive.close()


def test_everybody_of_the_demonstration_can_come_in(folder: Path) -> None:
    prepare(folder)
    prepared = settings(folder)
    assert {one.role for one in prepared.web.demo} == set(Role) - {Role.DEVICE}
    with wiring.people(prepared) as access:
        people.invite(access)  # again: nobody is made twice
        for one in prepared.web.demo:
            _, found = signing.with_password(access, one.login, one.password, Browser())
            assert found.step == ""


def test_a_second_run_leaves_everything_alone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(folder)

    def never(archive: object, made: object, advance: object) -> list[str]:
        raise AssertionError("imported again")

    monkeypatch.setattr(preparing, "_take_in", never)
    prepare(folder)


def test_what_cannot_be_stored_is_named_and_tried_again(folder: Path) -> None:
    scan = folder / "source" / f"small-{generate.VERSION}" / "26R07731" / "001.dcm"
    whole = scan.read_bytes()
    scan.write_bytes(whole[:2000])
    with pytest.raises(Unavailable, match="None of the demonstration"):
        prepare(folder)
    scan.write_bytes(whole)
    assert "left out" not in prepare(folder)


def test_a_part_that_is_refused_does_not_spoil_the_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (scan,) = generate.parts("small")
    bad = Part("bad", 1.0, scan.make, scan.facts)
    monkeypatch.setattr(generate, "parts", lambda size: [scan, bad])
    broken = folder / "source" / f"small-{generate.VERSION}" / "bad"
    broken.mkdir()
    (broken / "x.dcm").write_bytes(bytes(128) + b"DICM and no more")
    assert "x.dcm" in prepare(folder)
    assert "x.dcm" in prepare(folder)  # tried again, so that a later reader may take it


def test_a_busy_port_gives_way_to_the_next() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        first = taken.getsockname()[1]
        assert first < run.free_port(first) < first + run.TRIES


def test_all_ports_busy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "TRIES", 1)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Unavailable) as caught:
            run.free_port(taken.getsockname()[1])
    assert caught.value.code == "port_in_use"


class _Window(webbrowser.BaseBrowser):
    opened: list[str]

    def open(self, url: str, new: int = 0, autoraise: bool = True) -> bool:
        self.opened.append(url)
        return True


def test_only_a_browser_with_a_window_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    window = _Window("window")
    window.opened = []
    monkeypatch.setattr(webbrowser, "get", lambda: window)
    run.show("http://localhost:1")
    monkeypatch.setattr(webbrowser, "get", lambda: webbrowser.GenericBrowser("false"))
    run.show("http://localhost:2")
    assert window.opened == ["http://localhost:1"]
