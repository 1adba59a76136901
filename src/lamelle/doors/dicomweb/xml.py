"""DICOM JSON objects as Native DICOM Model documents, and back.

Source: PS3.19 A.1, PS3.18 F.2.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from xml.etree.ElementTree import Element, ParseError
from xml.sax.saxutils import escape, quoteattr

from defusedxml.ElementTree import fromstring
from pydicom.datadict import keyword_for_tag, tag_for_keyword

from lamelle.base.errors import Invalid

NAMESPACE: Final = "http://dicom.nema.org/PS3.19/models/NativeDICOM"
NAME_PARTS: Final = ("FamilyName", "GivenName", "MiddleName", "NamePrefix", "NameSuffix")
_GROUPS: Final = ("Alphabetic", "Ideographic", "Phonetic")
_NUMBERS: Final = frozenset({"DS", "FL", "FD", "IS", "SL", "SS", "SV", "UL", "US", "UV"})
# What XML 1.0 cannot hold, escaped or not.
_FORBIDDEN: Final = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF, *range(0xD800, 0xE000)])


def document(item: Mapping[str, Any]) -> bytes:
    """One DICOM JSON object as an XML document."""
    head = f'<?xml version="1.0" encoding="UTF-8"?><NativeDicomModel xmlns="{NAMESPACE}" xml:space="preserve">'
    return f"{head}{''.join(_dataset(item))}</NativeDicomModel>".encode()


def _dataset(item: Mapping[str, Any]) -> Iterator[str]:
    creators: dict[str, str] = {}
    for tag in sorted(item):
        element = item[tag]
        keyword = keyword_for_tag(int(tag, 16))
        attributes = f' keyword="{keyword}"' if keyword else ""
        if int(tag[3], 16) % 2 and tag[4:6] == "00" and tag[6:] >= "10":
            creators[tag[:4] + tag[6:]] = str((element.get("Value") or [""])[0])
        elif int(tag[3], 16) % 2:
            creator = creators.get(tag[:6])
            attributes += f" privateCreator={quoteattr(_clean(creator))}" if creator else ""
        body = "".join(_content(element))
        yield f'<DicomAttribute tag="{tag}" vr="{element["vr"]}"{attributes}>{body}</DicomAttribute>'


def _content(element: Mapping[str, Any]) -> Iterator[str]:
    if "BulkDataURI" in element:
        yield f"<BulkData uri={quoteattr(element['BulkDataURI'])}/>"
    elif "InlineBinary" in element:
        yield f"<InlineBinary>{element['InlineBinary']}</InlineBinary>"
    for number, value in enumerate(element.get("Value") or (), 1):
        if isinstance(value, Mapping):
            if element["vr"] == "SQ":
                yield f'<Item number="{number}">{"".join(_dataset(value))}</Item>'
            else:
                yield f'<PersonName number="{number}">{"".join(_name(value))}</PersonName>'
        elif value is not None:
            yield f'<Value number="{number}">{escape(_clean(str(value)))}</Value>'


def _name(value: Mapping[str, Any]) -> Iterator[str]:
    for group in _GROUPS:
        if value.get(group):
            pieces = zip(NAME_PARTS, str(value[group]).split("^"), strict=False)
            inner = "".join(f"<{part}>{escape(_clean(text))}</{part}>" for part, text in pieces if text)
            yield f"<{group}>{inner}</{group}>"


def _clean(text: str) -> str:
    return text.translate(_FORBIDDEN)


def read(data: bytes) -> dict[str, Any]:
    """A Native DICOM Model document as a DICOM JSON object; none with a document type, in whatever encoding.

    Raises: Invalid("bad_xml").
    """
    try:
        root = fromstring(data, forbid_dtd=True)
        if _local(root) != "NativeDicomModel":
            raise Invalid("bad_xml", "the document is no NativeDicomModel")
        return _read_dataset(root)
    except (ParseError, ValueError, LookupError) as error:
        raise Invalid("bad_xml", "the document is not well-formed, or declares a document type") from error
    except RecursionError as error:
        raise Invalid("bad_xml", "the document has items in items without end") from error


def _local(element: Element) -> str:
    return element.tag.rpartition("}")[2]


def _read_dataset(parent: Element) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for attribute in parent:
        if _local(attribute) != "DicomAttribute":
            continue
        tag = attribute.get("tag", "").upper()
        if not tag and (found := tag_for_keyword(attribute.get("keyword", ""))) is not None:
            tag = f"{found:08X}"
        if len(tag) != 8 or not set(tag) <= set("0123456789ABCDEF"):
            raise Invalid("bad_xml", "an attribute has no tag")
        out[tag] = _read_element(attribute)
    return dict(sorted(out.items()))


def _read_element(attribute: Element) -> dict[str, Any]:
    vr = attribute.get("vr", "UN")
    element: dict[str, Any] = {"vr": vr}
    values: list[tuple[int, Any]] = []
    for child in attribute:
        kind = _local(child)
        number = int(child.get("number", "0")) if child.get("number", "0").isdigit() else 0
        if kind == "BulkData":
            element["BulkDataURI"] = child.get("uri", "")
        elif kind == "InlineBinary":
            element["InlineBinary"] = "".join((child.text or "").split())
        elif kind == "Item":
            values.append((number, _read_dataset(child)))
        elif kind == "PersonName":
            values.append((number, {_local(group): _read_name(group) for group in child}))
        elif kind == "Value":
            values.append((number, _read_value(child.text or "", vr)))
    if values:
        element["Value"] = [value for _, value in sorted(values, key=lambda pair: pair[0])]
    return element


def _read_name(group: Element) -> str:
    pieces = {_local(piece): piece.text or "" for piece in group}
    return "^".join(pieces.get(part, "") for part in NAME_PARTS).rstrip("^")


def _read_value(text: str, vr: str) -> Any:
    if vr in _NUMBERS:
        try:
            return float(text) if vr in {"DS", "FL", "FD"} else int(text)
        except ValueError as error:
            raise Invalid("bad_xml", f"a value of {vr} is no number") from error
    return text
