"""DIMSE command sets as one frozen noun, and their bytes: group 0000, Implicit VR Little Endian (PS3.7 6.3, E).

What a command makes happen is the business of its service.
"""

import struct
from dataclasses import dataclass, replace
from typing import Any, Final

from lamelle.base.errors import Invalid, TooLarge

C_STORE, C_GET, C_FIND, C_MOVE, C_ECHO = 0x0001, 0x0010, 0x0020, 0x0021, 0x0030
N_EVENT_REPORT, N_GET, N_SET, N_ACTION, N_CREATE, N_DELETE = 0x0100, 0x0110, 0x0120, 0x0130, 0x0140, 0x0150
C_CANCEL = 0x0FFF
NAMES: Final = {
    C_STORE: "C-STORE",
    C_GET: "C-GET",
    C_FIND: "C-FIND",
    C_MOVE: "C-MOVE",
    C_ECHO: "C-ECHO",
    N_EVENT_REPORT: "N-EVENT-REPORT",
    N_GET: "N-GET",
    N_SET: "N-SET",
    N_ACTION: "N-ACTION",
    N_CREATE: "N-CREATE",
    N_DELETE: "N-DELETE",
    C_CANCEL: "C-CANCEL",
}
RESPONSE = 0x8000
"""Added to a request's command field to answer it."""
NO_DATA, DATA = 0x0101, 0x0001
LOW, MEDIUM, HIGH = 2, 0, 1
MAX_BYTES: Final = 64 << 10
"""No command set comes near this, except one made to fill memory."""


class Status:
    """Values of (0000,0900). Source: PS3.7 C, PS3.4 B.2.3, C.4."""

    SUCCESS = 0x0000
    PENDING, PENDING_WARNING, CANCEL = 0xFF00, 0xFF01, 0xFE00
    SUB_OPERATIONS_FAILED = 0xB000
    LIMIT_REACHED = 0xB001
    PROCESSING_FAILURE, DUPLICATE_INSTANCE, NO_SUCH_INSTANCE = 0x0110, 0x0111, 0x0112
    NO_SUCH_EVENT, INVALID_INSTANCE, NO_SUCH_CLASS = 0x0113, 0x0117, 0x0118
    CLASS_INSTANCE_CONFLICT, MISSING_ATTRIBUTE, MISSING_VALUE = 0x0119, 0x0120, 0x0121
    CLASS_NOT_SUPPORTED, NO_SUCH_ACTION, NOT_AUTHORIZED = 0x0122, 0x0123, 0x0124
    ATTRIBUTE_LIST_ERROR = 0x0107
    INVALID_ATTRIBUTE_VALUE, INVALID_ARGUMENT, NO_SUCH_ATTRIBUTE = 0x0106, 0x0115, 0x0105
    DUPLICATE_INVOCATION, UNRECOGNIZED_OPERATION, MISTYPED_ARGUMENT = 0x0210, 0x0211, 0x0212
    RESOURCE_LIMITATION = 0x0213
    OUT_OF_RESOURCES, CANNOT_COUNT, CANNOT_PERFORM, UNKNOWN_DESTINATION = 0xA700, 0xA701, 0xA702, 0xA801
    MISMATCH, CANNOT_UNDERSTAND = 0xA900, 0xC000


@dataclass(frozen=True, slots=True)
class Command:
    """One command set; None or empty: the element is not there."""

    command_field: int
    message_id: int | None = None
    message_id_responded_to: int | None = None
    affected_sop_class_uid: str = ""
    requested_sop_class_uid: str = ""
    affected_sop_instance_uid: str = ""
    requested_sop_instance_uid: str = ""
    priority: int | None = None
    status: int | None = None
    error_comment: str = ""
    error_id: int | None = None
    offending_elements: tuple[int, ...] = ()
    attribute_identifiers: tuple[int, ...] = ()
    event_type_id: int | None = None
    action_type_id: int | None = None
    move_destination: str = ""
    move_originator: str = ""
    move_originator_message_id: int | None = None
    remaining: int | None = None
    completed: int | None = None
    failed: int | None = None
    warning: int | None = None
    has_data: bool = False
    """Whether a data set follows; `send` sets it."""

    @property
    def is_response(self) -> bool:
        return self.command_field & RESPONSE != 0

    def answers(self, request: "Command") -> bool:
        """Whether this is a response to that request."""
        return self.command_field == request.command_field | RESPONSE and (
            self.message_id_responded_to == request.message_id
        )

    @property
    def sop_class_uid(self) -> str:
        """The class it is about, in whichever element it stands."""
        return self.affected_sop_class_uid or self.requested_sop_class_uid

    @property
    def sop_instance_uid(self) -> str:
        """The instance it is about, in whichever element it stands."""
        return self.affected_sop_instance_uid or self.requested_sop_instance_uid

    def answer(self, status: int, **more: Any) -> "Command":
        """The response to this request: what it repeats of it (PS3.7 9.3, 10.3), with a status and further fields."""
        return replace(
            Command(
                self.command_field | RESPONSE,
                message_id_responded_to=self.message_id,
                affected_sop_class_uid=self.sop_class_uid,
                affected_sop_instance_uid=self.sop_instance_uid,
                event_type_id=self.event_type_id,
                action_type_id=self.action_type_id,
                status=status,
            ),
            **more,
        )


ELEMENTS: Final = {
    0x0002: ("affected_sop_class_uid", "UI"),
    0x0003: ("requested_sop_class_uid", "UI"),
    0x0100: ("command_field", "US"),
    0x0110: ("message_id", "US"),
    0x0120: ("message_id_responded_to", "US"),
    0x0600: ("move_destination", "AE"),
    0x0700: ("priority", "US"),
    0x0800: ("has_data", "data"),
    0x0900: ("status", "US"),
    0x0901: ("offending_elements", "AT"),
    0x0902: ("error_comment", "LO"),
    0x0903: ("error_id", "US"),
    0x1000: ("affected_sop_instance_uid", "UI"),
    0x1001: ("requested_sop_instance_uid", "UI"),
    0x1002: ("event_type_id", "US"),
    0x1005: ("attribute_identifiers", "AT"),
    0x1008: ("action_type_id", "US"),
    0x1020: ("remaining", "US"),
    0x1021: ("completed", "US"),
    0x1022: ("failed", "US"),
    0x1023: ("warning", "US"),
    0x1030: ("move_originator", "AE"),
    0x1031: ("move_originator_message_id", "US"),
}
"""Element number to field and VR. Source: PS3.7 E.1."""
_LENGTHS: Final = {"LO": 64, "AE": 16, "UI": 64}


def encode(command: Command) -> bytes:
    """The bytes, group length first."""
    body = bytearray()
    for element, (name, vr) in ELEMENTS.items():
        value = getattr(command, name)
        if value is None or value in ("", ()):
            continue
        data = _write(vr, value)
        body += struct.pack("<HHI", 0, element, len(data)) + data
    return struct.pack("<HHII", 0, 0, 4, len(body)) + bytes(body)


def decode(data: bytes) -> Command:
    """The command set of these bytes; elements we do not know are passed over.

    Raises: Invalid, TooLarge.
    """
    if len(data) > MAX_BYTES:
        raise TooLarge("command_too_large", f"a command set has {MAX_BYTES} bytes at most")
    values: dict[str, Any] = {}
    at = 0
    while at < len(data):
        if len(data) - at < 8:
            raise Invalid("bad_command", "the command set ends within an element")
        group, element, length = struct.unpack_from("<HHI", data, at)
        at += 8
        if group != 0 or length > len(data) - at:
            raise Invalid("bad_command", f"({group:04X},{element:04X}) does not belong in a command set of this length")
        if element in ELEMENTS:
            name, vr = ELEMENTS[element]
            values[name] = _read(vr, element, data[at : at + length])
        at += length
    if "command_field" not in values:
        raise Invalid("bad_command", "the command set has no (0000,0100) Command Field")
    return Command(**{name: value for name, value in values.items() if value is not None})


def _write(vr: str, value: Any) -> bytes:
    if vr == "US":
        return struct.pack("<H", value)
    if vr == "data":
        return struct.pack("<H", DATA if value else NO_DATA)
    if vr == "AT":
        return b"".join(struct.pack("<HH", tag >> 16, tag & 0xFFFF) for tag in value)
    text = str(value).encode("ascii", "replace")[: _LENGTHS[vr]]
    return text + (b"\0" if vr == "UI" else b" ") * (len(text) % 2)


def _read(vr: str, element: int, value: bytes) -> Any:
    if vr in ("US", "data"):
        if len(value) not in (0, 2):
            raise Invalid("bad_command", f"(0000,{element:04X}) has {len(value)} bytes instead of 2")
        number = int.from_bytes(value, "little") if value else None
        return number if vr == "US" else number is not None and number != NO_DATA
    if vr == "AT":
        if len(value) % 4:
            raise Invalid("bad_command", f"(0000,{element:04X}) has {len(value)} bytes, no multiple of 4")
        return tuple(a << 16 | b for a, b in struct.iter_unpack("<HH", value))
    return value.decode("ascii", "replace").strip(" \0")
