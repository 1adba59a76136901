"""Senders that never stop: STOW-RS and C-STORE, small and large, again and in contradiction; and what they were told.

What is done to the node meanwhile is not known here.
"""

import hashlib
import http.client
import random
import struct
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from lamelle.base.errors import LamelleError
from lamelle.doors.dimse import association
from lamelle.doors.dimse.association import Association, Proposal
from lamelle.doors.dimse.commands import C_STORE, Command, Status
from lamelle.doors.dimse.settings import DimseSettings, Peer
from lamelle.testing import instances
from lamelle.testing.client import Client

BROKEN = (OSError, http.client.HTTPException, LamelleError)
"""What a sender meets when the node dies under it."""
CONTEXTS = (
    Proposal(instances.CT, (instances.EXPLICIT_LITTLE,)),
    Proposal(instances.SLIDE, (instances.JPEG_BASELINE,)),
)
FRAME = 700_000
_UID = "2.25.1{:037d}"


@dataclass(frozen=True, slots=True)
class Sent:
    """One instance on its way; `digest` is that of its dataset, which every door keeps as it is."""

    study: str
    series: str
    uid: str
    sop_class: str
    data: bytes
    start: int
    """Where the dataset begins."""
    digest: str


class Maker:
    """Makes instances by patching two templates: quick, so that the node works and not the senders."""

    def __init__(self) -> None:
        frames = [b"\xff\xd8" + random.Random(n).randbytes(FRAME) + b"\xff\xd9" for n in range(3)]
        self._templates = {
            instances.CT: instances.instance("1", "1", 1, **self._blank()),
            instances.SLIDE: instances.slide(frames, "1", "1", 1, **self._blank()),
        }

    def make(self, study: int, number: int, says: int = 0, *, large: bool = False) -> Sent:
        """Instance `number` of a study; `says` changes its bytes and nothing of its names."""
        sop_class = instances.SLIDE if large else instances.CT
        names = [_UID.format(10 * study + 1), _UID.format(10 * study + 2), _UID.format(10 * number + 3)]
        data = self._templates[sop_class]
        for blank, name in zip(self._blank().values(), [*names, f"N{says:019d}"], strict=True):
            data = data.replace(blank.encode(), name.encode())
        start = dataset_start(data)
        return Sent(names[0], names[1], names[2], sop_class, data, start, digest_of(data))

    @staticmethod
    def _blank() -> dict[str, str]:
        return {
            "StudyInstanceUID": "2.25.2" + "7" * 37,
            "SeriesInstanceUID": "2.25.2" + "8" * 37,
            "SOPInstanceUID": "2.25.2" + "9" * 37,
            "PatientName": "Nxxxxxxxxxxxxxxxxxxx",
        }


def dataset_start(data: bytes) -> int:
    """Where the dataset of a Part 10 file begins."""
    return 144 + int(struct.unpack_from("<I", data, 140)[0])


def digest_of(data: bytes) -> str:
    """The SHA-256 of a Part 10 file's dataset."""
    return hashlib.sha256(data[dataset_start(data) :]).hexdigest()


class Ledger:
    """What was sent and what was answered, of all senders."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.kept: dict[str, Sent] = {}
        """Acknowledged, by SOP Instance UID."""
        self.versions: dict[str, set[str]] = {}
        """Digests of all that was ever sent under a UID."""
        self.contradicted: dict[str, str] = {}
        """SHA-256 of the file of what was answered as a conflict, to its UID."""
        self.wrong: list[str] = []
        self.answers: Counter[str] = Counter()

    def send(self, sent: Sent) -> None:
        with self._lock:
            self.versions.setdefault(sent.uid, set()).add(sent.digest)

    def hear(self, sent: Sent, word: str, door: str) -> None:
        """The answer to one instance: kept, conflict, or anything else, which promises nothing."""
        with self._lock:
            self.answers[f"{door} {word}"] += 1
            before = self.kept.get(sent.uid)
            if word == "kept":
                if before is not None and before.digest != sent.digest:
                    self.wrong.append(f"two different instances {sent.uid} were acknowledged")
                self.kept[sent.uid] = sent
            elif word == "conflict" and door == "stow":  # C-STORE's file has a header of ours
                self.contradicted[hashlib.sha256(sent.data).hexdigest()] = sent.uid
            if word == "conflict" and before is not None and before.digest == sent.digest:
                self.wrong.append(f"what was acknowledged of {sent.uid} is a conflict now")

    def acknowledged(self) -> list[Sent]:
        with self._lock:
            return list(self.kept.values())


@dataclass(slots=True)
class Load:
    """Several senders at once, until `stop`; `where` says how the node is reached now."""

    where: Callable[[], tuple[str, int]]
    """URL, and the DICOM port or 0."""
    seed: int
    ledger: Ledger = field(default_factory=Ledger)
    stopping: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)
    crashed: list[BaseException] = field(default_factory=list)

    def start(self, stow: int, dimse: int) -> None:
        """Begin with so many senders of each kind."""
        maker = Maker()
        for number in range(stow + dimse):
            send = self._stow if number < stow else self._dimse
            args = (maker, number, random.Random(f"{self.seed}-{number}"), send)
            self.threads.append(threading.Thread(target=self._run, args=args, name=f"sender-{number}"))
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join()
        if self.crashed:
            raise self.crashed[0]

    def _run(self, maker: Maker, worker: int, choice: random.Random, send: "Send") -> None:
        turn = 0
        batch: list[Sent] = []
        try:
            while not self.stopping.is_set():
                turn += 1
                if not batch:
                    batch = self._batch(maker, worker, turn, choice)
                for sent in batch:
                    self.ledger.send(sent)
                try:
                    send(batch, choice)
                    batch = []
                except BROKEN:
                    batch = batch if choice.random() < 0.7 else []  # most senders try again, some give up
                    self.stopping.wait(0.1)
        except BaseException as error:  # noqa: BLE001  raised by stop
            self.crashed.append(error)

    def _batch(self, maker: Maker, worker: int, turn: int, choice: random.Random) -> list[Sent]:
        base = (worker + 1) * 10**9 + turn * 100
        study = (worker + 1) * 10**6 + turn // 10
        batch = [maker.make(study, base + n) for n in range(choice.choice((1, 1, 2, 5, 10)))]
        if choice.random() < 0.1:
            batch.append(maker.make(study, base + 50, large=True))
        if choice.random() < 0.3:  # what everybody sends, with the same bytes
            batch.append(maker.make(1, turn % 97, 7))
        if choice.random() < 0.3:  # what everybody sends, with bytes of his own
            batch.append(maker.make(2, 1000 + turn, worker))
        known = self.ledger.acknowledged() if choice.random() < 0.1 else []
        if known:  # other bytes for what is there
            old = choice.choice(known[-200:])
            number = (int(old.uid[6:]) - 3) // 10
            batch.append(maker.make((int(old.study[6:]) - 1) // 10, number, 99 + worker, large=len(old.data) > FRAME))
        return batch

    def _stow(self, batch: Sequence[Sent], choice: random.Random) -> None:
        with Client(self.where()[0], timeout_s=60) as client:
            answer = client.store(*(sent.data for sent in batch))
        kept = {uid for _, _, uid in answer.kept}
        failed = answer.answer.json().get("00081198", {}).get("Value", ()) if answer.status in (200, 202, 409) else ()
        conflicts = {item["00081155"]["Value"][0] for item in failed if item["00081197"]["Value"][0] == 0x0111}
        for sent in batch:
            twice = sent.uid in kept and sent.uid in conflicts
            word = "kept" if sent.uid in kept else "conflict" if sent.uid in conflicts else f"{answer.status}"
            self.ledger.hear(sent, "both" if twice else word, "stow")

    def _dimse(self, batch: Sequence[Sent], choice: random.Random) -> None:
        with self._associated() as line:
            for sent in batch:
                self.ledger.hear(sent, _stored(line, sent), "dimse")

    def store(self, sent: Sent) -> str:
        """Send one instance by C-STORE: kept, conflict, or the status in hexadecimal."""
        with self._associated() as line:
            return _stored(line, sent)

    def _associated(self) -> Association:
        settings = DimseSettings(aet="LOAD", network_timeout_s=60, acse_timeout_s=60, idle_timeout_s=60)
        return association.connect(Peer("LAMELLE", "127.0.0.1", self.where()[1]), CONTEXTS, settings)


def _stored(line: Association, sent: Sent) -> str:
    context = line.context_for(sent.sop_class)
    assert context is not None
    asked = Command(
        C_STORE,
        message_id=line.next_message_id(),
        priority=0,
        affected_sop_class_uid=sent.sop_class,
        affected_sop_instance_uid=sent.uid,
    )
    line.send(context.id, asked, sent.data[sent.start :])
    answer = line.receive()
    if answer is None:
        raise ConnectionError("released")
    status = answer.command.status or 0
    return {Status.SUCCESS: "kept", Status.DUPLICATE_INSTANCE: "conflict"}.get(status, f"{status:04X}")


Send = Callable[[Sequence[Sent], random.Random], None]
