"""docs/reference is what the code says now: `make docs` writes it, this compares."""

from pathlib import Path

import pytest

from lamelle.ops import reference

FOLDER = Path(__file__).parents[3] / "docs" / "reference"


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    return reference.pages()


@pytest.mark.parametrize("name", ["settings", "commands", "endpoints", "errors", "metrics"])
def test_the_pages_are_those_of_the_code(name: str, written: dict[str, str]) -> None:
    assert (FOLDER / f"{name}.md").read_text(encoding="utf-8") == written[name], "run `make docs`"
