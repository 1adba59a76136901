"""A message is read by its sender's table: three ways to say an order are one order."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from lamelle.base.errors import Invalid, Unsupported
from lamelle.doors import er7
from lamelle.doors.hl7 import dialect, paths, reading
from lamelle.doors.hl7.reading import Said, Sender, TechniqueSaid
from lamelle.lab.orders import (
    BlockSaid,
    DocumentSaid,
    Identifier,
    MergeSaid,
    Order,
    ReportSaid,
    SlideSaid,
    SpecimenSaid,
)
from lamelle.testing import hl7

SENDER = Sender("LIS", 1, datetime(2026, 1, 1, tzinfo=UTC))


def read(text: str, name: str = "standard") -> list[Said]:
    return reading.read(er7.parse(text), dialect.load(name), SENDER)


def test_an_order_is_read() -> None:
    (order,) = read(hl7.order())
    assert isinstance(order, Order)
    assert (order.case, order.urgency, order.department) == (Identifier("25P01234", "DIAMIC"), "stat", "URO")
    assert order.said_at == datetime(2025, 3, 12, 9, 0, tzinfo=UTC)
    assert order.ordered_at == datetime(2025, 3, 12, 9, 15, tzinfo=UTC), "no offset: MSH-7's"
    patient = order.patient
    assert patient is not None
    assert patient.identifiers == (Identifier("000003", "CHU-X"),)
    assert (patient.family, patient.given, patient.birth_name) == ("PAT-TROIS", "DOMINIQUE", "PAT-TROIS")
    assert (patient.ins, patient.ins_oid, patient.ins_status) == ("279035121518989", "1.2.250.1.213.1.4.8", "")
    assert order.slides == (
        SlideSaid(
            Identifier("25P01234-A-1-1", "DIAMIC"),
            block=Identifier("25P01234-A-1", "DIAMIC"),
            stain_code="HES",
            stain_text="Lame HES",
        ),
    )


def test_three_ways_to_say_an_order_are_one_order() -> None:
    (first,) = read(hl7.order())
    assert read(hl7.order_by_specimen()) == [first]
    assert read(hl7.order_old(), "orm") == [first]


def test_a_whole_tree_in_one_message() -> None:
    part_id = "25P01234-A"
    text = hl7.message(
        hl7.head("OML^O21^OML_O21", "T1"),
        hl7.PATIENT,
        "ORC|NW|1||25P01234^DIAMIC",
        "OBR|1|1||ACP^Examen",
        hl7.segment("SPM", f1="1", f2=f"{part_id}&DIAMIC", f4="TISS^Tissu", f8="T-1^Prostate", f27="CONTAINER"),
        hl7.segment("SPM", f1="2", f2=f"{part_id}-1&DIAMIC", f3=f"{part_id}&DIAMIC", f27="CASSETTE"),
        hl7.segment("SPM", f1="3", f2=f"{part_id}-1-1&DIAMIC", f3=f"{part_id}-1&DIAMIC", f27="GLASS"),
        "OBX|1|CWE|397165007^stain^SCT||HES^Lame HES",
        hl7.segment("SPM", f1="4", f2=f"{part_id}-1-2&DIAMIC", f3=f"{part_id}-1&DIAMIC", f27="GLASS"),
        "OBX|1|CWE|397165007^stain^SCT||KI67^Ki-67",
    )
    (order,) = read(text)
    assert isinstance(order, Order)
    (part,), (cassette,) = order.specimens, order.blocks
    assert isinstance(part, SpecimenSaid)
    assert isinstance(cassette, BlockSaid)
    assert (part.id.value, part.type_text, part.part) == ("25P01234-A", "Tissu", "1")
    assert cassette.specimen == part.id
    assert [(one.stain_code, one.block) for one in order.slides] == [("HES", cassette.id), ("KI67", cassette.id)]


@pytest.mark.parametrize(("said", "control"), [("NW", "put"), ("XO", "put"), ("SC", "put"), ("CA", "cancel")])
def test_control(said: str, control: str) -> None:
    (order,) = read(hl7.order(said=said))
    assert isinstance(order, Order)
    assert (order.control, order.slides[0].control) == ("put", control)


def test_an_order_of_the_case_itself_may_cancel_it() -> None:
    (order,) = read(hl7.message(hl7.head("OML^O21", "1"), hl7.PATIENT, "ORC|CA|1||25P01234^DIAMIC", "OBR|1|1"))
    assert isinstance(order, Order)
    assert (order.control, order.slides) == ("cancel", ())


def test_a_case_update_tells_the_state_of_its_report() -> None:
    head = hl7.head("OML^O21^OML_O21", "1", f21="DPOW-CASE-UPDATE^IHE")
    orc = "ORC|SC|1||25P01234^DIAMIC|CM" + "|" * 20 + "Final"
    order, report = read(hl7.message(head, hl7.PATIENT, orc))
    assert isinstance(order, Order)
    assert isinstance(report, ReportSaid)
    assert (report.state, report.text, report.source) == ("final", "", "LIS")
    assert len(read(hl7.message(head, hl7.PATIENT, "ORC|SC|1||25P01234^DIAMIC|IP"))) == 1


def test_a_work_order_that_was_done() -> None:
    head = hl7.head("OML^O21^OML_O21", "1", f21="DPOW-ACCEPT-WO^IHE")
    text = hl7.message(head, "ORC|SC|T-7^LAMELLE||25P01234|CM", "OBR|1", "SPM|1|T-7&LAMELLE^25P01234-A-1-9&DIAMIC")
    assert read(text) == [TechniqueSaid("T-7", "done", "25P01234-A-1-9")]


def test_an_answer_may_refuse_a_work_order() -> None:
    answer = er7.parse("MSH|^~\\&|a|||||||ORL^O22\rMSA|AA|1\rORC|UA|T-7^LAMELLE||\rORC|OK|T-8^LAMELLE|9\r")
    found = reading.techniques(answer, dialect.load("standard"), SENDER)
    assert found == [TechniqueSaid("T-7", "refused"), TechniqueSaid("T-8", "accepted", "9")]


def test_a_report_is_read_with_its_headings() -> None:
    (report,) = read(hl7.report())
    assert isinstance(report, ReportSaid)
    assert (report.case, report.state, report.code) == (Identifier("25P01234", "DIAMIC"), "final", "60568-3")
    assert report.text == "Macroscopie\nUne pièce de 3 cm\n\nConclusion\nAdénocarcinome"


@pytest.mark.parametrize(
    ("said", "state"), [("P", "preliminary"), ("C", "corrected"), ("X", "cancelled"), ("I", "draft")]
)
def test_states_of_reports(said: str, state: str) -> None:
    (report,) = read(hl7.report(state=said))
    assert isinstance(report, ReportSaid)
    assert report.state == state


def test_several_merges_in_one_message() -> None:
    text = hl7.merge("1", 0) + hl7.merge("1", 0, "8", "9").split("EVN||20250312101500\r")[1]
    found = [(one.kept.identifiers[0].value, one.gone.value) for one in read(text) if isinstance(one, MergeSaid)]
    assert found == [("000003", "000077"), ("8", "9")]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (hl7.order().replace("||25P01234^DIAMIC|IP", "|||IP"), "missing_field"),
        (hl7.message(hl7.head("ADT^A08", "1"), "PID|1||"), "missing_field"),
        (hl7.message(hl7.head("ADT^A40", "1"), hl7.PATIENT), "missing_field"),
        (hl7.message(hl7.head("ORU^R01", "1"), "ORC|RE|7", "OBR|1|7"), "missing_field"),
        (hl7.message(hl7.head("SIU^S12", "1")), "unknown_message"),
    ],
)
def test_what_cannot_be_read_says_where_it_sought(text: str, code: str) -> None:
    with pytest.raises((Invalid, Unsupported)) as refused:
        read(text)
    assert refused.value.code == code
    assert "PAT-TROIS" not in refused.value.message


def test_a_site_has_its_own_table(tmp_path: Path) -> None:
    table = tmp_path / "lis.toml"
    table.write_text(
        'extends = "standard"\n[order]\naccession = "SPM-2.1.1 ~ ^([^-]+)-"\nissuer = "\'DIAMIC\'"\n'
        '[slide]\nlocation = "ZGL-2"\ndue_on = "ZGL-3"\n[values.urgency]\nS = "urgent"\n'
    )
    text = hl7.order().replace("||25P01234^DIAMIC|IP", "|||IP") + "ZGL|1|Tiroir 7|20250313\r"
    (order,) = read(text, str(table))
    assert isinstance(order, Order)
    assert (order.case, order.urgency) == (Identifier("25P01234", "DIAMIC"), "urgent")
    assert (order.slides[0].location, order.slides[0].due_on) == ("Tiroir 7", "20250313")


def test_documents_of_one_field_are_each_read_whole() -> None:
    """Lines of Base64 may break, and a field be repeated."""
    first, second = hl7.document(b"%PDF-1"), hl7.document(b"\xff\xd8", form="image^jpeg")
    together = first.replace("||||||F", "~" + second.split("|")[5]).replace("JVBE", "JVBE\r\n ") + "||||||F"
    found = [said for said in read(hl7.report("R1", 30, "F", "Sain", together)) if isinstance(said, DocumentSaid)]
    assert [(said.media_type, said.data) for said in found] == [
        ("application/pdf", b"%PDF-1"),
        ("image/jpeg", b"\xff\xd8"),
    ]
    assert {(said.case, said.kind, said.title) for said in found} == {
        (Identifier("25P01234", "DIAMIC"), "report", "Compte rendu")
    }


def test_a_report_without_a_status_is_an_error_also_beside_documents() -> None:
    with pytest.raises(Invalid, match="status"):
        read(hl7.report(state=""))


@pytest.mark.parametrize(
    "content",
    [
        "[order]\naccession = 'ORC'",
        "[order]\nnothing = 'ORC-1'",
        "[ordre]\naccession = 'ORC-1'",
        "[messages]\n'OML^O21' = 'commande'",
        "[out.image]\nsegments = []",
        "[out.picture]\nkind = 'x'",
        "[slide]\nid = 'OBX[3]-5'",
        "[slide]\nid = 'OBX-5 ~ ('",
        "zone = 'Nowhere/Land'",
        "= 7",
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, content: str) -> None:
    table = tmp_path / "wrong.toml"
    table.write_text(content)
    with pytest.raises(Invalid) as refused:
        dialect.load(str(table))
    assert refused.value.code == "bad_dialect"


def test_there_is_no_such_table() -> None:
    with pytest.raises(Invalid, match="orm, standard"):
        dialect.load("klingon")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("OBX[3.1=B]-5.2", "2"),
        ("OBX[2=TX/ST,3.1!=A]-5.1", "b"),
        ("PID-3[5=PI].1", "7"),
        ("PID-3[4.2=1.2].1", "8"),
        ("PID-3[5=XX].1 | 'none'", "none"),
        ("ZZZ-1 | PID-9", ""),
        ("PID-5 ~ ([A-Z]+)$", "DOE"),
    ],
)
def test_paths(path: str, value: str) -> None:
    message = er7.parse('MSH|^~\\&|\rPID|||7^^^^PI~8^^^&1.2^INS||J DOE||""\rOBX||TX|A||a^1\rOBX||TX|B||b^2\r')
    (scope,) = paths.leaves(message.segments, (), message.separators)
    assert paths.first(scope, paths.path(path)) == value
    assert paths.first(scope, paths.path("PID-7")) == "", "two quotes are nothing"


def test_times_without_an_offset_are_of_the_message_or_the_zone() -> None:
    late = replace(SENDER, received_at=datetime(2027, 1, 1, tzinfo=UTC))
    text = hl7.update("1", 0, "X").replace("+0100", "").replace("20250312100000", "202507121000")
    (said,) = reading.read(er7.parse(text), dialect.load("standard"), late)
    assert said.said_at == datetime(2025, 7, 12, 8, 0, tzinfo=UTC)  # type: ignore[union-attr]
    (said,) = reading.read(er7.parse(text.replace("202507121000", "nonsense")), dialect.load("standard"), late)
    assert said.said_at == late.received_at  # type: ignore[union-attr]
