"""Settings: precedence, types, errors that name the setting, and the way to child processes and back."""

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import pytest

from lamelle.base.errors import Invalid
from lamelle.ops import config


def test_precedence_is_defaults_file_environment_command_line(tmp_path: Path) -> None:
    file = tmp_path / "lamelle.toml"
    file.write_text("[serve]\nport = 1\nworkers = 7\nstop_timeout_s = 9\n")
    settings = config.load(
        file, {"LAMELLE_SERVE_PORT": "2", "LAMELLE_SERVE_WORKERS": "8"}, {"serve.port": 3, "serve.host": None}
    )
    serve = settings.serve
    assert (serve.port, serve.workers, serve.stop_timeout_s, serve.host) == (3, 8, 9, "127.0.0.1")


def test_the_file_may_be_named_by_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "lamelle.toml"
    file.write_text('[archive]\ndata_dir = "/srv/lamelle"\n')
    assert config.load(None, {"LAMELLE_CONFIG": str(file)}).archive.data_dir == Path("/srv/lamelle")


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("LAMELLE_SERVE_PORT", "abc", "serve.port is 'abc'; allowed: a whole number"),
        ("LAMELLE_SERVE_PORT", "70000", "serve.port is 70000; allowed: 0 to 65535"),
        ("LAMELLE_SERVE_PORT", "1.5", "serve.port is '1.5'; allowed: a whole number"),
        ("LAMELLE_SERVE_UNSAFE_NETWORK", "perhaps", "allowed: true or false"),
        ("LAMELLE_LOG_LEVEL", "loud", "log.level is 'loud'; allowed: debug, info, warning, error"),
    ],
)
def test_an_error_names_the_setting_and_what_is_allowed(name: str, text: str, said: str) -> None:
    with pytest.raises(Invalid) as caught:
        config.load(None, {name: text})
    assert caught.value.code == "bad_setting"
    assert said in caught.value.message


def test_a_wrong_name_in_the_file_is_refused_with_a_guess(tmp_path: Path) -> None:
    file = tmp_path / "lamelle.toml"
    file.write_text("[serve]\nprot = 1\n")
    with pytest.raises(Invalid, match=r"serve\.prot .* did you mean serve\.port\?"):
        config.load(file, {})


@pytest.mark.parametrize("content", ["port = 1\n", "[serve\n", "\x00"])
def test_a_broken_file_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "lamelle.toml"
    file.write_text(content)
    with pytest.raises(Invalid):
        config.load(file, {})
    with pytest.raises(Invalid, match="cannot be read"):
        config.load(tmp_path / "missing.toml", {})


@pytest.mark.parametrize("name", list(config.names()))
def test_every_default_survives_the_way_through_text(name: str) -> None:
    settings = config.load(None, {config.variable(name): config.text(config.default(name))})
    assert settings == config.load(None, {})


def test_unknown_variables_are_named() -> None:
    environment = {"LAMELLE_SERVE_PROT": "1", "LAMELLE_CONFIG": "x", "LAMELLE_SERVE_PORT": "1", "PATH": ""}
    assert config.unknown_variables(environment) == ["LAMELLE_SERVE_PROT"]


def test_secrets_are_hidden() -> None:
    settings = config.load(
        environment={
            "LAMELLE_ARCHIVE_DATABASE_URL": "postgresql+psycopg://me:word@db/lamelle",
            "LAMELLE_ARCHIVE_S3_SECRET_KEY": "word",
        }
    )
    shown = config.shown(settings)
    assert "word" not in "".join(shown.values())
    assert shown["archive.database_url"] == "postgresql+psycopg://***@db/lamelle"


def test_of_a_provider_all_but_its_secret_is_shown() -> None:
    provider = {"name": "psc", "issuer": "https://psc.example", "client_id": "lamelle", "client_secret": "a word"}
    shown = config.shown(config.load(environment={"LAMELLE_ACCESS_OIDC": json.dumps([provider])}))
    assert "a word" not in shown["access.oidc"]
    assert "https://psc.example" in shown["access.oidc"]


def test_a_wrong_secret_is_not_quoted(tmp_path: Path) -> None:
    (tmp_path / "lamelle.toml").write_text("[archive]\ns3_secret_key = 12345\n")
    with pytest.raises(Invalid) as caught:
        config.load(tmp_path / "lamelle.toml", {})
    assert "12345" not in caught.value.message


@dataclass(frozen=True, slots=True)
class Nested:
    path: Path
    kind: Literal["a", "b"] = "a"


@dataclass(frozen=True, slots=True)
class Wide:
    words: tuple[str, ...] = ()
    maybe: int | None = None
    tables: tuple[Nested, ...] = ()
    ratio: float = 1.0


@pytest.mark.parametrize(
    ("field", "given", "value"),
    [
        ("words", "a, b", ("a", "b")),
        ("words", '["a,b"]', ("a,b",)),
        ("words", ["a"], ("a",)),
        ("maybe", "none", None),
        ("maybe", "3", 3),
        ("tables", '[{"path": "/x", "kind": "b"}]', (Nested(Path("/x"), "b"),)),
        ("tables", [{"path": "/x"}], (Nested(Path("/x")),)),
        ("ratio", 2, 2.0),
    ],
)
def test_types_a_room_may_use(field: str, given: object, value: object) -> None:
    hints = {item.name: item.type for item in fields(Wide)}
    assert config.convert(field, hints[field], given) == value


@pytest.mark.parametrize(
    ("field", "given"), [("maybe", "x"), ("tables", [{"paht": "/x"}]), ("tables", "{"), ("words", 3)]
)
def test_what_does_not_fit_is_refused(field: str, given: object) -> None:
    hints = {item.name: item.type for item in fields(Wide)}
    with pytest.raises(Invalid):
        config.convert(field, hints[field], given)


@pytest.mark.parametrize("name", sorted(config.SECRETS - {"access.oidc"}))
def test_a_secret_may_lie_in_a_file(name: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("postgresql://u:hush@db/l\n")
    told = {config.secret_variable(name): str(secret)}
    section, key = name.split(".")
    assert getattr(getattr(config.load(environment=told), section), key) == "postgresql://u:hush@db/l"
    assert config.unknown_variables(told) == []
    with pytest.raises(Invalid, match="both set"):
        config.load(environment={**told, config.variable(name): "other"})
    with pytest.raises(Invalid, match="cannot be read"):
        config.load(environment={config.secret_variable(name): str(tmp_path / "none")})


@pytest.mark.parametrize("name", sorted(config.SECRETS))
def test_a_secret_is_not_taken_from_a_command_line(name: str) -> None:
    with pytest.raises(Invalid) as caught:
        config.load(environment={}, overrides={name: "hush"})
    assert "hush" not in caught.value.message and config.secret_variable(name) in caught.value.message


def test_no_command_has_an_option_for_a_secret() -> None:
    """A password is asked for or read from standard input: what is typed on a line is kept by shells and seen by ps."""
    import typer

    from lamelle.ops import cli

    found: list[str] = []

    def look(command: Any, path: str) -> None:
        for parameter in command.params:
            words = {word for text in parameter.opts for word in text.strip("-").replace("_", "-").split("-")}
            takes_it = not getattr(parameter, "is_flag", False)  # --password-stdin only says where it is read
            if takes_it and words & {"password", "secret", "passphrase", "pin"}:
                found.append(f"{path} {parameter.opts}")
        for name, below in getattr(command, "commands", {}).items():
            look(below, f"{path} {name}")

    look(typer.main.get_command(cli.app), "lamelle")
    assert found == []
