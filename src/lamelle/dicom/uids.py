"""What a UID is and what the well-known ones are called; making new ones lives in `base.ids`."""

import re

from pydicom._uid_dict import UID_dictionary

MAX_LENGTH = 64

# PS3.5 9.1: components of digits, no leading zero, at least a root and a suffix.
_WELL_FORMED = re.compile(r"(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*))+", re.ASCII)
# Many archives hold objects whose component has a leading zero; they are odd, and still unambiguous.
_USABLE = re.compile(r"\d+(?:\.\d+)+", re.ASCII)

SOP_CLASSES: dict[str, str] = {uid: entry[0] for uid, entry in UID_dictionary.items() if entry[1] == "SOP Class"}
STORAGE_CLASSES: dict[str, str] = {uid: name for uid, name in SOP_CLASSES.items() if "Storage" in name}

WHOLE_SLIDE_MICROSCOPY = "1.2.840.10008.5.1.4.1.1.77.1.6"
DICOMDIR = "1.2.840.10008.1.3.10"
KNOWN = frozenset(UID_dictionary)
NO_PATIENT = {
    DICOMDIR: "a media directory",
    "1.2.840.10008.1.20.1": "Storage Commitment Push Model, no object",
    "1.2.840.10008.1.20.2": "Storage Commitment Pull Model, no object",
    "1.2.840.10008.5.1.1.27": "Stored Print",
    "1.2.840.10008.5.1.4.1.1.200.1": "CT Defined Procedure Protocol",
    "1.2.840.10008.5.1.4.1.1.200.3": "Protocol Approval",
    "1.2.840.10008.5.1.4.1.1.200.7": "XA Defined Procedure Protocol",
    "1.2.840.10008.5.1.4.1.1.201.1": "Inventory",
    "1.2.840.10008.5.1.4.38.1": "Hanging Protocol",
    "1.2.840.10008.5.1.4.39.1": "Color Palette",
    "1.2.840.10008.5.1.4.43.1": "Generic Implant Template",
    "1.2.840.10008.5.1.4.44.1": "Implant Assembly Template",
    "1.2.840.10008.5.1.4.45.1": "Implant Template Group",
}
"""Classes with Storage in their name whose objects belong to no study. Source: PS3.4 GG."""
PATIENT_STORAGE = frozenset(STORAGE_CLASSES) - NO_PATIENT.keys()
"""Classes of objects that belong to a study of a patient."""


def is_uid(text: str) -> bool:
    """Whether the text is a UID by PS3.5 9.1."""
    return len(text) <= MAX_LENGTH and _WELL_FORMED.fullmatch(text) is not None


def is_usable(text: str) -> bool:
    """Whether the text can name an object: a UID, or one with leading zeros in a component."""
    return len(text) <= MAX_LENGTH and _USABLE.fullmatch(text) is not None


def name(uid: str) -> str:
    """The name PS3.6 Annex A gives, the UID itself if it is private or newer than our dictionary."""
    entry = UID_dictionary.get(uid)
    return entry[0] if entry else uid
