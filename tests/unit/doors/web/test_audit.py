"""The officer's JSON: found by what is asked, page by page, within one's own establishment; reading it is an entry."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from lamelle.access import people, places
from lamelle.access.model import Action, Caller, Purpose, Role
from lamelle.access.room import Access
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.audit import ledger, tables
from lamelle.audit.model import Entry
from lamelle.audit.room import Audit
from lamelle.audit.settings import AuditSettings
from lamelle.doors import guard
from lamelle.doors.guard import Callers, Found, Rule, Visit
from lamelle.doors.guard.credentials import Credential
from lamelle.doors.guard.visits import KEY
from lamelle.doors.web.api import api
from lamelle.doors.web.settings import WebSettings
from lamelle.testing.archives import SetClock
from lamelle.testing.browser import Client, client
from lamelle.testing.people import CHEAP


@pytest.fixture
def archive(tmp_path: Path, catalogue_url: str) -> Iterator[Archive]:
    found = Archive.open(ArchiveSettings(tmp_path / "data", catalogue_url, reserve_bytes=0), SetClock())
    yield found
    found.close()


@pytest.fixture
def room(archive: Archive) -> Audit:
    made = Audit(archive.db, archive.clock, archive.settings.data_dir / "audit", AuditSettings())
    with archive.db.write() as conn:
        for number in range(1, 8):
            archive.clock.move(1)  # type: ignore[attr-defined]
            one = Entry("alice", "view", actor_id=1, place=1 + number % 2, patient_id=f"P{number % 3}", study_uid="1.2")
            ledger.record(conn, one, archive.clock)
        ledger.record(conn, Entry("bob", "break_glass", "refused", actor_id=2, patient_id="P1"), archive.clock)
    made.seal(made.key, sign=True)
    return made


def asked(archive: Archive, room: Audit, *, told: list[Entry] | None = None, caller: Caller = guard.LOCAL) -> Client:
    """The page of an officer, of the whole installation unless said otherwise."""
    callers = Callers(lambda _: caller, 1.0)
    entries: list[Entry] = [] if told is None else told
    app = Starlette(
        routes=[Mount("/api", api(archive, Access.open(archive.db, archive.clock, CHEAP), WebSettings(), room))]
    )

    async def met(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            known = callers.read(Credential("bearer", "a token"))
            rule = Rule(Action.AUDIT)
            scope[KEY] = Visit(callers, entries.append, lambda study, series: Found(study), "", known, rule=rule)
        await app(scope, receive, send)

    return client(met)


def numbers(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [one["number"] for one in answer.json()["entries"]]


def test_what_is_asked_is_found_page_by_page(archive: Archive, room: Audit) -> None:
    ask = asked(archive, room)
    assert numbers(ask("/api/audit/entries")) == [8, 7, 6, 5, 4, 3, 2, 1]
    assert numbers(ask("/api/audit/entries?patient_id=P1")) == [8, 7, 4, 1]
    assert numbers(ask("/api/audit/entries?actor=bob")) == [8]
    assert numbers(ask("/api/audit/entries?action=break_glass,sign_in&outcome=refused&outcome=failed")) == [8]
    assert numbers(ask("/api/audit/entries?from=2026-01-02T03:04:07Z&to=2026-01-02T03:04:09Z")) == [3, 2]
    assert numbers(ask("/api/audit/entries?to=2026-01-02T03:04:07")) == [1]
    assert numbers(ask("/api/audit/entries?to=2026-01-02")) == []
    first = ask("/api/audit/entries?limit=3&study_uid=1.2").json()
    assert [one["number"] for one in first["entries"]] == [7, 6, 5]
    second = ask(f"/api/audit/entries?limit=4&study_uid=1.2&after={first['next']}").json()
    assert ([one["number"] for one in second["entries"]], second["next"]) == ([4, 3, 2, 1], None)


@pytest.mark.parametrize("query", ["action=dance", "limit=0", "after=x", "outcome=maybe", "from=yesterday"])
def test_what_cannot_be_read_is_refused(archive: Archive, room: Audit, query: str) -> None:
    assert asked(archive, room)(f"/api/audit/entries?{query}").status_code == 400


def test_an_officer_reads_of_their_own_establishment(archive: Archive, room: Audit) -> None:
    with archive.db.write() as conn:
        other = places.add(conn, "establishment", "Elsewhere")
        assert other == 2
        officer = people.add(conn, "officer", archive.clock.now())
        people.appoint(conn, officer, Role.PROTECTION_OFFICER, other)
        actor = people.load(conn, officer, archive.clock.now())
    ask = asked(archive, room, caller=Caller(actor, Purpose.OPERATIONS))
    assert numbers(ask("/api/audit/entries")) == [7, 5, 3, 1], "bob is none of theirs"
    assert len(ask("/api/audit/export?format=jsonl").text.splitlines()) == 4, "and no checkpoints of the rest"
    with archive.db.write() as conn:
        conn.execute(sa.update(tables.ledger).where(tables.ledger.c.actor == "bob").values(actor_id=officer))
    assert numbers(ask("/api/audit/entries?action=break_glass")) == [8]


def test_who_may_not_read_the_ledger_is_refused(archive: Archive, room: Audit) -> None:
    with archive.db.write() as conn:
        number = people.add(conn, "nosy", archive.clock.now())
        people.appoint(conn, number, Role.PATHOLOGIST, 1)
        actor = people.load(conn, number, archive.clock.now())
    ask = asked(archive, room, caller=Caller(actor, Purpose.CARE))
    assert ask("/api/audit/entries").status_code == 403
    assert ask("/api/audit/export").status_code == 403


def test_reading_is_an_entry(archive: Archive, room: Audit) -> None:
    told: list[Entry] = []
    ask = asked(archive, room, told=told)
    ask("/api/audit/entries?patient_id=P1&outcome=refused")
    ask("/api/audit/export?format=csv&actor=alice")
    assert [(one.action, one.patient_id) for one in told] == [("audit_read", "P1"), ("audit_export", "")]
    assert told[0].detail == {"outcomes": ["refused"]}
    assert told[1].detail == {"actor": "alice", "format": "csv"}


def test_an_export_is_a_file(archive: Archive, room: Audit) -> None:
    answer = asked(archive, room)("/api/audit/export?format=csv&patient_id=P1")
    assert answer.headers["content-disposition"] == 'attachment; filename="audit.csv"'
    assert [row["number"] for row in csv.DictReader(io.StringIO(answer.text))] == ["1", "4", "7", "8"]


def test_the_state_tells_what_is_wrong(archive: Archive, room: Audit) -> None:
    ask = asked(archive, room)
    with archive.db.write() as conn:
        ledger.record(conn, Entry("alice", "view"), archive.clock)
    state = ask("/api/audit/state").json()
    assert (state["entries"], state["sound"], state["waiting"], state["findings"]) == (8, True, 1, [])
    assert state["checkpoint"]["number"] == 8
    assert state["checkpoint"]["key"] == room.key.id
    with archive.db.write() as conn:
        conn.execute(sa.update(tables.ledger).where(tables.ledger.c.number == 3).values(patient_id="P9"))
    verified = ask("/api/audit/verify", method="POST").json()
    assert not verified["sound"]
    assert verified["findings"][0]["number"] == 3
    room.seal(room.key, sign=True)
    room.record(Entry("alice", "view"))
    room.seal(room.key, sign=True)
    later = ask("/api/audit/state").json()
    assert later["findings"][0]["number"] == 3, "also when a look at the end finds nothing"
