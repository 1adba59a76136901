"""Entries and their lines: one text for one entry, whatever strangers put into it."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamelle.audit import model
from lamelle.audit.model import EVENTS, Entry
from lamelle.base.errors import Invalid

NOW = datetime(2026, 11, 22, 3, 4, 5, 60, tzinfo=UTC)
TEXT = st.text(st.characters(), max_size=30)  # surrogates and NUL too
VALUE = st.recursive(st.none() | st.booleans() | st.integers() | TEXT, lambda inner: st.lists(inner, max_size=3))


def fresh(**given: Any) -> Entry:
    return Entry(**{"actor": "a", "action": "view", **given})


@given(
    st.builds(
        Entry,
        actor=TEXT,
        action=st.sampled_from(sorted(EVENTS)),
        outcome=st.sampled_from(["success", "refused", "failed"]),
        actor_id=st.integers(0, 2**40),
        purpose=TEXT,
        place=st.integers(0, 2**40),
        address=TEXT,
        session=TEXT,
        study_uid=TEXT,
        patient_id=TEXT,
        issuer=TEXT,
        subject=TEXT,
        reason=TEXT,
        detail=st.dictionaries(TEXT, VALUE, max_size=3),
        at=st.none() | st.datetimes(timezones=st.just(UTC)),
    )
)
def test_a_line_read_and_written_again_is_the_same_text(entry: Entry) -> None:
    line = model.line(entry, NOW)
    assert line.isascii()
    assert "\n" not in line
    again = model.read(line)
    assert again.at == (entry.at or NOW)
    assert model.line(again, NOW) == line


def test_a_line_is_canonical() -> None:
    local = NOW.astimezone(timezone(timedelta(hours=2)))
    line = model.line(fresh(patient_id="É", at=local), NOW)
    assert line == (
        '{"action":"view","actor":"a","at":"2026-11-22T03:04:05.000060Z","outcome":"success","patient_id":"\\u00c9"}'
    )


def test_long_texts_are_cut() -> None:
    entry = model.read(model.line(fresh(reason="x" * 10**6, detail={"query": "y" * 10**6}), NOW))
    assert len(entry.reason) == model.LONGEST
    assert entry.detail == {"cut": 10**6 + 12}


@pytest.mark.parametrize("detail", [{"a": object()}, {"a": float("nan")}])
def test_what_is_no_json_does_not_stop_an_entry(detail: Any) -> None:
    assert model.read(model.line(fresh(detail=detail), NOW)).detail == {"unwritable": True}


def test_an_unknown_action_is_refused() -> None:
    with pytest.raises(Invalid):
        Entry("a", "no_such_action")


SOUND = {"actor": "a", "action": "view", "outcome": "success", "at": "2026-11-22T03:04:05.000060Z"}


@pytest.mark.parametrize(
    "changed",
    [
        {"action": "other"},
        {"actor": 5},
        {"actor": "a\0"},
        {"at": "yesterday"},
        {"at": None},
        {"outcome": "maybe"},
        {"place": "1"},
        {"detail": []},
        {"more": 1},
    ],
)
def test_a_line_that_is_no_entry_is_refused(changed: dict[str, Any]) -> None:
    assert model.read(json.dumps(SOUND))
    with pytest.raises(Invalid):
        model.read(json.dumps({**SOUND, **changed}))


@pytest.mark.parametrize("text", ["", "5", "[]", "{", '{"actor":"a"}', "[" * 100_000])
def test_garbage_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        model.read(text)
