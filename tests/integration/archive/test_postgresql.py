"""The tests of the rooms with tables once more, on a real PostgreSQL."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
ROOMS = ("base", "audit", "access", "archive", "lab")
PICTURES = ("lab/test_barcodes.py", "lab/quality/test_looking.py")
"""What asks no database, and takes long."""


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_same_tests_pass_on_postgresql() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-x", *(f"tests/unit/{room}" for room in ROOMS)]
    command += [f"--ignore=tests/unit/{file}" for file in PICTURES]
    environment = {**os.environ, "TEST_CATALOGUE": "postgresql"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:]
