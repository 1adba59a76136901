"""The data sets of messages: read and written as DICOM JSON, in the transfer syntax of their context."""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lamelle.base.errors import Invalid
from lamelle.dicom import encode, json, transfer
from lamelle.doors.dimse.association import DATASET_LIMIT, Message

_UTF8: Final = re.compile(rb"(?:\x08\x00\x05\x00|\x00\x08\x00\x05)....ISO_IR 192", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Read:
    """A data set that was received."""

    item: Mapping[str, Any]
    utf8: bool
    """Whether it is written in UTF-8, so that its sender reads UTF-8."""


def read(message: Message) -> Read:
    """The data set of a message. Raises: Invalid("bad_dataset"), TooLarge, Aborted."""
    return decode(message.read(), message.context.transfer_syntax)


def decode(data: bytes, transfer_syntax: str) -> Read:
    """The data set of these bytes. Raises: Invalid("bad_dataset")."""
    try:
        data = _inflated(data) if transfer_syntax == transfer.DEFLATED else data
        return Read(json.parse(json.to_json(data, transfer_syntax)), _UTF8.search(data) is not None)
    except (ValueError, RecursionError, zlib.error, Invalid) as error:
        raise Invalid("bad_dataset", "the data set of the message cannot be read") from error


def _inflated(data: bytes) -> bytes:
    machine = zlib.decompressobj(-zlib.MAX_WBITS)
    found = machine.decompress(data, DATASET_LIMIT)
    if not machine.eof:
        raise ValueError("the data set is too long, or cut off")
    return found


def told(item: Mapping[str, Any]) -> dict[str, str]:
    """What has a value, by tag, as text; within a sequence by the tags on the way."""
    found: dict[str, str] = {}
    for tag, element in item.items():
        if tag == encode.CHARACTER_SET:
            continue
        if element["vr"] != "SQ":
            found |= {tag: text} if (text := "\\".join(json.texts(item, tag))) else {}
            continue
        for inner in element.get("Value") or ():
            found |= {f"{tag}.{below}": text for below, text in told(inner or {}).items()}
    return found


def write(item: Mapping[str, Any], transfer_syntax: str, *, utf8: bool = False) -> bytes:
    """The bytes of a data set; `utf8`: whether its reader reads UTF-8, else only what needs it is written so."""
    plain = transfer.EXPLICIT_LITTLE if transfer_syntax == transfer.DEFLATED else transfer_syntax
    data = encode.encode(item, plain, character_set=encode.UTF8 if utf8 else None)
    if transfer_syntax != transfer.DEFLATED:
        return data
    machine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    data = machine.compress(data) + machine.flush()
    return data + b"\0" * (len(data) % 2)
