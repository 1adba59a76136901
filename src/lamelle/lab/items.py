"""What a worklist item is: read from a file or JSON, checked, one for each scheduled procedure step.

Keeping items is `schedule`'s. Source: PS3.4 Table K.6-1, PS3.3 C.4.10.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lamelle.archive import facts
from lamelle.base.errors import Invalid
from lamelle.dicom import elements, uids
from lamelle.dicom.part10 import Scanner
from lamelle.lab import keys

Dataset = Mapping[str, Any]

STEPS = "00400100"
SPECIMENS = "00400500"
STUDY_UID, STEP_ID, STATUS = "0020000D", "00400009", "00400020"
CONTAINER, OTHER_CONTAINERS = "00400512", "00400515"
START_DATE, START_TIME = "00400002", "00400003"
REQUIRED = ("00100010", "00100020", STUDY_UID, "00401001")
REQUIRED_OF_STEP = ("00080060", "00400001", START_DATE, START_TIME, STEP_ID)
"""Attributes of type 1 that every answer must have a value of."""
LONGEST = {"AE": 16, "CS": 16, "SH": 16, "LO": 64}
DATE, TIME = re.compile(r"\d{8}"), re.compile(r"\d{2}(\d{2}(\d{2}(\.\d{1,6})?)?)?")
NUMBERS = frozenset({"FD", "FL", "SL", "SS", "SV", "UL", "US", "UV"})
TAG = re.compile(r"[0-9A-F]{8}")


@dataclass(frozen=True, slots=True)
class Item:
    """One scheduled procedure step with its request and patient; `dataset` has it as the one item of its sequence."""

    dataset: Dataset

    @property
    def step(self) -> Dataset:
        return next(keys.items(self.dataset, STEPS))

    @property
    def study_uid(self) -> str:
        return keys.first(self.dataset, STUDY_UID)

    @property
    def step_id(self) -> str:
        return keys.first(self.step, STEP_ID)

    @property
    def status(self) -> str:
        """As it was put."""
        return keys.first(self.step, STATUS) or "SCHEDULED"

    @property
    def containers(self) -> list[str]:
        """What may stand in the barcode of its slides, their other identifiers included."""
        found = list(facts.texts(self.dataset, (SPECIMENS, CONTAINER)))
        return list(dict.fromkeys(found + list(facts.texts(self.dataset, (SPECIMENS, OTHER_CONTAINERS, CONTAINER)))))

    def with_status(self, status: str) -> Dataset:
        """The dataset as it is answered, its step in this state."""
        return {**self.dataset, STEPS: _sequence({**self.step, STATUS: {"vr": "CS", "Value": [status]}})}


def read(data: bytes) -> list[Item]:
    """The items of a file: DICOM (with or without preamble, as wlmscpfs reads) or DICOM JSON, one object or a list.

    Raises: Invalid("bad_worklist_file" | "bad_worklist_item").
    """
    start = data.lstrip()[:1]
    if start not in (b"{", b"["):
        return check(_from_dicom(data))
    try:
        found = json.loads(data)
    except ValueError as error:
        raise Invalid("bad_worklist_file", "the file begins as JSON and is none") from error
    datasets = found if isinstance(found, list) else [found]
    return [item for dataset in datasets for item in check(dataset)]


def _from_dicom(data: bytes) -> Dataset:
    scanner = Scanner()
    try:
        scanner.feed(data)
        found: Dataset = json.loads(scanner.finish().json())
    except Invalid as error:
        raise Invalid("bad_worklist_file", f"the file is neither JSON nor DICOM: {error.message}") from error
    return found


def check(dataset: Any) -> list[Item]:
    """The items of a dataset in DICOM JSON, one for each step of its sequence, in a form that can be encoded.

    Raises: Invalid("bad_worklist_item") that says all that is wrong.
    """
    _check_form(dataset)
    steps = list(keys.items(dataset, STEPS))
    wrong = list(_wrong(dataset, REQUIRED)) + ([] if steps else [f"{keys.named(STEPS)} has no item"])
    for step in steps:
        wrong += [f"{keys.named(STEPS)} > {said}" for said in _wrong(step, REQUIRED_OF_STEP)]
    numbers = [keys.first(step, STEP_ID) for step in steps]
    if len(set(numbers)) < len(numbers):
        wrong.append(f"{keys.named(STEP_ID)} stands twice")
    if wrong:
        raise Invalid("bad_worklist_item", "; ".join(wrong))
    return [Item(_whole(dataset, step)) for step in steps]


def _check_form(dataset: Any) -> None:
    """See that the JSON is DICOM's: what is kept must be written one day, in any transfer syntax.

    Raises: Invalid("bad_worklist_item").
    """
    if not isinstance(dataset, Mapping):
        raise Invalid("bad_worklist_item", "a worklist item and what its sequences hold are JSON objects of tags")
    for tag, element in dataset.items():
        if not TAG.fullmatch(str(tag)):
            raise Invalid("bad_worklist_item", "the keys of an item are tags of eight upper-case hex digits")
        vr = element.get("vr") if isinstance(element, Mapping) else None
        values = element.get("Value", []) if isinstance(element, Mapping) else None
        if not isinstance(vr, str) or vr.encode() not in elements.KNOWN or not isinstance(values, list):
            raise Invalid("bad_worklist_item", f"{keys.named(tag)} is no element of the DICOM JSON model")
        for value in values:
            if vr == "SQ":
                _check_form(value)
            elif not _fits(vr, value):
                raise Invalid("bad_worklist_item", f"{keys.named(tag)} holds what no {vr} is in JSON")


def _fits(vr: str, value: Any) -> bool:
    """Whether a value is what JSON has for its VR. Source: PS3.18 F.2.3."""
    if vr == "PN":
        return value is None or (isinstance(value, Mapping) and all(isinstance(group, str) for group in value.values()))
    if vr in NUMBERS:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return value is None or isinstance(value, str) or (vr in ("DS", "IS") and type(value) in (int, float))


def _wrong(dataset: Dataset, required: tuple[str, ...]) -> Iterator[str]:
    for tag in required:
        if not keys.first(dataset, tag):
            yield f"{keys.named(tag)} is missing"
    for tag, element in dataset.items():
        longest = LONGEST.get(str(element.get("vr")), 0)
        if longest and any(len(text) > longest for text in facts.texts(dataset, (tag,))):
            yield f"{keys.named(tag)} is longer than {longest} characters"
    for tag, form in ((START_DATE, DATE), (START_TIME, TIME)):
        if tag in required and (value := keys.first(dataset, tag)) and not form.fullmatch(value):
            yield f"{keys.named(tag)} is malformed"
    if STUDY_UID in required and (value := keys.first(dataset, STUDY_UID)) and not uids.is_uid(value):
        yield f"{keys.named(STUDY_UID)} is no UID"


def _whole(dataset: Dataset, step: Dataset) -> Dataset:
    """The dataset of one step. Its specimens stand in the step and beside it: scanners ask in either place."""
    specimens = step.get(SPECIMENS) or dataset.get(SPECIMENS)
    if specimens:
        step = {**step, SPECIMENS: specimens}
        dataset = {**dataset, SPECIMENS: specimens}
    kept = {tag: element for tag, element in dataset.items() if tag[:4] not in ("0000", "0002")}
    kept.pop(keys.CHARSETS, None)  # kept text is Unicode; an answer says how it is written
    return dict(sorted({**kept, STEPS: _sequence(dict(sorted(step.items())))}.items()))


def _sequence(item: Dataset) -> Dataset:
    return {"vr": "SQ", "Value": [item]}
