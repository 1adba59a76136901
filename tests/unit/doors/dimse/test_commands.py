"""Command sets: what was written is read again, and nothing but an Invalid comes of garbage."""

from contextlib import suppress
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamelle.base.errors import Invalid
from lamelle.doors.dimse import commands
from lamelle.doors.dimse.commands import ELEMENTS, Command

US = st.none() | st.integers(0, 0xFFFF)
VALUES: dict[str, Any] = {
    "US": US,
    "UI": st.text("0123456789.", max_size=64),
    "AE": st.text("ABC xyz09_", max_size=16).map(str.strip),
    "LO": st.text("abc: (0)", max_size=64).map(str.strip),
    "AT": st.lists(st.integers(0, 0xFFFFFFFF), max_size=4).map(tuple),
    "data": st.booleans(),
}
COMMANDS = st.builds(
    Command,
    **({name: VALUES[vr] for name, vr in ELEMENTS.values()} | {"command_field": st.integers(0, 0xFFFF)}),
)


@given(COMMANDS)
def test_round_trip(command: Command) -> None:
    assert commands.decode(commands.encode(command)) == command


@given(st.binary(max_size=200))
def test_garbage_is_refused_or_read(data: bytes) -> None:
    with suppress(Invalid):
        commands.decode(data)


@given(COMMANDS, st.data())
def test_cut_short_is_refused(command: Command, data: st.DataObject) -> None:
    whole = commands.encode(command)
    at = data.draw(st.integers(1, len(whole) - 1))
    try:
        found = commands.decode(whole[:at])
    except Invalid:
        return
    kept = [item.name for item in fields(Command) if getattr(found, item.name) == getattr(command, item.name)]
    assert "command_field" in kept


def test_every_field_has_its_element() -> None:
    assert {name for name, _ in ELEMENTS.values()} == {item.name for item in fields(Command)}


def test_known_bytes() -> None:
    """A C-ECHO request as PS3.7 9.3.5.1 has it, written by hand."""
    data = bytes.fromhex(
        "00000000 04000000 38000000"
        "00000200 12000000 312e322e3834302e31303030382e312e3100"
        "00000001 02000000 3000"
        "00001001 02000000 0700"
        "00000008 02000000 0101"
    )
    command = Command(commands.C_ECHO, message_id=7, affected_sop_class_uid="1.2.840.10008.1.1")
    assert commands.encode(command) == data
    assert commands.decode(data) == command


def test_an_answer_repeats_what_it_answers() -> None:
    request = Command(commands.N_SET, 3, requested_sop_class_uid="1.2", requested_sop_instance_uid="1.3", has_data=True)
    answer = request.answer(0x0110, error_comment="why")
    assert (answer.command_field, answer.message_id_responded_to, answer.message_id) == (0x8120, 3, None)
    assert (answer.affected_sop_class_uid, answer.affected_sop_instance_uid) == ("1.2", "1.3")
    assert (answer.status, answer.error_comment, answer.has_data) == (0x0110, "why", False)


@pytest.mark.parametrize("what", ["group", "length", "odd_number"])
def test_what_does_not_belong_is_refused(what: str) -> None:
    data = {
        "group": "08000000 02000000 0000",
        "length": "00000001 ff000000 3000",
        "odd_number": "00000001 03000000 300000",
    }[what]
    with pytest.raises(Invalid, match=r"bytes instead|does not belong"):
        commands.decode(bytes.fromhex(data))


def test_one_too_large_is_refused() -> None:
    with pytest.raises(Invalid, match="at most"):
        commands.decode(bytes(commands.MAX_BYTES + 1))
