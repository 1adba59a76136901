"""The whole path of a case through real doors: ordered by HL7, scanned, matched, opened, reported, told."""

import io
import queue
import re
import socketserver
import threading
from collections.abc import Iterator

import hl7
import hl7.client
import pydicom
import pytest
from playwright.sync_api import expect

from lamelle.access.model import Role
from lamelle.access.room import Access
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.ops.demo import labels
from lamelle.ops.demo.labels import LabelText
from lamelle.testing import instances, pictures
from lamelle.testing import people as made
from lamelle.testing.client import Client
from lamelle.testing.node import Node
from lamelle.testing.pictures import SlideShape

from .conftest import STATIC, Enter

ACCESSION = "26B04711"
SHAPE = SlideShape(1200, 900)
SETTINGS = {
    "LAMELLE_ACCESS_HASH_MIB": "8",
    "LAMELLE_ACCESS_HASH_ROUNDS": "1",
    "LAMELLE_LAB_SCAN_SETTLE_S": "0",
    "LAMELLE_LAB_SETTLE_S": "0",
    "LAMELLE_JOBS_POLL_S": "0.1",
}


class Lis(socketserver.ThreadingTCPServer):
    """The laboratory system's own ear: acknowledges what it is told and keeps it."""

    allow_reuse_address = daemon_threads = True

    def __init__(self) -> None:
        self.told: queue.Queue[hl7.Message] = queue.Queue()
        super().__init__(("127.0.0.1", 0), Ear)


class Ear(socketserver.BaseRequestHandler):
    """One connection: messages in frames, each answered AA."""

    server: Lis

    def handle(self) -> None:
        data = b""
        while piece := self.request.recv(65536):
            data += piece
            while b"\x1c\r" in data:
                frame, _, data = data.partition(b"\x1c\r")
                message = hl7.parse(frame.lstrip(b"\x0b").decode())
                self.server.told.put(message)
                answer = str(message.create_ack("AA"))
                self.request.sendall(b"\x0b" + answer.encode() + b"\x1c\r")


@pytest.fixture
def lis() -> Iterator[Lis]:
    with Lis() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def node(tmp_path_factory: pytest.TempPathFactory, lis: Lis) -> Iterator[Node]:
    """A laboratory with a pathologist and a technician."""
    if not (STATIC / "index.html").is_file():
        pytest.skip("the viewer is not built: pip install . (or npm run build in viewer/)")
    data = tmp_path_factory.mktemp("laboratory") / "data"
    archive = Archive.open(ArchiveSettings(data, reserve_bytes=0))
    access = Access.open(archive.db, archive.clock, made.CHEAP)
    made.person(access, "helene", Role.PATHOLOGIST)
    made.person(access, "tom", Role.TECHNICIAN)
    archive.close()
    peers = f'[{{"name": "DIAMIC", "host": "127.0.0.1", "port": {lis.server_address[1]}}}]'
    hears = {"LAMELLE_HL7_PORT": "0", "LAMELLE_HL7_PEERS": peers}
    with Node(data, workers=1, sign_in=True, environment={**SETTINGS, **hears}) as running:
        yield running


@pytest.fixture
def url(node: Node) -> str:
    return node.url.replace("localhost", "127.0.0.1")


def order(number: int) -> str:
    """OML^O21 of one slide of the case."""
    slide, block = f"{ACCESSION}-A-1-{number}", f"{ACCESSION}-A-1"
    return "\r".join(
        (
            rf"MSH|^~\&|DIAMIC|CHU|LAMELLE|CHU|202603121015{number:02}+0100||OML^O21^OML_O21|M{number}|P|2.5.1"
            "||||||UNICODE UTF-8",
            "PID|1||000042^^^CHU^PI||GARNIER^ZOÉ^ZOÉ^^^^L||19790314|F",
            "PV1|1|I|URO^^^CHU",
            f"ORC|NW|{slide}^DIAMIC||{ACCESSION}^DIAMIC|IP||||20260312101500",
            "TQ1|1||||||||R",
            f"OBR|1|{slide}^DIAMIC||HES^HES^99LAB|||20260312093000",
            f"SPM|1|{slide}&DIAMIC|{block}&DIAMIC|TISS^Tissue^HL70487",
            f"SAC|||{slide}^DIAMIC|{block}^DIAMIC",
        )
    )


def scan(number: int, container: str, printed: str) -> list[bytes]:
    """A slide as the scanner made it; its label shows a Data Matrix, or nothing that can be read."""
    of = {"AccessionNumber": ACCESSION, "PatientName": "GARNIER^ZOÉ", "PatientID": "000042"}
    of |= {"ContainerIdentifier": container, "StationName": "SCAN1", "DeviceSerialNumber": "1"}
    series = f"scan{number}"
    levels = [
        pictures.level("laboratory", series, at, factor, SHAPE, **of) for at, factor in enumerate(SHAPE.factors, 1)
    ]
    picture = (
        labels.label(LabelText("CHU", printed, "GARNIER ZOE", "HES", "12/03/2026"))
        if printed
        else pictures.pattern(400, 460)
    )
    kind = {"ImageType": ["ORIGINAL", "PRIMARY", "LABEL", "NONE"], "Rows": 460, "Columns": 400}
    whole = {"TotalPixelMatrixColumns": 400, "TotalPixelMatrixRows": 460}
    return [*levels, instances.slide([pictures.jpeg(picture)], "laboratory", series, 9, **of, **kind, **whole)]


def store(node: Node, token: str, files: list[bytes]) -> None:
    uid = pydicom.dcmread(io.BytesIO(files[0])).StudyInstanceUID
    with Client(node.url, headers={"authorization": f"Bearer {token}"}) as client:
        assert client.store(*files, study=uid).status == 200


def test_from_the_order_to_the_validated_report(node: Node, lis: Lis, enter: Enter) -> None:
    token = node.token("scanner", Role.DEVICE)
    page = enter("helene")
    page.goto("/cases?view=all")
    expect(page.get_by_role("heading", name="Aucun dossier en cours")).to_be_visible()

    # ordered: the case is on the worklist without a reload, waiting for its slides
    with hl7.client.MLLPClient("127.0.0.1", node.hl7_port) as peer:
        for number in (1, 2):
            answer = hl7.parse(peer.send_message(order(number)).strip(b"\x0b\x1c\r").decode())
            assert str(answer.segment("MSA")[1]) == "AA"
    row = page.get_by_role("link", name=re.compile("GARNIER"))
    expect(row).to_contain_text("2 lames attendues")

    # scanned: the first slide names itself on its label, the second's label cannot be read
    store(node, token, scan(1, "SCANNER-0001", f"{ACCESSION}-A-1-1"))
    store(node, token, scan(2, "SCANNER-0002", ""))
    expect(row).to_contain_text("1 lame attendue")

    # matched: a technician says which slide the other is, with one key
    desk = enter("tom")
    expect(desk).to_have_url(re.compile("/desk"))
    expect(desk.get_by_text("Aucune lame attendue ne porte ce code")).to_be_visible()
    expect(desk.get_by_text(f"{ACCESSION}-A-1-2").first).to_be_visible()
    desk.keyboard.press("Enter")
    expect(desk.get_by_text(f"Rattachée à {ACCESSION}-A-1-2")).to_be_visible()
    expect(row).to_contain_text("Prêt à lire")

    # opened: from the case to a slide and back
    row.click()
    expect(page.get_by_role("heading", name=re.compile("Lames"))).to_be_visible()
    page.locator("a.glass-card").first.click()
    expect(page.locator(".stage[data-settled]")).to_be_visible()
    page.go_back()

    # reported: written, kept, signed
    page.locator(".report-text").fill("Muqueuse sans lésion.")
    page.get_by_role("button", name="Valider…").click()
    page.get_by_role("button", name="Valider et signer").click()
    expect(page.get_by_text(re.compile("validé par"))).to_be_visible()
    page.goto("/cases?view=done")
    expect(page.get_by_role("link", name=re.compile("GARNIER"))).to_be_visible()

    # told: the laboratory system hears of both images and of the report
    heard = [lis.told.get(timeout=30) for _ in range(3)]
    kinds = sorted(str(message.segment("MSH")[9]) for message in heard)
    assert kinds[-1].startswith("ORU^R01"), kinds
    report = next(message for message in heard if "Muqueuse sans lésion." in str(message))
    assert ACCESSION in str(report)
