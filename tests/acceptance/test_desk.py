"""A technician reconciles scans, sees what a day expects, and repairs a message."""

from collections.abc import Iterator
from datetime import date, timedelta

import pytest
from playwright.sync_api import Page, expect

from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.base.ids import uid_from
from lamelle.lab import cases, messages, quality, scanning
from lamelle.lab.messages import Arrived
from lamelle.lab.orders import Identifier, Identity, Order, SlideSaid
from lamelle.lab.room import Lab, LabSettings
from lamelle.testing import pictures
from lamelle.testing.archives import stored
from lamelle.testing.node import Node
from lamelle.testing.pictures import SlideShape

from .conftest import STATIC, Served
from .test_access import AXE, RUN

TODAY, LATE = (f"{date.today() - timedelta(days=days):%Y%m%d}" for days in (0, 2))
WHO = Identity((Identifier("000003", "CHU-X"),), family="PAT-TROIS", given="DOMINIQUE", birth_date="19790314", sex="F")
RAW = b"MSH|^~\\&|DIAMIC|X|SGI|X|20250312101500||OML^O21^OML_O21|M1|P|2.5.1\rPID|1||3^^^X||PAT-TROIS^D\rORC|NW|\r"


def slide(identifier: str, due: str) -> SlideSaid:
    return SlideSaid(Identifier(identifier, "DIAMIC"), due_on=due, stain_text="HES")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Two scans: one whose code nobody expects, though nearly; one that found its slide. One slide is late."""
    if not (STATIC / "index.html").is_file():
        pytest.skip("the viewer is not built: pip install . (or npm run build in viewer/)")
    data = tmp_path_factory.mktemp("desk") / "data"
    archive = Archive.open(ArchiveSettings(data, reserve_bytes=0))
    lab = Lab(archive.db, archive.clock, LabSettings())
    glasses = (slide("Sbiopsy-hf", TODAY), slide("Sbiopsy-pas", TODAY), slide("Sbiopsy-late", LATE))
    cases.take(lab, Order(Identifier("26B0001", "DIAMIC"), archive.clock.now(), patient=WHO, slides=glasses))
    for series in ("he", "pas"):
        stored(archive, pictures.slide("biopsy", series, SlideShape(600, 400), AccessionNumber="26B0001"))
        number = scanning.take(lab, archive, uid_from("study", "biopsy"), uid_from("series", "biopsy", series))
        quality.check(lab, archive, {"scan": number})
    kept = messages.keep(lab, Arrived("DIAMIC", 1, RAW, "M1", "OML^O21")).id
    messages.settle(lab, kept, "error", code="missing_field", reason="ORC-2 manque", answer=None)
    archive.close()
    with Node(data, workers=1) as node:
        yield Served(node.url.replace("localhost", "127.0.0.1"))


def test_a_scan_is_matched_with_one_key_and_taken_back_with_another(page: Page) -> None:
    page.goto("/desk")
    expect(page.get_by_role("heading", level=2)).to_have_text("Aucune lame attendue ne porte ce code")
    expect(page.get_by_role("button", name="Sbiopsy-hf PAT-TROIS")).to_contain_text("code presque identique")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Rattachée à Sbiopsy-hf")
    expect(page.get_by_role("heading", level=2)).to_have_text("Cette lame était attendue et n’est pas arrivée")
    page.keyboard.press("z")
    expect(page.get_by_role("button", name="Sbiopsy-hf PAT-TROIS")).to_be_visible()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Décisions prises").click()
    expect(page.get_by_text("Rattachée à une lame")).to_have_count(2)
    expect(page.get_by_text("Annulée par")).to_have_count(1)
    page.get_by_role("button", name="Annuler : Sbiopsy-hf").click()
    expect(page.get_by_text("Annulée par")).to_have_count(2)


def test_a_slide_is_found_by_what_a_person_reads(page: Page) -> None:
    page.goto("/desk?kind=unmatched")
    expect(page.get_by_role("heading", level=2)).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("26B")
    expect(page.locator(".candidate")).to_have_count(3)
    page.keyboard.press("Enter")  # out of the field; the next one would decide
    expect(page.get_by_role("button", name="Rattacher à Sbiopsy-hf")).to_be_visible()


def test_what_the_day_expects(page: Page) -> None:
    page.goto("/expected")
    expect(page.locator(".progress .figure").first).to_have_text("1 / 2 lames")
    expect(page.get_by_role("region", name="En retard")).to_contain_text("Sbiopsy-late")
    page.get_by_text("À numériser", exact=False).first.click()
    expect(page.get_by_text("Sbiopsy-pas")).to_have_count(0)


def test_a_message_is_read_field_by_field_and_repaired(page: Page) -> None:
    page.goto("/messages")
    page.get_by_role("row", name="OML^O21").get_by_role("link").click()
    expect(page.get_by_role("cell", name="PAT-TROIS^D")).to_be_visible()
    expect(page.get_by_text("ORC-2 manque")).to_be_visible()
    page.get_by_role("button", name="Réparer…").click()
    text = page.get_by_role("textbox")
    text.fill(text.input_value().replace("ORC|NW|", "ORC|NW|26B0001^DIAMIC"))
    page.get_by_role("button", name="Réparer et traiter").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("cell", name="26B0001^DIAMIC")).to_be_visible()
    expect(page.get_by_text("ORC-2 manque")).to_have_count(0)


def test_the_quality_of_a_scan_is_seen_over_the_slide(page: Page) -> None:
    page.goto("/expected")
    page.get_by_role("row", name="Sbiopsy-pas").get_by_role("link").last.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Sbiopsy-pas")
    expect(page.get_by_role("rowheader", name="Surface de tissu")).to_be_visible()
    page.keyboard.press("r")
    expect(page.get_by_text("Nouvelle numérisation demandée.")).to_be_visible()
    page.keyboard.press("z")
    expect(page.get_by_role("button", name="Renumériser")).to_be_visible()


def test_how_the_laboratory_flows(page: Page) -> None:
    page.goto("/flow")
    expect(page.get_by_role("img", name="Lames numérisées par heure et par scanner")).to_be_visible()
    expect(page.get_by_role("link", name="lames en retard")).to_contain_text("1")
    page.get_by_text("30 jours").click()
    expect(page.get_by_role("img", name="Lames numérisées par jour et par scanner")).to_be_visible()


def test_the_pages_can_be_read_by_everyone(page: Page) -> None:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: npm ci in viewer/")
    for path in ("/desk", "/expected", "/flow", "/messages", "/thresholds", "/desk/decisions"):
        page.goto(path)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.locator("[aria-busy=true]")).to_have_count(0)
        page.evaluate(AXE.read_text(encoding="utf-8"))
        assert page.evaluate(RUN) == [], path
