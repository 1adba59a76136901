"""Worklist items are read from DICOM and JSON, and what is wrong with them is said."""

import io
import json
from typing import Any

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.filewriter import dcmwrite

from lamelle.base.errors import Invalid
from lamelle.lab import items
from lamelle.testing.worklists import said, scheduled


def as_dicom(dataset: dict[str, Any], *, file: bool, implicit: bool = False) -> bytes:
    read = pydicom.Dataset.from_json(dataset)
    read.SpecificCharacterSet = "ISO_IR 100"
    out = io.BytesIO()
    if file:
        read.file_meta = pydicom.dataset.FileMetaDataset()
        read.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dcmwrite(out, read, implicit_vr=None if file else implicit, little_endian=None if file else True)
    return (b"\0" * 128 + b"DICM" + out.getvalue()) if file and out.getvalue()[:4] != b"\0" * 4 else out.getvalue()


@pytest.mark.parametrize("form", ["file", "explicit", "implicit", "json", "list"])
def test_every_form_reads_alike(form: str) -> None:
    dataset = scheduled(container=["A", "B"])
    data = {
        "file": lambda: as_dicom(dataset, file=True),
        "explicit": lambda: as_dicom(dataset, file=False),
        "implicit": lambda: as_dicom(dataset, file=False, implicit=True),
        "json": lambda: json.dumps(dataset).encode(),
        "list": lambda: json.dumps([dataset]).encode(),
    }[form]()
    [item] = items.read(data)
    assert (item.study_uid, item.step_id, item.status) == ("2.25.100", "SPS1", "SCHEDULED")
    assert item.containers == ["A", "B"]
    assert item.dataset["00100010"]["Value"] == [{"Alphabetic": "Dupont^Hélène"}]
    assert "00080005" not in item.dataset


def test_each_step_of_a_request_is_an_item() -> None:
    first, second = scheduled("S1"), scheduled("S2", container="C2")
    first["00400100"]["Value"] += second["00400100"]["Value"]
    found = items.check(first)
    assert [(item.step_id, item.containers) for item in found] == [("S1", ["26P00001-A-1-1"]), ("S2", ["C2"])]


def test_specimens_stand_in_the_step_and_beside_it() -> None:
    beside = scheduled()
    beside["00400500"] = beside["00400100"]["Value"][0].pop("00400500")
    for dataset in (scheduled(), beside):
        [item] = items.check(dataset)
        assert item.containers == ["26P00001-A-1-1"]
        assert item.dataset["00400500"] == item.step["00400500"]


def test_other_names_of_a_container_are_its_names() -> None:
    dataset = scheduled()
    [specimen] = dataset["00400100"]["Value"][0]["00400500"]["Value"]
    specimen |= said(AlternateContainerIdentifierSequence=[said(ContainerIdentifier="STAINER-77")])
    assert items.check(dataset)[0].containers == ["26P00001-A-1-1", "STAINER-77"]


def test_all_that_is_missing_is_said_at_once() -> None:
    dataset = scheduled(date="2026-01-02", time="25h")
    del dataset["00100020"]
    dataset["0020000D"]["Value"] = ["1.02.x"]
    dataset["00080050"]["Value"] = ["A" * 17]
    del dataset["00400100"]["Value"][0]["00400001"]
    with pytest.raises(Invalid) as caught:
        items.check(dataset)
    assert caught.value.code == "bad_worklist_item"
    assert caught.value.message == (
        "Patient ID (0010,0020) is missing; Accession Number (0008,0050) is longer than 16 characters; "
        "Study Instance UID (0020,000D) is no UID; "
        "Scheduled Procedure Step Sequence (0040,0100) > Scheduled Station AE Title (0040,0001) is missing; "
        "Scheduled Procedure Step Sequence (0040,0100) > Scheduled Procedure Step Start Date (0040,0002) is malformed; "
        "Scheduled Procedure Step Sequence (0040,0100) > Scheduled Procedure Step Start Time (0040,0003) is malformed"
    )
    assert "Dupont" not in caught.value.message


def test_a_step_may_stand_once() -> None:
    dataset = scheduled()
    dataset["00400100"]["Value"] *= 2
    with pytest.raises(Invalid, match="stands twice"):
        items.check(dataset)


def test_an_item_without_steps_is_none() -> None:
    dataset = scheduled()
    dataset["00400100"] = {"vr": "SQ"}
    with pytest.raises(Invalid, match="has no item"):
        items.check(dataset)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "bad_worklist_file"),
        (b"hello, this is no worklist item at all", "bad_worklist_file"),
        (b"{", "bad_worklist_file"),
        (b"[1]", "bad_worklist_item"),
        (b'{"PatientID": "1"}', "bad_worklist_item"),
        (b'{"00100020": {"vr": "XX", "Value": ["1"]}}', "bad_worklist_item"),
        (b'{"00100020": 5}', "bad_worklist_item"),
        (b'{"00100010": {"vr": "PN", "Value": [5]}}', "bad_worklist_item"),
        (b'{"00400100": {"vr": "SQ", "Value": [5]}}', "bad_worklist_item"),
    ],
)
def test_what_is_no_item_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        items.read(data)
    assert caught.value.code == code


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["vr", "Value", "Alphabetic", "00100020", "00400100", "x"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_no_json_is_more_than_refused(found: Any) -> None:
    try:
        items.check(found)
    except Invalid as error:
        assert error.code == "bad_worklist_item"
