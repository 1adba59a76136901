"""requirements.lock fits pyproject.toml: every dependency locked, with hashes, in the range that is asked for."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+) \\$", re.MULTILINE)


def locked() -> dict[str, Version]:
    text = (ROOT / "requirements.lock").read_text()
    return {canonicalize_name(name): Version(version) for name, version in PINNED.findall(text)}


def wanted() -> list[Requirement]:
    tree = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = tree["project"]["optional-dependencies"].values()
    lines = [
        *tree["project"]["dependencies"],
        *tree["build-system"]["requires"],
        *(r for extra in extras for r in extra),
    ]
    return [Requirement(line) for line in lines]


def test_every_dependency_is_locked_in_its_range() -> None:
    pins = locked()
    missing = [
        str(requirement)
        for requirement in wanted()
        if canonicalize_name(requirement.name) not in pins
        or pins[canonicalize_name(requirement.name)] not in requirement.specifier
    ]
    assert missing == [], "run `make lock`"


def test_every_pin_has_hashes_and_nothing_else_stands_in_the_lock() -> None:
    text = (ROOT / "requirements.lock").read_text()
    blocks = [block for block in re.split(r"^(?=\S+==)", text, flags=re.MULTILINE) if PINNED.match(block)]
    assert len(blocks) == len(locked()) > 50
    assert [block.split()[0] for block in blocks if "--hash=sha256:" not in block] == []
    assert "://" not in text
    assert not re.search(r"^-", text, re.MULTILINE), "no index, host or folder of links"


def test_dependencies_are_in_order() -> None:
    tree = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for lines in (tree["dependencies"], *tree["optional-dependencies"].values()):
        names = [canonicalize_name(Requirement(line).name) for line in lines]
        assert names == sorted(names)
