"""What docs/reference is written from says something of each thing; integration/serve compares the pages."""

import pytest

from lamelle.ops import config, metrics, reference


@pytest.fixture(scope="module")
def written() -> dict[str, str]:
    return reference.pages()


@pytest.mark.parametrize("name", list(config.names()))
def test_every_setting_gives_its_reason(name: str, written: dict[str, str]) -> None:
    section, key = name.split(".")
    assert reference.about(config.sections()[section])[key], f"{name} has no docstring"
    assert f"### {name}\n" in written["settings"]
    assert f"`{config.variable(name)}`" in written["settings"]


def test_every_error_code_is_lower_snake_case() -> None:
    codes = reference.codes()
    assert len(codes) > 50
    assert [code for code in codes if not code.replace("_", "a").isalnum() or code != code.lower()] == []


def test_gauges_are_described(written: dict[str, str]) -> None:
    assert all(f"`{name}`" in written["metrics"] for name in metrics.GAUGES)
