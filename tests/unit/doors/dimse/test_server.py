"""A whole server in this process on a fresh archive: who is let in, what is kept, what is refused, what is borne."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from lamelle.archive.store import Archive
from lamelle.base.errors import Denied, LamelleError, Unavailable
from lamelle.dicom import part10
from lamelle.doors.dimse.association import Aborted, Proposal, connect
from lamelle.doors.dimse.commands import C_ECHO, C_FIND, C_STORE, Command, Status
from lamelle.doors.dimse.settings import DimseSettings, Peer, Right
from lamelle.doors.dimse.storage import VERIFICATION
from lamelle.testing import dimse, instances
from lamelle.testing.dimse import running

SETTINGS = DimseSettings(acse_timeout_s=10, idle_timeout_s=10, network_timeout_s=10)
ECHO = Proposal(VERIFICATION, ("1.2.840.10008.1.2",))
PRIVATE = "1.3.12.2.1107.5.9.1"


@pytest.fixture
def started(tmp_path: Path) -> Iterator[tuple[Archive, int]]:
    with running(tmp_path) as (archive, port, _):
        yield archive, port


def echo(port: int, *, calling: str = "TEST", called: str = "LAMELLE") -> int:
    """The status of a C-ECHO."""
    with connect(Peer(called, "127.0.0.1", port), [ECHO], replace(SETTINGS, aet=calling)) as association:
        association.send(1, Command(C_ECHO, 1, affected_sop_class_uid=VERIFICATION))
        answer = association.receive()
        assert answer is not None
        assert answer.command.status is not None
        return answer.command.status


# -- what is kept ----------------------------------------------------------------------------------------------------


def test_what_is_acknowledged_is_kept_as_it_came(started: tuple[Archive, int]) -> None:
    archive, port = started
    content = instances.instance()
    (answer,) = dimse.send(port, content)
    assert answer.status == Status.SUCCESS
    scanner = part10.Scanner()
    [key] = [info.key for info in archive.blobs.list("instances/")]
    data = archive.blobs.read(key)
    scanner.feed(data)
    scan = scanner.finish()
    assert data[scan.dataset_offset :] == content[dimse.start(content) :]
    meta = {tag: value.strip(b" \0") for tag, value in part10.meta_elements(scan.meta)}
    assert scan.warnings == ()
    assert meta[0x00020010].decode() == instances.EXPLICIT_LITTLE
    assert meta[0x00020016] == b"TEST"
    assert meta[0x00020003].decode() == scan.text(0x00080018)
    assert meta[0x00020013].startswith(b"LAMELLE")
    assert int.from_bytes(meta[0x00020000], "little") == scan.dataset_offset - 144


@pytest.mark.parametrize(
    ("sop_class", "syntax"),
    [
        ("1.2.840.10008.5.1.4.1.1.91.1", instances.EXPLICIT_LITTLE),  # Microscopy Bulk Simple Annotations
        ("1.2.840.10008.5.1.4.1.1.66.7", instances.EXPLICIT_LITTLE),  # Label Map Segmentation
        ("1.2.840.10008.5.1.4.1.1.30", instances.EXPLICIT_LITTLE),  # Parametric Map
        (PRIVATE, instances.EXPLICIT_LITTLE),
        ("1.2.840.10008.5.1.4.1.1.999.7", "1.2.840.10008.1.2.4.999"),  # of a standard still to come
        (instances.CT, "1.2.840.113619.5.9.9"),  # a private transfer syntax, explicit inside
    ],
)
def test_every_class_and_syntax_is_taken(started: tuple[Archive, int], sop_class: str, syntax: str) -> None:
    _, port = started
    content = instances.instance(SOPClassUID=sop_class)
    item = replace(dimse.read(content), transfer_syntax=syntax)
    with dimse.opened(port, [item]) as association:
        assert dimse.store(association, item).status == Status.SUCCESS


@pytest.mark.parametrize("sop_class", ["1.2.840.10008.5.1.4.38.1", "1.2.840.10008.1.3.10", "1.2.840.10008.5.1.1.9"])
def test_what_belongs_to_no_patient_is_not_accepted(started: tuple[Archive, int], sop_class: str) -> None:
    _, port = started
    proposal = Proposal(sop_class, (instances.EXPLICIT_LITTLE,))
    with connect(Peer("LAMELLE", "127.0.0.1", port), [proposal], SETTINGS) as association:
        assert association.contexts == {}


def test_the_same_again_succeeds_and_other_bytes_conflict(started: tuple[Archive, int]) -> None:
    archive, port = started
    content, other = instances.instance(), instances.instance(PatientName="Doe^Other")
    statuses = [answer.status for answer in dimse.send(port, content, content, other, content)]
    assert statuses == [Status.SUCCESS, Status.SUCCESS, Status.DUPLICATE_INSTANCE, Status.SUCCESS]
    assert len(list(archive.blobs.list("instances/"))) == 1
    assert len(list(archive.blobs.list("aside/"))) == 2  # the other bytes and the reason


def test_a_data_set_that_is_not_what_the_command_says_is_refused(started: tuple[Archive, int]) -> None:
    archive, port = started
    item = dimse.read(instances.instance())
    other_class = replace(item, sop_class_uid=PRIVATE)
    other_name = replace(item, sop_uid="2.25.7")
    with dimse.opened(port, [other_class, other_name]) as association:
        first = dimse.store(association, other_class)
        second = dimse.store(association, other_name)
        third = dimse.store(association, item)
    assert (first.status, first.error_comment.split(":")[0]) == (Status.MISMATCH, "sop_class_mismatch")
    assert (second.status, second.error_comment.split(":")[0]) == (Status.CANNOT_UNDERSTAND, "sop_instance_mismatch")
    assert third.status == Status.SUCCESS
    assert any(info.key.endswith(".dcm") for info in archive.blobs.list("aside/"))


def test_the_class_must_be_that_of_the_context(started: tuple[Archive, int]) -> None:
    _, port = started
    item = dimse.read(instances.instance())
    with dimse.opened(port, [item]) as association:
        command = Command(C_STORE, 1, affected_sop_class_uid=PRIVATE, affected_sop_instance_uid=item.sop_uid)
        association.send(1, command, item.data)
        answer = association.receive()
        assert answer is not None
        assert answer.command.status == Status.CLASS_NOT_SUPPORTED


@pytest.mark.parametrize("content", [b"", b"garbage" * 1000, instances.instance()[:-7]])
def test_what_cannot_be_read_is_refused_and_set_aside(started: tuple[Archive, int], content: bytes) -> None:
    archive, port = started
    item = replace(dimse.read(instances.instance()), data=content[dimse.start(content) :])
    with dimse.opened(port, [item]) as association:
        assert dimse.store(association, item).status == Status.CANNOT_UNDERSTAND
        assert dimse.store(association, dimse.read(instances.instance())).status == Status.SUCCESS
    assert len(list(archive.blobs.list("aside/"))) == 2


def test_a_full_disk_refuses_and_the_association_goes_on(
    started: tuple[Archive, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, port = started
    item = dimse.read(instances.instance())
    with dimse.opened(port, [item]) as association:
        monkeypatch.setattr(archive.blobs, "free_bytes", lambda: -1)
        assert dimse.store(association, item, [bytes(3_000_000)]).status == Status.OUT_OF_RESOURCES
        monkeypatch.undo()
        assert dimse.store(association, item).status == Status.SUCCESS


def test_a_store_cut_off_leaves_nothing(tmp_path: Path) -> None:
    item = dimse.read(instances.instance())

    def half() -> Iterator[bytes]:
        yield bytes(2_000_000)
        raise RuntimeError("the sender's disk")

    with running(tmp_path) as (archive, port, _):
        with pytest.raises(RuntimeError), dimse.opened(port, [item]) as association:
            dimse.store(association, item, half())
        assert echo(port) == 0
    spools = [path for path in (tmp_path / "data").rglob("*") if "spool" in path.parts and path.is_file()]
    assert spools == []
    assert list(archive.blobs.list()) == []


# -- who is let in ---------------------------------------------------------------------------------------------------


def test_another_title_is_refused(started: tuple[Archive, int]) -> None:
    _, port = started
    with pytest.raises(Denied, match=r"\(1, 1, 7\)"):
        echo(port, called="SOMEBODY")
    assert echo(port, called="LAMELLE") == 0


def test_only_peers_come_in_and_only_with_their_rights(tmp_path: Path) -> None:
    rights: frozenset[Right] = frozenset({"find"})
    peers = (Peer("SCANNER"), Peer("VIEWER", "127.0.0.1", rights=rights), Peer("FAR", "192.0.2.7"))
    item = dimse.read(instances.instance())
    with running(tmp_path, replace(SETTINGS, peers=peers)) as (_, port, _server):
        with dimse.opened(port, [item], settings=replace(SETTINGS, aet="SCANNER")) as association:
            assert dimse.store(association, item).status == 0
        with dimse.opened(port, [item], settings=replace(SETTINGS, aet="VIEWER")) as association:
            assert association.contexts == {}
        assert echo(port, calling="VIEWER") == 0
        for calling in ("FAR", "NOBODY"):
            with pytest.raises(Denied, match=r"\(1, 1, 3\)"):
                echo(port, calling=calling)


def test_one_too_many_is_told_to_come_again(tmp_path: Path) -> None:
    with running(tmp_path, replace(SETTINGS, associations=2)) as (_, port, _server), ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(connect(Peer("LAMELLE", "127.0.0.1", port), [ECHO], SETTINGS))
        with pytest.raises(Unavailable, match=r"\(2, 3, 2\)"):
            echo(port)
        stack.close()
        _until(lambda: echo(port) == 0)


def test_an_operation_nobody_serves_is_told_so(started: tuple[Archive, int]) -> None:
    _, port = started
    with connect(Peer("LAMELLE", "127.0.0.1", port), [ECHO], SETTINGS) as association:
        association.send(1, Command(C_FIND, 1, affected_sop_class_uid=VERIFICATION), bytes(5000))
        answer = association.receive()
        assert answer is not None
        assert answer.command.status == Status.UNRECOGNIZED_OPERATION


# -- what is borne ---------------------------------------------------------------------------------------------------

REQUEST_HEAD = struct.pack(">BxI", 1, 200)
GARBAGE = {
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "zeros": bytes(64),
    "ones": b"\xff" * 64,
    "huge request": struct.pack(">BxI", 1, 0xFFFFFFFF) + bytes(64),
    "huge data": struct.pack(">BxI", 4, 0xFFFFFFFF) + bytes(64),
    "empty request": struct.pack(">BxI", 1, 0),
    "no items": REQUEST_HEAD + bytes(200),
    "release": struct.pack(">BxI", 5, 4) + bytes(4),
    "abort": struct.pack(">BxI", 7, 4) + bytes(4),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_ends_only_its_own_connection(started: tuple[Archive, int], name: str) -> None:
    _, port = started
    with socket.create_connection(("127.0.0.1", port), 5) as sock:
        sock.sendall(GARBAGE[name])
        answer = sock.recv(100)
        assert answer == b"" or answer[0] == 7  # closed, or A-ABORT
    assert echo(port) == 0


def test_a_pdu_larger_than_agreed_ends_the_association(started: tuple[Archive, int]) -> None:
    _, port = started
    item = dimse.read(instances.instance())
    with pytest.raises(Aborted), dimse.opened(port, [item]) as association:
        association._wire.peer_pdu = 0  # as if anything went
        dimse.store(association, item, [bytes(2_000_000)])
    assert echo(port) == 0


@pytest.mark.parametrize("said", [b"", REQUEST_HEAD, REQUEST_HEAD + bytes(100)])
def test_who_asks_for_no_association_is_cut_off(tmp_path: Path, said: bytes) -> None:
    with running(tmp_path, replace(SETTINGS, acse_timeout_s=0.2)) as (_, port, _server):
        with socket.create_connection(("127.0.0.1", port), 5) as sock:
            sock.sendall(said)
            assert sock.recv(100)[:1] in (b"", b"\7")


def test_bytes_in_drops_do_not_keep_a_place(tmp_path: Path) -> None:
    """An association request that never ends, though bytes come all the time."""
    with running(tmp_path, replace(SETTINGS, acse_timeout_s=0.3)) as (_, port, _server):
        with socket.create_connection(("127.0.0.1", port), 5) as sock:
            sock.settimeout(0.02)
            sock.sendall(REQUEST_HEAD)
            begun = time.monotonic()
            while time.monotonic() - begun < 5:
                try:
                    sock.sendall(b"\0")
                    if sock.recv(10)[:1] in (b"", b"\7"):
                        return
                except TimeoutError:
                    continue
                except OSError:
                    return
    pytest.fail("it was let go on")


def test_an_idle_association_is_ended(tmp_path: Path) -> None:
    with running(tmp_path, replace(SETTINGS, idle_timeout_s=0.2)) as (_, port, _server):
        association = connect(Peer("LAMELLE", "127.0.0.1", port), [ECHO], SETTINGS)
        with pytest.raises(Aborted, match="aborted"):
            association.receive()


def test_a_message_in_drops_is_ended(tmp_path: Path) -> None:
    settings = replace(SETTINGS, network_timeout_s=0.3, min_bytes_s=1 << 30)
    item = dimse.read(instances.instance())
    pause = threading.Event()

    def slow() -> Iterator[bytes]:
        for _ in range(100):
            yield bytes(1 << 20)
            pause.wait(0.1)

    with running(tmp_path, settings) as (archive, port, _server):
        with pytest.raises(LamelleError), dimse.opened(port, [item]) as association:
            dimse.store(association, item, slow())
        assert list(archive.blobs.list()) == []


def test_stopping_lets_a_message_in_work_end(tmp_path: Path) -> None:
    item = dimse.read(instances.instance(Rows=2000, Columns=1000, PixelData=bytes(4_000_000)))
    content, proposal = bytes(item.data), Proposal(item.sop_class_uid, (item.transfer_syntax,))
    with running(tmp_path) as (archive, port, found):
        begun, go_on = threading.Event(), threading.Event()

        def held() -> Iterator[bytes]:
            yield content[:3_000_000]
            _until(lambda: any(connection.busy for connection in found._open))
            begun.set()
            assert go_on.wait(5)
            yield content[3_000_000:]

        with ExitStack() as stack:
            idle = connect(Peer("LAMELLE", "127.0.0.1", port), [ECHO], SETTINGS)
            stack.callback(idle.abort)
            association = stack.enter_context(connect(Peer("LAMELLE", "127.0.0.1", port), [proposal], SETTINGS))
            answers: list[Command] = []
            sender = threading.Thread(target=lambda: answers.append(dimse.store(association, item, held())))
            sender.start()
            assert begun.wait(5)
            stopper = threading.Thread(target=found.finish, args=(10,))
            with pytest.raises(Aborted):
                stopper.start()
                idle.receive()
            go_on.set()
            sender.join()
            stopper.join()
            assert [answer.status for answer in answers] == [Status.SUCCESS]
            with pytest.raises(Aborted):
                association.receive()
        assert len(list(archive.blobs.list("instances/"))) == 1


def _until(what: object) -> None:
    end = time.monotonic() + 5
    while time.monotonic() < end:
        try:
            if what():  # type: ignore[operator]
                return
        except Unavailable:
            continue
    pytest.fail("it never came")
