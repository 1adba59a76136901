"""A case from the worklist to the signed report: one node, several people, a real browser."""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from lamelle.access import places
from lamelle.access.model import FIRST_PLACE, WHOLE, Role
from lamelle.access.room import SYSTEM, Access
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.base.ids import uid_from
from lamelle.lab import cases, patients
from lamelle.lab.orders import BlockSaid, Identifier, Identity, MergeSaid, Order, SlideSaid, SpecimenSaid
from lamelle.lab.room import Lab, LabSettings
from lamelle.testing import laboratory, pictures
from lamelle.testing import people as made
from lamelle.testing.archives import stored
from lamelle.testing.node import Node
from lamelle.testing.pictures import SlideShape

from .conftest import STATIC, Enter
from .test_access import AXE, RUN

PERSONS = {"helene": Role.PATHOLOGIST, "antoine": Role.PATHOLOGIST, "rene": Role.RESIDENT, "karim": Role.TECHNICIAN}
CONTRAST = RUN.replace('["wcag2a", "wcag2aa"]', '["color-contrast"]')
MATRICULE = "279035121518989"
TEST_OID = "1.2.250.1.213.1.4.10"


def order(number: int, *slides: str, **said: Any) -> Order:
    """One case of one block; its patient's identity is qualified when the number is even."""
    name = f"26P{number:04}"
    who = Identity(
        (Identifier(f"8{number:05}", "CHU"),),
        family=f"PATIENT-{number}",
        given="CAMILLE",
        birth_date="19790314",
        sex="F",
        ins=MATRICULE,
        ins_oid=TEST_OID,
        ins_status="PROV" if number % 2 else "VALI",
    )
    part = SpecimenSaid(Identifier(f"{name}-A", "LIS"), part="A", site_text="Prostate, lobe droit", type_text="Biopsie")
    block = BlockSaid(Identifier(f"{name}-A-1", "LIS"), specimen=part.id)
    glass = [
        SlideSaid(
            Identifier(f"{name}-A-1-{n}", "LIS"), block=block.id, stain_text=stain, aliases=(f"Scase{number}-{n}",)
        )
        for n, stain in enumerate(slides)
    ]
    now = datetime.now(UTC)
    made_at = said.pop("received_at", now - timedelta(hours=number))
    return Order(
        Identifier(name, "LIS"),
        now,
        patient=who,
        description=f"Biopsie {number}",
        department="Urologie",
        ordered_at=made_at,
        received_at=made_at,
        specimens=(part,),
        blocks=(block,),
        slides=tuple(glass),
        **said,
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cases") / "data"


@pytest.fixture(scope="module")
def lab(data: Path) -> Iterator[Lab]:
    """The laboratory of the node that is served, as its information system reaches it."""
    archive = Archive.open(ArchiveSettings(data, reserve_bytes=0))
    yield Lab(archive.db, archive.clock, LabSettings(test_ins=True))
    archive.close()


@pytest.fixture(scope="module")
def url(data: Path, lab: Lab) -> Iterator[str]:
    """Four cases: 2 has two slides that are there, 4 waits for its slide, 6 is a frozen section, 8 is for writing."""
    if not (STATIC / "index.html").is_file():
        pytest.skip("the viewer is not built: pip install . (or npm run build in viewer/)")
    archive = Archive.open(ArchiveSettings(data, reserve_bytes=0))
    for slide in ("0", "1"):
        stored(archive, pictures.slide("case2", slide, SlideShape(1200, 900), PatientName="PATIENT-2^CAMILLE"))
    access = Access.open(archive.db, archive.clock, made.CHEAP)
    for login, role in PERSONS.items():
        made.person(access, login, role)
    archive.close()
    cases.take(lab, order(2, "HES", "PAS", study_uid=uid_from("study", "case2")))
    for slide in ("0", "1"):
        laboratory.scanned(lab, f"26P0002-A-1-{slide}", uid_from("series", "case2", slide), quality="pass")
    cases.take(lab, order(4, "HES"))
    cases.take(lab, order(6, "HES", frozen=True, received_at=datetime.now(UTC) - timedelta(minutes=16)))
    cases.take(lab, order(8, "HES"))
    settings = {"LAMELLE_ACCESS_HASH_MIB": "8", "LAMELLE_ACCESS_HASH_ROUNDS": "1", "LAMELLE_LAB_TEST_INS": "true"}
    with Node(data, workers=1, sign_in=True, environment=settings) as node:
        yield node.url.replace("localhost", "127.0.0.1")


def row(page: Page, number: int) -> Any:
    return page.get_by_role("link", name=re.compile(f"26P{number:04}"))


def number_of(page: Page, number: int) -> str:
    return str(row(page, number).get_attribute("data-case"))


def test_a_case_from_the_list_to_the_signed_report(enter: Enter) -> None:
    page = enter("helene")
    expect(page).to_have_url(re.compile("/cases"))
    expect(page.get_by_role("heading", name="Vous n’avez aucun dossier en cours")).to_be_visible()
    page.get_by_role("link", name="Voir les dossiers non attribués").click()
    expect(row(page, 6)).to_contain_text(re.compile(r"Extempo 16:\d\d"))
    expect(row(page, 4)).to_contain_text("1 lame attendue")
    page.keyboard.press("/")
    page.keyboard.type("26P0002")
    expect(page.get_by_text("1 dossier", exact=True)).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(row(page, 2)).to_be_focused()
    page.keyboard.press("Enter")
    banner = page.locator(".banner")
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("PATIENT-2"))
    expect(banner).to_contain_text("14 mars 1979")
    expect(banner).to_contain_text("2 79 03 51 215 189 89")
    banner.get_by_role("button", name="Prendre").click()
    expect(banner).to_contain_text("Ce dossier est à vous")

    expect(page.get_by_role("link", name="PAS A-1-1")).to_be_visible()  # once its scan has found it
    page.keyboard.press("s")
    expect(page.locator(".stage[data-settled]")).to_be_visible()
    expect(page.locator(".topbar")).to_contain_text("26P0002")
    page.keyboard.press("n")
    expect(page).to_have_url(re.compile(uid_from("series", "case2", "1")))
    expect(page.locator(".stage[data-settled]")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page).to_have_url(re.compile(r"/cases/\d+$"))

    page.keyboard.press("r")
    page.keyboard.type("Adénocarcinome acinaire.")
    expect(page.locator(".kept")).to_contain_text("Brouillon enregistré")
    page.reload()
    expect(page.locator(".report-text")).to_have_value("Adénocarcinome acinaire.")
    page.get_by_role("button", name="Valider…").click()
    dialog = page.get_by_role("dialog", name="Valider le compte rendu")
    expect(dialog).to_contain_text("PATIENT-2")
    dialog.get_by_role("button", name="Valider et signer").click()
    expect(dialog).to_have_count(0)
    expect(page.locator(".report-read")).to_have_text("Adénocarcinome acinaire.")
    expect(page.locator(".report")).to_contain_text("validé par helene")
    expect(banner).to_contain_text("Validé")
    page.get_by_role("button", name="Compléter ou corriger").click()
    expect(page.locator(".report-text")).to_have_value("Adénocarcinome acinaire.")


def test_two_who_write_the_same_report(enter: Enter) -> None:
    one = enter("helene", "/cases?view=all")
    number = number_of(one, 8)
    one.goto(f"/cases/{number}")
    two = enter("antoine", f"/cases/{number}")
    two.locator(".report-text").focus()
    one.locator(".report-text").fill("De Hélène.")
    expect(one.locator(".kept")).to_contain_text("Brouillon enregistré")
    expect(two.locator(".report-text")).to_have_value("De Hélène.")  # nothing was typed there: it simply comes
    for page in (one, two):
        page.route("**/api/live", lambda route: route.fulfill(status=204))
        page.reload()  # from here on nobody hears of the other
        expect(page.locator(".report-text")).to_have_value("De Hélène.")
    with two.expect_response(lambda answer: answer.request.method == "PUT" and answer.ok):
        two.locator(".report-text").fill("D’Antoine.")
    one.locator(".report-text").fill("De Hélène, plus long. Et encore.")
    alert = one.get_by_role("alert")
    expect(alert).to_contain_text("antoine a écrit une autre version")
    alert.get_by_role("button", name="Voir l’autre version").click()
    expect(one.locator(".report-text")).to_have_value("D’Antoine.")
    expect(one.locator(".aside-text")).to_contain_text("Et encore.")
    expect(one.get_by_label("Versions du compte rendu").get_by_role("option")).to_have_count(3)


def test_a_resident_asks_for_techniques_and_does_not_sign(enter: Enter) -> None:
    page = enter("rene", "/cases?view=all")
    page.goto(f"/cases/{number_of(page, 8)}")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_role("button", name="Valider…")).to_have_count(0)
    page.keyboard.press("t")
    dialog = page.get_by_role("dialog", name="Demander une technique")
    page.keyboard.type("Ki-67")
    page.keyboard.press("Enter")
    page.keyboard.type("p63")
    dialog.get_by_role("button", name="Envoyer la demande").click()
    expect(dialog).to_have_count(0)
    part = page.get_by_role("region", name="Techniques complémentaires")
    expect(part.get_by_role("listitem")).to_have_count(2)
    part.get_by_role("button", name="Retirer : p63").click()
    page.get_by_role("dialog").get_by_role("button", name="Retirer").click()
    expect(part.get_by_role("listitem").filter(has_text="p63")).to_contain_text("Annulée")


def test_news_come_in_and_nothing_moves_under_the_cursor(enter: Enter, lab: Lab) -> None:
    page = enter("antoine", "/cases?view=all")
    page.mouse.move(1, 1)
    row(page, 4).hover()
    first = page.locator("a.case-row").first.inner_text()
    where = row(page, 4).bounding_box()
    cases.take(lab, order(10, "HES", urgency="stat", frozen=True, received_at=datetime.now(UTC) - timedelta(days=40)))
    cases.take(lab, replace(order(4, "HES"), description="Biopsie annoncée de nouveau"))
    expect(row(page, 4)).to_contain_text("annoncée de nouveau")
    assert row(page, 4).bounding_box() == where
    assert page.locator("a.case-row").first.inner_text().split("\n")[0] == first.split("\n")[0]
    page.get_by_role("button", name="La liste a changé").click()
    expect(row(page, 10)).to_be_visible()


def test_a_view_is_kept_and_dropped(enter: Enter) -> None:
    page = enter("antoine", "/cases?view=all")
    page.get_by_label("Urgence").select_option("routine")
    expect(page).to_have_url(re.compile("urgency=routine"))
    page.get_by_role("button", name="Enregistrer la vue").click()
    page.get_by_label("Nom de la vue").fill("Sans urgence")
    page.keyboard.press("Enter")
    views = page.get_by_role("navigation", name="Vues")
    kept = views.get_by_role("link", name="Sans urgence")
    expect(kept).to_have_attribute("aria-current", "page")
    views.get_by_role("link", name=re.compile("Urgents")).click()
    kept.click()
    expect(page).to_have_url(re.compile("urgency=routine"))
    views.get_by_role("button", name=re.compile("Supprimer la vue")).focus()
    page.keyboard.press("Enter")
    page.get_by_role("dialog").get_by_role("button", name="Supprimer").click()
    expect(kept).to_have_count(0)


def test_a_technician_begins_at_the_desk(enter: Enter) -> None:
    page = enter("karim")
    expect(page).to_have_url(re.compile("/desk"))
    page.goto("/?q=26P0002")
    expect(page).to_have_url(re.compile(r"/studies\?q=26P0002"))


def test_a_department_gets_rules_of_its_own_and_gives_them_up(enter: Enter, lab: Lab) -> None:
    with lab.db.write() as conn:
        places.add(conn, "department", "Uropathologie", FIRST_PLACE)
    page = enter("helene", "/cases?view=all")
    page.get_by_role("navigation", name="Vues").get_by_role("link", name="Règles de priorité").click()
    ward = page.get_by_role("listitem").filter(has_text="Uropathologie")
    expect(ward).to_contain_text("Règles d’usage")
    ward.get_by_role("button", name="Donner des règles à ce lieu").click()
    dialog = page.get_by_role("dialog", name="Règles de Uropathologie")
    expect(dialog.get_by_role("group")).to_have_count(3)
    dialog.get_by_role("button", name="Retirer la règle 1").click()
    dialog.get_by_label("Heures, Règle 1").fill("beaucoup")
    dialog.get_by_role("button", name="Ajouter une règle").click()
    dialog.get_by_role("button", name="Enregistrer").click()
    line = dialog.get_by_role("group", name="Règle 1")
    expect(line).to_contain_text("Un nombre entier d’heures.")
    expect(dialog.get_by_role("group", name="Règle 3")).to_contain_text("Donnez une valeur.")
    dialog.get_by_label("Heures, Règle 1").fill("240")
    dialog.get_by_label("Valeur, Règle 3").fill("Sein")
    dialog.get_by_label("Heures, Règle 3").fill("-24")
    dialog.get_by_role("button", name="Enregistrer").click()
    expect(dialog).to_have_count(0)
    rules = ward.get_by_role("listitem")
    expect(rules).to_have_text(
        [re.compile("Très urgent.*240 h d’avance"), re.compile("Urgent.*72"), re.compile("Sein.*24 h de retard")]
    )
    resident = enter("rene", "/priorities")
    expect(resident.get_by_text("Règles propres")).to_be_visible()
    expect(resident.get_by_role("main").get_by_role("button")).to_have_count(0)
    ward.get_by_role("button", name="Revenir aux règles d’au-dessus").click()
    page.get_by_role("dialog").get_by_role("button", name="Revenir aux règles d’au-dessus").click()
    expect(ward).to_contain_text("Règles d’usage")


def test_one_says_what_one_reads_and_a_pathologist_what_a_resident_does(enter: Enter) -> None:
    resident = enter("rene", "/cases?view=all")
    resident.get_by_role("link", name="Qui lit quoi").click()
    expect(resident.get_by_role("button", name=re.compile("Modifier"))).to_have_count(1)
    resident.get_by_role("button", name="Modifier : rene").click()
    dialog = resident.get_by_role("dialog", name="Ce que je lis")
    dialog.get_by_role("combobox").fill("x" * 101)
    expect(dialog).to_contain_text("cent caractères au plus")
    dialog.get_by_role("combobox").fill("Urologie")
    dialog.get_by_role("button", name="Enregistrer").click()
    expect(dialog).to_have_count(0)
    expect(resident.get_by_role("listitem").filter(has_text="rene")).to_contain_text("Urologie")
    page = enter("helene", "/specialties")
    expect(page.get_by_role("listitem").filter(has_text="helene")).to_contain_text("vous")
    page.get_by_role("button", name="Modifier : rene").click()
    other = page.get_by_role("dialog", name="Ce que lit rene")
    other.get_by_role("combobox").fill("Sein")
    page.keyboard.press("Enter")
    other.get_by_role("button", name="Enregistrer").click()
    expect(page.get_by_role("listitem").filter(has_text="rene")).to_contain_text("SeinUrologie")


def merged(lab: Lab) -> int:
    """The patient of 8 in that of 2, as DIAMIC says; said again it is the same merge."""
    kept, gone = order(2).patient, order(8).patient
    assert kept and gone
    return patients.merge(lab, MergeSaid(kept, gone.identifiers[0], datetime(2026, 1, 2, tzinfo=UTC), "DIAMIC"))


def test_a_technician_undoes_a_merge_of_patients(enter: Enter, lab: Lab) -> None:
    number = merged(lab)
    page = enter("karim", "/desk")
    page.get_by_role("navigation", name="Laboratoire").get_by_role("link", name="Fusions").click()
    merge = page.get_by_role("listitem").filter(has_text="par DIAMIC")
    expect(merge).to_have_text(re.compile("PATIENT-8.*fusionné dans.*PATIENT-2"))
    page.get_by_role("searchbox").fill("personne")
    expect(page.get_by_text("Aucune fusion ne correspond.")).to_be_visible()
    page.get_by_role("searchbox").fill("800008")
    merge.get_by_role("button", name="Défaire").click()
    dialog = page.get_by_role("dialog", name="Défaire cette fusion ?")
    expect(dialog).to_contain_text("1 dossier lui revient")
    patients.unmerge(lab, WHOLE, SYSTEM, number)  # somebody is quicker
    dialog.get_by_role("button", name="Défaire la fusion").click()
    expect(dialog.get_by_role("alert")).to_have_text("Cette fusion a déjà été défaite.")
    expect(merge).to_contain_text("Défaite par system")
    resident = enter("rene", "/merges")
    expect(resident.get_by_role("alert")).to_contain_text("Cette page n’est pas pour vous")


def test_axe_finds_nothing_on_the_pages_of_cases(enter: Enter, lab: Lab) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: npm ci in viewer/")
    found: dict[str, Any] = {}
    page = enter("helene", "/cases?view=all")
    number = number_of(page, 8)
    merged(lab)
    there = {path: re.compile("26P0008") for path in ["/cases?view=all", f"/cases/{number}"]}
    there |= {
        "/priorities": re.compile("500 h"),
        "/specialties": re.compile("antoine"),
        "/merges": re.compile("DIAMIC"),
    }
    for path, text in there.items():
        page.goto(path)
        expect(page.get_by_text(text).first).to_be_visible()
        page.evaluate(AXE.read_text(encoding="utf-8"))
        found[path] = page.evaluate(RUN)
        page.evaluate("document.documentElement.dataset.mantineColorScheme = 'light'")
        found[f"{path}, light"] = page.evaluate(CONTRAST)
    assert {path: findings for path, findings in found.items() if findings} == {}
