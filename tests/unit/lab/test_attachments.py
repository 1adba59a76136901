"""Papers of a case: they come back as they were given, and are DICOM of the case's study."""

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest
import sqlalchemy as sa
from PIL import Image

from lamelle.access.model import WHOLE, Reach
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.base.errors import Invalid, LamelleError, NotFound, TooLarge, Unsupported
from lamelle.dicom import documents
from lamelle.lab import attachments, cases
from lamelle.lab.orders import DocumentSaid, Identifier, Order
from lamelle.lab.records import attachment
from lamelle.lab.room import Lab
from lamelle.testing.archives import SetClock
from lamelle.testing.laboratory import ORDER, TECHNICIAN, at

PDF = b"%PDF-1.4 a request form\n%%EOF"


def jpeg(mode: str = "RGB", **how: bool) -> bytes:
    written = io.BytesIO()
    Image.new(mode, (40, 30), 200).save(written, "JPEG", **how)
    return written.getvalue()


@pytest.fixture
def archive(lab: Lab, tmp_path: Path, catalogue_url: str, clock: SetClock) -> Iterator[Archive]:
    opened = Archive.open(ArchiveSettings(tmp_path / "data", catalogue_url, reserve_bytes=0), clock)
    yield opened
    opened.close()


def add(lab: Lab, archive: Archive, case_id: int, media_type: str, data: bytes, kind: str = "request") -> int:
    return attachments.add(lab, archive, WHOLE, TECHNICIAN, case_id, kind, "Bon de demande", media_type, data)


def instance(lab: Lab, archive: Archive, number: int) -> pydicom.Dataset:
    with lab.db.read() as conn:
        row = conn.execute(sa.select(attachment).where(attachment.c.id == number)).one()
    (ref,) = archive.retrieve.instances(WHOLE, row.study_uid, row.series_uid, row.sop_uid)
    return pydicom.dcmread(io.BytesIO(b"".join(archive.retrieve.stream(ref))))


@pytest.mark.parametrize("data", [PDF, PDF + b"\n"])
def test_a_pdf_comes_back_as_it_was_given(lab: Lab, archive: Archive, clock: SetClock, data: bytes) -> None:
    case_id = cases.take(lab, ORDER)
    number = add(lab, archive, case_id, documents.PDF, data)
    clock.move(60)
    assert add(lab, archive, case_id, documents.PDF, data) == number
    assert attachments.content(lab, archive, WHOLE, case_id, number) == (documents.PDF, data)
    made = instance(lab, archive, number)
    with lab.db.read() as conn:
        row = cases.one(conn, WHOLE, case_id)
        (kept,) = attachments.of(conn, case_id)
    assert (made.SOPClassUID, made.StudyInstanceUID) == (documents.ENCAPSULATED_PDF, row.study_uid)
    assert (made.PatientName, made.PatientID, made.AccessionNumber) == ("PAT-TROIS^DOMINIQUE", "000003", "25P01234")
    assert (made.DocumentTitle, kept.title, kept.kind) == ("Bon de demande", "Bon de demande", "request")


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_a_photograph_is_kept_without_being_encoded_again(lab: Lab, archive: Archive, mode: str) -> None:
    case_id, data = cases.take(lab, ORDER), jpeg(mode)
    number = add(lab, archive, case_id, documents.JPEG, data, "photograph")
    media_type, found = attachments.content(lab, archive, WHOLE, case_id, number)
    assert (media_type, found.rstrip(b"\0")) == (documents.JPEG, data)
    made = instance(lab, archive, number)
    assert (made.SOPClassUID, made.Rows, made.Columns) == (documents.PHOTOGRAPH, 30, 40)
    assert made.pixel_array.shape[:2] == (30, 40)


def test_a_document_of_another_system_makes_the_case_it_names(lab: Lab, archive: Archive) -> None:
    said = DocumentSaid(ORDER.case, "LIS", "report", "", documents.PDF, PDF)
    number = attachments.take(lab, archive, said)
    case_id = cases.take(lab, replace(ORDER, study_uid="1.2.826.0.1.3680043.2.1"))
    assert attachments.take(lab, archive, said) == add(lab, archive, case_id, documents.PDF, PDF) == number
    with lab.db.read() as conn:
        (kept,) = attachments.of(conn, case_id)
        row = cases.one(conn, WHOLE, case_id)
        assert row.study_uid != kept.study_uid, "it stays where it was put"
    assert (kept.kind, kept.title, kept.added_by) == ("report", "report", "LIS")


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"data": None}, "bad_document"),
        ({"media_type": ""}, "unsupported_document"),
        ({"kind": "secret"}, "bad_attachment"),
        ({"data": bytes(attachments.LIMIT + 1)}, "attachment_too_large"),
        ({"place": 9}, "case_elsewhere"),
    ],
)
def test_what_another_system_says_and_cannot_be_kept(
    lab: Lab, archive: Archive, said: dict[str, Any], code: str
) -> None:
    case_id = cases.take(lab, ORDER)
    with pytest.raises(LamelleError) as refused:
        attachments.take(
            lab, archive, replace(DocumentSaid(ORDER.case, "LIS", "report", "", documents.PDF, PDF), **said)
        )
    assert refused.value.code == code
    with lab.db.read() as conn:
        assert attachments.of(conn, case_id) == []


def test_a_long_accession_number_is_not_cut_short(lab: Lab, archive: Archive) -> None:
    long = Identifier("GROUPE-HOSPITALIER-25P01234", "DIAMIC")
    who = replace(ORDER.patient, birth_date="19790000") if ORDER.patient else None
    case_id = cases.take(lab, Order(long, at(0), patient=who))
    made = instance(lab, archive, add(lab, archive, case_id, documents.PDF, PDF))
    assert (made.AccessionNumber, made.StudyDescription, made.PatientBirthDate) == ("", long.value, "")


@pytest.mark.parametrize(
    ("media_type", "data", "error"),
    [
        ("image/png", b"\x89PNG", Unsupported),
        (documents.PDF, b"no document", Invalid),
        (documents.JPEG, b"no image", Invalid),
        (documents.JPEG, jpeg()[:100], Invalid),
        (documents.JPEG, jpeg(progressive=True), Unsupported),
        (documents.PDF, bytes(attachments.LIMIT + 1), TooLarge),
    ],
)
def test_what_cannot_be_kept_is_refused(
    lab: Lab, archive: Archive, media_type: str, data: bytes, error: type[Exception]
) -> None:
    case_id = cases.take(lab, ORDER)
    with pytest.raises(error):
        add(lab, archive, case_id, media_type, data)
    with lab.db.read() as conn:
        assert attachments.of(conn, case_id) == []


def test_an_attachment_is_within_reach_with_its_case(lab: Lab, archive: Archive) -> None:
    case_id, other = cases.take(lab, ORDER), cases.take(lab, Order(Identifier("25P2", "DIAMIC"), at(0)))
    number, elsewhere = add(lab, archive, case_id, documents.PDF, PDF), Reach(places=frozenset({9}))
    for reach, case_of in ((elsewhere, case_id), (WHOLE, other)):
        with pytest.raises(NotFound):
            attachments.content(lab, archive, reach, case_of, number)
    with pytest.raises(NotFound):
        attachments.add(lab, archive, elsewhere, TECHNICIAN, case_id, "other", "", documents.PDF, PDF)
    with pytest.raises(Invalid):
        add(lab, archive, case_id, documents.PDF, PDF, kind="secret")
