"""The desk's routes over a real laboratory and archive: what is shown, decided and taken back."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from starlette.applications import Starlette
from starlette.routing import Mount

from lamelle.access.room import Access
from lamelle.archive.store import Archive, ArchiveSettings
from lamelle.audit.model import Entry
from lamelle.base.ids import uid_from
from lamelle.doors.web.api import api
from lamelle.doors.web.settings import WebSettings
from lamelle.lab import cases, quality
from lamelle.lab.records import scan
from lamelle.lab.room import Lab, LabSettings
from lamelle.testing import instances, laboratory, pictures
from lamelle.testing.archives import SetClock, stored
from lamelle.testing.browser import Client, client
from lamelle.testing.guarded import open_to_all
from lamelle.testing.people import CHEAP

TYPED = {"content_type": "application/json"}
SERIES = uid_from("series", "biopsy", "a")
LABEL = ["ORIGINAL", "PRIMARY", "LABEL", "NONE"]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    found = Archive.open(ArchiveSettings(tmp_path_factory.mktemp("desk"), reserve_bytes=0), SetClock())
    stored(found, pictures.slide("biopsy", "a"))
    stored(found, [instances.slide([b"label"], "biopsy", "a", 9, ImageType=LABEL)])
    yield found
    found.close()


@pytest.fixture
def lab(archive: Archive) -> Iterator[Lab]:
    """One case of two slides, and a scan nobody could match."""
    made = Lab(archive.db, archive.clock, LabSettings())
    cases.take(made, laboratory.ORDER)
    now = made.clock.now()
    values = {"study_uid": uid_from("study", "biopsy"), "series_uid": SERIES, "arrived_at": now, "updated_at": now}
    values |= {"state": "unmatched", "reason": "unknown", "barcode": "25P01234-A-1-9", "scanner": "GT450"}
    with archive.db.write() as conn:
        conn.execute(sa.insert(scan).values(**values))
    yield made
    with archive.db.write() as conn:
        for name in ("decision", "scan", "pathology_case", "patient"):
            conn.execute(sa.delete(scan.metadata.tables[name]))


@pytest.fixture
def told() -> list[Entry]:
    return []


def asking(archive: Archive, lab: Lab, told: list[Entry], settings: WebSettings) -> Client:
    made = api(archive, Access.open(lab.db, lab.clock, CHEAP), settings, laboratory=lab)
    return client(open_to_all(Starlette(routes=[Mount("/api", made)]), told))


@pytest.fixture
def ask(archive: Archive, lab: Lab, told: list[Entry]) -> Client:
    return asking(archive, lab, told, WebSettings())


def decided(ask: Client, **asked: Any) -> Any:
    return ask("/api/desk/decisions", "POST", json.dumps(asked).encode(), **TYPED)


def first(ask: Client) -> Any:
    return ask("/api/desk").json()["items"][0]


def test_a_scan_waits_beside_the_slides_it_may_be_of(ask: Client, told: list[Entry]) -> None:
    page = ask("/api/desk?kind=unmatched").json()
    item = page["items"][0]
    assert (page["counts"]["unmatched"], item["kind"], item["reason"]) == (1, "unmatched", "unknown")
    assert (item["scan"]["barcode"], item["scan"]["has_label"]) == ("25P01234-A-1-9", True)
    best = item["candidates"][0]
    assert (best["slide"]["accession"], best["slide"]["patient"]["name"]) == ("25P01234", "PAT-TROIS DOMINIQUE")
    assert "near" in best["why"]
    assert [(entry.action, entry.detail["route"]) for entry in told] == [("search", "GET /api/desk")]
    assert ask("/api/desk?kind=duplicate").json()["items"] == []


def test_where_labels_are_hidden_there_is_none(archive: Archive, lab: Lab, told: list[Entry]) -> None:
    ask = asking(archive, lab, told, WebSettings(show_labels=False))
    assert (first(ask)["scan"]["has_label"], first(ask)["scan"]["has_overview"]) == (False, False)


def test_a_decision_is_taken_listed_and_undone(ask: Client) -> None:
    item = first(ask)
    slide = item["candidates"][0]["slide"]
    made = decided(ask, kind="match", scan=item["scan"]["id"], slide=slide["id"])
    assert made.status_code == 201
    assert ask("/api/desk?kind=unmatched").json()["items"] == []
    listed = ask("/api/desk/decisions").json()[0]
    assert (listed["kind"], listed["identifier"], listed["series_uid"]) == ("match", slide["identifier"], SERIES)
    shown = ask(f"/api/desk/slides?q={slide['identifier']}").json()[0]
    assert [scan["scanner"] for scan in shown["scans"]] == ["GT450"]
    assert ask(f"/api/desk/decisions/{made.json()['id']}", "DELETE").status_code == 204
    assert first(ask)["scan"]["id"] == item["scan"]["id"]
    assert ask("/api/desk/decisions").json()[0]["undone_at"] is not None
    assert ask(f"/api/desk/decisions/{made.json()['id']}", "DELETE").status_code == 409


def test_what_cannot_be_decided(ask: Client) -> None:
    assert decided(ask, kind="match", scan=999, slide=1).json()["code"] == "no_such_scan"
    assert decided(ask, kind="match").json()["code"] == "bad_decision"
    assert decided(ask, kind="burn", scan=1).status_code == 400


def test_a_slide_is_sought_by_what_stands_on_its_label(ask: Client, told: list[Entry]) -> None:
    assert [slide["identifier"][-1] for slide in ask("/api/desk/slides?q=25P012").json()] == ["1", "2"]
    assert ask("/api/desk/slides?q=P012").json() == []
    assert told[0].detail["keys"] == {"q": "25P012"}


def test_what_a_day_expects(ask: Client, lab: Lab) -> None:
    due = cases.take(lab, laboratory.ORDER)
    assert due
    page = ask("/api/expected?day=2025-03-12").json()
    assert (page["day"], page["expected"], page["scanned"], page["overdue"]) == ("2025-03-12", 2, 0, 0)
    assert [slide["identifier"] for slide in page["items"]] == ["25P01234-A-1-1", "25P01234-A-1-2"]
    assert ask("/api/expected?day=tomorrow").status_code == 400


def test_a_scanner_is_renamed(ask: Client, lab: Lab) -> None:
    with lab.db.write() as conn:
        conn.execute(sa.insert(scan.metadata.tables["scanner"]).values(name="SS1", installed_on="20240102"))
    shown = ask("/api/scanners").json()[0]
    assert (shown["name"], shown["installed_on"]) == ("SS1", "2024-01-02")
    assert ask(f"/api/scanners/{shown['id']}", "PATCH", b'{"name": "Room 2"}', **TYPED).status_code == 204
    assert ask("/api/scanners").json()[0]["name"] == "Room 2"


def test_what_was_measured_of_a_scan(ask: Client, lab: Lab, archive: Archive, told: list[Entry]) -> None:
    number = first(ask)["scan"]["id"]
    told.clear()
    before = ask(f"/api/scans/{number}/quality").json()
    assert (before["series_uid"], before["measured_at"], before["measures"]) == (SERIES, None, [])
    quality.check(lab, archive, {"scan": number})
    found = ask(f"/api/scans/{number}/quality").json()
    assert found["measured_at"] is not None
    assert {"name", "value", "unit", "warn", "fail", "verdict"} == set(found["measures"][0])
    assert [(entry.action, entry.study_uid) for entry in told] == [("view", uid_from("study", "biopsy"))]
    for kind in found["heatmaps"]:
        assert ask(f"/api/scans/{number}/heatmap.png?kind={kind}").content.startswith(b"\x89PNG")
    assert ask(f"/api/scans/{number}/quality", "POST").status_code == 202
    assert ask("/api/scans/999/quality").json()["code"] == "no_such_scan"


def test_an_exception_of_a_stain_is_set_and_taken_back(ask: Client) -> None:
    def put(warn: float | None, fail: float | None) -> int:
        limit = {"stain": "PAS", "scanner": "", "measure": "blurred", "warn": warn, "fail": fail}
        return int(ask("/api/quality/thresholds", "PUT", json.dumps([limit]).encode(), **TYPED).status_code)

    def exceptions() -> list[Any]:
        return [one["warn"] for one in ask("/api/quality/thresholds").json() if one["stain"] == "PAS"]

    assert (put(0.2, 0.4), exceptions()) == (204, [0.2])
    assert (put(None, None), exceptions()) == (204, [])
    assert put(0.4, 0.2) == 400
