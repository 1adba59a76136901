"""Settings: defaults < TOML file < `LAMELLE_*` environment < command line, read once into one frozen tree.

The sections are the rooms' own frozen dataclasses; this file only fills them. Nothing else reads the environment.
"""

import difflib
import ipaddress
import json
import os
import tomllib
import types
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from lamelle.access.settings import AccessSettings
from lamelle.archive.settings import ArchiveSettings
from lamelle.audit.settings import AuditSettings
from lamelle.base.errors import Invalid
from lamelle.base.settings import JobSettings
from lamelle.doors.dicomweb.settings import DicomwebSettings
from lamelle.doors.dimse.settings import DimseSettings
from lamelle.doors.fhir.settings import FhirSettings
from lamelle.doors.files.settings import FilesSettings
from lamelle.doors.hl7.settings import Hl7Settings
from lamelle.doors.web.settings import WebSettings
from lamelle.lab.settings import LabSettings

PREFIX = "LAMELLE_"
FILE_VARIABLE = "LAMELLE_CONFIG"
# Hidden wherever settings are shown, never taken from a command line; each may lie in a file of its own.
SECRETS = frozenset({"access.oidc", "archive.database_url", "archive.s3_access_key", "archive.s3_secret_key"})


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """How `lamelle serve` listens, works and stops."""

    host: str = "127.0.0.1"
    """Address to listen on; others than loopback need sign-in and TLS (ADR 0019)."""
    port: int = 8042
    """TCP port; 0 takes any free one and says which."""
    workers: int = 2
    """Processes answering requests; one for each core is a good start, as one process uses one core."""
    unsafe_network: bool = False
    """Allow a `host` that others can reach although nobody signs in: only behind a proxy that checks who asks."""
    tls_proxy: bool = False
    """A proxy stands before this node and speaks TLS with everybody who is not on this machine."""
    stop_timeout_s: int = 30
    """Seconds that requests in flight get to finish after SIGTERM; whole studies take the longest."""
    silence_s: int = 120
    """Seconds after which a connection is closed whose client neither sends nor reads, whatever it waits for."""
    tls_cert: str = ""
    """PEM file of our certificate and those that vouch for it; set: HTTPS alone is spoken. Read at the start."""
    tls_key: str = ""
    """PEM file of our private key; empty: it lies in tls_cert."""
    access_log: Literal["all", "some", "errors", "none"] = "some"
    """Requests worth a line; `some` leaves out tiles and frames that went well, which /metrics counts."""
    proxies: tuple[str, ...] = ()
    """Addresses or networks (`10.0.0.0/8`) of proxies whose X-Forwarded-For says where a request comes from."""
    metrics_from: tuple[str, ...] = ()
    """Addresses or networks that may read /metrics without signing in, for Prometheus; none by default."""

    def __post_init__(self) -> None:
        _within("serve.port", self.port, 0, 65535)
        _within("serve.workers", self.workers, 1, 256)
        _within("serve.stop_timeout_s", self.stop_timeout_s, 1, 3600)
        _within("serve.silence_s", self.silence_s, 1, 86400)
        for name in ("proxies", "metrics_from"):
            _networks(f"serve.{name}", getattr(self, name))
        if self.tls_key and not self.tls_cert:
            raise Invalid("bad_setting", "serve.tls_key is of no use without serve.tls_cert")


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What is logged, and how it looks."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severity worth a line."""
    format: Literal["auto", "json", "text"] = "auto"
    """`auto` writes text for a person at a terminal and JSON lines for everything else."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings; each section is handed to the room it is named after."""

    archive: ArchiveSettings = field(default_factory=lambda: ArchiveSettings(Path("lamelle-data")))
    access: AccessSettings = field(default_factory=AccessSettings)
    dicomweb: DicomwebSettings = field(default_factory=DicomwebSettings)
    dimse: DimseSettings = field(default_factory=DimseSettings)
    fhir: FhirSettings = field(default_factory=FhirSettings)
    hl7: Hl7Settings = field(default_factory=Hl7Settings)
    web: WebSettings = field(default_factory=WebSettings)
    files: FilesSettings = field(default_factory=FilesSettings)
    audit: AuditSettings = field(default_factory=AuditSettings)
    lab: LabSettings = field(default_factory=LabSettings)
    jobs: JobSettings = field(default_factory=JobSettings)
    serve: ServeSettings = field(default_factory=ServeSettings)
    log: LogSettings = field(default_factory=LogSettings)


def _networks(name: str, found: Iterable[str]) -> None:
    for network in found:
        try:
            ipaddress.ip_network(network, strict=False)
        except ValueError:
            raise Invalid("bad_setting", f"{name}: {network!r:.60} is no address or network") from None


def _within(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise Invalid("bad_setting", f"{name} is {value}; allowed: {low} to {high}")


DEFAULTS = Settings()


# -- reading ---------------------------------------------------------------------------------------------------------


def load(
    file: Path | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Settings:
    """The effective settings.

    `overrides` maps dotted names ("serve.port") to values; None leaves the setting alone.

    Raises: Invalid bad_setting naming the setting and what is allowed.
    """
    environment = os.environ if environment is None else environment
    file = file or (Path(environment[FILE_VARIABLE]) if environment.get(FILE_VARIABLE) else None)
    values: dict[str, Any] = {}
    if file is not None:
        values.update(_from_file(file))
    for name in names():
        if (text := environment.get(variable(name))) is not None:
            values[name] = text
        if name in SECRETS and (path := environment.get(secret_variable(name))):
            values[name] = _secret(name, path, environment)
    given = {name: value for name, value in (overrides or {}).items() if value is not None}
    for name in SECRETS & given.keys():
        raise Invalid("bad_setting", f"{name} is a secret: every process sees a command line; {_secret_ways(name)}")
    return _build({**values, **given})


def _secret(name: str, path: str, environment: Mapping[str, str]) -> str:
    """What a file holds, without the line end that editors leave."""
    if variable(name) in environment:
        raise Invalid("bad_setting", f"{variable(name)} and {secret_variable(name)} are both set")
    try:
        return Path(path).read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not text"
        raise Invalid("bad_setting", f"{secret_variable(name)}: {path} cannot be read: {why}") from error


def _secret_ways(name: str) -> str:
    return f"give it by {variable(name)}, by a file that {secret_variable(name)} names, or in the settings file"


def names() -> Iterator[str]:
    """Every setting's dotted name, in order."""
    for section, kind in sections().items():
        yield from (f"{section}.{item.name}" for item in fields(kind))


def sections() -> dict[str, Any]:
    """Section name to its dataclass."""
    return get_type_hints(Settings)


def variable(name: str) -> str:
    """The environment variable of a setting: `serve.port` is LAMELLE_SERVE_PORT."""
    return PREFIX + name.replace(".", "_").upper()


def secret_variable(name: str) -> str:
    """The environment variable of the file that holds a secret, as container platforms hand them over."""
    return f"{variable(name)}_FILE"


def unknown_variables(environment: Mapping[str, str] | None = None) -> list[str]:
    """`LAMELLE_*` names that mean nothing here: a typing error, or Kubernetes' service links (so no error)."""
    known = {variable(name) for name in names()} | {secret_variable(name) for name in SECRETS} | {FILE_VARIABLE}
    given = os.environ if environment is None else environment
    return sorted(name for name in given if name.startswith(PREFIX) and name not in known)


def _from_file(path: Path) -> dict[str, Any]:
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Invalid("bad_setting", f"the settings file {path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Invalid("bad_setting", f"the settings file {path} is not TOML: {error}") from error
    values: dict[str, Any] = {}
    for section, content in tree.items():
        if not isinstance(content, dict):
            raise Invalid("bad_setting", f"{section} in {path} stands outside a section; {_choices(section)}")
        for key, value in content.items():
            if f"{section}.{key}" not in set(names()):
                raise Invalid("bad_setting", f"{section}.{key} in {path} is no setting; {_choices(f'{section}.{key}')}")
            values[f"{section}.{key}"] = value
    return values


def _choices(name: str) -> str:
    near = difflib.get_close_matches(name, names(), n=1, cutoff=0.3)
    return f"did you mean {near[0]}?" if near else "docs/reference/settings.md lists them all"


def _build(values: Mapping[str, Any]) -> Settings:
    built = {}
    for section, kind in sections().items():
        hints = get_type_hints(kind)
        given = {
            item.name: convert(f"{section}.{item.name}", hints[item.name], values[f"{section}.{item.name}"])
            for item in fields(kind)
            if f"{section}.{item.name}" in values
        }
        try:
            built[section] = replace(getattr(DEFAULTS, section), **given)
        except ValueError as error:
            raise Invalid("bad_setting", f"{section}: {error}") from error
        except Invalid as error:
            raise Invalid("bad_setting", error.message) from error
    return Settings(**built)


def convert(name: str, hint: Any, given: Any) -> Any:
    """`given` (TOML or text) as the field's type."""
    try:
        return _convert(hint, given)
    except Invalid as error:  # a room's own rule
        raise Invalid("bad_setting", f"{name}: {error.message}") from error
    except (ValueError, TypeError, KeyError) as error:
        shown = "" if name in SECRETS else f" is {given!r}"
        raise Invalid("bad_setting", f"{name}{shown}; allowed: {allowed(hint)}") from error


def _convert(hint: Any, given: Any) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _convert_union(args, given)
    if origin is Literal:
        return next(choice for choice in (*args, _Refuse) if _matches(choice, given))
    if origin in (tuple, frozenset):
        items = _items(given)
        return origin(_convert(args[0], item) for item in items)
    if origin in (dict, Mapping):
        table = json.loads(given) if isinstance(given, str) else given
        return {_convert(args[0], key): _convert(args[1], value) for key, value in table.items()}
    if is_dataclass(hint) and isinstance(hint, type):
        return _convert_table(hint, given)
    return _convert_plain(hint, given)


class _Refuse:
    """Ends a Literal's choices: nothing fits."""


def _matches(choice: Any, given: Any) -> bool:
    if choice is _Refuse:
        raise ValueError(given)
    return bool(str(choice) == str(given))


def _convert_union(args: tuple[Any, ...], given: Any) -> Any:
    if type(None) in args and given in ("", "none", None):
        return None
    for hint in args:
        if hint is not type(None):
            try:
                return _convert(hint, given)
            except (ValueError, TypeError, KeyError):
                continue
    raise ValueError(given)


def _convert_table(kind: type[Any], given: Any) -> Any:
    table = json.loads(given) if isinstance(given, str) else given
    hints = get_type_hints(kind)
    return kind(**{key: _convert(hints[key], value) for key, value in table.items()})


def _convert_plain(hint: Any, given: Any) -> Any:
    if hint is bool:
        return {
            "true": True,
            "1": True,
            "yes": True,
            "on": True,
            "false": False,
            "0": False,
            "no": False,
            "off": False,
        }[str(given).lower()]
    if hint in (int, float):
        if isinstance(given, bool) or (hint is int and isinstance(given, float)):
            raise ValueError(given)
        return hint(given)
    if hint is Path:
        return Path(str(given)).expanduser()
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(given)
    if not isinstance(given, str):
        raise ValueError(given)
    return given


def _items(given: Any) -> list[Any]:
    if isinstance(given, str):
        given = (
            json.loads(given) if given.startswith("[") else [part.strip() for part in given.split(",") if part.strip()]
        )
    if not isinstance(given, (list, tuple, set, frozenset)):
        raise ValueError(given)
    return list(given)


def allowed(hint: Any) -> str:
    """What a setting of this type may be, for a person."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return " or ".join("none" if arg is type(None) else allowed(arg) for arg in args)
    if origin is Literal:
        return ", ".join(str(arg) for arg in args)
    if origin in (tuple, frozenset):
        return f"a list, each {allowed(args[0])}"
    if origin in (dict, Mapping):
        return f"a table of {allowed(args[1])}"
    if isinstance(hint, type) and issubclass(hint, Enum):
        return ", ".join(str(item.value) for item in hint)
    if is_dataclass(hint) and isinstance(hint, type):
        return "a table of " + ", ".join(item.name for item in fields(hint))
    return {bool: "true or false", int: "a whole number", float: "a number", Path: "a path"}.get(hint, "text")


# -- handing on ------------------------------------------------------------------------------------------------------


def items(settings: Settings) -> Iterator[tuple[str, Any]]:
    """Dotted name and effective value of every setting."""
    for name in names():
        section, key = name.split(".")
        yield name, getattr(getattr(settings, section), key)


def shown(settings: Settings) -> dict[str, str]:
    """Name to text, secrets hidden."""
    return {name: _hidden(value) if name in SECRETS else text(value) for name, value in items(settings)}


def _hidden(value: Any) -> str:
    """Of a URL the host may be seen, of a list of tables all but what is called a secret; of anything else nothing."""
    if isinstance(value, tuple):
        return text(tuple(_plain(one) | {"client_secret": "***"} for one in value))
    plain = text(value)
    head, at, tail = plain.rpartition("@")
    if at:
        return f"{head.split('://')[0]}://***@{tail}"
    return plain if "://" in plain or not plain else "***"


def default(name: str) -> Any:
    """What a setting is when nobody says otherwise."""
    section, key = name.split(".")
    return getattr(getattr(DEFAULTS, section), key)


def text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, frozenset, dict)) or is_dataclass(value):
        return json.dumps(_plain(value), ensure_ascii=False)
    return str(value.value if isinstance(value, Enum) else value)


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted(_plain(item) for item in value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (Path, Enum)):
        return str(value.value if isinstance(value, Enum) else value)
    return value
