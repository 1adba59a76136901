"""PDF documents and photographs as DICOM instances, their bytes as they are. No scanner's slide, and no decoding.

Source: PS3.3 A.45.1 (Encapsulated PDF), A.32.4 (VL Photographic Image).
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filereader import dcmread
from pydicom.filewriter import dcmwrite
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEGBaseline8Bit

from lamelle.base.errors import Invalid, Unsupported
from lamelle.base.ids import uid_from

PDF: Final = "application/pdf"
JPEG: Final = "image/jpeg"
ENCAPSULATED_PDF: Final = "1.2.840.10008.5.1.4.1.1.104.1"
PHOTOGRAPH: Final = "1.2.840.10008.5.1.4.1.1.77.1.4"
IMPLEMENTATION: Final = uid_from("lamelle", "implementation", "documents")
SHORT, LONG = 16, 64
"""Characters of an SH and an LO."""

_BASELINE, _FRAMES, _NO_FRAMES = 0xC0, frozenset(range(0xC0, 0xD0)), frozenset({0xC4, 0xC8, 0xCC})
_ALONE = frozenset({0x01, *range(0xD0, 0xD8)})


@dataclass(frozen=True, slots=True)
class About:
    """What a document belongs to; "" for what nobody knows."""

    study_uid: str
    series_uid: str
    sop_uid: str
    title: str
    made_at: datetime
    number: int = 1
    accession: str = ""
    patient_id: str = ""
    issuer: str = ""
    name: str = ""
    """With carets, as PN."""
    birth_date: str = ""
    sex: str = ""


def instance(media_type: str, data: bytes, about: About) -> bytes:
    """The Part 10 file of a document.

    Raises: Unsupported("unsupported_document") for another media type or a JPEG that is not baseline;
    Invalid("bad_document").
    """
    if media_type == PDF:
        return _pdf(data, about)
    if media_type == JPEG:
        return _photograph(data, about)
    raise Unsupported("unsupported_document", "documents are kept as PDF or JPEG")


def pdf_of(file: bytes) -> bytes:
    """The document of an Encapsulated PDF instance."""
    read = dcmread(io.BytesIO(file))
    return bytes(read.EncapsulatedDocument)[: int(read.get("EncapsulatedDocumentLength") or len(file))]


def _pdf(data: bytes, about: About) -> bytes:
    if not data.startswith(b"%PDF-"):
        raise Invalid("bad_document", "the bytes are no PDF document")
    made = _common(about, ENCAPSULATED_PDF, "DOC")
    made.ConversionType, made.BurnedInAnnotation = "SD", "YES"
    made.AcquisitionDateTime, made.ConceptNameCodeSequence = "", []
    made.DocumentTitle, made.MIMETypeOfEncapsulatedDocument = about.title, PDF
    made.EncapsulatedDocumentLength = len(data)
    made.EncapsulatedDocument = data + b"\0" * (len(data) % 2)
    return _part10(made, ExplicitVRLittleEndian)


def _photograph(data: bytes, about: About) -> bytes:
    rows, columns, samples = _jpeg_form(data)
    made = _common(about, PHOTOGRAPH, "XC")
    made.ImageType, made.SeriesDescription = ["ORIGINAL", "PRIMARY"], about.title[:LONG]
    made.AcquisitionContextSequence, made.LossyImageCompression = [], "01"
    made.LossyImageCompressionMethod, made.BurnedInAnnotation = "ISO_10918_1", "YES"
    made.Rows, made.Columns, made.SamplesPerPixel = rows, columns, samples
    made.PhotometricInterpretation = "MONOCHROME2" if samples == 1 else "YBR_FULL_422"
    if samples == 3:
        made.PlanarConfiguration = 0
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit, made.PixelRepresentation = 7, 0
    made.PixelData = encapsulate([data + b"\0" * (len(data) % 2)])
    made["PixelData"].is_undefined_length = True
    return _part10(made, JPEGBaseline8Bit)


def _common(about: About, sop_class: str, modality: str) -> Dataset:
    made = Dataset()
    made.SpecificCharacterSet = "ISO_IR 192"
    made.SOPClassUID, made.SOPInstanceUID = sop_class, about.sop_uid
    made.StudyInstanceUID, made.SeriesInstanceUID = about.study_uid, about.series_uid
    made.PatientName, made.PatientID, made.IssuerOfPatientID = about.name, about.patient_id[:LONG], about.issuer[:LONG]
    made.PatientBirthDate, made.PatientSex = about.birth_date, about.sex
    fits = len(about.accession) <= SHORT
    made.AccessionNumber = about.accession if fits else ""  # cut short it would be another's
    if not fits:
        made.StudyDescription = about.accession[:LONG]
    made.StudyID, made.ReferringPhysicianName, made.StudyDate, made.StudyTime = "", "", "", ""
    made.Modality, made.SeriesNumber, made.InstanceNumber = modality, about.number, 1
    made.Manufacturer = "Lamelle"
    made.ContentDate, made.ContentTime = about.made_at.strftime("%Y%m%d"), about.made_at.strftime("%H%M%S")
    made.TimezoneOffsetFromUTC = "+0000"
    return made


def _jpeg_form(data: bytes) -> tuple[int, int, int]:
    """(rows, columns, samples) of a baseline JPEG, as its header says. Source: ISO/IEC 10918-1 B.2.2."""
    for marker, segment in _segments(data):
        if marker in _FRAMES - _NO_FRAMES:
            if marker != _BASELINE or len(segment) < 6 or segment[0] != 8 or segment[5] not in (1, 3):
                raise Unsupported("unsupported_document", "of JPEG only baseline with 8 bits, grey or colour, is kept")
            rows, columns = int.from_bytes(segment[1:3], "big"), int.from_bytes(segment[3:5], "big")
            if rows and columns:
                return rows, columns, segment[5]
    raise Invalid("bad_document", "the bytes are no JPEG image")


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Marker and content of each segment of the header."""
    at = 2 if data[:2] == b"\xff\xd8" else len(data)
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF or marker in _ALONE:  # fill bytes, and markers that stand alone
            at += 1 if marker == 0xFF else 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        yield marker, data[at + 4 : at + 2 + length]
        at += 2 + max(length, 2)


def _part10(made: Dataset, transfer_syntax: str) -> bytes:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = made.SOPClassUID, made.SOPInstanceUID
    meta.TransferSyntaxUID = UID(transfer_syntax)
    meta.ImplementationClassUID, meta.ImplementationVersionName = UID(IMPLEMENTATION), "LAMELLE"
    made.file_meta = meta
    written = io.BytesIO()
    dcmwrite(written, made, enforce_file_format=True)
    return written.getvalue()
