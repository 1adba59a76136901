"""A laboratory system that is not ours (the library `hl7` with its MLLP) exchanges orders and reports with us."""

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import hl7 as library
import hl7.mllp
import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from lamelle.access.model import WHOLE
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.base.errors import Unavailable
from lamelle.doors.hl7 import queue, telling
from lamelle.doors.hl7.room import Exchange
from lamelle.doors.hl7.server import Server
from lamelle.doors.hl7.settings import Hl7Settings, Peer
from lamelle.lab import attachments, messages, reporting
from lamelle.lab.messages import Asked
from lamelle.lab.records import case, report, scan
from lamelle.lab.room import Lab, LabSettings
from lamelle.ops.cli import app
from lamelle.testing import hl7
from lamelle.testing.archives import SetClock
from lamelle.testing.dimse import Authority
from lamelle.testing.laboratory import DOCTOR, scanned
from lamelle.testing.node import Node
from lamelle.testing.waiting import until

HERE = "127.0.0.1"


@pytest.fixture
def exchange(tmp_path: Path, catalogue_url: str) -> Iterator[Exchange]:
    archive = Archive.open(ArchiveSettings(tmp_path / "archive", catalogue_url, reserve_bytes=0), SetClock())
    settings = Hl7Settings(port=0, max_bytes=100_000, network_timeout_s=5, answer_timeout_s=5, attempts=2)
    yield Exchange(Lab(archive.db, archive.clock, LabSettings()), archive, settings, "https://lamelle.example")
    archive.close()


@pytest.fixture
def port(exchange: Exchange) -> Iterator[int]:
    """Our listener's."""
    sock = socket.create_server((HERE, 0))
    server = Server(exchange, sock)
    thread = threading.Thread(target=server.run)
    thread.start()
    yield sock.getsockname()[1]
    server.finish(5)
    thread.join()


async def asked(port: int, *texts: str | bytes, encoding: str = "utf-8") -> list[library.Message]:
    """What one connection is answered, message by message."""
    reader, writer = await library.mllp.open_hl7_connection(HERE, port, encoding=encoding)
    answers = []
    for text in texts:
        if isinstance(text, bytes):
            writer.write(text)
        else:
            writer.writemessage(library.parse(text))
        await writer.drain()
        answers.append(await asyncio.wait_for(reader.readmessage(), 10))
    writer.close()
    await writer.wait_closed()
    return answers


def rows(exchange: Exchange) -> list[Any]:
    with exchange.lab.db.read() as conn:
        return list(messages.listed(conn, WHOLE, Asked(limit=500))[0])


def ids(exchange: Exchange, table: sa.Table) -> list[int]:
    with exchange.lab.db.read() as conn:
        return list(conn.execute(sa.select(table.c.id).order_by(table.c.id)).scalars())


def test_orders_and_reports_come_in(exchange: Exchange, port: int) -> None:
    answers = asyncio.run(asked(port, hl7.order("1"), hl7.order_by_specimen("2", 1, 2), hl7.report("3")))
    assert [str(one.segment("MSA")) for one in answers] == ["MSA|AA|1", "MSA|AA|2", "MSA|AA|3"]
    assert [str(one.segment("MSH")[9]) for one in answers] == ["ORL^O22^ORL_O22", "ORL^O34^ORL_O34", "ACK^R01^ACK"]
    with exchange.lab.db.read() as conn:
        row = conn.execute(sa.select(case)).one()
        (written,) = conn.execute(sa.select(report)).all()
    assert (row.accession, row.slide_count, row.state) == ("25P01234", 2, "validated")
    assert "Adénocarcinome" in written.text


def test_a_signed_report_comes_in_as_a_document(exchange: Exchange, port: int) -> None:
    signed = b"%PDF-1.7\n" + bytes(range(256)) * 100
    text = hl7.report("1", 30, "F", "Sain", hl7.document(signed))
    (answer,) = asyncio.run(asked(port, text))
    assert str(answer.segment("MSA")) == "MSA|AA|1"
    (number,) = ids(exchange, case)
    with exchange.lab.db.read() as conn:
        (paper,) = attachments.of(conn, number)
    assert attachments.content(exchange.lab, exchange.archive, WHOLE, number, paper.id) == ("application/pdf", signed)


def test_letters_of_an_old_set(exchange: Exchange, port: int) -> None:
    text = hl7.update("1", 0, "LECŒUR").replace("|P|2.5.1", "|P|2.5.1||||||8859/15")
    (answer,) = asyncio.run(asked(port, text, encoding="iso8859-15"))
    assert str(answer.segment("MSH")[18]) == "8859/15"
    assert "LECŒUR" in rows(exchange)[0].raw.decode("iso8859-15")


def test_after_garbage_the_connection_lives(exchange: Exchange, port: int) -> None:
    noise = b"\x0bHELLO\x1c\r"
    big = b"\x0b" + b"x" * 200_000 + b"\x1c\r"
    answers = asyncio.run(asked(port, noise, big, b"no start\x1c\r", hl7.order("1")))
    assert [str(one.segment("MSA")[1]) for one in answers] == ["AR", "AR", "AR", "AA"]


def test_several_connections_at_once(exchange: Exchange, port: int) -> None:
    async def all_of_them() -> list[list[library.Message]]:
        batches = [[hl7.order(f"{n}-{m}", 0, n * 10 + m) for m in range(4)] for n in range(5)]
        return await asyncio.gather(*(asked(port, *batch) for batch in batches))

    found = [str(one.segment("MSA")[1]) for answers in asyncio.run(all_of_them()) for one in answers]
    assert found == ["AA"] * 20
    assert len(rows(exchange)) == 20


def test_a_message_cut_short_is_not_taken(exchange: Exchange, port: int) -> None:
    with socket.create_connection((HERE, port)) as sock:
        sock.sendall(b"\x0b" + hl7.order().encode()[:80])
    (answer,) = asyncio.run(asked(port, hl7.order("2")))
    assert str(answer.segment("MSA")) == "MSA|AA|2"
    assert [row.control for row in rows(exchange)] == ["2"]


# -- what goes out ----------------------------------------------------------------------------------------------------

Reply = Callable[[library.Message], str]


async def listening(reply: Reply, work: Callable[[int], Awaitable[None]]) -> list[library.Message]:
    """A peer that answers as `reply` says while `work` goes on; what it was sent."""
    heard: list[library.Message] = []

    async def converse(reader: Any, writer: Any) -> None:
        while True:
            try:
                message = await reader.readmessage()
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            heard.append(message)
            writer.writemessage(message.create_ack(reply(message)))
            await writer.drain()
        writer.close()

    server = await library.mllp.start_hl7_server(converse, HERE, 0, encoding="utf-8", limit=1 << 20)
    async with server:
        await work(server.sockets[0].getsockname()[1])
    return heard


def sent(exchange: Exchange, reply: Reply, runs: int = 1) -> list[library.Message]:
    """What the peer gets when its queue is emptied so often, with time between."""

    async def work(port: int) -> None:
        settings = replace(exchange.settings, peers=(Peer("LIS", host=HERE, port=port),))
        there = replace(exchange, settings=settings)
        for _ in range(runs):
            await asyncio.to_thread(queue.drain, there, {"to": "LIS"})
            exchange.lab.clock.move(3600)  # type: ignore[attr-defined]

    return asyncio.run(listening(reply, work))


@pytest.fixture
def told(exchange: Exchange, port: int) -> Exchange:
    """A case with an image and a report that wait to be told."""
    asyncio.run(asked(port, hl7.order("1")))
    scanned(exchange.lab, "25P01234-A-1-1", "1.2.3")
    (number,) = ids(exchange, case)
    version = reporting.write(exchange.lab, WHOLE, DOCTOR, number, "Sain")
    reporting.finish(exchange.lab, WHOLE, DOCTOR, number, version, "final")
    there = replace(exchange, settings=replace(exchange.settings, peers=(Peer("LIS", host=HERE, port=1),)))
    telling.tell(there, "image", {"scan": ids(exchange, scan)[0]})
    telling.tell(there, "report", {"case": number, "report": ids(exchange, report)[0]})
    return exchange


def outgoing(exchange: Exchange) -> list[tuple[str, str]]:
    return [(row.kind, row.state) for row in reversed(rows(exchange)) if row.direction == "out"]


def test_news_go_out_in_order_and_once(told: Exchange) -> None:
    heard = sent(told, lambda message: "AA", runs=2)
    assert [str(one.segment("MSH")[9]) for one in heard] == ["OML^O21^OML_O21", "ORU^R01^ORU_R01"]
    assert str(heard[1].segment("OBX")[5]) == "Sain"
    assert {state for _, state in outgoing(told)} == {"sent"}


def test_what_a_peer_refuses_waits_for_a_person_and_the_rest_goes(told: Exchange) -> None:
    heard = sent(told, lambda message: "AE" if "OML" in str(message.segment("MSH")[9]) else "AA", runs=3)
    kinds = [str(one.segment("MSH")[9])[:3] for one in heard]
    assert kinds == ["OML", "OML", "ORU"], "tried twice (hl7.attempts), then the next"
    assert sorted(state for _, state in outgoing(told)) == ["dead", "sent"]
    dead = next(row for row in rows(told) if row.state == "dead")
    messages.repair(told.lab, WHOLE, DOCTOR, dead.id, dead.raw.decode().replace("Lame HES", "HES réparée"))
    (again,) = sent(told, lambda message: "AA")
    assert "HES réparée" in str(again)
    assert {state for _, state in outgoing(told)} == {"sent"}


def test_a_peer_that_is_off_loses_nothing(told: Exchange) -> None:
    nowhere = replace(told, settings=replace(told.settings, peers=(Peer("LIS", host=HERE, port=1),)))
    queue.drain(nowhere, {"to": "LIS"})
    assert {state for _, state in outgoing(told)} == {"waiting"}
    assert len(sent(told, lambda message: "AA")) == 2


def test_enhanced_mode_answers_apart(exchange: Exchange) -> None:
    async def work(port: int) -> None:
        settings = replace(exchange.settings, peers=(Peer("LIS", host=HERE, port=port),))
        there = replace(exchange, settings=settings)
        sock = socket.create_server((HERE, 0))
        server = Server(there, sock)
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            (commit,) = await asked(sock.getsockname()[1], hl7.order("1", f15="AL", f16="AL"))
            assert str(commit.segment("MSA")) == "MSA|CA|1"
        finally:
            await asyncio.to_thread(server.finish, 5)
            thread.join()
        await asyncio.to_thread(queue.drain, there, {"to": "LIS"})

    (answer,) = asyncio.run(listening(lambda message: "CA", work))
    assert str(answer.segment("MSH")[9]) == "ORL^O22^ORL_O22"
    assert str(answer.segment("MSA")) == "MSA|AA|1"


def test_tls_with_certificates_on_both_sides(exchange: Exchange, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    (cert, key), (its_cert, its_key) = (tuple(map(str, authority.issue(name))) for name in ("localhost", "lis"))
    ca = str(authority.certificate)
    peers = (Peer("LIS", certificate="lis"),)
    settings = replace(exchange.settings, tls_cert=cert, tls_key=key, tls_ca=ca, peers=peers)
    ours = replace(exchange, settings=settings)
    sock = socket.create_server((HERE, 0))
    server = Server(ours, sock)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        there = Peer("us", host="localhost", port=sock.getsockname()[1], tls=True)
        asking = replace(exchange, settings=replace(exchange.settings, tls_cert=its_cert, tls_key=its_key, tls_ca=ca))
        assert b"MSA|AA|1" in queue.try_once(asking, there, hl7.order("1").encode())
        with pytest.raises(Unavailable):
            queue.try_once(exchange, replace(there, tls=False), hl7.order("2").encode())
        stranger = replace(asking, settings=replace(asking.settings, tls_cert=cert, tls_key=key))
        assert b"MSA|AR|3" in queue.try_once(stranger, there, hl7.order("3").encode())
    finally:
        server.finish(5)
        thread.join()


def test_a_node_takes_orders_and_commands_show_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    orders = tmp_path / "orders.hl7"
    orders.write_text(hl7.order("1") + hl7.order("2", 1, 2), encoding="utf-8")
    with Node(tmp_path / "data", workers=1, environment={"LAMELLE_HL7_PORT": "0"}) as node:
        at = ["--data", str(node.data_dir)]
        runner = CliRunner()
        sent = runner.invoke(app, ["hl7", "send", str(orders), "--to", f"{HERE}:{node.hl7_port}", *at])
        assert sent.output.splitlines() == [f"orders.hl7 OML^O21 {n}: accepted" for n in (1, 2)]
        assert "2 of 2" in runner.invoke(app, ["hl7", "list", "--state", "done", *at]).output
        shown = runner.invoke(app, ["hl7", "show", "1", *at]).output
        assert "PID|1||000003" in shown
        assert "MSA|AA|1" in shown
        assert runner.invoke(app, ["hl7", "replay", "1", *at]).exit_code == 0
        until(lambda: "2 of 2" in runner.invoke(app, ["hl7", "list", "--state", "done", *at]).output)
        assert "PAT-TROIS" not in node.log()


def test_what_was_kept_and_not_done_is_done_at_the_start(exchange: Exchange, tmp_path: Path) -> None:
    messages.keep(exchange.lab, messages.Arrived("DIAMIC", 1, hl7.order().encode(), "M1", "OML^O21"))
    sock = socket.create_server((HERE, 0))
    Server(exchange, sock).resume()
    sock.close()
    assert [row.state for row in rows(exchange)] == ["done"]
    assert ids(exchange, case)
