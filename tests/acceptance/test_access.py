"""The pages can be used without seeing, or without a mouse: axe-core finds nothing against WCAG 2 A and AA."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from .conftest import Served

AXE = Path(__file__).parents[2] / "viewer/node_modules/axe-core/axe.min.js"
RUN = """() => axe.run({runOnly: ["wcag2a", "wcag2aa"]}).then(found => found.violations.map(
    violation => violation.id + ": " + violation.nodes.map(node => node.target.join(" ")).join(", ")))"""


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize("name", ["studies", "study", "slide", "smear", "stack", "imports"])
def test_axe_finds_nothing(page: Page, served: Served, name: str, theme: str) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: npm ci in viewer/")
    addresses = {
        "studies": ("/", page.get_by_role("listitem").first),
        "study": (f"/studies/{served.biopsy}", page.get_by_role("heading", level=1)),
        "slide": (f"/slides/{served.slide}", page.locator(".dock")),
        "smear": (f"/slides/{served.smear}", page.locator(".dock")),
        "stack": (f"/stacks/{served.stack}", page.locator(".stack-image")),
        "imports": ("/imports", page.get_by_role("link", name=re.compile("Martin Zoé"))),
    }
    address, ready = addresses[name]
    page.add_init_script(f"localStorage.setItem('lamelle.theme', '{theme}')")
    page.goto(address)
    expect(ready).to_be_visible()
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found: Any = page.evaluate(RUN)
    assert found == []
