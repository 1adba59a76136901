"""Writes docs/reference from the code: settings, commands, endpoints, errors, metrics, the conformance statement.

`python -m lamelle.ops.reference docs/reference` writes; tests/house compares.
"""

import ast
import importlib
import inspect
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import typer
from fastapi import FastAPI
from starlette.routing import Mount, Route

import lamelle
from lamelle.base import telemetry
from lamelle.dicom import validate
from lamelle.doors.dimse import conformance
from lamelle.doors.guard import Table
from lamelle.ops import cli, config, metrics, wiring
from lamelle.ops.config import Settings
from lamelle.ops.routes import table

NOTE = "<!-- written by `make docs` from the code; a test compares -->"
PACKAGE = Path(lamelle.__file__).parent


def write(folder: Path) -> None:
    """Write every page into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / f"{name}.md").write_text(text, encoding="utf-8")


def pages() -> dict[str, str]:
    """File stem to content."""
    return {
        "settings": settings(),
        "commands": commands(),
        "endpoints": endpoints(),
        "errors": errors(),
        "metrics": counters(),
        "conformance": conformance_statement(),
    }


# -- settings --------------------------------------------------------------------------------------------------------


def settings() -> str:
    """Every setting with its unit and reason, from the docstrings of the rooms' dataclasses."""
    parts = [
        "# Settings",
        NOTE,
        "Defaults, then one TOML file (`--config FILE` or `LAMELLE_CONFIG`), then `LAMELLE_*` variables, then the\n"
        "command line: the later wins. In the file a setting stands in its section, `[serve]` then `port = 8042`.\n"
        "Lists are TOML arrays; in a variable they are JSON arrays or words between commas. A setting that does not\n"
        "exist is refused in the file. `lamelle settings` prints what is in effect.",
    ]
    for section, kind in config.sections().items():
        parts.append(f"## [{section}]")
        parts += [_setting(section, kind, item.name) for item in fields(kind)]
        parts += [_table(nested) for nested in _nested(kind)]
    return _page(parts)


def _setting(section: str, kind: Any, key: str) -> str:
    name = f"{section}.{key}"
    value = config.text(config.default(name))
    hint = get_type_hints(kind)[key]
    shown = f"`{value}`" if value else "empty"
    given = f"`{config.variable(name)}`"
    if name in config.SECRETS:
        given += f" or `{config.secret_variable(name)}` (a file)"
    return f"### {name}\n\n{about(kind)[key]}\n\n{given} · {config.allowed(hint)} · default {shown}"


def _nested(kind: Any) -> Iterator[Any]:
    for hint in get_type_hints(kind).values():
        for part in (hint, *get_args(hint)):
            if is_dataclass(part) and isinstance(part, type):
                yield part


def _table(kind: Any) -> str:
    said = about(kind)
    hints = get_type_hints(kind)
    rows = [f"| `{item.name}` | {config.allowed(hints[item.name])} | {said[item.name]} |" for item in fields(kind)]
    return "\n".join(
        [f"**{kind.__name__}**: {inspect.getdoc(kind)}", "", "| key | allowed | what |", "|---|---|---|", *rows]
    )


def about(kind: Any) -> dict[str, str]:
    """Field name to the docstring that follows it in the class."""
    body = ast.parse(inspect.getsource(kind).lstrip()).body[0]
    assert isinstance(body, ast.ClassDef)
    found: dict[str, str] = {}
    names: list[str] = []
    for line in body.body:
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
            names.append(line.target.id)
        elif isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and names:
            found[names[-1]] = " ".join(str(line.value.value).split())
    return {name: found.get(name, "") for name in names}


# -- commands --------------------------------------------------------------------------------------------------------


def commands() -> str:
    """Every command with its options."""
    parts = [
        "# Commands",
        NOTE,
        "Exit codes: 0 all is well, 1 problems were found, 2 the command was used wrongly.",
    ]
    group = typer.main.get_command(cli.app)
    for name, command in leaves(group, "lamelle"):
        if not command.hidden:
            parts.append(f"## {name}\n\n{inspect.cleandoc(command.help or '')}")
            rows = [_parameter(item) for item in command.params if not getattr(item, "hidden", False)]
            if rows:
                parts.append("\n".join(["| option | what |", "|---|---|", *rows]))
    return _page(parts)


def leaves(group: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command below a group, with the words that call it."""
    for word, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from leaves(command, f"{name} {word}")
        else:
            yield f"{name} {word}", command


def _parameter(item: Any) -> str:
    names = ", ".join([*item.opts, *item.secondary_opts]) if item.param_type_name == "option" else item.name.upper()
    return f"| `{names}` | {getattr(item, 'help', '') or ''} |"


# -- endpoints -------------------------------------------------------------------------------------------------------


def endpoints() -> str:
    """Every path and method the node answers."""
    parts = [
        "# Endpoints",
        NOTE,
        "Errors are `application/problem+json` (RFC 9457) with a `code` of [errors](errors.md). *For* is what a\n"
        "caller must be allowed to do ([who may see what](../explain/access.md)) and, in brackets, what the audit\n"
        "ledger calls it when that is another word.",
    ]
    rules = table(config.DEFAULTS.dicomweb.prefix)
    rows = [f"| `{path}` | {methods} | {_rules(rules, path, methods)} | {what} |" for path, methods, what in routes()]
    return _page([*parts, "\n".join(["| path | methods | for | what |", "|---|---|---|---|", *rows])])


def _rules(rules: Table, path: str, methods: str) -> str:
    """What a caller must be allowed to do (access.model.Action), and what the ledger calls it."""
    found = [rules[f"{method} {path if path != '/' else '/*'}"] for method in methods.split()]
    return ", ".join(f"{rule} ({rule.event})" if rule.event not in {"", str(rule)} else str(rule) for rule in found)


def routes() -> list[tuple[str, str, str]]:
    """(path, methods, first line of the docstring) of every route."""
    with tempfile.TemporaryDirectory() as folder:
        chosen = Settings(archive=replace(config.DEFAULTS.archive, data_dir=Path(folder)))
        archive = wiring.opened(chosen)
        try:
            return sorted(set(_routes(wiring.all_routes(archive, wiring.access_of(archive, chosen), chosen), "")))
        finally:
            archive.close()


def _routes(found: Any, prefix: str) -> Iterator[tuple[str, str, str]]:
    for route in found:
        if isinstance(route, Mount) and isinstance(route.app, FastAPI):
            yield from _described(route.app, prefix + route.path)
        elif isinstance(route, Mount):
            below = list(route.routes or ())
            yield from _routes(below, prefix + route.path)
            if not below:
                yield (
                    f"{prefix}{route.path}/",
                    "GET",
                    "The viewer: its files, and its one page for any other address.",
                )
        elif isinstance(route, Route):
            methods = " ".join(sorted((route.methods or {"GET"}) - {"HEAD"}))
            yield (prefix + route.path, methods, _first_line(route.endpoint))


def _described(app: FastAPI, prefix: str) -> Iterator[tuple[str, str, str]]:
    for path, methods in app.openapi()["paths"].items():
        for method, about_it in methods.items():
            said = about_it.get("description") or about_it.get("summary") or ""
            yield (prefix + path, method.upper(), said.split("\n")[0])
    yield from _routes([route for route in app.routes if type(route) is Route], prefix)


def _first_line(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").split("\n", maxsplit=1)[0]


def conformance_statement() -> str:
    """The DICOM conformance statement, with the settings of the network and what DICOMweb answers."""
    told = {
        f"{section}.{name}": (what, config.text(config.default(f"{section}.{name}")))
        for section in ("dimse", "lab")
        for name, what in about(config.sections()[section]).items()
    }
    return conformance.statement(told, [route for route in routes() if route[0].startswith("/dicomweb")], NOTE)


# -- errors and metrics ----------------------------------------------------------------------------------------------


def errors() -> str:
    """Every error code with the kind it belongs to, found where it is raised."""
    parts = [
        "# Error codes",
        NOTE,
        "A code is stable: scripts may rely on it. The HTTP doors answer with the status beside the kind.\n"
        "Not found 404, gone 410, conflict 409, invalid 400, too large 413, denied 403,\n"
        "unauthenticated 401, unsupported 501, unavailable 503; `storage_full` is 507, `not_acceptable` 406,\n"
        "`unsupported_media_type` 415, `range_not_satisfiable` 416, `too_many_attempts` 429.",
    ]
    rows = [f"| `{code}` | {', '.join(sorted(kinds))} | {said} |" for code, (kinds, said) in sorted(codes().items())]
    return _page([*parts, "\n".join(["| code | kind | for example |", "|---|---|---|", *rows])])


def codes() -> dict[str, tuple[set[str], str]]:
    """Code to kinds and one message, read from every `Kind("code", message)` of the source."""
    found: dict[str, tuple[set[str], str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or len(node.args) < 2:
                continue
            kind = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            code = node.args[0]
            if kind in KINDS and isinstance(code, ast.Constant) and isinstance(code.value, str):
                kinds, said = found.setdefault(code.value, (set(), _words(node.args[1])))
                kinds.add(kind)
                found[code.value] = (kinds, said or _words(node.args[1]))
    for name, (kind, said) in _TABLED.items():
        found.setdefault(name, (set(), said))[0].add(kind)
    return found


_TABLED: Mapping[str, tuple[str, str]] = {
    **{code: ("Invalid", f"{name} is not there or empty") for _, name, code in validate.NAMES},
    **{f"{what}_deleted": ("Gone", f"the {what} was deleted") for what in ("study", "series", "instance")},
    "instance_differs": ("Conflict", "other bytes are kept under this SOP Instance UID"),
}
"""Codes that no `Kind("code", message)` names: those of tables, and of outcomes that are no exception."""


KINDS = (
    "NotFound",
    "Gone",
    "Conflict",
    "Invalid",
    "TooLarge",
    "Denied",
    "Unauthenticated",
    "Unsupported",
    "Unavailable",
)


def _words(message: ast.expr) -> str:
    """The text of a message, with `…` for what is filled in."""
    if isinstance(message, ast.Constant):
        text = str(message.value)
    elif isinstance(message, ast.JoinedStr):
        text = "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in message.values)
    else:
        return ""
    return text.replace("|", "\\|").replace("<", "&lt;")


def counters() -> str:
    """Every counter, histogram and gauge of /metrics."""
    wiring.words([])  # importing wiring imported every room, and each declared its own; but for the DICOM network's
    importlib.import_module("lamelle.doors.dimse.server")
    importlib.import_module("lamelle.doors.hl7.queue")
    importlib.import_module("lamelle.doors.hl7.server")
    parts = ["# Metrics", NOTE, "`/metrics` gives these in Prometheus' text form, summed over the workers of the node."]
    rows = [f"| `{m.name}` | {m.kind} | {_labels(m.labels)} | {m.about} |" for m in telemetry.declared.values()]
    rows += [f"| `{name}` | gauge | {_labels(labels)} | {said} |" for name, (said, labels) in metrics.GAUGES.items()]
    return _page([*parts, "\n".join(["| name | kind | labels | what |", "|---|---|---|---|", *sorted(rows)])])


def _labels(labels: tuple[str, ...]) -> str:
    return ", ".join(labels) or "none"


def _page(parts: list[str]) -> str:
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    write(Path(sys.argv[1]))
