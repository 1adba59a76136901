"""requirements.lock fits pyproject.toml: every dependency locked, with hashes, in the range that is asked for."""

import re
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PINNED = re.compile(r"^([A-Za-z0-9._-]+)==(\S+) \\$", re.MULTILINE)

REPAIRED = {
    "cryptography": ("44.0.1", "CVE-2024-12797: OpenSSL took a raw public key it should refuse"),
    "h11": ("0.16.0", "CVE-2025-43859: request smuggling by chunked bodies"),
    "openslide-bin": ("4.0.1", "holes of the libraries that read slides"),
    "pillow": ("11.3.0", "CVE-2025-48379: a buffer overrun; CVE-2024-28219: another in its colour management"),
    "setuptools": ("78.1.1", "CVE-2025-47273: path traversal in downloads"),
    "starlette": ("0.49.1", "CVE-2025-62727: Range headers that take minutes"),
    "urllib3": ("2.5.0", "CVE-2025-50181: redirects followed that were switched off"),
}
"""The worst holes of what we install: the first sound version, and why; for where pip-audit cannot ask anyone."""


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


def test_known_holes_are_closed() -> None:
    pins = locked()
    open_holes = [name for name, (sound, _) in REPAIRED.items() if name in pins and pins[name] < Version(sound)]
    assert open_holes == []
