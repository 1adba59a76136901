"""DICOM instances made for tests: small, valid, deterministic, with whatever attributes a test asks for."""

import io
from collections.abc import Sequence
from typing import Any

import pydicom
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate

from lamelle.base.ids import uid_from
from lamelle.dicom import transfer

CT = "1.2.840.10008.5.1.4.1.1.2"
SLIDE = "1.2.840.10008.5.1.4.1.1.77.1.6"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"


def dataset(study: str = "1", series: str = "1", number: int = 1, **attributes: Any) -> pydicom.Dataset:
    """A CT image of 4 x 4 pixels; UIDs come from the words `study`, `series` and `number`; keywords set attributes."""
    made = pydicom.Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID = CT
    made.SOPInstanceUID = uid_from("instance", study, series, str(number))
    made.StudyInstanceUID = uid_from("study", study)
    made.SeriesInstanceUID = uid_from("series", study, series)
    made.StudyDate, made.StudyTime = "20260102", "101112"
    made.AccessionNumber, made.StudyID = f"A{study}"[:16], study[:16]
    made.PatientName, made.PatientID = "Doe^Jane", f"P{study}"
    made.PatientBirthDate, made.PatientSex = "19700101", "F"
    made.ReferringPhysicianName = "Who^Doctor"
    made.Modality, made.SeriesNumber, made.InstanceNumber = "CT", 1, number
    made.Rows = made.Columns = 4
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 12, 11, 0
    made.PixelData = bytes(range(32))
    for keyword, value in attributes.items():
        if value is None:
            delattr(made, keyword)
        else:
            setattr(made, keyword, value)
    return made


def instance(study: str = "1", series: str = "1", number: int = 1, **attributes: Any) -> bytes:
    """The same as a Part 10 file."""
    return part10(dataset(study, series, number, **attributes))


def slide(frames: Sequence[bytes], study: str = "1", series: str = "1", number: int = 1, **attributes: Any) -> bytes:
    """A slide level whose frames are the given bytes, encapsulated as JPEG (they need not be one)."""
    made = dataset(study, series, number, Modality="SM", SOPClassUID=SLIDE, NumberOfFrames=len(frames))
    made.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    made.Rows = made.Columns = 256
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PlanarConfiguration = 3, "YBR_FULL_422", 0
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit = 7
    made.TotalPixelMatrixColumns, made.TotalPixelMatrixRows = 256 * len(frames), 256
    made.ContainerIdentifier = f"S{study}-{series}"
    for keyword, value in attributes.items():
        setattr(made, keyword, value)
    made.PixelData = encapsulate(list(frames))
    made["PixelData"].is_undefined_length = True
    return part10(made, JPEG_BASELINE)


def part10(made: pydicom.Dataset, transfer_syntax: str = EXPLICIT_LITTLE) -> bytes:
    """A dataset as a Part 10 file."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = made.SOPClassUID
    meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    meta.TransferSyntaxUID = pydicom.uid.UID(transfer_syntax)
    meta.ImplementationClassUID = pydicom.uid.UID(uid_from("lamelle.testing"))
    syntax = transfer.lookup(transfer_syntax)
    implicit, little = (not syntax.explicit, syntax.little) if syntax else (False, True)
    file = FileDataset(None, made, bytes(128), meta, implicit, little)  # type: ignore[arg-type]
    written = io.BytesIO()
    file.save_as(written, enforce_file_format=True, implicit_vr=implicit, little_endian=little)
    return written.getvalue()
