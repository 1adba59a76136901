"""Accounts, places and tokens by commands: what is printed, and that it opens the door."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lamelle.access import governing, identify, signing
from lamelle.access.model import Action, Purpose, Role
from lamelle.access.settings import AccessSettings
from lamelle.access.signing import Browser
from lamelle.audit import model
from lamelle.audit.tables import pending
from lamelle.base.errors import Denied, Invalid, LamelleError, Unauthenticated
from lamelle.doors.files.settings import FilesSettings, WatchedFolder
from lamelle.doors.web.settings import DemoAccount, WebSettings
from lamelle.ops import cli, config, serve, wiring
from lamelle.testing.people import CHEAP

PASSWORD = re.compile(r"\b(?:[a-z2-9]{5}-){3}[a-z2-9]{5}\b")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> config.Settings:
    monkeypatch.setenv("LAMELLE_ARCHIVE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("LAMELLE_ACCESS_HASH_MIB", str(CHEAP.hash_mib))
    monkeypatch.setenv("LAMELLE_ACCESS_HASH_ROUNDS", str(CHEAP.hash_rounds))
    return config.load()


def run(*words: str, given: str = "") -> str:
    result = CliRunner().invoke(cli.app, list(words), input=given, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_people_places_and_tokens_before_the_server_ever_ran(settings: config.Settings) -> None:
    department = run("place", "add", "Pathologie").strip()
    assert department == "2"
    said = run("user", "add", "doctor", "--role", "pathologist", "--place", department, "--name", "Zoé Martin")
    password = PASSWORD.search(said)
    assert password
    run("user", "add", "chief", "--role", "manager", "--everywhere", "--password-stdin", given="seven quiet lanterns\n")
    token = run("token", "create", "robot", "--role", "device", "--scope", "system/ImagingStudy.crs").strip()
    assert re.fullmatch(r"lml_[A-Za-z0-9_-]{43}", token)
    listed = run("user", "list")
    assert "pathologist in 2" in listed
    assert "manager in every place" in listed
    assert "Pathologie" in run("place", "list")
    assert token not in run("token", "list")
    with wiring.people(settings) as access:
        robot = identify.caller(access, bearer=token)
        assert (robot.actor.kind, robot.purpose) == ("service", Purpose.CARE)
        assert robot.actor.actions == frozenset({Action.STORE, Action.VIEW, Action.VIEW_LABEL, Action.EXPORT})
        _, found = signing.with_password(access, "doctor", password[0], Browser())
        assert found.step == "new_password"
        assert signing.with_password(access, "chief", "seven quiet lanterns", Browser())[1].step == ""
        with access.db.read() as conn:
            entries = [model.read(row.entry) for row in conn.execute(pending.select().order_by(pending.c.id))]
    assert [e.action for e in entries][:3] == ["place_changed", "user_changed", "rights_changed"]
    assert {e.actor for e in entries if e.action != "sign_in"} == {"system"}
    assert token not in str(entries)


def test_what_is_taken_back_counts_at_once(settings: config.Settings) -> None:
    token = run("token", "create", "robot", "--role", "device", "--scope", "system/*.cruds").strip()
    run("user", "role", "robot", "archivist")
    run("user", "role", "robot", "device", "--take")
    with wiring.people(settings) as access:
        assert [one.role for one in identify.caller(access, bearer=token).actor.memberships] == ["archivist"]
    second = run("token", "create", "robot", "--scope", "system/*.rs", "--purpose", "operations").strip()
    run("token", "revoke", "1")
    run("user", "disable", "robot")
    run("user", "disable", "robot", "--enable")
    with wiring.people(settings) as access:
        for one in (token, second):
            with pytest.raises(Unauthenticated):
                identify.caller(access, bearer=one)


@pytest.mark.parametrize(
    "words",
    [
        ["user", "add", "Not A Login"],
        ["user", "add", "a", "--role", "pathologist", "--place", "99"],
        ["user", "role", "nobody", "pathologist"],
        ["token", "create", "nobody", "--scope", "system/ImagingStudy.rs"],
        ["token", "create", "robot", "--role", "device", "--scope", "patient/ImagingStudy.rs"],
        ["token", "create", "robot", "--role", "device", "--scope", "system/*.rs", "--purpose", "research"],
        ["token", "revoke", "7"],
    ],
)
def test_what_cannot_be_done_is_an_error_of_ours(settings: config.Settings, words: list[str]) -> None:
    with pytest.raises(LamelleError):
        CliRunner().invoke(cli.app, words, catch_exceptions=False)


def test_the_first_start_makes_one_administrator(settings: config.Settings) -> None:
    said: list[str] = []
    wiring.started(settings, said.append)
    wiring.started(settings, said.append)
    (line,) = said
    password = PASSWORD.search(line)
    assert password
    with wiring.people(settings) as access:
        cookie, found = signing.with_password(access, "admin", password[0], Browser())
        assert found.step == "new_password"
        signing.change_password(access, found, password[0], "seven quiet lanterns", Browser())
        assert governing.persons(access, identify.caller(access, cookie=cookie))[1] == 1


def test_where_nobody_signs_in_there_is_no_account(settings: config.Settings) -> None:
    said: list[str] = []
    wiring.started(config.load(overrides={"access.sign_in": "none"}), said.append)
    assert said == []
    assert AccessSettings().sign_in == "required"


def test_a_watched_folder_of_no_place_is_said_before_the_start(settings: config.Settings, tmp_path: Path) -> None:
    lost = replace(settings, files=FilesSettings(watch=(WatchedFolder(tmp_path, place=7),)))
    with pytest.raises(Invalid, match="belongs to place 7, and there is none"):
        wiring.started(lost, print)


def test_passwords_are_shown_to_no_network(settings: config.Settings) -> None:
    shown = replace(settings, web=WebSettings(demo=(DemoAccount("helene", "heron", Role.PATHOLOGIST),)))
    serve.refuse_open_network(shown)
    with pytest.raises(Denied, match=r"web\.demo"):
        serve.refuse_open_network(replace(shown, serve=replace(shown.serve, host="0.0.0.0", tls_proxy=True)))
