"""HL7 text: what is read is written again as it was, whatever the separators, line ends and character sets."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamelle.base.errors import Invalid
from lamelle.doors import er7
from lamelle.doors.er7 import Message, Segment, Separators

HEAD = "MSH|^~\\&|DIAMIC|CHU-X|SGI|CHU-X|20250312101500+0100||OML^O21^OML_O21|MSG1|P|2.5.1"


def files(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "hl7fhir" / "hl7v2").rglob("*") if path.is_file())


def test_every_real_message_is_read_and_written_again(shared_data: Path) -> None:
    seen = 0
    for path in files(shared_data):
        for text in er7.each(er7.decoded(path.read_bytes())):
            message = er7.parse(text)
            assert er7.parse(message.text()) == message, path.name
            if all(er7.NAME.match(line) for line in text.split("\r") if line):
                assert message.text().rstrip() == text.rstrip(), path.name
            seen += 1
    assert seen > 60


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
def test_any_line_end_ends_a_segment(end: str) -> None:
    message = er7.parse(end.join([HEAD, "PID|1||7", "OBX|1|TX|||first", "second line", ""]))
    assert [segment.name for segment in message.segments] == ["MSH", "PID", "OBX"]
    assert er7.unescaped(message.segments[2][5]) == "first\nsecond line"
    assert (message.control, message.kind, message.version) == ("MSG1", "OML^O21", "2.5.1")


def test_a_sender_may_choose_its_separators() -> None:
    message = er7.parse("MSH#*!/%#LAB#X####ACK*A01#7\rPID#1##a%b*c^d!e")
    assert message.separators == Separators("#", "*", "!", "/", "%")
    usual = er7.standard(message)
    assert usual.segments[1][3] == "a&b^c\\S\\d~e"
    assert er7.parse(usual.text()) == usual
    assert er7.parse(message.text()) == message


@pytest.mark.parametrize("text", ["", "\r", "MSH", "MSHA^~\\&|x", "HELLO WORLD", "PID|1", "MSH\r|^~"])
def test_what_has_no_header_is_no_message(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        er7.parse(text)
    assert refused.value.code == "no_header"


@given(st.text(st.characters(min_codepoint=32, codec="utf-8")))
def test_what_is_escaped_comes_back(text: str) -> None:
    written = er7.escaped(text)
    assert not set(written) & set("|^~&")
    assert er7.unescaped(written) == text


def test_escapes_of_others_are_understood() -> None:
    assert er7.unescaped(r"a\.br\b\H\c\N\\X41C3A9\ \F\\T\ \Zx\ ") == r"a" + "\nbcAé |& " + r"\Zx\ "


@given(st.text(st.characters(codec="utf-8")))
def test_any_text_is_a_message_or_none(text: str) -> None:
    for candidate in (text, HEAD + "\r" + text):
        try:
            message = er7.parse(candidate)
        except Invalid:
            continue
        assert er7.parse(message.text()) == message


@given(st.binary())
def test_any_bytes_are_some_text(raw: bytes) -> None:
    assert isinstance(er7.decoded(raw), str)
    assert isinstance(er7.decoded(HEAD.encode() + b"||||||8859/15\rNTE|" + raw), str)


@pytest.mark.parametrize(
    ("said", "raw", "text"),
    [
        ("UNICODE UTF-8", "cœur 5 €".encode(), "cœur 5 €"),
        ("8859/15", "cœur 5 €".encode("iso8859-15"), "cœur 5 €"),
        ("8859/1", "né".encode("iso8859-1"), "né"),
        ("8859/1", "cœur".encode("cp1252"), "cœur"),
        ("", "né".encode(), "né"),
        ("", "cœur €".encode("iso8859-15"), "cœur €"),
        ("UNICODE UTF-8", "né".encode("iso8859-15"), "né"),
        ("8859/9~x", "né".encode(), "né"),
    ],
)
def test_character_sets(said: str, raw: bytes, text: str) -> None:
    assert er7.decoded(f"{HEAD}||||||{said}\rNTE|1||".encode() + raw) == f"{HEAD}||||||{said}\rNTE|1||{text}"


def test_an_answer_is_written_in_a_set_that_holds_it() -> None:
    message = Message((er7.parse(HEAD).head, Segment(("NTE", "1", "", "cœur"))))
    assert b"\xbd" in er7.encoded(message, "8859/15")
    assert "8859/15" in er7.encoded(message, "8859/15").decode("iso8859-15")
    assert "cœur" in er7.encoded(message, "8859/1").decode()
    assert "UNICODE UTF-8" in er7.encoded(message, "8859/1").decode()
    assert er7.encoded(er7.parse(HEAD), "") == f"{HEAD}\r".encode()


def test_fields_are_named_for_a_person() -> None:
    segments = dict(er7.parsed(HEAD + "\rPID|1||7^^^CHU\rZZZ|x"))
    assert segments["PID"] == [(1, "Set id pid", "1"), (3, "Patient identifier list", "7^^^CHU")]
    assert segments["ZZZ"] == [(1, "", "x")]
    assert segments["MSH"][1] == (2, "Encoding characters", "^~\\&")
