"""The console of messages over a real laboratory: what is shown, what a person does."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from lamelle.access.room import Access
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.audit.model import Entry
from lamelle.doors.web.api import api
from lamelle.doors.web.hl7 import Console, Told
from lamelle.lab import messages
from lamelle.lab.messages import Arrived
from lamelle.lab.room import Lab, LabSettings
from lamelle.testing.archives import SetClock
from lamelle.testing.browser import Client, client
from lamelle.testing.guarded import open_to_all
from lamelle.testing.people import CHEAP

RAW = b"MSH|^~\\&|DIAMIC|X|SGI|X|20250312101500||OML^O21^OML_O21|M1|P|2.5.1\rPID|1||3^^^X||D\xe9^A\rSPM|1|25P1-A\r"
CONSOLE = Console(2575, {"DIAMIC": Told("diamic", True, 60.0), "GAM": Told("standard", False, 600.0)})
TYPED = {"content_type": "application/json"}


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def lab(tmp_path: Path, clock: SetClock) -> Iterator[Lab]:
    archive = Archive.open(ArchiveSettings(tmp_path, reserve_bytes=0), clock)
    yield Lab(archive.db, archive.clock, LabSettings())
    archive.close()


@pytest.fixture
def told() -> list[Entry]:
    return []


@pytest.fixture
def ask(lab: Lab, told: list[Entry]) -> Client:
    made = api(None, Access.open(lab.db, lab.clock, CHEAP), laboratory=lab, console=CONSOLE)  # type: ignore[arg-type]
    return client(open_to_all(Starlette(routes=[Mount("/api", made)]), told))


@pytest.fixture
def number(lab: Lab) -> int:
    kept = messages.keep(lab, Arrived("DIAMIC", 1, RAW, "M1", "OML^O21")).id
    messages.settle(
        lab, kept, "error", code="missing_field", reason="SAC-3 is missing", answer=b"MSA|AE\r", accession="25P1"
    )
    return kept


def test_a_list_says_nothing_of_patients(ask: Client, number: int) -> None:
    found = ask("/api/hl7/messages?state=error").json()
    assert found["total"] == 1
    assert found["items"][0] | {"at": ""} == {
        "id": number,
        "direction": "in",
        "peer": "DIAMIC",
        "kind": "OML^O21",
        "control_id": "M1",
        "state": "error",
        "accession": "25P1",
        "at": "",
        "attempts": 1,
        "error": "SAC-3 is missing",
    }
    assert ask("/api/hl7/messages?direction=out").json()["total"] == 0


def test_a_message_is_shown_field_by_field_and_its_reading_is_entered(
    ask: Client, number: int, told: list[Entry]
) -> None:
    found = ask(f"/api/hl7/messages/{number}").json()
    assert found["text"].splitlines()[2] == "SPM|1|25P1-A"
    assert "Dé^A" in found["text"]  # no character set was named, and it is no UTF-8
    pid = next(segment for segment in found["segments"] if segment["name"] == "PID")
    assert {"at": "PID-5", "name": "Patient name", "value": "Dé^A"} in pid["fields"]
    assert (found["answer"], found["case"]) == ("MSA|AE", None)
    assert [(entry.action, entry.detail["message"]) for entry in told] == [("view", number)]


def test_a_document_in_a_field_is_cut_short_and_its_text_is_whole(ask: Client, lab: Lab) -> None:
    raw = b"MSH|^~\\&|DIAMIC\rOBX|1|ED|PDF||^application^PDF^Base64^" + b"A" * 100_000 + b"\r"
    number = messages.keep(lab, Arrived("DIAMIC", 1, raw, "", "")).id
    found = ask(f"/api/hl7/messages/{number}").json()
    assert len(found["text"]) == len(raw) - 1
    (value,) = (field["value"] for field in found["segments"][1]["fields"] if field["at"] == "OBX-5")
    assert len(value) == 2001 and value.endswith("A…")


def test_a_purged_message_says_so(ask: Client, lab: Lab, number: int, clock: SetClock) -> None:
    messages.settle(lab, number, "done", answer=b"MSA|AA")
    clock.move(2 * 86400)
    messages.purge(lab, 1, {})
    found = ask(f"/api/hl7/messages/{number}").json()
    assert (found["text"], found["answer"], found["segments"]) == ("", "", [])
    assert found["purged_at"] == clock.now().isoformat()
    assert ask(f"/api/hl7/messages/{number}/replay", "POST").json()["code"] == "message_purged"


def test_what_is_no_message_has_no_fields(ask: Client, lab: Lab) -> None:
    kept = messages.keep(lab, Arrived("?", 1, b"GET / HTTP/1.1\r\n", "", ""), "rejected").id
    found = ask(f"/api/hl7/messages/{kept}").json()
    assert (found["segments"], found["text"]) == ([], "GET / HTTP/1.1")


def test_a_repaired_message_is_done_again(ask: Client, lab: Lab, number: int) -> None:
    body = json.dumps({"text": "MSH|^~\\&|DIAMIC\nSAC|||25P1-A"}).encode()
    assert ask(f"/api/hl7/messages/{number}/repair", "POST", body, **TYPED).status_code == 204
    with lab.db.read() as conn:
        row = conn.execute(messages.message.select()).one()
    assert (row.state, row.repaired, row.raw) == ("received", "MSH|^~\\&|DIAMIC\rSAC|||25P1-A\r", RAW)
    assert ask(f"/api/hl7/messages/{number}/replay", "POST").json()["code"] == "message_in_work"


def test_what_came_is_not_resent(ask: Client, number: int) -> None:
    assert ask(f"/api/hl7/messages/{number}/resend", "POST").status_code == 409
    assert ask("/api/hl7/messages/99/replay", "POST").status_code == 404


def test_who_is_silent_is_said(ask: Client, number: int) -> None:
    found = ask("/api/hl7/state").json()
    assert (found["listening"], found["port"], found["error"], found["waiting"]) == (True, 2575, 1, 0)
    peers = {peer["name"]: peer for peer in found["peers"]}
    assert (peers["DIAMIC"]["direction"], peers["DIAMIC"]["silent"], peers["DIAMIC"]["errors"]) == ("both", False, 1)
    assert (peers["GAM"]["direction"], peers["GAM"]["silent"]) == ("in", True)
