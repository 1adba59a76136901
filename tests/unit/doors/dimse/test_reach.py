"""Whatever places, peers, rights, shares and studies there are: nothing leaves over DIMSE that `decide` forbids.

Every answer is compared both ways, so that nothing is hidden either that is allowed.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from lamelle.access import places, shares
from lamelle.access.decide import decide
from lamelle.access.model import WHOLE, Action, Actor, Guest, Membership, Purpose, Resource, Role
from lamelle.archive import forwarding as queues
from lamelle.archive.commitment import Reference
from lamelle.archive.model import Origin
from lamelle.archive.settings import ArchiveSettings
from lamelle.archive.store import Archive
from lamelle.base.errors import LamelleError
from lamelle.base.ids import new_uid, uid_from
from lamelle.dicom import json
from lamelle.doors.dimse import asking, association, commitment, datasets, forwarding, services
from lamelle.doors.dimse.association import Association, Message, Proposal
from lamelle.doors.dimse.commands import C_GET, N_ACTION, Command
from lamelle.doors.dimse.identifiers import GET, LEVEL, PATIENT_ROOT, STUDY_ROOT, Rank
from lamelle.doors.dimse.node import Node
from lamelle.doors.dimse.settings import DimseSettings, Peer, Right
from lamelle.testing import dimse
from lamelle.testing.archives import SetClock
from lamelle.testing.associations import Network
from lamelle.testing.instances import CT, EXPLICIT_LITTLE, instance

PLACES = 6
SETTINGS = DimseSettings(acse_timeout_s=10, idle_timeout_s=10, network_timeout_s=10)
STUDY, SERIES, INSTANCE, PATIENT = "0020000D", "0020000E", "00080018", "00100020"
STUDIES_OF_PATIENT, INSTANCES_OF_PATIENT, INSTANCES_OF_STUDY = "00201200", "00201204", "00201208"
LABEL = ["ORIGINAL", "PRIMARY", "LABEL", "NONE"]


@dataclass(frozen=True)
class Study:
    """One of a patient, with an image and a label, or two images."""

    place: int
    patient: str
    labelled: bool
    guests: tuple[tuple[int, Purpose, bool], ...]
    """Places it is shared with, what for, and whether that goes on."""

    @property
    def shared(self) -> frozenset[Guest]:
        return frozenset(Guest("place", place, purpose) for place, purpose, goes_on in self.guests if goes_on)


@dataclass(frozen=True)
class World:
    """Parents of places 2 and on (None: an establishment), the studies, the peers, whether SINK may have labels."""

    parents: tuple[int | None, ...]
    studies: tuple[Study, ...]
    peers: tuple[Peer, ...]
    labels: bool


numbers = st.integers(1, PLACES)
studies = st.builds(
    Study,
    numbers,
    st.sampled_from(["P1", "P2"]),
    st.booleans(),
    st.lists(st.tuples(numbers, st.sampled_from([Purpose.CARE, Purpose.RESEARCH]), st.booleans()), max_size=2).map(
        tuple
    ),
)
rights = st.frozensets(st.sampled_from(get_args(Right)), min_size=1)
peers = st.lists(st.tuples(numbers, rights, st.booleans()), min_size=1, max_size=3).map(
    lambda drawn: tuple(
        Peer(f"PEER{at}", "127.0.0.1", 9, rights=some, place=place, labels=labels)
        for at, (place, some, labels) in enumerate(drawn)
    )
)
worlds = st.builds(
    World,
    st.tuples(*(st.none() | st.integers(1, number - 1) for number in range(2, PLACES + 1))),
    st.lists(studies, min_size=1, max_size=4).map(tuple),
    peers,
    st.booleans(),
)


def study_uid(number: int) -> str:
    return uid_from("study", str(number))


def sop_uids(number: int, *, labels: bool, study: Study) -> set[str]:
    """Of what may be seen of a study."""
    hidden = {2} if study.labelled and not labels else set()
    return {uid_from("instance", str(number), "1", str(one)) for one in (1, 2) if one not in hidden}


@dataclass
class Site:
    """A node in that world, and what its destination was sent."""

    world: World
    node: Node
    network: Network
    sent: set[str] = field(default_factory=set)

    def actor(self, peer: Peer, *granted: Action) -> Actor:
        """Written down here once more: what the door makes of a peer is what is tested."""
        with self.node.archive.db.read() as conn:
            tree = places.tree(conn)
        held = Membership(Role.DEVICE, tree.below(peer.place), tree.establishment(peer.place))
        return Actor(-1, peer.aet, kind="peer", memberships=(held,), actions=frozenset(granted))

    def allowed(self, peer: Peer, action: Action, *needed: Right) -> set[int]:
        """Numbers of the studies that the peer may do this with; with one of these rights."""
        if peer.rights.isdisjoint(needed):
            return set()
        actor = self.actor(peer, action)
        return {
            number
            for number, one in enumerate(self.world.studies)
            if decide(actor, action, Resource(one.place, one.shared), Purpose.CARE)
        }

    def visible(self, peer: Peer, allowed: set[int], *, labels: bool | None = None) -> set[str]:
        """Instances of those studies that the peer may see."""
        shown = peer.labels if labels is None else labels
        return {uid for at in allowed for uid in sop_uids(at, labels=shown, study=self.world.studies[at])}


@contextmanager
def site(world: World, folder: Path) -> Iterator[Site]:
    network, clock = Network(), SetClock()
    archive = Archive.open(ArchiveSettings(folder, reserve_bytes=0), clock)
    try:
        with archive.db.write() as conn:
            for parent in world.parents:
                places.add(conn, "establishment" if parent is None else "department", "X", parent)
        for number, one in enumerate(world.studies):
            parts = [{}, {"ImageType": LABEL} if one.labelled else {}]
            for at, attributes in enumerate(parts, 1):
                data = instance(str(number), "1", at, PatientID=one.patient, **attributes)
                with archive.ingest.receive(Origin("test", "", one.place)) as reception:
                    reception.write(data)
                    reception.close()
                    assert archive.ingest.commit([reception])[0].status == "stored"
            with archive.db.write() as conn:
                for place, purpose, goes_on in one.guests:
                    until = clock.now() + timedelta(days=1 if goes_on else -1)
                    shares.give(conn, [study_uid(number)], Guest("place", place, purpose), 1, clock.now(), until=until)
        node = network.join(
            Node(archive, replace(SETTINGS, peers=(*world.peers, Peer("SINK", "127.0.0.1", 3, labels=world.labels))))
        )
        network.join(Node(archive, replace(SETTINGS, aet="SINK", peers=(Peer("LAMELLE"),))))
        yield Site(world, node, network)
    finally:
        network.close()
        archive.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commitment, "PAUSE_S", 0.0)


@pytest.fixture(scope="module")
def blank(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive without anything, to be copied: migrating takes longer."""
    folder = tmp_path_factory.mktemp("blank") / "data"
    Archive.open(ArchiveSettings(folder)).close()
    return folder


@settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(worlds)
def test_nothing_leaves_that_is_forbidden(blank: Path, world: World) -> None:
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        with site(world, shutil.copytree(blank, Path(folder) / "data")) as here:
            patch.setattr(association, "connect", here.network.connect)
            storing = services.STORAGE.handler

            def store(node: Node, opened: Association, message: Message) -> None:
                if node.settings.aet != "SINK":
                    storing(node, opened, message)
                    return
                message.skip()
                here.sent.add(message.command.affected_sop_instance_uid)
                opened.send(message.context.id, message.command.answer(0))

            patch.setattr(services, "STORAGE", replace(services.STORAGE, handler=store))
            for peer in world.peers:
                finds(here, peer)
                gets(here, peer)
                moves(here, peer)
                commits(here, peer)
            forwards(here)
            for peer in world.peers:
                stores(here, peer)


def finds(here: Site, peer: Peer) -> None:
    allowed = here.allowed(peer, Action.VIEW, "find")
    answers = ask(here, peer, STUDY_ROOT, Rank.STUDY, {STUDY: {"vr": "UI"}, INSTANCES_OF_STUDY: {"vr": "IS"}})
    counted = {json.text(item, STUDY): int(json.text(item, INSTANCES_OF_STUDY)) for item in answers}
    assert counted == {study_uid(at): len(here.visible(peer, {at})) for at in allowed}
    keys = {PATIENT: {"vr": "LO"}, STUDIES_OF_PATIENT: {"vr": "IS"}, INSTANCES_OF_PATIENT: {"vr": "IS"}}
    patients = {
        json.text(item, PATIENT): [int(json.text(item, tag)) for tag in (STUDIES_OF_PATIENT, INSTANCES_OF_PATIENT)]
        for item in ask(here, peer, PATIENT_ROOT, Rank.PATIENT, keys)
    }
    mine = {who: {at for at in allowed if here.world.studies[at].patient == who} for who in ("P1", "P2")}
    assert patients == {who: [len(some), len(here.visible(peer, some))] for who, some in mine.items() if some}
    found = set()
    for at in range(len(here.world.studies)):
        above = {STUDY: uid(study_uid(at)), SERIES: uid(uid_from("series", str(at), "1")), INSTANCE: {"vr": "UI"}}
        found |= {json.text(item, INSTANCE) for item in ask(here, peer, STUDY_ROOT, Rank.IMAGE, above)}
    assert found == here.visible(peer, allowed)


def gets(here: Site, peer: Peer) -> None:
    got: set[str] = set()
    with connected(here, peer, Proposal(STUDY_ROOT + GET, (EXPLICIT_LITTLE,)), CT) as opened:
        context = opened.context_for(STUDY_ROOT + GET)
        if context is not None:

            def take(message: Message) -> None:
                message.skip()
                got.add(message.command.affected_sop_instance_uid)
                opened.send(message.context.id, message.command.answer(0))

            command = Command(C_GET, 1, affected_sop_class_uid=STUDY_ROOT + GET, priority=0)
            opened.send(context.id, command, datasets.write(everything(here), EXPLICIT_LITTLE))
            while (answer := opened.answer(command, elsewhere=take).command).status == 0xFF00:
                assert answer.remaining is not None
            assert answer.failed == 0 and answer.completed == len(got)
    assert got == here.visible(peer, here.allowed(peer, Action.EXPORT, "get"))


def moves(here: Site, peer: Peer) -> None:
    here.sent.clear()
    settings = replace(SETTINGS, aet=peer.aet)
    keys = {STUDY: everything(here)[STUDY]}
    try:
        *_, last = asking.move(Peer("LAMELLE", "127.0.0.1", 1), settings, STUDY_ROOT, Rank.STUDY, keys, "SINK")
    except LamelleError:
        assert "move" not in peer.rights
    else:
        assert (last.completed, last.failed) == (len(here.sent), 0)
    labels = peer.labels and here.world.labels
    assert here.sent == here.visible(peer, here.allowed(peer, Action.EXPORT, "move"), labels=labels)


def commits(here: Site, peer: Peer) -> None:
    promised: set[str] = set()
    references = [
        commitment.reference(Reference(CT, name))
        for at, one in enumerate(here.world.studies)
        for name in sorted(sop_uids(at, labels=True, study=one))
    ]
    with connected(here, peer, Proposal(commitment.PUSH_MODEL, (EXPLICIT_LITTLE,))) as opened:
        context = opened.context_for(commitment.PUSH_MODEL)
        if context is not None:
            command = Command(
                N_ACTION, 1, requested_sop_instance_uid=commitment.WELL_KNOWN, action_type_id=commitment.REQUEST
            )
            item = {
                commitment.TRANSACTION: uid(new_uid()),
                commitment.REFERENCED: {"vr": "SQ", "Value": references},
            }
            opened.send(context.id, command, datasets.write(item, EXPLICIT_LITTLE))
            assert opened.answer(command).command.status == 0
            report = opened.receive()
            assert report is not None
            said = datasets.read(report).item.get(commitment.REFERENCED, {}).get("Value", ())
            promised = {json.text(one, commitment.INSTANCE) for one in said}
            opened.send(report.context.id, report.command.answer(0))
    assert promised == here.visible(peer, here.allowed(peer, Action.STORE, "commit"), labels=True)


def forwards(here: Site) -> None:
    """By a rule of ours: a destination is sent what is of its own establishment, or shared with it."""
    for peer in here.world.peers:
        here.sent.clear()
        target = replace(peer, aet="SINK")
        node = Node(here.node.archive, replace(here.node.settings, peers=(target,)))
        db, clock = node.archive.db, node.archive.clock
        with db.write() as conn:
            rows = [
                {"destination": "SINK", "sop_uid": name, "run_at": clock.now(), "created_at": clock.now()}
                for at, one in enumerate(here.world.studies)
                for name in sop_uids(at, labels=True, study=one)
            ]
            conn.execute(queues.outgoing.insert(), rows)
        forwarding.drain(node, {"to": "SINK"})
        everything_to = replace(peer, rights=frozenset({"get"}))
        assert here.sent == here.visible(peer, here.allowed(everything_to, Action.EXPORT, "get"))
        assert queues.queue(db) == [], "what is none of the destination's does not wait for it"


def stores(here: Site, peer: Peer) -> None:
    """An instance more for each study, then the first of a new one."""
    allowed = here.allowed(peer, Action.STORE, "store", "commit")
    with connected(here, peer, Proposal(CT, (EXPLICIT_LITTLE,))) as opened:
        if opened.context_for(CT) is None:
            assert "store" not in peer.rights
            return
        for number, one in enumerate(here.world.studies):
            more = instance(str(number), "1", 10 + here.world.peers.index(peer), PatientID=one.patient)
            assert dimse.store(opened, dimse.read(more)).status == (0 if number in allowed else 0x0124)
        name = f"new{peer.aet}"
        assert dimse.store(opened, dimse.read(instance(name))).status == 0
    [ref] = here.node.archive.retrieve.instances(WHOLE, uid_from("study", name))
    assert ref.place == peer.place


def ask(here: Site, peer: Peer, root: str, rank: Rank, keys: dict[str, Any]) -> list[dict[str, Any]]:
    try:
        return list(asking.find(Peer("LAMELLE", "127.0.0.1", 1), replace(SETTINGS, aet=peer.aet), root, rank, keys))
    except LamelleError:
        assert "find" not in peer.rights
        return []


@contextmanager
def connected(here: Site, peer: Peer, proposal: Proposal, *back: str) -> Iterator[Association]:
    returned = [Proposal(name, (EXPLICIT_LITTLE,), as_scp=True) for name in back]
    made = here.network.connect(Peer("LAMELLE", "127.0.0.1", 1), [proposal, *returned], replace(SETTINGS, aet=peer.aet))
    with made as opened:
        yield opened


def uid(name: str) -> dict[str, Any]:
    return {"vr": "UI", "Value": [name]}


def everything(here: Site) -> dict[str, Any]:
    names = [study_uid(at) for at in range(len(here.world.studies))]
    return {STUDY: {"vr": "UI", "Value": names}, LEVEL: {"vr": "CS", "Value": ["STUDY"]}}
