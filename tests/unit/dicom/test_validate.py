"""What keeps an object from being filed, and what is only worth a warning."""

import pytest
from tests.unit.dicom import build
from tests.unit.dicom.build import element
from tests.unit.dicom.test_part10 import scan

from lamelle.dicom import validate

UIDS = {
    0x00080016: b"1.2.840.10008.5.1.4.1.1.77.1.6",
    0x00080018: b"1.2.3.4",
    0x0020000D: b"1.2.3",
    0x0020000E: b"1.2.3.1",
}


def check(changes: dict[int, bytes | None], more: bytes = b"") -> validate.Verdict:
    values = UIDS | changes
    dataset = b"".join(element(tag, b"UI", value) for tag, value in values.items() if value is not None)
    return validate.check(scan(build.file(dataset + more)))


def test_a_sound_object() -> None:
    found = check({})
    assert (found.errors, found.warnings) == ((), ())
    assert found.sop_class_uid == "1.2.840.10008.5.1.4.1.1.77.1.6"
    assert (found.sop_instance_uid, found.study_uid, found.series_uid) == ("1.2.3.4", "1.2.3", "1.2.3.1")


@pytest.mark.parametrize(
    ("tag", "value", "code"),
    [
        (0x00080016, None, "no_sop_class"),
        (0x00080018, b"", "no_sop_instance"),
        (0x0020000D, b"\0", "no_study"),
        (0x0020000E, None, "no_series"),
        (0x00080018, b"1.2.x", "bad_uid"),
        (0x0020000D, b"../../etc", "bad_uid"),
        (0x0020000E, b"1." + b"1" * 63, "bad_uid"),
        (0x00080016, b"1.2.840.10008.1.3.10", "dicomdir"),
    ],
)
def test_errors(tag: int, value: bytes | None, code: str) -> None:
    assert [finding.code for finding in check({tag: value}).errors] == [code]


def test_a_uid_that_can_not_be_used_is_none() -> None:
    found = check({0x0020000D: b"1.2.x", 0x0020000E: None})
    assert (found.study_uid, found.series_uid) == (None, None)


@pytest.mark.parametrize(
    ("tag", "value", "code"),
    [
        (0x00080018, b"1.2.3.5", "meta_sop_instance_mismatch"),
        (0x0020000D, b"1.2.03", "odd_uid"),
        (0x00080016, b"1.3.6.1.4.1.99999.1", "unknown_sop_class"),
    ],
)
def test_warnings(tag: int, value: bytes, code: str) -> None:
    found = check({tag: value})
    assert found.errors == ()
    assert [finding.code for finding in found.warnings] == [code]


def test_too_few_pixels() -> None:
    sizes = b"".join(
        element(tag, b"US", size.to_bytes(2, "little"))
        for tag, size in ((0x00280002, 1), (0x00280010, 10), (0x00280011, 10), (0x00280100, 16))
    )
    assert check({}, sizes + element(0x7FE00010, b"OW", bytes(200))).warnings == ()
    found = check({}, sizes + element(0x7FE00010, b"OW", bytes(198)))
    assert [finding.code for finding in found.warnings] == ["pixels_too_short"]


def test_what_the_scanner_noticed_is_said() -> None:
    found = validate.check(scan(build.SAMPLES["lying table"]))
    (finding,) = found.warnings
    assert finding.code == "bad_basic_offset_table"
    assert "Offset Table" in finding.message
