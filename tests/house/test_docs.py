"""The documentation is true: links lead somewhere, commands and settings in examples exist, decisions are listed."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from lamelle.ops import cli, config, reference

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^ *```([a-z]*)[^\n]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def examples(language: str) -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for found, content in FENCE.findall(page.read_text(encoding="utf-8")):
            if found == language:
                yield name(page), content


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text)]
    local = [target for target in targets if target and "://" not in target]
    missing = [target for target in local if not (page.parent / target).exists()]
    assert missing == []


def test_every_decision_is_listed() -> None:
    index = (ROOT / "docs/adr/README.md").read_text()
    records = sorted((ROOT / "docs/adr").glob("0*.md"))
    numbers = [int(record.name[:4]) for record in records]
    assert numbers == list(range(1, len(records) + 1))
    for record in records:
        title = record.read_text().splitlines()[0].removeprefix("# ")
        assert f"[{title}]({record.name})" in index
        assert "\nStatus: " in record.read_text()


def commands() -> dict[str, set[str]]:
    group: Any = typer.main.get_command(cli.app)
    return {
        found: {option for item in command.params for option in (*item.opts, *item.secondary_opts)}
        for found, command in reference.leaves(group, "lamelle")
    }


def lamelle_lines() -> list[tuple[str, list[str]]]:
    lines = [(page, line.strip()) for page, block in examples("sh") for line in block.splitlines()]
    split = [(page, shlex.split(line, comments=True)) for page, line in lines]
    return [(page, words[1:]) for page, words in split if words and words[0].endswith("lamelle")]


def test_commands_in_examples_exist() -> None:
    known = commands()
    found = lamelle_lines()
    assert len(found) > 5
    for page, words in found:
        called = [f"lamelle {' '.join(words[:count])}" for count in (1, 2)]
        named = next((words for words in called if words in known), None)
        assert named is not None, f"{page}: lamelle {' '.join(words)}"
        options = {word.split("=")[0] for word in words if word.startswith("--")}
        assert options <= known[named], f"{page}: {words}"


def test_make_targets_in_examples_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page, block in examples("sh"):
        assert set(re.findall(r"^make ([a-z]+)", block, re.MULTILINE)) <= targets, page


def test_settings_in_examples_are_accepted(tmp_path: Path) -> None:
    blocks = list(examples("toml"))
    assert blocks
    for _, block in blocks:
        file = tmp_path / "lamelle.toml"
        file.write_text(block)
        settings = config.load(file, {})
        for section, table in tomllib.loads(block).items():
            assert set(table) <= set(dir(getattr(settings, section)))


def test_settings_named_in_the_text_exist() -> None:
    known = set(config.names())
    sections = "|".join(config.sections())
    variables = {config.variable(setting) for setting in known} | {config.FILE_VARIABLE, "LAMELLE_SKIP_VIEWER"}
    variables |= {config.secret_variable(setting) for setting in config.SECRETS}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        named = set(re.findall(rf"`((?:{sections})\.[a-z_0-9]+)`", text))
        modules = {word for word in named if (ROOT / "src/lamelle" / (word.replace(".", "/") + ".py")).exists()}
        assert named - modules <= known | {"archive.blobstores"}, name(page)
        assert set(re.findall(r"\bLAMELLE_[A-Z0-9_]+\b", text)) <= variables, name(page)
