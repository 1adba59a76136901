"""The JSON of the laboratory: lists, one case, what one does with it, who may, and what the ledger is told."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from lamelle.access.model import Caller, Role
from lamelle.access.room import Access
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.audit import model
from lamelle.audit.model import Entry
from lamelle.audit.tables import pending
from lamelle.doors.guard import Callers, Guard
from lamelle.doors.web.api import api
from lamelle.doors.web.settings import WebSettings
from lamelle.lab import cases, patients
from lamelle.lab.orders import Identifier, Identity, MergeSaid, Order
from lamelle.lab.room import Lab, LabSettings
from lamelle.ops.routes import table
from lamelle.testing import laboratory
from lamelle.testing.archives import SetClock
from lamelle.testing.browser import Client, client
from lamelle.testing.casework import known, placed, worker
from lamelle.testing.people import CHEAP


@pytest.fixture
def archive(tmp_path: Path, catalogue_url: str) -> Iterator[Archive]:
    found = Archive.open(ArchiveSettings(tmp_path / "data", catalogue_url, reserve_bytes=0), SetClock())
    yield found
    found.close()


@pytest.fixture
def lab(archive: Archive) -> Lab:
    return Lab(archive.db, archive.clock, LabSettings())


def page(archive: Archive, lab: Lab, who: Caller, told: list[Entry] | None = None) -> Client:
    """The API as somebody sees it, behind the guard and the table of routes."""
    entries: list[Entry] = [] if told is None else told
    routes = [Mount("/api", api(archive, Access.open(archive.db, archive.clock, CHEAP), WebSettings(), None, lab))]
    callers = Callers(lambda _: who, 60.0)
    guarding = Guard(callers, entries.append, lambda study, series: None)
    guarding.wrap(routes, table("/dicomweb"))
    app = guarding.front(Starlette(routes=routes))

    async def signed(scope: Scope, receive: Receive, send: Send) -> None:
        scope["headers"] = [*scope["headers"], (b"authorization", b"Bearer x")]
        await app(scope, receive, send)

    return client(signed)


def sent(ask: Client, method: str, target: str, body: Any = None) -> Any:
    """What came of a change: its JSON, or the status and code of a refusal."""
    import json

    headers = {"content_type": "application/json"} if body is not None else {}
    answer = ask(target, method, b"" if body is None else json.dumps(body).encode(), **headers)
    if answer.status_code >= 400:
        return answer.status_code, answer.json()["code"]
    return answer.json() if answer.content else None


def test_a_case_is_listed_opened_reported_and_signed(archive: Archive, lab: Lab) -> None:
    told: list[Entry] = []
    number = cases.take(lab, laboratory.ORDER)
    ann = worker(lab, "ann")
    ask = page(archive, lab, ann, told)
    for slide in (1, 2):
        laboratory.scanned(lab, f"25P01234-A-1-{slide}", f"1.2.{slide}", quality="pass")
    (listed,) = ask("/api/cases?view=all").json()["items"]
    assert (listed["accession"], listed["unread"], listed["state"]) == ("25P01234", True, "ready")
    assert listed["patient"] == {
        "id": "000003",
        "name": "PAT-TROIS DOMINIQUE",
        "birth_date": "1979-03-14",
        "sex": "F",
        "ins": "",
    }
    assert [face["series_uid"] for face in listed["slides"]] == ["1.2.1", "1.2.2"]
    assert sent(ask, "POST", f"/api/cases/{number}/open") is None
    assert sent(ask, "POST", f"/api/cases/{number}/assign", {"actor": ann.actor.id}) is None
    assert sent(ask, "POST", f"/api/cases/{number}/techniques", {"code": "KI67", "text": "Ki-67"})["id"] > 0
    assert sent(ask, "PUT", f"/api/cases/{number}/report", {"text": "Benign.", "version": 0}) == {"version": 1}
    assert sent(ask, "PUT", f"/api/cases/{number}/report", {"text": "No.", "version": 0}) == (409, "stale_report")
    found = ask(f"/api/cases/{number}").json()
    assert (found["unread"], found["assigned_to"]) == (False, {"id": ann.actor.id, "name": "Ann"})
    assert [one["identifier"] for one in found["specimens"][0]["blocks"][0]["slides"]] == [
        "25P01234-A-1-1",
        "25P01234-A-1-2",
    ]
    assert found["specimens"][0]["blocks"][0]["slides"][0]["scans"][0]["series_uid"] == "1.2.1"
    assert found["may"] == {"report": True, "validate": True, "schedule": True}
    assert (found["techniques_open"], found["techniques"][0]["state"]) == (1, "requested")
    asked = found["techniques"][0]["id"]
    assert sent(ask, "DELETE", f"/api/cases/{number}/techniques/{asked}") is None
    assert sent(ask, "POST", f"/api/cases/{number}/report/1/finish", {"state": "final"}) is None
    done = ask(f"/api/cases/{number}").json()
    assert (done["state"], done["reports"][0]["state"], done["priority"]) == ("validated", "final", 0)
    assert {"report_validated", "report_written", "assigned", "opened", "technique_requested"} <= {
        one["what"] for one in done["history"]
    }
    assert [(one.action, one.patient_id) for one in told] == [("search", ""), ("read", "000003")], "once in a while"


def test_a_resident_writes_and_does_not_sign_a_technician_does_neither(archive: Archive, lab: Lab) -> None:
    number = cases.take(lab, laboratory.ORDER)
    ron = page(archive, lab, worker(lab, "ron", Role.RESIDENT))
    assert sent(ron, "PUT", f"/api/cases/{number}/report", {"text": "Benign.", "version": 0}) == {"version": 1}
    final = (f"/api/cases/{number}/report/1/finish", {"state": "final"})
    assert sent(ron, "POST", *final)[0] == 403
    assert sent(ron, "POST", final[0], {"state": "preliminary"}) is None
    tom = page(archive, lab, worker(lab, "tom", Role.TECHNICIAN))
    assert tom(f"/api/cases/{number}").json()["may"] == {"report": False, "validate": False, "schedule": True}
    for method, target, body in (
        ("PUT", f"/api/cases/{number}/report", {"text": "x", "version": 1}),
        ("POST", f"/api/cases/{number}/assign", {"actor": None}),
        ("POST", *final),
        ("PUT", "/api/priorities", {"place": 1, "rules": []}),
    ):
        assert sent(tom, method, target, body)[0] == 403
    assert page(archive, lab, worker(lab, "ann"))("/api/worklists").json()["views"][6] == {
        "key": "to_sign",
        "count": 1,
        "unread": 1,
        "exact": True,
    }


def test_who_is_of_no_laboratory_sees_nothing_of_cases(archive: Archive, lab: Lab) -> None:
    from lamelle.access import places

    number = cases.take(lab, laboratory.ORDER)
    with lab.db.write() as conn:
        elsewhere = places.add(conn, "establishment", "Elsewhere")
    eve = page(archive, lab, worker(lab, "eve", place=elsewhere))
    assert eve("/api/cases").json() == {"items": [], "total": 0, "exact": True}
    assert all(one["count"] == 0 for one in eve("/api/worklists").json()["views"])
    targets = [
        ("GET", f"/api/cases/{number}"),
        ("POST", f"/api/cases/{number}/open"),
        ("GET", f"/api/cases/{number}/proposals"),
    ]
    for method, target in targets:
        assert sent(eve, method, target) == (404, "no_such_case")
    for role in (Role.RESEARCHER, Role.TEACHER, Role.MANAGER):
        other = page(archive, lab, worker(lab, role.value, role))
        for target in ("/api/cases", "/api/worklists", f"/api/cases/{number}", "/api/views", "/api/live"):
            assert other(target).status_code == 403


def test_prior_cases_are_those_of_the_same_patient_within_reach(archive: Archive, lab: Lab) -> None:
    who = known(lab, "P1", "DOE", ins="279035121518989", ins_status="VALI")
    number, before = placed(lab, "A2", patient_id=who), placed(lab, "A1", patient_id=who, state="validated")
    placed(lab, "A0", patient_id=who, place=77)
    found = page(archive, lab, worker(lab, "ann"))(f"/api/cases/{number}").json()
    assert [one["id"] for one in found["prior"]] == [before]
    assert found["patient"]["ins"] == "279035121518989"
    assert (found["specimens"], found["loose"]) == ([], [])


def test_views_rules_and_specialties_are_kept(archive: Archive, lab: Lab) -> None:
    ann = worker(lab, "ann")
    ask = page(archive, lab, ann)
    placed(lab, "A1", specialty="uro")
    made = sent(ask, "POST", "/api/views", {"name": "Mine", "query": "view=mine"})["id"]
    assert ask("/api/worklists").json()["saved"] == [{"id": made, "name": "Mine", "query": "view=mine"}]
    assert sent(ask, "DELETE", f"/api/views/{made}") is None
    assert ask("/api/views").json() == []
    rule = {"field": "specialty", "value": "uro", "hours": 9}
    assert sent(ask, "PUT", "/api/priorities", {"place": 1, "rules": [rule]}) is None
    assert ask("/api/priorities").json() == [{"place": 1, "source": 1, "rules": [rule], "editable": True}]
    (item,) = ask("/api/cases?view=all&sort=priority").json()["items"]
    assert (item["priority"], item["why"][0]) == (9, rule)
    assert sent(ask, "PUT", "/api/specialties", {"id": ann.actor.id, "specialties": ["uro"]}) is None
    who = {"id": ann.actor.id, "login": "ann", "name": "Ann", "load": 0}
    assert ask("/api/specialties").json() == [{**who, "specialties": ["uro"], "editable": True}]
    assert sent(ask, "PUT", "/api/priorities", {"place": 1, "rules": [{**rule, "field": "mood"}]})[0] == 400


def test_what_somebody_may_not_change_is_not_offered(archive: Archive, lab: Lab) -> None:
    """Also of who reports everywhere: that is no colleague to change for who signs nothing."""
    ann, ron, zoe = worker(lab, "ann"), worker(lab, "ron", Role.RESIDENT), worker(lab, "zoe", place=None)
    tom = worker(lab, "tom", Role.TECHNICIAN)

    def offered(who: Caller) -> tuple[list[bool], list[str]]:
        ask = page(archive, lab, who)
        told = ask("/api/specialties").json()
        for one in told:
            answer = sent(ask, "PUT", "/api/specialties", {"id": one["id"], "specialties": []})
            assert (answer is None) == one["editable"], one["login"]
        rules = [one["editable"] for one in ask("/api/priorities").json()]
        assert (sent(ask, "PUT", "/api/priorities", {"place": 1, "rules": []}) is None) == all(rules)
        return rules, [one["login"] for one in told if one["editable"]]

    assert offered(ann) == ([True], ["ann", "ron", "zoe"])
    assert offered(ron) == ([False], ["ron"])
    assert offered(tom) == ([False], [])
    assert offered(zoe)[0] == [True]


# -- merges ----------------------------------------------------------------------------------------------------------

KEPT, GONE = (Identity((Identifier(letter, "CHU"),), family=f"PAT-{letter}") for letter in "AB")


def merged(lab: Lab) -> int:
    """Two patients with a case each, the second merged into the first by DIAMIC."""
    for who in (KEPT, GONE):
        cases.take(lab, Order(Identifier(f"25P-{who.family}", "DIAMIC"), laboratory.at(0), patient=who))
    return patients.merge(lab, MergeSaid(KEPT, GONE.identifiers[0], laboratory.at(1), "DIAMIC"))


def test_a_merge_is_listed_undone_and_not_undone_twice(archive: Archive, lab: Lab) -> None:
    told: list[Entry] = []
    number = merged(lab)
    ask = page(archive, lab, worker(lab, "tom", Role.TECHNICIAN), told)
    (item,) = ask("/api/merges").json()
    assert (item["id"], item["gone"]["name"], item["kept"]["name"]) == (number, "PAT-B", "PAT-A")
    assert (item["source"], item["cases"], item["undoable"], item["undone_at"]) == ("DIAMIC", 1, True, None)
    assert [one["id"] for one in ask("/api/merges?q=pat-b").json()] == [number]
    assert ask("/api/merges?q=nobody").json() == []
    assert sent(ask, "POST", f"/api/merges/{number}/undo") is None
    assert sent(ask, "POST", f"/api/merges/{number}/undo") == (409, "already_undone")
    assert sent(ask, "POST", f"/api/merges/{number + 1}/undo") == (404, "no_such_merge")
    (item,) = ask("/api/merges").json()
    assert (item["undoable"], item["undone_by"], item["undone_at"] is None) == (False, "Tom", False)
    assert {one["patient"]["name"] for one in ask("/api/cases").json()["items"]} == {"PAT-A", "PAT-B"}
    searches = [one.detail.get("keys") for one in told if one.detail.get("route") == "GET /api/merges"]
    assert searches == [None, {"q": "pat-b"}, {"q": "nobody"}]
    with lab.db.read() as conn:
        entries = [model.read(text) for text in conn.execute(sa.select(pending.c.entry)).scalars()]
    undone = [(one.actor, one.patient_id, one.subject) for one in entries if one.detail.get("undone")]
    assert undone == [("tom", "A", "B")]


def test_a_merge_of_another_establishment_is_not_there(archive: Archive, lab: Lab) -> None:
    from lamelle.access import places

    number = merged(lab)
    with lab.db.write() as conn:
        elsewhere = places.add(conn, "establishment", "Elsewhere")
    eve = page(archive, lab, worker(lab, "eve", place=elsewhere))
    assert eve("/api/merges").json() == []
    assert sent(eve, "POST", f"/api/merges/{number}/undo") == (404, "no_such_merge")
    away = Order(Identifier("25P-away", "OTHER"), laboratory.at(2), patient=GONE, place=elsewhere)
    cases.take(lab, away)
    assert [(one["kept"]["id"], one["undoable"]) for one in eve("/api/merges").json()] == [("A", False)]
    ann = page(archive, lab, worker(lab, "ann"))
    for ask in (eve, ann):
        assert sent(ask, "POST", f"/api/merges/{number}/undo") == (403, "cases_beyond")
    for role in (Role.RESIDENT, Role.RESEARCHER, Role.MANAGER):
        other = page(archive, lab, worker(lab, role.value, role))
        assert other("/api/merges").status_code == 403
        assert sent(other, "POST", f"/api/merges/{number}/undo")[0] == 403
