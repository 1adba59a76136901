"""Every tracked file keeps the habits of the house: docstrings, sizes, no machine paths, no registry hosts."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST = 500
LONG_FILES: dict[str, str] = {
    "src/lamelle/dicom/part10.py": "one scanner, one pass: its states read each other's fields on every byte",
    "viewer/src/data/api.ts": "written by a program",
}
"""Files past 500 lines, each with its reason."""
HOSTS = ("pythonhosted" + ".org", "pypi.org" + "/simple", "registry." + "npmjs.org", "deb." + "debian.org")
PATHS = (r"(?<![\w.])/work/", "/tmp/" + "studio", r"/home/\w+/", r"/root/")


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()]


def python_files() -> list[Path]:
    return [path for path in tracked() if path.suffix == ".py"]


def test_no_file_names_a_registry_host_or_a_machine_path() -> None:
    wanted = re.compile("|".join([*map(re.escape, HOSTS), *PATHS]))
    found = []
    for path in tracked():
        if path == Path(__file__) or path.stat().st_size > 20 << 20:
            continue
        content = path.read_bytes()
        if b"\0" in content[:4096]:
            continue
        for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), 1):
            if match := wanted.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {match.group()}")
    assert found == []


def test_every_module_says_what_lives_in_it() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in python_files()
        if path.stat().st_size and ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) is None
    ]
    assert silent == []


def test_a_long_file_has_a_reason() -> None:
    code = [path for path in tracked() if path.suffix in {".py", ".ts", ".tsx", ".css"}]
    lengths = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in code}
    long = {name: count for name, count in lengths.items() if count > LONGEST and name not in LONG_FILES}
    assert long == {}


def test_the_environment_is_read_in_one_place() -> None:
    allowed = {"src/lamelle/ops/config.py", "src/lamelle/ops/serve.py", "src/lamelle/base/telemetry.py"}
    allowed |= {"src/lamelle/testing/node.py"}  # hands its own environment on to a child
    readers = {
        str(path.relative_to(ROOT))
        for path in python_files()
        if path.is_relative_to(ROOT / "src")
        and re.search(r"\bos\.(environ|getenv)\b", path.read_text(encoding="utf-8"))
    }
    assert readers - allowed == set()
