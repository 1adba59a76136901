"""The demonstration's laboratory as it is found on opening: cases in every state, as a LIS ordered them.

Scans are not made here: the node finds them by the labels of the slides once it runs. What happens after that is in
living.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from lamelle.access import people
from lamelle.access.model import WHOLE, Caller, Purpose
from lamelle.lab import assignment, cases, reporting, techniques
from lamelle.lab.orders import BlockSaid, Identifier, Identity, Order, ReportSaid, SlideSaid, SpecimenSaid, Urgency
from lamelle.lab.room import Lab
from lamelle.ops.demo.cases import (
    BREAST,
    COLON,
    KIDNEY,
    LIVER,
    NODE,
    PATIENTS,
    PROSTATE,
    SKIN,
    SLIDES,
    SMEAR,
    Case,
    Patient,
)

LIS: Final = "SIL"
"""What the simulated laboratory information system is called, and signs its numbers with."""
HOSPITAL: Final = "CHU-DEMO"
DEMO_INS: Final = "1.2.250.1.213.1.4.11"
"""OID of invented matricules. Source: ANS, INS-NIR DEMO."""


@dataclass(frozen=True, slots=True)
class Planned:
    """A case at the beginning: what was ordered, and how far it came."""

    case: Case
    specialty: str
    department: str
    site: str
    urgency: Urgency = "routine"
    adicap: str = ""
    slides: tuple[tuple[str, str], ...] = ()
    """(block, stain) of slides that are ordered and not scanned."""
    reader: str = ""
    """Login of who has it."""
    opened: bool = False
    technique: tuple[str, str] | None = None
    draft: str = ""
    preliminary: str = ""
    final: str = ""
    """What the LIS says its report is."""
    cancelled: bool = False


OLD = Case("25H08812", PATIENTS[1], 212, "Microbiopsies mammaires gauches")
NEW = Case("26H01249", PATIENTS[3], 0, "Biopsies gastriques")
GONE = Case("26H01188", PATIENTS[7], 2, "Biopsie cutanée")

PLAN: Final = (
    Planned(COLON, "digestif", "GASTRO", "côlon", "urgent", "BHGC0000", reader="morel"),
    Planned(
        BREAST, "sein", "GYN", "sein gauche", "urgent", "OHGS0000", reader="morel", opened=True,
        technique=("HER2-FISH", "FISH HER2"),
    ),
    Planned(
        PROSTATE, "urologie", "URO", "prostate", adicap="BHHP0000", reader="morel", opened=True,
        draft="Adénocarcinome acinaire, score de Gleason 7 (3+4), 2 biopsies sur 6.",
    ),
    Planned(SKIN, "peau", "DERMATO", "dos", adicap="OHPT0000"),
    Planned(
        NODE, "hémato", "HEMATO", "aisselle", adicap="OHSG0000", reader="petit", opened=True,
        preliminary="Hyperplasie folliculaire ; CD3 : population T réactionnelle. À relire.",
    ),
    Planned(
        LIVER, "digestif", "HEPATO", "foie", adicap="BHFF0000", reader="morel", opened=True,
        final="Hépatite chronique, activité modérée, fibrose F2 (Metavir A2F2).",
    ),
    Planned(
        KIDNEY, "rein", "NEPHRO", "rein", adicap="BHUR0000", slides=(("A2", "HES"), ("A2", "TRICHROME")),
    ),
    Planned(SMEAR, "gynéco", "GYN", "col utérin", adicap="FCGC0000"),
    Planned(NEW, "digestif", "GASTRO", "estomac", slides=(("A1", "HES"), ("B1", "HES"), ("B1", "PAS"))),
    Planned(GONE, "peau", "DERMATO", "bras", slides=(("A1", "HES"),), cancelled=True),
    Planned(OLD, "sein", "GYN", "sein gauche", final="Carcinome infiltrant non spécifique, grade 2."),
)  # fmt: skip
"""The case of the fluorescence slide is not among them: its scan waits on the desk for somebody who knows."""


def fill(lab: Lab) -> None:
    """Take every order, and bring each case as far as it came; again changes nothing of what is said."""
    now = lab.clock.now()
    for planned in PLAN:
        number = cases.take(lab, order(planned, now))
        with lab.db.read() as conn:
            row = cases.one(conn, WHOLE, number)
        if row.opened_at is None and not planned.cancelled:
            _read(lab, planned, number, now)


def _read(lab: Lab, planned: Planned, number: int, now: datetime) -> None:
    """What its reader did."""
    if planned.final:
        at = when(planned.case, now) + timedelta(hours=20)
        said = ReportSaid(accession(planned.case), at, LIS, "final", text=planned.final, author="Dr Claire Morel")
        reporting.take(lab, said)
    if not planned.reader:
        return
    reader = caller(lab, planned.reader)
    if not planned.final:
        assignment.assign(lab, WHOLE, reader, number, reader.actor.id)
    if planned.opened:
        cases.opened(lab, WHOLE, reader, number)
    if planned.technique:
        techniques.ask(lab, WHOLE, reader, number, *planned.technique)
    if text := planned.draft or planned.preliminary:
        version = reporting.write(lab, WHOLE, reader, number, text)
        if planned.preliminary:
            reporting.finish(lab, WHOLE, reader, number, version, "preliminary")


def caller(lab: Lab, login: str) -> Caller:
    """One of the demonstration's people, at work."""
    with lab.db.read() as conn:
        return Caller(people.load(conn, people.number(conn, login), lab.clock.now()), Purpose.CARE)


def when(case: Case, now: datetime) -> datetime:
    """When a case came, so many days before this run."""
    return now - timedelta(days=case.days_ago, hours=2, minutes=17 * (case.patient.number % 7))


def accession(case: Case) -> Identifier:
    return Identifier(case.accession, LIS)


def identity(patient: Patient) -> Identity:
    """A patient as the hospital's identity server would say; the invented matricule has its right key."""
    first = "1" if patient.sex == "M" else "2"
    number = f"{first}{patient.born:%y%m}00{patient.number:06d}"
    return Identity(
        (Identifier(patient.patient_id, HOSPITAL),),
        family=patient.family,
        given=patient.given,
        birth_name=patient.family,
        birth_date=f"{patient.born:%Y%m%d}",
        sex="M" if patient.sex == "M" else "F",
        ins=f"{number}{97 - int(number) % 97:02d}",
        ins_oid=DEMO_INS,
        ins_status="VALI" if patient.number % 2 else "PROV",
    )


def order(planned: Planned, now: datetime) -> Order:
    """What the LIS said of a case when it came."""
    case, at = planned.case, when(planned.case, now)
    glass = [(slide.block, slide.stain, slide.printed) for slide in SLIDES if slide.case is case]
    glass += [("L1", "PAP", "PAP")] if case is SMEAR else []
    glass += [(block, stain, stain) for block, stain in planned.slides]
    parts = sorted({block[:1] for block, _, _ in glass})
    cytology = case is SMEAR
    return Order(
        accession(case),
        at,
        patient=identity(case.patient),
        control="cancel" if planned.cancelled else "put",
        urgency=planned.urgency,
        department=planned.department,
        specialty=planned.specialty,
        requester="Dr Anne Exemple",
        adicap=planned.adicap,
        description=case.title,
        study_uid=case.study_uid,
        ordered_at=at - timedelta(hours=1),
        received_at=at,
        specimens=tuple(
            SpecimenSaid(
                Identifier(f"{case.accession}-{part}", LIS), part, site_text=planned.site, type_text="Tissu",
                description=case.title, collected_at=at - timedelta(hours=1), received_at=at,
            )
            for part in parts
        ),
        blocks=()
        if cytology
        else tuple(
            BlockSaid(Identifier(f"{case.accession}-{block}", LIS), Identifier(f"{case.accession}-{block[:1]}", LIS))
            for block in sorted({block for block, _, _ in glass})
        ),
        slides=tuple(
            SlideSaid(
                Identifier(f"{case.accession}-{block}-{stain}", LIS),
                block=None if cytology else Identifier(f"{case.accession}-{block}", LIS),
                specimen=Identifier(f"{case.accession}-{block[:1]}", LIS) if cytology else None,
                stain_code=stain,
                stain_text=printed,
                state="to_scan",
                due_on=f"{at:%Y%m%d}",
            )
            for block, stain, printed in glass
        ),
    )  # fmt: skip
