"""What an association does stands in the ledger before it is answered, and names neither secrets nor instances."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lamelle.access.model import Action, Resource
from lamelle.archive.settings import ForwardRule
from lamelle.audit import journal, model
from lamelle.audit.model import Entry
from lamelle.base.errors import Invalid, LamelleError
from lamelle.base.ids import uid_from
from lamelle.doors.dimse import asking, datasets, forwarding, performed, visits
from lamelle.doors.dimse.association import Proposal
from lamelle.doors.dimse.commands import N_CREATE, N_SET, Command
from lamelle.doors.dimse.identifiers import STUDY_ROOT, Rank
from lamelle.doors.dimse.negotiation import NOT_RECOGNIZED_CALLING, Request, refusal
from lamelle.doors.dimse.node import Node
from lamelle.doors.dimse.settings import DimseSettings, Peer
from lamelle.testing.archives import stored
from lamelle.testing.associations import Network
from lamelle.testing.instances import EXPLICIT_LITTLE, instance
from lamelle.testing.worklists import begun, ended

STUDY = {"0020000D": {"vr": "UI", "Value": [uid_from("study", "1")]}}


def entries(node: Node) -> list[Entry]:
    folder = journal.folder_of(node.archive.settings.data_dir / "audit")
    lines = (line for file in sorted(folder.glob("*.jsonl")) for line in file.read_bytes().splitlines())
    return [model.read(line) for line in lines]


def said(node: Node) -> list[tuple[str, str, str, str]]:
    """Who did what to which study, and how it ended, but for the associations themselves."""
    return [
        (entry.actor, entry.action, entry.outcome, entry.study_uid)
        for entry in entries(node)
        if entry.action != "association_accepted"
    ]


@pytest.fixture
def peer(node: Node) -> Peer:
    found = node.settings.peer("LAMELLE")
    assert found is not None
    return found


def test_a_search_is_entered_with_its_keys(node: Node, other: Node, peer: Peer) -> None:
    stored(node.archive, [instance("1")])
    keys = {"00100020": {"vr": "LO", "Value": ["P1"]}, "00100010": {"vr": "PN", "Value": [{"Alphabetic": "DOE*"}]}}
    list(asking.find(peer, other.settings, STUDY_ROOT, Rank.STUDY, keys))
    accepted, search = entries(node)
    assert (accepted.actor, accepted.action, accepted.address) == ("AE:OTHER", "association_accepted", "127.0.0.1")
    assert (search.action, search.patient_id, search.place) == ("search", "P1", 1)
    assert search.detail == {"keys": {"00080052": "STUDY", "00100010": "DOE*", "00100020": "P1"}}
    assert search.session == accepted.session


def test_a_study_is_entered_once_for_all_its_instances(node: Node, other: Node, peer: Peer) -> None:
    stored(node.archive, [instance("1", number=number) for number in (1, 2, 3)])
    list(asking.get(other, peer, STUDY_ROOT, Rank.STUDY, STUDY))
    assert said(node) == [
        ("AE:OTHER", "search", "success", uid_from("study", "1")),
        ("AE:OTHER", "retrieve", "success", uid_from("study", "1")),
    ]
    assert said(other) == [("AE:LAMELLE", "store", "success", uid_from("study", "1"))]
    [taken] = [entry for entry in entries(other) if entry.action == "store"]
    assert taken.patient_id == "P1"


def test_a_study_sent_away_is_an_export_to_somebody(node: Node, other: Node, peer: Peer) -> None:
    stored(node.archive, [instance("1", number=number) for number in (1, 2)])
    list(asking.move(peer, other.settings, STUDY_ROOT, Rank.STUDY, STUDY, "OTHER"))
    exports = [entry for entry in entries(node) if entry.action == "export"]
    assert [(entry.actor, entry.subject, entry.patient_id) for entry in exports] == [("AE:OTHER", "OTHER", "P1")]


def test_so_is_what_goes_on_by_a_rule(make: Callable[..., Node]) -> None:
    sending, _ = make("LAMELLE", ForwardRule("OTHER")), make("OTHER")
    stored(sending.archive, [instance("1", number=number) for number in (1, 2)])
    forwarding.drain(sending, {"to": "OTHER"})
    assert said(sending) == [("system", "export", "success", uid_from("study", "1"))]


def test_a_place_that_is_none_reaches_nothing(node: Node) -> None:
    lost, found = Peer("LOST", rights=frozenset({"find", "store"}), place=99), Peer("FOUND")
    assert visits.homeless(node.archive.db, [lost, found]) == [lost]
    visit = visits.of(node.archive.db, node.note, "LOST", lost)
    assert not any(visit.reach(action).holds(Resource(place)) for action in Action for place in (1, 99))


def test_what_never_left_is_no_export(node: Node, peer: Peer) -> None:
    stored(node.archive, [instance("1")])
    *_, last = asking.move(peer, replace(node.settings, aet="OTHER"), STUDY_ROOT, Rank.STUDY, STUDY, "OTHER")
    assert last.failed == 1 and said(node) == []


def test_a_performed_step_is_entered_under_its_patient(node: Node, other: Node, network: Network, peer: Peer) -> None:
    with network.connect(peer, [Proposal(performed.PERFORMED_STEP, (EXPLICIT_LITTLE,))], other.settings) as opened:
        create = Command(N_CREATE, 1, affected_sop_instance_uid="2.25.7")
        opened.send(1, create, datasets.write(begun(study_uid="2.25.100"), EXPLICIT_LITTLE))
        assert opened.answer(create).command.status == 0
        update = Command(N_SET, 2, requested_sop_instance_uid="2.25.404")
        opened.send(1, update, datasets.write(ended("DISCONTINUED"), EXPLICIT_LITTLE))
        assert opened.answer(update).command.status == 0x0112
    [entry] = [entry for entry in entries(node) if entry.action == "schedule"]
    assert (entry.study_uid, entry.patient_id, entry.subject) == ("2.25.100", "PAT1", "2.25.7")


def test_a_destination_nobody_knows_is_a_refusal(node: Node, other: Node, peer: Peer) -> None:
    *_, last = asking.move(peer, other.settings, STUDY_ROOT, Rank.STUDY, STUDY, "ELSEWHERE")
    assert last.status == 0xA801
    assert [(entry.outcome, entry.subject) for entry in entries(node) if entry.action == "export"] == [
        ("refused", "ELSEWHERE")
    ]


def test_who_is_turned_away_is_entered(node: Node, other: Node, network: Network) -> None:
    with pytest.raises(LamelleError, match="refuses"):
        asking.echo(Peer("LAMELLE", "127.0.0.1", 1), replace(other.settings, aet="STRANGER"))
    [entry] = entries(node)
    assert (entry.actor, entry.action, entry.outcome) == ("AE:STRANGER", "association_refused", "refused")
    assert entry.reason.startswith("calling AE title not recognised")


def test_what_rights_leave_out_is_entered_with_the_association(node: Node, other: Node, network: Network) -> None:
    rights = (replace(peer, rights=frozenset({"store"})) for peer in node.settings.peers)
    limited = Node(node.archive, replace(node.settings, peers=tuple(rights)))
    network.join(limited)
    with pytest.raises(LamelleError, match="does not serve"):
        list(asking.find(Peer("LAMELLE", "127.0.0.1", 1), other.settings, STUDY_ROOT, Rank.STUDY, {}))
    [entry] = entries(node)
    assert entry.detail == {"not_allowed": ["Study Root Query/Retrieve Information Model - FIND"]}


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[DimseSettings]:
    scanner = Peer("SCANNER", certificate="scanner1.example.org")
    yield DimseSettings(peers=(scanner, Peer("OTHER")), tls_cert="c", tls_ca="a")


def test_a_title_is_proved_by_a_certificate_where_one_is_named(secured: DimseSettings) -> None:
    asked = Request("SCANNER", "LAMELLE", "1.2.840.10008.3.1.1.1", (), 0)
    assert refusal(asked, secured, "10.0.0.1") == NOT_RECOGNIZED_CALLING
    assert refusal(asked, secured, "10.0.0.1", {"scanner2.example.org"}) == NOT_RECOGNIZED_CALLING
    assert refusal(asked, secured, "10.0.0.1", {"scanner1.example.org"}) is None
    assert refusal(replace(asked, calling_aet="OTHER"), secured, "10.0.0.1") is None


def test_a_certificate_that_nobody_would_see_is_a_mistake() -> None:
    with pytest.raises(Invalid, match="tls_ca"):
        DimseSettings(peers=(Peer("SCANNER", certificate="scanner1"),))
