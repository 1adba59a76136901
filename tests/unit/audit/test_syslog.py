"""Entries reach a syslog server over TLS, all of them, however often it fails."""

import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from lxml import etree

from lamelle.audit import ledger, syslog, tables
from lamelle.audit.model import Entry
from lamelle.audit.room import Audit
from lamelle.audit.settings import AuditSettings
from lamelle.base.db import Database
from lamelle.base.errors import Invalid, Unavailable
from lamelle.testing.archives import SetClock
from lamelle.testing.dimse import Authority


@dataclass
class Server:
    """Reads frames as RFC 5425 says; drops a connection without good-bye as often as it is told."""

    listener: socket.socket
    context: ssl.SSLContext
    drops: int = 0
    messages: list[bytes] = field(default_factory=list)
    """Of connections that ended in order."""
    seen: int = 0

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def run(self) -> None:
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            plain.settimeout(10)
            try:
                self.take(plain)
            except (OSError, ssl.SSLError):
                plain.close()

    def take(self, plain: socket.socket) -> None:
        with self.context.wrap_socket(plain, server_side=True) as line:
            if self.drops:
                self.drops -= 1
                line.recv(100)
                return
            data = b""
            while part := line.recv(65536):
                data += part
            self.messages += frames(data)
            line.unwrap()


def frames(data: bytes) -> list[bytes]:
    found = []
    while data:
        length, _, rest = data.partition(b" ")
        found.append(rest[: int(length)])
        data = rest[int(length) :]
    return found


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("syslog") / "authority")


@pytest.fixture
def server(authority: Authority) -> Iterator[Server]:
    certificate, key = authority.issue("localhost")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority.certificate)
    context.load_cert_chain(certificate, key)
    context.verify_mode = ssl.CERT_REQUIRED
    made = Server(socket.create_server(("127.0.0.1", 0)), context)
    thread = threading.Thread(target=made.run)
    thread.start()
    yield made
    made.listener.shutdown(socket.SHUT_RDWR)
    made.listener.close()
    thread.join()


@pytest.fixture
def room(db: Database, folder: Path, clock: SetClock, authority: Authority, server: Server) -> Audit:
    certificate, key = authority.issue("node")
    settings = AuditSettings(
        source="node1",
        syslog_host="localhost",
        syslog_port=server.port,
        syslog_ca=authority.certificate,
        syslog_certificate=certificate,
        syslog_key=key,
    )
    return Audit(db, clock, folder, settings)


def grow(room: Audit, count: int) -> None:
    with room.db.write() as conn:
        for _ in range(count):
            ledger.record(conn, Entry("alice", "view", patient_id="É1", study_uid="1.2"), room.clock)
    room.seal(room.key)


def numbers(server: Server) -> list[int]:
    """The ledger's numbers of the entries that came, in order."""
    found = []
    for one in server.messages:
        root = etree.fromstring(one.partition(b"\xef\xbb\xbf")[2])
        (own,) = root.xpath("//ParticipantObjectIdentification[ParticipantObjectName='Ledger entry']")
        found.append(int(own.get("ParticipantObjectID").removeprefix("ledger:")))
    return found


def sent(room: Audit) -> int:
    with room.db.read() as conn:
        return int(conn.execute(sa.select(tables.sent.c.number)).scalar() or 0)


def test_every_entry_is_sent_once_in_order(room: Audit, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(syslog, "BATCH", 4)
    assert syslog.send(room) == 0
    grow(room, 10)
    assert [syslog.send(room) for _ in range(4)] == [4, 4, 2, 0]
    grow(room, 1)
    assert syslog.send(room) == 1
    assert numbers(server) == list(range(1, 12))
    head = server.messages[0].partition(b"\xef\xbb\xbf")[0].decode()
    assert head.startswith("<85>1 2026-01-02T03:04:05.000000Z node1 lamelle ")
    assert head.endswith(" DICOM+RFC3881 - ")


def test_what_the_server_did_not_take_is_sent_again(room: Audit, server: Server) -> None:
    grow(room, 300)
    server.drops = 2
    for _ in range(2):
        with pytest.raises(Unavailable):
            syslog.send(room)
        assert sent(room) == 0
    assert syslog.send(room) == 300
    assert numbers(server) == list(range(1, 301))


def test_a_server_that_is_not_there_loses_nothing(room: Audit, server: Server) -> None:
    grow(room, 3)
    nobody = socket.create_server(("127.0.0.1", 0))
    port = nobody.getsockname()[1]
    nobody.close()
    with pytest.raises(Unavailable):
        syslog.send(Audit(room.db, room.clock, room.folder, replace(room.settings, syslog_port=port)))
    assert syslog.send(room) == 3


def test_a_server_with_another_name_or_certificate_gets_nothing(room: Audit, server: Server, tmp_path: Path) -> None:
    grow(room, 3)
    other = Authority(tmp_path / "other")
    for changed in ({"syslog_host": "127.1"}, {"syslog_ca": other.certificate}):
        with pytest.raises(Unavailable):
            syslog.send(Audit(room.db, room.clock, room.folder, replace(room.settings, **changed)))
    assert server.messages == []


def test_certificates_that_cannot_be_read_are_named(room: Audit, tmp_path: Path) -> None:
    grow(room, 1)
    with pytest.raises(Invalid):
        syslog.send(Audit(room.db, room.clock, room.folder, replace(room.settings, syslog_ca=tmp_path / "none")))


def test_it_goes_on_until_it_is_told_to_stop(room: Audit, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stop(threading.Event):
        """Set after some pauses, without waiting."""

        left = 4
        pauses: list[float | None] = []  # noqa: RUF012

        def wait(self, timeout: float | None = None) -> bool:
            self.pauses.append(timeout)
            self.left -= 1
            return self.left < 0

    grow(room, 2)
    server.drops = 2
    stop = Stop()
    syslog.send_forever(room, stop)
    assert stop.pauses == [1.0, 2.0, 4.0, 1.0, 1.0]
    assert numbers(server) == [1, 2]
    syslog.send_forever(replace(room, settings=AuditSettings()), stop)
    assert len(stop.pauses) == 5, "nothing to do where no server is named"
