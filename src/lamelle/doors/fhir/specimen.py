"""Rows of specimens, blocks and slides as Specimen, each with its parent."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from lamelle.doors.fhir import words
from lamelle.doors.fhir.making import Making, Resource, accession, begun, concept, filled, moment, subject
from lamelle.doors.fhir.names import LEVEL, SNOMED, ident, reference
from lamelle.lab import kinship
from lamelle.lab.lookup import Found, Key, Kind

CONTAINERS: Final = MappingProxyType(
    {
        Kind.PART: ("434711009", "Specimen container"),
        Kind.BLOCK: ("434464009", "Tissue cassette"),
        Kind.SLIDE: ("433466003", "Microscope slide"),
    }
)
"""Source: PS3.16 CID 8101."""


def made(making: Making, found: Sequence[Found]) -> list[Resource]:
    """The Specimen of each row."""
    aliases = kinship.aliases(making.conn, [one.row.id for one in found if one.kind is Kind.SLIDE])
    return [_one(making, one, aliases) for one in found]


def _one(making: Making, found: Found, aliases: Mapping[int, Sequence[str]]) -> Resource:
    row = found.row
    more = _MORE[found.kind](making, row)
    also = aliases[row.id] if found.kind is Kind.SLIDE else []
    own = making.names.identifier(row.identifier, row.issuer)
    barcodes = [own] if found.kind is not Kind.PART else []
    code, display = CONTAINERS[found.kind]
    container = filled({}, identifier=barcodes, type=concept(code=code, system=SNOMED, display=display))
    return filled(
        begun("Specimen", ident(Key(found.kind, row.id)), row.changed),
        identifier=[own, *({"use": "secondary", "value": alias} for alias in also)],
        accessionIdentifier=accession(making.names, row.accession, row.case_issuer),
        subject=subject(making.names, row),
        request=[reference(Kind.CASE, row.case_id)],
        container=[container],
        **more,
    )


def _part(making: Making, row: Any) -> Resource:
    kind = concept(row.type_text, row.type_code) or {}
    kind.setdefault("coding", []).append({"system": LEVEL, "code": "part"})
    site = concept(row.site_text, row.site_code)
    return {
        "status": "available",
        "type": kind,
        "receivedTime": moment(row.received_at),
        "collection": filled({}, collectedDateTime=moment(row.collected_at), bodySite=site),
        "note": [{"text": row.description}] if row.description else [],
    }


def _block(making: Making, row: Any) -> Resource:
    return {
        "status": words.SPECIMEN[row.state],
        "type": concept("block", "block", LEVEL),
        "parent": [reference(Kind.PART, row.specimen_id)] if row.specimen_id else [],
        "note": [{"text": row.description}] if row.description else [],
    }


def _slide(making: Making, row: Any) -> Resource:
    above = (Kind.BLOCK, row.block_id) if row.block_id else (Kind.PART, row.specimen_id)
    stain = concept(row.stain_text, row.stain_code)
    return {
        "status": words.SPECIMEN[row.state],
        "type": concept("slide", "slide", LEVEL),
        "parent": [reference(*above)] if above[1] else [],
        "processing": [filled({"description": "staining"}, procedure=stain)] if stain else [],
        "note": [{"text": f"level {row.level}"}] if row.level else [],
    }


_MORE: Final[Mapping[Kind, Callable[[Making, Any], Resource]]] = MappingProxyType(
    {Kind.PART: _part, Kind.BLOCK: _block, Kind.SLIDE: _slide}
)
