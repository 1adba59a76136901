"""Identifiers: what is read of a request, what is written into an answer."""

from typing import Any

import pytest

from lamelle.archive.query import Level, Match
from lamelle.archive.selection import Wanted
from lamelle.base.errors import Invalid
from lamelle.dicom import encode, json
from lamelle.dicom.transfer import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from lamelle.doors.dimse import datasets, identifiers
from lamelle.doors.dimse.identifiers import FIND, GET, PATIENT_ROOT, STUDY_ROOT, Identifier, Options, Rank

STUDY_FIND, PATIENT_FIND = STUDY_ROOT + FIND, PATIENT_ROOT + FIND
NONE = Options()


def keys(*texts: str, level: str = "STUDY") -> dict[str, Any]:
    made = {"00080052": {"vr": "CS", "Value": [level]}}
    for text in texts:
        name, _, value = text.partition("=")
        tag = identifiers.tag_of(name)
        assert tag is not None
        made[tag] = identifiers.element(tag, value)
    return made


def read(*texts: str, level: str = "STUDY", sop_class: str = STUDY_FIND) -> Identifier:
    return identifiers.read(encode.encode(keys(*texts, level=level), EXPLICIT_LITTLE), EXPLICIT_LITTLE, sop_class)


@pytest.mark.parametrize("syntax", [IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED])
def test_every_syntax_of_identifiers(syntax: str) -> None:
    item = keys("PatientName=Léa*", "StudyDate=20260101-", "NumberOfStudyRelatedInstances=3")
    data = datasets.write(item, syntax, utf8=True)
    asked = identifiers.read(data, syntax, STUDY_FIND)
    assert asked.rank is Rank.STUDY and (asked.utf8 or syntax in (EXPLICIT_BIG, DEFLATED))
    found = identifiers.query(asked, NONE, 10)
    assert set(found.matches) == {
        Match(("00100010",), "Léa*"),
        Match(("00080020",), "20260101-"),
        Match(("00201208",), "3"),
    }


def test_utf8_is_seen_in_every_syntax() -> None:
    for syntax in (IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED):
        item = keys("PatientName")
        assert identifiers.read(datasets.write(item, syntax, utf8=True), syntax, STUDY_FIND).utf8
        assert not identifiers.read(datasets.write(item, syntax, utf8=False), syntax, STUDY_FIND).utf8


def test_keys_become_a_query() -> None:
    asked = read("StudyInstanceUID=1.2\\1.3", "PatientName", "TimezoneOffsetFromUTC=+0100", "RetrieveAETitle=X")
    found = identifiers.query(asked, Options(date_times=True, fuzzy=True), 7)
    assert found.matches == (Match(("0020000D",), "1.2\\1.3"),)
    assert found.include == frozenset({"0020000D", "00100010", "00080201"}) and (found.level, found.limit) == (
        Level.STUDY,
        7,
    )
    assert found.fuzzy and found.date_times


def test_sequences_are_asked_through_their_item() -> None:
    step = {"00400009": {"vr": "SH", "Value": ["S*"]}, "00401001": {"vr": "SH"}}
    asked = Identifier(Rank.SERIES, keys(level="SERIES") | {"00400275": {"vr": "SQ", "Value": [step]}}, False)
    assert identifiers.query(asked, NONE, 1).matches == (Match(("00400275", "00400009"), "S*"),)
    found = {"00400275": {"vr": "SQ", "Value": [{"00400009": {"vr": "SH", "Value": ["S1"]}, "00400007": {"vr": "LO"}}]}}
    answer = identifiers.answer(asked, found, "US")
    assert answer["00400275"]["Value"] == [{"00400009": {"vr": "SH", "Value": ["S1"]}, "00401001": {"vr": "SH"}}]
    whole = Identifier(Rank.SERIES, {"00400275": {"vr": "SQ"}}, False)
    assert identifiers.answer(whole, found, "US")["00400275"] == found["00400275"]
    two = Identifier(Rank.SERIES, {"00400275": {"vr": "SQ", "Value": [step, step]}}, False)
    with pytest.raises(Invalid, match="more than one item"):
        identifiers.query(two, NONE, 1)


@pytest.mark.parametrize(
    ("sop_class", "level", "texts", "fine"),
    [
        (STUDY_FIND, "STUDY", (), True),
        (STUDY_FIND, "SERIES", ("StudyInstanceUID=1.2",), True),
        (STUDY_FIND, "SERIES", (), False),
        (STUDY_FIND, "SERIES", ("StudyInstanceUID=1.2\\1.3",), False),
        (STUDY_FIND, "SERIES", ("StudyInstanceUID=*",), False),
        (STUDY_FIND, "IMAGE", ("StudyInstanceUID=1.2",), False),
        (STUDY_FIND, "IMAGE", ("StudyInstanceUID=1.2", "SeriesInstanceUID=1.3"), True),
        (PATIENT_FIND, "PATIENT", (), True),
        (PATIENT_FIND, "STUDY", (), False),
        (PATIENT_FIND, "STUDY", ("PatientID=P?",), False),
        (PATIENT_FIND, "STUDY", ("PatientID=P1",), True),
        (PATIENT_FIND, "IMAGE", ("StudyInstanceUID=1.2", "SeriesInstanceUID=1.3"), False),
    ],
)
def test_the_hierarchy(sop_class: str, level: str, texts: tuple[str, ...], fine: bool) -> None:
    asked = read(*texts, level=level, sop_class=sop_class)
    if fine:
        identifiers.check_hierarchy(asked, sop_class)
        return
    with pytest.raises(Invalid, match="takes one value"):
        identifiers.check_hierarchy(asked, sop_class)


def test_what_is_no_identifier() -> None:
    for level in ("", "PATIENT", "FRAME"):
        with pytest.raises(Invalid, match="Level is none of"):
            read(level=level)
    many = {f"0011{number:04X}": {"vr": "LO"} for number in range(0x1000, 0x1000 + 600)}
    with pytest.raises(Invalid, match="keys at most"):
        identifiers.read(encode.encode(many, EXPLICIT_LITTLE), EXPLICIT_LITTLE, STUDY_FIND)
    with pytest.raises(Invalid, match="no data set"):
        identifiers.read(b"not deflated", DEFLATED, STUDY_FIND)


def test_an_answer_has_what_was_asked() -> None:
    asked = read("PatientName", "StudyDescription", "StudyInstanceUID")
    found = {
        "0020000D": {"vr": "UI", "Value": ["1.2"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "A"}]},
        "00100020": {"vr": "LO", "Value": ["not asked"]},
        "00080056": {"vr": "CS", "Value": ["ONLINE"]},
    }
    answer = identifiers.answer(asked, found, "US")
    assert {tag: json.text(answer, tag) for tag in answer} == {
        "00080052": "STUDY",
        "00080054": "US",
        "00080056": "ONLINE",
        "00081030": "",
        "00100010": "A",
        "0020000D": "1.2",
    }


@pytest.mark.parametrize(
    ("level", "names", "told"),
    [
        ("STUDY", ["Rows"], True),
        ("STUDY", ["ModalitiesInStudy", "NumberOfStudyRelatedSeries", "PatientName"], False),
        ("SERIES", ["Modality", "PatientName"], False),
        ("SERIES", ["SOPInstanceUID"], True),
        ("IMAGE", ["Rows", "Modality"], False),
        ("PATIENT", ["StudyDate"], True),
        ("PATIENT", ["PatientName", "NumberOfPatientRelatedStudies"], False),
    ],
)
def test_keys_of_lower_levels_are_known_as_such(level: str, names: list[str], told: bool) -> None:
    assert identifiers.unsupported(read(*names, level=level, sop_class=PATIENT_FIND)) is told


def test_what_a_retrieval_wants() -> None:
    def wanted(*texts: str, level: str, root: str = STUDY_ROOT, relational: bool = False) -> Wanted:
        asked = read(*texts, level=level, sop_class=root + GET)
        return identifiers.wanted(asked, root + GET, relational=relational)

    assert wanted("StudyInstanceUID=1.2\\1.3", level="STUDY") == Wanted(study_uids=("1.2", "1.3"))
    image = ("StudyInstanceUID=1.2", "SeriesInstanceUID=1.3", "SOPInstanceUID=1.4")
    assert wanted(*image, level="IMAGE") == Wanted((), ("1.2",), ("1.3",), ("1.4",))
    assert wanted("SOPInstanceUID=1.4", level="IMAGE", relational=True) == Wanted(sop_uids=("1.4",))
    assert wanted("PatientID=P", level="PATIENT", root=PATIENT_ROOT) == Wanted(("P",))
    for texts, level in (((), "STUDY"), (("StudyInstanceUID=*",), "STUDY"), (("SOPInstanceUID=1.4",), "IMAGE")):
        with pytest.raises(Invalid):
            wanted(*texts, level=level)
    with pytest.raises(Invalid):
        wanted("PatientID=P\\Q", level="PATIENT", root=PATIENT_ROOT)


def test_options_of_extended_negotiation() -> None:
    assert Options.of(b"") == Options() and Options.of(b"\1") == Options(relational=True)
    assert Options.of(b"\0\1\1\1\1\1") == Options(date_times=True, fuzzy=True)
