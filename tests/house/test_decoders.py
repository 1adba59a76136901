"""Bytes from outside are decoded in children: no code of a server calls a decoder by itself."""

import re
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "src" / "lamelle"
CALLS = re.compile(r"\bpixels\.decode(_small)?\b|\bicc\.(to_srgb|applied)\b|\bImageCmsProfile\b")
HERE = {"archive/decoding.py"}
"""What runs in the child."""


def test_decoders_are_called_in_children_alone() -> None:
    rooms = [
        path
        for room in ("archive", "doors", "lab", "ops")
        for path in (PACKAGE / room).rglob("*.py")
        if "demo" not in path.parts
    ]
    assert len(rooms) > 100
    callers = [
        name
        for path in rooms
        if CALLS.search(re.sub(r'"""[\s\S]*?"""|`[^`]*`', "", path.read_text()))
        and (name := path.relative_to(PACKAGE).as_posix()) not in HERE
    ]
    assert callers == []
