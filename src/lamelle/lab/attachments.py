"""Papers of a case: the request form, macroscopy sheets, photographs, signed reports; in the archive, as DICOM.

What such an instance looks like is `dicom.documents`'; here is whose it is.
"""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from lamelle.access.model import WHOLE, Caller, Reach
from lamelle.archive.model import Origin
from lamelle.archive.store import Archive
from lamelle.base.db import insert
from lamelle.base.errors import Invalid, NotFound, TooLarge, Unavailable
from lamelle.base.ids import uid_from
from lamelle.dicom import documents
from lamelle.dicom.documents import About
from lamelle.lab import cases, identifying, patients
from lamelle.lab.orders import DocumentSaid
from lamelle.lab.records import attachment
from lamelle.lab.room import Lab, in_write

Row = sa.Row[Any]

KINDS: Final = ("request", "macroscopy", "photograph", "report", "other")
"""request: the form that came with the specimen; macroscopy: the sheet of who cut it up; report: as it was signed."""
LIMIT: Final = 64 << 20
"""Bytes of one document: a hundred scanned pages."""


def add(
    lab: Lab,
    archive: Archive,
    reach: Reach,
    caller: Caller,
    case_id: int,
    kind: str,
    title: str,
    media_type: str,
    data: bytes,
) -> int:
    """Keep a document of a case, durably; its number, the same when the same bytes come again.

    Raises: NotFound("no_such_case"); Invalid("bad_attachment" | "bad_document"); Unsupported("unsupported_document");
    TooLarge("attachment_too_large"); Unavailable("attachment_not_kept").
    """
    paper = _Paper(kind, title, media_type, data, caller.actor.name or caller.actor.login)
    return _add(lab, archive, reach, case_id, paper, caller)


def take(lab: Lab, archive: Archive, said: DocumentSaid) -> int:
    """Keep a document that another system sends; its number. A case nobody ordered yet is made.

    Raises: as `add`; Conflict("case_elsewhere").
    """
    if said.data is None:
        raise Invalid("bad_document", "it cannot be decoded: it is no Base64, or cut short")
    paper = _Paper(said.kind, said.title, said.media_type, said.data, said.source)

    def work(conn: sa.Connection) -> int:
        row, new = cases.held(conn, lab, said.case, said.place)
        if new:
            cases.touch(conn, lab, row.id)
        return int(row.id)

    return _add(lab, archive, WHOLE, in_write(lab, work), paper)


@dataclass(frozen=True, slots=True)
class _Paper:
    """A document and who gives it."""

    kind: str
    title: str
    media_type: str
    data: bytes
    by: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise Invalid("bad_attachment", f"an attachment is one of: {', '.join(KINDS)}")
        if len(self.data) > LIMIT:
            raise TooLarge("attachment_too_large", f"a document may have {LIMIT} bytes")


def _add(lab: Lab, archive: Archive, reach: Reach, case_id: int, paper: _Paper, caller: Caller | None = None) -> int:
    """Keep it in the archive, then name it in the case; what a `caller` adds is entered in the ledger."""
    with lab.db.read() as conn:
        row = cases.one(conn, reach, case_id)
        about = _about(conn, lab, row, paper.title.strip() or paper.kind, paper.data)
    file = documents.instance(paper.media_type, paper.data, about)
    if not _is_kept(archive, about):
        _keep(archive, row.place, file)
    values = {"case_id": case_id, "kind": paper.kind, "title": about.title, "media_type": paper.media_type}
    values |= {"study_uid": about.study_uid, "series_uid": about.series_uid, "sop_uid": about.sop_uid}
    values |= {"added_by": paper.by, "added_at": about.made_at}

    def work(conn: sa.Connection) -> int:
        here = cases.locked(conn, reach, case_id)
        if conn.execute(insert(conn, attachment).values(**values).on_conflict_do_nothing()).rowcount:
            if caller is not None:
                cases.enter(conn, lab, caller, "store", here, detail={"attachment": about.sop_uid})
            cases.touch(conn, lab, case_id)
        named = sa.select(attachment.c.id).where(attachment.c.sop_uid == about.sop_uid)
        return int(conn.execute(named).scalar_one())

    return in_write(lab, work)


def of(conn: sa.Connection, case_id: int) -> list[Row]:
    """The attachments of a case, as they came."""
    mine = sa.select(attachment).where(attachment.c.case_id == case_id)
    return list(conn.execute(mine.order_by(attachment.c.added_at, attachment.c.id)))


def content(lab: Lab, archive: Archive, reach: Reach, case_id: int, attachment_id: int) -> tuple[str, bytes]:
    """(media type, bytes) of a document, as it was given. Raises: NotFound("no_such_case" | "no_such_attachment")."""
    with lab.db.read() as conn:
        cases.one(conn, reach, case_id)
        named = sa.select(attachment).where(attachment.c.id == attachment_id, attachment.c.case_id == case_id)
        row = conn.execute(named).one_or_none()
    if row is None:
        raise NotFound("no_such_attachment", "the case has no such attachment")
    names = row.study_uid, row.series_uid, row.sop_uid
    if row.media_type == documents.JPEG:
        return documents.JPEG, archive.retrieve.opened(WHOLE, *names).frame(1)
    (ref,) = archive.retrieve.instances(WHOLE, *names)
    return documents.PDF, documents.pdf_of(b"".join(archive.retrieve.stream(ref)))


def _about(conn: sa.Connection, lab: Lab, row: Row, title: str, data: bytes) -> About:
    """One series a document: its names follow from the study and the bytes."""
    names: dict[str, str] = {}
    if row.patient_id is not None:
        who = identifying.as_dicom(patients.one(conn, row.patient_id))
        names = {"patient_id": who.patient_id, "issuer": who.issuer, "name": who.name}
        names |= {"birth_date": who.birth_date, "sex": who.sex}
    print_, papers = hashlib.sha256(data).digest(), of(conn, row.id)
    # an order may give the case another study than the one that has its papers
    studies = (one.study_uid for one in papers if one.sop_uid == _name("instance", one.study_uid, print_))
    study_uid = next(studies, row.study_uid)
    series, sop = (_name(level, study_uid, print_) for level in ("series", "instance"))
    about = {"number": 9000 + len(papers), "accession": row.accession, **names}
    return About(study_uid, series, sop, title[: documents.LONG], lab.clock.now(), **about)


def _name(level: str, study_uid: str, print_: bytes) -> str:
    return uid_from("attachment", level, study_uid, print_)


def _is_kept(archive: Archive, about: About) -> bool:
    """Whether the archive has it, also from an earlier try that got no further."""
    try:
        return bool(archive.retrieve.instances(WHOLE, about.study_uid, about.series_uid, about.sop_uid))
    except NotFound:
        return False


def _keep(archive: Archive, place: int, file: bytes) -> None:
    with archive.ingest.receive(Origin("attachment", place=place)) as reception:
        reception.write(file)
        reception.close()
        (outcome,) = archive.ingest.commit([reception])
    if outcome.status == "refused":
        raise Unavailable("attachment_not_kept", f"the archive did not take the document ({outcome.code})")
