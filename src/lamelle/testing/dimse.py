"""The DICOM network for tests: a server in this process, a storage SCU that sends bytes as they stand, certificates."""

import mmap
import subprocess
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.base.errors import LamelleError
from lamelle.dicom import part10
from lamelle.doors.dimse.association import Association, Proposal, connect
from lamelle.doors.dimse.commands import C_STORE, Command
from lamelle.doors.dimse.node import Node
from lamelle.doors.dimse.server import Server
from lamelle.doors.dimse.settings import DimseSettings, Peer
from lamelle.doors.listening import listen
from lamelle.testing.archives import catalogue

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"


@dataclass(frozen=True, slots=True)
class Sent:
    """What is sent of a file: its names by its file meta information, and its data set."""

    sop_class_uid: str
    sop_uid: str
    transfer_syntax: str
    data: bytes | memoryview


def read(content: bytes | mmap.mmap) -> Sent:
    """The parts of a Part 10 file, or of a bare data set, which then goes in Explicit VR Little Endian.

    The names are those of the data set, as a sender takes them; of one that can't be read those of the file meta.
    """
    found = said(content[: start(content)])
    names = _names(content) or (found.sop_class_uid, found.sop_uid)
    return Sent(*names, found.transfer_syntax, memoryview(content)[start(content) :])


def said(meta: bytes) -> Sent:
    """What file meta information says, without a data set."""
    found = {tag: value.decode("ascii", "replace").strip(" \0") for tag, value in part10.meta_elements(meta)}
    names = found.get(0x00020002) or CT, found.get(0x00020003) or "2.25.1"
    return Sent(*names, found.get(0x00020010) or EXPLICIT_LITTLE, b"")


def _names(content: bytes | mmap.mmap) -> tuple[str, str] | None:
    scanner = part10.Scanner()
    try:
        scanner.feed(memoryview(content))
        scan = scanner.finish()
    except LamelleError:
        return None
    found = scan.text(0x00080016), scan.text(0x00080018)
    return found if all(found) else None  # type: ignore[return-value]


def start(content: bytes | mmap.mmap) -> int:
    """Where the data set begins."""
    if content[128:132] != b"DICM":
        return 0
    at = 132
    while content[at : at + 2] == b"\2\0":
        long = content[at + 4 : at + 6] in (b"OB", b"OW", b"UN", b"UT", b"SQ")
        place, size = (at + 8, 4) if long else (at + 6, 2)
        at = place + size + int.from_bytes(content[place : place + size], "little")
    return at


@contextmanager
def opened(
    port: int,
    sent: Sequence[Sent],
    *,
    settings: DimseSettings | None = None,
    called: str = "LAMELLE",
    tls: bool = False,
    host: str = "127.0.0.1",
) -> Iterator[Association]:
    """An association in which these can be sent: one context for each class and transfer syntax."""
    kinds = dict.fromkeys((item.sop_class_uid, item.transfer_syntax) for item in sent)
    proposals = [Proposal(sop_class, (syntax,)) for sop_class, syntax in kinds]
    peer = Peer(called, host, port, tls=tls)
    with connect(peer, proposals, settings or DimseSettings(aet="TEST")) as association:
        yield association


def store(association: Association, item: Sent, data: Iterable[bytes | memoryview] | None = None) -> Command:
    """Send one, in place of its data set the chunks of `data` if given; the answer."""
    context = association.context_for(item.sop_class_uid, item.transfer_syntax)
    assert context is not None, "the context was not accepted"
    number = association.next_message_id()
    command = Command(
        C_STORE,
        number,
        affected_sop_class_uid=item.sop_class_uid,
        affected_sop_instance_uid=item.sop_uid,
        priority=0,
    )
    association.send(context.id, command, [item.data] if data is None else data)
    answer = association.receive()
    assert answer is not None
    assert answer.command.message_id_responded_to == number
    return answer.command


def send(port: int, *contents: bytes) -> list[Command]:
    """Store Part 10 files in one association; the answers."""
    sent = [read(content) for content in contents]
    with opened(port, sent) as association:
        return [store(association, item) for item in sent]


# -- the other side --------------------------------------------------------------------------------------------------

PATIENT: Final = DimseSettings(acse_timeout_s=10, idle_timeout_s=10, network_timeout_s=10)


@contextmanager
def running(folder: Path, settings: DimseSettings = PATIENT) -> Iterator[tuple[Archive, int, Server]]:
    """A server of this process on an archive in `folder`, and its port."""
    archive = Archive.open(ArchiveSettings(folder / "data", catalogue(folder / "data"), reserve_bytes=0))
    sock = listen("127.0.0.1", 0)
    port = int(sock.getsockname()[1])
    server = Server(Node(archive, settings), sock)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield archive, port, server
    finally:
        server.finish(5)
        thread.join()
        archive.close()


class Authority:
    """A certificate authority of a test; `issue` makes a certificate for localhost."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self.certificate, self._key = folder / "ca.pem", folder / "ca.key"
        _openssl(
            "req", "-x509", *NEW_KEY, "-days", "2", "-subj", f"/CN={folder.name}",
            "-keyout", self._key, "-out", self.certificate,
        )  # fmt: skip

    def issue(self, name: str) -> tuple[Path, Path]:
        """Certificate and key, made once for each name."""
        cert, key, asked = (self._folder / f"{name}{ending}" for ending in (".pem", ".key", ".csr"))
        if not cert.exists():
            said = self._folder / "said"
            said.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
            _openssl("req", "-new", *NEW_KEY, "-subj", f"/CN={name}", "-keyout", key, "-out", asked)
            _openssl(
                "x509", "-req", "-in", asked, "-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial",
                "-days", "2", "-extfile", said, "-out", cert,
            )  # fmt: skip
        return cert, key


NEW_KEY: Final = ("-newkey", "rsa:2048", "-nodes")


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)
