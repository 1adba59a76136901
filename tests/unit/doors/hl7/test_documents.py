"""Documents in messages become papers of their case, once; one that cannot be kept keeps nothing else out."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from lamelle.access.model import WHOLE
from lamelle.base.errors import Unavailable
from lamelle.doors import er7
from lamelle.doors.hl7 import taking
from lamelle.doors.hl7.room import Exchange
from lamelle.lab import attachments, messages
from lamelle.lab.messages import Asked
from lamelle.lab.records import case, report
from lamelle.testing import hl7
from lamelle.testing.laboratory import DOCTOR

PDF = b"%PDF-1.7 the report as it was signed\n%%EOF\n"
OTHER = b"%PDF-1.7 a scheme"
STUDY = "1.2.826.0.1.3680043.2.1"


def acknowledged(exchange: Exchange, text: str) -> str:
    """MSA-1."""
    received = taking.receive(exchange, taking.arrival(exchange, "127.0.0.1", (), text.encode()))
    answer = received if isinstance(received, bytes) else taking.work(exchange, received)
    assert answer is not None
    said = er7.parse(answer.decode()).first("MSA")
    assert said is not None
    return said[1]


def papers(exchange: Exchange) -> list[tuple[str, str, str, bytes]]:
    """(kind, title, who gave it, bytes) of each document of the case."""
    with exchange.lab.db.read() as conn:
        number = conn.execute(sa.select(case.c.id)).scalar_one()
        rows = attachments.of(conn, number)
    read = [attachments.content(exchange.lab, exchange.archive, WHOLE, number, row.id)[1] for row in rows]
    return [(row.kind, row.title, row.added_by, data) for row, data in zip(rows, read, strict=True)]


def texts(exchange: Exchange) -> list[str]:
    with exchange.lab.db.read() as conn:
        return list(conn.execute(sa.select(report.c.text)).scalars())


def newest(exchange: Exchange) -> Any:
    with exchange.lab.db.read() as conn:
        return messages.listed(conn, WHOLE, Asked())[0][0]


def test_a_signed_report_is_a_paper_of_its_case_and_its_text_is_read(exchange: Exchange) -> None:
    assert acknowledged(exchange, hl7.report("1", 30, "F", "Sain", hl7.document(PDF))) == "AA"
    assert papers(exchange) == [("report", "Compte rendu", "LIS", PDF)]
    assert "Sain" in texts(exchange)[0] and "JVBER" not in texts(exchange)[0]


def test_the_same_document_is_kept_once(exchange: Exchange) -> None:
    first = hl7.report("1", 30, "F", "Sain", hl7.document(PDF))
    ordered = hl7.order("3", 35).replace("\rPV1", f"\rIPC|25P01234^DIAMIC||{STUDY}\rPV1")
    again = hl7.report("4", 40, "F", "Sain", hl7.document(PDF), hl7.document(OTHER, "Schéma"))
    for text in (first, first, hl7.report("2", 31, "F", "Sain", hl7.document(PDF)), ordered, again):
        assert acknowledged(exchange, text) == "AA"
    with exchange.lab.db.read() as conn:
        assert conn.execute(sa.select(case.c.study_uid)).scalar_one() == STUDY
    assert [data for *_, data in papers(exchange)] == [PDF, OTHER]


def test_a_document_may_come_alone_and_before_its_order(exchange: Exchange) -> None:
    assert acknowledged(exchange, hl7.letter("1", 0, hl7.document(PDF), hl7.document(OTHER, "Schéma"))) == "AA"
    assert acknowledged(exchange, hl7.order("2", 1)) == "AA"
    assert [(title, data) for _, title, _, data in papers(exchange)] == [("Compte rendu", PDF), ("Schéma", OTHER)]
    assert newest(exchange).accession == "25P01234"


CUT_SHORT = hl7.document(PDF).replace("Base64^", "Base64^A")
UNKNOWN = hl7.document(b"<ClinicalDocument/>", form="TEXT^XML")


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        (CUT_SHORT, "no Base64"),
        (UNKNOWN, "PDF or JPEG"),
        (hl7.document(b"\x89PNG", form="image^PNG"), "PDF or JPEG"),
        (hl7.document(b"no document"), "no PDF"),
        (hl7.document(b""), "no PDF"),
        (hl7.document(PDF).replace("^application^PDF^Base64^", "^"), "PDF or JPEG"),
    ],
)
def test_one_that_cannot_be_kept_keeps_nothing_else_out(exchange: Exchange, broken: str, why: str) -> None:
    text = hl7.report("1", 30, "F", "Sain", broken, hl7.document(PDF))
    assert acknowledged(exchange, text) == "AE"
    assert [data for *_, data in papers(exchange)] == [PDF]
    assert "Sain" in texts(exchange)[0]
    row = newest(exchange)
    assert (row.state, row.code, row.accession) == ("error", "document_not_taken", "25P01234")
    assert why in row.reason
    messages.repair(exchange.lab, WHOLE, DOCTOR, row.id, text.replace(broken, hl7.document(OTHER)))
    taking.again(exchange, {"message": row.id})
    assert newest(exchange).state == "done"
    assert [data for *_, data in papers(exchange)] == [PDF, OTHER]


def test_what_the_archive_cannot_keep_now_is_told_as_it_is(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise Unavailable("disk_full", "no room")

    monkeypatch.setattr(attachments, "take", full)
    text = hl7.report("1", 30, "F", "Sain", hl7.document(PDF))
    assert acknowledged(exchange, text) == "AE"
    assert newest(exchange).code == "disk_full"
    monkeypatch.undo()
    assert acknowledged(exchange, text) == "AA", "it is tried again when it comes again"
    assert len(papers(exchange)) == 1


def test_a_table_says_what_is_left_aside_and_what_a_paper_is(exchange: Exchange, tmp_path: Path) -> None:
    table = tmp_path / "site.toml"
    table.write_text(
        'extends = "standard"\n[values.document_type]\nXML = "nothing"\n[values.document_kind]\nBON = "request"\n'
    )
    (peer, *_), settings = exchange.settings.peers, exchange.settings
    there = replace(exchange, settings=replace(settings, peers=(replace(peer, dialect=str(table)),)))
    asked = hl7.document(PDF, "Bon de demande", code="BON")
    assert acknowledged(there, hl7.report("1", 30, "F", "Sain", UNKNOWN, asked)) == "AA"
    assert papers(there) == [("request", "Bon de demande", "LIS", PDF)]


def test_reference_pointers_are_not_followed(exchange: Exchange) -> None:
    pointer = "OBX|4|RP|PDF^Compte rendu||\\\\nas\\cr.pdf^DIAMIC^application^PDF||||||F"
    assert acknowledged(exchange, hl7.report("1", 30, "F", "Sain", pointer)) == "AA"
    assert papers(exchange) == []
