"""JSON back to bytes: what we write, pydicom and our own reader read."""

import io
from typing import Any

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset

from lamelle.dicom import encode, json
from lamelle.dicom.transfer import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE

SYNTAXES = (IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG)


def back(data: bytes, syntax: str) -> Dataset:
    return read_dataset(io.BytesIO(data), syntax == IMPLICIT_LITTLE, syntax != EXPLICIT_BIG)


def made() -> Dataset:
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName = ["Ámie^Léa=山田^太郎=やまだ^たろう"]
    dataset.OtherPatientIDs = ["1", "2"]
    dataset.StudyInstanceUID = "1.2.3"
    dataset.Rows = 512
    dataset.PixelSpacing = ["0.5", "0.25"]
    dataset.SeriesNumber = 7
    dataset.RealWorldValueSlope = 1.5
    dataset.FrameIncrementPointer = 0x00181063
    dataset.PatientComments = "a\\b is prose"
    step, code = Dataset(), Dataset()
    code.CodeMeaning = "œdème"
    step.ScheduledProcedureStepID = "S1"
    step.RequestedProcedureCodeSequence = [code]
    dataset.RequestAttributesSequence = [step, Dataset()]
    dataset.RedPaletteColorLookupTableData = b"\1\2\3\4"
    return dataset


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_what_pydicom_wrote_comes_back(syntax: str) -> None:
    written = DicomBytesIO()
    written.is_little_endian, written.is_implicit_VR = syntax != EXPLICIT_BIG, syntax == IMPLICIT_LITTLE
    original = made()
    if syntax == EXPLICIT_BIG:
        original.RedPaletteColorLookupTableData = b"\2\1\4\3"
    pydicom.filewriter.write_dataset(written, original)
    item = json.parse(json.to_json(written.getvalue(), syntax))
    data = encode.encode(item, syntax)
    assert json.parse(json.to_json(data, syntax)) == item
    found = back(data, syntax)
    assert found.SpecificCharacterSet == "ISO_IR 192" and str(found.PatientName) == str(made().PatientName)
    assert found.RequestAttributesSequence[0].RequestedProcedureCodeSequence[0].CodeMeaning == "œdème"


@pytest.mark.parametrize(
    ("name", "asked", "used"),
    [
        ("Doe", None, None),
        ("Doe", "ISO_IR 192", "ISO_IR 192"),
        ("Léa", None, "ISO_IR 100"),
        ("Léa", "ISO_IR 192", "ISO_IR 192"),
        ("Łódź", None, "ISO_IR 192"),
        ("Łódź", "ISO_IR 100", "ISO_IR 192"),
    ],
)
def test_the_character_set_is_the_plainest_that_holds_the_text(name: str, asked: str | None, used: str | None) -> None:
    item = {"00080005": {"vr": "CS", "Value": ["ISO_IR 13"]}, "00100010": {"vr": "PN", "Value": [{"Alphabetic": name}]}}
    found = back(encode.encode(item, IMPLICIT_LITTLE, character_set=asked), IMPLICIT_LITTLE)
    assert found.get("SpecificCharacterSet") == used and str(found.PatientName) == name


def test_odd_values_are_written_as_they_can_be() -> None:
    item: dict[str, Any] = {
        "00080020": {"vr": "DA", "Value": [None]},
        "00080060": {"vr": "CS", "Value": ["é"]},
        "00100010": {"vr": "PN", "Value": [None]},
        "00280010": {"vr": "US"},
        "00280030": {"vr": "DS", "Value": [None, 2]},
        "00400275": {"vr": "SQ", "Value": [{}]},
        "00420011": {"vr": "OB", "BulkDataURI": "@00420011"},
        "00100020": {"vr": "LO", "Value": ["x" * 70_000]},
    }
    found = back(encode.encode(item, EXPLICIT_LITTLE), EXPLICIT_LITTLE)
    assert found.Modality == "?" and found.StudyDate == "" and len(found.RequestAttributesSequence) == 1
    assert found["PatientID"].VR == "UN" and len(found.PatientID) == 70_000, "too long for the head of an LO"
    assert encode.encode({}, EXPLICIT_LITTLE) == b""
    with pytest.raises(ValueError, match="no data set"):
        encode.encode({}, DEFLATED)


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\\="), max_size=60))
def test_any_text_survives(text: str) -> None:
    item = {"00081030": {"vr": "LO", "Value": [text]}}
    data = encode.encode(item, EXPLICIT_LITTLE)
    assert len(data) % 2 == 0
    assert json.text(json.parse(json.to_json(data, EXPLICIT_LITTLE)), "00081030") == text.rstrip(" ")
