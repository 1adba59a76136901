"""Makes the demonstration's files, each once: what is there already is kept, what was cut short is made again."""

import multiprocessing
import shutil
import unicodedata
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from lamelle.dicom.vendors import SlideFacts
from lamelle.dicom.vendors.facts import Code
from lamelle.ops.demo import cases, ct, cytology, fluorescence, svs, wsi
from lamelle.ops.demo.cases import Case, Slide
from lamelle.ops.demo.labels import LabelText
from lamelle.ops.demo.organs import ORGANS
from lamelle.ops.demo.scene import Scene
from lamelle.ops.demo.stainings import STAININGS

VERSION = "2"  # of the drawing; another number makes everything anew
Size = Literal["full", "small"]


@dataclass(frozen=True, slots=True)
class Part:
    """One thing to make: a folder's name, what it costs (about seconds), how, and what the laboratory knows of it."""

    name: str
    cost: float
    make: Callable[[Path], None]
    facts: SlideFacts


def parts(size: Size = "full") -> list[Part]:
    """Everything there is to make, dearest first."""
    slides = cases.SLIDES if size == "full" else tuple(_smaller(slide) for slide in cases.SLIDES[3:5])
    made = [_slide(slide) for slide in slides]
    made.append(_smear(*((5120, 0.25, cytology.PLANES_UM) if size == "full" else (512, 0.5, (-3.0, 0.0, 3.0)))))
    made.append(_glow(6144 if size == "full" else 768, 4096 if size == "full" else 512))
    made.append(_scan(cases.THORAX, ct.THORAX, size))
    if size == "full":
        made.append(_scan(cases.ABDOMEN, ct.ABDOMEN, size))
        made.append(_scan(cases.LIVER_CT, ct.ABDOMEN + ct.METASTASES, size))
    return sorted(made, key=lambda part: -part.cost)


def generate(folder: Path, size: Size, advanced: Callable[[Part], None], processes: int = 2) -> list[tuple[Part, Path]]:
    """Makes what is missing in `folder`; calls `advanced` after each part. Returns parts with their folders."""
    root = folder / f"{size}-{VERSION}"
    root.mkdir(parents=True, exist_ok=True)
    wanted = parts(size)
    missing = [part for part in wanted if not (root / part.name).is_dir()]
    for part in wanted:
        if part not in missing:
            advanced(part)
    if missing:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(min(processes, len(missing)), mp_context=context) as pool:
            running = {pool.submit(_make, part, root): part for part in missing}
            try:
                for future in as_completed(running):
                    future.result()
                    advanced(running[future])
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    return [(part, root / part.name) for part in wanted]


def _make(part: Part, root: Path) -> None:
    """Makes one part beside its place and moves it there, so that a folder is whole or absent."""
    draft = root / f".{part.name}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    part.make(draft)
    draft.rename(root / part.name)


def _smaller(slide: Slide) -> Slide:
    return replace(slide, width=1024, height=768, mpp=0.5)


def _facts(case: Case, block: str, stain: str, organ: Code | None = None, barcode: str = "") -> SlideFacts:
    return SlideFacts(
        accession_number=case.accession,
        patient_id=case.patient.patient_id,
        patient_name=case.patient.name,
        patient_birth_date=case.patient.born,
        patient_sex=case.patient.sex,
        study_uid=case.study_uid,
        study_date=case.when.date(),
        study_description=case.title,
        container_id=barcode or f"{case.accession}-{block}-{stain}",
        block=block,
        stain=stain,
        anatomic_site=organ,
        institution="CHU LAMELLE (FICTIF)",
    )


_SITES = {
    "breast": Code("76752008", "SCT", "Breast structure"),
    "colon": Code("71854001", "SCT", "Colon structure"),
    "prostate": Code("41216001", "SCT", "Prostatic structure"),
    "skin": Code("39937001", "SCT", "Skin structure"),
    "liver": Code("10200004", "SCT", "Liver structure"),
    "node": Code("59441001", "SCT", "Structure of lymph node"),
    "kidney": Code("64033007", "SCT", "Kidney structure"),
}


def _text(case: Case, barcode: str, stain: str) -> LabelText:
    name = f"{case.patient.family} {case.patient.given}"
    name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()  # as label printers do
    return LabelText(cases.LABORATORY, barcode, name, stain, case.when.strftime("%d/%m/%Y"))


def _slide(slide: Slide) -> Part:
    stain = {"HE": "H&E"}.get(slide.stain, slide.printed)
    facts = _facts(slide.case, slide.block, stain, _SITES[slide.organ], slide.barcode)
    return Part(slide.name, slide.width * slide.height / 7e6, partial(make_slide, slide), facts)


def make_slide(slide: Slide, folder: Path) -> None:
    """Draws one slide and writes its SVS."""
    staining = STAININGS[slide.stain]
    scene = Scene(slide.width, slide.height, slide.mpp, staining.stains, slide.seed)
    ORGANS[slide.organ](scene, staining)
    svs.write(folder / f"{slide.name}.svs", scene, _text(slide.case, slide.barcode, slide.printed), slide.case.when)


def _smear(size: int, mpp: float, planes: tuple[float, ...]) -> Part:
    case = cases.SMEAR
    return Part(
        f"{case.accession}-L1-PAP", size / 300, partial(make_smear, size, mpp, planes), _facts(case, "L1", "PAP")
    )


def make_smear(size: int, mpp: float, planes: tuple[float, ...], folder: Path) -> None:
    """Draws the smear and writes its DICOM."""
    smear = cytology.Smear(size, mpp, 3)
    wsi.write(
        folder, cases.SMEAR, "L1", _text(cases.SMEAR, f"{cases.SMEAR.accession}-L1-PAP", "PAP"), planes, smear.scene
    )


def _glow(width: int, height: int) -> Part:
    case = cases.GLOW
    facts = _facts(case, "A2", "IF", _SITES["kidney"])
    return Part(f"{case.accession}-A2-IF", width * height / 2.5e6, partial(make_glow, width, height), facts)


def make_glow(width: int, height: int, folder: Path) -> None:
    """Draws the fluorescence slide and writes its OME-TIFF."""
    name = f"{cases.GLOW.accession}-A2-IF"
    fluorescence.write(folder / f"{name}.ome.tiff", fluorescence.glow(width, height, 0.5, 34), 0.5, name)


def _scan(case: Case, organs: tuple[ct.Organ, ...], size: Size) -> Part:
    slices, pixels = (44, 512) if size == "full" else (4, 64)
    return Part(case.accession, slices / 8, partial(make_scan, case, organs, slices, pixels), SlideFacts())


def make_scan(case: Case, organs: tuple[ct.Organ, ...], slices: int, pixels: int, folder: Path) -> None:
    """Draws a CT phantom and writes its images."""
    ct.write(folder, case, organs, slices, pixels)
