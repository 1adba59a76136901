"""The demonstration's laboratory: cases in every state, messages that another library reads, a day done once."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import hl7
import pytest

from lamelle.access.model import WHOLE
from lamelle.access.room import Access
from lamelle.base.db import Database
from lamelle.lab import cases, patients
from lamelle.lab.room import Lab, LabSettings
from lamelle.ops.demo import generate, laboratory, living, people
from lamelle.ops.demo.cases import NODE, PATIENTS
from lamelle.ops.demo.lis import Listener, Writer, send
from lamelle.ops.demo.living import DAY, Day
from lamelle.ops.demo.stainings import STAININGS
from lamelle.testing.archives import SetClock
from lamelle.testing.people import CHEAP
from lamelle.testing.waiting import until

NOW = datetime(2026, 3, 16, 12, tzinfo=UTC)


@pytest.fixture
def writer() -> Writer:
    return Writer(lambda: NOW)


@pytest.fixture
def heard() -> list[str]:
    """What the listener was told."""
    return []


@pytest.fixture
def node(writer: Writer, heard: list[str]) -> Iterator[tuple[str, int]]:
    """Something that takes every message."""
    with Listener(0, writer, heard.append) as listener:
        yield "127.0.0.1", listener.server_address[1]
        listener.shutdown()


@pytest.fixture
def day(node: tuple[str, int], tmp_path: Path, writer: Writer, monkeypatch: pytest.MonkeyPatch) -> Day:
    monkeypatch.setattr(generate, "make_slide", lambda slide, folder: (folder / f"{slide.name}.svs").touch())
    (tmp_path / "scanner").mkdir()
    return Day(node, tmp_path / "scanner", tmp_path / "drafts", writer, lambda line: None)


def test_cases_are_in_every_state_from_the_start(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path / 'c.sqlite3'}")
    db.migrate()
    clock = SetClock(NOW)
    lab, access = Lab(db, clock, LabSettings(test_ins=True)), Access.open(db, clock, CHEAP)
    people.invite(access)
    for _ in range(2):
        laboratory.fill(lab)
    states = {}
    with db.read() as conn:
        for planned in laboratory.PLAN:
            states[planned.case.accession] = cases.found(conn, WHOLE, planned.case.accession).state
    assert set(states.values()) == {"registered", "waiting", "reading", "preliminary", "validated", "cancelled"}
    db.close()


def test_invented_matricules_have_their_key() -> None:
    for patient in PATIENTS.values():
        assert patients.is_matricule(laboratory.identity(patient).ins)


def test_an_order_is_read_by_another_library(writer: Writer) -> None:
    read = hl7.parse(writer.order(living.FOURTH))
    assert [str(spm[27]) for spm in read.segments("SPM")] == ["CONTAINER", "CASSETTE", "GLASS", "GLASS"]
    assert str(read.segments("SPM")[2][2]) == "26H01303-A1-PAS&SIL"
    assert str(read.segments("SPM")[2][3]) == "26H01303-A1&SIL"
    assert {str(orc[4]) for orc in read.segments("ORC")} == {"26H01303^SIL"}
    assert {str(tq1[9]) for tq1 in read.segments("TQ1")} == {"A"}
    assert str(read.segment("PID")[32]) in {"VALI", "PROV"}
    assert str(read.segment("MSH")[18]) == "UNICODE UTF-8"


def test_reports_merges_and_answers_are_read_by_another_library(writer: Writer) -> None:
    report = hl7.parse(writer.report(NODE, living.SIGNED))
    assert (str(report.segment("OBR")[25]), len(report.segments("OBX"))) == ("F", 2)
    merge = hl7.parse(writer.merge(PATIENTS[8], living.TWICE))
    assert str(merge.segment("MRG")[1]).startswith("DEMO-0108^")
    made = hl7.parse(writer.made("T7", living.ORDERED, living.HES))
    assert str(made.segment("MSH")[21]) == "DPOW-ACCEPT-WO^IHE"
    answer = hl7.parse(writer.acknowledge(str(merge)))
    assert str(answer.segment("MSA")[2]) == str(merge.segment("MSH")[10])


def test_the_day_is_done_once(day: Day, heard: list[str], tmp_path: Path) -> None:
    done, stop = tmp_path / "done", threading.Event()
    living.live(day, done, stop, pace=0)
    assert done.read_text().split("\n")[:-1] == [name for _, name, _ in DAY]
    until(lambda: len(heard) == 7)  # what is told is answered before it is handed on
    kinds = [message.split("|")[8].partition("^")[2][:3] for message in heard]
    assert sorted(kinds) == ["A40", *["O21"] * 5, "R01"]
    scanned = sorted(path.name for path in day.folder.iterdir())
    assert scanned[0] == "26E00031-A1-HE.svs" and len(scanned) == 5
    living.live(day, done, stop, pace=0)
    assert len(heard) == 7


def test_a_technique_is_made_where_the_stain_can_be_drawn(day: Day, heard: list[str], tmp_path: Path) -> None:
    asked = "MSH|^~\\&|LAMELLE||SIL||1||OML^O21^OML_O21|1|P|2.5.1|||||||||DPOW-PLACE-WO^IHE\r"
    asked += "ORC|NW|T4^LAMELLE||26H01234^SIL\r"
    living.answered(day, f"{asked}OBR|1|T4^LAMELLE||HER2-FISH^FISH^99LAB\r")
    assert heard == []
    living.answered(day, f"{asked}OBR|1|T4^LAMELLE||PAS^PAS^99LAB\r")
    until(lambda: len(heard) == 2)
    assert any("T4&LAMELLE^26H01234-A1-PAS&SIL" in message for message in heard)
    assert [path.name for path in day.folder.iterdir()] == ["26H01234-A1-PAS.svs"]


def test_what_the_node_tells_is_answered_and_handed_on(node: tuple[str, int], writer: Writer, heard: list[str]) -> None:
    answer = send(node, writer.order(living.FIRST))
    assert "\rMSA|AA|" in answer
    until(lambda: bool(heard))
    assert "26H01301" in heard[0]


def test_every_stain_of_the_day_can_be_drawn() -> None:
    wanted = (living.FIRST, living.SECOND, living.THIRD, living.FOURTH)
    assert {glass.stain for one in wanted for glass in one.slides} <= set(STAININGS)
