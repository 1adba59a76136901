"""`python -m bench.day [--slides N] [--cases N] [--postgresql]`: a day of the University Hospital of Lille, replayed.

A laboratory system orders 240 cases of 1,000 slides by HL7, two scanners store them as DICOM, three pathologists look
at their worklist, open what is ready, look at tiles and validate a report, each as fast as they are let. What is
counted ends when every report is validated. Runs alone.

Slides are of a few megabytes: the same pixels again and again, with labels, identifiers and UIDs of their own.
"""

import argparse
import io
import itertools
import json
import random
import socket
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import sqlalchemy as sa
from pydicom import Dataset, dcmread

from bench.lines import watched
from bench.plan import quantile
from lamelle.access.model import Role
from lamelle.access.room import Access
from lamelle.archive.settings import ArchiveSettings
from lamelle.archive.store import Archive
from lamelle.base import ids
from lamelle.base.db import Database
from lamelle.lab.records import scan as scan_row
from lamelle.ops.demo import labels, wsi
from lamelle.ops.demo.cases import Case, Patient
from lamelle.ops.demo.labels import LabelText
from lamelle.ops.demo.organs import ORGANS
from lamelle.ops.demo.scene import Scene
from lamelle.ops.demo.stainings import STAININGS
from lamelle.ops.demo.svs import compress
from lamelle.testing import people as made
from lamelle.testing import postgres
from lamelle.testing.client import Client
from lamelle.testing.node import Node

DAY_S = 10 * 3600.0
"""Scanners, technicians and pathologists work about ten hours."""
SCANNERS, READERS = 2, 3
TILES_OF_A_SLIDE = 20


@dataclass(frozen=True, slots=True)
class Glass:
    """One slide to be: what stands in its barcode, and whose it is."""

    barcode: str
    block: str
    accession: str
    patient: str


@dataclass(slots=True)
class Times:
    """Seconds that something took, by name."""

    kept: dict[str, list[float]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, name: str, seconds: float) -> None:
        with self.lock:
            self.kept.setdefault(name, []).append(seconds)

    def lines(self) -> Iterator[str]:
        for name, values in sorted(self.kept.items()):
            middle, most = (1000 * quantile(values, share) for share in (0.5, 0.95))
            yield f"{name:32} {len(values):6}  p50 {middle:9.1f} ms  p95 {most:9.1f} ms"


def planned(cases: int, slides: int) -> list[list[Glass]]:
    """The slides of each case, as even as numbers allow."""
    rng, found = random.Random(1), []
    counts = [slides // cases + (number < slides % cases) for number in range(cases)]
    rng.shuffle(counts)
    for number, count in enumerate(counts):
        accession = f"26B{number:05}"
        blocks = [f"{accession}-A{at + 1}" for at in range(count)]
        found.append([Glass(f"{block}-1", block, accession, f"LILLE{number:06}") for block in blocks])
    return found


# -- the laboratory system -------------------------------------------------------------------------------------------


class Lis:
    """Orders by HL7 over MLLP on one connection, each after the answer to the last."""

    def __init__(self, port: int, times: Times) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._times, self._numbers = times, itertools.count()

    def order(self, slides: list[Glass]) -> None:
        for glass in slides:
            began = time.perf_counter()
            self._send(message(glass, next(self._numbers)))
            self._times.add("order acknowledged", time.perf_counter() - began)

    def _send(self, text: str) -> None:
        self._socket.sendall(b"\x0b" + text.encode() + b"\x1c\r")
        answer = b""
        while not answer.endswith(b"\x1c\r"):
            piece = self._socket.recv(65536)
            if not piece:
                raise RuntimeError("the node hung up")
            answer += piece
        if b"\rMSA|AA|" not in answer:
            raise RuntimeError(answer.decode(errors="replace"))


def message(glass: Glass, number: int) -> str:
    """OML^O21 of one slide. Source: HL7 v2.5.1 4.4.6, the slide registration of IHE DPOW."""
    now = datetime.now(UTC).strftime("%Y%m%d%H%M%S.%f")[:18] + "+0000"
    lines = (
        rf"MSH|^~\&|DIAMIC|LILLE|LAMELLE|LILLE|{now}||OML^O21^OML_O21|DAY{number}|P|2.5.1||||||UNICODE UTF-8",
        f"PID|1||{glass.patient}^^^LILLE^PI||JOURNEE^{glass.patient}^^^^^L||19600101|F",
        "PV1|1|I|URO^^^LILLE",
        f"ORC|NW|{glass.barcode}^DIAMIC||{glass.accession}^DIAMIC|IP||||{now}",
        "TQ1|1||||||||R",
        f"OBR|1|{glass.barcode}^DIAMIC||HES^HES^99LAB|||{now}",
        f"SPM|1|{glass.barcode}&DIAMIC|{glass.block}&DIAMIC|TISS^Tissue^HL70487",
        f"SAC|||{glass.barcode}^DIAMIC|{glass.block}^DIAMIC",
    )
    return "\r".join(lines) + "\r"


# -- the scanners ----------------------------------------------------------------------------------------------------


class Press:
    """Prints slides: one was drawn, the others are its pixels with other words."""

    def __init__(self, folder: Path) -> None:
        if not (folder / "label.dcm").exists():
            self._draw(folder)
        self._parts = [_cut(path.read_bytes()) for path in sorted(folder.glob("level*.dcm"))]
        self._label = dcmread(folder / "label.dcm")

    def _draw(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        case = Case("26B99999", Patient(0, "MODELE", "Rien", "F", date(1960, 1, 1)), 0, "Biopsies")
        staining = STAININGS["HES"]
        scene = Scene(8192, 6144, 0.5, staining.stains, 3)
        ORGANS["colon"](scene, staining)
        text = LabelText("CHU", "26B99999-A1-1", "MODELE", "HES", "22/11/2026")
        wsi.write(folder, case, "A1", text, (0.0,), lambda depth: scene)

    @property
    def size(self) -> int:
        """Bytes of the pixels of one slide."""
        return sum(len(pixels) for _, pixels in self._parts)

    def print(self, glass: Glass, study: str, scanner: str) -> list[bytes]:
        """The DICOM files of one slide."""
        series = ids.new_uid()
        written = [_part10(self._named(ds, glass, study, series, scanner)) + pixels for ds, pixels in self._parts]
        text = LabelText("CHU", glass.barcode, glass.patient, "HES", "22/11/2026")
        printed, label = labels.label(text), self._named(self._label, glass, study, series, scanner)
        size = (printed.shape[1], printed.shape[0])
        wsi.pixel_matrix(label, [compress(printed, 90)], size, size, 60.0, (0.0,))
        return [*written, wsi.part10(label, "1.2.840.10008.1.2.4.50")]

    def _named(self, original: Dataset, glass: Glass, study: str, series: str, scanner: str) -> Dataset:
        ds = Dataset.from_json(original.to_json()) if "PixelData" not in original else _without(original)
        ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = study, series, ids.new_uid()
        ds.AccessionNumber, ds.PatientID, ds.PatientName = glass.accession, glass.patient, f"JOURNEE^{glass.patient}"
        ds.ContainerIdentifier = glass.barcode
        ds.DeviceSerialNumber = ds.StationName = scanner
        ds.SpecimenDescriptionSequence[0].SpecimenIdentifier = glass.barcode
        return ds


def _without(original: Dataset) -> Dataset:
    kept = Dataset()
    kept.update({element.tag: element for element in original if element.keyword != "PixelData"})
    return Dataset.from_json(kept.to_json())


def _cut(data: bytes) -> tuple[Dataset, bytes]:
    """A file's dataset, and its last element, Pixel Data, as it stands."""
    ds = dcmread(io.BytesIO(data), stop_before_pixels=True)
    at = data.rindex(b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff")
    return ds, data[at:]


def _part10(ds: Dataset) -> bytes:
    return wsi.part10(ds, "1.2.840.10008.1.2.4.50")


def scan(node: Node, token: str, press: Press, todo: "Queue[tuple[Glass, str]]", name: str, times: Times) -> None:
    """Store slide after slide by STOW-RS until there is none."""
    with Client(node.url, timeout_s=600, headers={"authorization": f"Bearer {token}"}) as client:
        while True:
            try:
                glass, study = todo.get_nowait()
            except Empty:
                return
            files = press.print(glass, study, name)
            began = time.perf_counter()
            answer = client.store(*files)
            if answer.status != 200:
                raise RuntimeError(f"a slide was not stored: {answer.status} {answer.failures}")
            times.add("slide stored", time.perf_counter() - began)


# -- the pathologists ------------------------------------------------------------------------------------------------


def read(node: Node, login: str, done: "set[int]", lock: threading.Lock, count: int, times: Times) -> None:
    """Take ready cases from the worklist and validate them until all are."""
    with Client(node.url, timeout_s=600) as client:
        sign_in(client, login)
        while True:
            with lock:
                if len(done) >= count:
                    return
            page = timed(times, "worklist", lambda: ask(client, "GET", "/api/cases?view=all&limit=50"))
            timed(times, "counts of the worklists", lambda: ask(client, "GET", "/api/worklists"))
            free = None
            with lock:
                for item in page["items"]:
                    if item["state"] == "ready" and item["id"] not in done:
                        free = int(item["id"])
                        done.add(free)
                        break
            if free is None:
                time.sleep(0.5)
                continue
            sign_out(client, free, times)


def sign_out(client: Client, number: int, times: Times) -> None:
    """Open a case, look at every slide, write and validate its report."""
    path = f"/api/cases/{number}"
    timed(times, "case opened", lambda: ask(client, "POST", f"{path}/open"))
    whole = timed(times, "case page", lambda: ask(client, "GET", path))
    for slide in slides_of(whole):
        series = next(scan["series_uid"] for scan in slide["scans"] if scan["current"])
        said = timed(times, "slide page", lambda uid=series: ask(client, "GET", f"/api/slides/{uid}"))
        assert said["uid"] == series
        rng = random.Random(series)
        for _ in range(TILES_OF_A_SLIDE):
            tile = f"/api/slides/{series}/levels/0/tiles/{rng.randrange(16)}/{rng.randrange(12)}"
            timed(times, "tile", lambda tile=tile: ask(client, "GET", tile))
    text = json.dumps({"text": "Muqueuse colique sans lésion notable. " * 20, "version": 0}).encode()
    written = timed(times, "report written", lambda: ask(client, "PUT", f"{path}/report", text))
    final = json.dumps({"state": "final"}).encode()
    route = f"{path}/report/{written['version']}/finish"
    timed(times, "report validated", lambda: ask(client, "POST", route, final))


def slides_of(node: Any) -> Iterator[Any]:
    """Every slide anywhere in a case."""
    if isinstance(node, dict):
        if "scans" in node:
            yield node
        for value in node.values():
            yield from slides_of(value)
    elif isinstance(node, list):
        for value in node:
            yield from slides_of(value)


def timed(times: Times, name: str, work: Any) -> Any:
    began = time.perf_counter()
    found = work()
    times.add(name, time.perf_counter() - began)
    return found


def sign_in(client: Client, login: str) -> None:
    """Ask as a browser of somebody from now on: reports are signed by people, not by tokens."""
    body = json.dumps({"login": login, "password": made.PASSWORD}).encode()
    answer = client.ask("POST", "/api/session", {"content-type": "application/json", "x-lamelle": "page"}, body)
    cookie = answer.headers["set-cookie"].partition(";")[0]
    client.headers |= {"cookie": cookie, "x-lamelle": answer.json()["csrf"]}


def ask(client: Client, method: str, path: str, body: bytes | None = None) -> Any:
    """What a request with a body of JSON is answered with. Raises: RuntimeError for a refusal."""
    answer = client.ask(method, path, {"content-type": "application/json"} if body else {}, body)
    if answer.status >= 300:
        raise RuntimeError(f"{method} {path}: {answer.status} {answer.body[:300]!r}")
    return answer.json() if answer.body and "json" in answer.headers.get("content-type", "") else answer.body


# -- the day ---------------------------------------------------------------------------------------------------------


def day(work: Path, cases: int, slides: int, url: str) -> None:
    """Replay it and print what it took."""
    plan, times, lock = planned(cases, slides), Times(), threading.Lock()
    print("drawing the slide that all others are printed from", flush=True)
    press = Press(Path(tempfile.gettempdir()) / "lamelle-press")
    logins = [f"reader{number}" for number in range(READERS)]
    archive = Archive.open(ArchiveSettings(work / "data", url))
    for login in logins:
        made.person(Access.open(archive.db, archive.clock, made.CHEAP), login, Role.PATHOLOGIST)
    archive.close()
    environment = {"LAMELLE_HL7_PORT": "0", "LAMELLE_LAB_SETTLE_S": "1"}
    environment |= {"LAMELLE_ARCHIVE_DATABASE_URL": url} if url else {}
    with Node(work / "data", sign_in=True, environment=environment) as node:
        scanner = node.token("scanner", Role.DEVICE)
        todo: Queue[tuple[Glass, str]] = Queue()
        for case in plan:
            study = ids.new_uid()
            for glass in case:
                todo.put((glass, study))
        done: set[int] = set()
        with watched(node.process.pid) as spent, ThreadPoolExecutor(1 + SCANNERS + READERS) as pool:
            people = [pool.submit(order_all, node.hl7_port, plan, times)]
            for number in range(SCANNERS):
                people.append(pool.submit(scan, node, scanner, press, todo, f"SCAN{number}", times))
            for reader in logins:
                people.append(pool.submit(read, node, reader, done, lock, cases, times))
            for one in as_completed(people):
                if one.exception() is not None:
                    done.update(range(-cases, 0))  # the others stop
                    one.result()
        print(f"{cases} cases, {slides} slides of {press.size / 1e6:.1f} MB: {spent.seconds:.0f} s, ", end="")
        print(f"{DAY_S / spent.seconds:.1f} times as fast as a day of {DAY_S / 3600:.0f} h")
        print(f"quality control: {checked(work / 'data', url)} slides were looked at meanwhile")
        print(f"server: {spent.cpu_s:.0f} s of processor time, {spent.memory_mb:.0f} MB at most")
        print(*times.lines(), sep="\n", flush=True)


def checked(data: Path, url: str) -> int:
    """How many scans have a verdict."""
    db = Database(url or ArchiveSettings(data).database)
    try:
        with db.read() as conn:
            return int(conn.execute(sa.select(sa.func.count()).where(scan_row.c.quality != "")).scalar_one())
    finally:
        db.close()


def order_all(at: int, plan: list[list[Glass]], times: Times) -> None:
    lis = Lis(at, times)
    for case in plan:
        lis.order(case)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.day", description=__doc__)
    parser.add_argument("--cases", type=int, default=240)
    parser.add_argument("--slides", type=int, default=1000)
    parser.add_argument("--postgresql", action="store_true", help="the catalogue in PostgreSQL instead of SQLite")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="lamelle-day-") as work:
        url = postgres.new_database() if given.postgresql else ""
        day(Path(work), given.cases, given.slides, url)


if __name__ == "__main__":
    main()
