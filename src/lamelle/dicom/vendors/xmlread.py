"""XML out of a stranger's file: bounded, without document types or entities, names without namespaces."""

from collections.abc import Iterator
from xml.etree.ElementTree import Element, ParseError

from defusedxml.ElementTree import fromstring

from lamelle.base.errors import Invalid, TooLarge

MAX_XML = 64 << 20


def parse(text: str) -> Element:
    """The root element. Raises: Invalid("bad_xml"), TooLarge("xml_too_large")."""
    if len(text) > MAX_XML:
        raise TooLarge("xml_too_large", "the XML in the file is too large")
    try:
        root: Element = fromstring(text, forbid_dtd=True)
        return root
    except (ParseError, ValueError, LookupError) as exc:
        raise Invalid("bad_xml", "the XML in the file cannot be read, or declares a document type") from exc


def name(element: Element) -> str:
    """The tag without its namespace."""
    return element.tag.rpartition("}")[2]


def children(element: Element, wanted: str) -> list[Element]:
    """Direct children of that name."""
    return [child for child in element if name(child) == wanted]


def everywhere(element: Element, wanted: str) -> Iterator[Element]:
    """Elements of that name at any depth."""
    return (child for child in element.iter() if name(child) == wanted)


def number(element: Element, attribute: str, default: int = 0) -> int:
    """An attribute as a whole number. Raises: Invalid("bad_xml")."""
    try:
        return int(element.get(attribute, default))
    except ValueError as exc:
        raise Invalid("bad_xml", f"the XML attribute {attribute} is not a number") from exc


def real(element: Element, attribute: str) -> float | None:
    """An attribute as a finite number, None if absent or not one."""
    try:
        value = float(element.get(attribute, ""))
    except ValueError:
        return None
    return value if abs(value) < 1e12 else None
