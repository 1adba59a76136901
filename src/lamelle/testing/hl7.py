"""HL7 messages for tests: one case with its glass, said in three ways, and what is said of its patient and report."""

import base64
from typing import Final

PATIENT: Final = (
    "PID|1||000003^^^CHU-X&1.2.250.1.999.1&ISO^PI~279035121518989^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.8&ISO^INS"
    "||PAT-TROIS^DOMINIQUE^DOMINIQUE^^^^L||19790314|F"
)


def head(kind: str, control: str, minute: int = 0, version: str = "2.5.1", **more: str) -> str:
    """MSH; `more` by field number: f15="AL"."""
    fields = ["MSH", "^~\\&", "DIAMIC", "CHU-X", "SGI", "CHU-X", f"202503121{minute // 60}{minute % 60:02}00+0100", ""]
    fields += [kind, control, "P", version, *[""] * 10]
    for name, value in more.items():
        fields[int(name[1:]) - 1] = value
    return "|".join(fields).rstrip("|")


def segment(name: str, **fields: str) -> str:
    """A segment of fields by their number: f27="GLASS"."""
    given = {int(key[1:]): value for key, value in fields.items()}
    return "|".join([name, *(given.get(number, "") for number in range(1, max(given) + 1))])


def message(*segments: str) -> str:
    """Segments joined as they are sent."""
    return "\r".join(segments) + "\r"


def order(
    control: str = "M1", minute: int = 0, slide: int = 1, said: str = "NW", stain: str = "HES", **more: str
) -> str:
    """One glass of the case, OML^O21."""
    name = f"25P01234-A-1-{slide}"
    return message(
        head("OML^O21^OML_O21", control, minute, **more),
        PATIENT,
        "PV1|1|I|URO^^^CHU-X",
        f"ORC|{said}|{name}^DIAMIC||25P01234^DIAMIC|IP||||20250312101500",
        "TQ1|1||||||||S",
        f"OBR|1|{name}^DIAMIC||{stain}^Lame {stain}^99LAB|||20250312093000",
        f"SPM|1|{name}&DIAMIC|25P01234-A-1&DIAMIC|TISS^Tissue^HL70487",
        f"SAC|||{name}^DIAMIC|25P01234-A-1^DIAMIC",
    )


def order_by_specimen(control: str = "M1", minute: int = 0, slide: int = 1, stain: str = "HES") -> str:
    """The same, OML^O33."""
    name = f"25P01234-A-1-{slide}"
    return message(
        head("OML^O33^OML_O33", control, minute),
        PATIENT,
        "PV1|1|I|URO^^^CHU-X",
        f"SPM|1|{name}&DIAMIC|25P01234-A-1&DIAMIC|TISS^Tissue^HL70487",
        f"SAC|||{name}^DIAMIC|25P01234-A-1^DIAMIC",
        f"ORC|NW|{name}^DIAMIC||25P01234^DIAMIC|IP||||20250312101500",
        "TQ1|1||||||||S",
        f"OBR|1|{name}^DIAMIC||{stain}^Lame {stain}^99LAB|||20250312093000",
    )


def order_old(control: str = "M1", minute: int = 0, slide: int = 1, stain: str = "HES") -> str:
    """The same, ORM^O01 of version 2.3 with a Z-segment (dialect orm)."""
    name = f"25P01234-A-1-{slide}"
    return message(
        head("ORM^O01", control, minute, "2.3"),
        PATIENT,
        "PV1|1|I|URO^^^CHU-X",
        "ORC|NW|7^DIAMIC|25P01234^DIAMIC||IP||||20250312101500",
        segment("OBR", f1="1", f2="7^DIAMIC", f3="25P01234^DIAMIC", f4="HES", f27="^^^^^S"),
        f"ZGL|{name}^DIAMIC|25P01234-A-1^DIAMIC||{stain}^Lame {stain}",
    )


def update(control: str, minute: int, family: str) -> str:
    """ADT^A08."""
    pid = PATIENT.replace("PAT-TROIS", family)
    return message(head("ADT^A08^ADT_A01", control, minute), "EVN||20250312101500", pid, "PV1|1|I")


def merge(control: str, minute: int, kept: str = "000003", gone: str = "000077") -> str:
    """ADT^A40."""
    return message(
        head("ADT^A40^ADT_A39", control, minute),
        "EVN||20250312101500",
        PATIENT.replace("000003", kept),
        f"MRG|{gone}^^^CHU-X&1.2.250.1.999.1&ISO^PI",
    )


def report(
    control: str = "R1", minute: int = 30, state: str = "F", text: str = "Adénocarcinome", *enclosed: str
) -> str:
    """ORU^R01 with two headed texts, and documents."""
    return message(
        head("ORU^R01^ORU_R01", control, minute, f18="UNICODE UTF-8"),
        PATIENT,
        "ORC|RE|25P01234^DIAMIC",
        f"OBR|1|25P01234^DIAMIC||60568-3^CR ACP^LN|||20250312093000{'|' * 15}20250312140000|||{state}",
        f"OBX|1|TX|22634-0^Macroscopie^LN||Une pièce de 3 cm||||||{state}",
        f"OBX|2|TX|22637-3^Conclusion^LN||{text}||||||{state}",
        "OBX|3|ST|110180^Study Instance UID^DCM||1.2.3||||||F",
        *enclosed,
    )


def document(data: bytes, title: str = "Compte rendu", form: str = "application^PDF", code: str = "PDF") -> str:
    """An OBX of type ED."""
    return f"OBX|4|ED|{code}^{title}^99LAB||^{form}^Base64^{base64.b64encode(data).decode()}||||||F"


def letter(control: str, minute: int, *enclosed: str) -> str:
    """MDM^T02: documents alone, of the case in TXA-15."""
    return message(
        head("MDM^T02^MDM_T02", control, minute),
        "EVN|T02|20250312101500",
        PATIENT,
        "PV1|1|I|URO^^^CHU-X",
        segment("TXA", f1="1", f2="CR", f3="AP", f12="D1^DIAMIC", f15="25P01234^DIAMIC", f17="AU"),
        *enclosed,
    )
