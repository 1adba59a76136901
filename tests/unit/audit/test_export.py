"""What is exported says what was entered, in a form that others can check."""

import csv
import io
import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from lamelle.audit import chain, checkpoints, export, fhir, ledger, message, model, search, verify
from lamelle.audit.checkpoints import Rhythm
from lamelle.audit.keys import Key
from lamelle.audit.model import EVENTS, Entry
from lamelle.audit.search import Wanted
from lamelle.base.db import EPOCH, Database
from lamelle.testing.archives import SetClock

SCHEMA = etree.RelaxNG(etree.parse(str(Path(__file__).with_name("audit-message.rng"))))
HOSTILE = '<x a="&">]]>\x07\ud800é\'=1\n'


def entries() -> Iterator[Entry]:
    yield Entry("=cmd|'/c calc'!A1", "sign_in_refused", "refused", address="2001:db8::1", reason=HOSTILE)
    for action in EVENTS:
        yield Entry(
            "alice",
            action,
            "success",
            7,
            "research",
            3,
            "10.0.0.1",
            "session:12",
            "1.2.3",
            "P1",
            "Hôpital",
            HOSTILE,
            "because",
            {"query": HOSTILE, "limit": 5},
        )


@pytest.fixture
def filled(db: Database, folder: Path, clock: SetClock, key: Key) -> Database:
    for some in (list(entries())[:10], list(entries())[10:]):
        with db.write() as conn:
            for one in some:
                clock.move(1)
                ledger.record(conn, one, clock)
        ledger.seal(db, folder, clock, key, Rhythm(seconds=0))
    return db


def lines(db: Database, form: export.Format, wanted: Wanted | None = None) -> list[str]:
    return list(export.lines(db, form, wanted or Wanted(), "node"))


def test_our_own_form_can_be_checked_by_whoever_has_the_file(filled: Database, key: Key) -> None:
    link, signed = chain.START, []
    for line in lines(filled, "jsonl"):
        found = json.loads(line)
        if "checkpoint" in found:
            one = checkpoints.read(line)
            assert one is not None
            assert one.holds()
            assert (one.hash, one.key) == (link, key.id)
            signed.append(one.number)
        else:
            link = chain.link(link, model.canonical(found["entry"]))
            assert link == found["hash"]
    assert signed == [10, len(list(entries()))]


def test_an_export_is_a_copy_of_checkpoints_kept_elsewhere(
    filled: Database, folder: Path, key: Key, tmp_path: Path
) -> None:
    copy = tmp_path / "export.jsonl"
    copy.write_text("".join(lines(filled, "jsonl")))
    files = (folder / checkpoints.FILE, copy)
    assert verify.verify(filled, frozenset([key.id]), files).sound


def test_of_a_part_only_what_is_wanted_is_told(filled: Database) -> None:
    wanted = Wanted(actions=frozenset({"view"}))
    assert [json.loads(line)["entry"]["action"] for line in lines(filled, "jsonl", wanted)] == ["view"]
    since = [one.entry.at for one in search.walk(filled, Wanted())][20]
    late = [json.loads(line) for line in lines(filled, "jsonl", Wanted(since=since))]
    assert late[0]["number"] == 21
    assert "checkpoint" in late[-1]


def test_a_table_holds_every_field_and_no_formula(filled: Database) -> None:
    rows = list(csv.DictReader(io.StringIO("".join(lines(filled, "csv")))))
    assert len(rows) == len(list(entries()))
    assert rows[0]["actor"] == "'=cmd|'/c calc'!A1"
    assert rows[1]["issuer"] == "Hôpital"
    assert [row["action"] for row in rows[1:]] == list(EVENTS)


def test_every_entry_is_an_audit_message_of_the_standard(filled: Database) -> None:
    root = etree.fromstring("".join(lines(filled, "dicom")).encode())
    assert len(root) == len(list(entries()))
    for found in root:
        alone = etree.fromstring(etree.tostring(found))
        assert SCHEMA.validate(alone), SCHEMA.error_log
    refused, told = root[0], root[1 + list(EVENTS).index("break_glass")]
    assert refused.find("EventIdentification").get("EventOutcomeIndicator") == "4"
    assert refused.find("ActiveParticipant").get("NetworkAccessPointTypeCode") == "2"
    assert told.find("EventIdentification/EventTypeCode").get("csd-code") == "110127"
    names = {one.get("ParticipantObjectID") for one in told.iter("ParticipantObjectIdentification")}
    assert {"1.2.3", "P1^^^Hôpital"} <= names
    details = {one.get("type"): b64decode(one.get("value")).decode() for one in told.iter("ParticipantObjectDetail")}
    assert details["reason"] == "because"
    assert details["purpose"] == "research"
    assert json.loads(details["detail"])["limit"] == 5


@given(st.text(st.characters()), st.sampled_from(sorted(EVENTS)), st.text(st.characters()))
def test_no_text_breaks_a_message(text: str, action: str, other: str) -> None:
    entry = Entry(text, action, "failed", 0, text, 0, text, other, text, text, other, text, other, {text: other})
    read = model.read(model.line(entry, EPOCH))
    assert SCHEMA.validate(etree.fromstring(message.message(1, read, "node").encode())), SCHEMA.error_log
    json.dumps(fhir.resource(1, read, "node")).encode()


CODES = {"action": {"C", "R", "U", "D", "E"}, "outcome": {"0", "4", "8", "12"}}


def check_resource(found: dict[str, Any]) -> None:
    """What FHIR R4 demands of an AuditEvent: what must be there, bound codes, no empty value."""
    assert found["resourceType"] == "AuditEvent"
    assert {"type", "recorded", "agent", "source"} <= set(found)
    assert all(found[name] in allowed for name, allowed in CODES.items())
    assert all(isinstance(agent["requestor"], bool) for agent in found["agent"])
    assert "observer" in found["source"]
    for agent in found["agent"]:
        assert agent.get("network", {}).get("type", "1") in {"1", "2", "3", "4", "5"}
    for entity in found["entity"]:
        assert not ("name" in entity and "query" in entity), "sev-1"
    assert not empty(found)


def empty(value: Any) -> bool:
    if isinstance(value, dict):
        return not value or any(empty(one) for one in value.values())
    if isinstance(value, list):
        return not value or any(empty(one) for one in value)
    return value in ("", None)


def test_every_entry_is_a_fhir_audit_event(filled: Database) -> None:
    found = [json.loads(line) for line in lines(filled, "fhir")]
    assert len(found) == len(list(entries()))
    for one in found:
        check_resource(one)
    view = found[1 + list(EVENTS).index("view")]
    assert view["type"]["code"] == "110103"
    assert view["purposeOfEvent"][0]["coding"][0]["code"] == "HRESCH"
    assert view["entity"][0]["what"]["identifier"]["value"] == "urn:oid:1.2.3"
    assert found[1 + list(EVENTS).index("break_glass")]["purposeOfEvent"][0]["coding"][0]["code"] == "BTG"
    query = found[1 + list(EVENTS).index("search")]["entity"][-1]
    assert json.loads(b64decode(query["query"]))["limit"] == 5
