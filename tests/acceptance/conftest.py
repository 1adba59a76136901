"""A served archive of made slides, and a browser that can reach nothing else."""

import os
import re
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.base.ids import uid_from
from lamelle.testing import instances, people, pictures
from lamelle.testing.archives import stored
from lamelle.testing.node import Node
from lamelle.testing.pictures import SlideShape

STATIC = Path(__file__).parents[2] / "src/lamelle/doors/web/static"
ALONE = "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
BIOPSY = {"PatientName": "Martin^Zoé", "AccessionNumber": "26B0001", "StudyDescription": "Biopsie"}
SMEAR = {"PatientName": "Durand^Paul", "AccessionNumber": "26C0002", "StudyDescription": "Frottis"}

Enter = Callable[..., Page]


@dataclass(frozen=True)
class Served:
    """Where the node is, and the series in it."""

    url: str
    slide: str = uid_from("series", "biopsy", "he")
    second: str = uid_from("series", "biopsy", "pas")
    smear: str = uid_from("series", "smear", "pap")
    stack: str = uid_from("series", "chest", "ct")
    biopsy: str = uid_from("study", "biopsy")
    chest: str = uid_from("study", "chest")


def ct(number: int) -> bytes:
    """One slice of a phantom: a disc that grows from slice to slice, in Hounsfield units."""
    y, x = np.mgrid[-64:64, -64:64]
    units = np.where(x * x + y * y < (20 + 6 * number) ** 2, 60, -900)
    return instances.instance(
        "chest",
        "ct",
        number,
        Rows=128,
        Columns=128,
        BitsStored=16,
        HighBit=15,
        PixelRepresentation=1,
        RescaleSlope="1",
        RescaleIntercept="0",
        WindowCenter="40",
        WindowWidth="400",
        PixelSpacing=[2.0, 2.0],
        ImagePositionPatient=[0, 0, 5 * number],
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        SeriesDescription="Thorax",
        ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
        FrameOfReferenceUID=uid_from("frame", "chest"),
        PixelData=units.astype("<i2").tobytes(),
    )


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    if not (STATIC / "index.html").is_file():
        pytest.skip("the viewer is not built: pip install . (or npm run build in viewer/)")
    data = tmp_path_factory.mktemp("acceptance") / "data"
    archive = Archive.open(ArchiveSettings(data, reserve_bytes=0))
    stored(archive, pictures.slide("biopsy", "he", SlideShape(), **BIOPSY, SeriesNumber=1))
    stored(archive, pictures.slide("biopsy", "pas", SlideShape(1200, 900), **BIOPSY, SeriesNumber=2))
    stored(archive, pictures.slide("smear", "pap", SlideShape(1200, 900, planes=3), **SMEAR))
    stored(archive, [ct(number) for number in range(1, 6)])
    archive.close()
    with Node(data, workers=1) as node:
        yield Served(node.url.replace("localhost", "127.0.0.1"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Of one module: while it is open, its event loop keeps other tests from running theirs."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no chromium on this machine: apt-get install chromium, or CHROMIUM=/path")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=["--force-color-profile=srgb", ALONE])
        yield started
        started.close()


@pytest.fixture
def complaints() -> list[str]:
    """What a page may not do; the test of a page ends by seeing that this is empty."""
    return []


@pytest.fixture
def page(browser: Browser, served: Served, complaints: list[str]) -> Iterator[Page]:
    """A page that complains of errors, of refused requests and of any other host."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 800}, base_url=served.url, locale="fr-FR", reduced_motion="reduce"
    )
    opened = context.new_page()
    opened.set_default_timeout(15_000)
    expect.set_options(timeout=15_000)
    opened.on("console", lambda message: _hear(message, complaints))
    opened.on("pageerror", lambda error: complaints.append(f"error: {error}"))
    opened.on("request", lambda request: _see(request, served.url, complaints))
    yield opened
    context.close()
    assert complaints == []


def _hear(message: ConsoleMessage, complaints: list[str]) -> None:
    if message.type in {"error", "warning"}:
        complaints.append(f"{message.type}: {message.text}")


def _see(request: Request, url: str, complaints: list[str]) -> None:
    if not request.url.startswith((url, "data:", "blob:")):
        complaints.append(f"outside: {request.url}")


@pytest.fixture
def get(served: Served) -> Callable[[str], bytes]:
    def answer(path: str) -> bytes:
        with urllib.request.urlopen(served.url + path, timeout=20) as opened:
            data: bytes = opened.read()
            return data

    return answer


@pytest.fixture
def heard() -> list[str]:
    """What a page complained of; refusals the test asked for are no complaint."""
    return []


@pytest.fixture
def enter(browser: Browser, url: str, heard: list[str]) -> Iterator[Enter]:
    """A browser of one's own, in French; with a login, signed in."""
    contexts = []

    def opened(login: str = "", path: str = "/") -> Page:
        context = browser.new_context(
            viewport={"width": 1280, "height": 800}, base_url=url, locale="fr-FR", reduced_motion="reduce"
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        expect.set_options(timeout=15_000)
        page.on("console", lambda message: hear(message, heard))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.goto(path)
        if login:
            sign_in(page, login)
            expect(page).not_to_have_url(re.compile("sign-in"))
        return page

    yield opened
    for context in contexts:
        context.close()
    assert heard == []


def hear(message: ConsoleMessage, heard: list[str]) -> None:
    if message.type in {"error", "warning"} and not re.search("status of 40[1349]", message.text):
        heard.append(message.text)


def sign_in(page: Page, login: str, password: str = people.PASSWORD) -> None:
    page.get_by_label("Identifiant").fill(login)
    page.get_by_label("Mot de passe", exact=True).fill(password)
    page.keyboard.press("Enter")
