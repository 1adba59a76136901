"""A pathologist looks for a case."""

import re

from playwright.sync_api import Page, expect

from .conftest import Served


def test_the_list_shows_every_study_in_french(page: Page) -> None:
    page.goto("/")
    expect(page.get_by_text("3 examens")).to_be_visible()
    expect(page.get_by_role("listitem")).to_have_count(3)
    expect(page.get_by_role("link", name=re.compile("Martin Zoé"))).to_contain_text("2 lames")
    expect(page.get_by_role("link", name=re.compile("Durand Paul"))).to_contain_text("2 janv. 2026")


def test_search_answers_while_typing(page: Page) -> None:
    page.goto("/")
    expect(page.get_by_role("listitem")).to_have_count(3)
    page.keyboard.press("/")
    page.keyboard.type("durand")
    expect(page.get_by_role("listitem")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"q=durand"))
    page.get_by_role("searchbox").fill("Sbiopsy-pas")
    expect(page.get_by_role("link", name=re.compile("Martin Zoé"))).to_be_visible()
    page.get_by_role("searchbox").fill("nobody")
    expect(page.get_by_role("heading", name="Aucun examen ne correspond")).to_be_visible()
    page.get_by_role("button", name="Effacer les filtres").click()
    expect(page.get_by_role("listitem")).to_have_count(3)


def test_filters_by_modality(page: Page) -> None:
    page.goto("/")
    page.get_by_text("Scanner", exact=True).first.click()
    expect(page.get_by_role("listitem")).to_have_count(1)
    expect(page.get_by_role("listitem")).to_contain_text("1 série")


def test_english_by_one_click_and_for_next_time(page: Page) -> None:
    page.goto("/")
    page.get_by_text("EN", exact=True).click()
    expect(page.get_by_text("3 studies")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.reload()
    expect(page.get_by_text("3 studies")).to_be_visible()
    expect(page.get_by_text("Jan 2, 2026").first).to_be_visible()


def test_light_theme_for_the_lists(page: Page) -> None:
    page.goto("/")
    page.get_by_role("button", name="Thème clair").click()
    assert page.locator(".lists").evaluate("lists => getComputedStyle(lists).backgroundColor") == "rgb(246, 247, 249)"


def test_a_case_by_keyboard_alone(page: Page, served: Served) -> None:
    page.goto("/")
    first = page.get_by_role("link", name=re.compile("Martin Zoé"))
    first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Martin Zoé")
    expect(page.get_by_text("Sbiopsy-pas")).to_be_visible()
    expect(page.get_by_text("20×").first).to_be_visible()
    page.get_by_role("link", name=re.compile("Sbiopsy-he")).focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(served.slide))


def test_imports_say_that_all_is_well(page: Page) -> None:
    page.goto("/imports")
    expect(page.get_by_text("Rien n’est mis de côté")).to_be_visible()
    expect(page.get_by_role("link", name=re.compile("Martin Zoé"))).to_be_visible()


def test_a_study_that_is_not_there(page: Page, complaints: list[str]) -> None:
    page.goto("/studies/1.2.3")
    expect(page.get_by_role("alert")).to_contain_text("Introuvable, ou pas à votre portée")
    complaints.clear()  # the browser reports the 404 that was asked for
