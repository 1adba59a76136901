"""C-FIND, C-MOVE and C-GET asked by DCMTK and pynetdicom, of a served archive."""

import io
import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
import pytest
from pydicom import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.pdu_primitives import SOPClassExtendedNegotiation

from lamelle.base.ids import uid_from
from lamelle.testing import dcmtk
from lamelle.testing.client import Client
from lamelle.testing.instances import CT, EXPLICIT_LITTLE, JPEG_BASELINE, SLIDE, dataset, instance, part10, slide
from lamelle.testing.node import Node

pytestmark = pytest.mark.skipif(not dcmtk.installed(), reason="DCMTK is not installed")

FIND, MOVE, GET = (f"1.2.840.10008.5.1.4.1.2.2.{n}" for n in (1, 2, 3))
RIGHTS = ["store", "find", "move", "get", "commit"]
SECRET = b"\xff\xd8 no jpeg, but kept as it is"


def files() -> list[bytes]:
    step = Dataset()
    step.RequestedProcedureID, step.ScheduledProcedureStepID = "R1", "S1"
    implicit = dataset("4", StudyDate="20260104", PatientName="Implicit^Ida")
    return [
        *(instance("1", number=n, PatientName="Âmie^Léa", StudyDate="20260101", StudyTime="0900") for n in (1, 2, 3)),
        instance("2", PatientName="Amie^Lea", PatientID="P1", StudyDate="20260102", StudyTime="1200"),
        instance("3", "2", PatientName="山田^太郎", StudyDate="20260103", RequestAttributesSequence=[step]),
        slide([SECRET, SECRET], "3", StudyDate="20260103", PatientName="山田^太郎"),
        part10(implicit, "1.2.840.10008.1.2"),
    ]


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    return {name: dcmtk.free_port() for name in ("STORESCP", "PLAIN", "NOBODY")}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, ports: dict[str, int]) -> Iterator[Node]:
    peers: list[dict[str, Any]] = [{"aet": name, "rights": RIGHTS} for name in ("FINDSCU", "MOVESCU", "GETSCU", "PY")]
    peers += [{"aet": name, "host": dcmtk.HOST, "port": port} for name, port in ports.items()]
    peers += [{"aet": "MUTE", "rights": ["store"]}]
    environment = {"LAMELLE_DIMSE_PEERS": json.dumps(peers), "LAMELLE_DIMSE_WORKERS": "1"}
    environment |= {"LAMELLE_DIMSE_FIND_LIMIT": "4"}
    folder = tmp_path_factory.mktemp("qr") / "data"
    with Node(folder, workers=1, dimse=True, environment=environment) as node:
        with Client(node.url) as client:
            stored = client.store(*files())
        assert len(stored.kept) == 7, stored.comments
        yield node


def accessions(found: list[Dataset]) -> list[str]:
    return sorted(item.AccessionNumber for item in found)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (["PatientName=amie*"], ["A1", "A2"]),
        (["PatientName=LÉA"], []),
        (["PatientName=*^l?a"], ["A1", "A2"]),
        (["StudyDate=20260102-20260103"], ["A2", "A3"]),
        (["StudyDate=-20260101"], ["A1"]),
        (["StudyTime=0800-1000"], ["A1"]),
        ([f"StudyInstanceUID={uid_from('study', '1')}\\{uid_from('study', '4')}"], ["A1", "A4"]),
        (["ModalitiesInStudy=SM"], ["A3"]),
        (["ModalitiesInStudy=SM\\MR"], ["A3"]),
        (["PatientID=P1"], ["A1", "A2"]),
        (["RequestAttributesSequence[0].RequestedProcedureID=R*"], ["A3"]),
        (["AccessionNumber=nothing"], []),
    ],
)
def test_keys_find_studies(node: Node, keys: list[str], expected: list[str]) -> None:
    found = dcmtk.find(node.dimse_port, "QueryRetrieveLevel=STUDY", "AccessionNumber", *keys)
    assert accessions(found) == expected
    assert all(item.QueryRetrieveLevel == "STUDY" and item.RetrieveAETitle == "LAMELLE" for item in found)
    assert all(item.InstanceAvailability == "ONLINE" for item in found)


def test_text_comes_in_a_character_set_that_holds_it(node: Node) -> None:
    keys = ["QueryRetrieveLevel=STUDY", "PatientName"]
    [latin] = dcmtk.find(node.dimse_port, *keys, "AccessionNumber=A1")
    assert (latin.SpecificCharacterSet, latin.PatientName) == ("ISO_IR 100", "Âmie^Léa")
    [japanese] = dcmtk.find(node.dimse_port, *keys, "AccessionNumber=A3")
    assert (japanese.SpecificCharacterSet, japanese.PatientName) == ("ISO_IR 192", "山田^太郎")
    [plain] = dcmtk.find(node.dimse_port, *keys, "AccessionNumber=A2")
    assert "SpecificCharacterSet" not in plain
    [asked] = dcmtk.find(node.dimse_port, *keys, "AccessionNumber=A2", "SpecificCharacterSet=ISO_IR 192")
    assert asked.SpecificCharacterSet == "ISO_IR 192"


def test_series_and_images_below_their_parents(node: Node) -> None:
    study, series = uid_from("study", "3"), uid_from("series", "3", "1")
    found = dcmtk.find(node.dimse_port, "QueryRetrieveLevel=SERIES", f"StudyInstanceUID={study}", "Modality")
    assert sorted(item.Modality for item in found) == ["CT", "SM"]
    keys = ["QueryRetrieveLevel=IMAGE", f"StudyInstanceUID={study}", f"SeriesInstanceUID={series}", "NumberOfFrames"]
    [image] = dcmtk.find(node.dimse_port, *keys, "SOPInstanceUID")
    assert image.NumberOfFrames == 2 and image.SOPInstanceUID == uid_from("instance", "3", "1", "1")


def test_patients_by_the_patient_root(node: Node) -> None:
    keys = ["QueryRetrieveLevel=PATIENT", "PatientID=P1", "PatientName", "NumberOfPatientRelatedStudies"]
    [patient] = dcmtk.find(node.dimse_port, *keys, model="-P")
    assert patient.NumberOfPatientRelatedStudies == 2 and patient.PatientName == "Amie^Lea"
    studies = dcmtk.find(node.dimse_port, "QueryRetrieveLevel=STUDY", "PatientID=P1", "AccessionNumber", model="-P")
    assert accessions(studies) == ["A1", "A2"]


# -- pynetdicom: statuses, negotiation, cancelling ---------------------------------------------------------------------


def identifier(level: str, **keys: Any) -> Dataset:
    made = Dataset()
    made.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(made, keyword, value)
    return made


def ask(node: Node, made: Dataset, *, options: bytes = b"", aet: str = "PY") -> list[tuple[int, Dataset | None]]:
    ae = AE(aet)
    ae.add_requested_context(FIND)
    items = []
    if options:
        item = SOPClassExtendedNegotiation()
        item.sop_class_uid, item.service_class_application_information = FIND, options
        items.append(item)
    association = ae.associate(dcmtk.HOST, node.dimse_port, ae_title="LAMELLE", ext_neg=items)
    assert association.is_established
    answers = [(status.Status, found) for status, found in association.send_c_find(made, FIND)]
    association.release()
    return answers


def statuses(answers: list[tuple[int, Dataset | None]]) -> list[int]:
    return [status for status, _ in answers]


def test_the_hierarchy_is_kept_unless_relational_queries_are_agreed_on(node: Node) -> None:
    made = identifier("SERIES", SeriesInstanceUID="", Modality="SM")
    assert statuses(ask(node, made)) == [0xA900]
    assert statuses(ask(node, made, options=b"\1")) == [0xFF00, 0x0000]
    listed = identifier("SERIES", StudyInstanceUID=[uid_from("study", "1"), uid_from("study", "2")])
    assert statuses(ask(node, listed)) == [0xA900]
    assert statuses(ask(node, identifier("PATIENT", PatientID="P1"))) == [0xA900], "no level of the Study Root"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert statuses(ask(node, identifier("STUDY", StudyDate="May"))) == [0xA900]


def test_dates_with_times_and_fuzzy_names_are_for_those_who_negotiate(node: Node) -> None:
    span = identifier("STUDY", StudyInstanceUID="", StudyDate="20260101-20260102", StudyTime="1000-1300")
    assert len(ask(node, span)) == 2
    assert len(ask(node, span, options=b"\0\1")) == 2
    span.StudyTime = "0830-0845"
    assert len(ask(node, span)) == 1 and len(ask(node, span, options=b"\0\1")) == 2
    fuzzy = identifier("STUDY", StudyInstanceUID="", PatientName="lea ami")
    assert len(ask(node, fuzzy)) == 1 and len(ask(node, fuzzy, options=b"\0\0\1")) == 3


def test_the_limit_and_keys_of_other_levels_are_told(node: Node) -> None:
    assert statuses(ask(node, identifier("STUDY", StudyInstanceUID=""))) == [0xFF00] * 4 + [0x0000]
    everything = identifier("IMAGE", SOPInstanceUID="")
    assert statuses(ask(node, everything, options=b"\1")) == [0xFF00] * 4 + [0xB001]
    below = identifier("STUDY", AccessionNumber="A1", Rows=None)
    [(status, found), _] = ask(node, below)
    assert status == 0xFF01 and found is not None and found.Rows is None


def test_who_may_not_find_is_told_so(node: Node) -> None:
    ae = AE("MUTE")
    ae.add_requested_context(FIND)
    association = ae.associate(dcmtk.HOST, node.dimse_port, ae_title="LAMELLE")
    assert not association.accepted_contexts
    association.abort()


# -- moving ------------------------------------------------------------------------------------------------------------


def received(folder: Path) -> dict[str, bytes]:
    """The data sets in a folder by SOP Instance UID, as they came over the wire."""
    found = {}
    for path in folder.iterdir():
        uid = str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID)
        with path.open("rb") as file:
            found[uid] = after_meta(file)
    return found


def after_meta(file: BinaryIO) -> bytes:
    """The data set of a Part 10 file."""
    pydicom.filereader.read_preamble(file, force=False)
    pydicom.filereader._read_file_meta_info(file)
    return file.read()


def stored_dataset(node: Node, study: str, series: str, number: int = 1) -> tuple[str, bytes]:
    names = (
        uid_from("study", study),
        uid_from("series", study, series),
        uid_from("instance", study, series, str(number)),
    )
    with Client(node.url) as client:
        file = io.BytesIO(client.instance(*names).body)
    return names[2], after_meta(file)


def test_a_study_moves_as_it_is_stored(node: Node, ports: dict[str, int], tmp_path: Path) -> None:
    study = uid_from("study", "3")
    with dcmtk.receiver(tmp_path / "in", ports["STORESCP"], "+xa"):
        said = dcmtk.run(
            *("movescu", "-d", "-S", "-aec", "LAMELLE", "-aem", "STORESCP", "-k", "QueryRetrieveLevel=STUDY"),
            *("-k", f"StudyInstanceUID={study}", dcmtk.HOST, str(node.dimse_port)),
        )
    assert dcmtk.status(said)[-1] == "0x0000" and dcmtk.counted(said, "Completed") == 2
    came = received(tmp_path / "in")
    for series in ("1", "2"):
        uid, data = stored_dataset(node, "3", series)
        assert came[uid] == data


def test_the_syntax_stays_unless_another_uncompressed_one_is_all_there_is(
    node: Node, ports: dict[str, int], tmp_path: Path
) -> None:
    move = [
        *("movescu", "-d", "-P", "-aec", "LAMELLE", "-aem", "PLAIN", "-k", "QueryRetrieveLevel=STUDY"),
        *("-k", "StudyInstanceUID", dcmtk.HOST, str(node.dimse_port)),
    ]
    with dcmtk.receiver(tmp_path / "in", ports["PLAIN"], "+xi"):
        names = [uid_from("study", n) for n in ("2", "3", "4")]
        for study, patient in zip(names, ("P1", "P3", "P4"), strict=True):
            move[-3] = f"StudyInstanceUID={study}"
            said = dcmtk.run(*move[:-2], "-k", f"PatientID={patient}", *move[-2:], ok=False)
            if patient == "P3":
                assert dcmtk.status(said)[-1] == "0xb000", said
                assert dcmtk.counted(said, "Failed") == 1 and dcmtk.counted(said, "Completed") == 1
    came = received(tmp_path / "in")
    assert set(came) == {uid_from("instance", *names) for names in (("2", "1", "1"), ("3", "2", "1"), ("4", "1", "1"))}
    uid, data = stored_dataset(node, "4", "1")
    assert came[uid] == data, "implicit is kept as it came"


def test_unknown_and_silent_destinations(node: Node) -> None:
    def move(to: str) -> tuple[list[int], Dataset]:
        ae = AE("PY")
        ae.add_requested_context(MOVE)
        association = ae.associate(dcmtk.HOST, node.dimse_port, ae_title="LAMELLE")
        made = identifier("STUDY", StudyInstanceUID=uid_from("study", "1"))
        answers = list(association.send_c_move(made, to, MOVE))
        association.release()
        return [status.Status for status, _ in answers], answers[-1][0]

    assert move("ELSEWHERE")[0] == [0xA801]
    assert move("PY")[0] == [0xA801], "its address is not known"
    found, last = move("NOBODY")
    assert found == [0xFF00, 0xFF00, 0xA702]
    assert (last.NumberOfFailedSuboperations, last.NumberOfCompletedSuboperations) == (3, 0)
    assert "peer_unreachable" in last.ErrorComment


# -- getting -----------------------------------------------------------------------------------------------------------


def get(node: Node, made: Dataset, syntaxes: dict[str, str], stop_after: int = 99) -> tuple[list[Dataset], list[Any]]:
    ae = AE("PY")
    ae.add_requested_context(GET)
    for sop_class, syntax in syntaxes.items():
        ae.add_requested_context(sop_class, syntax)
    roles = [build_role(sop_class, scp_role=True) for sop_class in syntaxes]
    came: list[Any] = []

    def store(event: evt.Event) -> int:
        came.append(event.dataset)
        if len(came) == stop_after:
            event.assoc.send_c_cancel(1, None, GET)
        return 0x0000

    association = ae.associate(
        dcmtk.HOST, node.dimse_port, ae_title="LAMELLE", ext_neg=roles, evt_handlers=[(evt.EVT_C_STORE, store)]
    )
    answers = [status for status, _ in association.send_c_get(made, GET)]
    association.release()
    return answers, came


def test_a_study_is_got_on_the_same_association(node: Node) -> None:
    study = identifier("STUDY", StudyInstanceUID=uid_from("study", "3"))
    answers, came = get(node, study, {CT: EXPLICIT_LITTLE, SLIDE: JPEG_BASELINE})
    assert [answer.Status for answer in answers] == [0xFF00, 0x0000]
    assert (answers[0].NumberOfRemainingSuboperations, answers[0].NumberOfCompletedSuboperations) == (1, 1)
    assert answers[-1].NumberOfCompletedSuboperations == 2 and len(came) == 2


def test_what_the_requester_did_not_propose_fails_and_is_named(node: Node) -> None:
    study = identifier("STUDY", StudyInstanceUID=uid_from("study", "3"))
    answers, came = get(node, study, {CT: EXPLICIT_LITTLE})
    assert answers[-1].Status == 0xB000 and len(came) == 1
    assert (answers[-1].NumberOfFailedSuboperations, answers[-1].NumberOfCompletedSuboperations) == (1, 1)


def test_getting_is_cancelled(node: Node) -> None:
    study = identifier("STUDY", StudyInstanceUID=uid_from("study", "1"))
    answers, came = get(node, study, {CT: EXPLICIT_LITTLE}, stop_after=1)
    assert answers[-1].Status == 0xFE00 and len(came) < 3
    assert answers[-1].NumberOfRemainingSuboperations == 3 - len(came)


def test_getscu_of_dcmtk_gets_a_series(node: Node, tmp_path: Path) -> None:
    dcmtk.run(
        *("getscu", "+B", "-S", "-aec", "LAMELLE", "-od", str(tmp_path), "-k", "QueryRetrieveLevel=SERIES"),
        *(
            "-k",
            f"StudyInstanceUID={uid_from('study', '1')}",
            "-k",
            f"SeriesInstanceUID={uid_from('series', '1', '1')}",
        ),
        *(dcmtk.HOST, str(node.dimse_port)),
    )
    assert set(received(tmp_path)) == {uid_from("instance", "1", "1", str(n)) for n in (1, 2, 3)}
