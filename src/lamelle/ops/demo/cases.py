"""The invented laboratory: its patients, cases, blocks and slides. No person here exists.

Dates count from one fixed day, so that the demonstration is the same whenever it runs.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from lamelle.base import ids

LABORATORY = "CHU LAMELLE - ANATOMIE PATH."
DAY = date(2026, 3, 16)


@dataclass(frozen=True, slots=True)
class Patient:
    number: int
    family: str
    given: str
    sex: str
    born: date

    @property
    def patient_id(self) -> str:
        return f"DEMO-{self.number:04d}"

    @property
    def name(self) -> str:
        return f"{self.family}^{self.given}"


@dataclass(frozen=True, slots=True)
class Case:
    """One request to the laboratory, or to radiology for the CTs."""

    accession: str
    patient: Patient
    days_ago: int
    title: str

    @property
    def when(self) -> datetime:
        base = datetime(DAY.year, DAY.month, DAY.day, 9, 12, 33)
        return base - timedelta(days=self.days_ago, minutes=17 * (self.patient.number % 7))

    @property
    def study_uid(self) -> str:
        return ids.uid_from("lamelle demo", "study", self.accession)


@dataclass(frozen=True, slots=True)
class Slide:
    """One glass slide: `organ` and `stain` name the recipe, sizes in pixels at `mpp` micrometres."""

    case: Case
    block: str
    organ: str
    stain: str
    printed: str
    width: int
    height: int
    mpp: float
    seed: int

    @property
    def barcode(self) -> str:
        """What stands in its code, and is its name: of two slides never the same."""
        return f"{self.case.accession}-{self.block}-{self.stain}"

    @property
    def name(self) -> str:
        return self.barcode


PATIENTS = {
    1: Patient(1, "EXEMPLE", "Louise", "F", date(1961, 5, 12)),
    2: Patient(2, "FICTIF", "Armand", "M", date(1954, 11, 3)),
    3: Patient(3, "MODELE", "Clémence", "F", date(1978, 2, 27)),
    4: Patient(4, "ESSAI", "Théodore", "M", date(1949, 8, 19)),
    5: Patient(5, "IMAGINAIRE", "Noé", "M", date(1990, 1, 8)),
    6: Patient(6, "FACTICE", "Aïcha", "F", date(1969, 9, 30)),
    7: Patient(7, "TEMOIN", "Marguerite", "F", date(1957, 4, 4)),
    8: Patient(8, "SIMULÉE", "Élodie", "F", date(1983, 7, 21)),
    9: Patient(9, "INVENTÉ", "Gaspard", "M", date(1966, 12, 2)),
    10: Patient(10, "CHIMÈRE", "Solène", "F", date(1972, 10, 11)),
    11: Patient(11, "FABLE", "Octave", "M", date(1959, 3, 5)),
}

COLON = Case("26H01234", PATIENTS[2], 0, "Biopsies coliques")
BREAST = Case("26H01241", PATIENTS[1], 0, "Tumorectomie sein gauche")
PROSTATE = Case("26H01198", PATIENTS[4], 1, "Biopsies prostatiques")
SKIN = Case("26H01187", PATIENTS[3], 2, "Exérèse cutanée du dos")
LIVER = Case("26H01150", PATIENTS[6], 3, "Biopsie hépatique")
NODE = Case("26H01163", PATIENTS[7], 3, "Ganglion axillaire")
KIDNEY = Case("26H01102", PATIENTS[5], 5, "Biopsie rénale")
SMEAR = Case("26C00417", PATIENTS[3], 1, "Frottis cervical")
GLOW = Case("26F00023", PATIENTS[5], 5, "Immunofluorescence rénale")
THORAX = Case("26R07731", PATIENTS[4], 6, "Scanner thoracique")
ABDOMEN = Case("26R07802", PATIENTS[2], 4, "Scanner abdominal")
LIVER_CT = Case("26R07644", PATIENTS[6], 9, "Scanner hépatique")

SLIDES = (
    Slide(BREAST, "B2", "breast", "HE", "HE", 11520, 8192, 0.5, 47),
    Slide(BREAST, "B2", "breast", "KI67", "Ki-67", 11520, 8192, 0.5, 47),
    Slide(BREAST, "B2", "breast", "HER2", "HER2", 11520, 8192, 0.5, 47),
    Slide(COLON, "A1", "colon", "HES", "HES", 12288, 9216, 0.25, 3),
    Slide(PROSTATE, "C4", "prostate", "HES", "HES", 16384, 6656, 0.5, 5),
    Slide(SKIN, "A1", "skin", "HE", "HE", 13312, 10240, 0.25, 8),
    Slide(LIVER, "A1", "liver", "TRICHROME", "Trichrome", 13312, 5632, 0.25, 13),
    Slide(NODE, "A3", "node", "CD3", "CD3", 8192, 7168, 0.5, 21),
    Slide(KIDNEY, "A2", "kidney", "PAS", "PAS", 13312, 5632, 0.25, 34),
)
