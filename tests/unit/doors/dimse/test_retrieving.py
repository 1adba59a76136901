"""C-MOVE, C-GET and sending between two archives in one process."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lamelle.access.model import WHOLE
from lamelle.archive import lifecycle, selection
from lamelle.archive.selection import Wanted
from lamelle.base.errors import LamelleError
from lamelle.base.ids import uid_from
from lamelle.dicom import transfer
from lamelle.doors.dimse import asking, sending, services, visits
from lamelle.doors.dimse.association import Answer, Association
from lamelle.doors.dimse.commands import C_STORE, Command, Status
from lamelle.doors.dimse.identifiers import PATIENT_ROOT, STUDY_ROOT, Rank
from lamelle.doors.dimse.moving import Counts
from lamelle.doors.dimse.node import Node
from lamelle.doors.dimse.sending import Sent
from lamelle.testing.archives import stored
from lamelle.testing.associations import Network
from lamelle.testing.instances import CT, EXPLICIT_LITTLE, JPEG_BASELINE, SLIDE, dataset, instance, part10, slide

STUDY = {"0020000D": {"vr": "UI", "Value": [uid_from("study", "1")]}}


def fill(node: Node) -> None:
    stored(node.archive, [instance("1", number=number) for number in (1, 2, 3)])
    stored(node.archive, [slide([b"\xff\xd8"], "1", "2")])


def kept(node: Node) -> set[str]:
    found = selection.select(node.archive.db, WHOLE, Wanted(study_uids=(uid_from("study", "1"),)))
    return {ref.sop_uid for ref in selection.refs(node.archive.db, WHOLE, found.ids) if ref is not None}


def same(one: Node, two: Node) -> bool:
    """Both have the same data sets."""
    study = uid_from("study", "1")
    return [r.digest for r in one.archive.retrieve.instances(WHOLE, study)] == [
        r.digest for r in two.archive.retrieve.instances(WHOLE, study)
    ]


def move(node: Node, keys: dict[str, Any], to: str, rank: Rank = Rank.STUDY) -> list[asking.Ended]:
    peer = node.settings.peer("LAMELLE")
    assert peer is not None
    return list(asking.move(peer, replace(node.settings, aet="OTHER"), STUDY_ROOT, rank, keys, to))


def test_a_study_moves_with_counts(node: Node, other: Node) -> None:
    fill(node)
    ended = move(node, STUDY, "OTHER")
    assert [(one.status, one.remaining, one.completed) for one in ended] == [
        (0xFF00, 3, 1),
        (0xFF00, 2, 2),
        (0xFF00, 1, 3),
        (0x0000, 0, 4),
    ]
    assert same(node, other)


def test_what_is_not_there_moves_as_nothing(node: Node, other: Node) -> None:
    [last] = move(node, {"0020000D": {"vr": "UI", "Value": ["1.2.3"]}}, "OTHER")
    assert (last.status, last.completed) == (0, 0)


def test_an_unknown_destination(node: Node) -> None:
    fill(node)
    [last] = move(node, STUDY, "NOWHERE")
    assert last.status == Status.UNKNOWN_DESTINATION and "NOWHERE" in last.comment


def test_a_destination_that_is_off_fails_all(node: Node) -> None:
    fill(node)
    *_, last = move(node, STUDY, "OTHER")
    assert (last.status, last.failed, last.completed) == (Status.CANNOT_PERFORM, 4, 0)
    assert "peer_unreachable" in last.comment


def test_a_broken_association_costs_one_instance(node: Node, other: Node, network: Network) -> None:
    fill(node)
    first = network.answering

    def breaks(at: Node, opened: Association) -> None:
        if at is not other or network.count > 2:
            first(at, opened)
            return
        message = opened.receive()
        assert message is not None
        services.answer(at, opened, message)
        opened.receive()

    network.answering = breaks
    *_, last = move(node, STUDY, "OTHER")
    assert (last.status, last.failed, last.completed) == (Status.SUB_OPERATIONS_FAILED, 1, 3)
    assert set(last.failed_uids) == kept(node) - kept(other) and len(kept(other)) == 3


def test_the_originator_is_told(node: Node, other: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    stored(node.archive, [instance("1")])
    seen: list[Command] = []

    def store(at: Node, opened: Association, message: Any) -> None:
        seen.append(message.command)
        message.skip()
        opened.send(message.context.id, message.command.answer(0xB007))

    monkeypatch.setattr(services, "STORAGE", replace(services.STORAGE, handler=store))
    *_, last = move(node, STUDY, "OTHER")
    assert (last.status, last.warning, last.completed) == (Status.SUB_OPERATIONS_FAILED, 1, 0)
    assert [(c.command_field, c.move_originator, c.move_originator_message_id) for c in seen] == [(C_STORE, "OTHER", 1)]


def test_getting_takes_into_the_archive(node: Node, other: Node) -> None:
    fill(node)
    peer = node.settings.peer("LAMELLE")
    assert peer is not None
    *_, last = asking.get(other, peer, STUDY_ROOT, Rank.STUDY, STUDY)
    assert (last.status, last.completed, last.failed) == (0, 4, 0)
    assert same(node, other)
    patient = {"00100020": {"vr": "LO", "Value": ["P1"]}}
    *_, last = asking.get(other, peer, PATIENT_ROOT, Rank.PATIENT, patient)
    assert (last.status, last.completed) == (0, 4)


def send(node: Node, wanted: Wanted) -> list[Sent]:
    peer = node.settings.peer("OTHER")
    assert peer is not None
    chosen = selection.select(node.archive.db, WHOLE, wanted)
    return list(sending.each(node, peer, visits.operator(node.note), chosen.ids, chosen.kinds))


def accept_only(monkeypatch: pytest.MonkeyPatch, *syntaxes: str) -> None:
    judge = services.judge

    def narrow(offer: Any, peer: Any) -> Answer:
        found = judge(offer, peer)
        return found if found.transfer_syntax in syntaxes else Answer(4)

    monkeypatch.setattr(services, "judge", narrow)


@pytest.mark.parametrize(
    ("have", "takes"),
    [
        (transfer.EXPLICIT_LITTLE, transfer.IMPLICIT_LITTLE),
        (transfer.IMPLICIT_LITTLE, transfer.EXPLICIT_LITTLE),
        (transfer.EXPLICIT_BIG, transfer.IMPLICIT_LITTLE),
    ],
)
def test_uncompressed_instances_are_written_as_the_peer_reads_them(
    node: Node, other: Node, monkeypatch: pytest.MonkeyPatch, have: str, takes: str
) -> None:
    made = dataset("1", PixelData=bytes(range(32)))
    if have == transfer.EXPLICIT_BIG:
        made.PixelData = bytes(byte for at in range(0, 32, 2) for byte in (at + 1, at))
    stored(node.archive, [part10(made, have)])
    accept_only(monkeypatch, takes)
    [sent] = send(node, Wanted(patient_ids=("P1",)))
    assert sent.ok, sent
    [ref] = other.archive.retrieve.instances(WHOLE, uid_from("study", "1"))
    assert ref.transfer_syntax == takes
    frame = other.archive.retrieve.opened(WHOLE, ref.study_uid, ref.series_uid, ref.sop_uid).frame(1)
    assert frame == bytes(range(32)), "the same pixels"


def test_compressed_instances_are_never_encoded_anew(node: Node, other: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(node)
    stored(node.archive, [slide([b"\xff\xd8"], "1", "3", SOPClassUID=CT)])
    accept_only(monkeypatch, *sending.PLAIN)
    results = {one.sop_uid: one for one in send(node, Wanted(patient_ids=("P1",)))}
    refused = results[uid_from("instance", "1", "2", "1")]
    assert refused.status == Status.CLASS_NOT_SUPPORTED and JPEG_BASELINE in refused.reason
    mixed = results[uid_from("instance", "1", "3", "1")]
    assert mixed.status == Status.CLASS_NOT_SUPPORTED, "also of a class that is stored uncompressed, too"
    assert sum(one.ok for one in results.values()) == 3


def test_what_is_deleted_or_lost_meanwhile_fails_alone(node: Node, other: Node) -> None:
    fill(node)
    found = selection.select(node.archive.db, WHOLE, Wanted(patient_ids=("P1",)))
    study, series = uid_from("study", "1"), uid_from("series", "1", "1")
    archive = node.archive
    lifecycle.delete(
        archive.db, archive.blobs, archive.clock, WHOLE, study, series, uid_from("instance", "1", "1", "2")
    )
    lost = archive.retrieve.instances(WHOLE, study, series, uid_from("instance", "1", "1", "3"))[0]
    archive.blobs.delete(lost.key)
    peer = node.settings.peer("OTHER")
    assert peer is not None
    results = list(sending.each(node, peer, visits.operator(node.note), found.ids, found.kinds))
    assert [one.status for one in results].count(0) == 2 and len(results) == 4
    assert any("blob_missing" in one.reason for one in results)


def test_plans_fit_into_associations() -> None:
    kinds = {(f"1.2.{number}", syntax) for number in range(100) for syntax in (EXPLICIT_LITTLE, JPEG_BASELINE)}
    made = sending.plans(kinds)
    assert [len(proposals) for _, proposals in made] == [126, 126, 48]
    assert sorted(uid for classes, _ in made for uid in classes) == sorted({uid for uid, _ in kinds})
    [(_, [only])] = sending.plans({(SLIDE, JPEG_BASELINE)})
    assert only.transfer_syntaxes == (JPEG_BASELINE,), "nothing that would make us decode"
    [(_, proposals)] = sending.plans({(CT, EXPLICIT_LITTLE)})
    assert [p.transfer_syntaxes for p in proposals] == [(EXPLICIT_LITTLE,), (transfer.IMPLICIT_LITTLE,)]


def test_counts_know_how_it_ends() -> None:
    def ended(*sent: Sent) -> int:
        counts = Counts(len(sent))
        for one in sent:
            counts.add(one)
        return counts.status

    good, bad, odd = Sent("1", 0), Sent("2", 0xA700, "full"), Sent("3", 0xB000)
    assert [ended(), ended(good), ended(good, bad), ended(bad, bad), ended(good, odd), ended(odd, bad)] == [
        *(0, 0, 0xB000, 0xA702, 0xB000, 0xB000)
    ]


def test_echo_and_find(node: Node, other: Node, make: Callable[..., Node]) -> None:
    fill(node)
    peer = node.settings.peer("LAMELLE")
    assert peer is not None
    assert asking.echo(peer, other.settings) >= 0
    keys = asking.keys_of(["PatientName=doe*", "00100020", "StudyInstanceUID"])
    [found] = asking.find(peer, other.settings, STUDY_ROOT, Rank.STUDY, keys)
    assert found["00100020"]["Value"] == ["P1"]
    [found] = asking.find(peer, other.settings, PATIENT_ROOT, Rank.PATIENT, keys, fuzzy=True)
    assert found["00100010"]["Value"] == [{"Alphabetic": "Doe^Jane"}]
    with pytest.raises(LamelleError, match="A900"):
        list(asking.find(peer, other.settings, STUDY_ROOT, Rank.SERIES, {}))
    with pytest.raises(LamelleError, match="neither"):
        asking.keys_of(["NoSuchWord=1"])
