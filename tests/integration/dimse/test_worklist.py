"""A scanner's worklist queries, by DCMTK's findscu and pynetdicom, of a node that is served."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pynetdicom import AE
from typer.testing import CliRunner

from lamelle.ops import cli
from lamelle.testing import dcmtk as tools
from lamelle.testing.node import Node
from lamelle.testing.worklists import said, scheduled

WORKLIST = "1.2.840.10008.5.1.4.31"
STEP = "ScheduledProcedureStepSequence[0]"
SLIDE = f"{STEP}.ScheduledSpecimenSequence[0].ContainerIdentifier"

# A file as wlmscpfs serves it, in the form of DCMTK's dump2dcm.
DUMP = """
(0008,0005) CS [ISO_IR 100]
(0008,0050) SH [26P00009]
(0010,0010) PN [Béranger^François]
(0010,0020) LO [PAT9]
(0020,000d) UI [2.25.900]
(0032,1060) LO [Exérèse]
(0040,1001) SH [RP9]
(0040,0100) SQ (Sequence with explicit length #=1)
  (fffe,e000) na (Item with explicit length #=7)
    (0008,0060) CS [SM]
    (0040,0001) AE [SCANNER9]
    (0040,0002) DA [29990109]
    (0040,0003) TM [0900]
    (0040,0009) SH [SPS9]
    (0040,0500) SQ (Sequence with explicit length #=1)
      (fffe,e000) na (Item with explicit length #=1)
        (0040,0512) LO [26P00009-A-1]
      (fffe,e00d) na (ItemDelimitationItem)
    (fffe,e0dd) na (SequenceDelimitationItem)
  (fffe,e00d) na (ItemDelimitationItem)
(fffe,e0dd) na (SequenceDelimitationItem)
"""


def dcmtk(name: str) -> str:
    """The path of one of DCMTK's programs."""
    found = tools.path(name)
    if not found:
        pytest.skip(f"no {name}: DCMTK is not installed")
    return found


def command(node: Node, *words: str) -> str:
    done = CliRunner().invoke(cli.app, [*words, "--data", str(node.data_dir)])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("worklist")
    items = [
        scheduled("SPS1", study_uid="2.25.1", container="26P1-A-1", date="29990102", time="0930"),
        scheduled("SPS2", study_uid="2.25.1", container=["26P1-A-2", "26P1-A-3"], date="29990102", time="1030"),
        scheduled("SPS3", container="26P2-A-1", patient="Ångström^Ωmega", station="OTHER", date="29990103"),
    ]
    (folder / "items.json").write_text(json.dumps(items))
    (folder / "item.dump").write_bytes(DUMP.encode("latin-1"))
    subprocess.run([dcmtk("dump2dcm"), folder / "item.dump", folder / "item.wl"], check=True, capture_output=True)
    with Node(folder / "data", workers=1, dimse=True) as served:
        assert command(served, "worklist", "put", str(folder / "items.json"), str(folder / "item.wl")) == "4 new\n"
        yield served


def findscu(node: Node, folder: Path, *keys: str, options: tuple[str, ...] = ()) -> list[pydicom.Dataset]:
    """The answers to a query, by their start."""
    asked = [word for key in keys for word in ("-k", key)]
    called = [dcmtk("findscu"), "-W", "-X", "-od", str(folder), *options, "-aec", "LAMELLE", *asked]
    subprocess.run([*called, "127.0.0.1", str(node.dimse_port)], check=True, capture_output=True, timeout=30)
    return [pydicom.dcmread(path, force=True) for path in sorted(folder.glob("rsp*.dcm"))]


def steps(found: list[pydicom.Dataset]) -> list[str]:
    return [answer.ScheduledProcedureStepSequence[0].ScheduledProcedureStepID for answer in found]


ID = f"{STEP}.ScheduledProcedureStepID"


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ((), ["SPS1", "SPS2", "SPS3", "SPS9"]),
        ((f"{SLIDE}=26P1-A-3",), ["SPS2"]),
        ((f"{SLIDE}=26P1*",), ["SPS1", "SPS2"]),
        (("ScheduledSpecimenSequence[0].ContainerIdentifier=26P00009-A-1",), ["SPS9"]),
        ((f"{STEP}.ScheduledProcedureStepStartDate=29990101-29990102",), ["SPS1", "SPS2"]),
        (
            (
                f"{STEP}.ScheduledProcedureStepStartDate=29990102-29990103",
                f"{STEP}.ScheduledStationAETitle=SCANNER1",
                f"{STEP}.ScheduledProcedureStepStartTime=10-09",
            ),
            ["SPS2"],
        ),
        ((f"{STEP}.ScheduledStationAETitle=OTHER", f"{STEP}.Modality=SM"), ["SPS3"]),
        ((f"{STEP}.ScheduledStationAETitle=NOBODY",), []),
        (("PatientName=dup*",), ["SPS1", "SPS2"]),
        (("PatientID=PAT9", "AccessionNumber=26P00009"), ["SPS9"]),
        (("SpecificCharacterSet=ISO_IR 192", "PatientName=Béranger^*"), ["SPS9"]),
    ],
)
def test_findscu_finds(node: Node, tmp_path: Path, keys: tuple[str, ...], expected: list[str]) -> None:
    assert steps(findscu(node, tmp_path, ID, *keys)) == expected


@pytest.mark.parametrize("syntax", ["-xe", "-xb", "-xi"])
def test_answers_are_whole_in_every_transfer_syntax(node: Node, tmp_path: Path, syntax: str) -> None:
    keys = ("PatientName", "PatientBirthDate", "RequestedProcedureDescription", ID, f"{STEP}.ScheduledSpecimenSequence")
    [answer] = findscu(node, tmp_path, "PatientID=PAT9", *keys, options=(syntax,))
    assert answer.SpecificCharacterSet == "ISO_IR 100"
    assert str(answer.PatientName) == "Béranger^François"
    assert answer.RequestedProcedureDescription == "Exérèse"
    assert answer.PatientBirthDate == ""
    assert "StudyInstanceUID" not in answer
    [step] = answer.ScheduledProcedureStepSequence
    assert step.ScheduledSpecimenSequence[0].ContainerIdentifier == "26P00009-A-1"
    assert "Modality" not in step


def test_sequences_come_with_what_they_hold(node: Node, tmp_path: Path) -> None:
    [answer] = findscu(node, tmp_path, f"{ID}=SPS2", f"{STEP}.ScheduledSpecimenSequence")
    specimens = answer.ScheduledProcedureStepSequence[0].ScheduledSpecimenSequence
    assert [specimen.ContainerIdentifier for specimen in specimens] == ["26P1-A-2", "26P1-A-3"]
    assert specimens[1].SpecimenDescriptionSequence[0].SpecimenIdentifier == "26P1-A-3-1"


def test_who_reads_utf8_is_answered_in_it(node: Node, tmp_path: Path) -> None:
    [answer] = findscu(node, tmp_path, "SpecificCharacterSet=ISO_IR 192", f"{ID}=SPS1", "PatientName")
    assert (answer.SpecificCharacterSet, str(answer.PatientName)) == ("ISO_IR 192", "Dupont^Hélène")


def test_what_latin_1_has_no_letters_for_is_answered_in_utf8(node: Node, tmp_path: Path) -> None:
    [answer] = findscu(node, tmp_path, f"{ID}=SPS3", "PatientName")
    assert (answer.SpecificCharacterSet, str(answer.PatientName)) == ("ISO_IR 192", "Ångström^Ωmega")


# -- pynetdicom ------------------------------------------------------------------------------------------------------


def ask(node: Node, asked: dict[str, Any]) -> list[tuple[int, pydicom.Dataset | None]]:
    scanner = AE("SCANNER1")
    scanner.add_requested_context(WORKLIST)
    association = scanner.associate("127.0.0.1", node.dimse_port, ae_title="LAMELLE")
    assert association.is_established
    answers = list(association.send_c_find(pydicom.Dataset.from_json(asked), WORKLIST))
    association.release()
    return [(status.Status, found) for status, found in answers]


def test_pynetdicom_finds_by_barcode(node: Node) -> None:
    asked = said(
        PatientName=None,
        ScheduledProcedureStepSequence=[
            said(ScheduledProcedureStepID=None, ScheduledSpecimenSequence=[said(ContainerIdentifier="26P1-A-1")])
        ],
    )
    (status, found), (last, nothing) = ask(node, asked)
    assert (status, last, nothing) == (0xFF00, 0, None)
    assert found is not None and steps([found]) == ["SPS1"]


def test_a_key_nobody_knows_is_answered_with_a_warning(node: Node) -> None:
    private = {"00431001": {"vr": "LO"}, "00400100": {"vr": "SQ", "Value": [said(ScheduledProcedureStepID="SPS1")]}}
    assert [status for status, _ in ask(node, private)] == [0xFF01, 0]


def test_a_query_that_makes_no_sense_is_refused(node: Node) -> None:
    twice = said(ScheduledProcedureStepSequence=[said(Modality="SM"), said(Modality="CT")])
    assert [status for status, _ in ask(node, twice)] == [0xA900]


def test_a_cancelled_query_ends(node: Node) -> None:
    scanner = AE("SCANNER1")
    scanner.add_requested_context(WORKLIST)
    association = scanner.associate("127.0.0.1", node.dimse_port, ae_title="LAMELLE")
    statuses = []
    for number, (status, _) in enumerate(
        association.send_c_find(pydicom.Dataset.from_json(said(PatientName=None)), WORKLIST, msg_id=7)
    ):
        if number == 0:
            association.send_c_cancel(7, query_model=WORKLIST)
        statuses.append(status.Status)
    association.release()
    assert statuses[0] == 0xFF00
    assert statuses[-1] in (0xFE00, 0), "all may have been sent before the cancel came"


def test_the_worklist_is_listed_and_emptied_by_command(node: Node, tmp_path: Path) -> None:
    command(node, "worklist", "put", str(_written(tmp_path, scheduled("SPS7", date="29990107"))))
    listed = command(node, "worklist", "list")
    assert "SPS7" in listed and "SCHEDULED" in listed and "Dupont" not in listed
    assert command(node, "worklist", "remove", "SPS7") == "1 removed\n"
    assert findscu(node, tmp_path, f"{ID}=SPS7") == []


def _written(folder: Path, item: dict[str, Any]) -> Path:
    path = folder / "item.json"
    path.write_text(json.dumps(item))
    return path
