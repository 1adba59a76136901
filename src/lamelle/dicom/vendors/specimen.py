"""The Specimen module: which container, which specimen, how it was prepared.

Only what the laboratory's facts say is written. Source: PS3.3 C.7.6.22; PS3.16 TID 8001-8003, CID 8112.
"""

from collections.abc import Sequence

from pydicom.dataset import Dataset

from lamelle.base.ids import uid_from
from lamelle.dicom.vendors.facts import Code, SlideFacts

SLIDE = Code("433466003", "SCT", "Microscope slide")
_HEMATOXYLIN = Code("12710003", "SCT", "hematoxylin stain")
_EOSIN = Code("36879007", "SCT", "water soluble eosin stain")
STAINS: dict[str, tuple[Code, ...]] = {
    "H&E": (_HEMATOXYLIN, _EOSIN), "HE": (_HEMATOXYLIN, _EOSIN),
    "HES": (_HEMATOXYLIN, _EOSIN, Code("61360007", "SCT", "saffron stain")),
    "H": (_HEMATOXYLIN,), "PAS": (Code("406858009", "SCT", "periodic acid Schiff stain"),),
}  # fmt: skip


def code(item: Code) -> list[Dataset]:
    """A code sequence of one item."""
    one = Dataset()
    one.CodeValue, one.CodingSchemeDesignator, one.CodeMeaning = item.value, item.scheme, item.meaning
    return [one]


def write(dataset: Dataset, facts: SlideFacts, container: str, seed: str) -> None:
    """Fill the module; `seed` names the slide where no laboratory id does, so that its UID stays stable."""
    specimen = facts.specimen_id or container
    dataset.ContainerIdentifier = container
    dataset.IssuerOfTheContainerIdentifierSequence = _issuer(facts.container_issuer)
    dataset.ContainerTypeCodeSequence = code(SLIDE)
    item = Dataset()
    item.SpecimenIdentifier = specimen
    item.IssuerOfTheSpecimenIdentifierSequence = _issuer(facts.container_issuer)
    named = (facts.accession_number, facts.container_id, facts.specimen_id)
    item.SpecimenUID = facts.specimen_uid or uid_from("specimen", *(named if any(named[1:]) else (seed,)))
    if facts.specimen_description:
        item.SpecimenShortDescription = facts.specimen_description
    item.SpecimenPreparationSequence = _steps(facts, specimen)
    if facts.anatomic_site:
        item.PrimaryAnatomicStructureSequence = code(facts.anatomic_site)
    dataset.SpecimenDescriptionSequence = [item]


def _issuer(name: str) -> list[Dataset]:
    if not name:
        return []
    item = Dataset()
    item.LocalNamespaceEntityID = name
    return [item]


def _steps(facts: SlideFacts, specimen: str) -> list[Dataset]:
    steps = []
    if facts.part and facts.block:
        steps.append(_sampled(facts.block, facts.part, Code("122459003", "SCT", "Dissection")))
    if facts.block:
        steps.append(_sampled(specimen, facts.block, Code("434472006", "SCT", "Block sectioning")))
    if facts.stain:
        steps.append(_step(specimen, Code("127790008", "SCT", "Staining"), _substances(facts.stain)))
    return steps


def _sampled(specimen: str, parent: str, method: Code) -> Dataset:
    content = [
        _coded(Code("111704", "DCM", "Sampling Method"), method),
        _text(Code("111705", "DCM", "Parent Specimen Identifier"), parent),
    ]
    return _step(specimen, Code("433465004", "SCT", "Sampling of tissue specimen"), content)


def _substances(stain: str) -> list[Dataset]:
    using = Code("424361007", "SCT", "Using substance")
    known = STAINS.get(stain.upper().replace(" ", ""))
    if known:
        return [_coded(using, one) for one in known]
    return [_text(using, one.strip()) for one in stain.split("+") if one.strip()]


def _step(specimen: str, kind: Code, content: Sequence[Dataset]) -> Dataset:
    step = Dataset()
    step.SpecimenPreparationStepContentItemSequence = [
        _text(Code("121041", "DCM", "Specimen Identifier"), specimen),
        _coded(Code("111701", "DCM", "Processing type"), kind),
        *content,
    ]
    return step


def _item(kind: str, name: Code) -> Dataset:
    item = Dataset()
    item.ValueType = kind
    item.ConceptNameCodeSequence = code(name)
    return item


def _text(name: Code, value: str) -> Dataset:
    item = _item("TEXT", name)
    item.TextValue = value
    return item


def _coded(name: Code, value: Code) -> Dataset:
    item = _item("CODE", name)
    item.ConceptCodeSequence = code(value)
    return item
