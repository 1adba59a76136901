"""People sign in, look for a purpose, are added, open an emergency, and the officer sees it: one node, one browser."""

import re
from collections.abc import Iterator
from typing import Any

import pyotp
import pytest
from playwright.sync_api import Page, expect

from lamelle.access import places
from lamelle.access.model import FIRST_PLACE, Role
from lamelle.access.room import Access
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.base.ids import uid_from
from lamelle.testing import people as made
from lamelle.testing import pictures
from lamelle.testing.archives import stored
from lamelle.testing.node import Node
from lamelle.testing.pictures import SlideShape

from .conftest import BIOPSY, STATIC, Enter, sign_in
from .test_access import AXE, RUN

STUDY = uid_from("study", "biopsy")
SLIDE = uid_from("series", "biopsy", "he")
PERSONS = {
    "helene": (Role.PATHOLOGIST,),
    "admin": (Role.ADMINISTRATOR,),
    "officer": (Role.PROTECTION_OFFICER,),
    "all": (Role.PATHOLOGIST, Role.ADMINISTRATOR, Role.PROTECTION_OFFICER),
    "both": (Role.PATHOLOGIST, Role.ARCHIVIST),
    "twice": (Role.TECHNICIAN,),
}
CONTRAST = RUN.replace('["wcag2a", "wcag2aa"]', '["color-contrast"]')
MOVED = """history.pushState(history.state, "", location.pathname + "?x=700&y=450&mag=10");
window.dispatchEvent(new PopStateEvent("popstate", { state: history.state }))"""
"""What the address of a view does that moves, even while the dialog is open."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A node where people sign in; `resident` is of another establishment."""
    if not (STATIC / "index.html").is_file():
        pytest.skip("the viewer is not built: pip install . (or npm run build in viewer/)")
    data = tmp_path_factory.mktemp("signing") / "data"
    archive = Archive.open(ArchiveSettings(data, reserve_bytes=0))
    stored(archive, pictures.slide("biopsy", "he", SlideShape(1200, 900), **BIOPSY, PatientID="PAT-1"))
    access = Access.open(archive.db, archive.clock, made.CHEAP)
    for login, roles in PERSONS.items():
        made.person(access, login, *roles)
    with archive.db.write() as conn:
        places.change(conn, FIRST_PLACE, "CHU")
        elsewhere = places.add(conn, "establishment", "Clinique")
    made.person(access, "resident", Role.RESIDENT, place=elsewhere)
    archive.close()
    cheap = {"LAMELLE_ACCESS_HASH_MIB": "8", "LAMELLE_ACCESS_HASH_ROUNDS": "1"}
    with Node(data, workers=1, sign_in=True, environment=cheap) as node:
        yield node.url.replace("localhost", "127.0.0.1")


def menu(page: Page) -> None:
    page.locator(".account").click()


def test_a_wrong_password_and_back_to_where_one_was(enter: Enter) -> None:
    page = enter(path=f"/studies/{STUDY}")
    expect(page).to_have_url(re.compile("/sign-in"))
    expect(page.get_by_text("Martin")).to_have_count(0)
    sign_in(page, "helene", "not the heron")
    expect(page.get_by_role("alert")).to_have_text("Identifiant ou mot de passe incorrect.")
    sign_in(page, "helene")
    expect(page.get_by_role("heading", level=1)).to_have_text("Martin Zoé")
    expect(page).to_have_url(re.compile(STUDY))
    menu(page)
    expect(page.locator(".account-menu")).to_contain_text("Pathologiste")
    page.get_by_role("button", name="Se déconnecter").click()
    expect(page.get_by_role("heading", name="Connexion")).to_be_visible()


def test_the_sign_in_page_loads_no_viewer_and_speaks_english(enter: Enter) -> None:
    page = enter(path="/sign-in")
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    loaded = page.evaluate("performance.getEntriesByType('resource').map(one => one.name).join(' ')")
    assert not re.search("scene-|Lists-|SlidePage-", loaded)


def test_another_purpose_shows_other_studies(enter: Enter) -> None:
    page = enter("both", "/studies")
    expect(page.get_by_role("listitem")).to_have_count(1)
    menu(page)
    page.get_by_text("Second avis").click()
    expect(page.get_by_role("heading", name="Aucun examen à montrer")).to_be_visible()
    expect(page.locator(".account")).to_contain_text("Second avis")


def test_a_session_that_ends_keeps_the_view(enter: Enter) -> None:
    page = enter("helene", f"/slides/{SLIDE}?x=600&y=450&mag=10")
    expect(page.locator(".stage[data-settled]")).to_be_visible()
    page.context.clear_cookies()
    page.evaluate("window.dispatchEvent(new Event('visibilitychange'))")  # as when one comes back to the window
    dialog = page.get_by_role("dialog", name="Votre session a pris fin")
    expect(dialog).to_be_visible()
    page.evaluate(MOVED)
    expect(dialog).to_be_visible()
    dialog.get_by_label("Mot de passe", exact=True).fill(made.PASSWORD)
    page.keyboard.press("Enter")
    expect(dialog).to_have_count(0)
    expect(page.locator(".stage[data-settled]")).to_be_visible()
    expect(page).to_have_url(re.compile(SLIDE))


def test_a_second_factor_by_keyboard_alone(enter: Enter) -> None:
    page = enter("twice", "/account")
    page.get_by_role("button", name="Activer").press("Enter")
    dialog = page.get_by_role("dialog", name="Activer")
    secret = dialog.locator(".secret").inner_text().replace(" ", "")
    expect(dialog.get_by_role("img", name=re.compile("QR"))).to_be_visible()
    totp = pyotp.TOTP(secret)
    dialog.get_by_label("Code à six chiffres").fill(totp.now())
    page.keyboard.press("Enter")
    codes = page.get_by_role("dialog", name="Vos codes de secours").locator("output").inner_text().split()
    assert len(codes) >= 8
    page.keyboard.press("Escape")
    other = enter(path="/account")
    sign_in(other, "twice")
    expect(other.get_by_role("heading", name="Vérification en deux étapes")).to_be_visible()
    other.get_by_label("Code à six chiffres").fill("000000")
    other.keyboard.press("Enter")
    expect(other.get_by_role("alert")).to_contain_text("Ce code n’est pas le bon")
    other.get_by_role("button", name="Je n’ai pas mon téléphone").press("Enter")
    other.get_by_label("Code de secours").fill(codes[0])
    other.keyboard.press("Enter")
    expect(other.get_by_role("heading", name="Mon compte")).to_be_visible()
    expect(other.get_by_text(f"Il reste {len(codes) - 1} codes de secours.")).to_be_visible()


def test_somebody_is_added_and_signs_in(enter: Enter) -> None:
    page = enter("admin", "/people")
    page.get_by_role("button", name="Ajouter").click()
    dialog = page.get_by_role("dialog", name="Ajouter")
    dialog.get_by_label("Nom").fill("Inès Moreau")
    dialog.get_by_label("Identifiant").fill("i.moreau")
    dialog.get_by_label("Rôle").select_option("technician")
    dialog.get_by_role("button", name="Ajouter").click()
    password = page.locator(".once output").inner_text()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name=re.compile("Inès Moreau"))).to_contain_text("Technicien")
    new = enter()
    sign_in(new, "i.moreau", password)
    expect(new.get_by_role("heading", name="Choisissez votre mot de passe")).to_be_visible()
    new.get_by_label("Nouveau mot de passe", exact=True).fill("three geese over the weir")
    new.get_by_label("Encore une fois", exact=True).fill("three geese over the weir")
    new.keyboard.press("Enter")
    expect(new.get_by_role("listitem")).to_have_count(1)
    expect(new.get_by_role("link", name="Administration")).to_have_count(0)
    new.goto("/people")
    expect(new.get_by_role("alert")).to_contain_text("Cette page n’est pas pour vous")


def test_an_emergency_is_seen_by_the_officer(enter: Enter) -> None:
    page = enter("resident", "/?q=martin")
    page.get_by_role("link", name="Ouvrir un accès d’urgence").click()
    page.get_by_role("textbox", name="Identifiant du patient").fill("PAT-1")
    page.get_by_label("Motif").select_option("on_call")
    page.get_by_role("button", name="Ouvrir un accès d’urgence").click()
    page.get_by_role("link", name=re.compile("Martin Zoé")).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Martin Zoé")
    expect(page.locator(".emergency-banner")).to_contain_text("encore 4 heures")
    officer = enter("officer", "/audit/emergencies")
    expect(officer.get_by_role("link", name=re.compile("Traçabilité 1"))).to_be_visible()
    expect(officer.get_by_text("Garde ou astreinte")).to_be_visible()
    officer.get_by_role("button", name="Examiner").click()
    officer.get_by_label("Conclusion").fill("Vu avec le service")
    officer.get_by_role("dialog").get_by_role("button", name="Examiner").click()
    expect(officer.get_by_text("Aucun accès d’urgence à examiner")).to_be_visible()
    officer.goto("/audit?patient_id=PAT-1&action=break_glass")
    expect(officer.get_by_role("row", name=re.compile("resident"))).to_contain_text("Garde ou astreinte")
    officer.goto("/audit/ledger")
    officer.get_by_role("button", name="Vérifier maintenant").click()
    expect(officer.get_by_text(re.compile("Intact"))).to_be_visible()


def test_a_study_is_shared_and_withdrawn(enter: Enter) -> None:
    page = enter("helene", f"/studies/{STUDY}")
    page.get_by_role("button", name="Partager").click()
    dialog = page.get_by_role("dialog", name="Partager")
    dialog.get_by_label("Une personne").last.fill("both")
    dialog.get_by_role("button", name=re.compile("both")).click()
    dialog.get_by_role("button", name="Partager").click()
    line = dialog.get_by_role("listitem").filter(has_text="Second avis")
    expect(line).to_contain_text("both")
    line.get_by_role("button", name=re.compile("Retirer")).click()
    expect(line).to_have_count(0)


def test_axe_finds_nothing_on_the_pages_of_access(enter: Enter) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: npm ci in viewer/")
    found: dict[str, Any] = {}
    page = enter("all")
    officer = ["/audit", "/audit/emergencies", "/audit/ledger"]
    for path in ["/account", "/emergency", "/roles", "/people", "/places", *officer, "/sign-in"]:
        if path == "/sign-in":
            page.context.clear_cookies()
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        page.evaluate(AXE.read_text(encoding="utf-8"))
        found[path] = page.evaluate(RUN)
        page.evaluate("document.documentElement.dataset.mantineColorScheme = 'light'")
        found[f"{path}, light"] = page.evaluate(CONTRAST)
    assert {path: findings for path, findings in found.items() if findings} == {}
