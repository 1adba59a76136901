"""What comes is kept and done once, whatever its order; what happened is told once; answers say what became of it."""

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from lamelle.access.model import WHOLE
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.base.errors import Unavailable
from lamelle.doors import er7
from lamelle.doors.er7 import Message
from lamelle.doors.hl7 import taking, telling
from lamelle.doors.hl7.room import Exchange
from lamelle.doors.hl7.settings import Hl7Settings, Peer
from lamelle.doors.hl7.taking import Received
from lamelle.lab import cases, messages, patients, reporting, techniques
from lamelle.lab.messages import Asked
from lamelle.lab.records import attachment, block, case, patient, patient_identifier, report, scan, slide
from lamelle.lab.room import Lab, LabSettings
from lamelle.testing import hl7
from lamelle.testing.archives import SetClock, catalogue
from lamelle.testing.laboratory import DOCTOR, scanned

HERE = "127.0.0.1"
KEPT = {
    patient: ("identifier", "issuer", "family", "birth_date", "ins", "ins_status"),
    patient_identifier: ("value", "issuer"),
    case: ("accession", "issuer", "state", "urgency", "department", "slide_count", "waiting_count"),
    block: ("identifier", "issuer"),
    slide: ("identifier", "issuer", "stain_code", "stain_text", "state"),
    report: ("version", "state", "source", "text"),
    attachment: ("kind", "title", "media_type", "added_by"),
}


def take(exchange: Exchange, text: str | bytes, address: str = HERE) -> list[Message]:
    """Everything answered on the connection to one message."""
    raw = text if isinstance(text, bytes) else text.encode()
    received = taking.receive(exchange, taking.arrival(exchange, address, (), raw))
    said = [received] if isinstance(received, bytes) else [received.now, taking.work(exchange, received)]
    return [er7.parse(er7.decoded(one)) for one in said if one is not None]


def acknowledged(exchange: Exchange, text: str | bytes, address: str = HERE) -> str:
    (answer,) = take(exchange, text, address)
    said = answer.first("MSA")
    assert said is not None
    return said[1]


def rows(exchange: Exchange) -> list[Any]:
    with exchange.lab.db.read() as conn:
        return list(messages.listed(conn, WHOLE, Asked(limit=500))[0])


def state(exchange: Exchange) -> dict[str, Any]:
    """Everything that is known, without numbers and times."""
    with exchange.lab.db.read() as conn:
        return {
            table.name: sorted(tuple(row) for row in conn.execute(sa.select(*(table.c[name] for name in names))))
            for table, names in KEPT.items()
        }


def test_an_order_is_answered_with_its_orders(exchange: Exchange) -> None:
    (answer,) = take(exchange, hl7.order())
    assert answer.head[9] == "ORL^O22^ORL_O22"
    assert [answer.head[number] for number in (3, 5, 6, 11, 12)] == ["LAMELLE", "DIAMIC", "CHU-X", "P", "2.5.1"]
    assert [one.fields for one in answer.all("MSA")] == [("MSA", "AA", "M1")]
    assert [one[1] for one in answer.all("ORC")] == ["OK"]
    assert state(exchange)["slide"] == [("25P01234-A-1-1", "DIAMIC", "HES", "Lame HES", "ordered")]
    (row,) = rows(exchange)
    assert (row.state, row.kind, row.control, row.accession) == ("done", "OML^O21", "M1", "25P01234")
    assert row.raw == hl7.order().encode()
    assert er7.parse(row.answer.decode()).head[9] == "ORL^O22^ORL_O22"


def test_a_repeated_message_gets_the_same_answer_and_does_nothing(exchange: Exchange, clock: SetClock) -> None:
    first = take(exchange, hl7.order())
    clock.move(3600)
    assert take(exchange, hl7.order()) == first
    assert len(rows(exchange)) == 1


@pytest.mark.parametrize(
    ("text", "code", "number"),
    [
        ("HELLO", "AR", "100"),
        (b"\xff\x00\x01", "AR", "100"),
        (hl7.message(hl7.head("SIU^S12^SIU_S12", "1")), "AR", "200"),
        (hl7.order(f11="T"), "AR", "202"),
        (hl7.order(f12="3.0"), "AR", "203"),
        (hl7.order(f3="NOBODY"), "AR", "207"),
        (hl7.order().replace("||25P01234^DIAMIC|IP", "|||IP"), "AE", "101"),
    ],
)
def test_what_is_not_taken_says_why(exchange: Exchange, text: str | bytes, code: str, number: str) -> None:
    (answer,) = take(exchange, text)
    (msa,), (err,) = answer.all("MSA"), answer.all("ERR")
    assert (msa[1], err[3].split("^")[0], err[4]) == (code, number, "E")
    assert "PAT-TROIS" not in err[8]


def test_an_old_sender_gets_an_old_error(exchange: Exchange) -> None:
    (answer,) = take(exchange, hl7.order(f12="2.3").replace("||25P01234^DIAMIC|IP", "|||IP"))
    assert [one[1] for one in answer.all("ERR")] == ["^^^101&Required field missing&HL70357"]


def test_garbage_is_kept_and_an_unknown_sender_is_not(exchange: Exchange) -> None:
    take(exchange, "HELLO")
    take(exchange, hl7.order(f3="NOBODY"))
    assert [(row.state, row.raw) for row in rows(exchange)] == [("rejected", b"HELLO")]


def test_it_is_kept_before_it_is_done(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def looking(*_: Any) -> int:
        seen.append([row.state for row in rows(exchange)])
        raise Unavailable("database_unavailable", "gone")

    monkeypatch.setattr(cases, "take", looking)
    assert acknowledged(exchange, hl7.order()) == "AE"
    monkeypatch.undo()
    assert seen == [["received"]]
    assert acknowledged(exchange, hl7.order()) == "AA", "it is tried again when it comes again"
    assert [row.state for row in rows(exchange)] == ["done"]


def test_a_crash_of_ours_is_an_error_and_tells_no_patient(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: Any) -> int:
        raise ZeroDivisionError("PAT-TROIS")

    monkeypatch.setattr(cases, "take", crash)
    (answer,) = take(exchange, hl7.order())
    assert "AE" in answer.text()
    assert "PAT-TROIS" not in "".join(str(segment.fields) for segment in answer.all("ERR"))


def test_without_peers_only_this_machine_may_send(exchange: Exchange) -> None:
    alone = replace(exchange, settings=Hl7Settings())
    assert acknowledged(alone, hl7.order(f3="ANY")) == "AA"
    assert acknowledged(alone, hl7.order(f3="ANY"), "10.0.0.1") == "AR"
    assert [row.peer for row in rows(alone)] == ["ANY"]


def test_a_peer_sends_from_its_addresses(exchange: Exchange) -> None:
    peers = (Peer("A", addresses=("10.1.0.0/16",)), Peer("B", addresses=("10.2.0.7", "::1")))
    named = replace(exchange, settings=Hl7Settings(peers=peers))
    assert [acknowledged(named, hl7.order(at), at) for at in ("10.1.2.3", "10.2.0.7", "10.3.0.1", "::1")] == [
        "AA",
        "AA",
        "AR",
        "AA",
    ]
    assert [row.peer for row in rows(named)] == ["B", "B", "A"]


# -- modes ------------------------------------------------------------------------------------------------------------


def test_in_enhanced_mode_a_commit_comes_first_and_the_rest_apart(exchange: Exchange) -> None:
    reached = replace(exchange, settings=Hl7Settings(peers=(Peer("LIS", host=HERE, port=1),)))
    assert [one.first("MSA")[1] for one in take(reached, hl7.order(f15="AL", f16="AL"))] == ["CA"]  # type: ignore[index]
    out = next(row for row in rows(reached) if row.direction == "out")
    assert (out.kind, out.state, out.peer) == ("ORL^O22", "waiting", "LIS")
    assert "MSA|AA|M1" in out.raw.decode()
    assert [one.first("MSA")[1] for one in take(reached, hl7.order(f15="AL", f16="AL"))] == ["CA"]  # type: ignore[index]
    assert sum(row.direction == "out" for row in rows(reached)) == 1


@pytest.mark.parametrize(
    ("accept", "application", "good", "bad"),
    [
        ("", "", ["AA"], ["AE"]),
        ("AL", "AL", ["AA"], ["AE"]),
        ("NE", "AL", ["AA"], ["AE"]),
        ("AL", "NE", ["CA"], ["CA"]),
        ("NE", "NE", [], []),
        ("NE", "ER", [], ["AE"]),
        ("NE", "SU", ["AA"], []),
    ],
)
def test_a_sender_that_listens_nowhere_gets_one_answer(
    exchange: Exchange, accept: str, application: str, good: list[str], bad: list[str]
) -> None:
    text = hl7.order(f15=accept, f16=application)
    assert [one.first("MSA")[1] for one in take(exchange, text)] == good  # type: ignore[index]
    broken = text.replace("||25P01234^DIAMIC|IP", "|||IP")
    assert [one.first("MSA")[1] for one in take(exchange, broken)] == bad  # type: ignore[index]


# -- character sets ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "encoding"), [("8859/15", "iso8859-15"), ("UNICODE UTF-8", "utf-8"), ("", "iso8859-15")]
)
def test_letters_survive(exchange: Exchange, said: str, encoding: str) -> None:
    text = hl7.update("1", 0, "LECŒUR").replace("|P|2.5.1", f"|P|2.5.1||||||{said}").replace("DOMINIQUE^", "€loïse^")
    assert acknowledged(exchange, text.encode(encoding)) == "AA"
    with exchange.lab.db.read() as conn:
        row = conn.execute(sa.select(patient)).one()
    assert (row.family, row.given) == ("LECŒUR", "€loïse")


# -- whatever the order -----------------------------------------------------------------------------------------------

DAY = [
    hl7.order("1", 0, 1),
    hl7.order("2", 1, 2, stain="KI67"),
    hl7.order("3", 5, 2, said="CA"),
    hl7.update("4", 7, "PAT-QUATRE"),
    hl7.merge("5", 8),
    hl7.report("6", 20, "P", "En cours", hl7.document(b"%PDF-1", "Provisoire")),
    hl7.report("7", 30, "F", "Sain", hl7.document(b"%PDF-1", "Provisoire"), hl7.document(b"%PDF-2")),
    hl7.letter("8", 40, hl7.document(b"%PDF-2")),
    hl7.order("9", 41, 1).replace("\rPV1", "\rIPC|25P01234^DIAMIC||1.2.826.0.1.3680043.2\rPV1"),
]


def test_the_end_is_the_same_whatever_the_order_and_twice(tmp_path: Path, clock: SetClock) -> None:
    ends = []
    chance = random.Random(5)
    shuffled = [chance.sample(DAY, len(DAY)) for _ in range(7)]
    for number, order in enumerate([DAY, *shuffled]):
        db = exchange_at(tmp_path, number, clock)
        for text in (*order, *order[::-1]) if number % 2 else order:
            assert acknowledged(db, text) == "AA"
        ends.append(state(db))
        db.archive.close()
    assert ends[0]["patient"]
    assert len(ends[0]["attachment"]) == 2
    assert all(end == ends[0] for end in ends)


def exchange_at(folder: Path, number: int, clock: SetClock) -> Exchange:
    data = folder / str(number)
    archive = Archive.open(ArchiveSettings(data, catalogue(data), reserve_bytes=0), clock)
    return Exchange(Lab(archive.db, clock, LabSettings()), archive, Hl7Settings(peers=(Peer("LIS"),)))


def test_three_ways_to_order_end_alike(tmp_path: Path, clock: SetClock) -> None:
    ends = []
    for number, text in enumerate((hl7.order(), hl7.order_by_specimen(), hl7.order_old())):
        db = exchange_at(tmp_path, number, clock)
        peers = (Peer("LIS", dialect="orm" if "ORM^O01" in text else "standard"),)
        assert acknowledged(replace(db, settings=Hl7Settings(peers=peers)), text) == "AA"
        ends.append(state(db))
        db.archive.close()
    assert ends[0] == ends[1] == ends[2]


# -- repairing --------------------------------------------------------------------------------------------------------


def test_a_repaired_message_is_done(exchange: Exchange) -> None:
    broken = hl7.order().replace("||25P01234^DIAMIC|IP", "|||IP")
    assert acknowledged(exchange, broken) == "AE"
    (row,) = rows(exchange)
    assert (row.state, row.code) == ("error", "missing_field")
    messages.repair(exchange.lab, WHOLE, DOCTOR, row.id, hl7.order())
    taking.again(exchange, {"message": row.id})
    assert [(one.state, one.raw) for one in rows(exchange)] == [("done", broken.encode())]
    assert len(state(exchange)["slide"]) == 1


# -- news -------------------------------------------------------------------------------------------------------------

TOLD = Hl7Settings(peers=(Peer("LIS", application="DIAMIC", host=HERE, port=1), Peer("OLD", "orm", host=HERE, port=1)))


@pytest.fixture
def told(exchange: Exchange) -> Exchange:
    found = replace(exchange, settings=TOLD)
    assert acknowledged(found, hl7.order()) == "AA"
    return found


def out(exchange: Exchange, kind: str, payload: dict[str, int]) -> dict[str, Message]:
    """Peer to what it is told."""
    telling.tell(exchange, kind, payload)
    telling.tell(exchange, kind, payload)  # the job runs at least once
    found = [row for row in rows(exchange) if row.direction == "out"]
    assert len({row.peer for row in found}) == len(found)
    return {row.peer: er7.parse(er7.decoded(row.raw)) for row in found}


def one_id(exchange: Exchange, table: sa.Table) -> int:
    with exchange.lab.db.read() as conn:
        return int(conn.execute(sa.select(table.c.id)).scalar_one())


def test_an_image_is_told_once_with_a_link_that_names_no_patient(told: Exchange) -> None:
    number = scanned(told.lab, "25P01234-A-1-1", "1.2.3")
    said = out(told, "image", {"scan": one_id(told, scan)})
    assert (said["LIS"].kind, said["OLD"].kind) == ("OML^O21", "ORU^R01")
    text = said["LIS"].text()
    assert "DPOW-IMAGE-NOTIF^IHE" in text
    assert f"https://lamelle.example/cases/{number}^LAMELLE" in text
    assert "|1.2.3|" in text
    assert "279035121518989" not in text, "the identity is not qualified"
    assert "25P01234-A-1-1&DIAMIC" in text
    assert all(f"|{word}" in said["OLD"].text() for word in ("1.2.3", "25P01234^DIAMIC"))
    assert said["OLD"].version == "2.3"


def test_what_is_told_is_valid_to_another_library(told: Exchange) -> None:
    from hl7apy.consts import VALIDATION_LEVEL
    from hl7apy.parser import parse_message

    scanned(told.lab, "25P01234-A-1-1", "1.2.3")
    text = out(told, "image", {"scan": one_id(told, scan)})["LIS"].text()
    parsed = parse_message(text, validation_level=VALIDATION_LEVEL.TOLERANT)
    assert parsed.msh.msh_9.msh_9_1.value == "OML"
    assert parsed.msh.msh_10.value == er7.parse(text).control


def test_a_technique_is_asked_for_and_the_answer_heard(told: Exchange) -> None:
    case_id, block_id = one_id(told, case), one_id(told, block)
    number = techniques.ask(told.lab, WHOLE, DOCTOR, case_id, "KI67", "Ki-67", block_id=block_id, comment="bloc | A")
    text = out(told, "technique", {"technique": number})["LIS"].text()
    assert "DPOW-PLACE-WO^IHE" in text
    assert "KI67^Ki-67^99LAB" in text
    assert "bloc \\F\\ A" in text
    assert "25P01234-A-1&DIAMIC" in text
    with told.lab.db.read() as conn:
        identifier = techniques.of(conn, case_id)[0].identifier
    answer = er7.parse(f"MSH|^~\\&|DIAMIC|||||||ORL^O22|\rMSA|AA|x\rORC|UA|{identifier}^LAMELLE\r")
    assert taking.heard(told, told.settings.peers[0], answer) is None
    with told.lab.db.read() as conn:
        assert techniques.of(conn, case_id)[0].state == "refused"


def test_a_report_validated_here_is_told(told: Exchange) -> None:
    case_id = one_id(told, case)
    version = reporting.write(told.lab, WHOLE, DOCTOR, case_id, "Conclusion :\nsain & sauf")
    reporting.finish(told.lab, WHOLE, DOCTOR, case_id, version, "final")
    text = out(told, "report", {"case": case_id, "report": one_id(told, report)})["LIS"].text()
    assert "|Conclusion :\\.br\\sain \\T\\ sauf|" in text
    assert "|F|" in text


def test_what_a_laboratory_reported_is_not_told_back(told: Exchange) -> None:
    assert acknowledged(told, hl7.report()) == "AA"
    assert out(told, "report", {"case": 1, "report": one_id(told, report)}) == {}


def test_who_is_told(told: Exchange) -> None:
    assert telling.followed(TOLD) == {event: telling.JOB + kind for event, kind in telling.EVENTS.items()}
    assert telling.followed(Hl7Settings(peers=(Peer("A", host="x", port=1, tells=frozenset({"image"})),))) == {
        "ScanMatched": "hl7_tell_image"
    }
    assert telling.followed(Hl7Settings()) == {}


def test_the_matricule_is_told_of_a_qualified_identity_alone(told: Exchange) -> None:
    assert acknowledged(told, hl7.update("9", 40, "PAT-TROIS").replace("|F\r", "|F" + "|" * 24 + "VALI\r")) == "AA"
    with told.lab.db.read() as conn:
        ins = patients.shown(conn.execute(sa.select(patient)).one())
    scanned(told.lab, "25P01234-A-1-1", "1.2.3")
    text = out(told, "image", {"scan": one_id(told, scan)})["LIS"].text()
    assert (f"{ins}^^^ASIP-SANTE-INS-NIR" in text) is bool(ins)


def test_received_says_what_it_is(exchange: Exchange) -> None:
    came = taking.arrival(exchange, HERE, (), hl7.order().encode())
    assert isinstance(taking.receive(exchange, came), Received)
