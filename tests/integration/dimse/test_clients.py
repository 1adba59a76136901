"""Clients no one here wrote, against a real node: DCMTK, GDCM, pynetdicom's applications, and every real file."""

import io
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from lamelle.dicom import uids
from lamelle.doors.dimse.commands import Status
from lamelle.testing import dimse, instances
from lamelle.testing.client import Client
from lamelle.testing.node import Node

DCMTK = Path("/usr/bin")
NO_RESERVE = {"LAMELLE_ARCHIVE_RESERVE_BYTES": "0"}
ANSWERS = {Status.SUCCESS, Status.DUPLICATE_INSTANCE, Status.MISMATCH, Status.CANNOT_UNDERSTAND}
NOT_ACCEPTED = -1
NAMELESS = 18
"""Files of dicom/ok without the identifiers an archive files by."""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("dimse")
    with Node(folder / "data", workers=1, dimse=True, environment=NO_RESERVE) as started:
        yield started


def dcmtk(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """A tool of DCMTK; pynetdicom's scripts have the same names, so the path is whole."""
    if not (DCMTK / name).exists():
        pytest.skip("DCMTK is not installed")
    command = [str(DCMTK / name), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def pynetdicom(name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pynetdicom", name, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def dicom_files(folder: Path) -> list[Path]:
    """The files of a folder that may be DICOM, media directories and notes left out."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    kept = [path for path in found if path.suffix in ("", ".dcm", ".DCM") and "DICOMDIR" not in path.name.upper()]
    return sorted(path for path in kept if path.name not in ("LICENSE", "README"))


def fetched(client: Client, sop_uid: str) -> bytes:
    """The kept file of an instance."""
    [found] = client.get(f"/dicomweb/instances?SOPInstanceUID={sop_uid}").json()
    study, series = (found[tag]["Value"][0] for tag in ("0020000D", "0020000E"))
    body = client.instance(study, series, sop_uid).body
    assert body[128:132] == b"DICM"
    return body


def removed(client: Client, sop_uid: str) -> None:
    """Delete an instance."""
    [found] = client.get(f"/dicomweb/instances?SOPInstanceUID={sop_uid}").json()
    study, series = (found[tag]["Value"][0] for tag in ("0020000D", "0020000E"))
    assert client.delete(study, series, sop_uid).status in (200, 204)


def test_dcmtk_echoes(node: Node) -> None:
    assert dcmtk("echoscu", "-aec", "LAMELLE", "127.0.0.1", str(node.dimse_port)).returncode == 0
    refused = dcmtk("echoscu", "-aec", "SOMEBODY", "127.0.0.1", str(node.dimse_port))
    assert refused.returncode != 0
    assert "Called AE Title Not Recognized" in refused.stdout + refused.stderr


def test_pynetdicom_echoes(node: Node) -> None:
    done = pynetdicom("echoscu", "-v", "-aec", "LAMELLE", "127.0.0.1", str(node.dimse_port))
    assert "Received Echo Response (Status: 0x0000" in done.stdout + done.stderr


@pytest.mark.parametrize("sender", ["dcmtk", "pynetdicom"])
def test_what_others_send_is_kept(node: Node, tmp_path: Path, sender: str) -> None:
    files = [instances.instance(sender, number=number, PixelData=bytes(100_000)) for number in range(1, 4)]
    for number, content in enumerate(files):
        (tmp_path / f"{number}.dcm").write_bytes(content)
    to = ("-aec", "LAMELLE", "127.0.0.1", str(node.dimse_port))
    if sender == "dcmtk":
        done = dcmtk("storescu", "-v", "--scan-directories", *to, tmp_path)
    else:
        done = pynetdicom("storescu", "-v", *to, tmp_path)
    said = done.stdout + done.stderr
    assert said.count("Received Store Response (") == said.count("0x0000") + said.count("(Success)") >= 3, said
    with Client(node.url) as client:
        for content in files:
            sent = pydicom.dcmread(io.BytesIO(content))
            kept = pydicom.dcmread(io.BytesIO(fetched(client, sent.SOPInstanceUID)))
            assert kept == sent


def test_what_gdcm_sends_is_kept(node: Node, tmp_path: Path) -> None:
    """A toolkit with a network layer of its own. Debian's aborts itself at every end, whoever answers."""
    program = shutil.which("gdcmscu")
    if program is None:
        pytest.skip("GDCM is not installed")
    content = instances.instance("gdcm", PixelData=bytes(100_000))
    (tmp_path / "one.dcm").write_bytes(content)
    at = ("--call", "LAMELLE", "-H", "127.0.0.1", "-p", str(node.dimse_port))
    subprocess.run([program, "--store", *at, "-i", tmp_path / "one.dcm"], capture_output=True, timeout=120, check=False)
    sent = pydicom.dcmread(io.BytesIO(content))
    with Client(node.url) as client:
        assert pydicom.dcmread(io.BytesIO(fetched(client, sent.SOPInstanceUID))) == sent


@pytest.mark.slow
def test_dcmsend_sends_every_file(node: Node, shared_data: Path, tmp_path: Path) -> None:
    """In the transfer syntax each is in: nothing but conflicts and nameless files is refused."""
    to = ("-aec", "LAMELLE", "127.0.0.1", str(node.dimse_port))
    arguments = ("--scan-directories", "--recurse", "--no-halt", "--decompress-never", "--no-uid-checks")
    report = tmp_path / "report"
    dcmtk("dcmsend", *arguments, "--create-report-file", report, *to, shared_data / "dicom" / "ok")
    said = report.read_text(errors="replace")
    statuses = [line for line in said.splitlines() if "status" in line.lower() or "response" in line.lower()]
    assert said.count("0x0000") > 200, "\n".join(statuses[-30:])


@pytest.mark.slow
def test_every_real_file_is_kept_byte_for_byte(node: Node, shared_data: Path) -> None:
    refused: list[tuple[str, int | None, str]] = []
    with Client(node.url) as client:
        for path in dicom_files(shared_data / "dicom" / "ok"):
            content = path.read_bytes()
            item = dimse.read(content)
            if item.sop_class_uid in uids.NO_PATIENT:
                refused.append((path.name, NOT_ACCEPTED, ""))
                continue
            (answer,) = dimse.send(node.dimse_port, content)
            if answer.status == Status.DUPLICATE_INSTANCE:
                removed(client, item.sop_uid)
                (answer,) = dimse.send(node.dimse_port, content)
            if answer.status != Status.SUCCESS:
                refused.append((path.name, answer.status, answer.error_comment))
                continue
            kept = fetched(client, item.sop_uid)
            assert kept[dimse.start(kept) :] == item.data, path.name
    assert len(refused) == NAMELESS, refused
    assert {status for _, status, _ in refused} == {Status.CANNOT_UNDERSTAND, NOT_ACCEPTED}


def test_every_malformed_file_is_answered(node: Node, shared_data: Path) -> None:
    files = dicom_files(shared_data / "dicom" / "malformed")
    assert len(files) > 20
    for path in files:
        (answer,) = dimse.send(node.dimse_port, path.read_bytes())
        assert answer.status in ANSWERS, path.name
        assert (answer.status == Status.SUCCESS) == (answer.error_comment == ""), path.name
    assert dcmtk("echoscu", "-aec", "LAMELLE", "127.0.0.1", str(node.dimse_port)).returncode == 0
    assert "crashed" not in node.log()


def test_fifty_associations_at_once(node: Node) -> None:
    statuses: list[int | None] = []
    together = threading.Barrier(50)

    def send(number: int) -> None:
        items = [dimse.read(instances.instance(f"many{number}", number=k)) for k in range(3)]
        with dimse.opened(node.dimse_port, items) as association:
            together.wait(30)
            statuses.extend(dimse.store(association, item).status for item in items)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [Status.SUCCESS] * 150


def test_a_large_slide_takes_little_memory(node: Node) -> None:
    """200 MB from a generator; bench sends gigabytes."""
    head = instances.slide([b"\xff\xd8" + bytes(60)], study="large")
    item = dimse.read(head)
    before = peak_kb(node)

    def grown() -> Iterator[bytes]:
        """The same slide with two hundred fragments of a megabyte more."""
        yield bytes(item.data)[:-8]
        for _ in range(200):
            yield b"\xfe\xff\x00\xe0\x00\x00\x10\x00\xff\xd8"
            yield bytes((1 << 20) - 2)
        yield bytes(item.data)[-8:]

    with dimse.opened(node.dimse_port, [item]) as association:
        assert dimse.store(association, item, grown()).status == Status.SUCCESS
    assert peak_kb(node) - before < 40_000


def peak_kb(node: Node) -> int:
    """The largest peak of memory of the processes behind the DICOM port."""
    found = 0
    for folder in Path("/proc").iterdir():
        try:
            text = (folder / "status").read_text()
            if "Name:\tlamelle dimse" in text and f"PPid:\t{node.process.pid}\n" in text:
                found = max(found, int(text.split("VmHWM:")[1].split()[0]))
        except (OSError, IndexError):
            continue
    assert found
    return found


def test_the_door_counts_what_it_does(node: Node) -> None:
    dimse.send(node.dimse_port, instances.instance("counted"))
    said = node.get("/metrics").decode()
    assert 'lamelle_instances_total{door="dimse",status="stored"}' in said
    assert 'lamelle_associations_total{end="released"}' in said
    assert 'lamelle_dimse_messages_total{command="C-STORE"}' in said


def test_nothing_of_a_patient_is_logged(node: Node) -> None:
    log = node.log()
    assert "Doe" not in log
    assert "many1" not in log
