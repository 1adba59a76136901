"""Every page runs under its own policy: nothing it does is refused, and what an attacker would do is."""

import pytest
from playwright.sync_api import Page, expect

from .conftest import Served

WATCH = "addEventListener('securitypolicyviolation', e => (window.refused ??= []).push(e.violatedDirective))"


@pytest.mark.parametrize("kind", ["studies", "study", "slide", "stack", "imports", "nothing"])
def test_a_page_does_nothing_that_its_policy_refuses(page: Page, served: Served, kind: str) -> None:
    address, sign = {
        "studies": ("/", "[role=listitem]"),
        "study": (f"/studies/{served.biopsy}", "img"),
        "slide": (f"/slides/{served.slide}", ".dock"),
        "stack": (f"/stacks/{served.stack}", "canvas, img"),
        "imports": ("/imports", "h1, h2, table"),
        "nothing": ("/no/such/page", "#root *"),
    }[kind]
    page.add_init_script(WATCH)
    page.goto(address)
    expect(page.locator(sign).first).to_be_visible()
    assert page.evaluate("window.refused ?? []") == []


def test_what_is_put_into_a_page_neither_runs_nor_loads(page: Page, served: Served, complaints: list[str]) -> None:
    page.add_init_script(WATCH)
    page.goto("/")
    page.evaluate(
        """() => {
            const put = (html) => document.body.append(document.createRange().createContextualFragment(html));
            put('<script>window.ran = true</script>');
            put('<img src="data:," onerror="window.ran = true">');
            put('<style>body { display: none }</style>');
            put('<iframe src="/health"></iframe>');
        }"""
    )
    page.wait_for_function("(window.refused ?? []).length >= 4")
    assert page.evaluate("window.ran ?? false") is False
    assert len(complaints) >= 4
    complaints.clear()
