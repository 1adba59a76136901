"""The rooms that exist are the rooms on the plan, and each is explained."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "lamelle"
ROOMS = ROOT / "docs" / "explain" / "rooms.md"


def rooms() -> set[str]:
    """Every floor that has code, and each door, as dotted names below lamelle."""
    found = [*PACKAGE.glob("*/__init__.py"), *PACKAGE.glob("doors/*/__init__.py")]
    return {".".join(path.parent.relative_to(PACKAGE).parts) for path in found}


def test_every_room_is_explained() -> None:
    explained = set(re.findall(r"^\| `([a-z_.0-9]+)` \|", ROOMS.read_text(), re.MULTILINE))
    assert rooms() - explained == set()
    assert explained - rooms() == set(), "only rooms that have code exist"


def test_every_floor_is_under_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (floors,) = [c for c in contracts if c["type"] == "layers" and c["containers"] == ["lamelle"]]
    named = {room.strip() for layer in floors["layers"] for room in layer.split("|")}
    assert named == {room for room in rooms() if "." not in room}
    assert floors["exhaustive"] is True
