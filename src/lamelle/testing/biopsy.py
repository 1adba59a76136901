"""A biopsy for tests: one case with a specimen, a block and two slides, one of them scanned; all invented."""

from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa

from lamelle.archive.store import Archive
from lamelle.base.ids import uid_from
from lamelle.lab import cases, reporting
from lamelle.lab.orders import BlockSaid, Identifier, Identity, Order, ReportSaid, SlideSaid, SpecimenSaid
from lamelle.lab.records import decision, scan, slide, technique
from lamelle.lab.room import Lab
from lamelle.testing import instances
from lamelle.testing.archives import stored

NOW = datetime(2026, 3, 16, 12, tzinfo=UTC)
IPP = Identifier("000003", "1.2.250.1.999.1")
MATRICULE = "279035121518989"
INS_NIR = "1.2.250.1.213.1.4.8"
ACCESSION = Identifier("26P01234", "DIAMIC")
STUDY = uid_from("study", "26P01234")
WHO = Identity(
    (IPP,), "MARIEE", "DOMINIQUE", "PAT-TROIS", "19790314", "F", ins=MATRICULE, ins_oid=INS_NIR, ins_status="VALI"
)
PART = SpecimenSaid(
    Identifier("26P01234-A", "DIAMIC"), "A", "TISS", "Tissue", "", "colon", "3 fragments", NOW - timedelta(hours=5)
)
BLOCK = BlockSaid(Identifier("26P01234-A-1", "DIAMIC"), specimen=PART.id)
SLIDES = tuple(
    SlideSaid(
        Identifier(f"26P01234-A-1-{n}", "DIAMIC"), block=BLOCK.id, stain_code=code, stain_text=text, aliases=aliases
    )
    for n, code, text, aliases in ((1, "HES", "HES", ()), (2, "KI67", "Ki-67", ("STAINER-77",)))
)
ORDER = Order(
    ACCESSION,
    NOW - timedelta(hours=4),
    patient=WHO,
    urgency="urgent",
    department="GASTRO",
    specialty="digestive",
    requester="Dr Example",
    adicap="BHGC0000",
    description="Biopsies coliques",
    study_uid=STUDY,
    ordered_at=NOW - timedelta(hours=6),
    received_at=NOW - timedelta(hours=4),
    specimens=(PART,),
    blocks=(BLOCK,),
    slides=SLIDES,
)


def fill(lab: Lab, archive: Archive, *, place: int = 1) -> int:
    """Keep the case, its scan, a technique, a rescan and a preliminary report; the number of the case."""
    who: dict[str, Any] = {"PatientID": IPP.value, "IssuerOfPatientID": IPP.issuer, "AccessionNumber": ACCESSION.value}
    stored(archive, [instances.slide([b"12"], "26P01234", "1", ContainerIdentifier=SLIDES[0].id.value, **who)])
    number = cases.take(lab, ORDER)
    now = lab.clock.now()
    with lab.db.write() as conn:
        glass = conn.execute(sa.select(slide).where(slide.c.identifier == SLIDES[0].id.value)).one()
        row = {"slide_id": glass.id, "study_uid": STUDY, "series_uid": uid_from("series", "26P01234", "1")}
        row |= {"state": "matched", "current": True, "arrived_at": now, "updated_at": now, "place": place}
        conn.execute(sa.insert(scan).values(**row))
        asked = {"code": "PHH3", "text": "anti-PHH3", "requester": "Dr Morel", "requested_at": now, "updated_at": now}
        conn.execute(sa.insert(technique).values(case_id=number, slide_id=glass.id, identifier="T-1", **asked))
        decided = {"kind": "rescan", "slide_id": glass.id, "actor_id": 1, "actor": "leroy", "reason": "out of focus"}
        conn.execute(sa.insert(decision).values(**decided, before="{}", decided_at=now))
        cases.touch(conn, lab, number)
    reporting.take(lab, said("preliminary", "Adénome.", 60))
    return number


def said(state: str, text: str, minutes_ago: float, source: str = "DIAMIC") -> ReportSaid:
    """News of the case's report."""
    at = NOW - timedelta(minutes=minutes_ago)
    return ReportSaid(ACCESSION, at, source, state, text=text, author="Dr Morel")  # type: ignore[arg-type]
