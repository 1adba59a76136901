"""Transfer syntaxes and UIDs against pydicom's dictionaries and the standard's rules."""

import pydicom.uid
import pytest

from lamelle.dicom import transfer, uids


def test_every_transfer_syntax_pydicom_knows_is_known_and_agrees() -> None:
    for uid in pydicom.uid.AllTransferSyntaxes:
        mine = transfer.lookup(uid)
        assert mine is not None, uid
        assert (mine.explicit, mine.little) == (not uid.is_implicit_VR, uid.is_little_endian), uid
        assert mine.deflated == uid.is_deflated or mine.uid.endswith((".95", ".205")), uid
        if not uid.endswith((".94", ".95", ".204", ".205")):
            assert mine.encapsulated == uid.is_encapsulated, uid


@pytest.mark.parametrize(
    ("suffix", "media_type", "lossy"),
    [
        ("4.50", "image/jpeg", True),
        ("4.70", "image/jpeg", False),
        ("4.80", "image/jls", False),
        ("4.90", "image/jp2", False),
        ("4.91", "image/jp2", True),
        ("4.110", "image/jxl", False),
        ("4.111", "image/jxl", True),
        ("4.112", "image/jxl", True),
        ("4.201", "image/jphc", False),
        ("4.203", "image/jphc", True),
        ("5", "image/dicom-rle", False),
    ],
)
def test_media_types_of_frames(suffix: str, media_type: str, lossy: bool) -> None:
    syntax = transfer.TABLE[f"1.2.840.10008.1.2.{suffix}"]
    assert (syntax.media_type, syntax.lossy, syntax.encapsulated) == (media_type, lossy, True)


def test_keys_are_the_uids() -> None:
    assert all(uids.is_uid(uid) and uid == syntax.uid for uid, syntax in transfer.TABLE.items())
    assert transfer.lookup("1.2.3") is None


@pytest.mark.parametrize("text", ["1.2", "2.25.0", "1.2.840.10008.1.2", "0.1", "1." + "9" * 62])
def test_well_formed(text: str) -> None:
    assert uids.is_uid(text)
    assert uids.is_usable(text)


@pytest.mark.parametrize(
    "text", ["", "1", ".1", "1.", "1..2", "1.2a", "1.2 ", "1.2\n", "1.٣", "1." + "9" * 63, "../1.2", "1.2\0"]
)
def test_not_a_uid(text: str) -> None:
    assert not uids.is_uid(text)
    assert not uids.is_usable(text)


def test_leading_zeros_are_usable_but_not_well_formed() -> None:
    assert not uids.is_uid("1.2.03")
    assert uids.is_usable("1.2.03")


def test_names() -> None:
    assert uids.name(uids.WHOLE_SLIDE_MICROSCOPY) == "VL Whole Slide Microscopy Image Storage"
    assert uids.name("1.2.3") == "1.2.3"
    assert uids.WHOLE_SLIDE_MICROSCOPY in uids.STORAGE_CLASSES
