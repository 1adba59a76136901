"""The data sets of messages, read as DICOM JSON in the transfer syntax of their context; identifiers writes them."""

import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from lamelle.base.errors import Invalid
from lamelle.dicom import json, transfer
from lamelle.doors.dimse.association import IDENTIFIER_LIMIT, Message

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
    found = machine.decompress(data, IDENTIFIER_LIMIT)
    if machine.unconsumed_tail:
        raise ValueError("the data set is too long")
    return found
